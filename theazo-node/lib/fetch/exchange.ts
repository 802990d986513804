// The loop of one call: attempts, pauses between them, and the re-attaching to work that outlives a request.

import { addressOf } from './address.js';
import { readBeginning, readWhole } from './body.js';
import type { Config } from './config.js';
import { parseDuration } from './duration.js';
import { type Call, repeatOf, waitOf } from './operation.js';
import * as outcome from './outcome.js';
import type { AttemptParts, Problem } from './problem.js';
import type { Redactor } from './redact.js';
import {
  askedPause,
  type Ending,
  type Failures,
  LONGEST_OBEYED,
  mayRetry,
  pauseBefore,
  type RetryBudget,
} from './retry.js';

/** How long the server may hold a request that waits for a run, and what is added for the way there and back. */
const RUN_WAIT = 25_000;
const RUN_SLACK = 10_000;

/** A server that says `continue` sooner than this is not holding requests as asked. */
const SHORTEST_HOLD = 100;

const MAX_ERROR_LENGTH = 1024 * 1024;
const MAX_EXCERPT_LENGTH = 4096;

/** What all calls of a client share. */
export interface Core {
  config: Config;
  budget: RetryBudget;
  failures: Failures;
}

/** A successful answer that was read whole. */
export interface Answer {
  text: string;
  status: number;
  requestId: string;
  headers: Headers;
  /** What else is known of it. */
  meta: () => object;
}

/** A successful answer of which only the head was read. */
export interface Opened {
  status: number;
  headers: Headers;
  /** What is still to be read; null where nothing follows. */
  body: ReadableStream<Uint8Array> | null;
}

/** What a caller of the exchange adds to a call. */
export interface Extras {
  headers?: Record<string, string>;
  /** Ends the exchange. */
  signal?: AbortSignal | undefined;
  /** Told whether the server may have begun the work. */
  tellUnclear?: (isUnclear: boolean) => void;
}

/** An attempt that failed, with what the decision about the next one needs. */
class Failed {
  constructor(
    readonly ending: Ending,
    readonly problem: Problem,
    readonly asked?: number | undefined,
  ) {}
}

/** What one attempt gave: an answer, or the word that the work goes on. */
type Received<T> = { answer: T; status: number; requestId: string } | 'continue';

/** One call under way. */
export class Exchange {
  readonly #core: Core;
  readonly #call: Call;
  readonly #extras: Extras;
  readonly #address: string;
  readonly #headers: Record<string, string>;
  readonly #redactor: Redactor;
  readonly #limit: number;
  /** The limit of the whole call: what was asked for, and when that is. */
  readonly #overall: { limit: number; until: number } | undefined;
  /** Until when to wait for a change of state; then the present state is the answer. */
  readonly #waitUntil: number | undefined;
  readonly #traceId = randomHex(16);
  readonly #attempts: AttemptParts[] = [];
  readonly #timings = { totalMs: 0, waitedMs: 0, toFirstByteMs: 0, bodyMs: 0 };
  /** How many attempts the same call has had before, when an application makes it again. */
  #attemptsBefore = 0;
  #runId: string | undefined;

  constructor(core: Core, call: Call, extras: Extras = {}) {
    const { operation, options } = call;
    const { config } = core;
    this.#core = core;
    this.#call = call;
    this.#extras = extras;
    this.#address = addressOf(config.base, operation, call.path, call.query);
    this.#headers = { ...config.headers, ...headersOf(call), ...extras.headers };
    this.#redactor = config.redactor.ofSent(operation, call.body);
    const isRun = operation.time === 'run';
    const patient = RUN_WAIT + RUN_SLACK;
    this.#limit = isRun ? patient : (options.timeout ?? (operation.time === 'wait' ? patient : config.timeout));
    // A run is not over when an attempt is, so a caller's timeout can only mean how long to wait in all.
    const limits = [options.deadline ?? config.deadline, isRun ? options.timeout : undefined];
    const overall = Math.min(...limits.filter((limit) => limit !== undefined));
    const now = performance.now();
    this.#overall = Number.isFinite(overall) ? { limit: overall, until: now + overall } : undefined;
    const wait = waitOf(call, parseDuration);
    this.#waitUntil = wait === undefined ? undefined : now + wait;
  }

  /** Sends until there is an answer, and reads it. */
  whole(): Promise<Answer> {
    return this.#run(async (response) => {
      const { operation } = this.#call;
      const text = await readWhole(response, this.#core.config.maxAnswerBytes);
      if (text === undefined)
        throw this.#unreadable(outcome.tooLarge(operation, this.#core.config.maxAnswerBytes), response);
      const { status, headers } = response;
      if (isContinuation(response) && operation.time !== 'wait') return this.#answer(text, response);
      try {
        outcome.checkForm(operation, status, text, this.#redactor);
      } catch (problem) {
        throw this.#unreadable(problem as Problem, response);
      }
      return this.#answer(outcome.pageOf(operation, text, headers), response);
    });
  }

