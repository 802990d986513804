// `theazo/testing/vitest`: tests of vitest that each have a plane of their own. vitest has no `require`, so neither has this.

import { test as base, type TestAPI } from 'vitest';

import { type PlaneFixtures, startFixtures } from './fixtures.js';

export type { PlaneFixtures, TestClock, TestFaults } from './fixtures.js';

/**
 * vitest's `test` with a plane for each test that asks for `plane`, `theazo`, `clock` or `faults`; it is closed when the test
 * ends, however it ends.
 *
 * ```ts
 * import { expect } from 'vitest';
 * import { test } from 'theazo/testing/vitest';
 *
 * test('a report is written', async ({ plane, theazo }) => {
 *   await plane.script('researcher', [{ text: 'prices rose' }]);
 *   const session = await theazo.sessions.forUser('user_1');
 *   expect((await session.run('researcher', 'look')).output).toBe('prices rose');
 * });
 * ```
 */
export const test: TestAPI<PlaneFixtures & { fixtures: PlaneFixtures }> = base.extend<
  PlaneFixtures & { fixtures: PlaneFixtures }
>({
  // vitest reads from the source of these functions what each needs, so an empty pattern must stand where nothing is.
  // biome-ignore lint/correctness/noEmptyPattern: see above.
  fixtures: async ({}, use) => {
    const fixtures = await startFixtures();
    try {
      await use(fixtures);
    } finally {
      await fixtures.plane.close();
    }
  },
  plane: async ({ fixtures }, use) => await use(fixtures.plane),
  theazo: async ({ fixtures }, use) => await use(fixtures.theazo),
  clock: async ({ fixtures }, use) => await use(fixtures.clock),
  faults: async ({ fixtures }, use) => await use(fixtures.faults),
});
