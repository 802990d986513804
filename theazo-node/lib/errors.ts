// The one error of the SDK: what failed, how far the call came, and what to do next.

import type { ErrorCode } from './generated/types.js';

/** What went wrong, as a code that programs branch on. */
export type TheazoErrorCode = ErrorCode | 'configuration' | 'unreadable_answer';

/**
 * How far a call came before it failed.
 *
 * - `not_sent`: it provably never reached the server, so it had no effect.
 * - `maybe_received`: it may have reached the server, but no answer came back.
 * - `answered`: the server answered with an error.
 * - `unreadable`: the server answered with something that is not what the API describes.
 * - `invalid_input`: an argument is wrong; nothing was sent.
 * - `configuration`: the client is not set up correctly; nothing was sent.
 */
export type TheazoErrorKind =
  | 'not_sent'
  | 'maybe_received'
  | 'answered'
  | 'unreadable'
  | 'invalid_input'
  | 'configuration'
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
  details?: Record<string, unknown>;
  hint?: string | null;
  kind?: TheazoErrorKind;
  parameter?: string | null;
  attempts?: Attempt[];
  retryable?: boolean;
  retryAfter?: number | null;
}

/** A call that failed for good, after its retries. The API key never appears in it. */
export class TheazoError extends Error {
  override readonly name = 'TheazoError';
  /** What went wrong, as a code that programs branch on. */
  readonly code: TheazoErrorCode;
  /** The HTTP status of the answer; 0 if there was none. */
  readonly status: number;
  /** The id of the request, to quote to support; empty if the server never answered. */
  readonly requestId: string;
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
    super(parts.message, options);
    this.code = parts.code;
    this.status = parts.status ?? 0;
    this.requestId = parts.requestId ?? '';
    this.details = parts.details ?? {};
    this.hint = parts.hint ?? undefined;
    this.kind = parts.kind ?? 'answered';
    this.parameter = parts.parameter ?? undefined;
    this.attempts = parts.attempts ?? [];
    this.retryable = parts.retryable ?? false;
    this.retryAfter = parts.retryAfter ?? undefined;
  }
}

/** The error that the native part threw, as what users catch. */
export function toTheazoError(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('{"')) return error;
  try {
    return new TheazoError(JSON.parse(error.message));
  } catch {
    return error;
  }
}

/** Runs something native, and throws what it throws as what users catch. */
export function thrown<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toTheazoError(error);
  }
}

/** What came from the server is not what the API describes. */
export function unreadable(message: string, cause: unknown): TheazoError {
  return new TheazoError({ code: 'unreadable_answer', kind: 'unreadable', message }, { cause });
}
