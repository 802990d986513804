// The events of an agent's stream, through this package and through a line parser over `fetch`; and the loop's delay meanwhile.

import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

import { Theazo } from 'theazo';

import { median, report, TURNS } from './measure.js';
import type { Server } from './server.js';

/** How long a turn of one side is. */
const TURN_MILLIS = 300;

/** Sends 10,000 events a second for three seconds, and a last one that ends the stream. */
const SLOW = `
  const { createServer } = require('node:http');
  const { parentPort } = require('node:worker_threads');
  const agent = { id: 'agt_1', sessionId: 'ses_1', status: 'ready', provider: 'local', compute: 'python', model: 'offline',
    createdAt: '2026-11-24T09:00:00.000Z' };
  const event = (id, data) => 'id: ' + id + '\\ndata: ' + JSON.stringify(data) + '\\n\\n';
  const done = { type: 'done', runId: 'arun_1', output: '', cost: { amount: 1 }, duration: '1s', durationMs: 1 };
  const server = createServer((request, response) => {
    if (request.method === 'GET') return response.end(JSON.stringify(agent));
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
    let id = 0;
    const timer = setInterval(() => {
      let text = '';
      for (let more = 0; more < 100; more++) text += event(++id, { type: 'text', text: 'the word number ' + id });
      response.write(text);
      if (id >= 30000) { clearInterval(timer); response.end(event(id + 1, done)); }
    }, 10);
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Measures streams. */
export async function streams(server: Server): Promise<void> {
  await events(server);
  await delay();
}

async function events({ url, key }: Server): Promise<void> {
  const theazo = new Theazo({ apiKey: key, baseUrl: url });
  const agent = await theazo.agents.get('agt_1');

  const ours = async () => {
    let seen = 0;
    for await (const event of agent.stream('talk')) if (event.type === 'text') seen += event.text.length > 0 ? 1 : 0;
    return seen;
  };
  const byLines = async () => {
    const response = await fetch(`${url}/v1/runs/arun_1/stream`, { headers: { accept: 'text/event-stream' } });
    if (response.body === null) throw new Error('no body');
    const decoder = new TextDecoder();
    let [seen, buffer] = [0, ''];
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      buffer += decoder.decode(piece, { stream: true });
      const lines = buffer.split('\n');
      buffer = lines.pop() ?? '';
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue;
        const event = JSON.parse(line.slice(6)) as { type: string; text: string };
        if (event.type === 'text') seen += event.text.length > 0 ? 1 : 0;
      }
    }
    return seen;
  };

  const count = await byLines();
  // One stream takes milliseconds, in which whatever else happens weighs more than the reader.
  const perSecond = async (read: () => Promise<number>) => {
    const start = performance.now();
    let seen = 0;
    for (let streams = 1; performance.now() - start < TURN_MILLIS; streams++) {
      seen += await read();
      if (seen !== count * streams) throw new Error(`${seen} events came, not ${count * streams}`);
    }
    return (seen * 1000) / (performance.now() - start);
  };
  await perSecond(ours);
  const measured: [number, number][] = [];
  for (let turn = 0; turn < TURNS; turn++) measured.push([await perSecond(ours), await perSecond(byLines)]);
  const ratio = median(measured.map(([mine, other]) => mine / other));
  const [mine, other] = [median(measured.map(([mine]) => mine)), median(measured.map(([, other]) => other))];
  const detail = `${mine.toFixed(0)}/s against ${other.toFixed(0)}/s, median of ${TURNS} pairs`;
  report('stream events/s, over a line parser on fetch', ratio, 1.8, 'higher', detail);
  await theazo.close();
}

async function delay(): Promise<void> {
  const worker = new Worker(SLOW, { eval: true });
  const [port] = await once(worker, 'message');
  const theazo = new Theazo({ apiKey: 'k', baseUrl: `http://127.0.0.1:${port}` });
  const agent = await theazo.agents.get('agt_1');
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  for await (const _ of agent.stream('slowly'));
  monitor.disable();
  // The monitor counts its own interval of 1 ms as delay.
  report('loop delay p99 at 10,000 events/s, ms', monitor.percentile(99) / 1e6, 5, 'lower', '30,000 events');
  await theazo.close();
  await worker.terminate();
}
