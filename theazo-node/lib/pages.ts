// Lists that come in pages: one page at a time, or all items with `for await`.

/** A page as JSON has it. */
interface PageData<T> {
  data: T[];
  hasMore?: boolean;
  cursor?: string;
}

/** One page of a list. `for await` goes through its items and through those of all pages after it. */
export class Page<T> implements AsyncIterable<T> {
  /** The items of this page. */
  readonly data: T[];
  /** Whether more items follow. */
  readonly hasMore: boolean;
  /** What to give as `cursor` to get the next page; empty when finished. */
  readonly cursor: string;
  readonly #fetch: (cursor: string) => Promise<Page<T>>;

  /** @internal */
  constructor(data: T[], hasMore: boolean, cursor: string, fetch: (cursor: string) => Promise<Page<T>>) {
    this.data = data;
    this.hasMore = hasMore;
    this.cursor = cursor;
    this.#fetch = fetch;
  }

  /** Fetches the next page, or gives null after the last one. */
  async nextPage(): Promise<Page<T> | null> {
    return this.hasMore && this.cursor !== '' ? await this.#fetch(this.cursor) : null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let page: Page<T> | null = this; page !== null; page = await page.nextPage()) {
      yield* page.data;
    }
  }
}

/** The promise of a page, which can be iterated at once: `for await (const session of theazo.sessions.list())`. */
export type PagePromise<T> = Promise<Page<T>> & AsyncIterable<T>;

/** Fetches the first page and knows how to fetch the others. @internal */
export function paginate<Data, Item>(
  fetch: (cursor: { cursor?: string }) => Promise<PageData<Data>>,
  convert: (data: Data) => Item,
): PagePromise<Item> {
  const load = async (cursor: { cursor?: string }): Promise<Page<Item>> => {
    const page = await fetch(cursor);
    return new Page(page.data.map(convert), page.hasMore ?? false, page.cursor ?? '', (next) => load({ cursor: next }));
  };
  // A member of the async function's own promise rather than a class of promises: so errors keep the caller's stack.
  const first = load({});
  return Object.assign(first, {
    async *[Symbol.asyncIterator]() {
      yield* await first;
    },
  });
}
