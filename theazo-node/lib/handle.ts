// What sessions, agents and runs have in common: data as it last came from the server, and the way to call.

import { type InspectOptions, inspect } from 'node:util';

import type { Caller } from './caller.js';

/** What has an id. */
interface Identified {
  id: string;
}

/** A resource with methods. Its members are what the server said last; calls that return it bring them up to date. */
export abstract class Handle<Data extends Identified> {
  /** @internal */
  protected readonly caller: Caller;
  #data: Data;

  /** @internal */
  constructor(caller: Caller, data: Data) {
    this.caller = caller;
    this.#data = data;
  }

  /** Everything that is known of it, as plain data. */
  get data(): Data {
    return this.#data;
  }

  /** Its data, for `JSON.stringify`. */
  toJSON(): Data {
    return this.#data;
  }

  /** @internal */
  protected refresh(data: Data): this {
    this.#data = data;
    return this;
  }

  /** @internal Takes in the part of its data that an answer has, and gives the answer. */
  protected note<Answer>(answer: Answer, part: Partial<Data>): Answer {
    this.#data = { ...this.#data, ...part };
    return answer;
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `${this.constructor.name} ${inspect(this.#data, options)}`;
  }
}
