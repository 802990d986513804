// The root of all errors of the SDK: what failed, how far the call came, and what to do next. Each code has a class under it.

import type { ErrorCode } from './generated/types.js';

/** What went wrong, as a code that programs branch on. */
export type TheazoErrorCode = ErrorCode;

/**
 * How far a call came before it failed.
 *
 * - `not_sent`: it provably never reached the server, so it had no effect.
 * - `maybe_received`: it may have reached the server, but no answer came back.
 * - `answered`: the server answered with an error.
 * - `unreadable`: the server answered with something that is not what the API describes.
 * - `invalid_input`: an argument is wrong; nothing was sent.
 * - `configuration`: the client is not set up correctly; nothing was sent.
 * - `unverified`: a webhook delivery is not what it says, or cannot be shown to be.
 */
export type TheazoErrorKind =
  | 'not_sent'
  | 'maybe_received'
  | 'answered'
  | 'unreadable'
  | 'invalid_input'
  | 'configuration'
  | 'unverified'
  | (string & {});

/** What one attempt of a call came to. */
export interface Attempt {
  /** 1 for the first. */
  number: number;
  /** The HTTP status; null if there was no answer. */
  status: number | null;
  /** The id of the request, if the server gave one. */
  requestId: string | null;
  /** What went wrong. */
  problem: string | null;
  /** How long the client paused before it, in milliseconds. */
  waitedMs: number;
  /** How long it took, in milliseconds. */
  tookMs: number;
}

/** Everything that an error carries. */
export interface TheazoErrorParts {
  code: TheazoErrorCode;
  message: string;
  status?: number;
  requestId?: string;
  traceId?: string;
  details?: Record<string, unknown>;
  hint?: string | null;
  kind?: TheazoErrorKind;
  parameter?: string | null;
  attempts?: Attempt[];
  retryable?: boolean;
  retryAfter?: number | null;
  /** The messages of what it was caused by, the nearest first; they become `cause`. */
  causes?: string[];
}

/**
 * A call that failed for good, after its retries. The API key never appears in it.
 *
 * Each code has a class of its own, so `error instanceof NotFoundError` and `error.code === 'not_found'` say the same. A code
 * that this version does not know is a plain `TheazoError`.
 */
export class TheazoError extends Error {
  /** `TheazoError` for every class of it, as published clients have it. */
  override readonly name = 'TheazoError';
  /** What went wrong, as a code that programs branch on. */
  readonly code: TheazoErrorCode;
  /** The HTTP status of the answer; 0 if there was none. */
  readonly status: number;
  /** The id of the request, to quote to support; empty if the server never answered. */
  readonly requestId: string;
  /** The trace that the call belongs to, 32 hexadecimal digits; empty if nothing was sent. */
  readonly traceId: string;
  /** More about what went wrong, depending on the code; `fields` names those that a check refused. */
  readonly details: Record<string, unknown>;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;
  /** How far the call came. */
  readonly kind: TheazoErrorKind;
  /** The path of the argument that is wrong, for `invalid_input`. */
  readonly parameter: string | undefined;
  /** What each attempt came to, the first one first; empty if nothing was sent. */
  readonly attempts: Attempt[];
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How many seconds the server asks to wait before the next try. */
  readonly retryAfter: number | undefined;

  constructor(parts: TheazoErrorParts, options?: ErrorOptions) {
    super(parts.message, options ?? chained(parts.causes));
    this.code = parts.code;
    this.status = parts.status ?? 0;
    this.requestId = parts.requestId ?? '';
    this.traceId = parts.traceId ?? '';
    this.details = parts.details ?? {};
    this.hint = parts.hint ?? undefined;
    this.kind = parts.kind ?? 'answered';
    this.parameter = parts.parameter ?? undefined;
    this.attempts = parts.attempts ?? [];
    this.retryable = parts.retryable ?? false;
    this.retryAfter = parts.retryAfter ?? undefined;
  }
}

/** The causes as errors, each the cause of the one before it. */
function chained(causes: string[] = []): ErrorOptions | undefined {
  return causes.reduceRight<ErrorOptions | undefined>(
    (cause, message) => ({ cause: new Error(message, cause) }),
    undefined,
  );
}
