// A stream of events over `fetch` that resumes after the last event that arrived.

import type { NativeStream } from '../native.js';
import { showDuration } from './duration.js';
import { type Core, Exchange, newIdempotencyKey, type Opened, pause } from './exchange.js';
import { type Call, nameOf, operationOf, repeatOf } from './operation.js';
import { nothing, tellRun, timeoutError } from './outcome.js';
import { MAX_EVENT_LENGTH, Parser, type RawEvent } from './parser.js';
import { Problem, unreadableAnswer } from './problem.js';
import { LONGEST_OBEYED, pauseBefore } from './retry.js';

/** How often in a row a stream is reconnected without a new event, unless the caller chose a number of retries. */
const RECONNECTS = 5;

/** The server sends a heartbeat every 15 s, so three missing ones mean a dead peer. */
const SILENCE = 45_000;

/** How long telling the server that a caller left may take. */
const FAREWELL = 30_000;

/** A batch of events ends when it has this many characters. */
const BATCH_LENGTH = 64 * 1024;

/** A piece of a body, or its end. */
type Piece = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>;

/** Opens a stream. Leaving it while it is being opened ends what the server may have begun. */
export async function openStream(core: Core, asked: Call, signal: AbortSignal | undefined): Promise<FetchStream> {
  const started = performance.now();
  let options = asked.options;
  // Fixed here, because a resumed stream must be the same call.
  if (repeatOf(asked.operation) === 'keyed') options = { idempotencyKey: newIdempotencyKey(), ...dropAbsent(options) };
  const call: Call = { ...asked, options };
  let isUnclear = false;
  const tellUnclear = (unclear: boolean) => {
    isUnclear = unclear;
  };
  try {
    const opened = await new Exchange(core, call, { signal, tellUnclear }).head();
    if (opened.status === 204) throw nothing(call.operation, opened.status);
    const deadline = options.deadline ?? core.config.deadline;
    return new FetchStream(
      core,
      call,
      opened,
      deadline === undefined ? undefined : { limit: deadline, until: started + deadline },
    );
  } catch (error) {
    if (signal?.aborted && isUnclear && call.operation.farewell !== undefined) {
      // The same call with the same key attaches to whatever the first one started, and leaving that ends it.
      const again = { ...call, options: { ...options, deadline: FAREWELL } };
      openStream(core, again, undefined)
        .then((stream) => stream.close())
        .catch(() => {});
    }
    throw error;
  }
}

/** What is given wins over what is made, also where it is given as undefined. */
function dropAbsent<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<T>;
}

/** An open stream. */
export class FetchStream implements NativeStream {
  readonly #core: Core;
  readonly #call: Call;
  readonly #maxFailures: number;
  readonly #deadline: { limit: number; until: number } | undefined;
  /** Fires when the stream is left. */
  readonly #left = new AbortController();
  #parser = new Parser();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** A read that was begun and did not end while somebody waited. */
  #reading: Promise<Piece> | undefined;
  #isOpen = true;
  #runId: string | undefined;
  /** What the server does for the stream, by the id that the head gave: a run, or a program. */
  #workId: string | undefined;
  /** The id of the last event of an earlier connection; what is not beyond it has been seen. */
  #seen: string | undefined;
  /** Whether an event was given that has no id: then no connection can go on where this one was. */
  #hasNoPlace = false;
  #failures = 0;
  /** An error that came after events, kept for the next batch. */
  #failure: unknown;

  constructor(core: Core, call: Call, opened: Opened, deadline: { limit: number; until: number } | undefined) {
    this.#core = core;
    this.#call = call;
    this.#deadline = deadline;
    const { config } = core;
    this.#maxFailures = call.options.maxRetries ?? (config.hasChosenRetries ? config.maxRetries : RECONNECTS);
    this.#connected(opened);
  }

  /** Waits for one event and takes those that are ready with it. */
  async next(): Promise<string | null> {
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    const first = await this.#next();
    if (first === undefined) return null;
    let batch = `[${crossing(first)}`;
    try {
      while (batch.length < BATCH_LENGTH) {
        const event = this.#ready();
        if (event === undefined) break;
        batch += `,${crossing(event)}`;
      }
    } catch (failure) {
      this.#failure = failure;
    }
    return `${batch}]`;
  }

  /** Leaves the stream, and where the operation says so ends the work; resolves when the server knows. */
  async close(): Promise<void> {
    const { farewell, path } = { ...this.#call.operation, path: this.#call.path };
    if (!this.#leave() || farewell === undefined || this.#workId === undefined) return;
    const operation = operationOf(farewell);
    const known = operation.path.split('/').filter((segment) => segment.startsWith('{')).length - 1;
    await new Exchange(this.#core, {
      id: farewell,
      operation,
      path: [...path.slice(0, known), this.#workId],
      query: [],
      body: undefined,
      options: { deadline: FAREWELL, idempotencyKey: newIdempotencyKey() },
    }).whole();
  }

  /** Leaves the stream and lets the server's work go on. */
  async detach(): Promise<void> {
    this.#leave();
  }

  /** Ends the connection; false if the stream was over already. */
  #leave(): boolean {
    const wasOpen = this.#isOpen;
    this.#end();
    this.#left.abort();
    return wasOpen;
  }

  #end(): void {
    this.#isOpen = false;
    this.#parser = this.#parser.resumed();
    this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
    this.#reading = undefined;
  }

  /** Takes over a connection. */
  #connected({ status, headers, body }: Opened): void {
    const runId = headers.get('x-theazo-run-id');
    this.#runId = runId ?? this.#runId;
    this.#workId = runId ?? headers.get('x-theazo-exec-id') ?? this.#workId;
    this.#parser = this.#parser.resumed();
    this.#seen = this.#parser.lastEventId;
    this.#reading = undefined;
    this.#reader = status === 204 ? undefined : body?.getReader();
    if (this.#reader === undefined) this.#isOpen = false;
  }

