// The types: what they take and what they refuse. `tsc` is what tests here; where an error is expected and none comes, it fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type {
  AgentId,
  AgentStatus,
  ErrorCode,
  RunResult,
  Session,
  SessionCreateOpts,
  SessionId,
  StreamEvent,
  Theazo,
  WebhookEvent,
} from 'theazo';
import { type NotFoundError, TheazoError } from 'theazo';

/** Never runs; it is for the type checker. */
async function typed(theazo: Theazo, session: Session, agentId: AgentId, plain: string): Promise<void> {
  // An id is a text, and any text is taken as an id.
  const id: SessionId = plain;
  const text: string = id;
  await theazo.sessions.get(text);
  await theazo.sessions.get('ses_1');
  await theazo.sessions.get(session.id);
  await theazo.agents.get(agentId);

  // But the id of an agent is none of a session.
  // @ts-expect-error
  await theazo.sessions.get(agentId);
  // @ts-expect-error
  const wrong: SessionId = agentId;
  void wrong;

  // Names of enumerations are known, and a newer one is taken.
  const status: AgentStatus = 'running';
  const newer: AgentStatus = 'meditating';
  const code: ErrorCode = 'not_found';
  void [status, newer, code];

  // What may be left out may be undefined; what must be there must.
  const options: SessionCreateOpts = { userId: undefined };
  void options;
  // @ts-expect-error
  await session.fleets.dispatch({ agent: 'researcher' });
  // @ts-expect-error
  await session.run('researcher');
  // @ts-expect-error
  await theazo.sessions.create({ userId: 5 });
  // @ts-expect-error
  await theazo.sessions.create({ nonsense: true });

  // What is answered is there, or null.
  const result: RunResult = await session.run('researcher', 'look');
  const amount: number = result.cost.amount;
  // @ts-expect-error
  const pausedAt: string = session.pausedAt;
  void [amount, pausedAt];
}

/** Members of a union are there where the tag says so. */
function narrowed(event: StreamEvent, webhook: WebhookEvent, error: unknown): string {
  switch (event.type) {
    case 'text':
      return event.text;
    case 'tool_call':
      return event.tool;
    case 'done':
      return event.output;
  }
  // @ts-expect-error
  void event.nonsense;
  if (webhook.type === 'agent.completed') return String(webhook.data.output);
  if (error instanceof TheazoError && error.code === 'not_found') return error.message;
  return (error as NotFoundError).code satisfies 'not_found';
}

test('the types are checked by the compiler', () => {
  assert.equal(typeof typed, 'function');
  assert.equal(typeof narrowed, 'function');
});
