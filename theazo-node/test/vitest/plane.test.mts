// `theazo/testing/vitest`, run by vitest itself.

import { test } from 'theazo/testing/vitest';
import { expect } from 'vitest';

const seen: unknown[] = [];

test('a test has a plane with a client, a clock and faults', async ({ plane, theazo, clock, faults }) => {
  await plane.script('researcher', [{ text: 'prices rose' }]);
  const before = await clock.now();
  await faults.next({ status: 503 });

  const session = await theazo.sessions.forUser('user_1');
  const result = await session.run('researcher', 'look');
  await clock.advance('1h');

  expect(result.output).toBe('prices rose');
  expect((await clock.now()).getTime() - before.getTime()).toBeGreaterThanOrEqual(3_600_000);
  expect((await plane.requests()).map(({ status }) => status)).toContain(503);
  seen.push(plane);
});

test('another test has another plane, and that of the first is closed', async ({ plane, theazo }) => {
  const [first] = seen as (typeof plane)[];

  expect(first).not.toBe(plane);
  expect(() => first?.client()).toThrow('closed');
  expect((await theazo.sessions.list()).data).toEqual([]);
});
