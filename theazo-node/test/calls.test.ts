// What goes over the wire and what comes back, against a server that answers as each test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Session, Theazo, TheazoError } from 'theazo';

import { AGENT, deferred, json, SESSION, serve } from './server.js';

test('a call sends its arguments, its options and who it is', async (context) => {
  const server = await serve(context, (sent, response) => json(response, sent.method === 'GET' ? {} : SESSION));
  const theazo = new Theazo({ apiKey: 'th_test_1', baseUrl: server.url, headers: { 'x-team': 'blue' } });

  await theazo.sessions.create({
    userId: 'user 1/2',
    metadata: { Plan_name: 'pro' },
    limits: { maxDuration: '90s' },
    idempotencyKey: 'once',
    headers: { 'x-trace': '7' },
  });
  await theazo.usage.byProvider({ period: 'week' });

  const [created, used] = server.sent;
  assert.equal(created?.method, 'POST');
  assert.equal(created?.path, '/v1/sessions');
  assert.deepEqual(JSON.parse(created?.body ?? ''), {
    userId: 'user 1/2',
    metadata: { Plan_name: 'pro' },
    limits: { maxDuration: '90s' },
  });
  assert.equal(created?.headers.authorization, 'Bearer th_test_1');
  assert.equal(created?.headers['idempotency-key'], 'once');
  assert.equal(created?.headers['x-team'], 'blue');
  assert.equal(created?.headers['x-trace'], '7');
  assert.match(created?.headers['user-agent'] ?? '', /^theazo-node\//);
  assert.equal(used?.path, '/v1/usage/by-provider?period=week');
});

test('a timeout of the work is sent, one of the call is not', async (context) => {
  const server = await serve(context, (sent, response) =>
    json(response, sent.path.endsWith('/exec') ? { stdout: '', stderr: '', exitCode: 0 } : AGENT),
  );
  const agent = await new Theazo({ apiKey: 'k', baseUrl: server.url }).agents.get('agt_1', { timeout: '5s' });

  await agent.exec('python', 'print(1)', { timeout: { minutes: 2 }, deadline: '5m' });

  assert.deepEqual(JSON.parse(server.sent[1]?.body ?? ''), {
    language: 'python',
    code: 'print(1)',
    timeout: { minutes: 2 },
  });
});

test('a member that this version does not know still reaches the server', async (context) => {
  const server = await serve(context, (sent, response) => json(response, sent.method === 'GET' ? SESSION : AGENT));
  const session = await new Theazo({ apiKey: 'k', baseUrl: server.url }).sessions.get('ses_1');

  await session.agents.create({ name: 'a', guardrails: [{ no: 'secrets' }] } as { name: string });

  assert.deepEqual(JSON.parse(server.sent[1]?.body ?? ''), { name: 'a', guardrails: [{ no: 'secrets' }] });
});

test('what a server leaves out is there as its type says', async (context) => {
  const result = {
    runId: 'arun_1',
    output: 'o',
    cost: { amount: 2 },
    duration: '1s',
    durationMs: 1,
    provider: 'local',
  };
  const server = await serve(context, (sent, response) =>
    json(response, sent.path.endsWith('/run') ? { ...result, toolCalls: null } : SESSION),
  );
  const session = await new Theazo({ apiKey: 'k', baseUrl: server.url }).sessions.get('ses_1');

  const ran = await session.run('researcher', 'look');

  assert.equal(session.userId, '');
  assert.equal(session.pausedAt, null);
  assert.deepEqual(session.metadata, {});
  assert.deepEqual(session.currentLimits, {});
  assert.deepEqual(ran.toolCalls, []);
  assert.deepEqual(ran.artifacts, []);
  assert.equal(ran.cost.currency, 'usd');
});

test('a call that gives new data brings its handle up to date', async (context) => {
  const server = await serve(context, (sent, response) =>
    json(response, { ...SESSION, status: sent.path.endsWith('/pause') ? 'paused' : 'active' }),
  );
  const session = await new Theazo({ apiKey: 'k', baseUrl: server.url }).sessions.get('ses_1');

  const paused = await session.pause();

  assert.equal(paused, session);
  assert.equal(session.status, 'paused');
  assert.equal(JSON.parse(JSON.stringify(session)).status, 'paused');
});

test('a list is a page, and all its items', async (context) => {
  const server = await serve(context, (sent, response) => {
    const cursor = new URL(sent.path, 'http://host').searchParams.get('cursor');
    const id = cursor === null ? 'ses_1' : 'ses_2';
    json(response, { data: [{ ...SESSION, id }], hasMore: cursor === null, cursor: cursor === null ? 'next' : '' });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  const page = await theazo.sessions.list({ limit: 1, createdAfter: new Date(0) });
  const all: string[] = [];
  for await (const session of theazo.sessions.list({ limit: 1 })) all.push(session.id);

  assert.ok(page.data[0] instanceof Session);
  assert.equal(page.hasMore, true);
  assert.equal((await page.nextPage())?.data[0]?.id, 'ses_2');
  assert.deepEqual(all, ['ses_1', 'ses_2']);
  assert.equal(server.sent[0]?.path, '/v1/sessions?limit=1&createdAfter=1970-01-01T00%3A00%3A00.000Z');
});

test('files go as text or bytes and come back as bytes', async (context) => {
  const bytes = Uint8Array.of(0, 255, 10);
  const server = await serve(context, (sent, response) => {
    if (sent.method === 'POST') response.writeHead(204).end();
    else if (sent.path === '/v1/agents/agt_1') json(response, AGENT);
    else if (sent.path.endsWith('text')) json(response, { data: 'grüße', encoding: 'utf-8' });
    else json(response, { data: Buffer.from(bytes).toString('base64'), encoding: 'base64' });
  });
  const { files } = await new Theazo({ apiKey: 'k', baseUrl: server.url }).agents.get('agt_1');

  await files.write('text', 'grüße');
  await files.write('bytes', bytes.subarray(1));

  assert.equal((await files.read('text')).toString(), 'grüße');
  assert.deepEqual(new Uint8Array(await files.read('bytes')), bytes);
  assert.deepEqual(JSON.parse(server.sent[1]?.body ?? ''), { path: 'text', data: 'grüße', encoding: 'utf-8' });
  assert.deepEqual(JSON.parse(server.sent[2]?.body ?? ''), { path: 'bytes', data: '/wo=', encoding: 'base64' });
});

test('an answer that is not what the API describes is an error that says so', async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  const error = await theazo.usage.forUser('user 1/2').catch((error) => error);

  assert.equal(error.kind, 'unreadable');
  assert.equal(error.message, 'the answer to GetUserUsage is not what the API describes');
  assert.equal(server.sent[0]?.path, '/v1/usage/users/user%201%2F2');
});

test('an error has its parts and the stack of the caller', async (context) => {
  const server = await serve(context, (_, response) =>
    json(response, { error: { code: 'not_found', message: 'there is no session `ses_9`', details: {} } }, 404, {
      'x-request-id': 'req_7',
    }),
  );
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  async function whoAsks() {
    await theazo.sessions.get('ses_9');
  }
  const error = await whoAsks().catch((error) => error);

  assert.ok(error instanceof TheazoError && error instanceof Error);
  assert.equal(error.name, 'TheazoError');
  assert.equal(error.code, 'not_found');
  assert.equal(error.kind, 'answered');
  assert.equal(error.status, 404);
  assert.equal(error.requestId, 'req_7');
  assert.equal(error.message, 'there is no session `ses_9`');
  assert.equal(error.retryable, false);
  assert.equal(error.attempts.length, 1);
  assert.match(error.stack ?? '', /whoAsks/);
});

test('a list that fails keeps the stack of the caller', async (context) => {
  const server = await serve(context, (_, response) =>
    json(response, { error: { code: 'forbidden', message: 'no' } }, 403),
  );
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  async function whoLists() {
    await theazo.sessions.list();
  }
  const error = await whoLists().catch((error) => error);

  assert.equal(error.code, 'forbidden');
  assert.match(error.stack, /whoLists/);
});

test('a server that cannot be reached is a connection error that says so', async () => {
  const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });

  const error = await theazo.health().catch((error) => error);

  assert.equal(error.code, 'connection_error');
  assert.equal(error.kind, 'not_sent');
  assert.equal(error.status, 0);
});

