// Deliveries of webhooks, genuine, forged and damaged: the vectors of the Rust tests (`theazo/tests/webhooks.rs`).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ConfigurationError,
  InvalidRequestError,
  signTrigger,
  signWebhookForTest,
  TheazoError,
  UnreadableAnswerError,
  WebhookUnverifiedError,
  WebhookVerifier,
} from 'theazo';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = 'whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==';
const BODY =
  '{"type":"agent.completed","timestamp":"2026-11-24T09:00:00.000Z","data":{"agentId":"agt_1","sessionId":"ses_1","output":"42 \\u00e9\\ud83d\\ude00 é"}}';
const WRONG = 'no signature of the delivery is right';

type Headers = Awaited<ReturnType<typeof signWebhookForTest>>;

const signed = (change: Partial<Headers> = {}) =>
  signWebhookForTest(SECRET, 'msg_1', BODY).then((headers) => ({ ...headers, ...change }));

async function refusal(body: string | Uint8Array, headers: object): Promise<string> {
  const error = await new WebhookVerifier(SECRET).verify(body, headers as Headers).then(
    () => assert.fail('it was taken'),
    (error) => error,
  );
  assert.ok(error instanceof WebhookUnverifiedError, String(error));
  assert.deepEqual([error.kind, error.code], ['unverified', 'webhook_unverified']);
  return error.message;
}

test('P19: a genuine delivery is a typed event', async () => {
  const headers = await signed();

  const { id, signedAt, event } = await new WebhookVerifier(SECRET).verify(Buffer.from(BODY), headers);

  assert.equal(id, 'msg_1');
  assert.ok(Math.abs(Date.now() - signedAt.getTime()) < 60_000);
  assert.equal(event.type, 'agent.completed');
  assert.equal(event.type === 'agent.completed' && event.data.output, '42 é😀 é');
});

test('P19: the vector of the specification is genuine', async () => {
  const at = new Date(1_614_265_330_000);
  const body = '{"test": 2432232314}';

  const headers = await signWebhookForTest(SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', body, at);
  const error = await new WebhookVerifier(SECRET).verify(body, headers, at).catch((error) => error);

  assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  assert.ok(error instanceof UnreadableAnswerError, 'it is signed, but no event of ours');
});

test('P19: what is not signed like that is refused', async () => {
  const headers = await signed();
  const signature = headers['webhook-signature'];
  const other = (await signWebhookForTest(OTHER, 'msg_1', BODY))['webhook-signature'];

  assert.equal(await refusal(BODY.slice(0, -1), headers), WRONG);
  assert.equal(await refusal('', headers), WRONG);
  assert.equal(await refusal(`${BODY} `, headers), WRONG);
  assert.equal(await refusal(BODY, await signed({ 'webhook-id': 'msg_2' })), WRONG);
  for (const forged of [
    other,
    'v1,',
    'v1',
    'v1,!!!',
    signature.replace('v1,', 'v1a,'),
    signature.replace('v1,', 'v2,'),
    signature.replace('v1,', ''),
    signature.slice(0, -5),
    `${other},${signature}`,
    `${Array(16).fill(other).join(' ')} ${signature}`,
  ]) {
    assert.equal(await refusal(BODY, await signed({ 'webhook-signature': forged })), WRONG, forged);
  }
  const among = { ...headers, 'webhook-signature': `${other} v1a,bm90IG91cnM= ${signature}` };
  assert.equal((await new WebhookVerifier(SECRET).verify(BODY, among)).id, 'msg_1');
});

test('P19: headers are found in any form and case, and once each', async () => {
  const headers = await signed();
  const verifier = new WebhookVerifier(SECRET);
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));

  assert.equal((await verifier.verify(BODY, upper)).id, 'msg_1');
  assert.equal((await verifier.verify(BODY, new globalThis.Headers(headers))).id, 'msg_1');
  assert.equal((await verifier.verify(BODY, Object.entries(headers))).id, 'msg_1');
  for (const name of Object.keys(headers) as (keyof Headers)[]) {
    assert.equal(await refusal(BODY, { ...headers, [name]: undefined }), `the header \`${name}\` is missing`);
    assert.equal(await refusal(BODY, { ...headers, [name]: ' ' }), `the header \`${name}\` is missing`);
    assert.equal(await refusal(BODY, { ...headers, [name]: ['a', 'b'] }), `the header \`${name}\` stands twice`);
    const twice = [...Object.entries(headers), [name.toUpperCase(), headers[name]]];
    assert.equal(await refusal(BODY, twice), `the header \`${name}\` stands twice`);
  }
  for (const nonsense of ['soon', '-5', '1.5', '0x10', '99999999999999999999999']) {
    const message = 'the header `webhook-timestamp` is not a number of seconds';
    assert.equal(await refusal(BODY, { ...headers, 'webhook-timestamp': nonsense }), message);
  }
});

