// What the published client gets wrong about requests and answers (spec: wire-api, 7.1), each row of it right here.

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';

import {
  ConnectionError,
  InvalidRequestError,
  Theazo,
  TheazoError,
  type TheazoOptions,
  TimeoutError,
  UnreadableAnswerError,
} from 'theazo';

import { failed } from './rows.js';
import { type Answer, deferred, json, SESSION, type Server, serve } from './server.js';

const RESULT = { runId: 'arun_1', output: 'o', cost: { amount: 1 }, duration: '1s', durationMs: 1, provider: 'local' };

async function client(test: TestContext, answer: Answer, options: TheazoOptions = {}) {
  const server = await serve(test, answer);
  return { server, theazo: new Theazo({ apiKey: 'k', baseUrl: server.url, ...options }) };
}

/** Answers the first requests with these statuses and the rest with a session. */
function afterStatuses(statuses: number[], server: () => Server, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    const status = statuses[server().sent.length - 1];
    if (status === undefined) json(response, SESSION);
    else json(response, { error: { code: 'unavailable', message: 'later' } }, status, headers);
  };
}

/** A client of a server that answers so. */
async function afterFailures(
  test: TestContext,
  statuses: number[],
  headers: Record<string, string> = { 'retry-after': '0' },
) {
  const made = await client(test, (sent, response) =>
    afterStatuses(statuses, () => made.server, headers)(sent, response),
  );
  return made;
}

test('T1: a call has a timeout of its own, and a run is not bound by the one of the client', async (context) => {
  const begun = deferred();
  let answerRun = () => {};
  const { theazo } = await client(
    context,
    (sent, response) => {
      if (sent.method === 'GET') json(response, SESSION);
      else if (sent.path.endsWith('/run')) {
        answerRun = () => json(response, RESULT);
        begun.resolve();
      }
    },
    { timeout: '50ms', maxRetries: 0 },
  );
  const session = await theazo.sessions.get('ses_1', { timeout: '10s' });

  const run = session.run('researcher', 'look');
  await begun.promise;
  // Nobody answers these; when they have failed, the run has waited for longer than the client's timeout.
  assert.ok((await failed(session.updateLimits({}))) instanceof TimeoutError);
  assert.ok((await failed(session.updateLimits({}, { timeout: '1ms' }))) instanceof TimeoutError);
  answerRun();

  assert.equal((await run).output, 'o');
});

test('T2: a deadline ends the whole call, and nothing is tried after it', async (context) => {
  const { server, theazo } = await client(context, (_, response) => {
    json(response, { error: { code: 'unavailable', message: 'later' } }, 503, { 'retry-after': '30' });
  });

  const error = await failed(theazo.sessions.get('ses_1', { deadline: '200ms', maxRetries: 5 }));

  assert.equal(server.sent.length, 1);
  assert.ok(['timeout', 'unavailable'].includes(error.code));
});

test('T3: the timeout covers the body', async (context) => {
  const { theazo } = await client(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":');
  });

  const error = await failed(theazo.sessions.get('ses_1', { timeout: '100ms', maxRetries: 0 }));

  assert.ok(error instanceof TimeoutError, error.code);
});

test('T4: every attempt of a call that changes something has the same idempotency key', async (context) => {
  const { server, theazo } = await afterFailures(context, [503, 503]);

  await theazo.sessions.create({ userId: 'u' });

  const keys = server.sent.map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 3);
  assert.ok(keys[0]);
  assert.equal(new Set(keys).size, 1);
});

test('T5: what the server says about waiting is done', async (context) => {
  const { theazo } = await afterFailures(context, [429], { 'retry-after': '0' });
  const patient = await afterFailures(context, [429], { 'retry-after-ms': '40' });

  const { meta } = await theazo.sessions.get('ses_1').withMeta();
  const later = await patient.theazo.sessions.get('ses_1').withMeta();

  assert.equal(meta.attempts[1]?.waitedMs, 0);
  assert.ok((later.meta.attempts[1]?.waitedMs ?? 0) >= 39);
});

test('T6: how often a call is tried again can be said, for a client and for a call', async (context) => {
  const { server, theazo } = await afterFailures(context, [503, 503, 503, 503]);

  const once = await failed(theazo.sessions.get('ses_1', { maxRetries: 0 }));
  await theazo.sessions.get('ses_1', { maxRetries: 4 });

  assert.equal(once.attempts.length, 1);
  assert.equal(server.sent.length, 5);
});

test('T7: what cannot pass is not tried again', async (context) => {
  for (const status of [400, 404, 409, 422, 501]) {
    const { server, theazo } = await afterFailures(context, [status, status, status]);
    const error = await failed(theazo.sessions.get('ses_1'));
    assert.deepEqual([error.status, server.sent.length], [status, 1]);
  }
  for (const status of [408, 429, 502, 503, 504]) {
    const { server, theazo } = await afterFailures(context, [status]);
    await theazo.sessions.get('ses_1');
    assert.equal(server.sent.length, 2, String(status));
  }
});

test('T8: the connection of a failed attempt is used again', async (context) => {
  const ports = new Set<number | undefined>();
  const { theazo } = await client(context, (_, response) => {
    ports.add(response.socket?.remotePort);
    if (seen++ < 2)
      json(response, { error: { code: 'unavailable', message: 'x'.repeat(10_000) } }, 503, { 'retry-after': '0' });
    else json(response, SESSION);
  });
  let seen = 0;

  await theazo.sessions.get('ses_1');

  assert.equal(ports.size, 1);
});

