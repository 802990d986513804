// Memory over a million calls, and over a hundred thousand streams that are left: bytes for each thousand of them.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { report } from './measure.js';

const PACKAGE = join(__dirname, '..');
const CALLS = Number(process.env.THEAZO_BENCH_CALLS ?? '1000000');
const STREAMS = Number(process.env.THEAZO_BENCH_STREAMS ?? '100000');

/** A process that makes calls of a server in a thread of its own, and says how much it grew. */
const PROGRAM = `
  const { once } = require('node:events');
  const { Worker } = require('node:worker_threads');
  const { Theazo } = require(${JSON.stringify(PACKAGE)});
  const SERVER = \`
    const { createServer } = require('node:http');
    const { parentPort } = require('node:worker_threads');
    const createdAt = '2026-11-24T09:00:00.000Z';
    const session = JSON.stringify({ id: 'ses_1', status: 'active', environment: 'production', createdAt });
    const agent = JSON.stringify({ id: 'agt_1', sessionId: 'ses_1', status: 'ready', provider: 'local', compute: 'python',
      model: 'offline', createdAt });
    const run = JSON.stringify({ id: 'arun_1', agentId: 'agt_1', sessionId: 'ses_1', status: 'cancelled', task: 't', createdAt });
    const server = createServer((request, response) => {
      request.resume();
      if (request.url.endsWith('/runs/stream')) {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
        return response.write('id: 1\\\\ndata: {"type":"text","text":"a"}\\\\n\\\\n');
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(request.url.endsWith('/cancel') ? run : request.url.includes('/agents/') ? agent : session);
    });
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  \`;
  const used = () => {
    for (let round = 0; round < 4; round++) gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  (async () => {
    const [kind, count] = [process.argv[1], Number(process.argv[2])];
    const worker = new Worker(SERVER, { eval: true });
    const [port] = await once(worker, 'message');
    const theazo = new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:' + port, maxRetries: 0 });
    const agent = await theazo.agents.get('agt_1');
    const call = () => theazo.sessions.get('ses_1');
    const leave = async () => {
      const controller = new AbortController();
      const stream = agent.stream('talk', { signal: controller.signal });
      await stream.next();
      controller.abort();
      await stream.close();
    };
    const once_ = kind === 'calls' ? call : leave;
    const many = async (count) => {
      let left = count;
      await Promise.all(Array.from({ length: 32 }, async () => { while (left-- > 0) await once_(); }));
    };
    await many(count / 10);
    const [heap, rss] = [used(), process.memoryUsage().rss];
    await many(count);
    console.log(JSON.stringify({ heap: used() - heap, rss: process.memoryUsage().rss - rss }));
    process.exit(0);
  })();
`;

/** Measures memory. */
export async function memory(): Promise<void> {
  for (const [kind, count] of [
    ['calls', CALLS],
    ['streams that are left', STREAMS],
  ] as const) {
    const run = ['--expose-gc', '--eval', PROGRAM, kind, String(count)];
    const { stdout } = await promisify(execFile)(process.execPath, run);
    const { heap, rss } = JSON.parse(stdout);
    const detail = `${count} ${kind}: the heap grew by ${heap} bytes, the process by ${(rss / 1e6).toFixed(1)} MB`;
    report(`bytes kept for 1,000 ${kind}`, (1000 * heap) / count, 1024, 'lower', detail);
  }
}