test('P19: a delivery of another time is refused on both sides', async () => {
  const time = 1_800_000_000_000;
  const headers = await signWebhookForTest(SECRET, 'msg_1', BODY, new Date(time));
  const at = (seconds: number, verifier = new WebhookVerifier(SECRET)) =>
    verifier.verify(BODY, headers, new Date(time + seconds * 1000)).then(
      () => 'taken',
      (error) => error.message,
    );

  for (const seconds of [0, 300, -300]) assert.equal(await at(seconds), 'taken');
  assert.equal(await at(301), 'the delivery was signed 301 s ago, more than 300s');
  assert.equal(await at(-301), 'the delivery was signed 301 s from now, more than 300s');
  assert.equal(await at(600, new WebhookVerifier(SECRET, { tolerance: '10m' })), 'taken');
  assert.notEqual(await at(1, new WebhookVerifier(SECRET, { tolerance: 0 })), 'taken');
});

test('P19: a secret can be changed without a gap', async () => {
  const both = new WebhookVerifier([OTHER, SECRET]);

  assert.equal((await both.verify(BODY, await signed())).id, 'msg_1');
  assert.equal((await both.verify(BODY, await signWebhookForTest(OTHER, 'msg_1', BODY))).id, 'msg_1');
  await assert.rejects(new WebhookVerifier(OTHER).verify(BODY, await signed()), WebhookUnverifiedError);
});

test('P19: a signed body that is no event says so, and a newer event is one', async () => {
  for (const body of ['not json', '[]', '{"type":"agent.completed","data":7}', Uint8Array.of(255)]) {
    const headers = await signWebhookForTest(SECRET, 'msg_1', body);
    const error = await new WebhookVerifier(SECRET).verify(body, headers).catch((error) => error);
    assert.ok(error instanceof UnreadableAnswerError, String(body));
    assert.match(error.message, /^the delivery `msg_1` is signed, but its body is no event: /);
  }
  const newer = '{"type":"moon.landed","timestamp":"2026-11-24T09:00:00.000Z","data":{"crew":3}}';
  const { event } = await new WebhookVerifier(SECRET).verify(newer, await signWebhookForTest(SECRET, 'msg_1', newer));
  assert.equal(event.type as string, 'moon.landed');
});

test('a secret that is none is refused and none is ever shown, and a body that was parsed is no body', async () => {
  for (const nonsense of ['', 'whsec_', 'whsec_!!!', 'whsec_c2hvcnQ=', undefined, []]) {
    assert.throws(() => new WebhookVerifier(nonsense), ConfigurationError);
  }
  assert.ok(!require('node:util').inspect(new WebhookVerifier(SECRET)).includes('MfKQ9r8G'));
  const parsed = new WebhookVerifier(SECRET).verify(JSON.parse(BODY), await signed());
  await assert.rejects(parsed, (error) => error instanceof InvalidRequestError && error instanceof TheazoError);
});

test('P19: a call of a trigger is signed as the control plane checks it', async () => {
  // RFC 4231, test case 2.
  const signature = await signTrigger('Jefe', 'what do ya want for nothing?');

  assert.equal(signature, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});
