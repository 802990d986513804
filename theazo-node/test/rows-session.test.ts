// What the published client gets wrong about sessions, fleets, teams, chat and knowledge (spec: wire-api, 7.4), each row of it
// right here. What the control plane does not serve yet is shown as far as the client goes: what is sent and what is made of it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { type Session, type TeamRun, Theazo, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

import { always } from './rows.js';
import { type Answer, json, SESSION, type Sent, serve } from './server.js';

interface Scene {
  session: Session;
  theazo: Theazo;
  sent: Sent[];
  /** The JSON of the last request. */
  body(): Record<string, unknown>;
}

/** A session of a server that answers everything but the fetching of the session so. */
async function scene(test: TestContext, answer: Answer): Promise<Scene> {
  const server = await serve(test, (sent, response) => {
    if (sent.method === 'GET' && sent.path === '/v1/sessions/ses_1') json(response, { ...SESSION, userId: 'ada' });
    else answer(sent, response);
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url, maxRetries: 0 });
  const session = await theazo.sessions.get('ses_1');
  server.sent.length = 0;
  return { session, theazo, sent: server.sent, body: () => JSON.parse(server.sent.at(-1)?.body ?? '{}') };
}

async function planeSession(test: TestContext): Promise<[TestPlane, Session]> {
  const plane = await TestPlane.start();
  test.after(() => plane.close());
  return [plane, await plane.client().sessions.forUser('ada')];
}

const FLEET = {
  id: 'flt_1',
  sessionId: 'ses_1',
  userId: 'ada',
  agent: 'a',
  status: 'running',
  totalItems: 1,
  concurrency: 1,
  failurePolicy: 'continue',
  createdAt: '',
};
const TEAM = {
  id: 'team_1',
  sessionId: 'ses_1',
  userId: 'ada',
  name: 't',
  agents: [],
  coordination: 'sequential',
  createdAt: '',
};
const TEAM_RUN = {
  id: 'trun_1',
  teamId: 'team_1',
  task: 't',
  status: 'failed',
  cost: { amount: 12, currency: 'usd', microCents: 12_345_678 },
  duration: '1.2s',
  durationMs: 1234,
  error: { code: 'provider_error', message: 'away' },
  createdAt: '',
};

/** A team whose calls are answered so. */
async function team(test: TestContext, answer: Answer) {
  const made = await scene(test, (sent, response) => {
    if (sent.method === 'GET' && sent.path === '/v1/teams/team_1') json(response, TEAM);
    else answer(sent, response);
  });
  return { ...made, team: await made.theazo.teams.get('team_1') };
}

test('N1: the run of a team that failed says so', async (context) => {
  const { team: made } = await team(context, always(TEAM_RUN));

  const run: TeamRun = await made.run('x');

  assert.equal(run.status, 'failed');
  assert.equal(run.output, null);
});

test('N2: what a team cost is money, exact', async (context) => {
  const { team: made } = await team(context, always(TEAM_RUN));

  assert.deepEqual((await made.run('x')).cost, { amount: 12, currency: 'usd', microCents: 12_345_678 });
});

test('N3: how long a team took is what the server says', async (context) => {
  const { team: made } = await team(context, always(TEAM_RUN));

  const { duration, durationMs } = await made.run('x');

  assert.deepEqual([duration, durationMs], ['1.2s', 1234]);
});

test('N4: the run of a team has an id, can be started, waited for and streamed', async (context) => {
  const {
    team: made,
    theazo,
    sent,
  } = await team(context, (sent, response) => {
    if (sent.path.endsWith('/stream')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('data: {"event":"team.completed","runId":"trun_1","output":"o","cost":{"amount":1}}\n\n');
    } else json(response, sent.method === 'POST' ? { runId: 'trun_1', status: 'running' } : TEAM_RUN);
  });

  const { runId } = await made.start('x');
  const waited = await theazo.teamRuns.wait(runId);
  const events = theazo.teamRuns.stream(runId);
  await events.next();
  await events.detach();

  assert.equal(runId, 'trun_1');
  assert.equal(waited.id, 'trun_1');
  assert.ok(sent.some(({ path }) => path.endsWith('/trun_1/stream')));
});

test('N5: waiting for a team outlasts a failure that passes, and fails with our error', async (context) => {
  let asked = 0;
  const { theazo } = await team(context, (_, response) => {
    asked += 1;
    if (asked === 1) json(response, { error: { code: 'unavailable', message: 'later' } }, 503, { 'retry-after': '0' });
    else if (asked === 2) json(response, TEAM_RUN);
    else json(response, { error: { code: 'not_found', message: 'no' } }, 404);
  });

  assert.equal((await theazo.teamRuns.wait('trun_1', { maxRetries: 2 })).id, 'trun_1');
  await assert.rejects(theazo.teamRuns.wait('trun_1'), TheazoError);
});

test('N6: one run of a team can be cancelled', async (context) => {
  const { theazo, sent } = await team(context, always({ ...TEAM_RUN, status: 'cancelled' }));

  assert.equal((await theazo.teamRuns.cancel('trun_1')).status, 'cancelled');
  assert.match(sent.at(-1)?.path ?? '', /trun_1\/cancel$/);
});

