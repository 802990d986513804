// What the published client gets wrong about the parts of the platform (spec: wire-api, 7.5), each row of
// it right here. What the control plane does not serve yet is shown as far as the client goes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ConfigurationError,
  ListPage,
  Page,
  ProvidersRequiredError,
  Theazo,
  type TheazoConfig,
  TheazoError,
  UnreadableAnswerError,
  type WorkflowStreamEvent,
} from 'theazo';
import { TestPlane } from 'theazo/testing';

import { always, failed, platformScene } from './rows.js';
import { json, SESSION, serve } from './server.js';

test('P1: own providers go with the call that makes a session, and with no other', async (context) => {
  let digest: unknown;
  const server = await serve(context, (sent, response) => {
    const body = JSON.parse(sent.body || '{}');
    digest = body.providersDigest ?? digest;
    if (sent.method === 'POST' && body.compute === undefined) {
      json(response, { error: { code: 'providers_required', message: 'who?' } }, 409);
    } else json(response, { ...SESSION, providersDigest: digest });
  });
  const theazo = new Theazo({
    apiKey: 'k',
    baseUrl: server.url,
    compute: { provider: 'e2b', credentials: { apiKey: 'e2b_secret' } },
    models: { provider: 'anthropic', credentials: { apiKey: 'sk-secret' } },
  });

  const session = await theazo.sessions.forUser('ada');
  await theazo.sessions.get(session.id);

  const [asked, sealed, later] = server.sent;
  assert.deepEqual(Object.keys(JSON.parse(asked?.body ?? '')), ['providersDigest']);
  const { compute, models } = JSON.parse(sealed?.body ?? '');
  assert.deepEqual(compute.providers[0].credentials, { apiKey: 'e2b_secret' });
  assert.deepEqual(models.credentials, { apiKey: 'sk-secret' });
  assert.equal(later?.body, '');
});

test('P1: a server that ignores own providers is not trusted, and wrong ones are refused at once', async (context) => {
  const { sent } = await platformScene(context, always(SESSION));
  const server = await serve(context, always(SESSION));
  const theazo = new Theazo({
    apiKey: 'k',
    baseUrl: server.url,
    models: { provider: 'openai', credentials: { apiKey: 's' } },
  });

  const error = await failed(theazo.sessions.forUser('ada'));

  assert.match(error.message, /did not take the providers/);
  assert.throws(() => new Theazo({ apiKey: 'k', compute: { provider: 5 } } as unknown as TheazoConfig), TheazoError);
  assert.throws(() => new Theazo({ apiKey: 'k', compute: { providers: [] } }), { parameter: /^compute/ });
  assert.deepEqual(sent, []);
  assert.ok(ProvidersRequiredError);
});

test('P2: a key that is none, or a typo in an option, is a typed error at once', () => {
  for (const apiKey of ['', ' ', '\n'])
    assert.throws(() => new Theazo({ apiKey, baseUrl: 'http://x' }), ConfigurationError);
  assert.throws(() => new Theazo({ apiKey: 'k\u0000' }), TheazoError);
  assert.throws(() => new Theazo({ apiKey: 'k', baseURL: 'http://x' } as TheazoConfig), { parameter: 'baseURL' });
  assert.throws(() => new Theazo({ apiKey: 'k', baseUrl: 'not an address' }), ConfigurationError);
});

test('P3: the filter by session is sent', async (context) => {
  const { theazo, sent } = await platformScene(context, always({ data: [] }));

  await theazo.agents.list({ sessionId: 'ses_1' });

  assert.equal(sent[0]?.path, '/v1/agents?sessionId=ses_1');
});

test('P4: the tags of a metric are sent', async (context) => {
  const { theazo, sent } = await platformScene(context, always([]));

  await theazo.metrics.query({
    metric: 'agent.duration',
    since: '2026-01-01',
    interval: '1d',
    tags: 'provider:e2b',
  } as never);

  assert.match(decodeURIComponent(sent[0]?.path ?? ''), /tags=provider:e2b/);
});

