// The meta of an answer, errors as data, and the two forms in which a method takes what it needs.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';

import * as package_ from 'theazo';
import { type CallReport, ConnectionError, NotFoundError, ProviderError, Theazo, TheazoError } from 'theazo';

import { AGENT, json, SESSION, serve } from './server.js';

test('an answer comes with its meta where that is asked for', async (context) => {
  const server = await serve(context, (_, response) => {
    if (server.sent.length === 1) json(response, { error: { code: 'unavailable', message: 'later' } }, 503);
    else json(response, SESSION, 200, { 'x-request-id': 'req_2', 'x-plan': 'pro' });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  const { data, meta } = await theazo.sessions.get('ses_1').withMeta();

  assert.equal(data.id, 'ses_1');
  assert.equal(meta.status, 200);
  assert.equal(meta.requestId, 'req_2');
  assert.equal(meta.headers.get('X-Plan'), 'pro');
  assert.deepEqual(
    meta.attempts.map(({ number, status }) => [number, status]),
    [
      [1, 503],
      [2, 200],
    ],
  );
  assert.match(meta.traceId, /^[0-9a-f]{32}$/);
  assert.ok(meta.timings.totalMs >= meta.timings.waitedMs);
});

test('a client tells of each call that is over', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.path.endsWith('ses_1')) json(response, SESSION, 200, { 'x-request-id': 'req_1' });
    else json(response, { error: { code: 'not_found', message: 'no' } }, 404);
  });
  const reports: CallReport[] = [];
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url, onCall: (report) => reports.push(report) });

  await theazo.sessions.get('ses_1');
  await theazo.sessions.get('ses_2').catch(() => {});
  await theazo.sessions.get('ses_1', { signal: AbortSignal.abort() }).catch(() => {});

  assert.deepEqual(
    reports.map(({ operation, meta, error }) => [operation, meta?.requestId, (error as Error | undefined)?.name]),
    [
      ['GetSession', 'req_1', undefined],
      ['GetSession', undefined, 'TheazoError'],
      ['GetSession', undefined, 'AbortError'],
    ],
  );
  assert.throws(() => new Theazo({ apiKey: 'k', onCall: 'log' } as never), { parameter: 'onCall' });
});

test('a page and an answer of nothing have a meta too', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.method === 'DELETE') response.writeHead(204, { 'x-request-id': 'req_gone' }).end();
    else json(response, { data: [SESSION], hasMore: false, cursor: '' }, 200, { 'x-request-id': 'req_list' });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  const list = await theazo.sessions.list().withMeta();
  const gone = await theazo.webhooks.delete('wh_1').withMeta();

  assert.equal(list.data.data[0]?.id, 'ses_1');
  assert.equal(list.meta.requestId, 'req_list');
  assert.equal(gone.data, undefined);
  assert.deepEqual([gone.meta.status, gone.meta.requestId], [204, 'req_gone']);
});

test('a call that fails fails with its meta too, at the line of the caller', async (context) => {
  const server = await serve(context, (_, response) =>
    json(response, { error: { code: 'not_found', message: 'no' } }, 404),
  );
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  async function whoAsks() {
    await theazo.sessions.get('ses_9').withMeta();
  }
  const error = await whoAsks().catch((error) => error);

  assert.ok(error instanceof NotFoundError);
  assert.match(error.stack ?? '', /whoAsks/);
});

test('each code has a class, and all are one kind of error', async (context) => {
  const answers: [number, object | string][] = [
    [404, { error: { code: 'not_found', message: 'no' } }],
    [502, { error: { code: 'provider_error', message: 'no' } }],
    [418, { error: { code: 'teapot', message: 'short and stout' } }],
  ];
  const server = await serve(context, (_, response) => {
    const [status, body] = answers[server.sent.length - 1] as [number, object];
    json(response, body, status);
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url, maxRetries: 0 });
  const failed = async () => await theazo.sessions.get('ses_1').catch((error: unknown) => error);

  const [notFound, provider, newer] = [await failed(), await failed(), await failed()];

  assert.ok(notFound instanceof NotFoundError && notFound instanceof TheazoError && notFound instanceof Error);
  assert.ok(provider instanceof ProviderError);
  assert.ok(newer instanceof TheazoError);
  assert.equal(newer.constructor, TheazoError);
  assert.equal(newer.code, 'teapot');
});

