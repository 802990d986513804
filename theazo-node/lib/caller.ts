// Makes the calls that the generated methods name: JSON in, JSON out, and an AbortSignal on the way.

import type { Connection } from './connection.js';
import { toTheazoError, unreadable } from './errors.js';
import type { DurationInput } from './generated/types.js';
import { checkOptions, encode, encodePath, encodeQuery, invalid } from './input.js';
import { EventStream } from './stream.js';

/** What a caller wants of one call alone. What is left out is inherited from the client. */
export interface CallOptions {
  /**
   * Ends the call when it is aborted: the promise is rejected with the signal's reason, as that of `fetch` is. What the
   * server has begun it finishes; only leaving `agent.stream` cancels its run.
   */
  signal?: AbortSignal | undefined;
  /**
   * How long one attempt may take. For a call that waits for a run, which has no limit by default, it is how long to wait
   * in all; the run itself goes on.
   */
  timeout?: DurationInput | undefined;
  /** How long the call may take in all, with every attempt and the pauses between them. */
  deadline?: DurationInput | undefined;
  /** How often the call is tried again after a failure that may pass; 0 turns retries off. */
  maxRetries?: number | undefined;
  /** A repeated call with the same key and the same arguments acts once; generated if there is none. */
  idempotencyKey?: string | undefined;
  /** Headers besides those of the client. */
  headers?: Record<string, string> | undefined;
}

/** The options of a call whose `timeout` is that of the work itself; `deadline` limits the call. */
export type CallOptionsOfRun = Omit<CallOptions, 'timeout'>;

/** What an answer is turned into; readers work in place. */
export type Read<T> = (value: never) => T;

/** The parts of a path by their names, in its order. */
type Path = Record<string, string>;

type Query = Record<string, unknown>;

/** Leaves an answer as it came. */
export function asItIs<T>(value: T): T {
  return value;
}

/**
 * Takes the options of the call out of the options of a method. What is left goes to the server, so that a member which
 * this version does not know is refused or ignored there and never dropped here.
 *
 * A method with a `timeout` of its own has none of the call.
 */
export function splitOptions<T extends CallOptions>(options: T): [rest: Omit<T, keyof CallOptions>, call: CallOptions];
export function splitOptions<T extends CallOptionsOfRun>(
  options: T,
  ownTimeout: true,
): [rest: Omit<T, keyof CallOptionsOfRun>, call: CallOptions];
export function splitOptions(options: CallOptions, ownTimeout = false): [rest: object, call: CallOptions] {
  checkOptions(options);
  const { signal, deadline, maxRetries, idempotencyKey, headers, ...rest } = options;
  const call: CallOptions = { signal, deadline, maxRetries, idempotencyKey, headers };
  if (!ownTimeout) {
    call.timeout = rest.timeout;
    delete rest.timeout;
  }
  return [rest, call];
}

let lastCancelId = 0;

/** Makes calls through one connection. */
export class Caller {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Makes a call whose answer is JSON or empty. */
  async call<T>(
    operation: string,
    path: Path,
    query: Query | undefined,
    body: unknown,
    options: CallOptions | undefined,
    read: Read<T>,
  ): Promise<T> {
    const signal = signalOf(options);
    signal?.throwIfAborted();
    const encoded = [encodePath(path), encodeQuery(query), encode(body), encodeOptions(options)] as const;
    const cancelId = signal ? ++lastCancelId : undefined;
    const abort = () => this.#connection.ready?.cancel(cancelId as number);
    signal?.addEventListener('abort', abort, { once: true });
    let text: string;
    try {
      const native = this.#connection.ready ?? (await this.#connection.started());
      signal?.throwIfAborted();
      text = await native.call(operation, ...encoded, cancelId);
      // The answer may have been on its way here already; an aborted call has none, whichever was faster.
      signal?.throwIfAborted();
    } catch (error) {
      signal?.throwIfAborted();
      // Made here, after the await, so that its stack goes on through the caller's own async functions.
      throw toTheazoError(error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    try {
      return read((text === '' ? undefined : JSON.parse(text)) as never);
    } catch (cause) {
      throw unreadable(`the answer to ${operation} is not what the API describes`, cause);
    }
  }

  /** Makes a call whose answer is a stream of events; it is sent when the first event is asked for. */
  stream<T>(
    operation: string,
    path: Path,
    query: Query | undefined,
    body: unknown,
    options: CallOptions | undefined,
    read: Read<T>,
  ): EventStream<T> {
    // Encoded at once, so that what the caller changes afterwards does not count.
    const signal = signalOf(options);
    const encoded = [encodePath(path), encodeQuery(query), encode(body), encodeOptions(options)] as const;
    const cancelId = ++lastCancelId;
    return new EventStream<T>({
      open: async () => {
        const native = this.#connection.ready ?? (await this.#connection.started());
        return await native.open(operation, ...encoded, cancelId);
      },
      cancel: () => this.#connection.ready?.cancel(cancelId),
      read,
      signal,
    });
  }
}

function signalOf(options: CallOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined;
  checkOptions(options);
  // Null is what a call without a signal has in the DOM.
  const signal = options.signal ?? undefined;
  if (signal !== undefined && typeof signal.throwIfAborted !== 'function') {
    throw invalid('signal', 'must be an AbortSignal');
  }
  return signal;
}

function encodeOptions(options: CallOptions | undefined): string | undefined {
  if (options === undefined) return undefined;
  const { timeout, deadline, maxRetries, idempotencyKey, headers } = options;
  if (typeof headers === 'string') throw invalid('headers', 'must be an object of text by name, not text');
  const text = encode({ timeout, deadline, maxRetries, idempotencyKey, headers });
  return text === '{}' ? undefined : text;
}