test('N7: options never take the place of the agent and the task', async (context) => {
  const { session, body } = await scene(context, always({ runId: 'arun_1' }));

  await session.run('researcher', 'look', { agent: 'other', task: 'else' } as object).catch(() => {});

  assert.deepEqual([body().agent, body().task], ['researcher', 'look']);
});

test('N8: both ways to run have a list of tool calls', async (context) => {
  const result = {
    runId: 'arun_1',
    output: 'o',
    cost: { amount: 1 },
    duration: '1s',
    durationMs: 1,
    provider: 'p',
    toolCalls: null,
  };
  const { session, theazo } = await scene(context, (sent, response) =>
    json(response, sent.path === '/v1/agents/agt_1' ? { ...AGENT_DATA } : result),
  );

  assert.deepEqual((await session.run('a', 't')).toolCalls, []);
  assert.deepEqual((await (await theazo.agents.get('agt_1')).run('t')).toolCalls, []);
});

const AGENT_DATA = {
  id: 'agt_1',
  sessionId: 'ses_1',
  status: 'ready',
  provider: 'p',
  compute: 'python',
  model: 'm',
  createdAt: '',
};

test('N9: a run in a session has a cost cap, a model, knowledge and tools', async (context) => {
  const { session, body } = await scene(context, always({ runId: 'arun_1' }));

  await session.run('a', 't', { maxCost: { amount: 5 }, knowledge: 'docs', mcp: ['mcp_1'] } as object).catch(() => {});

  const { maxCost, knowledge, mcp } = body();
  assert.deepEqual([maxCost, knowledge, mcp], [{ amount: 5 }, 'docs', ['mcp_1']]);
});

test('N10: the agents of a session come in pages', async (context) => {
  const [, session] = await planeSession(context);
  for (const name of ['a', 'b', 'c']) await session.agents.create({ name });

  const first = await session.agents.list({ limit: 2 });
  const rest = await first.nextPage();
  const names: string[] = [];
  for await (const agent of session.agents.list({ limit: 1 })) names.push(agent.name);

  assert.deepEqual([first.length, first.hasMore, rest?.length, rest?.hasMore], [2, true, 1, false]);
  assert.deepEqual(names.sort(), ['a', 'b', 'c']);
});

test('N11: the history of a conversation can be paged', async (context) => {
  const message = (id: string) => ({
    id,
    role: 'user',
    content: 'x',
    conversationId: 'conv_1',
    createdAt: '',
    cost: { amount: 0 },
  });
  const { session } = await scene(context, (sent, response) => {
    const isFirst = !sent.path.includes('cursor=');
    json(response, { data: [message(isFirst ? 'msg_1' : 'msg_2')], hasMore: isFirst, cursor: isFirst ? 'next' : '' });
  });

  const page = await session.chat.messages('conv_1');
  const ids: string[] = [];
  for await (const { id } of session.chat.messages('conv_1')) ids.push(id);

  assert.deepEqual([page.hasMore, page.cursor], [true, 'next']);
  assert.deepEqual(ids, ['msg_1', 'msg_2']);
});