test('every code of the API has its class, by the code', () => {
  const classes = Object.entries(package_).filter(([name]) => name.endsWith('Error') && name !== 'TheazoError');

  assert.equal(classes.length, 36);
  for (const [name, made] of classes) {
    const { code } = made as unknown as { code: string };
    const words = code.replace(/_error$/, '').split('_');
    assert.equal(name, `${words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('')}Error`);
  }
});

test('the stack of an error begins at the line of the caller', async (context) => {
  const server = await serve(context, (_, response) =>
    json(response, { error: { code: 'forbidden', message: 'no' } }, 403),
  );
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  async function whoAsks() {
    await theazo.sessions.get('ses_9');
  }
  async function whoErrs() {
    await theazo.sessions.get(5 as never);
  }
  const answered = (await whoAsks().catch((error) => error)) as TheazoError;
  const refused = (await whoErrs().catch((error) => error)) as TheazoError;

  assert.match(answered.stack ?? '', /^[^\n]*no\n {4}at (async )?whoAsks \(.*meta\.test\.ts:\d+:\d+\)/);
  assert.match(refused.stack ?? '', /^[^\n]*\n {4}at (async )?whoErrs \(.*meta\.test\.ts:\d+:\d+\)/);
});

test('a connection that fails keeps its cause', async () => {
  const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });

  const error = await theazo.sessions.get('ses_1').catch((error) => error);

  assert.ok(error instanceof ConnectionError);
  assert.ok(error.cause instanceof Error, 'it has a cause');
  const causes: string[] = [];
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  // `fetch` does not even try this port.
  assert.match(causes.join('; '), /refused|bad port/i);
});

test('arguments by position and in one object are the same request', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.path === '/v1/sessions/ses_1') json(response, SESSION);
    else if (sent.path === '/v1/agents/agt_1') json(response, AGENT);
    else if (sent.path.endsWith('/exec')) json(response, { stdout: '', stderr: '', exitCode: 0 });
    else json(response, { id: 'flt_1', status: 'running', totalItems: 1 });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  const session = await theazo.sessions.get('ses_1');
  const agent = await theazo.agents.get('agt_1');
  server.sent.length = 0;

  await session.fleets.dispatch('researcher', [{ a: 1 }], { concurrency: 2 });
  await session.fleets.dispatch({ agent: 'researcher', inputs: [{ a: 1 }], concurrency: 2, headers: { 'x-one': '1' } });
  await agent.exec('python', 'print(1)');
  await agent.exec({ language: 'python', code: 'print(1)' });
  await agent.exec({ lang: 'python', code: 'print(1)' });

  const bodies = server.sent.map(({ body }) => JSON.parse(body));
  assert.deepEqual(bodies[0], { agent: 'researcher', inputs: [{ a: 1 }], concurrency: 2 });
  assert.deepEqual(bodies[1], bodies[0]);
  assert.equal(server.sent[1]?.headers['x-one'], '1');
  assert.deepEqual(bodies[2], { language: 'python', code: 'print(1)' });
  assert.deepEqual(bodies[3], bodies[2]);
  assert.deepEqual(bodies[4], { lang: 'python', code: 'print(1)' });
});

