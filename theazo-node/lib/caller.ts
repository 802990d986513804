// Makes the calls that the generated methods name: JSON in, JSON out, and an AbortSignal on the way.

import { type Answer, type CallReport, Wish } from './answer.js';
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

/** What a method was given besides its path: members of the request and options of the call. */
type Given = CallOptions & Record<string, unknown>;

/**
 * What a method was given as one object: its arguments by their names beside its options, or that object if it was given
 * instead. Arguments win over options, so that none can take their place.
 *
 * An object in the place of the first argument is all of it, unless the first argument is itself an object: then it must have
 * a member with the name of the first argument.
 */
export function inOne(given: unknown[], names: string[], firstIsObject = false): Given {
  const [first] = given;
  if (isObject(first) && (!firstIsObject || (names[0] as string) in first)) return first as Given;
  const options = given[names.length] ?? {};
  checkOptions(options);
  const all: Record<string, unknown> = { ...(options as object) };
  names.forEach((name, index) => {
    all[name] = given[index];
  });
  return all;
}

function isObject(value: unknown): value is object {
  const isOther = Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof Date;
  return typeof value === 'object' && value !== null && !isOther && !(Symbol.iterator in value);
}

/**
 * Takes the options of the call out of what a method was given. What is left goes to the server, so that a member which this
 * version does not know is refused or ignored there and never dropped here.
 *
 * A method with a `timeout` or `headers` of its own has none of the call.
 */
export function splitOptions(given: object, ...own: string[]): [rest: Record<string, unknown>, call: CallOptions] {
  checkOptions(given);
  const { signal, timeout, deadline, maxRetries, idempotencyKey, headers, ...rest } = given as Given;
  const call: CallOptions = { signal, timeout, deadline, maxRetries, idempotencyKey, headers };
  for (const name of own as ('timeout' | 'headers')[]) {
    if (call[name] !== undefined) rest[name] = call[name];
    call[name] = undefined;
  }
  return [rest, call];
}

/** Makes one call of an operation. @internal */
export type MakeCall = <T>(
  operation: string,
  path: Path,
  query: Query | undefined,
  body: unknown,
  options: CallOptions | undefined,
  read: Read<T>,
) => Promise<T>;

let lastCancelId = 0;

/** Makes calls through one connection. */
export class Caller {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The address of the API; none for a control plane inside this process. */
  get baseUrl(): string | undefined {
    return this.#connection.baseUrl;
  }

  /** Runs the code of a method, whose answer can be asked for its meta. */
  answer<T>(method: (call: MakeCall) => Promise<T>): Answer<T> {
    const wish = new Wish();
    const onCall = this.#connection.onCall;
    if (onCall === undefined) return wish.grant(method((...call) => this.#call(wish, ...call))) as Answer<T>;
    wish.isWanted = true;
    const make: MakeCall = async (operation, ...call) => {
      const report: CallReport = { operation };
      try {
        const answer = await this.#call(wish, operation, ...call);
        if (wish.meta !== undefined) report.meta = wish.meta;
        return answer;
      } catch (error) {
        report.error = error;
        throw error;
      } finally {
        onCall(report);
      }
    };
    return wish.grant(method(make)) as Answer<T>;
  }

  /** Makes a call whose answer is JSON or empty. */
  async #call<T>(
    wish: Wish,
    operation: string,
    path: Path,
    query: Query | undefined,
    body: unknown,
    options: CallOptions | undefined,
    read: Read<T>,
  ): Promise<T> {
    const signal = signalOf(options);
    signal?.throwIfAborted();
    const request = [encodePath(path), encodeQuery(query), encode(body)] as const;
    let callOptions = encodeOptions(options);
    const cancelId = signal ? ++lastCancelId : undefined;
    const abort = () => this.#connection.ready?.cancel(cancelId as number);
    signal?.addEventListener('abort', abort, { once: true });
    let text: string;
    try {
      // Also where the client is there already: until the caller goes on, it can ask for the meta.
      const native = await (this.#connection.ready ?? this.#connection.started());
      signal?.throwIfAborted();
      if (wish.isWanted) callOptions = `{"meta":true${callOptions ? `,${callOptions.slice(1)}` : '}'}`;
      text = await native.call(operation, ...request, callOptions, cancelId);
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
      const body = wish.isWanted ? wish.take(text) : text;
      return read((body === '' ? undefined : JSON.parse(body)) as never);
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
