// Streams of events, against a server that answers as each test says.

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';

import { type Agent, type StreamEvent, Theazo } from 'theazo';

import { AGENT, deferred, json, type Server, serve } from './server.js';

const DONE = { type: 'done', runId: 'arun_1', output: 'ab', cost: { amount: 1 }, duration: '1s', durationMs: 1 };

type Streams = (response: ServerResponse, number: number) => void;

interface Scene {
  agent: Agent;
  server: Server;
  /** The paths of the cancels that the server got. */
  cancels: string[];
  /** Resolved with the first of them. */
  cancelled: Promise<void>;
}

/** An agent of a server whose streams are answered like this. */
async function agentOf(test: TestContext, stream: Streams): Promise<Scene> {
  let streams = 0;
  const cancels: string[] = [];
  const cancelled = deferred();
  const server = await serve(test, (sent, response) => {
    if (sent.path.endsWith('/runs/stream')) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
      stream(response, ++streams);
    } else if (sent.path.endsWith('/cancel')) {
      cancels.push(sent.path);
      cancelled.resolve();
      json(response, {});
    } else json(response, AGENT);
  });
  const agent = await new Theazo({ apiKey: 'k', baseUrl: server.url }).agents.get('agt_1');
  return { agent, server, cancels, cancelled: cancelled.promise };
}

