// The whole product through the test plane: the real control plane, with fakes at its edges only.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type StreamEvent, Theazo, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

/** A test plane that ends with the test. */
async function start(test: TestContext): Promise<TestPlane> {
  const plane = await TestPlane.start();
  test.after(() => plane.close());
  return plane;
}

/** What a call was rejected with. */
async function rejected(call: Promise<unknown>): Promise<TheazoError> {
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof TheazoError, String(error));
  return error;
}

function fieldsOf(error: TheazoError): string[] {
  return (error.details.fields as { field: string }[]).map(({ field }) => field);
}

test('an agent answers as it was scripted, and the charges add up to its bill', async (context) => {
  const plane = await start(context);
  await plane.script('researcher', [
    { toolCalls: [{ tool: 'write_file', input: { path: 'notes.txt', content: 'prices rose' } }] },
    { text: 'prices rose by 3 %', inputTokens: 1000, outputTokens: 1000 },
  ]);
  const session = await plane.client().sessions.forUser('user_123');

  const result = await session.run('researcher', 'analyze competitor pricing');

  assert.equal(result.output, 'prices rose by 3 %');
  assert.deepEqual(
    result.toolCalls.map(({ tool }) => tool),
    ['write_file'],
  );
  const charges = await plane.charges();
  const charged = charges.filter(({ runId }) => runId === result.runId);
  const sum = charged.reduce((total, { cost }) => total + (cost.microCents ?? 0), 0);
  assert.ok(sum > 0);
  assert.equal(sum, result.cost.microCents);
  assert.ok(charges.every(({ userId, sessionId }) => userId === 'user_123' && sessionId === session.id));
});

test('however many answers are there at once, the event loop goes on between them', async (context) => {
  const theazo = (await start(context)).client();
  const { id } = await theazo.sessions.forUser('user_1');
  let isPast = false;
  setImmediate(() => {
    isPast = true;
  });

  let count = 0;
  while (!isPast && count < 100_000) {
    await theazo.sessions.get(id);
    count += 1;
  }

  assert.ok(isPast, `${count} calls and no turn of the event loop`);
});

test('the same user gets the same session', async (context) => {
  const theazo = (await start(context)).client();

  const [first, second] = [await theazo.sessions.forUser('user_1'), await theazo.sessions.forUser('user_1')];

  assert.equal(first.id, second.id);
  assert.notEqual((await theazo.sessions.forUser('user_2')).id, first.id);
});

test('an agent runs programs, keeps files and ends', async (context) => {
  const session = await (await start(context)).client().sessions.create();
  const agent = await session.agents.create({ name: 'worker', compute: 'python' });

  const exec = await agent.exec('python', 'print("hello")');
  await agent.files.write('data/bytes', Uint8Array.of(0, 159, 255));
  await agent.files.write('data/text', 'grüße');
  const listed = await agent.files.list('data');

  assert.equal(exec.exitCode, 0);
  assert.deepEqual([...(await agent.files.read('data/bytes'))], [0, 159, 255]);
  assert.equal((await agent.files.read('data/text')).toString(), 'grüße');
  assert.deepEqual(
    listed.map(({ name, size }) => [name, size]),
    [
      ['bytes', 3],
      ['text', 7],
    ],
  );
  assert.equal((await agent.status()).status, 'ready');
  assert.equal((await agent.terminate()).currentStatus, 'completed');
  assert.deepEqual(
    (await session.agents.list({ status: 'completed' })).data.map(({ id }) => id),
    [agent.id],
  );
});

test('a stream gives text and tool calls as they come', async (context) => {
  const plane = await start(context);
  await plane.script('writer', [
    { text: 'first ', toolCalls: [{ tool: 'list_files', input: { dir: '.' } }] },
    { text: 'then done' },
  ]);
  const agent = await (await plane.client().sessions.create()).agents.create({ name: 'writer' });

  const events: StreamEvent[] = [];
  for await (const event of agent.stream('write')) events.push(event);

  const text = events.flatMap((event) => (event.type === 'text' ? [event.text] : [])).join('');
  assert.equal(text, 'first then done');
  assert.ok(events.some((event) => event.type === 'tool_call' && event.tool === 'list_files'));
  assert.ok(events.some((event) => event.type === 'tool_result' && event.tool === 'list_files'));
  assert.equal(events.at(-1)?.type, 'done');
});

test('leaving a stream early cancels its run', async (context) => {
  const plane = await start(context);
  const theazo = plane.client();
  const session = await theazo.sessions.create();
  const agent = await session.agents.create({ name: 'talker' });
  await plane.script('talker', [{ text: 'so far', toolCalls: [{ tool: 'list_files', input: {} }] }]);
  // It has more to say, and never says it.
  await plane.script('talker', () => new Promise<never>(() => {}));

  for await (const _ of agent.stream('talk')) break;

  const [run] = (await session.runs.list()).data;
  assert.equal(run?.status, 'cancelled');
  assert.ok((await plane.requests()).some(({ operation }) => operation === 'CancelRun'));
});

