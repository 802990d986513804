// `theazo/testing/node`: tests of `node:test` that each have a plane of their own.

import * as runner from 'node:test';

import { type PlaneFixtures, startFixtures } from './fixtures.js';

export type { PlaneFixtures, TestClock, TestFaults } from './fixtures.js';

/** What a test of {@link test} gets: its plane with what belongs to it, and the context of the runner. */
export interface TestArguments extends PlaneFixtures {
  context: runner.TestContext;
}

type Body = (given: TestArguments) => unknown;

/**
 * Registers a test with a plane of its own, which is closed when the test ends, however it ends.
 *
 * ```ts
 * import { test } from 'theazo/testing/node';
 *
 * test('a report costs less than a cent', async ({ plane, theazo }) => {
 *   await plane.script('researcher', [{ text: 'prices rose', inputTokens: 10, outputTokens: 3 }]);
 *   const session = await theazo.sessions.forUser('user_1');
 *   assert.equal((await session.run('researcher', 'look')).cost.amount, 0);
 * });
 * ```
 */
export function test(name: string, body: Body): Promise<void>;
export function test(name: string, options: runner.TestOptions, body: Body): Promise<void>;
export function test(name: string, ...rest: [Body] | [runner.TestOptions, Body]): Promise<void> {
  const body = rest[rest.length - 1] as Body;
  const options = rest.length === 2 ? rest[0] : {};
  return runner.test(name, options, async (context) => {
    await body({ ...(await planeFor(context)), context });
  }) as Promise<void>;
}

/** Starts a plane that ends with a test, for tests that are registered in another way. */
export async function planeFor(context: Pick<runner.TestContext, 'after'>): Promise<PlaneFixtures> {
  const fixtures = await startFixtures();
  context.after(() => fixtures.plane.close());
  return fixtures;
}
