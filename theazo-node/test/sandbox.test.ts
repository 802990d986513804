// `theazo/sandbox`: what a program says arrives, in its order, whatever the network does; and outside of a sandbox nothing
// happens.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';

import { Theazo } from 'theazo';
import * as bridge from 'theazo/sandbox';

import { type Answer, type Server, serve } from './server.js';

/** The environment of a sandbox whose control plane answers as a test says. */
async function inSandbox(context: TestContext, answer: Answer): Promise<Server> {
  const server = await serve(context, answer);
  process.env.THEAZO_ENDPOINT = `${server.url}/bridge/token/`;
  process.env.THEAZO_AGENT_ID = 'agt_1';
  process.env.THEAZO_SESSION_ID = 'ses_1';
  context.after(() => {
    for (const name of ['THEAZO_ENDPOINT', 'THEAZO_AGENT_ID', 'THEAZO_SESSION_ID']) delete process.env[name];
  });
  return server;
}

function bodies(server: Server): Record<string, unknown>[] {
  return server.sent.map(({ body }) => JSON.parse(body));
}

test('reports arrive in their order, with the ids of the sandbox and the span that they belong to', async (context) => {
  const server = await inSandbox(context, (_, response) => response.writeHead(204).end());
  const odd: Record<string, unknown> = { big: 7n, agentId: 'agt_forged' };
  odd.self = odd;

  bridge.log.warn('no title', odd);
  const result = await bridge.span('fetch', async () => {
    bridge.log.info('within');
    await assert.rejects(
      bridge.span('parse', () => {
        throw 'odd';
      }),
    );
    return 3;
  });
  bridge.model.track({ model: 'somebody/model', inputTokens: 1840, outputTokens: 212 });
  bridge.progress(150, 'almost');
  bridge.complete({ output: '3 pages' });
  await bridge.flush();

  assert.equal(result, 3);
  const paths = ['log', 'log', 'span', 'span', 'model', 'progress', 'complete'];
  assert.deepEqual(
    server.sent.map(({ path }) => path),
    paths.map((what) => `/bridge/token/v1/sandbox/${what}`),
  );
  const sent = bodies(server);
  for (const { agentId, sessionId } of sent) assert.deepEqual([agentId, sessionId], ['agt_1', 'ses_1']);
  assert.deepEqual(sent[0]?.metadata, { big: '7', agentId: 'agt_forged', self: '[circular]' });
  const [, within, parse, fetch] = sent;
  assert.deepEqual([parse?.name, parse?.status, parse?.error], ['parse', 'failed', 'odd']);
  assert.deepEqual([fetch?.name, fetch?.status, fetch?.parentSpanId], ['fetch', 'completed', undefined]);
  assert.equal(within?.spanId, fetch?.spanId);
  assert.equal(parse?.parentSpanId, fetch?.spanId);
  assert.deepEqual([sent[5]?.percentage, sent[6]?.artifacts], [100, []]);
  assert.equal(bridge.lost(), 0);
});

test('a report is sent again where that may help, and what is lost is counted and told by flush', async (context) => {
  let answered = 0;
  const server = await inSandbox(context, (sent, response) => {
    answered += 1;
    response.writeHead(sent.body.includes('refused') ? 422 : answered === 1 ? 503 : 204).end();
  });

  bridge.log.info('first');
  bridge.log.info('second');
  await bridge.flush();
  const messages = bodies(server).map(({ message }) => message);
  bridge.log.info('refused');
  await assert.rejects(bridge.flush(), /the control plane answered 422/);
  await bridge.flush();

  assert.deepEqual(messages, ['first', 'first', 'second']);
  assert.equal(bridge.lost(), 1);
});

test('outside of a sandbox a program runs on, is told once, and ends at once', () => {
  const program = `
    const { log, complete, flush } = require('theazo/sandbox');
    log.info('nobody hears this');
    complete({ output: 'nor this' });
    flush().then(() => console.log('done'));`;
  const ran = spawnSync(process.execPath, ['-e', program], { cwd: __dirname, encoding: 'utf8' });

  assert.deepEqual([ran.status, ran.stdout], [0, 'done\n']);
  assert.equal(ran.stderr.split('\n').length, 2, ran.stderr);
  assert.match(ran.stderr, /^theazo: this program is in no sandbox, so it reports nothing/);
});

test('the file alone is enough in a real sandbox', async (context) => {
  const theazo = await Theazo.embedded();
  context.after(() => theazo.close());
  const session = await theazo.sessions.forUser('user_123');
  const agent = await session.agents.create({ provider: 'local', compute: 'node' });
  const file = require.resolve('theazo/sandbox');
  await agent.files.write('theazo-sandbox.js', readFileSync(file));

  const ran = await agent.exec(
    'node',
    `const { log, progress, flush } = require('/workspace/theazo-sandbox.js');
     log.warn('the page has no title', { page: 7 });
     progress(50, 'half');
     flush().then(() => console.log('sent'));`,
  );

  assert.deepEqual([ran.exitCode, ran.stdout], [0, 'sent\n'], ran.stderr);
  const logged = await theazo.logs.query({ agentId: agent.id, limit: 100 });
  const entry = logged.data.find(({ message }) => message === 'the page has no title');
  assert.deepEqual([entry?.level, entry?.metadata?.page], ['warn', 7]);
  assert.equal((await agent.progress()).percentage, 50);
});
