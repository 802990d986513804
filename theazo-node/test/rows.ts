// What the tests of the rows of the published client (spec: wire-api, 7) share: clients of a server that answers as they say.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

import { type Agent, type StreamEvent, Theazo, TheazoError } from 'theazo';

import { AGENT, type Answer, json, type Sent, type Server, serve } from './server.js';

/** The event with which a run ends. */
export const DONE = {
  type: 'done',
  runId: 'arun_1',
  output: 'ab',
  cost: { amount: 1 },
  duration: '1s',
  durationMs: 1,
  artifacts: [],
};

/** The head of a stream of a run. */
export const SSE = { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' };

interface AgentScene {
  agent: Agent;
  theazo: Theazo;
  server: Server;
}

/** An agent of a server that answers everything but the fetching of the agent so. */
export async function agentScene(test: TestContext, answer: Answer): Promise<AgentScene> {
  const server = await serve(test, (sent, response) => {
    if (sent.method === 'GET' && sent.path === '/v1/agents/agt_1') json(response, AGENT);
    else answer(sent, response);
  });
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  const agent = await theazo.agents.get('agt_1');
  server.sent.length = 0;
  return { agent, theazo, server };
}

/** A stream that is answered with this text. */
export function streaming(text: string | Buffer): Answer {
  return (sent, response) => {
    if (sent.path.endsWith('/cancel')) json(response, {});
    else response.writeHead(200, SSE).end(text);
  };
}

/** An event as a stream sends it. */
export const line = (data: unknown, id = 1) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

/** All events of a stream. */
export async function all(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const got: StreamEvent[] = [];
  for await (const event of events) got.push(event);
  return got;
}

/** The error of a call that must fail. */
export async function failed(call: PromiseLike<unknown>): Promise<TheazoError> {
  const error = await Promise.resolve(call).then(
    () => assert.fail('it succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof TheazoError, String(error));
  return error;
}

interface PlatformScene {
  theazo: Theazo;
  sent: Sent[];
  /** The JSON of the last request. */
  body(): Record<string, unknown>;
}

/** A client of a server that answers so. */
export async function platformScene(test: TestContext, answer: Answer): Promise<PlatformScene> {
  const server = await serve(test, answer);
  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url, maxRetries: 0 });
  return { theazo, sent: server.sent, body: () => JSON.parse(server.sent.at(-1)?.body ?? '{}') };
}

/** One answer to everything. */
export const always =
  (body: unknown): Answer =>
  (_, response) =>
    json(response, body);