test('a client without a key, or with options that make no sense, is not made', () => {
  const make = (options: object) => () => new Theazo(options);

  assert.throws(make({ apiKey: '' }), { name: 'TheazoError', message: 'there is no API key', kind: 'configuration' });
  assert.throws(make({ apiKey: 'k', baseUrl: 'ftp://host' }), { kind: 'configuration', message: /ftp:\/\/host/ });
  assert.throws(make({ apiKey: 'k', timeout: 'soon' }), { kind: 'invalid_input', parameter: 'timeout' });
  assert.throws(make({ apiKey: 'k', maxRetries: -1 }), { kind: 'invalid_input', parameter: 'maxRetries' });
});

test('an aborted call is rejected with the reason, and its connection ends', async (context) => {
  const arrived = deferred();
  const left = deferred();
  const server = await serve(context, (_, response) => {
    response.once('close', left.resolve);
    arrived.resolve();
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  const controller = new AbortController();
  const reason = new Error('the user left');

  const call = theazo.sessions.get('ses_1', { signal: controller.signal });
  await arrived.promise;
  controller.abort(reason);

  await assert.rejects(call, reason);
  await left.promise;
});

test('a call with a signal that has fired is not sent', async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  await assert.rejects(theazo.sessions.get('ses_1', { signal: AbortSignal.abort() }), { name: 'AbortError' });

  assert.equal(server.sent.length, 0);
});

test('a closed client makes no calls', async () => {
  const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' });

  await theazo.close();
  await theazo.close();

  await assert.rejects(theazo.health(), { name: 'TheazoError', message: 'the client is closed' });
});
