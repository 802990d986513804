// What the published client gets wrong about streams (spec: wire-api, 7.2), each row of it right here.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { ConnectionError, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

import { agentScene, all, DONE, failed, line, SSE, streaming } from './rows.js';
import { deferred, json } from './server.js';

async function texts(test: TestContext, body: string | Buffer): Promise<string[]> {
  const { agent } = await agentScene(test, streaming(body));
  return (await all(agent.stream('x'))).flatMap((event) => (event.type === 'text' ? [event.text] : []));
}

test('E1: comments of the server keep a quiet stream alive and are no events', async (context) => {
  assert.deepEqual(
    await texts(context, `: heartbeat\n\n${line({ type: 'text', text: 'a' })}: heartbeat\n\n${line(DONE, 2)}`),
    ['a'],
  );
});

test('E2: a connection that breaks is resumed after the last event', async (context) => {
  const { agent, server } = await agentScene(context, (_, response) => {
    response.writeHead(200, SSE);
    if (server.sent.length === 1) {
      response.write(`retry: 0\n\n${line({ type: 'text', text: 'a' }, 1)}`, () => response.destroy());
    } else response.end(line({ type: 'text', text: 'b' }, 2) + line(DONE, 3));
  });

  const events = await all(agent.stream('x'));

  assert.deepEqual(
    events.map(({ type }) => type),
    ['text', 'text', 'done'],
  );
  assert.equal(server.sent[1]?.headers['last-event-id'], '1');
  assert.equal(server.sent[1]?.headers['idempotency-key'], server.sent[0]?.headers['idempotency-key']);
});

test('E3: a stream that cannot be opened fails with our error, and an aborted one with its reason', async (context) => {
  const { agent } = await agentScene(context, (_, response) => void response.destroy());

  const error = await failed(all(agent.stream('x', { maxRetries: 0 })));

  assert.ok(error instanceof ConnectionError);
  await assert.rejects(all(agent.stream('x', { signal: AbortSignal.abort() })), { name: 'AbortError' });
});

test('E4: every stream takes a signal', async (context) => {
  const opened = deferred();
  const { theazo } = await agentScene(context, (_, response) => {
    response.writeHead(200, SSE).write(': open\n\n');
    opened.resolve();
  });
  const controller = new AbortController();

  const reading = (async () => {
    for await (const entry of theazo.logs.stream({ agentId: 'agt_1', signal: controller.signal })) void entry;
  })();
  await opened.promise;
  controller.abort();

  await assert.rejects(reading, { name: 'AbortError' });
});

test('E5: data over several lines is one event', async (context) => {
  assert.deepEqual(await texts(context, `data: {"type":"text",\ndata: "text":"a"}\n\n${line(DONE)}`), ['a']);
});

test('E6: the space after the colon may be missing', async (context) => {
  assert.deepEqual(await texts(context, `data:{"type":"text","text":"a"}\n\n${line(DONE)}`), ['a']);
});

test('E7: an error that the stream tells is one', async (context) => {
  const told = { type: 'error', error: { code: 'provider_error', message: 'the model is away' } };
  const { agent } = await agentScene(context, streaming(`event: error\n${line(told)}`));

  const outcome = await all(agent.stream('x', { maxRetries: 0 })).catch((error) => error);

  // A run that fails ends with an event that says so, or with the error itself; never as a success.
  if (Array.isArray(outcome))
    assert.deepEqual(
      outcome.map(({ type }) => type),
      ['error'],
    );
  else assert.equal(outcome.code, 'provider_error');
});

test('E8: lines end with LF, CRLF or CR', async (context) => {
  for (const end of ['\n', '\r\n', '\r']) {
    const body = [`data: {"type":"text","text":"a"}`, '', `data: ${JSON.stringify(DONE)}`, '', ''].join(end);
    assert.deepEqual(await texts(context, body), ['a']);
  }
});

test('E9: a stream that is cut inside an event does not end as a success', async (context) => {
  const { agent } = await agentScene(context, streaming('id: 1\ndata: {"type":"te'));

  const error = await failed(all(agent.stream('x', { maxRetries: 0 })));

  assert.equal(error.code, 'connection_error');
});

test('E10: a large event in small pieces arrives whole', async (context) => {
  const text = 'ü'.repeat(300_000);
  const bytes = Buffer.from(line({ type: 'text', text }) + line(DONE, 2));
  const { agent } = await agentScene(context, (_, response) => {
    response.writeHead(200, SSE);
    for (let at = 0; at < bytes.length; at += 4099) response.write(bytes.subarray(at, at + 4099));
    response.end();
  });

  const [first] = await all(agent.stream('x'));

  assert.equal(first?.type === 'text' && first.text.length, text.length);
});

test('E11: leaving the loop ends the connection and the work', async (context) => {
  const closed = deferred();
  const cancelled = deferred();
  const { agent } = await agentScene(context, (sent, response) => {
    if (sent.path.endsWith('/cancel')) {
      cancelled.resolve();
      return json(response, {});
    }
    response.once('close', closed.resolve);
    response.writeHead(200, SSE).write(line({ type: 'text', text: 'a' }));
  });

  for await (const event of agent.stream('x')) {
    assert.equal(event.type, 'text');
    break;
  }

  await closed.promise;
  await cancelled.promise;
});

test('E12: a stream that ends without its last event is no success', async (context) => {
  const { agent } = await agentScene(context, streaming(line({ type: 'text', text: 'a' })));

  const error = await failed(all(agent.stream('x', { maxRetries: 0 })));

  assert.equal(error.code, 'connection_error');
});

test('E13: the events of a run have one for its failure', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  await plane.script('researcher', [{ error: 'the model is overloaded' }]);
  const session = await plane.client().sessions.forUser('ada');

  const outcome = await all(session.stream('researcher', 'look')).catch((error) => error);

  const told = Array.isArray(outcome) ? outcome.at(-1)?.type : outcome instanceof TheazoError && 'error';
  assert.equal(told, 'error');
});

test('E14: the call of a tool and its result have one id and one name', async (context) => {
  const { agent } = await agentScene(
    context,
    streaming(
      line({ type: 'tool_call', callId: 'c1', tool: 'search', input: {} }) +
        line({ type: 'tool_result', callId: 'c1', tool: 'search', output: 'x' }, 2) +
        line(DONE, 3),
    ),
  );

  const [call, result] = await all(agent.stream('x'));

  assert.ok(call?.type === 'tool_call' && result?.type === 'tool_result');
  assert.deepEqual([call.tool, result.tool], ['search', 'search']);
});
