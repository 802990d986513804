// What JavaScript gives, checked before it becomes JSON: what JSON would lose without a word is refused by its name.
//
// `JSON.stringify` makes null of NaN and drops functions, and null is "no limit"; a Map becomes `{}`. What the API says of
// the values that are left is for the server to check.

import { errorOf, fromCaller, type TheazoError, withRoom } from './errors.js';

/** Deeper than any input of the API; the parser on the other side stops a little later. */
const DEEPEST = 100;

/** An argument is wrong. Its value is not shown, since it may be a secret in the wrong place. */
export function invalid(parameter: string, problem: string): TheazoError {
  return errorOf({
    code: 'invalid_request',
    kind: 'invalid_input',
    message: `\`${parameter}\` ${problem}`,
    parameter,
    details: { fields: [{ field: parameter, message: problem }] },
  });
}

/** Refuses options that are no object, and if the names of all of them are given, one that does not exist. */
export function checkOptions(options: unknown, names?: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('options', `must be an object, not ${kindOf(options)}`);
  }
  const unknown = names && Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(unknown, `is not an option; there are \`${names?.join('`, `')}\``);
}

/** The parts of a path, in its order. */
export function encodePath(parts: Record<string, string>): string[] {
  const path: string[] = [];
  for (const name in parts) {
    const part: unknown = parts[name];
    if (typeof part !== 'string') throw invalid(name, `must be text, not ${kindOf(part)}`);
    refuse(part, name);
    path.push(part);
  }
  return path;
}

/** Each name and its value in turn: one flat list crosses faster than pairs. */
export function encodeQuery(query: Record<string, unknown> | undefined): string[] | undefined {
  if (query === undefined) return undefined;
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    refuse(value, name);
    if (value instanceof Date) parts.push(name, value.toISOString());
    else if (typeof value === 'object') throw invalid(name, `must be a single value, not ${kindOf(value)}`);
    else parts.push(name, String(value));
  }
  return parts;
}

/** A query with these durations as text, since it has neither numbers nor objects; what is no duration is left to the server. */
export function durationsAsText<T extends object>(query: T, ...names: (keyof T)[]): T {
  const text = { ...query };
  for (const name of names) {
    const value: unknown = text[name];
    if (typeof value === 'number') text[name] = `${value}ms` as T[keyof T];
    else if (isParts(value)) {
      const { hours = 0, minutes = 0, seconds = 0 } = value;
      text[name] = `${(hours * 3600 + minutes * 60 + seconds) * 1000}ms` as T[keyof T];
    }
  }
  return text;
}

function isParts(value: unknown): value is { hours?: number; minutes?: number; seconds?: number } {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

/** The JSON of a value; nothing of nothing. */
export function encode(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  refuse(value, '');
  return JSON.stringify(value);
}

/** Refuses a value with what JSON cannot say. The error's stack begins at the caller, however deep the value is. */
function refuse(value: unknown, path: string): void {
  try {
    check(value, path, 0);
  } catch (error) {
    if (error instanceof Error) {
      withRoom(() => Error.captureStackTrace(error, refuse));
      fromCaller(error);
    }
    throw error;
  }
}

function check(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw invalid(path, 'has a lone surrogate, which is not text');
      return;
    case 'number':
      if (!Number.isFinite(value)) throw invalid(path, `is ${value}, which is not a number that can be sent`);
      return;
    case 'object':
      if (value !== null) checkMembers(value, path, depth);
      return;
    case 'bigint':
    case 'function':
    case 'symbol':
      throw invalid(path, `is ${kindOf(value)}, which cannot be sent`);
  }
}

function checkMembers(value: object, path: string, depth: number): void {
  if (depth > DEEPEST) throw invalid(path.slice(0, path.search(/[.[]/)), 'is nested too deeply, or contains itself');
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalid(path, 'is not a valid date');
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      check(item, `${path}[${index}]`, depth + 1);
    });
  } else if (!('toJSON' in value)) {
    if (Symbol.iterator in value) throw invalid(path, `is ${kindOf(value)}, which cannot be sent; give a plain object`);
    for (const [name, member] of Object.entries(value))
      check(member, path === '' ? name : `${path}.${name}`, depth + 1);
  }
}

/** What a value is, for a person. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return 'text';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return 'an array';
  const name = value.constructor?.name;
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`;
}
