// How a client is set up: its options, then the environment, then the defaults.

import { PUBLIC_API } from '../connection.js';
import { VERSION } from '../generated/operations.js';
import { variable } from '../native.js';
import { parseBase } from './address.js';
import { parseDuration, readDuration } from './duration.js';
import { type CallInput, notADuration } from './operation.js';
import { invalidInput, misconfigured, Problem } from './problem.js';
import { Providers } from './providers.js';
import { Redactor } from './redact.js';

const DEFAULT_TIMEOUT = 30_000;
const DEFAULT_MAX_RETRIES = 2;
const DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** What a client goes by; times are in milliseconds. */
export interface Config {
  base: string;
  /** What every request carries, by lower-case names. */
  headers: Record<string, string>;
  redactor: Redactor;
  timeout: number;
  deadline: number | undefined;
  maxRetries: number;
  /** Whether the number of retries was chosen by the caller. */
  hasChosenRetries: boolean;
  maxAnswerBytes: number;
  providers: Providers | undefined;
}

/** Reads the options of a client. */
export function readConfig(json: string): Config {
  const input = JSON.parse(json) as Record<string, unknown>;
  const headers: Record<string, string> = {
    'user-agent': `theazo-node/${VERSION} (fetch ${VERSION})`,
    'x-sdk-version': VERSION,
    ...readHeaders(input.headers, (problem) => misconfigured(problem)),
  };
  const key = (text(input, 'apiKey') ?? variable('THEAZO_API_KEY') ?? '').trim();
  if (key === '') throw misconfigured('there is no API key', 'give one to the client, or set THEAZO_API_KEY');
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw misconfigured('the API key has characters that no key has, such as spaces or line breaks');
  }
  const secrets = [key, ...Object.values((input.headers as Record<string, string> | undefined) ?? {})];
  headers.authorization ??= `Bearer ${key}`;
  const maxRetries = count(input, 'maxRetries') ?? fromEnvironment('THEAZO_MAX_RETRIES', wholeNumber);
  const providers = Providers.of(input);
  return {
    base: parseBase(text(input, 'baseUrl') ?? fromEnvironment('THEAZO_BASE_URL', (text) => text) ?? PUBLIC_API),
    headers,
    redactor: new Redactor([...secrets, ...(providers?.secrets ?? [])]),
    timeout:
      notZero('timeout', duration(input, 'timeout') ?? fromEnvironment('THEAZO_TIMEOUT', durationText)) ??
      DEFAULT_TIMEOUT,
    deadline: notZero('deadline', duration(input, 'deadline') ?? fromEnvironment('THEAZO_DEADLINE', durationText)),
    maxRetries: maxRetries ?? DEFAULT_MAX_RETRIES,
    hasChosenRetries: maxRetries !== undefined,
    maxAnswerBytes: fromEnvironment('THEAZO_MAX_ANSWER_BYTES', wholeNumber) ?? DEFAULT_MAX_ANSWER_BYTES,
    providers,
  };
}

/** Reads the options of a call. */
export function readCallOptions(json: string | undefined): CallInput {
  if (json === undefined) return {};
  const input = JSON.parse(json) as Record<string, unknown>;
  const options: CallInput = {
    timeout: duration(input, 'timeout'),
    deadline: duration(input, 'deadline'),
    maxRetries: count(input, 'maxRetries'),
    idempotencyKey: text(input, 'idempotencyKey'),
    headers: readHeaders(input.headers, (problem) => invalidInput('headers', problem)),
    meta: input.meta === true,
  };
  for (const name of ['timeout', 'deadline'] as const) {
    if (options[name] === 0) throw invalidInput(name, 'must be longer than zero');
  }
  const key = options.idempotencyKey;
  if (key !== undefined && (key.trim() === '' || !/^[\x20-\x7e]{1,255}$/.test(key))) {
    throw invalidInput('idempotencyKey', 'must be 1 to 255 visible ASCII characters');
  }
  return options;
}

/** Headers of the caller, by lower-case names. Their values may be secrets, so they are not shown. */
function readHeaders(value: unknown, wrong: (problem: string) => Problem): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw named('headers', 'must be an object of text by name');
  const headers: Record<string, string> = {};
  for (const [name, header] of Object.entries(value)) {
    if (typeof header !== 'string') throw named('headers', `\`${name}\` must be text`);
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw wrong(`\`${name}\` is not the name of a header`);
    const lower = name.toLowerCase();
    if (lower === 'idempotency-key') {
      throw wrong('cannot carry `idempotency-key`: give it as the idempotency key of the call');
    }
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(header)) throw wrong(`the value of the header \`${lower}\` cannot be sent`);
    headers[lower] = header;
  }
  return headers;
}

type Input = Record<string, unknown>;

function text(input: Input, name: string): string | undefined {
  const value = input[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw named(name, 'must be text');
  return value;
}

function count(input: Input, name: string): number | undefined {
  const value = input[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw named(name, 'must be a whole number');
  return value;
}

function duration(input: Input, name: string): number | undefined {
  const value = input[name] ?? undefined;
  if (value === undefined) return undefined;
  const millis = readDuration(value);
  if (millis === undefined) throw named(name, notADuration(typeof value === 'string' ? value : JSON.stringify(value)));
  return millis;
}

function named(name: string, problem: string): Problem {
  const details = { fields: [{ field: name, message: problem }] };
  const message = `\`${name}\`: ${problem}`;
  return new Problem({ code: 'invalid_request', kind: 'invalid_input', message, parameter: name, details });
}

function notZero(name: string, millis: number | undefined): number | undefined {
  if (millis === 0) throw misconfigured(`\`${name}\` must be longer than zero`);
  return millis;
}

/** A variable of the environment; an empty one counts as not set. */
function fromEnvironment<T>(name: string, read: (text: string) => T): T | undefined {
  const text = variable(name)?.trim();
  if (!text) return undefined;
  try {
    return read(text);
  } catch (problem) {
    throw misconfigured(`${name}: ${(problem as Error).message}`);
  }
}

function durationText(text: string): number {
  const millis = parseDuration(text);
  if (millis === undefined) throw new Error(notADuration(text));
  return millis;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`\`${text}\` is not a whole number such as \`2\``);
  return Number(text);
}
