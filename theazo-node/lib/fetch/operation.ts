// What an operation is to the transport: a row of the generated table, and one call of it.

import { OPERATIONS } from '../generated/operations.js';
import { invalidInput } from './problem.js';

/** An operation. What is left out is what is usual for its method. */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `{name}` takes one segment, `{name...}` the rest of the path. */
  path: string;
  repeat?: Repeat;
  time?: 'run' | 'wait' | 'stream';
  reply?: 'events' | 'socket' | 'empty';
  /** Whether it answers a page of a list. */
  page?: true;
  /** The values of `type` or `event` after which nothing follows in a stream; `done` and `error` by default. */
  lastEvents?: readonly string[];
  /** The operation that ends the work of a stream whose caller left. */
  farewell?: string;
  /** Whether its answer can hold secrets that the caller did not send. */
  tellsSecrets?: true;
  /** Where secrets stand in its body. */
  secrets?: readonly string[];
}

/** Whether an operation may be sent again: it changes nothing, it can be done twice, or it carries a key. */
export type Repeat = 'safe' | 'idempotent' | 'keyed';

/** One call of an operation. */
export interface Call {
  id: string;
  operation: Operation;
  /** The path parameters in the order of the template, not encoded. */
  path: readonly string[];
  /** Each name and its value in turn, not encoded. */
  query: readonly string[];
  /** JSON. */
  body: string | undefined;
  options: CallInput;
}

/** What a caller wants of one call; times are in milliseconds. */
export interface CallInput {
  timeout?: number | undefined;
  deadline?: number | undefined;
  maxRetries?: number | undefined;
  idempotencyKey?: string | undefined;
  headers?: Record<string, string> | undefined;
  /** Whether what is known of the answer besides its body comes with it, in a line of JSON before it. */
  meta?: boolean;
}

/** The operation with this id. */
export function operationOf(id: string): Operation {
  const operation = OPERATIONS[id];
  if (operation === undefined) throw new Error(`there is no operation \`${id}\``);
  return operation;
}

/** Whether and how an operation may be sent again. */
export function repeatOf({ repeat, method }: Operation): Repeat {
  return repeat ?? (method === 'GET' ? 'safe' : method === 'POST' ? 'keyed' : 'idempotent');
}

/** The operation for a person: what was asked, without anybody's ids. */
export function nameOf({ method, path }: Operation): string {
  return `\`${method} ${path}\``;
}

/** How long the query of an operation that waits says to wait, in milliseconds. */
export function waitOf(call: Call, read: (text: string) => number | undefined): number | undefined {
  if (call.operation.time !== 'wait') return undefined;
  const index = call.query.findIndex((name, index) => index % 2 === 0 && name === 'timeout');
  if (index === -1) return undefined;
  const text = call.query[index + 1] as string;
  const wait = read(text);
  if (wait === undefined) throw invalidInput('timeout', notADuration(text));
  return wait;
}

/** What is wrong with a text that is no duration. */
export function notADuration(text: string): string {
  return `\`${text}\` is not a duration such as \`90s\`, \`10m\`, \`1h 30m\` or \`7d\``;
}
