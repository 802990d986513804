// Webhooks: verifying what arrives, and signing what a test sends.
//
// Deliveries are signed as Standard Webhooks (https://www.standardwebhooks.com) are. This needs the Web Crypto API alone, so it
// works wherever JavaScript runs; it behaves as `theazo/src/webhooks.rs` does, and is tested with the same vectors.

import { errorOf, misconfigured } from './errors.js';
import { readDuration, showDuration } from './fetch/duration.js';
import { readWebhookEvent } from './generated/read.js';
import type { DurationInput, WebhookEvent } from './generated/types.js';
import { invalid } from './input.js';

/** How far a delivery's time may be from now, before or after. */
const DEFAULT_TOLERANCE = 300_000;

/** How many signatures of one delivery are looked at: an old secret and a new one need two. */
const MOST_SIGNATURES = 16;

const HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;

/** The body of a delivery, as it came: nothing may have parsed it, or changed a byte. */
export type WebhookBody = string | Uint8Array | ArrayBuffer;

/** The headers of a delivery: those of Node, of `fetch`, or names and values. The case of names does not count. */
export type WebhookHeaders =
  | Record<string, string | readonly string[] | undefined>
  | Iterable<readonly [name: string, value: string]>;

/** How deliveries are verified. */
export interface VerifierOptions {
  /** How far a delivery's time may be from now, before or after; five minutes by default. */
  tolerance?: DurationInput | undefined;
}

/** A delivery that was verified. */
export interface Delivery {
  /** The id of the event. It stays the same when the event is delivered again, so remember it to act only once. */
  id: string;
  /** When this delivery was signed. */
  signedAt: Date;
  /** What happened; its `type` says which members `data` has. */
  event: WebhookEvent;
}

/**
 * Verifies deliveries with the secret that `webhooks.create` gave, or with several while a secret is being changed.
 *
 * ```ts
 * const verifier = new WebhookVerifier(process.env.WEBHOOK_SECRET);
 * // In the handler of the request: the body as it came, before anything parses it.
 * const { id, event } = await verifier.verify(body, request.headers);
 * if (event.type === 'agent.completed') console.log(id, event.data.output);
 * ```
 */
export class WebhookVerifier {
  readonly #secrets: Uint8Array<ArrayBuffer>[];
  readonly #tolerance: number;

  /** A verifier with these secrets, each `whsec_` and base64. */
  constructor(secrets: string | readonly string[] | undefined, options: VerifierOptions = {}) {
    const all = typeof secrets === 'string' ? [secrets] : (secrets ?? []);
    if (all.length === 0)
      throw misconfigured('there is no webhook secret', 'give the one that `webhooks.create` returned');
    this.#secrets = all.map(keyOf);
    const tolerance = options.tolerance === undefined ? DEFAULT_TOLERANCE : readDuration(options.tolerance);
    if (tolerance === undefined) throw invalid('tolerance', 'must be a duration');
    this.#tolerance = tolerance;
  }

  /**
   * Verifies a delivery and reads its event.
   *
   * Fails with a `WebhookUnverifiedError` if a header is missing or stands twice, if the time is too far from now (or from `now`),
   * or if no signature is right, and with an `UnreadableAnswerError` if the body is signed but no event.
   */
  async verify(body: WebhookBody, headers: WebhookHeaders, now: Date = new Date()): Promise<Delivery> {
    const bytes = bytesOf(body);
    const [id, timestamp, signatures] = headersOf(headers);
    if (!/^\+?\d{1,19}$/.test(timestamp)) throw unverified('the header `webhook-timestamp` is not a number of seconds');
    const signedAt = new Date(Math.min(Number(timestamp), 0xffff_ffff) * 1000);
    this.#checkTime(now, signedAt);
    await this.#checkSignatures(`${id}.${timestamp}.`, bytes, signatures);
    return { id, signedAt, event: eventOf(id, bytes) };
  }

  #checkTime(now: Date, signedAt: Date): void {
    const age = now.getTime() - signedAt.getTime();
    if (Math.abs(age) <= this.#tolerance) return;
    const seconds = Math.floor(Math.abs(age) / 1000);
    const side = age > 0 ? 'ago' : 'from now';
    throw unverified(
      `the delivery was signed ${seconds} s ${side}, more than ${showDuration(this.#tolerance)}`,
      'compare the clocks; an old delivery may be one that somebody recorded',
    );
  }

