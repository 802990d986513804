// Wrong arguments are refused before anything is sent: the argument is named, its value is not shown.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';

import { Theazo, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

const KEY = 'th_live_0123456789abcdef';

/** A client, as code without types sees it. */
// biome-ignore lint/suspicious/noExplicitAny: the types would refuse what these tests give.
async function untyped(context: TestContext): Promise<any> {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  return plane.client();
}

/** The error of an action, be it thrown or the end of a promise. */
async function refused(action: () => unknown): Promise<TheazoError> {
  try {
    await action();
  } catch (error) {
    assert.ok(error instanceof TheazoError, inspect(error));
    assert.equal(error.kind, 'invalid_input');
    assert.match(error.stack ?? '', /input\.test/, 'the stack shows the caller');
    return error;
  }
  return assert.fail('it was not refused');
}

test('an argument that is no text is named', async (context) => {
  const { sessions } = await untyped(context);

  for (const wrong of [undefined, null, 5, 5n, {}, Symbol('x'), new Date()]) {
    assert.equal((await refused(() => sessions.forUser(wrong))).parameter, 'userId');
    assert.equal((await refused(() => sessions.get(wrong))).parameter, 'sessionId');
  }
  assert.equal((await refused(() => sessions.forUser(undefined))).message, '`userId` must be text, not undefined');
});

test('a value that JSON would lose is refused, since nothing would mean no limit', async (context) => {
  const { sessions, logs } = await untyped(context);
  const circular: Record<string, unknown> = {};
  circular.self = circular;

  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 3n, () => 3, Symbol('3')]) {
    const error = await refused(() => sessions.forUser('ada', { limits: { maxAgents: wrong } }));
    assert.equal(error.parameter, 'limits.maxAgents');
  }
  const refusals: [string, () => unknown][] = [
    ['limits.maxCost', () => sessions.forUser('ada', { limits: { maxCost: new Map([['amount', 1]]) } })],
    ['metadata.name', () => sessions.forUser('ada', { metadata: { name: 'a\ud800' } })],
    ['metadata', () => sessions.forUser('ada', { metadata: circular })],
    ['userId', () => sessions.list({ userId: { a: 1 } })],
    ['limit', () => sessions.list({ limit: Number.NaN })],
    ['since', () => logs.query({ since: new Date(Number.NaN) })],
    ['timeout', () => sessions.forUser('ada', { timeout: Number.NaN })],
    ['maxRetries', () => sessions.forUser('ada', { maxRetries: 1n })],
    ['headers', () => sessions.forUser('ada', { headers: new Headers({ a: 'b' }) })],
    ['signal', () => sessions.forUser('ada', { signal: {} })],
    ['options', () => sessions.forUser('ada', null)],
    ['options', () => sessions.get('ses_1', 5)],
  ];
  for (const [parameter, action] of refusals) assert.equal((await refused(action)).parameter, parameter);
});

test('a file that is neither text nor bytes is refused', async (context) => {
  const theazo = await untyped(context);
  const agent = await (await theazo.sessions.forUser('ada')).agents.create();

  for (const wrong of [undefined, null, 5, [1, 2], { data: 'x' }]) {
    assert.equal((await refused(() => agent.files.write('x', wrong))).parameter, 'data');
  }
});

test('a client refuses options that do not exist, and never shows a key in the wrong place', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: the types would refuse what this test gives.
  const Untyped = Theazo as any;

  const refusals: [string, () => unknown][] = [
    ['apikey', () => new Untyped({ apikey: KEY })],
    ['options', () => new Untyped(KEY)],
    ['options', () => new Untyped(null)],
    ['headers', () => new Untyped({ headers: `authorization: Bearer ${KEY}` })],
    ['baseUrl', () => new Untyped({ apiKey: KEY, baseUrl: 5 })],
    ['maxRetries', () => new Untyped({ apiKey: KEY, maxRetries: Number.NaN })],
    ['dir', () => Untyped.embedded({ dir: '/tmp/kept' })],
    ['options', () => Untyped.embedded('/tmp/kept')],
  ];
  for (const [parameter, action] of refusals) {
    const error = await refused(action);
    assert.equal(error.parameter, parameter);
    assert.doesNotMatch(inspect(error), new RegExp(KEY));
  }
});

test('the base address may be a URL', () => {
  new Theazo({ apiKey: KEY, baseUrl: new URL('http://127.0.0.1:9') as unknown as string });
});

test('a test plane that is closed says so', async () => {
  const plane = await TestPlane.start();
  await plane.close();

  assert.throws(
    () => plane.client(),
    new TheazoError({ code: 'configuration', kind: 'configuration', message: 'the test plane is closed' }),
  );
});
