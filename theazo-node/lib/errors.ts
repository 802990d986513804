// Makes errors: of the class of their code, with a stack that begins where the caller is.

import { TheazoError, type TheazoErrorParts } from './error.js';
import * as classes from './generated/errors.js';

export * from './error.js';

const CLASSES: ReadonlyMap<string, typeof TheazoError> = new Map(
  Object.values(classes).map((made) => [made.code, made]),
);

/** More than ever stand on the stack between a caller and an error. */
const OWN_FRAMES = 20;

/** Where the modules of this package are; empty where there are no folders, as on edge runtimes. */
const HERE = typeof __dirname === 'string' ? __dirname : '';

/** An error of the class of its code. */
export function errorOf(parts: TheazoErrorParts, options?: ErrorOptions): TheazoError {
  return withRoom(() => fromCaller(new (CLASSES.get(parts.code) ?? TheazoError)(parts, options)));
}

/** Runs what captures a stack, with room on it for the caller beside our own functions. */
export function withRoom<T>(capture: () => T): T {
  const limit = Error.stackTraceLimit;
  if (limit > 0) Error.stackTraceLimit = limit + OWN_FRAMES;
  try {
    return capture();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The error with a stack whose first line is the caller's, if there is one; how it came about in here helps nobody. */
export function fromCaller<E extends Error>(error: E): E {
  const [head, ...frames] = error.stack?.split(/\n(?= {4}at )/) ?? [];
  const theirs = frames.filter((frame) => HERE === '' || !frame.includes(HERE));
  // What woke the promise is no caller either.
  while (theirs.length > 1 && theirs[0]?.includes('(node:internal/')) theirs.shift();
  if (theirs.length > 0 && theirs.length < frames.length) error.stack = [head, ...theirs].join('\n');
  return error;
}

/** The error that the native part threw, as what users catch. */
export function toTheazoError(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('{"')) return error;
  try {
    return errorOf(JSON.parse(error.message));
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

/** The client is not set up correctly. */
export function misconfigured(message: string, hint?: string): TheazoError {
  return errorOf({ code: 'configuration', kind: 'configuration', message, hint: hint ?? null });
}

/** What came from the server is not what the API describes. */
export function unreadable(message: string, cause: unknown): TheazoError {
  return errorOf({ code: 'unreadable_answer', kind: 'unreadable', message }, { cause });
}
