// `theazo/testing`: the real control plane inside this process, with fakes at its edges only.

import './load.js';

import type { Answer } from './answer.js';
import { Caller, type CallOptions } from './caller.js';
import { configOf, Theazo, type TheazoOptions } from './client.js';
import { Connection, startPlane } from './connection.js';
import { thrown, toTheazoError } from './errors.js';
import { TestPlaneOperations } from './generated/testing.js';
import type { AgentScript, ScriptedTurn } from './generated/types.js';
import { invalid } from './input.js';
import type { NativePlane } from './native.js';
import { type ModelFunction, nativeFunction } from './testing/script.js';

export { Recorder, Replayer, type ReplayOptions } from './recording.js';
export type { Conversation, ConversationMessage, ModelFunction } from './testing/script.js';

/** How a client of a test plane is set up; the key is the plane's live key unless another is given. */
export type TestClientOptions = Omit<TheazoOptions, 'baseUrl' | 'replay'>;

/** The planes that others reach by an address: they live until they are closed, whether or not anything here refers to them. */
const listening = new Set<TestPlane>();

/**
 * A control plane for tests: a scripted model, simulated sandboxes, a clock that stands until it is moved, and faults on
 * demand. It needs no network, no key and no other process.
 *
 * ```ts
 * await using plane = await TestPlane.start();
 * await plane.script('researcher', [{ text: 'prices rose' }]);
 * const session = await plane.client().sessions.forUser('user_123');
 * const result = await session.run('researcher', 'analyze competitor pricing');
 * ```
 */
export class TestPlane extends TestPlaneOperations {
  readonly #plane: NativePlane;
  readonly #connection: Connection;

  private constructor(plane: NativePlane, connection: Connection) {
    super(new Caller(connection));
    this.#plane = plane;
    this.#connection = connection;
  }

  /** Starts a test plane, in memory. */
  static async start(): Promise<TestPlane> {
    const plane = await startPlane({ test: true });
    // The plane's own calls are not to be retried: a test that injects faults means the client's.
    return new TestPlane(plane, new Connection(plane.client('{"maxRetries":0}'), { plane }));
  }

  /** The live key of the plane; its charges are counted. */
  get liveKey(): string {
    return this.#plane.liveKey;
  }

  /** The test key of the plane: another world, which leaves no usage. */
  get testKey(): string {
    return this.#plane.testKey;
  }

  /**
   * Scripts what the model of an agent answers, turn by turn; or lets a function answer for it whenever none of its turns fits.
   *
   * A turn with tool calls is followed by the next turn when the tools have returned. A turn with `when` waits for a
   * conversation that contains its text. When nothing fits, the offline model answers.
   * @param agent The name of the agent; `*` for every agent whose own script has nothing to say.
   * @param script Its answers, in order; or a function that is given the conversation and gives a turn or its text. What the
   *   function throws is the message with which the model fails.
   * @example
   * ```ts
   * await plane.script('researcher', [{ text: 'prices rose', inputTokens: 1200 }, { error: 'overloaded' }]);
   * await plane.script('writer', async ({ messages }) => ({ text: `I was told ${messages.length} things.` }));
   * ```
   */
  override script(agent: string, script: ScriptedTurn[] | ModelFunction, options?: CallOptions): Answer<void>;
  override script(options: AgentScript & CallOptions): Answer<void>;
  override script(...given: unknown[]): Answer<void> {
    const [agent, script] = given;
    if (typeof script !== 'function') return super.script(...(given as Parameters<TestPlaneOperations['script']>));
    // The model is in this process, so the function goes to it and no request is made.
    return this.caller.answer(async () => {
      this.#connection.assertOpen('the test plane is closed');
      if (typeof agent !== 'string') throw invalid('agent', 'must be text');
      thrown(() => this.#plane.scriptWith(agent, nativeFunction(script as ModelFunction)));
    });
  }

  /** A client of the plane. */
  client(options: TestClientOptions = {}): Theazo {
    this.#connection.assertOpen('the test plane is closed');
    return Theazo.over(
      new Connection(
        thrown(() => this.#plane.client(...configOf(options))),
        { onCall: options.onCall },
      ),
    );
  }

  /**
   * Listens on a free port of this machine alone and gives the address, for what is in another process or has no native part: a
   * browser, a program under test. It ends with the plane.
   */
  async listen(): Promise<string> {
    this.#connection.assertOpen('the test plane is closed');
    listening.add(this);
    try {
      return await this.#plane.listen();
    } catch (error) {
      throw toTheazoError(error);
    }
  }

  /** Ends the plane. */
  async close(): Promise<void> {
    listening.delete(this);
    await this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
