// What the published client gets wrong about agents (spec: wire-api, 7.3), each row of it right here.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type StreamEvent, Theazo, UnauthorizedError, UnreadableAnswerError } from 'theazo';
import { TestPlane } from 'theazo/testing';

import { agentScene, all, DONE, failed, line, SSE, streaming } from './rows.js';
import { AGENT, deferred, json } from './server.js';

const RUN = {
  id: 'arun_1',
  sessionId: 'ses_1',
  agentId: 'agt_1',
  agent: 'a',
  task: 'x',
  cost: { amount: 0 },
  createdAt: '',
};

test('A1: a stream that is refused fails', async (context) => {
  const { agent } = await agentScene(context, (_, response) =>
    json(response, { error: { code: 'unauthorized', message: 'no' } }, 401),
  );

  assert.ok((await failed(all(agent.stream('x')))) instanceof UnauthorizedError);
});

test('A2: a run that cannot begin fails the stream at once', async (context) => {
  const { agent } = await agentScene(context, (_, response) =>
    json(response, { error: { code: 'session_limit_exceeded', message: 'no', details: { limit: 'maxCost' } } }, 402),
  );

  const error = await failed(all(agent.stream('x')));

  assert.deepEqual([error.code, error.details.limit], ['session_limit_exceeded', 'maxCost']);
});

test('A3: one stream starts one run, however often it is tried', async (context) => {
  const { agent, server } = await agentScene(context, (_, response) => {
    if (server.sent.length === 1)
      json(response, { error: { code: 'unavailable', message: 'later' } }, 503, { 'retry-after': '0' });
    else response.writeHead(200, SSE).end(line(DONE));
  });

  await all(agent.stream('x'));

  assert.equal(new Set(server.sent.map(({ headers }) => headers['idempotency-key'])).size, 1);
  assert.equal(server.sent.length, 2);
});

test('A4: a stream lasts as long as its run, whatever the timeout of the client', async (context) => {
  const opened = deferred();
  let end = () => {};
  const { server } = await agentScene(context, (sent, response) => {
    if (!sent.path.endsWith('/stream')) return;
    response.writeHead(200, SSE).write(': open\n\n');
    end = () => response.end(line(DONE));
    opened.resolve();
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url, timeout: '50ms', maxRetries: 0 });
  const agent = await theazo.agents.get('agt_1', { timeout: '10s' });

  const reading = all(agent.stream('x'));
  await opened.promise;
  // Nobody answers this; when it has failed, the stream has waited for longer than the client's timeout.
  assert.equal((await failed(theazo.sessions.get('ses_1'))).code, 'timeout');
  end();

  assert.equal((await reading).at(-1)?.type, 'done');
});

test('A5: two streams of one agent are two runs with their own events', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  await plane.script('researcher', [
    { text: 'answered', when: 'one' },
    { text: 'replied', when: 'two' },
  ]);
  const session = await plane.client().sessions.forUser('ada');
  const output = (events: StreamEvent[]) => events.flatMap((event) => (event.type === 'done' ? [event.output] : []));

  const [one, two] = await Promise.all([
    all(session.stream('researcher', 'one')),
    all(session.stream('researcher', 'two')),
  ]);

  assert.deepEqual([output(one), output(two)], [['answered'], ['replied']]);
});

test('A6: one request starts a run and streams it', async (context) => {
  const { agent, server } = await agentScene(context, streaming(line(DONE)));

  await all(agent.stream('x'));

  assert.deepEqual(
    server.sent.map(({ method, path }) => [method, path]),
    [['POST', '/v1/agents/agt_1/runs/stream']],
  );
});

test('A7: a streamed run has a cost cap and a signal, and any run can be cancelled', async (context) => {
  const { agent, server, theazo } = await agentScene(context, (sent, response) => {
    if (sent.path.endsWith('/stream')) response.writeHead(200, SSE).end(line(DONE));
    else json(response, { ...RUN, status: sent.path.endsWith('/cancel') ? 'cancelled' : 'running' });
  });

  await all(agent.stream('x', { maxCost: { amount: 5 }, signal: new AbortController().signal }));
  const run = await theazo.runs.get('arun_1');
  await run.cancel();

  assert.deepEqual(JSON.parse(server.sent[0]?.body ?? ''), { task: 'x', maxCost: { amount: 5 } });
  assert.equal(run.status, 'cancelled');
});

test('A8: a stream has the headers, the retries and the errors of every call', async (context) => {
  const { agent, server } = await agentScene(context, streaming(line(DONE)));

  await all(agent.stream('x', { headers: { 'x-trace': '7' } }));

  assert.equal(server.sent[0]?.headers['x-trace'], '7');
  assert.equal(server.sent[0]?.headers.authorization, 'Bearer k');
});

