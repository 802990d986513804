// A stream of events as an async iterable. It crosses from the native part in batches: all that is ready, at once.

import { toTheazoError, unreadable } from './errors.js';
import type { NativeStream } from './native.js';

/** A batch of so many characters comes from a stream that is faster than its reader: then the next one is fetched meanwhile. */
const READ_AHEAD_FROM = 4 * 1024;

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
  /** The next batch, where it is fetched while this one is read. */
  #ahead: Promise<string | null> | undefined;
  #ready: T[] = [];
  #position = 0;
  #done = false;
  #turn: Promise<void> = Promise.resolve();
  /** Whether the signal fired and nobody was told yet. */
  #isAborted = false;
  readonly #abort = () => {
    this.#isAborted = true;
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
    return this.#advance();
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

  async #advance(): Promise<IteratorResult<T, undefined>> {
    // One after the other, so that events asked for at the same time come in order. The turn is a promise of its own:
    // a second reaction to the one that is returned would take the caller's functions from the stack of an error.
    const previous = this.#turn;
    let finished = () => {};
    this.#turn = new Promise((resolve) => {
      finished = resolve;
    });
    try {
      await previous;
      while (this.#position >= this.#ready.length) {
        if (this.#done || !(await this.#fetch())) return this.#end();
      }
      return { value: this.#ready[this.#position++] as T, done: false };
    } finally {
      finished();
    }
  }

  /** Waits for the next batch; false at the end, be it the stream's own or that of a close while waiting. */
  async #fetch(): Promise<boolean> {
    let batch: string | null;
    try {
      const native = await this.#open();
      const next = this.#ahead ?? native.next();
      this.#ahead = undefined;
      batch = await next;
      if (batch !== null && batch.length >= READ_AHEAD_FROM) this.#readAhead(native);
    } catch (error) {
      // What was closed while it waited has ended; anything else has failed.
      if (this.#done) return false;
      this.#finish();
      throw toTheazoError(error);
    }
    if (batch === null) this.#finish();
    else this.#take(batch);
    return batch !== null;
  }

  #readAhead(native: NativeStream): void {
    this.#ahead = native.next();
    // Whoever asks for what follows is told; if nobody does, nobody is.
    this.#ahead.catch(() => {});
  }

  #open(): Promise<NativeStream> {
    if (this.#opening === undefined) {
      const signal = this.#source.signal;
      signal?.throwIfAborted();
      signal?.addEventListener('abort', this.#abort, { once: true });
      this.#opening = this.#source.open();
    }
    return this.#opening;
  }

  #end(): IteratorResult<T, undefined> {
    if (this.#isAborted) {
      this.#isAborted = false;
      this.#source.signal?.throwIfAborted();
    }
    return { value: undefined, done: true };
  }

  #take(batch: string): void {
    try {
      const events: unknown[] = JSON.parse(batch);
      const { read } = this.#source;
      for (let index = 0; index < events.length; index++) {
        const event = events[index];
        // The piece of an answer crosses as its text alone.
        if (typeof event === 'string') events[index] = { type: 'text', text: event };
        read(events[index] as never);
      }
      this.#ready = events as T[];
      this.#position = 0;
    } catch (cause) {
      // As after any error, the work on the server goes on.
      this.detach().catch(() => {});
      throw unreadable('an event of the stream is not what the API describes', cause);
    }
  }

  #finish(): void {
    this.#done = true;
    this.#ready = [];
    this.#position = 0;
    this.#source.signal?.removeEventListener('abort', this.#abort);
  }
}