test('T9: an answer that is no JSON is a typed error with its status', async (context) => {
  const { theazo } = await client(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'x-request-id': 'req_1' }).end('<html>');
  });

  const error = await failed(theazo.sessions.get('ses_1'));

  assert.ok(error instanceof TheazoError);
  assert.equal(error.kind, 'unreadable');
});

test('T10: an error without our envelope is an answered error with its status and its text', async (context) => {
  const { theazo } = await client(
    context,
    (_, response) => void response.writeHead(502, { 'content-type': 'text/plain' }).end('upstream is away'),
    { maxRetries: 0 },
  );

  const error = await failed(theazo.sessions.get('ses_1'));

  assert.equal(error.status, 502);
  assert.notEqual(error.kind, 'not_sent');
  assert.match(`${error.message} ${JSON.stringify(error.details)}`, /upstream is away/);
});

test('T11: a failed connection says what was called and why it failed', async () => {
  const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });

  const error = await failed(theazo.sessions.get('ses_1'));

  assert.ok(error instanceof ConnectionError);
  assert.ok(error.cause instanceof Error);
  assert.match(error.message, /127\.0\.0\.1:9/);
});

test('T12: a code that this version does not know is kept', async (context) => {
  const { theazo } = await client(context, (_, response) =>
    json(response, { error: { code: 'brand_new', message: 'no' } }, 400),
  );

  assert.equal((await failed(theazo.sessions.get('ses_1'))).code, 'brand_new');
});

test('T13: the id of the request is told on success and on failure', async (context) => {
  const { theazo } = await client(context, (sent, response) => {
    const isGood = sent.path.endsWith('ses_1');
    json(response, isGood ? SESSION : { error: { code: 'not_found', message: 'no' } }, isGood ? 200 : 404, {
      'x-request-id': 'req_9',
    });
  });

  assert.equal((await theazo.sessions.get('ses_1').withMeta()).meta.requestId, 'req_9');
  assert.equal((await failed(theazo.sessions.get('ses_2'))).requestId, 'req_9');
});

test('T14: the client says its own version and language', async (context) => {
  const { version } = require('../package.json') as { version: string };
  const { server, theazo } = await client(context, (_, response) => json(response, SESSION));

  await theazo.sessions.get('ses_1');

  assert.match(
    server.sent[0]?.headers['user-agent'] ?? '',
    new RegExp(`^theazo-node/${version.replaceAll('.', '\\.')}`),
  );
});

test('T15: slashes at the end of the address make no difference', async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));

  for (const end of ['', '/', '//', '/// ']) {
    await new Theazo({ apiKey: 'k', baseUrl: server.url + end }).sessions.get('ses_1');
  }

  assert.deepEqual(new Set(server.sent.map(({ path }) => path)), new Set(['/v1/sessions/ses_1']));
});

test('T16: only what has a body says what kind of body', async (context) => {
  const { server, theazo } = await client(context, (sent, response) => {
    if (sent.method === 'DELETE') response.writeHead(204).end();
    else json(response, SESSION);
  });

  const session = await theazo.sessions.get('ses_1');
  await session.pause();
  await theazo.webhooks.delete('wh_1');
  await theazo.sessions.create({ userId: 'u' });

  const types = server.sent.map(({ body, headers }) => [body === '', headers['content-type'] ?? '']);
  assert.deepEqual(types, [
    [true, ''],
    [true, ''],
    [true, ''],
    [false, 'application/json'],
  ]);
});

test('T17: every call can be aborted and has headers, and the environment counts', async (context) => {
  const arrived = deferred();
  const held: ServerResponse[] = [];
  const { server } = await client(context, (_, response) => {
    held.push(response);
    arrived.resolve();
  });
  const before = { ...process.env };
  process.env.THEAZO_API_KEY = 'th_test_env';
  process.env.THEAZO_BASE_URL = server.url;
  context.after(() => {
    process.env = before;
  });
  const theazo = new Theazo({ headers: { 'x-team': 'blue' } });
  const controller = new AbortController();

  const call = theazo.sessions.get('ses_1', { signal: controller.signal, headers: { 'x-trace': '7' } });
  await arrived.promise;
  controller.abort();

  await assert.rejects(call, { name: 'AbortError' });
  const { authorization, 'x-team': team, 'x-trace': trace } = server.sent[0]?.headers ?? {};
  assert.deepEqual([authorization, team, trace], ['Bearer th_test_env', 'blue', '7']);
});

test('T18: a list in a query is refused by its name, never joined', async (context) => {
  const { server, theazo } = await client(context, (_, response) => json(response, { data: [] }));

  const error = await failed((async () => await theazo.sessions.list({ userId: ['a', 'b'] } as never))());

  assert.ok(error instanceof InvalidRequestError);
  assert.equal(error.parameter, 'userId');
  assert.equal(server.sent.length, 0);
});

test('T19: an id is one part of a path, and never empty', async (context) => {
  const { server, theazo } = await client(context, (_, response) => json(response, SESSION));

  for (const id of ['', '..', '.']) {
    const error = await failed(theazo.sessions.get(id));
    assert.deepEqual([error.kind, error.parameter], ['invalid_input', 'sessionId']);
  }
  await theazo.sessions.get('../billing/budget?x=1#y').catch(() => {});

  for (const { path } of server.sent) assert.match(path, /^\/v1\/sessions\/[^/?#]+$/);
  assert.ok(UnreadableAnswerError);
});
