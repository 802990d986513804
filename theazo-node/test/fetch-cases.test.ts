// The decisions of the transport over `fetch`, compared with the cases that the core is held to: `theazo/cases`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { addressOf, parseBase, pathOf } from '../lib/fetch/address.js';
import { parseDuration } from '../lib/fetch/duration.js';
import type { Operation } from '../lib/fetch/operation.js';
import { Parser } from '../lib/fetch/parser.js';
import { Problem } from '../lib/fetch/problem.js';
import { askedPause, type Ending, mayRetry, pauseBefore, RetryBudget } from '../lib/fetch/retry.js';

function cases(name: string) {
  return JSON.parse(readFileSync(join(__dirname, '../../theazo/cases', `${name}.json`), 'utf8'));
}

/** What a person reads of a problem. */
function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (problem) {
    assert.ok(problem instanceof Problem, String(problem));
    return problem.parts.message;
  }
  return assert.fail('it was not refused');
}

test('retries are decided as the core decides them', () => {
  const { mayRetry: decisions, pauses, now, askedPauses } = cases('retry');

  for (const { ending, status, advice, repeat, hasKey, expected } of decisions) {
    const ended = { kind: ending, status, advice: advice ?? undefined } as Ending;
    assert.equal(mayRetry(ended, repeat, hasKey), expected, JSON.stringify({ ended, repeat, hasKey }));
  }
  for (const { retry, asked, random, expected } of pauses) {
    assert.equal(pauseBefore(retry, asked ?? undefined, random), expected, JSON.stringify({ retry, asked, random }));
  }
  for (const { headers, expected } of askedPauses) {
    const asked = askedPause({ get: (name) => headers[name] ?? null }, Date.parse(now));
    assert.equal(asked ?? null, expected, JSON.stringify(headers));
  }
  assert.ok(decisions.length > 90 && pauses.length > 10 && askedPauses.length > 10);
});

test('addresses are written as the core writes them', () => {
  const { paths, refused, query, bases, malformed } = cases('addresses');
  const operation = (path: string): Operation => ({ method: 'GET', path });

  for (const { template, parameters, expected } of paths) {
    assert.equal(pathOf(operation(template), parameters), expected);
  }
  for (const { template, parameters, message } of refused) {
    assert.equal(
      messageOf(() => pathOf(operation(template), parameters)),
      message,
    );
  }
  const address = addressOf('http://host', operation('/v1/logs'), [], query.pairs);
  assert.equal(address, `http://host/v1/logs?${query.expected}`);
  for (const { given, expected } of bases) assert.equal(parseBase(given), expected);
  for (const { given, message } of malformed)
    assert.equal(
      messageOf(() => parseBase(given)),
      message,
    );
});

test('durations are read as the core reads them', () => {
  for (const { text, expected } of cases('durations')) assert.equal(parseDuration(text) ?? null, expected, text);
});

test('events are read as the core reads them, wherever they are cut', () => {
  for (const { bytes: digits, events, retry } of cases('events')) {
    const bytes = Uint8Array.from(Buffer.from(digits, 'hex'));
    for (let at = 0; at <= bytes.length; at++) {
      const parser = new Parser();
      const read: unknown[] = [];
      for (const piece of [bytes.subarray(0, at), bytes.subarray(at)]) {
        parser.push(piece);
        for (let event = parser.next(); event !== undefined; event = parser.next()) {
          read.push({ id: event.id ?? null, data: event.data });
        }
      }
      assert.deepEqual(read, events, `${digits} at ${at}`);
      assert.equal(parser.retry ?? null, retry ?? null);
    }
  }
});

test('an event beyond the limit is refused however it comes', () => {
  const feed = (...pieces: string[]) => {
    const parser = new Parser(32);
    for (const piece of pieces) {
      parser.push(new TextEncoder().encode(piece));
      while (parser.next() !== undefined);
    }
  };
  const line = `data: ${'x'.repeat(40)}`;

  for (const pieces of [
    [line],
    [`${line}\n\n`],
    [`: ${line}`],
    Array(40).fill('x'),
    Array(4).fill('data: xxxxxxxxxx\n'),
  ]) {
    assert.throws(() => feed(...pieces), RangeError);
  }
  feed(...Array(100).fill('data: xxxxxxxxxx\n\n'));
  feed(...Array(100).fill(': a comment of some length\n'));
});

test('the retry budget runs dry after a hundred retries, and success fills it', () => {
  const budget = new RetryBudget();

  assert.equal(Array.from({ length: 150 }, () => budget.take()).filter(Boolean).length, 100);

  for (let call = 0; call < 4; call++) budget.reward(false);
  assert.equal(budget.take(), false);
  budget.reward(false);
  assert.equal(budget.take(), true);
  budget.reward(true);
  assert.equal(budget.take(), true);
});