test('P5: a workflow is run and streamed by one call, a run by its id', async (context) => {
  const last = { event: 'run.completed', runId: 'run_1', status: 'completed', output: 'o', totalCost: 3 };
  const { theazo, sent } = await platformScene(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`id: 1\ndata: ${JSON.stringify(last)}\n\n`);
  });

  const events: WorkflowStreamEvent[] = [];
  for await (const event of theazo.workflows.runAndStream('wf_1', { userId: 'ada', input: { a: 1 } }))
    events.push(event);
  for await (const event of theazo.workflows.streamRun('run_1')) events.push(event);

  assert.deepEqual(
    events.map(({ event }) => event),
    ['run.completed', 'run.completed'],
  );
  assert.deepEqual([sent[0]?.method, sent[1]?.method], ['POST', 'GET']);
  assert.match(sent[1]?.path ?? '', /run_1\/stream$/);
});

test('P6: traces come in pages', async (context) => {
  const { theazo } = await platformScene(context, (_, response) =>
    json(response, [], 200, { 'x-next-cursor': 'next' }),
  );

  const page = await theazo.traces.list();

  assert.ok(page instanceof ListPage || Array.isArray(page));
  assert.deepEqual([page.hasMore, page.cursor], [true, 'next']);
});

test('P7: every list comes in pages', async (context) => {
  const { theazo, sent } = await platformScene(context, (_, response) =>
    json(response, [], 200, { 'x-next-cursor': 'next' }),
  );

  const pages = [
    await theazo.approvals.list({ limit: 1 }),
    await theazo.schedules.list({ limit: 1 }),
    await theazo.triggers.list({ limit: 1 }),
    await theazo.tools.list({ limit: 1 }),
    await theazo.webhooks.list({ limit: 1 }),
    await theazo.agents.definitions({ limit: 1 }),
  ];

  for (const page of pages) assert.deepEqual([Array.isArray(page), page.cursor], [true, 'next']);
  for (const { path } of sent) assert.match(path, /limit=1/);
});

test('P8: a list is read in every form, and an answer without one is a typed error', async (context) => {
  const { theazo } = await platformScene(context, (sent, response) => {
    if (sent.path.includes('channels')) json(response, { data: [] });
    else if (sent.path.includes('workflows')) json(response, []);
    else response.writeHead(204).end();
  });

  assert.deepEqual([...(await theazo.channels.list())], []);
  assert.deepEqual([...(await theazo.workflows.list())], []);
  assert.ok((await failed(theazo.mcp.list())) instanceof UnreadableAnswerError);
});

test('P9: files come in pages', async (context) => {
  const { theazo, sent } = await platformScene(context, always({ data: [], hasMore: true, cursor: 'next' }));

  const page = await theazo.files.list({ userId: 'ada', limit: 1 });

  assert.deepEqual([page.hasMore, page.cursor], [true, 'next']);
  assert.match(sent[0]?.path ?? '', /limit=1/);
});

test('P10: a file goes with its kind, and its bytes can be fetched', async (context) => {
  const { theazo, body } = await platformScene(context, (sent, response) =>
    json(response, sent.method === 'POST' ? { id: 'file_1' } : { data: 'AP8=', encoding: 'base64' }),
  );

  await theazo.files.upload('a.bin', Uint8Array.of(0, 255), 'agent_input', 'ada', { mimeType: 'application/x-thing' });
  const sent = body();
  const bytes = await theazo.files.download('file_1');

  assert.deepEqual([sent.data, sent.mimeType], ['AP8=', 'application/x-thing']);
  assert.deepEqual([...bytes], [0, 255]);
});

test('P11: what became of each approval is told, and the new version of a definition', async (context) => {
  const { theazo } = await platformScene(context, (sent, response) =>
    json(
      response,
      sent.path.includes('rollback')
        ? { id: 'adef_1', name: 'n', version: 3, config: {}, createdAt: '' }
        : { results: [{ id: 'apr_1', error: { code: 'approval_expired', message: 'late' } }] },
    ),
  );

  const rolled = await theazo.agents.rollback('adef_1', { version: 1 });
  const decided = await theazo.approvals.bulkApprove(['apr_1']);

  assert.equal(rolled.version, 3);
  assert.deepEqual([decided.results[0]?.id, decided.results[0]?.error?.code], ['apr_1', 'approval_expired']);
});