  /** The next event's data; undefined at the end. */
  async #next(): Promise<string | undefined> {
    for (;;) {
      const event = this.#ready();
      if (event !== undefined) return event;
      if (!this.#isOpen) return undefined;
      let problem: string;
      try {
        const piece = await this.#read();
        if (!this.#isOpen) return undefined;
        if (piece.done) problem = 'the connection ended before the stream did';
        else {
          this.#assertInTime();
          this.#parser.push(piece.value);
          continue;
        }
      } catch (error) {
        if (!this.#isOpen) return undefined;
        if (error instanceof Problem) throw this.#failed(error);
        problem = (error as Error)?.message ?? String(error);
      }
      await this.#reconnect(problem);
    }
  }

  /** An event that has come already, if it is to be given. */
  #ready(): string | undefined {
    while (this.#isOpen) {
      let event: RawEvent | undefined;
      try {
        event = this.#parser.next();
      } catch {
        throw this.#failed(
          unreadableAnswer(`an event of ${nameOf(this.#call.operation)} is larger than ${MAX_EVENT_LENGTH} bytes`),
        );
      }
      if (event === undefined) return undefined;
      if (event.data === '' || this.#isSeen(event)) continue;
      this.#failures = 0;
      this.#hasNoPlace = event.id === undefined;
      if (event.data === '[DONE]') this.#end();
      else {
        if (isLast(this.#call.operation.lastEvents ?? ['done', 'error'], event.data)) this.#end();
        return event.data;
      }
    }
    return undefined;
  }

  /** Whether an earlier connection gave this event. Ids are numbers that grow; of others only the same one counts. */
  #isSeen({ id, hasOwnId }: RawEvent): boolean {
    if (!hasOwnId || this.#seen === undefined || id === undefined) return false;
    const areNumbers = /^\d+$/.test(id) && /^\d+$/.test(this.#seen);
    return areNumbers ? BigInt(id) <= BigInt(this.#seen) : id === this.#seen;
  }

  /** The next piece. Of silence only the time counts in which somebody listens. */
  async #read(): Promise<Piece> {
    this.#reading ??= (this.#reader as ReadableStreamDefaultReader<Uint8Array>).read();
    const left = this.#deadline === undefined ? Number.POSITIVE_INFINITY : this.#deadline.until - performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let leave = () => {};
    const ended = new Promise<never>((_, reject) => {
      const millis = Math.max(0, Math.min(left, SILENCE));
      const late = () => new Error(`nothing arrived for ${showDuration(SILENCE)}, not even a heartbeat`);
      timer = setTimeout(() => reject(left <= SILENCE ? this.#outOfTime() : late()), millis);
      leave = () => reject(new Error('the stream was left'));
      this.#left.signal.addEventListener('abort', leave, { once: true });
    });
    try {
      const piece = await Promise.race([this.#reading, ended]);
      this.#reading = undefined;
      return piece;
    } finally {
      clearTimeout(timer);
      this.#left.signal.removeEventListener('abort', leave);
    }
  }

  /** A peer that never stops talking is found out here. */
  #assertInTime(): void {
    if (this.#deadline !== undefined && performance.now() >= this.#deadline.until) throw this.#outOfTime();
  }

  #outOfTime(): Problem {
    return timeoutError(this.#call.operation, this.#deadline?.limit ?? 0);
  }

  /** Connects again after the last event that arrived, or throws the error that ends the stream. */
  async #reconnect(problem: string): Promise<void> {
    this.#failures += 1;
    if (this.#hasNoPlace || this.#failures > this.#maxFailures) {
      const why = this.#hasNoPlace ? '; its events have no ids, so it cannot go on where it was' : '';
      const message = `the stream of ${nameOf(this.#call.operation)} broke: ${problem}${why}`;
      throw this.#failed(new Problem({ code: 'connection_error', kind: 'maybe_received', message, retryable: true }));
    }
    this.#reader?.cancel().catch(() => {});
    const asked = Math.min(this.#parser.retry ?? 0, LONGEST_OBEYED);
    const { signal } = this.#left;
    const deadline = this.#deadline;
    try {
      await pause(Math.max(pauseBefore(this.#failures - 1, undefined, Math.random()), asked), signal);
      const left = deadline === undefined ? undefined : deadline.until - performance.now();
      if (left !== undefined && left <= 0) throw this.#outOfTime();
      const options = { ...this.#call.options, deadline: left, maxRetries: this.#maxFailures - this.#failures };
      const place = this.#parser.lastEventId;
      const canBeSent = place !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(place);
      const headers: Record<string, string> = canBeSent ? { 'last-event-id': place } : {};
      this.#connected(await new Exchange(this.#core, { ...this.#call, options }, { headers, signal }).head());
    } catch (error) {
      // Who left has ended it.
      if (!this.#isOpen) return;
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): unknown {
    this.#end();
    if (error instanceof Problem && this.#runId !== undefined) tellRun(error, this.#runId);
    return error;
  }
}

/** Whether nothing follows an event: its member `type` or `event` is one of these. */
function isLast(names: readonly string[], data: string): boolean {
  // Most events cannot be the last one, which a look for the word tells faster than reading the JSON.
  if (!names.some((name) => data.includes(`"${name}"`))) return false;
  try {
    const { type, event } = JSON.parse(data) as { type?: unknown; event?: unknown };
    return names.some((name) => type === name || event === name);
  } catch {
    return false;
  }
}

/** An event as batches have it, where a text by itself is an event that says it: one that is a text is none of ours. */
function crossing(event: string): string {
  return event.trimStart().startsWith('"') ? 'null' : event;
}
