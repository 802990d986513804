// The server to measure against: the one of `THEAZO_BASE_URL` and `THEAZO_API_KEY`, or else a release build of ours.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Server {
  url: string;
  key: string;
  stop(): void;
}

export async function startServer(): Promise<Server> {
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
