// The client over `fetch`: what the native client does, for places where none loads. It behaves as `theazo/src/transport` does;
// both are tested with the same cases (`theazo/cases`).
//
// What is missing here: control planes inside the process, recordings, log sockets (`logs.socket` and the like), proxies,
// certificates and pools of one's own, and the end of a process whose stream was left open.

import type { NativeClient, NativeConfig, NativeStream } from '../native.js';
import { readCallOptions, readConfig } from './config.js';
import { type Core, Exchange } from './exchange.js';
import { type Call, operationOf } from './operation.js';
import { misconfigured } from './problem.js';
import { Failures, RetryBudget } from './retry.js';
import { openStream } from './stream.js';

/** A client over `fetch`. */
export class FetchClient implements NativeClient {
  readonly #core: Core;
  readonly #controllers = new Map<number, AbortController>();
  #isClosed = false;

  constructor(...[config, recorder, replayer]: NativeConfig) {
    if (recorder !== undefined || replayer !== undefined) {
      throw misconfigured('recordings need the native part, which calls through `fetch` do without');
    }
    this.#core = { config: readConfig(config), budget: new RetryBudget(), failures: new Failures() };
  }

  async call(...call: Parameters<NativeClient['call']>): Promise<string> {
    return await this.#cancellable(call, async (call, signal) => {
      const { providers } = this.#core.config;
      const send = (call: Call) => new Exchange(this.#core, call, { signal }).whole();
      const answer = providers?.concern(call) ? await providers.createSession(call, send) : await send(call);
      return call.options.meta ? `${JSON.stringify(answer.meta())}\n${answer.text}` : answer.text;
    });
  }

  async open(...call: Parameters<NativeClient['open']>): Promise<NativeStream> {
    return await this.#cancellable(call, (call, signal) => openStream(this.#core, call, signal));
  }

  cancel(cancelId: number): void {
    this.#controllers.get(cancelId)?.abort(new Error('the call was cancelled'));
  }

  close(): void {
    this.#isClosed = true;
  }

  async #cancellable<T>(
    [id, path, query, body, options, cancelId]: Parameters<NativeClient['call']>,
    action: (call: Call, signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.#isClosed) throw new Error('the client is closed');
    const operation = operationOf(id);
    if (operation.reply === 'socket') {
      throw misconfigured(
        'log sockets need the native part, which calls through `fetch` do without',
        'use the stream of events that has the same',
      );
    }
    const call: Call = { id, operation, path, query: query ?? [], body, options: readCallOptions(options) };
    if (cancelId === undefined) return await action(call, undefined);
    const controller = new AbortController();
    this.#controllers.set(cancelId, controller);
    try {
      return await action(call, controller.signal);
    } finally {
      this.#controllers.delete(cancelId);
    }
  }
}
