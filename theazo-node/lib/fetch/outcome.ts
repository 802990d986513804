// What an answer, or the lack of one, means to the caller.

import { showDuration } from './duration.js';
import { nameOf, type Operation } from './operation.js';
import { Problem, unreadableAnswer } from './problem.js';
import type { Redactor } from './redact.js';
import type { Ending } from './retry.js';

const FOREIGN = 'something other than the Theazo API may be at the base address';

const HINTS: Record<string, string> = {
  unauthorized: 'check the API key: THEAZO_API_KEY, or the one given to the client',
  session_limit_exceeded: 'raise the limit of the session; a run that waits at it then goes on',
  idempotency_key_reused: 'use a new idempotency key for a different request',
};

/** Codes of Node's errors which say that no connection came about, for a reason that may pass. */
const NOT_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/** What a failed `fetch` means. Where the platform says no more than that it failed, the request may have been received. */
export function endingOf(error: unknown): Ending {
  const { code, syscall, message } = rootOf(error);
  if (code !== undefined && (NOT_SENT.includes(code) || syscall === 'connect')) return { kind: 'not_sent' };
  if (code !== undefined && /CERT|^ERR_(TLS|SSL)|^UNABLE_TO/.test(code)) return { kind: 'refused' };
  // The standard of `fetch` forbids ports of other protocols.
  return { kind: message === 'bad port' ? 'refused' : 'broken' };
}

/** Nothing came back: the connection failed. */
export function connectionError(operation: Operation, base: string, ending: Ending, error: unknown): Problem {
  const cause = rootOf(error).message;
  const isSent = ending.kind === 'broken';
  return new Problem({
    code: 'connection_error',
    kind: isSent ? 'maybe_received' : 'not_sent',
    message: isSent
      ? `the connection to ${base} ended before the answer to ${nameOf(operation)}: ${cause}`
      : `cannot connect to ${base}: ${cause}`,
    causes: [cause],
  });
}

/** The error behind an error. */
function rootOf(error: unknown): { message: string; code?: string; syscall?: string } {
  let root = error as { message?: string; code?: string; syscall?: string; cause?: unknown; errors?: unknown[] };
  for (let depth = 0; depth < 8; depth++) {
    const below = root?.cause ?? root?.errors?.[0];
    if (typeof below !== 'object' || below === null) break;
    root = below;
  }
  const { code, syscall } = root ?? {};
  const message = root?.message || code || String(error);
  return { message, ...(code !== undefined && { code }), ...(syscall !== undefined && { syscall }) };
}

/** Nothing came back in time. */
export function timeoutError(operation: Operation, limit: number): Problem {
  const message = `${nameOf(operation)} took longer than ${showDuration(limit)}`;
  return new Problem({ code: 'timeout', kind: 'maybe_received', message });
}

/** A success that is no stream, where one was asked for. */
export function notAStream(
  operation: Operation,
  status: number,
  type: string,
  text: string,
  redactor: Redactor,
): Problem {
  return unreadableAnswer(
    `${nameOf(operation)} was answered with HTTP ${status}, \`${redactor.excerpt(type)}\` and ` +
      `\`${redactor.excerpt(text)}\`, which is not a stream of events`,
    FOREIGN,
  );
}

/** The answer has more bytes than it may. */
export function tooLarge(operation: Operation, limit: number): Problem {
  return unreadableAnswer(
    `the answer to ${nameOf(operation)} is larger than ${limit} bytes`,
    'ask for less at once, or raise `max_answer_bytes`',
  );
}

/** A success without anything in it, where there should be something. */
export function nothing(operation: Operation, status: number): Problem {
  return unreadableAnswer(`${nameOf(operation)} was answered with HTTP ${status} and an empty body`);
}

/** Checks that a successful answer has the form that the operation promises. */
export function checkForm(operation: Operation, status: number, text: string, redactor: Redactor): void {
  if (operation.reply === 'empty' && text === '') return;
  const first = /[^ \t\r\n\f]/.exec(text)?.[0];
  if (first === undefined) throw nothing(operation, status);
  if (/[{["\-0-9tfn]/.test(first)) return;
  const said = redactor.excerpt(text);
  throw unreadableAnswer(`${nameOf(operation)} was answered with HTTP ${status} and \`${said}\`, not JSON`, FOREIGN);
}

/** The page of a list, also where its items alone stand on the wire. */
export function pageOf(operation: Operation, text: string, headers: Headers): string {
  if (!operation.page || !/^[ \t\r\n]*\[/.test(text)) return text;
  const cursor = headers.get('x-next-cursor') ?? '';
  return `{"data":${text},"hasMore":${cursor !== ''},"cursor":${JSON.stringify(cursor)}}`;
}

/** Says which run an error leaves behind, and how to find it. */
export function tellRun(problem: Problem, runId: string): void {
  const finder = runId.startsWith('run_') ? 'workflows.getRun' : 'runs.get';
  problem.parts.details.runId = runId;
  problem.parts.hint = `the run goes on, \`${finder}\` with \`${runId}\` finds it`;
}

/** The server answered with a status that is not a success. */
export function answeredError(
  operation: Operation,
  status: number,
  headers: Headers,
  text: string,
  redactor: Redactor,
): Problem {
  const problem = fromEnvelope(text, redactor) ?? foreignError(operation, status, headers, text, redactor);
  const { parts } = problem;
  parts.status = status;
  if (parts.requestId === '') parts.requestId = headers.get('x-request-id') ?? '';
  parts.hint ??= HINTS[parts.code] ?? null;
  return problem;
}

function fromEnvelope(text: string, redactor: Redactor): Problem | undefined {
  let envelope: { error?: Record<string, unknown>; requestId?: unknown };
  try {
    envelope = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { code, message, details } = envelope?.error ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  const isObject = typeof details === 'object' && details !== null && !Array.isArray(details);
  return new Problem({
    code,
    kind: 'answered',
    message: redactor.clean(message),
    details: isObject ? (redactor.cleanJson(details) as Record<string, unknown>) : {},
    requestId: typeof envelope.requestId === 'string' ? envelope.requestId : '',
  });
}

/** An answer without our envelope: from a proxy, or from a server that is none of ours. */
function foreignError(
  operation: Operation,
  status: number,
  headers: Headers,
  text: string,
  redactor: Redactor,
): Problem {
  const excerpt = redactor.excerpt(text);
  const said = excerpt === '' ? 'an empty body' : `\`${excerpt}\``;
  const message = `${nameOf(operation)} was answered with HTTP ${status} and ${said}`;
  if (status >= 300 && status < 400) {
    const location = headers.get('location');
    const target = location === null ? 'another address' : redactor.excerpt(location);
    const hint = `redirects are not followed, ${target} may be the right base address`;
    return new Problem({ code: 'connection_error', kind: 'unreadable', message, hint });
  }
  return new Problem({ code: codeOf(status), kind: 'answered', message });
}

function codeOf(status: number): string {
  const codes: Record<number, string> = {
    401: 'unauthorized',
    403: 'forbidden',
    404: 'not_found',
    408: 'timeout',
    409: 'conflict',
    429: 'rate_limited',
    501: 'not_implemented',
    504: 'timeout',
  };
  return codes[status] ?? (status >= 400 && status < 500 ? 'invalid_request' : 'internal_error');
}

/** The pause that an envelope asks for, where the headers ask for none; in milliseconds. */
export function pauseInDetails(problem: Problem): number | undefined {
  const seconds = problem.parts.details.retryAfter;
  return typeof seconds === 'number' && seconds >= 0 ? seconds * 1000 : undefined;
}