test('a run is a resource that can be started, waited for and streamed again', async (context) => {
  const plane = await start(context);
  await plane.script('researcher', [{ text: 'found' }]);
  const theazo = plane.client();
  const session = await theazo.sessions.create();

  const started = await session.runs.start('researcher', 'find');
  const result = await started.wait();
  const run = await theazo.runs.get(started.id);
  const types: string[] = [];
  for await (const { type } of run.stream()) types.push(type);

  assert.equal(result.output, 'found');
  assert.equal(run.status, 'completed');
  assert.equal(run.result?.output, 'found');
  assert.deepEqual(types.at(-1), 'done');
});

test('a budget holds until its period is over', async (context) => {
  const plane = await start(context);
  await plane.script('spender', [
    { toolCalls: [{ tool: 'list_files', input: {} }], inputTokens: 100, outputTokens: 5_000 },
    { text: 'expensive', inputTokens: 100, outputTokens: 5_000 },
  ]);
  await plane.script('saver', [{ text: 'cheap', inputTokens: 10, outputTokens: 10 }]);
  const limits = { maxCost: { amount: 10, period: 'day' as const } };
  const session = await plane.client().sessions.forUser('user_1', { limits });

  const error = await rejected(session.run('spender', 'spend'));
  const spent = await session.limits();
  // It would go on, and spend, as soon as the next period begins.
  await (await plane.client().runs.get(String(error.details.runId))).cancel();
  await plane.advance({ hours: 24 });
  const renewed = await session.limits();

  assert.equal(error.code, 'session_limit_exceeded');
  assert.equal(error.status, 402);
  assert.equal(error.details.limit, 'maxCost');
  assert.equal(error.details.value, 10);
  assert.match(String(error.details.runId), /^arun_/);
  assert.match(error.hint ?? '', /raise the limit/);
  assert.equal(spent.maxCost?.used, 8);
  assert.equal(renewed.maxCost?.used, 0);
  assert.equal((await session.run('saver', 'save')).output, 'cheap');
});

test('raising the limit lets the run that waits at it go on', async (context) => {
  const plane = await start(context);
  await plane.script('spender', [
    { toolCalls: [{ tool: 'list_files', input: {} }], inputTokens: 100, outputTokens: 5_000 },
    { text: 'expensive', inputTokens: 100, outputTokens: 5_000 },
  ]);
  const theazo = plane.client();
  const session = await theazo.sessions.forUser('user_1', { limits: { maxCost: { amount: 10, period: 'day' } } });
  const error = await rejected(session.run('spender', 'spend'));

  await session.updateLimits({ maxCost: { amount: 100, period: 'day' } });
  const runId = String(error.details.runId);
  // A worker takes the run up again soon after; until then it is still what it was.
  while ((await theazo.runs.get(runId)).status === 'paused');
  const result = await (await theazo.runs.get(runId)).wait();

  assert.equal(result.output, 'expensive');
  assert.equal(session.currentLimits.maxCost?.amount, 100);
  assert.equal((await session.runs.list()).data.length, 1);
});

test('one agent too many is refused', async (context) => {
  const session = await (await start(context)).client().sessions.create({ limits: { maxAgents: 1 } });
  await session.agents.create();

  const error = await rejected(session.agents.create());

  assert.equal(error.code, 'session_limit_exceeded');
  assert.equal(error.details.limit, 'maxAgents');
});

test('a call that failed once is tried again, with the same key', async (context) => {
  const plane = await start(context);
  await plane.failNext({ operation: 'CreateSession', status: 503 });

  await plane.client().sessions.create({ userId: 'user_1' });

  const requests = (await plane.requests()).filter(({ operation }) => operation === 'CreateSession');
  assert.deepEqual(
    requests.map(({ status, attempt }) => [status, attempt]),
    [
      [503, 1],
      [201, 2],
    ],
  );
  assert.match(requests[0]?.idempotencyKey ?? '', /^theazo-[0-9a-f]{32}$/);
  assert.equal(requests[0]?.idempotencyKey, requests[1]?.idempotencyKey);
});

test('a run whose answer was lost is not done twice', async (context) => {
  const plane = await start(context);
  await plane.script('researcher', [{ text: 'once', inputTokens: 1000, outputTokens: 1000 }, { text: 'twice' }]);
  const session = await plane.client().sessions.create();
  await plane.failNext({ operation: 'RunInSession', kind: 'reset_after' });

  const result = await session.run('researcher', 'find');

  assert.equal(result.output, 'once');
  assert.equal((await session.runs.list()).data.length, 1);
});

test('a failure that stays is an error that tells of every attempt', async (context) => {
  const plane = await start(context);
  await plane.failNext({ operation: 'GetUsageSummary', status: 503, times: 9 });

  const error = await rejected(plane.client({ maxRetries: 1 }).usage.summary());

  assert.equal(error.status, 503);
  assert.equal(error.retryable, true);
  assert.deepEqual(
    error.attempts.map(({ number, status }) => [number, status]),
    [
      [1, 503],
      [2, 503],
    ],
  );
});

