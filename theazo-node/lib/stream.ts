// A stream of events as an async iterable. It crosses from the native part in batches: all that is ready, at once.

import { TheazoError, toTheazoError } from './errors.js';
import type { NativeStream } from './native.js';

/** How a stream is opened, read and ended. @internal */
export interface StreamSource<T> {
  open(): Promise<NativeStream>;
  /** Ends an opening that is under way. */
  cancel(): void;
  read: (event: never) => T;
  signal?: AbortSignal | undefined;
}

/**
 * Events as they happen, for `for await`.
 *
 * Nothing is sent before the first event is asked for. A connection that breaks is resumed after the last event that
 * arrived. Leaving the loop closes the stream; where the operation says so, that ends the work on the server.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #source: StreamSource<T>;
  #opening: Promise<NativeStream> | undefined;
  #ready: T[] = [];
  #position = 0;
  #done = false;
  #last: Promise<unknown> = Promise.resolve();
  readonly #abort = () => {
    this.close().catch(() => {});
  };

  /** @internal */
  constructor(source: StreamSource<T>) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Waits for the next event. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#position < this.#ready.length) {
      const value = this.#ready[this.#position++] as T;
      return Promise.resolve({ value, done: false });
    }
    // One after the other, so that events asked for at the same time come in order.
    const next = this.#advance(this.#last);
    this.#last = next.catch(() => {});
    return next;
  }

  /** Closes the stream; what a loop that is left early calls. */
  async return(): Promise<IteratorResult<T, undefined>> {
    // A loop that was left has its result; that the server could not be told is for `close` to say.
    await this.close().catch(() => {});
    return { value: undefined, done: true };
  }

  /** Closes the stream. Where the operation says so, that ends the work on the server. */
  async close(): Promise<void> {
    if (this.#done) return;
    this.#finish();
    this.#source.cancel();
    const native = await this.#opening?.catch(() => undefined);
    try {
      await native?.close();
    } catch (error) {
      throw toTheazoError(error);
    }
  }

  /** Stops reading and leaves the work on the server under way. */
  async detach(): Promise<void> {
    if (this.#done) return;
    this.#finish();
    const native = await this.#opening?.catch(() => undefined);
    await native?.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #advance(previous: Promise<unknown>): Promise<IteratorResult<T, undefined>> {
    await previous;
    const signal = this.#source.signal;
    while (this.#position >= this.#ready.length) {
      signal?.throwIfAborted();
      if (this.#done) return { value: undefined, done: true };
      let batch: string | null;
      try {
        if (this.#opening === undefined) {
          signal?.addEventListener('abort', this.#abort, { once: true });
          this.#opening = this.#source.open();
        }
        batch = await (await this.#opening).next();
      } catch (error) {
        const wasClosed = this.#done;
        this.#finish();
        signal?.throwIfAborted();
        if (wasClosed) return { value: undefined, done: true };
        throw toTheazoError(error);
      }
      // A null is the end, be it the stream's own or that of a close while waiting.
      if (batch === null) this.#finish();
      else this.#take(batch);
    }
    return { value: this.#ready[this.#position++] as T, done: false };
  }

  #take(batch: string): void {
    try {
      this.#ready = JSON.parse(batch);
    } catch (cause) {
      this.#finish();
      const message = 'an event of the stream is not JSON';
      throw new TheazoError({ code: 'unreadable_answer', kind: 'unreadable', message }, { cause });
    }
    this.#position = 0;
    for (const event of this.#ready) this.#source.read(event as never);
  }

  #finish(): void {
    this.#done = true;
    this.#ready = [];
    this.#position = 0;
    this.#source.signal?.removeEventListener('abort', this.#abort);
  }
}
