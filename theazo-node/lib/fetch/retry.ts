// The decisions about another attempt, all of them pure but the budget: whether, after how long, and from whose means.

import type { Repeat } from './operation.js';

/** How an attempt ended. */
export type Ending =
  /** It provably never reached the server, and the reason may pass. */
  | { kind: 'not_sent' }
  /** It never reached the server, and the reason will not pass, for example a certificate that is not trusted. */
  | { kind: 'refused' }
  /** The connection ended, or time ran out, before the whole answer was there. */
  | { kind: 'broken' }
  | { kind: 'answered'; status: number; advice: boolean | undefined };

/** Whether an attempt that ended like this may be followed by another. */
export function mayRetry(ending: Ending, repeat: Repeat, hasKey: boolean): boolean {
  const isRepeatable = repeat !== 'keyed' || hasKey;
  switch (ending.kind) {
    case 'not_sent':
      return true;
    case 'refused':
      return false;
    case 'broken':
      return isRepeatable;
    case 'answered':
      return isRepeatable && (ending.advice ?? mayPass(ending.status));
  }
}

/** Whether the cause of this status usually passes. */
function mayPass(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status < 600 && status !== 501);
}

/** A server that asks for a longer pause gets no retry at all. In milliseconds, as all times here. */
export const LONGEST_OBEYED = 60_000;

/** The pause before retry number `retry`, counted from 0; `random` is from 0 to 1. */
export function pauseBefore(retry: number, asked: number | undefined, random: number): number {
  if (asked !== undefined) return asked + asked * 0.1 * random;
  return Math.min(500 * 2 ** retry, 8000) * random;
}

const A_YEAR = 365 * 86_400_000;

/** How long the headers of an answer ask to wait: `retry-after-ms`, then `Retry-After` as seconds or as a date. */
export function askedPause(headers: { get(name: string): string | null }, now: number): number | undefined {
  const number = (text: string | null) => {
    const value = text !== null && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : NaN;
    return value >= 0 ? value : undefined;
  };
  const millis = number(headers.get('retry-after-ms'));
  if (millis !== undefined) return Math.min(millis, A_YEAR);
  const text = headers.get('retry-after');
  const seconds = number(text) ?? secondsUntil(text, now);
  return seconds === undefined ? undefined : Math.min(seconds * 1000, A_YEAR);
}

/** HTTP dates have whole seconds, so an exact difference could end up to a second before the server's own tick. */
function secondsUntil(text: string | null, now: number): number | undefined {
  if (text === null || !/^\s*\w{3}, \d{1,2} \w{3} \d{4} /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

const CAPACITY = 500;
const RETRY_COST = 5;

/** A budget for retries that all calls of a client share, so that an outage is not answered with a storm. */
export class RetryBudget {
  #tokens = CAPACITY;

  /** Takes the cost of one retry; false if there is not enough. */
  take(): boolean {
    if (this.#tokens < RETRY_COST) return false;
    this.#tokens -= RETRY_COST;
    return true;
  }

  /** Gives back what a success after a retry had taken, or the small reward of a success at once. */
  reward(hasRetried: boolean): void {
    this.#tokens = Math.min(this.#tokens + (hasRetried ? RETRY_COST : 1), CAPACITY);
  }
}

/** How many failed calls are remembered, the latest ones, and for how long. */
const REMEMBERED = 64;
const MEMORY = 60_000;

/**
 * The calls that failed lately. One that an application makes again goes on with its count of attempts, so that the server can see
 * two layers of retries, which multiply requests.
 */
export class Failures {
  #latest: { call: string; attempts: number; at: number }[] = [];

  /** How many attempts the same call has had before. */
  before(call: string): number {
    if (this.#latest.length === 0) return 0;
    const now = performance.now();
    this.#latest = this.#latest.filter(({ at }) => now - at < MEMORY);
    const index = this.#latest.findLastIndex((failure) => failure.call === call);
    return index === -1 ? 0 : (this.#latest.splice(index, 1)[0]?.attempts ?? 0);
  }

  /** Remembers that a call failed after so many attempts, those before it included. */
  remember(call: string, attempts: number): void {
    if (this.#latest.length === REMEMBERED) this.#latest.shift();
    this.#latest.push({ call, attempts, at: performance.now() });
  }
}
