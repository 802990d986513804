// The promise of an answer, and what is known of the answer besides its data.

import type { Attempt } from './error.js';

/** Everything about an answer that is not its data. */
export interface ResponseMeta {
  /** The HTTP status. */
  status: number;
  /** The id of the request, to quote to support; empty if the server gave none. */
  requestId: string;
  /** The trace that the call belongs to, 32 hexadecimal digits. */
  traceId: string;
  /** Whether the answer is that of an earlier call with the same idempotency key. */
  replayed: boolean;
  /** The headers of the answer. */
  headers: Headers;
  /** What each attempt came to, the successful one last. */
  attempts: Attempt[];
  /** How long the parts of the call took, in milliseconds. */
  timings: { totalMs: number; waitedMs: number; toFirstByteMs: number; bodyMs: number };
}

/** What became of a call, for logs and metrics of your own. */
export interface CallReport {
  /** The operation, as `openapi.json` names it: `RunInSession`. */
  operation: string;
  /** What is known of the answer; absent where the call failed. */
  meta?: ResponseMeta;
  /** Why the call failed: a `TheazoError` with what each attempt came to, or the reason of a signal. */
  error?: unknown;
}

/** The data of an answer and everything else about it. */
export interface WithMeta<T> {
  data: T;
  meta: ResponseMeta;
}

/**
 * The promise of an answer.
 *
 * ```ts
 * const { data: session, meta } = await theazo.sessions.get('ses_9f27c4e1b0a3').withMeta();
 * console.log(session.status, meta.status, meta.requestId, meta.headers.get('date'), meta.attempts.length);
 * ```
 */
export interface Answer<T> extends Promise<T> {
  /** The same answer with its status, the id of its request, its headers and what each attempt came to. */
  withMeta(): Promise<WithMeta<T>>;
}

/** Whether somebody asked for the meta of a call, and then that. @internal */
export class Wish {
  isWanted = false;
  #meta: ResponseMeta | undefined;

  /** What was asked for, once the answer is there. */
  get meta(): ResponseMeta | undefined {
    return this.#meta;
  }

  /** Takes the line with the meta off the text of an answer, and gives what is left. */
  take(text: string): string {
    const end = text.indexOf('\n');
    const meta = JSON.parse(text.slice(0, end));
    this.#meta = { ...meta, headers: new Headers(meta.headers) };
    return text.slice(end + 1);
  }

  /** Gives a promise its `withMeta`. It stays the promise of its own async function, so errors keep the caller's stack. */
  grant<P extends Promise<unknown>>(promise: P): P & { withMeta(): Promise<WithMeta<Awaited<P>>> } {
    const withMeta = async () => {
      this.isWanted = true;
      return { data: await promise, meta: this.#meta as ResponseMeta };
    };
    return Object.assign(promise, { withMeta });
  }
}