  async #checkSignatures(head: string, body: Uint8Array, given: string): Promise<void> {
    const signatures = given
      .split(' ')
      .filter((signature) => signature.startsWith('v1,'))
      .slice(0, MOST_SIGNATURES)
      .map((signature) => decode(signature.slice(3).trim()))
      .filter((signature) => signature !== undefined);
    const signed = join(new TextEncoder().encode(head), body);
    let isRight = false;
    // Every signature is compared with every key, whatever the outcome, so that the time tells nothing.
    for (const secret of this.#secrets) {
      const key = await hmacKey(secret);
      for (const signature of signatures) {
        if (await crypto.subtle.verify('HMAC', key, signature, signed)) isRight = true;
      }
    }
    if (!isRight) {
      throw unverified(
        'no signature of the delivery is right',
        'verify the body as it came, byte by byte, with the secret of this webhook',
      );
    }
  }
}

/** The headers of a delivery that is signed now, or at another time, for a test of your own endpoint. */
export async function signWebhookForTest(
  secret: string,
  id: string,
  body: WebhookBody,
  at: Date = new Date(),
): Promise<Record<(typeof HEADERS)[number], string>> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signed = join(new TextEncoder().encode(`${id}.${timestamp}.`), bytesOf(body));
  const signature = await crypto.subtle.sign('HMAC', await hmacKey(keyOf(secret)), signed);
  const text = btoa(String.fromCharCode(...new Uint8Array(signature)));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${text}` };
}

/**
 * The value of the header `X-Trigger-Signature` for a call of a trigger's address: the HMAC-SHA256 of the body with the
 * trigger's secret, in hexadecimal digits.
 */
export async function signTrigger(secret: string, body: WebhookBody): Promise<string> {
  const key = await hmacKey(new TextEncoder().encode(secret));
  const digest = new Uint8Array(await crypto.subtle.sign('HMAC', key, join(bytesOf(body))));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The three headers, each of which must be there once. */
function headersOf(headers: WebhookHeaders): [id: string, timestamp: string, signatures: string] {
  const found = new Map<string, string>();
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers);
  for (const [given, value] of pairs as Iterable<[string, string | readonly string[] | undefined]>) {
    const name = given.toLowerCase();
    if (!HEADERS.some((header) => header === name) || value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) {
      // Which of two would count depends on who reads them, so neither does.
      if (found.has(name)) throw unverified(`the header \`${name}\` stands twice`);
      found.set(name, one.trim());
    }
  }
  return HEADERS.map((name) => {
    const value = found.get(name);
    if (!value) throw unverified(`the header \`${name}\` is missing`);
    return value;
  }) as [string, string, string];
}

function eventOf(id: string, body: Uint8Array): WebhookEvent {
  try {
    const event = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    const isEvent = typeof event === 'object' && event !== null && typeof event.type === 'string';
    if (!isEvent || typeof event.data !== 'object' || event.data === null)
      throw new Error('it has no `type` and `data`');
    return readWebhookEvent(event);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : cause;
    const message = `the delivery \`${id}\` is signed, but its body is no event: ${problem}`;
    throw errorOf({ code: 'unreadable_answer', kind: 'unreadable', message }, { cause });
  }
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const text = typeof secret === 'string' ? secret.trim() : '';
  const encoded = (text.startsWith('whsec_') ? text.slice(6) : text).replace(/=+$/, '');
  const key = decode(encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '='));
  if (key === undefined || key.length < 16 || key.length > 128) {
    throw misconfigured('the webhook secret is not `whsec_` and the base64 of 24 to 64 bytes');
  }
  return key;
}

function hmacKey(secret: Uint8Array<ArrayBuffer>): ReturnType<typeof crypto.subtle.importKey> {
  return crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
}

/** The bytes of base64 in its one form, with padding; undefined if it is something else. */
function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function bytesOf(body: WebhookBody): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw invalid('body', 'must be the body as it came: text or bytes, before anything parses it');
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function unverified(message: string, hint?: string) {
  return errorOf({ code: 'webhook_unverified', kind: 'unverified', message, hint: hint ?? null });
}
