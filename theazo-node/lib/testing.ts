// `theazo/testing`: the real control plane inside this process, with fakes at its edges only.

import './load.js';

import { Caller } from './caller.js';
import { configOf, Theazo, type TheazoOptions } from './client.js';
import { Connection, startPlane } from './connection.js';
import { thrown, toTheazoError } from './errors.js';
import { TestPlaneOperations } from './generated/testing.js';
import type { NativePlane } from './native.js';

export { Recorder, Replayer, type ReplayOptions } from './recording.js';

/** How a client of a test plane is set up; the key is the plane's live key unless another is given. */
export type TestClientOptions = Omit<TheazoOptions, 'baseUrl' | 'replay'>;

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

  /** A client of the plane. */
  client(options: TestClientOptions = {}): Theazo {
    this.#connection.assertOpen('the test plane is closed');
    return Theazo.over(new Connection(thrown(() => this.#plane.client(...configOf(options)))));
  }

  /**
   * Listens on a free port of this machine alone and gives the address, for what is in another process or has no native part: a
   * browser, a program under test. It ends with the plane.
   */
  async listen(): Promise<string> {
    this.#connection.assertOpen('the test plane is closed');
    try {
      return await this.#plane.listen();
    } catch (error) {
      throw toTheazoError(error);
    }
  }

  /** Ends the plane. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