test('N12: a signal aborts a message and is never sent', async (context) => {
  const { session, sent, body } = await scene(context, always({ id: 'msg_1', cost: { amount: 0 } }));

  await session.chat.send('conv_1', { content: 'hi', signal: new AbortController().signal }).catch(() => {});
  await assert.rejects(session.chat.send('conv_1', { content: 'hi', signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });

  assert.deepEqual(body(), { content: 'hi' });
  assert.equal(sent.length, 1);
});

test('N13: a search in a session is one in that session', async (context) => {
  const { session, body } = await scene(context, always({ data: [] }));

  await session.chat.search({ query: 'q', userId: 'mallory', sessionId: 'ses_9' } as { query: string });

  assert.deepEqual(body(), { query: 'q', userId: 'ada', sessionId: 'ses_1' });
});

test('N14: knowledge says whose it is', async (context) => {
  const { session, body } = await scene(context, always({ data: [] }));

  await session.knowledge.query('q', { scope: 'session' });

  assert.deepEqual(body(), { query: 'q', scope: 'session', userId: 'ada', sessionId: 'ses_1' });
});

test('N15: an upload says what became of each file', async (context) => {
  const files = [
    { filename: 'a.md', sourceId: 'src_1', chunks: 2 },
    { filename: 'b.pdf', chunks: 0, error: 'the file is encrypted' },
  ];
  const { session } = await scene(context, always({ collection: 'docs', chunks: 2, sources: 1, files }));

  const upload = await session.knowledge.upload([{ filename: 'a.md', data: '# A' }]);

  assert.deepEqual([upload.files[0]?.sourceId, upload.files[1]?.error], ['src_1', 'the file is encrypted']);
});

test('N16: threads can be written to and read', async (context) => {
  const { session, sent } = await scene(context, (sent, response) =>
    json(response, sent.method === 'GET' ? { data: [] } : { id: 'msg_1', cost: { amount: 0 } }),
  );

  await session.chat.sendInThread('conv_1', 'thread_1', { content: 'hi' }).catch(() => {});
  await session.chat.threadMessages('conv_1', 'thread_1');

  const paths = sent.map(({ path }) => path);
  assert.ok(
    paths.every((path) => path.includes('thread_1')),
    String(paths),
  );
});

test('N17: waiting for a task goes on as long as it takes', async (context) => {
  let asked = 0;
  const task = { id: 'task_1', sessionId: 'ses_1', agent: 'a', input: {}, status: 'completed', createdAt: '' };
  const { session } = await scene(context, (_, response) => {
    asked += 1;
    if (asked < 3)
      response
        .writeHead(202, { 'content-type': 'application/json', 'x-theazo-continue': 'true', 'retry-after': '0' })
        .end('{}');
    else json(response, task);
  });

  const waited = await session.tasks.wait('task_1', { timeout: '5m' });

  assert.equal(waited.status, 'completed');
  assert.equal(asked, 3);
});

test('N18: tasks come in pages, with all that is known of them', async (context) => {
  const task = {
    id: 'task_1',
    taskId: 'task_1',
    sessionId: 'ses_1',
    agent: 'a',
    input: { n: 1 },
    status: 'queued',
    queuedAt: '2026-11-24T09:00:00.000Z',
  };
  const { session } = await scene(context, always([task]));

  const tasks = await session.tasks.list({ limit: 5 });

  assert.deepEqual([tasks[0]?.agent, tasks[0]?.input, tasks[0]?.queuedAt], ['a', { n: 1 }, '2026-11-24T09:00:00.000Z']);
  assert.equal(tasks[0]?.taskId, 'task_1');
  assert.equal(tasks.hasMore, false);
});

test('N19: changed limits are those that the server says', async (context) => {
  const [, session] = await planeSession(context);
  await session.updateLimits({ maxAgents: 4, maxCost: { amount: 100, period: 'day' } });

  await session.updateLimits({ maxAgents: 5 });

  assert.equal(session.currentLimits.maxAgents, 5);
  assert.equal(session.currentLimits.maxCost?.amount, 100);
  await assert.rejects(session.updateLimits({ maxAgents: -1 }), { code: 'invalid_request' });
  assert.equal(session.currentLimits.maxAgents, 5);
});

test('N20: times are brought up to date', async (context) => {
  const [, session] = await planeSession(context);

  await session.pause();
  const paused = [session.status, session.pausedAt !== null];
  await session.resume();
  const resumed = [session.status, session.pausedAt];
  await session.terminate();

  assert.deepEqual(paused, ['paused', true]);
  assert.deepEqual(resumed, ['active', null]);
  assert.deepEqual([session.status, session.terminatedAt !== null], ['terminated', true]);
});

test('N21: a session keeps everything that the server says', async (context) => {
  const [plane] = await planeSession(context);
  const session = await plane
    .client()
    .sessions.create({ userId: 'u', environment: 'staging', limits: { maxAgents: 2 } });

  assert.equal(session.environment, 'staging');
  assert.equal(session.currentLimits.maxAgents, 2);
  assert.equal(session.data.environment, 'staging');
});

test('N22: fleets and teams can be fetched and listed, and items say what went wrong', async (context) => {
  const item = {
    id: 'fitem_1',
    itemIndex: 0,
    input: {},
    status: 'failed',
    cost: { amount: 0 },
    duration: '1s',
    durationMs: 1,
    error: { code: 'timeout', message: 'late' },
  };
  const { session, theazo } = await scene(context, (sent, response) => {
    if (sent.path.includes('/results')) json(response, { data: [item] });
    else if (sent.path === '/v1/fleets/flt_1/info') json(response, FLEET);
    else if (sent.path === '/v1/teams/team_1') json(response, TEAM);
    else json(response, { data: [sent.path.includes('fleets') ? FLEET : TEAM] });
  });

  const fetched = await theazo.fleets.get('flt_1');
  const [listed] = (await session.fleets.list()).data;
  const [result] = (await fetched.results()).data;
  const [listedTeam] = (await session.teams.list()).data;

  assert.equal(fetched.currentStatus, 'running');
  assert.equal(listed?.id, 'flt_1');
  assert.equal(result?.error?.code, 'timeout');
  assert.equal(listedTeam?.id, (await theazo.teams.get('team_1')).id);
});

test('N23: the stream of a fleet ends with the totals', async (context) => {
  const progress = { total: 1, completed: 1, failed: 0, running: 0, pending: 0 };
  const last = { event: 'fleet.completed', progress, cost: { amount: 3 }, duration: '1s', durationMs: 1 };
  const { theazo } = await scene(context, (sent, response) => {
    if (!sent.path.endsWith('/stream')) return json(response, FLEET);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`id: 1\ndata: ${JSON.stringify(last)}\n\n`);
  });

  const events = [];
  for await (const event of (await theazo.fleets.get('flt_1')).stream()) events.push(event);

  const end = events.at(-1);
  assert.ok(end?.event === 'fleet.completed');
  assert.deepEqual([end.progress.completed, end.cost.amount], [1, 3]);
});
