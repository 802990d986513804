// What is wrong with a workflow, field by field.

import { readDuration } from '../fetch/duration.js';
import type * as types from '../generated/types.js';

/** What is wrong with one field. */
export interface Problem {
  /** The path of the field, for example `steps.1.dependsOn`. */
  field: string;
  message: string;
}

/** The largest amount of money: ten billion dollars. */
const MAX_CENTS = 1_000_000_000_000;

/** Collects problems. */
export class Problems {
  readonly found: Problem[] = [];
  #prefix = '';

  add(field: string, message: string): void {
    this.found.push({ field: [this.#prefix, field].filter((part) => part !== '').join('.'), message });
  }

  require(holds: boolean, field: string, message: string): void {
    if (!holds) this.add(field, message);
  }

  /** Checks a member, naming it in what is found. */
  within(field: string, check: () => void): void {
    const outer = this.#prefix;
    this.#prefix = [outer, field].filter((part) => part !== '').join('.');
    check();
    this.#prefix = outer;
  }

  /** Text of at least one byte that is no space. */
  text(text: string, bytes: number, field: string): void {
    const is = typeof text === 'string' && text.trim() !== '' && bytesOf(text) <= bytes;
    this.require(is, field, `must be 1 to ${bytes} bytes of text`);
  }

  /** A count, if there is one. */
  count(count: number | undefined, most: number, field: string): void {
    const is = count === undefined || (Number.isInteger(count) && count >= 1 && count <= most);
    this.require(is, field, `must be a whole number from 1 to ${most}`);
  }

  /** A duration, if there is one; it may be nothing. */
  duration(duration: types.DurationInput | undefined, field: string): void {
    if (duration !== undefined && readDuration(duration) === undefined) {
      this.add(field, 'must be a duration: text such as `90s` or `1h 30m`, its parts, or milliseconds');
    }
  }

  /** A duration that is longer than nothing, if there is one. */
  length(duration: types.DurationInput | undefined, field: string): void {
    this.duration(duration, field);
    if (duration !== undefined && readDuration(duration) === 0) this.add(field, 'must be longer than nothing');
  }

  /** One of the known values, if there is one. */
  known(value: string | undefined, known: readonly string[], field: string): void {
    if (value !== undefined) this.require(known.includes(value), field, oneOf(known));
  }

  /** Money, if there is any. */
  cost(cost: types.CostInput | undefined, field: string): void {
    if (cost === undefined) return;
    this.within(field, () => {
      const { amount, currency = 'usd' } = cost;
      this.require(amount >= 0, 'amount', 'must not be negative: it is an integer number of cents');
      this.require(amount <= MAX_CENTS, 'amount', `is larger than ${MAX_CENTS} cents`);
      this.require(currency === 'usd', 'currency', 'must be `usd`');
    });
  }
}

/** Says which values there are. */
export function oneOf(known: readonly string[]): string {
  const [last, ...others] = [...known].reverse();
  return others.length === 0 ? `must be \`${last}\`` : `must be \`${others.reverse().join('`, `')}\` or \`${last}\``;
}

/** How many bytes a text has on the wire. */
export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
