// `theazo/testing/node`: each test has a plane of its own.

import assert from 'node:assert/strict';

import type { TestPlane } from 'theazo/testing';
import { planeFor, test } from 'theazo/testing/node';

const seen: TestPlane[] = [];

test('a test has a plane with a client, a clock and faults', async ({ plane, theazo, clock, faults, context }) => {
  await plane.script('researcher', [{ text: 'prices rose' }]);
  const before = await clock.now();
  await faults.next({ status: 503 });

  const session = await theazo.sessions.forUser('user_1');
  const result = await session.run('researcher', 'look');
  await clock.advance('1h');

  assert.equal(result.output, 'prices rose');
  assert.ok((await clock.now()).getTime() - before.getTime() >= 3_600_000);
  assert.ok((await plane.requests()).some(({ status }) => status === 503));
  assert.equal(context.name, 'a test has a plane with a client, a clock and faults');
  seen.push(plane);
});

test('another test has another plane, and that of the first is closed', { timeout: 30_000 }, async (given) => {
  assert.notEqual(given.plane, seen[0]);
  assert.throws(() => seen[0]?.client(), { code: 'configuration', message: /closed/ });
  assert.deepEqual((await given.theazo.sessions.list()).data, []);
});

test('a plane can be had beside the one of the test', async ({ plane, context }) => {
  const other = await planeFor(context);

  assert.notEqual(other.plane.liveKey, plane.liveKey);
});