test('a wrong key is refused', async (context) => {
  const plane = await start(context);
  const theazo = plane.client({ headers: { authorization: 'Bearer th_live_wrong' } });

  const error = await rejected(theazo.sessions.list());

  assert.equal(error.code, 'unauthorized');
  assert.equal(error.status, 401);
  assert.match(error.requestId, /^req_/);
});

test('an id that does not exist, or of another world, is not found', async (context) => {
  const plane = await start(context);
  const session = await plane.client().sessions.create();

  const unknown = await rejected(plane.client().sessions.get('ses_unknown'));
  const foreign = await rejected(plane.client({ apiKey: plane.testKey }).sessions.get(session.id));

  assert.deepEqual([unknown.code, unknown.status], ['not_found', 404]);
  assert.deepEqual([foreign.code, foreign.status], ['not_found', 404]);
});

test('an impossible limit is refused, with the field named', async (context) => {
  const theazo = (await start(context)).client();

  const negative = await rejected(
    theazo.sessions.create({ limits: { maxCost: { amount: -1, period: 'day' }, maxAgents: -3 } }),
  );
  const unknown = await rejected(theazo.sessions.create({ limits: { maxCosts: 5 } as object }));

  assert.equal(negative.code, 'invalid_request');
  assert.deepEqual(fieldsOf(negative), ['limits.maxCost.amount', 'limits.maxAgents']);
  assert.equal(unknown.code, 'invalid_request');
  assert.deepEqual(fieldsOf(unknown), ['limits.maxCosts']);
});

test('what is not served yet is refused rather than dropped', async (context) => {
  const session = await (await start(context)).client().sessions.create();

  const error = await rejected(session.agents.create({ mcp: '*' }));

  assert.equal(error.code, 'not_implemented');
  assert.equal(error.status, 501);
});

test('an abort ends the wait for a run', async (context) => {
  const plane = await start(context);
  const session = await plane.client().sessions.create();
  const controller = new AbortController();

  const call = session.run('researcher', 'find', { signal: controller.signal });
  controller.abort();

  await assert.rejects(call, { name: 'AbortError' });
});

test('the clock stands until it is moved', async (context) => {
  const plane = await start(context);

  const before = await plane.clock();
  const moved = await plane.advance('1h 30m');

  assert.deepEqual(await plane.clock(), moved);
  assert.equal(Date.parse(moved.now) - Date.parse(before.now), 90 * 60 * 1000);
});

test('logs and usage of a session are those of what it did', async (context) => {
  const plane = await start(context);
  await plane.script('researcher', [{ text: 'found', inputTokens: 1000, outputTokens: 1000 }]);
  const theazo = plane.client();
  const session = await theazo.sessions.forUser('user_1');
  const result = await session.run('researcher', 'find');

  const messages: string[] = [];
  for await (const entry of theazo.logs.query({ sessionId: session.id, limit: 2 })) messages.push(entry.message);
  const usage = await session.usage();
  const exact = (cost: { microCents?: number | undefined }) => cost.microCents ?? 0;

  assert.ok(messages.length > 2);
  assert.equal(exact(usage.cost), exact(result.cost));
  assert.equal(exact(usage.computeCost) + exact(usage.modelCost) + exact(usage.orchestrationCost), exact(usage.cost));
  assert.equal(usage.cost.amount, usage.computeCost.amount + usage.modelCost.amount + usage.orchestrationCost.amount);
  assert.equal(exact((await theazo.usage.forUser('user_1')).total), exact(usage.cost));
});

test('an embedded control plane needs no key, and its client closes it', async () => {
  const theazo = await Theazo.embedded();

  const session = await theazo.sessions.forUser('user_1');
  await theazo.close();

  assert.match(session.id, /^ses_/);
  await assert.rejects(session.usage(), { message: 'the client is closed' });
});

test('an embedded control plane that starts again on its data goes on', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'theazo-test-'));
  context.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const before = await Theazo.embedded({ dataDir });
  const session = await before.sessions.forUser('user_1', { metadata: { plan: 'pro' } });
  await before.close();

  const after = await Theazo.embedded({ dataDir });
  context.after(() => after.close());

  assert.deepEqual((await after.sessions.get(session.id)).metadata, { plan: 'pro' });
});

test('the base address `local` is a control plane in this process', async () => {
  const theazo = new Theazo({ baseUrl: 'local' });

  assert.equal((await theazo.health()).status, 'ok');
  await theazo.close();
});

test('planes share nothing', async (context) => {
  const [one, other] = [await start(context), await start(context)];
  await one.client().sessions.create();

  assert.equal((await one.client().sessions.list()).data.length, 1);
  assert.equal((await other.client().sessions.list()).data.length, 0);
});