  #answer(text: string, { status, headers }: Response): Answer {
    return { text, status, headers, requestId: requestIdOf(headers), meta: () => this.#meta(status, headers) };
  }

  /** What is known of an answer besides its body, as `ResponseMeta` has it. */
  #meta(status: number, headers: Headers): object {
    return {
      status,
      requestId: requestIdOf(headers),
      traceId: this.#traceId,
      replayed: headers.get('idempotent-replayed') === 'true',
      headers: [...headers],
      attempts: this.#attempts,
      timings: this.#timings,
    };
  }

  /** Sends until there is an answer, and gives its head. */
  head(): Promise<Opened> {
    return this.#run(async (response) => {
      const { status, headers, body } = response;
      const type = headers.get('content-type')?.trimStart() ?? '';
      if (status !== 204 && !type.toLowerCase().startsWith('text/event-stream')) {
        const text = await readBeginning(response, MAX_EXCERPT_LENGTH);
        throw this.#unreadable(outcome.notAStream(this.#call.operation, status, type, text, this.#redactor), response);
      }
      return { status, headers, body: body as ReadableStream<Uint8Array> | null };
    });
  }

  async #run<T>(read: (response: Response) => Promise<T>): Promise<T> {
    const tellUnclear = this.#extras.tellUnclear ?? (() => {});
    const started = performance.now();
    this.#attemptsBefore = this.#core.failures.before(this.#identity());
    let [number, retry, waited, wasLost] = [1, 0, 0, false];
    for (;;) {
      const begun = performance.now();
      tellUnclear(true);
      try {
        const received = await this.#attempt(number, read);
        if (received !== 'continue') {
          this.#core.budget.reward(retry > 0);
          const ended = performance.now();
          this.#timings.totalMs = ended - started;
          this.#record(number, waited, ended - begun, received);
          return received.answer;
        }
        // The work is alive, so failures from before no longer count.
        retry = 0;
        const hold = Math.min(SHORTEST_HOLD - (performance.now() - begun), this.#timeLeft().left);
        if (hold > 0) await pause(hold, this.#extras.signal);
      } catch (failed) {
        if (!(failed instanceof Failed)) throw failed;
        wasLost ||= failed.ending.kind === 'broken';
        tellUnclear(wasLost);
        this.#record(number, waited, performance.now() - begun, failed.problem.parts);
        const next = this.#nextPause(failed, retry);
        if (next === undefined) throw this.#giveUp(failed);
        waited = next;
        await pause(waited, this.#extras.signal);
        this.#timings.waitedMs += waited;
        number += 1;
        retry += 1;
      }
    }
  }

  /** Sends once and reads the answer within the limit. */
  async #attempt<T>(number: number, read: (response: Response) => Promise<T>): Promise<Received<T>> {
    const { left, shown } = this.#timeLeft();
    const { operation } = this.#call;
    if (left <= 0) throw new Failed({ kind: 'broken' }, outcome.timeoutError(operation, shown));
    const { signal } = this.#extras;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const begun = performance.now();
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        controller.abort();
      },
      Math.min(left, 2 ** 31 - 1),
    );
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const response = await fetch(this.#address, {
        method: operation.method,
        headers: this.#outgoing(number, left),
        body: this.#call.body ?? null,
        redirect: 'manual',
        signal: controller.signal,
      });
      const answered = performance.now();
      this.#timings.toFirstByteMs = answered - begun;
      this.#runId = response.headers.get('x-theazo-run-id') ?? this.#runId;
      if (!response.ok) throw await this.#answered(response);
      const answer = await read(response);
      this.#timings.bodyMs = performance.now() - answered;
      if (isContinuation(response) && !this.#hasWaited()) return 'continue';
      return { answer, status: response.status, requestId: requestIdOf(response.headers) };
    } catch (error) {
      if (error instanceof Failed) throw error;
      signal?.throwIfAborted();
      if (isLate) throw new Failed({ kind: 'broken' }, outcome.timeoutError(operation, shown));
      const ending = outcome.endingOf(error);
      const { base, redactor } = this.#core.config;
      throw new Failed(ending, outcome.connectionError(operation, redactor.clean(base), ending, error));
    } finally {
      clearTimeout(timer);
      // A stream goes on with the signal of whoever reads it.
      signal?.removeEventListener('abort', abort);
    }
  }

  #outgoing(number: number, limit: number): Record<string, string> {
    // The one id of a span that must not be is that of zeros alone.
    const span = `1${randomHex(8).slice(1)}`;
    const headers: Record<string, string> = {
      ...this.#headers,
      'x-theazo-attempt': String(this.#attemptsBefore + number),
      traceparent: `00-${this.#traceId}-${span}-00`,
    };
    const { time } = this.#call.operation;
    // Rounded down: the server then answers before this side stops waiting, and says which run it is.
    if (time === 'run') headers.prefer = `wait=${Math.floor(Math.min(limit, RUN_WAIT) / 1000)}`;
    if (time === 'wait') {
      const left = this.#waitUntil === undefined ? RUN_WAIT : Math.max(0, this.#waitUntil - performance.now());
      // Rounded up: the last request is to see the end of the wait.
      headers.prefer = `wait=${Math.ceil(Math.min(left, RUN_WAIT) / 1000)}`;
    }
    return headers;
  }

  async #answered(response: Response): Promise<Failed> {
    const { status, headers } = response;
    // The status says enough, even if the rest of the answer is lost, late or endless.
    const text = await readBeginning(response, MAX_ERROR_LENGTH);
    const problem = outcome.answeredError(this.#call.operation, status, headers, text, this.#redactor);
    const said = headers.get('x-should-retry');
    const advice = said === 'true' ? true : said === 'false' ? false : undefined;
    const asked = askedPause(headers, Date.now()) ?? outcome.pauseInDetails(problem);
    return new Failed({ kind: 'answered', status, advice }, problem, asked);
  }

  /** A success that is not what the API describes; it is not asked for again, since the work is done. */
  #unreadable(problem: Problem, { status, headers }: Response): Failed {
    problem.parts.status = status;
    problem.parts.requestId = requestIdOf(headers);
    return new Failed({ kind: 'refused' }, problem);
  }

  #timeLeft(): { left: number; shown: number } {
    const left = this.#overall === undefined ? Number.POSITIVE_INFINITY : this.#overall.until - performance.now();
    if (this.#overall === undefined || left >= this.#limit) return { left: this.#limit, shown: this.#limit };
    return { left: Math.max(0, left), shown: this.#overall.limit };
  }

  #hasWaited(): boolean {
    return this.#waitUntil !== undefined && performance.now() >= this.#waitUntil;
  }

  #isRepeatable(ending: Ending): boolean {
    return mayRetry(ending, repeatOf(this.#call.operation), this.#headers['idempotency-key'] !== undefined);
  }

  /** The pause before the next attempt, or undefined if there is to be none. */
  #nextPause({ ending, asked }: Failed, retry: number): number | undefined {
    const maxRetries = this.#call.options.maxRetries ?? this.#core.config.maxRetries;
    if (retry >= maxRetries || !this.#isRepeatable(ending)) return undefined;
    if (asked !== undefined && asked > LONGEST_OBEYED) return undefined;
    const pause = pauseBefore(retry, asked, Math.random());
    if (this.#overall !== undefined && performance.now() + pause >= this.#overall.until) return undefined;
    return this.#core.budget.take() ? pause : undefined;
  }

  /** What tells the call from others when an application makes it again. */
  #identity(): string {
    const { id, options, body } = this.#call;
    return JSON.stringify([id, this.#address, options.idempotencyKey ?? body]);
  }

  /** The error of the last attempt, with what the whole call knows. */
  #giveUp({ problem, ending, asked }: Failed): Problem {
    const { parts } = problem;
    parts.retryable = this.#isRepeatable(ending);
    if (parts.retryable) this.#core.failures.remember(this.#identity(), this.#attemptsBefore + this.#attempts.length);
    parts.traceId = this.#traceId;
    parts.retryAfter = asked === undefined ? null : asked / 1000;
    parts.attempts = this.#attempts;
    if (asked !== undefined) parts.hint ??= `the server asks to wait ${Math.ceil(asked / 1000)} s first`;
    if (this.#runId !== undefined && parts.kind === 'maybe_received') outcome.tellRun(problem, this.#runId);
    return problem;
  }

  #record(
    number: number,
    waited: number,
    took: number,
    { status, requestId, message }: { status: number; requestId: string; message?: string },
  ): void {
    this.#attempts.push({
      number,
      status: status || null,
      requestId: requestId || null,
      problem: message ?? null,
      waitedMs: Math.floor(waited),
      tookMs: Math.floor(took),
    });
  }
}

/** What one call adds to the headers of its client, the same for each of its attempts. */
function headersOf(call: Call): Record<string, string> {
  const { operation, options } = call;
  const headers: Record<string, string> = {
    ...(call.body !== undefined && { 'content-type': 'application/json' }),
    accept: operation.reply === 'events' ? 'text/event-stream' : 'application/json',
    ...options.headers,
  };
  if (options.idempotencyKey !== undefined) headers['idempotency-key'] = options.idempotencyKey;
  else if (repeatOf(operation) === 'keyed') headers['idempotency-key'] = newIdempotencyKey();
  return headers;
}

/** A new idempotency key. */
export function newIdempotencyKey(): string {
  return `theazo-${randomHex(16)}`;
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function requestIdOf(headers: Headers): string {
  return headers.get('x-request-id') ?? '';
}

/** Whether the work is still going on, and the same request is to be sent again to go on waiting for it. */
function isContinuation({ status, headers }: Response): boolean {
  return status === 202 && headers.get('x-theazo-continue') === 'true';
}

/** Waits, unless and until the signal fires. */
export function pause(millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    const timer = setTimeout(done, millis);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
