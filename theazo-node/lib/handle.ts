// What sessions, agents and runs have in common: data as it last came from the server, and the way to call.

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
}

type Inspect = (value: unknown, options: object) => string;

// How Node shows a handle. The symbol is one for all modules, so that edge runtimes need nothing of Node's; it is no member that
// anybody calls, so it stands in no declaration.
Object.defineProperty(Handle.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: Handle<Identified>, _depth: number, options: object, inspect: Inspect): string {
    return `${this.constructor.name} ${inspect(this.data, options)}`;
  },
});
