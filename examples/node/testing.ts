// Testing your own code: the control plane is the real one, with fakes at its edges only. Scripts say what models answer, the
// clock moves when the test moves it, faults happen where the test injects them.
//
// In a test of your own each line that prints would be an assertion; `theazo/testing/node` and `theazo/testing/vitest` give each
// test a plane of its own.

import assert from 'node:assert/strict';

import type { Theazo } from 'theazo';
import { TestPlane } from 'theazo/testing';

/** Some code of yours: it gives a user a session and asks for a report. */
async function report(theazo: Theazo, user: string): Promise<string> {
  const session = await theazo.sessions.forUser(user, { limits: { maxCost: { amount: 100, period: 'day' } } });
  return (await session.run('researcher', 'competitor pricing')).output;
}

const plane = await TestPlane.start();
const theazo = plane.client();

// The agent calls a tool and then answers. The tool is real, its sandbox is simulated.
const write = { tool: 'write_file', input: { path: 'prices.csv', content: 'a,12\nb,15\n' } };
await plane.script('researcher', [{ toolCalls: [write] }, { text: 'prices went up' }]);
const scripted = await report(theazo, 'ada');
assert.equal(scripted, 'prices went up');
console.log(`scripted    ${scripted}`);

// The response is lost after the server has acted: the SDK asks again with the same key, and nothing happens twice.
await plane.script('researcher', [{ text: 'once' }]);
await plane.failNext({ operation: 'RunInSession', kind: 'reset_after' });
assert.equal(await report(theazo, 'ada'), 'once');
const runs = (await plane.requests()).filter(({ operation }) => operation === 'RunInSession').length;
console.log(`fault       the run was asked for ${runs - 1} times and ran once`);

// It is tomorrow: timers fire on the way, and daily budgets are new.
const { now } = await plane.advance('24h');
console.log(`clock       ${now}`);

const charges = await plane.charges();
const total = charges.reduce((sum, { cost }) => sum + (cost.microCents ?? 0), 0);
console.log(`charges     ${charges.length} of them, ${total} micro-cents in all`);
await plane.close();
