// Lists that come in pages: one page at a time, or all items with `for await`.

import type { WithMeta } from './answer.js';
import type { Caller, MakeCall } from './caller.js';

/** A page as JSON has it. */
interface PageData<T> {
  data: T[];
  hasMore?: boolean;
  cursor?: string;
}

/** Fetches the page at a cursor. */
type Fetch<P> = (cursor: string) => Promise<P>;

/** One page of a list. `for await` goes through its items and through those of all pages after it. */
export class Page<T> implements AsyncIterable<T> {
  /** The items of this page. */
  readonly data: T[];
  /** Whether more items follow. */
  readonly hasMore: boolean;
  /** What to give as `cursor` to get the next page; empty when finished. */
  readonly cursor: string;
  readonly #fetch: Fetch<Page<T>>;

  /** @internal */
  constructor(data: T[], hasMore: boolean, cursor: string, fetch: Fetch<Page<T>>) {
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

/**
 * One page of a list that published clients know as an array, which it is. Besides, it has all that a {@link Page} has; what
 * is made of it by `map`, `filter` and so on is a plain array.
 */
export class ListPage<T> extends Array<T> {
  readonly #page: { hasMore: boolean; cursor: string; fetch: Fetch<ListPage<T>> };

  /** @internal */
  constructor(data: T[], hasMore: boolean, cursor: string, fetch: Fetch<ListPage<T>>) {
    super();
    for (const item of data) this.push(item);
    this.#page = { hasMore, cursor, fetch };
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** The items of this page. */
  get data(): T[] {
    return [...this];
  }

  /** Whether more items follow. */
  get hasMore(): boolean {
    return this.#page.hasMore;
  }

  /** What to give as `cursor` to get the next page; empty when finished. */
  get cursor(): string {
    return this.#page.cursor;
  }

  /** Fetches the next page, or gives null after the last one. */
  async nextPage(): Promise<ListPage<T> | null> {
    return this.hasMore && this.cursor !== '' ? await this.#page.fetch(this.cursor) : null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let page: ListPage<T> | null = this; page !== null; page = await page.nextPage()) {
      // By the iterator of arrays; `yield*` would take this one.
      for (const item of page) yield item;
    }
  }
}

/** The promise of a page, which can be iterated at once: `for await (const session of theazo.sessions.list())`. */
export interface PagePromise<T> extends Promise<Page<T>>, AsyncIterable<T> {
  /** The same page with its status, the id of its request, its headers and what each attempt came to. */
  withMeta(): Promise<WithMeta<Page<T>>>;
}

/** The promise of a page that is an array, which can be iterated at once too. */
export interface ListPromise<T> extends Promise<ListPage<T>>, AsyncIterable<T> {
  /** The same page with its status, the id of its request, its headers and what each attempt came to. */
  withMeta(): Promise<WithMeta<ListPage<T>>>;
}

/** Fetches the page at a cursor, the first one without. */
type FetchData<Item> = (call: MakeCall, cursor: { cursor?: string }) => Promise<PageData<Item>>;

/** A kind of page. */
type Kind<P, Item> = new (data: Item[], hasMore: boolean, cursor: string, fetch: Fetch<P>) => P;

/** Reads a page, item by item. @internal */
export function readPage<Data, Item>(read: (item: Data) => Item): (page: PageData<Data>) => PageData<Item> {
  return (page) => ({ ...page, data: page.data.map(read) });
}

/** Fetches the first page and knows how to fetch the others. @internal */
export function paginate<Item>(caller: Caller, fetch: FetchData<Item>): PagePromise<Item> {
  return pages<Item, Page<Item>>(caller, Page, fetch);
}

/** As `paginate`, with pages that are arrays. @internal */
export function list<Item>(caller: Caller, fetch: FetchData<Item>): ListPromise<Item> {
  return pages<Item, ListPage<Item>>(caller, ListPage, fetch);
}

function pages<Item, P extends AsyncIterable<Item>>(caller: Caller, kind: Kind<P, Item>, fetch: FetchData<Item>) {
  const load = (cursor: { cursor?: string }) =>
    caller.answer(async (call): Promise<P> => {
      const page = await fetch(call, cursor);
      return new kind(page.data, page.hasMore ?? false, page.cursor ?? '', (next) => load({ cursor: next }));
    });
  // A member of the promise itself rather than a class of promises: so errors keep the caller's stack.
  const first = load({});
  return Object.assign(first, {
    async *[Symbol.asyncIterator]() {
      yield* await first;
    },
  });
}
