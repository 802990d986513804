// What the published client gets wrong about types (spec: wire-api, 7.6), each row of
// it right here. What the control plane does not serve yet is shown as far as the client goes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type {
  AgentData,
  AgentDefinitionUpdate,
  Approval,
  ChatHandoff,
  ChatMessage,
  FleetItemResult,
  LimitsStatus,
  Schedule,
  SessionRunOpts,
  TraceSpan,
  WorkflowRun,
  WorkflowRunStepResult,
  WorkflowStreamEvent,
} from 'theazo';
import { TestPlane } from 'theazo/testing';

import { always, platformScene } from './rows.js';
import { SESSION } from './server.js';

/** Compiles only if a type has this member. */
const has = <T>(..._members: (keyof T)[]) => {};

test('Y1: what a step costs is exact, beside the cents', () => has<WorkflowRunStepResult>('cost', 'microCents'));

test('Y2: every duration is taken in every form', async (context) => {
  const { theazo, sent } = await platformScene(context, always({ runId: 'arun_1', ...SESSION }));
  const session = await theazo.sessions.get('ses_1');

  for (const timeout of ['2m', 120_000, { minutes: 2 }] satisfies SessionRunOpts['timeout'][]) {
    await session.run('a', 't', { timeout }).catch(() => {});
  }

  assert.deepEqual(
    sent.slice(1).map(({ body }) => JSON.parse(body).timeout),
    ['2m', 120_000, { minutes: 2 }],
  );
});

test('Y3: a step can be paused, waiting and cancelled', () => {
  // The type takes newer values too; that these are known ones, its declaration says.
  const text = readFileSync(join(__dirname, '..', 'dist', 'generated', 'types.d.ts'), 'utf8');
  const known = /export type WorkflowStepStatus = ([^;]*);/.exec(text)?.[1] ?? '';
  for (const status of ['paused', 'waiting', 'cancelled'])
    assert.ok(known.includes(`"${status}"`), `${status} of ${known}`);
});

test('Y4: a run of a workflow has its input, output, error, user and session', () =>
  has<WorkflowRun>('input', 'output', 'error', 'userId', 'sessionId'));

test('Y5: the events of a workflow are typed by their names', () => {
  const cost = (event: WorkflowStreamEvent): number =>
    event.event === 'step.completed' ? Number(event.cost) / 100 : 0;
  assert.equal(typeof cost, 'function');
});

test('Y6: what an agent that lives long can be told is taken where agents are made', async (context) => {
  const { theazo, sent } = await platformScene(context, always(SESSION));
  const session = await theazo.sessions.get('ses_1');

  await session.agents.create({ lifecycle: { autoPause: { afterIdle: '10m' }, onFailure: 'retry' } }).catch(() => {});

  assert.deepEqual(JSON.parse(sent.at(-1)?.body ?? '').lifecycle, {
    autoPause: { afterIdle: '10m' },
    onFailure: 'retry',
  });
});

test('Y7: how somebody is told of an approval is open to more than webhooks', () => {
  const notify: import('theazo').ApprovalConfig['notifyVia'] = 'email';
  assert.equal(notify, 'email');
});

test('Y8: an agent that never ran has no task', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  const session = await plane.client().sessions.forUser('ada');

  assert.equal((await (await session.agents.create()).status()).task, '');
});

test('Y9: an approval says which run, step and session it belongs to', () =>
  has<Approval>('runId', 'workflowRunId', 'stepId', 'sessionId'));

test('Y10: what has a list of values is typed by it, and newer ones are taken', () => {
  const statuses: [FleetItemResult['status'], WorkflowRun['status']] = ['completed', 'sleeping'];
  assert.equal(statuses.length, 2);
});

test('Y11: the output of an item that has none is null, with its error', () => {
  const item: Pick<FleetItemResult, 'output' | 'error'> = { output: null, error: null };
  assert.equal(item.output, null);
});

test('Y12: a schedule says when it runs next and ran last, and what it starts', () =>
  has<Schedule>('nextRunAt', 'lastRunAt', 'input', 'workflowId'));

test('Y13: a span says of which it is a part, and how it ended', () =>
  has<TraceSpan>('parentSpanId', 'status', 'error'));

test('Y14: to whom a conversation is handed has one name', () => has<ChatHandoff>('to'));

test('Y15: a message says of which conversation it is', () => has<ChatMessage>('conversationId', 'threadId'));

test('Y16: the limits tell of the duration too', () => has<LimitsStatus>('maxDuration'));

test('Y17: the notes of a session are text by name, what is extracted from an agent is something else', () => {
  const notes: import('theazo').SessionData['metadata'] = { plan: 'pro' };
  const extraction: import('theazo').AgentCreateOpts['metadata'] = { extract: ['topic'] };
  has<AgentData>('id');
  assert.deepEqual([notes.plan, extraction?.extract], ['pro', ['topic']]);
});

test('Y18: everything of a definition can be changed', () =>
  has<AgentDefinitionUpdate>('name', 'description', 'browser', 'timeout', 'compute', 'model', 'tools'));
