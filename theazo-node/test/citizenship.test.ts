// How the package behaves in a process that has other things to do: workers, memory, the event loop. What is measured here has
// plenty of room; `npm run bench` holds the same to its bars.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import { Theazo } from 'theazo';

import type { ClientPart } from '../lib/native.js';
import { AGENT, json, SESSION, serve } from './server.js';

const PACKAGE = join(__dirname, '..');

/** Runs a program in a process of its own that can collect its garbage, and gives the JSON that it printed. */
async function measured(program: string, ...input: string[]) {
  const preamble = `
    const { Theazo } = require(${JSON.stringify(PACKAGE)});
    const theazo = new Theazo({ apiKey: 'k', baseUrl: process.argv[1], maxRetries: 0 });
    const used = () => {
      for (let round = 0; round < 3; round++) gc();
      const { heapUsed, external, rss } = process.memoryUsage();
      return { heap: heapUsed + external, rss };
    };
    const grown = (before, after) => ({ heap: after.heap - before.heap, rss: after.rss - before.rss });
  `;
  const main = `(async () => { ${program} })().catch((error) => { console.error(error); process.exit(1); });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--eval', preamble + main, ...input]);
  return JSON.parse(stdout);
}

test('a hundred workers start, call and stop', { timeout: 120_000 }, async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));
  const program = `
    const { Theazo } = require(${JSON.stringify(PACKAGE)});
    const { parentPort, workerData } = require('node:worker_threads');
    new Theazo({ apiKey: 'k', baseUrl: workerData }).sessions.get('ses_1').then(({ id }) => parentPort.postMessage(id));
  `;

  let [answers, ends] = [0, 0];
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const worker = new Worker(program, { eval: true, workerData: server.url });
        worker.on('message', (id) => {
          if (id === 'ses_1') answers += 1;
        });
        // Nobody ends it: it ends when it has nothing left to do.
        const [code] = await once(worker, 'exit');
        if (code === 0) ends += 1;
      }),
    );
  }

  assert.deepEqual([answers, ends, server.sent.length], [100, 100, 100]);
  assert.equal((await new Theazo({ apiKey: 'k', baseUrl: server.url }).sessions.get('ses_1')).id, 'ses_1');
});

test('memory is flat over many calls', { timeout: 120_000 }, async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));

  const { heap, rss } = await measured(
    `
    const call = () => theazo.sessions.get('ses_1');
    const many = async (count) => {
      for (let done = 0; done < count; done += 50) await Promise.all(Array.from({ length: 50 }, call));
    };
    await many(3000);
    const before = used();
    await many(6000);
    console.log(JSON.stringify(grown(before, used())));
    `,
    server.url,
  );

  // A call that kept only its answer would have kept 600 KiB of them, and its promises and strings several times as much.
  assert.ok(heap < 300 * 1024, `the heap grew by ${heap} bytes`);
  assert.ok(rss < 30 * 1024 * 1024, `the process grew by ${rss} bytes`);
});

test('memory is flat over streams that were left, and the server sees every one of them end', {
  timeout: 120_000,
}, async (context) => {
  let [opened, cancelled] = [0, 0];
  const server = await serve(context, (sent, response) => {
    if (sent.path.endsWith('/runs/stream')) {
      opened += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
      response.write('id: 1\ndata: {"type":"text","text":"a"}\n\n');
    } else if (sent.path.endsWith('/cancel')) {
      cancelled += 1;
      json(response, {
        id: 'arun_1',
        agentId: 'agt_1',
        sessionId: 'ses_1',
        status: 'cancelled',
        task: 't',
        createdAt: '',
      });
    } else json(response, AGENT);
  });

  const { heap, rss } = await measured(
    `
    const agent = await theazo.agents.get('agt_1');
    const leave = async () => {
      const controller = new AbortController();
      const stream = agent.stream('talk', { signal: controller.signal });
      await stream.next();
      controller.abort();
      await stream.close();
      await stream.next().catch(() => {});
    };
    const many = async (count) => {
      for (let done = 0; done < count; done += 20) await Promise.all(Array.from({ length: 20 }, leave));
    };
    await many(300);
    const before = used();
    await many(700);
    console.log(JSON.stringify(grown(before, used())));
    `,
    server.url,
  );

  assert.equal(opened, 1000);
  assert.equal(cancelled, 1000);
  assert.ok(heap < 300 * 1024, `the heap grew by ${heap} bytes`);
  assert.ok(rss < 30 * 1024 * 1024, `the process grew by ${rss} bytes`);
});

/** A server in a thread of its own that sends so many events, as fast as 10,000 a second. */
async function eventServer(context: TestContext, count: number): Promise<string> {
  const program = `
    const { createServer } = require('node:http');
    const { parentPort, workerData: count } = require('node:worker_threads');
    const server = createServer((request, response) => {
      if (request.method === 'GET') return response.end(${JSON.stringify(JSON.stringify(AGENT))});
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
      let id = 0;
      const timer = setInterval(() => {
        let piece = '';
        for (let more = 0; more < 100 && id < count; more++) {
          id += 1;
          piece += 'id: ' + id + '\\ndata: ' + JSON.stringify({ type: 'text', text: 'word ' + id }) + '\\n\\n';
        }
        if (id < count) return response.write(piece);
        clearInterval(timer);
        response.end(piece + 'id: ' + (count + 1) + '\\ndata: {"type":"done","runId":"arun_1","output":"","cost":{"amount":1},"duration":"1s","durationMs":1}\\n\\n');
      }, 10);
    });
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  `;
  const worker = new Worker(program, { eval: true, workerData: count });
  context.after(() => worker.terminate());
  const [port] = await once(worker, 'message');
  return `http://127.0.0.1:${port}`;
}

