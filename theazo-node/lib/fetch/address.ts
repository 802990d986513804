// Where a call goes: the base address and the encoding of paths and queries.

import { PREFIXES } from '../generated/operations.js';
import type { Operation } from './operation.js';
import { invalidInput, misconfigured } from './problem.js';

/** Reads a base address; slashes at its end do not count. */
export function parseBase(text: string): string {
  const trimmed = text.trim();
  const malformed = (why: string) =>
    misconfigured(
      `the base address \`${withoutUserPart(trimmed)}\` ${why}`,
      'give an address such as `https://api.theazo.com`, or `local` for an embedded plane',
    );
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    throw malformed('is not a URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw malformed('is neither `http` nor `https`');
  if (url.username !== '' || url.password !== '') {
    throw malformed('must not carry a user name or password; the API key is given by itself');
  }
  if (url.search !== '' || url.hash !== '') throw malformed('must not have a query or a fragment');
  return url.href.replace(/\/+$/, '');
}

/** The address of one call. */
export function addressOf(
  base: string,
  operation: Operation,
  path: readonly string[],
  query: readonly string[],
): string {
  let text = base + pathOf(operation, path);
  for (let index = 0; index + 1 < query.length; index += 2) {
    text += `${index === 0 ? '?' : '&'}${encode(query[index] as string)}=${encode(query[index + 1] as string)}`;
  }
  return text;
}

/** The path of one call. */
export function pathOf(operation: Operation, parameters: readonly string[]): string {
  let text = '';
  let used = 0;
  for (const segment of operation.path.split('/').slice(1)) {
    text += '/';
    const parameter = /^\{(.+?)(\.\.\.)?\}$/.exec(segment);
    if (parameter === null) {
      text += segment;
      continue;
    }
    const name = parameter[1] as string;
    const value = parameters[used++];
    if (value === undefined) throw invalidInput(name, 'is missing');
    if (value === '') throw invalidInput(name, 'must not be empty');
    const problem = wrongKind(name, value);
    if (problem !== undefined) throw invalidInput(name, problem);
    if (parameter[2] !== undefined) text += tailOf(value);
    // Every URL library drops such a segment, even percent-encoded, and would call another endpoint.
    else if (isDots(value)) throw invalidInput(name, `must not be \`${value}\``);
    else text += encode(value);
  }
  if (parameters.length > used) {
    throw invalidInput('path', `has ${parameters.length} parameters, but \`${operation.path}\` takes ${used}`);
  }
  return text;
}

/** What is wrong with a parameter that is clearly the id of another kind. */
function wrongKind(parameter: string, value: string): string | undefined {
  const name = parameter.slice(0, 1).toUpperCase() + parameter.slice(1);
  const prefixOf = (kind: string) => PREFIXES.find(([one]) => one === kind)?.[1];
  const expected = prefixOf(name);
  if (expected === undefined) return undefined;
  const also = parameter === 'workflowRunId' ? (prefixOf('WorkflowId') ?? expected) : expected;
  if (value.startsWith(expected) || value.startsWith(also)) return undefined;
  const other = PREFIXES.find(([, prefix]) => value.startsWith(prefix));
  if (other === undefined) return undefined;
  const kind = other[0].replace(/Id$/, '');
  return `is \`${value}\`, the id of another kind (${kind}, \`${other[1]}\`); it starts with \`${expected}\``;
}

/**
 * The rest of a path, segment by segment. URL libraries and proxies drop `.` and `..` and may merge slashes; where a path
 * has them, its slashes are encoded too, which makes it one segment that survives.
 */
function tailOf(path: string): string {
  const relative = path.startsWith('/') ? path.slice(1) : path;
  const segments = relative.split('/');
  const isPlain = segments.every((segment) => segment !== '' && !isDots(segment));
  const start = path.startsWith('/') ? '%2F' : isDots(path) ? '.%2F' : '';
  return start + segments.map(encode).join(isPlain ? '/' : '%2F');
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..';
}

/** Percent-encodes everything but the unreserved characters of RFC 3986. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** An address as it may be shown: whatever stands before an `@` can be a password. */
function withoutUserPart(address: string): string {
  const at = address.lastIndexOf('@');
  if (at === -1) return address;
  const scheme = address.indexOf('://');
  const start = scheme === -1 ? 0 : Math.min(scheme + 3, at);
  return `${address.slice(0, start)}[hidden]${address.slice(at)}`;
}