test('P12: an export as CSV arrives', async (context) => {
  const { theazo, sent } = await platformScene(
    context,
    always({ format: 'csv', total: { amount: 3 }, records: [], csv: 'a,b\n1,2\n' }),
  );

  const exported = await theazo.usage.export({ period: 'month', format: 'csv' });

  assert.equal(exported.csv, 'a,b\n1,2\n');
  assert.match(sent[0]?.path ?? '', /format=csv/);
});

test('P13: a change sends what changes and nothing else', async (context) => {
  const { theazo, body } = await platformScene(context, always({ id: 'ch_1', config: {} }));

  await theazo.channels.update('ch_1', { enabled: false }).catch(() => {});

  assert.deepEqual(body(), { enabled: false });
});

test('P14: the type of a channel is that of its method', async (context) => {
  const { theazo, body } = await platformScene(context, always({ id: 'ch_1' }));

  await theazo.channels.email({ agent: 'a', address: 'a@example.com', type: 'phone' } as never).catch(() => {});

  assert.equal(body().type, 'email');
});

test('P15: the address of the MCP server is that of this API', async (context) => {
  const { theazo } = await platformScene(
    context,
    always({ expose: '*', auth: 'api_key', url: 'https://own.example.com/mcp' }),
  );

  assert.match(theazo.mcp.serverUrl(), /^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
  assert.equal((await theazo.mcp.getServerConfig()).url, 'https://own.example.com/mcp');
});

test('P16: the input of a tool is apart from the options of the call', async (context) => {
  const { theazo, sent, body } = await platformScene(context, always({ output: 1, success: true }));

  await theazo.tools.test('t', { timeout: 5, headers: 'mine' }, { headers: { 'x-trace': '7' } }).catch(() => {});

  assert.deepEqual(body(), { timeout: 5, headers: 'mine' });
  assert.equal(sent[0]?.headers['x-trace'], '7');
});

test("P17: a budget can be one user's", async (context) => {
  const { theazo, sent } = await platformScene(context, always({}));

  await theazo.billing.setBudgetOfUser('ada', { monthly: { amount: 5 } }).catch(() => {});
  await theazo.billing.getBudgetOfUser('ada').catch(() => {});

  for (const { path } of sent) assert.match(path, /ada/);
});

test('P18: there are keys, secrets of the account, providers, and all of definitions', () => {
  const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' });

  for (const method of [
    theazo.apiKeys.create,
    theazo.apiKeys.revoke,
    theazo.secrets.set,
    theazo.providers.set,
    theazo.agents.getDefinition,
    theazo.agents.deleteDefinition,
    theazo.agents.duplicateDefinition,
  ]) {
    assert.equal(typeof method, 'function');
  }
});

test('P20: a secret that is not told again is null', async (context) => {
  const { theazo } = await platformScene(
    context,
    always([{ id: 'wh_1', url: 'https://a', events: [], createdAt: '' }]),
  );

  const [hook] = await theazo.webhooks.list();

  assert.equal(hook?.secret, undefined);
});

test('P21: the session of a user has an environment, and a paused one says so', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  const theazo = plane.client();

  const session = await theazo.sessions.forUser('ada', { environment: 'staging' });
  await session.pause();
  const again = await theazo.sessions.forUser('ada', { environment: 'staging' });

  assert.equal(session.environment, 'staging');
  assert.deepEqual([again.id, again.status], [session.id, 'paused']);
});

test('P22: the parts of the client are types that can be named', () => {
  type Parts = [
    import('theazo').Sessions,
    import('theazo').Agents,
    import('theazo').SessionChat,
    import('theazo').AgentFiles,
    import('theazo').Workflows,
  ];
  const parts: Partial<Parts> = [];
  assert.deepEqual(parts, []);
  assert.equal(typeof Page, 'function');
});