test('ten thousand events a second leave the event loop free', { timeout: 60_000 }, async (context) => {
  const url = await eventServer(context, 15_000);
  const agent = await new Theazo({ apiKey: 'k', baseUrl: url }).agents.get('agt_1');
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();

  let [seen, turns] = [0, 0];
  const counter = setInterval(() => {
    turns += 1;
  }, 5);
  context.after(() => clearInterval(counter));
  for await (const event of agent.stream('talk')) if (event.type === 'text') seen += 1;
  delay.disable();

  assert.equal(seen, 15_000);
  // The bar is 5 ms and the benchmark holds it; a machine that is busy with other things needs room.
  assert.ok(delay.percentile(99) / 1e6 < 250, `p99 of the loop's delay was ${delay.percentile(99) / 1e6} ms`);
  assert.ok(turns > 20, `others had only ${turns} turns`);
});

test('what crosses are texts, so no program is given memory outside of its heap', async (context) => {
  const content = JSON.stringify({ data: 'x'.repeat(1 << 20), encoding: 'utf-8' });
  const server = await serve(context, (_, response) => response.end(content));
  const { NativeClient } = createRequire(__filename)('../native/theazo.node') as ClientPart;
  const client = new NativeClient(JSON.stringify({ apiKey: 'k', baseUrl: server.url }));

  const answers: unknown[] = [];
  const before = process.memoryUsage();
  for (let call = 0; call < 20; call++) {
    answers.push(await client.call('ReadFile', ['agt_1', 'large.txt'], undefined, undefined, undefined, undefined));
  }
  const { external, arrayBuffers } = process.memoryUsage();

  // Electron refuses buffers over the memory of others. These 20 MiB are strings of JavaScript.
  assert.ok(answers.every((answer) => answer === content));
  const outside = external - before.external - (arrayBuffers - before.arrayBuffers);
  assert.ok(outside < 1 << 20, `${outside} bytes more are outside of the heap`);
});

test('a panic in the native part is an error, and the process goes on', async () => {
  const part = createRequire(__filename)('../native/theazo.node') as {
    panicAtOnce?(): void;
    panicLater?(): Promise<void>;
  };
  // Builds that are published cannot be made to panic.
  if (part.panicAtOnce === undefined || part.panicLater === undefined) return assert.ok(!('panicAtOnce' in part));

  assert.throws(() => part.panicAtOnce?.(), /at once/);
  await assert.rejects(part.panicLater(), (error: Error) => {
    const { code, message } = JSON.parse(error.message);
    assert.deepEqual([code, message], ['internal_error', 'a defect of theazo: later']);
    return true;
  });
  await assert.rejects(new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9', maxRetries: 0 }).health(), {
    code: 'connection_error',
  });
});
