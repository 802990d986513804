// Every operation with its golden fixture, through the native part and through `fetch`: a server sees the same requests, and both
// clients give the same answers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

import '../lib/load.js';

import { FetchClient } from '../lib/fetch/client.js';
import { OPERATIONS } from '../lib/generated/operations.js';
import type { ClientPart, NativeClient } from '../lib/native.js';
import { type Sent, serve } from './server.js';

const nativePart: ClientPart = createRequire(__filename)('../native/theazo-plane.node');

// biome-ignore lint/suspicious/noExplicitAny: a document is read as it is.
type Json = any;

const document: Json = JSON.parse(readFileSync(join(__dirname, '../../theazo-api/openapi.json'), 'utf8'));

interface Example {
  id: string;
  path: string[];
  query: string[];
  body: string | undefined;
  status: number;
  type: string;
  answer: string;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

const examples: Example[] = Object.values<Json>(document.paths)
  .flatMap((path) => METHODS.map((method) => path[method]).filter(Boolean))
  .filter((operation) => operation.operationId !== undefined)
  .map(exampleOf);

function exampleOf(operation: Json): Example {
  const parameters: Json[] = (operation.parameters ?? []).map(resolve);
  const inPlace = (place: string) => parameters.filter((one) => one.in === place && one.example !== undefined);
  const [status, response] = Object.entries<Json>(operation.responses).find(([status]) => /^[12]/.test(status)) ?? [];
  const content: Json = Object.entries<Json>(resolve(response)?.content ?? {})[0];
  const body = valueIn(operation.requestBody?.content?.['application/json']);
  const answer = content === undefined ? '' : valueIn(content[1]);
  const type = content?.[0] ?? 'application/json';
  return {
    id: operation.operationId,
    path: inPlace('path').map(({ example }) => String(example)),
    query: inPlace('query').flatMap(({ name, example }) => [name, String(example)]),
    body: body === undefined ? undefined : JSON.stringify(body),
    status: Number(status),
    type,
    answer: typeof answer === 'string' ? answer : JSON.stringify(answer),
  };
}

function valueIn(content: Json): Json {
  const example = Object.values<Json>(content?.examples ?? {})[0];
  return resolve(example)?.value ?? content?.example;
}

function resolve(value: Json): Json {
  if (value?.$ref === undefined) return value;
  return value.$ref
    .slice(2)
    .split('/')
    .reduce((place: Json, name: string) => place[name], document);
}

/** What of a request does not differ between two of the same call, and what must be of the same form. */
function comparable({ method, path, body, headers }: Sent) {
  const { host: _, connection: __, 'user-agent': agent, 'idempotency-key': key, traceparent, ...rest } = headers;
  // What each HTTP library adds by itself.
  for (const name of ['accept-encoding', 'accept-language', 'sec-fetch-mode', 'content-length', 'transfer-encoding']) {
    delete rest[name];
  }
  return {
    method,
    path,
    body: body === '' ? '' : JSON.parse(body),
    headers: rest,
    agent: agent?.replace(/ \(.*/, ''),
    hasKey: typeof key === 'string' && /^theazo-[0-9a-f]{32}$/.test(key),
    hasTrace: /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/.test(String(traceparent)),
  };
}

async function outcomeOf(client: NativeClient, { id, path, query, body, type }: Example): Promise<unknown> {
  try {
    if (type !== 'text/event-stream') {
      const answer = await client.call(id, path, query, body, undefined, undefined);
      return answer === '' ? '' : JSON.parse(answer);
    }
    const stream = await client.open(id, path, query, body, '{"maxRetries":0}', undefined);
    const events = JSON.parse((await stream.next()) ?? '[]');
    await stream.detach();
    return events;
  } catch (error) {
    const { attempts: _, traceId: __, ...parts } = JSON.parse((error as Error).message);
    return parts;
  }
}

test('every operation is sent and read as the native part does', { timeout: 60_000 }, async (context) => {
  let current: Example | undefined;
  const server = await serve(context, (_, response) => {
    const { status, type, answer } = current as Example;
    const text = type === 'text/event-stream' ? `id: 1\ndata: ${answer}\n\n` : answer;
    response.writeHead(status, { 'content-type': type, 'x-request-id': 'req_1' });
    if (type === 'text/event-stream') response.write(text);
    else response.end(status === 204 ? undefined : text);
  });
  const config = JSON.stringify({ apiKey: 'th_test_1', baseUrl: server.url, maxRetries: 0 });
  const [native, fetched] = [new nativePart.NativeClient(config), new FetchClient(config)];

  let compared = 0;
  for (const example of examples) {
    // A log socket is what `fetch` does not have.
    if (OPERATIONS[example.id]?.reply === 'socket') continue;
    current = example;
    server.sent.length = 0;
    const expected = await outcomeOf(native, example);
    const actual = await outcomeOf(fetched, example);
    const [first, second] = server.sent.map(comparable);

    assert.ok(first !== undefined, `${example.id} was not sent`);
    assert.deepEqual(second, first, example.id);
    assert.deepEqual(actual, expected, example.id);
    compared += 1;
  }
  assert.ok(compared >= 240, `only ${compared} operations were compared`);
});

test('every error is read as the native part does', { timeout: 60_000 }, async (context) => {
  const bodies: [status: number, body: string, headers: Record<string, string>][] = [
    [429, '{"error":{"code":"rate_limited","message":"slow down","details":{"retryAfter":7}},"requestId":"req_1"}', {}],
    [418, '{"error":{"code":"teapot","message":"short and stout"}}', { 'x-request-id': 'req_2' }],
    [502, '<html>\n  <h1>Bad   Gateway</h1>\n</html>', {}],
    [404, '', {}],
    [302, '', { location: 'https://elsewhere.example/' }],
    [401, '{"error":{"code":"unauthorized","message":"bad key th_live_key"}}', {}],
    [400, `you sent Bearer th_live_key ${'x'.repeat(300)}`, {}],
    [402, '{"error":{"code":"session_limit_exceeded","message":"no money","details":{"limit":"maxCost"}}}', {}],
    [503, '{}', { 'retry-after': '3', 'x-should-retry': 'true' }],
    [200, '<html>', {}],
    [200, '', {}],
    [200, '{"id":"ses_1"}', {}],
  ];
  let current = bodies[0];
  const server = await serve(context, (_, response) => {
    const [status, body, headers] = current as (typeof bodies)[number];
    response.writeHead(status, headers).end(body);
  });
  const config = JSON.stringify({ apiKey: 'th_live_key', baseUrl: server.url, maxRetries: 0 });
  const call: Example = {
    id: 'GetSession',
    path: ['ses_1'],
    query: [],
    body: undefined,
    status: 0,
    type: '',
    answer: '',
  };

  for (const body of bodies) {
    current = body;
    const expected = await outcomeOf(new nativePart.NativeClient(config), call);
    assert.deepEqual(await outcomeOf(new FetchClient(config), call), expected, body.join());
  }
});

test('a secret that was sent is hidden where a server sends it back, as the native part does', async (context) => {
  const secrets = JSON.stringify({ OPENAI_KEY: 'sk-0123456789abcdef', NOTE: 'plain-value-of-note' });
  const server = await serve(context, (sent, response) => {
    const message = `cannot store ${sent.body} of th_live_0123456789`;
    response
      .writeHead(400)
      .end(JSON.stringify({ error: { code: 'invalid_request', message, details: { sent: [message] } } }));
  });
  const config = JSON.stringify({ apiKey: 'th_live_0123456789', baseUrl: server.url, maxRetries: 0 });
  const example = { id: 'SetSecrets', path: [], query: [], body: secrets, status: 0, type: '', answer: '' };

  const shown = await outcomeOf(new FetchClient(config), example);

  assert.deepEqual(shown, await outcomeOf(new nativePart.NativeClient(config), example));
  assert.doesNotMatch(JSON.stringify(shown), /sk-0123|th_live_0123/);
});

test('a call that is made again after its retries goes on with its count of attempts, as through the native part', async (context) => {
  const server = await serve(context, (_, response) => response.writeHead(503, { 'retry-after-ms': '1' }).end());
  const config = JSON.stringify({ apiKey: 'k', baseUrl: server.url, maxRetries: 1 });
  const call = { id: 'GetSession', path: ['ses_1'], query: [], body: undefined, status: 0, type: '', answer: '' };

  const counts = [];
  for (const client of [new nativePart.NativeClient(config), new FetchClient(config)]) {
    server.sent.length = 0;
    for (const path of ['ses_1', 'ses_1', 'ses_2']) await outcomeOf(client, { ...call, path: [path] });
    counts.push(server.sent.map(({ headers }) => headers['x-theazo-attempt']));
  }

  assert.deepEqual(counts, [
    ['1', '2', '3', '4', '1', '2'],
    ['1', '2', '3', '4', '1', '2'],
  ]);
});