test('A9: the path of a file is one path, whatever is in it', async (context) => {
  const { agent, server } = await agentScene(context, (_, response) =>
    json(response, { data: 'x', encoding: 'utf-8' }),
  );

  for (const path of ['a b?c#d%e.txt', '/data/ü/x', 'folder/x']) await agent.files.read(path);
  await agent.files.read('../../../sessions/ses_9');

  assert.deepEqual(
    server.sent.map(({ path }) => decodeURIComponent(path.split('/files/')[1] ?? '').replace(/^\//, '')),
    ['a b?c#d%e.txt', 'data/ü/x', 'folder/x', '../../../sessions/ses_9'],
  );
  for (const { path } of server.sent) assert.match(path, /^\/v1\/agents\/agt_1\/files\/[^?#]+$/);
  assert.doesNotMatch(server.sent.at(-1)?.path ?? '', /\/\.\.\//);
});

test('A10: bytes of any kind come back as they went', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  const session = await plane.client().sessions.forUser('ada');
  const { files } = await session.agents.create();
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);

  await files.write('/data/bytes', new Blob([bytes]).stream());

  assert.deepEqual(new Uint8Array(await files.read('/data/bytes')), bytes);
});

test('A11: files can be listed anywhere, removed, moved, and folders made', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  const session = await plane.client().sessions.forUser('ada');
  const { files } = await session.agents.create();

  await files.makeDir('reports');
  await files.write('reports/a.md', 'a');
  await files.rename('reports/a.md', 'reports/b.md');
  const entries = await files.list('/workspace/reports');
  await files.delete('reports', { recursive: true });

  assert.deepEqual(
    entries.map(({ name }) => name),
    ['b.md'],
  );
  assert.deepEqual(
    (await files.list('/workspace')).map(({ name }) => name),
    [],
  );
});

test('A12: a cost cap of nothing is a cap', async (context) => {
  const { agent, server } = await agentScene(context, (_, response) => json(response, DONE));

  await agent.run('x', { maxCost: { amount: 0 } }).catch(() => {});

  assert.deepEqual(JSON.parse(server.sent[0]?.body ?? ''), { task: 'x', maxCost: { amount: 0 } });
});

test('A13: an empty answer to a run is a typed error', async (context) => {
  const { agent } = await agentScene(context, (_, response) => void response.writeHead(204).end());

  assert.ok((await failed(agent.run('x'))) instanceof UnreadableAnswerError);
});

test('A14: the status of an agent is the one that the server says', async (context) => {
  const { agent } = await agentScene(context, (sent, response) => {
    if (sent.path.endsWith('/resume')) json(response, { ...AGENT, status: 'ready' });
    else if (sent.path.endsWith('/status'))
      json(response, { status: 'running', duration: '1s', cost: { amount: 0 }, task: '', provider: '', region: '' });
    else json(response, { ...AGENT, status: 'failed' });
  });

  const statuses: string[] = [];
  for (const call of [() => agent.resume(), () => agent.status(), () => agent.terminate()]) {
    await call();
    statuses.push(agent.currentStatus);
  }

  assert.deepEqual(statuses, ['ready', 'running', 'failed']);
});

test('A14: a call that fails changes no status', async (context) => {
  const { agent } = await agentScene(context, (_, response) =>
    json(response, { error: { code: 'conflict', message: 'no' } }, 409),
  );

  await failed(agent.pause());

  assert.equal(agent.currentStatus, 'ready');
});

test('A15: an empty answer to a pause is a typed error, and changes nothing', async (context) => {
  const { agent } = await agentScene(context, (_, response) => void response.writeHead(204).end());

  assert.ok((await failed(agent.pause())) instanceof UnreadableAnswerError);
  assert.equal(agent.currentStatus, 'ready');
});

test('A16: exposed ports can be listed and closed', async (context) => {
  const { agent, server } = await agentScene(context, (sent, response) => {
    if (sent.method === 'POST') json(response, { port: 8080, url: 'https://p' }, 201);
    else if (sent.method === 'DELETE') response.writeHead(204).end();
    else json(response, { data: [{ port: 8080, url: 'https://p' }], hasMore: false, cursor: '' });
  });

  assert.equal(await agent.ports.expose(8080), 'https://p');
  assert.deepEqual(
    (await agent.ports.list()).data.map(({ port }) => port),
    [8080],
  );
  await agent.ports.close('8080');

  assert.deepEqual(
    server.sent.map(({ method }) => method),
    ['POST', 'GET', 'DELETE'],
  );
});

test('A17: runs can be started, fetched, listed, waited for and cancelled', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  await plane.script('researcher', [{ text: 'found' }]);
  const theazo = plane.client();
  const session = await theazo.sessions.forUser('ada');

  const run = await session.runs.start('researcher', 'look');
  const result = await run.wait();
  const listed = await session.runs.list();
  const again = await theazo.runs.get(run.id);

  assert.equal(result.output, 'found');
  assert.equal(result.runId, run.id);
  assert.deepEqual(
    listed.data.map(({ id }) => id),
    [run.id],
  );
  assert.equal(again.status, 'completed');
  assert.equal(typeof again.cancel, 'function');
});