test('an argument that is itself an object is told from one object with everything', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.path === '/v1/sessions/ses_1') json(response, SESSION);
    else if (sent.path.includes('credentials')) response.writeHead(204).end();
    else json(response, { id: 'src_1', status: 'active' });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  const { knowledge } = await theazo.sessions.get('ses_1');
  server.sent.length = 0;
  const source = { type: 'notion', config: { page: 'p' } } as const;

  await knowledge.sync(source as never, { collection: 'docs' });
  await knowledge.sync({ source: source as never, collection: 'docs' });
  await theazo.mcp.setUserCredentials('mcp_1', 'ada', { authorization: 'Bearer x' });
  await theazo.mcp.setUserCredentials('mcp_1', 'ada', { headers: { authorization: 'Bearer x' } });

  const bodies = server.sent.map(({ body }) => JSON.parse(body));
  assert.deepEqual(bodies[0].source, source);
  assert.deepEqual(bodies[1], bodies[0]);
  assert.deepEqual(bodies[2], { headers: { authorization: 'Bearer x' } });
  assert.deepEqual(bodies[3], bodies[2]);
});

test('a file is written from text, a buffer, bytes, a blob, a stream of Node and one of the web', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.method === 'GET') json(response, AGENT);
    else response.writeHead(204).end();
  });
  const { files } = await new Theazo({ apiKey: 'k', baseUrl: server.url }).agents.get('agt_1');
  server.sent.length = 0;
  const bytes = Buffer.from('grüße');

  await files.write('text', 'grüße');
  await files.write('buffer', bytes);
  await files.write('bytes', new Uint8Array(bytes));
  await files.write('memory', new Uint8Array(bytes).buffer);
  await files.write('blob', new Blob([bytes]));
  await files.write('stream', Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]));
  await files.write('web', new Blob([bytes]).stream());
  await files.write({ path: 'object', data: bytes });

  const sent = server.sent.map(({ body }) => JSON.parse(body) as { data: string; encoding: 'utf-8' | 'base64' });
  assert.deepEqual(sent[0], { path: 'text', data: 'grüße', encoding: 'utf-8' });
  for (const { data, encoding } of sent.slice(1)) {
    assert.deepEqual([Buffer.from(data, 'base64').toString(), encoding], ['grüße', 'base64']);
  }
});

test('documents go as bytes under each name that they have', async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.path === '/v1/sessions/ses_1') json(response, SESSION);
    else if (sent.path === '/v1/files') json(response, { id: 'file_1' }, 201);
    else json(response, { sources: [] });
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  const { knowledge } = await theazo.sessions.get('ses_1');
  server.sent.length = 0;

  await knowledge.upload({ files: [{ filename: 'a.md', content: Buffer.from('# A') }], collection: 'docs' });
  await theazo.files.upload({ userId: 'ada', filename: 'a.csv', file: Buffer.from('a,b'), purpose: 'agent_input' });
  await theazo.files.upload('a.csv', 'a,b', 'agent_input', 'ada');

  const bodies = server.sent.map(({ body }) => JSON.parse(body));
  assert.deepEqual(bodies[0].files, [{ filename: 'a.md', content: 'IyBB' }]);
  assert.deepEqual([bodies[0].collection, bodies[0].sessionId], ['docs', 'ses_1']);
  assert.equal(bodies[1].file, 'YSxi');
  assert.equal(bodies[2].data, 'YSxi');
});

test('lists that published clients know as arrays are arrays, and pages', async (context) => {
  const server = await serve(context, (sent, response) => {
    const isFirst = !sent.path.includes('cursor=');
    const name = isFirst ? 'first' : 'second';
    json(response, [{ name, description: '', builtin: true }], 200, isFirst ? { 'x-next-cursor': 'next' } : {});
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });

  const page = await theazo.tools.list();
  const all: string[] = [];
  for await (const tool of theazo.tools.list()) all.push(tool.name);
  const rest: string[] = [];
  for await (const tool of page) rest.push(tool.name);

  assert.ok(Array.isArray(page));
  assert.equal(page.length, 1);
  assert.equal(page[0]?.name, 'first');
  assert.deepEqual(
    page.map(({ name }) => name),
    ['first'],
  );
  assert.equal(JSON.parse(JSON.stringify(page)).length, 1);
  assert.deepEqual([page.hasMore, page.cursor, page.data.length], [true, 'next', 1]);
  assert.equal((await page.nextPage())?.[0]?.name, 'second');
  assert.deepEqual(all, ['first', 'second']);
  assert.deepEqual(rest, all);
});
