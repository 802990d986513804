// Recordings: the same story is told again without the control plane, and without what was secret.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { Theazo } from 'theazo';
import { Recorder, Replayer, type ReplayOptions, TestPlane } from 'theazo/testing';

/** The path of a file that goes with the test. */
function file(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'theazo-recording-'));
  test.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'calls.jsonl');
}

async function start(test: TestContext): Promise<TestPlane> {
  const plane = await TestPlane.start();
  test.after(() => plane.close());
  return plane;
}

function replayed(path: string, options?: ReplayOptions): { theazo: Theazo; replayer: Replayer } {
  const replayer = new Replayer(path, options);
  return { theazo: new Theazo({ apiKey: 'th_test_any', replay: replayer, maxRetries: 0 }), replayer };
}

async function story(theazo: Theazo): Promise<unknown[]> {
  const session = await theazo.sessions.forUser('ada');
  const result = await session.run('researcher', 'what is the answer?');
  const agent = await session.agents.create({ name: 'writer' });
  const texts: string[] = [];
  for await (const event of agent.stream('write')) {
    if (event.type === 'text') texts.push(event.text);
  }
  return [session.id, result, texts];
}

test('a recording tells the same story without the plane', async (context) => {
  const path = file(context);
  const plane = await start(context);
  await plane.script('researcher', [{ text: '42' }]);
  await plane.script('writer', [{ text: 'once upon a time' }]);
  const told = await story(plane.client({ record: new Recorder(path) }));
  await plane.close();

  const { theazo, replayer } = replayed(path);
  const again = await story(theazo);

  assert.equal((told[1] as { output: string }).output, '42');
  assert.equal((told[2] as string[]).join(''), 'once upon a time');
  assert.deepEqual(again, told);
  assert.equal(replayer.unused, 0);
  assert.deepEqual(await story(replayed(path, { atRecordedPace: true }).theazo), told);
});

test('a strict recording answers what was asked, and a lenient one what is like it', async (context) => {
  const path = file(context);
  const theazo = (await start(context)).client({ record: new Recorder(path) });
  const session = await theazo.sessions.create({ userId: 'ada' });

  const strict = replayed(path).theazo;
  const lenient = replayed(path, { matching: 'lenient' }).theazo;

  await assert.rejects(
    strict.sessions.create({ userId: 'bob' }),
    /the recording has no answer to `POST \/v1\/sessions/,
  );
  assert.equal((await strict.sessions.create({ userId: 'ada' })).id, session.id);
  await assert.rejects(strict.sessions.create({ userId: 'ada' }), /the recording has no answer/);
  assert.equal((await lenient.sessions.create({ userId: 'bob' })).id, session.id);
});

test('a recording holds no key and no secret', async (context) => {
  const path = file(context);
  const plane = await start(context);
  const theazo = plane.client({ record: new Recorder(path) });
  const session = await theazo.sessions.forUser('ada');
  await session.secrets.set({ DATABASE_URL: 'canary-4f1c9b7e2d' });
  const made = await theazo.apiKeys.create('ci', 'live');

  const text = readFileSync(path, 'utf8');

  assert.ok(text.includes('DATABASE_URL'), text);
  for (const secret of ['canary-4f1c9b7e2d', made.key, plane.liveKey]) assert.ok(!text.includes(secret), text);
});

test('what is no recording, or not to be used so, is refused by its name', async (context) => {
  const path = file(context);
  writeFileSync(path, '{}\n');

  assert.throws(() => new Replayer(path), /line 1 is no request/);
  assert.throws(() => new Replayer(join(path, 'missing')), /cannot be read/);
  assert.throws(() => new Recorder(join(path, 'missing')), /cannot be made/);
  assert.throws(
    () => new Replayer(path, { matching: 'loose' as 'strict' }),
    /`matching` must be `strict` or `lenient`/,
  );
  const recorder = new Recorder(path);
  const replayer = new Replayer(path);
  assert.throws(() => new Theazo({ record: path as unknown as Recorder }), /`record` must be a `Recorder`/);
  assert.throws(() => new Theazo({ record: recorder, replay: replayer }), /`replay` cannot be given beside `record`/);
});
