// Calls per second through this package and through the usual HTTP clients of Node, side by side.
//
// All do the same: `GET /v1/sessions/{id}` of one server, decoded. The server is the one of `THEAZO_BASE_URL` and
// `THEAZO_API_KEY`, or else a release build of ours. Each pair is measured in turns, and the ratio is the median of the
// turns. Prints one JSON line for each measure.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Theazo } from 'theazo';

const SECONDS = Number(process.env.THEAZO_BENCH_SECONDS ?? '0.5');
const TURNS = Number(process.env.THEAZO_BENCH_TURNS ?? '9');

type Call = () => Promise<unknown>;

interface Server {
  url: string;
  key: string;
  stop(): void;
}

async function main(): Promise<void> {
  const server = await startServer();
  try {
    const theazo = new Theazo({ apiKey: server.key, baseUrl: server.url });
    const session = process.env.THEAZO_BENCH_SESSION ?? (await theazo.sessions.forUser('bench')).id;
    const address = `${server.url}/v1/sessions/${session}`;
    const headers = { authorization: `Bearer ${server.key}` };
    const agent = new Agent({ keepAlive: true });

    const ours: Call = async () => (await theazo.sessions.get(session)).createdAt;
    const byFetch: Call = async () => {
      const response = await fetch(address, { headers });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return ((await response.json()) as { createdAt: string }).createdAt;
    };
    const byHttp: Call = () =>
      new Promise((resolve, reject) => {
        get(address, { headers, agent }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (piece) => {
            text += piece;
          });
          response.on('end', () => resolve(JSON.parse(text).createdAt));
          response.on('error', reject);
        }).on('error', reject);
      });

    await compare('node calls/s at 64 in flight, over fetch', ours, byFetch, 64, 3);
    await compare('node calls/s at 64 in flight, over node:http', ours, byHttp, 64, 1);
    await compare('node calls/s at 1 in flight, over fetch', ours, byFetch, 1, 1);
    await theazo.close();
    agent.destroy();
  } finally {
    server.stop();
  }
}

async function compare(name: string, ours: Call, theirs: Call, inFlight: number, bar: number): Promise<void> {
  await rate(ours, inFlight);
  await rate(theirs, inFlight);
  const pairs: [number, number][] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    pairs.push([await rate(ours, inFlight), await rate(theirs, inFlight)]);
  }
  const ratio = median(pairs.map(([mine, other]) => mine / other));
  const [mine, other] = [median(pairs.map(([mine]) => mine)), median(pairs.map(([, other]) => other))];
  const detail = `${mine.toFixed(0)}/s against ${other.toFixed(0)}/s, median of ${TURNS} pairs`;
  console.log(JSON.stringify({ name, ratio: Number(ratio.toFixed(2)), bar, better: 'higher', detail }));
}

/** Calls per second with so many in flight. */
async function rate(call: Call, inFlight: number): Promise<number> {
  let count = 0;
  const start = performance.now();
  const end = start + SECONDS * 1000;
  const worker = async () => {
    while (performance.now() < end) {
      await call();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (count * 1000) / (performance.now() - start);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

async function startServer(): Promise<Server> {
  const { THEAZO_BASE_URL: url, THEAZO_API_KEY: key } = process.env;
  if (url && key) return { url: url.replace(/\/+$/, ''), key, stop: () => {} };
  const binary = serverBinary();
  const data = mkdtempSync(join(tmpdir(), 'theazo-bench-'));
  const child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--json', '--data-dir', data], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.once('exit', () => rmSync(data, { recursive: true, force: true }));
  const ready = JSON.parse(await firstLine(child)) as { url: string; liveKey: string };
  return { url: ready.url, key: ready.liveKey, stop: () => child.kill() };
}

function serverBinary(): string {
  if (process.env.THEAZO_SERVER) return process.env.THEAZO_SERVER;
  const root = join(__dirname, '..', '..');
  const build = spawnSync('cargo', ['build', '--release', '--quiet', '--package', 'theazo-server'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (build.status !== 0) throw new Error('the server to measure against could not be built');
  return join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'release', 'theazo');
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) return reject(new Error('the output of the server is not piped'));
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
  });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
