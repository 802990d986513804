// What each test gets: a plane of its own, a client of it, its clock and its faults.

import type { CallOptions } from '../caller.js';
import type { Theazo } from '../client.js';
import type { ClockState, DurationInput, Fault, SandboxAction, SandboxFault } from '../generated/types.js';
import { TestPlane } from '../testing.js';

/** The clock of a test plane: it stands until it is moved. */
export class TestClock {
  readonly #plane: TestPlane;

  /** @internal */
  constructor(plane: TestPlane) {
    this.#plane = plane;
  }

  /** The time of the plane. */
  async now(): Promise<Date> {
    return new Date((await this.#plane.clock()).now);
  }

  /** Moves the clock; everything that becomes due on the way happens before this resolves. */
  async advance(by: DurationInput): Promise<ClockState> {
    return await this.#plane.advance(by);
  }
}

/** The faults of a test plane. */
export class TestFaults {
  readonly #plane: TestPlane;

  /** @internal */
  constructor(plane: TestPlane) {
    this.#plane = plane;
  }

  /** Makes the next calls of the API fail. */
  async next(fault: Fault & CallOptions = {}): Promise<void> {
    await this.#plane.failNext(fault);
  }

  /** Makes the next simulated sandboxes fail. */
  async sandbox(action: SandboxAction, options: Omit<SandboxFault, 'action'> & CallOptions = {}): Promise<void> {
    await this.#plane.breakSandbox(action, options);
  }

  /** Lets calls work again. */
  async clear(): Promise<void> {
    await this.#plane.clearFaults();
  }
}

/** What a test gets. */
export interface PlaneFixtures {
  /** The plane of this test alone. */
  plane: TestPlane;
  /** A client of the plane with its live key. */
  theazo: Theazo;
  /** The clock of the plane. */
  clock: TestClock;
  /** The faults of the plane. */
  faults: TestFaults;
}

/** Starts a plane with what belongs to it. */
export async function startFixtures(): Promise<PlaneFixtures> {
  const plane = await TestPlane.start();
  return { plane, theazo: plane.client(), clock: new TestClock(plane), faults: new TestFaults(plane) };
}