function event(id: number, data: object): string {
  return `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

test('events come in order, as their types say, until the run is done', async (context) => {
  const { agent, server, cancels } = await agentOf(context, (response) => {
    response.write(event(1, { type: 'text', text: 'a' }) + event(2, { type: 'surprise', more: 1 }));
    response.end(event(3, DONE));
  });

  const events: StreamEvent[] = [];
  for await (const event of agent.stream('say ab', { maxCost: { amount: 5 } })) events.push(event);

  assert.deepEqual(events, [
    { type: 'text', text: 'a' },
    { type: 'surprise', more: 1 },
    { ...DONE, cost: { amount: 1, currency: 'usd' }, artifacts: [], files: null },
  ]);
  assert.deepEqual(JSON.parse(server.sent[1]?.body ?? ''), { task: 'say ab', maxCost: { amount: 5 } });
  assert.equal(cancels.length, 0);
});

test('a text is what it was, however it is written and whatever stands beside it', async (context) => {
  const written = [
    '{"type":"text","text":""}',
    String.raw`{"type":"text","text":"a \"b\" \\ \n \u00e9 é"}`,
    String.raw`{"type":"text","text":"\\"}`,
    '{"type":"text","text":"a","more":"b"}',
    '{"type":"text","text":"a","text":"b"}',
    '{"type":"text", "text":"a"}',
    ' {"type":"text","text":"a"}',
    '{"text":"a","type":"text"}',
    '{"type":"text","text":null}',
  ];
  const { agent } = await agentOf(context, (response) => {
    response.write(written.map((data, index) => `id: ${index + 1}\ndata: ${data}\n\n`).join(''));
    response.end(event(100, DONE));
  });

  const events: unknown[] = [];
  for await (const event of agent.stream('say')) events.push(event);

  assert.deepEqual(
    events.slice(0, -1),
    written.map((data) => JSON.parse(data)),
  );
});

test('a text that is no event is an error that says so', async (context) => {
  const { agent } = await agentOf(context, (response) => response.write('id: 1\ndata: "a"\n\n'));

  await assert.rejects(agent.stream('say').next(), /an event of the stream is not what the API describes/);
});

test('a stream is sent when its first event is asked for', async (context) => {
  const { agent, server } = await agentOf(context, (response) => response.end(event(1, DONE)));

  const stream = agent.stream('later');
  assert.equal(server.sent.length, 1);

  assert.equal((await stream.next()).done, false);
  assert.equal((await stream.next()).done, true);
  assert.equal((await stream.next()).done, true);
  assert.equal(server.sent.length, 2);
});

test('events asked for at the same time come in order', async (context) => {
  const { agent } = await agentOf(context, (response) => {
    for (let id = 1; id <= 3; id++) response.write(event(id, { type: 'text', text: String(id) }));
    response.end(event(4, DONE));
  });
  const stream = agent.stream('count');

  const results = await Promise.all([stream.next(), stream.next(), stream.next()]);

  assert.deepEqual(
    results.map(({ value }) => (value as { text: string }).text),
    ['1', '2', '3'],
  );
});

test('leaving the loop cancels the run before the loop is over', async (context) => {
  const { agent, cancels } = await agentOf(context, (response) =>
    response.write(event(1, { type: 'text', text: 'a' })),
  );

  for await (const _ of agent.stream('talk')) break;

  assert.deepEqual(cancels, ['/v1/runs/arun_1/cancel']);
});

test('a detached stream leaves the run under way', async (context) => {
  const { agent, cancels } = await agentOf(context, (response) =>
    response.write(event(1, { type: 'text', text: 'a' })),
  );
  const stream = agent.stream('talk');
  await stream.next();

  await stream.detach();

  assert.equal((await stream.next()).done, true);
  assert.equal(cancels.length, 0);
});

test('an abort ends a stream that waits, and cancels its run', async (context) => {
  const { agent, cancels, cancelled } = await agentOf(context, (response) =>
    response.write(event(1, { type: 'text', text: 'a' })),
  );
  const controller = new AbortController();
  const stream = agent.stream('talk', { signal: controller.signal });
  await stream.next();

  const waiting = stream.next();
  controller.abort();

  await assert.rejects(waiting, { name: 'AbortError' });
  assert.equal((await stream.next()).done, true);
  await cancelled;
  assert.deepEqual(cancels, ['/v1/runs/arun_1/cancel']);
});

test('closing a stream ends a next that waits', async (context) => {
  const { agent } = await agentOf(context, (response) => response.write(event(1, { type: 'text', text: 'a' })));
  const stream = agent.stream('talk');
  await stream.next();

  const waiting = stream.next();
  await stream.close();

  assert.deepEqual(await waiting, { value: undefined, done: true });
});

test('a stream that breaks goes on after the last event', async (context) => {
  const { agent, server } = await agentOf(context, (response, number) => {
    if (number === 1) {
      response.write(event(7, { type: 'text', text: 'a' }), () => response.destroy());
    } else response.end(event(8, { type: 'text', text: 'b' }) + event(9, DONE));
  });

  const types: string[] = [];
  for await (const { type } of agent.stream('talk')) types.push(type);

  assert.deepEqual(types, ['text', 'text', 'done']);
  const [, first, second] = server.sent;
  assert.equal(second?.headers['last-event-id'], '7');
  assert.equal(second?.headers['idempotency-key'], first?.headers['idempotency-key']);
});

test('a stream that cannot be opened throws where it is read', async (context) => {
  const server = await serve(context, (sent, response) =>
    sent.method === 'GET'
      ? json(response, AGENT)
      : json(
          response,
          { error: { code: 'session_limit_exceeded', message: 'no money', details: { limit: 'maxCost' } } },
          402,
        ),
  );
  const agent = await new Theazo({ apiKey: 'k', baseUrl: server.url }).agents.get('agt_1');

  async function whoReads() {
    for await (const _ of agent.stream('talk')) assert.fail('there is no event');
  }
  const error = await whoReads().catch((error) => error);

  assert.equal(error.code, 'session_limit_exceeded');
  assert.deepEqual(error.details, { limit: 'maxCost' });
  assert.match(error.stack, /whoReads/);
});

test('an event that is not JSON is an unreadable answer', async (context) => {
  const { agent } = await agentOf(context, (response) => response.write('id: 1\ndata: {oops\n\n'));

  await assert.rejects(agent.stream('talk').next(), { name: 'TheazoError', kind: 'unreadable' });
});

test('many events arrive in batches, none lost', async (context) => {
  const count = 20_000;
  const { agent } = await agentOf(context, (response) => {
    const events: string[] = [];
    for (let id = 1; id <= count; id++) events.push(event(id, { type: 'text', text: String(id) }));
    response.end(events.join('') + event(count + 1, DONE));
  });

  let seen = 0;
  for await (const event of agent.stream('count')) {
    if (event.type === 'text') assert.equal(Number(event.text), ++seen);
  }

  assert.equal(seen, count);
});
