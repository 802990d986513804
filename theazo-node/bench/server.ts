// The server to measure against: the one of `THEAZO_BASE_URL` and `THEAZO_API_KEY`, or else that of the benchmarks in Rust, which answers
// with the same bytes and costs little, so that clients are measured and not a control plane.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Server {
  url: string;
  key: string;
  stop(): void;
}

const COMMAND = ['bench', '--quiet', '--package', 'theazo', '--bench', 'client', '--', 'serve'];

/** Starts the server, which is built first. */
export async function startServer(): Promise<Server> {
  const { THEAZO_BASE_URL: url, THEAZO_API_KEY: key } = process.env;
  if (url && key) return { url: url.replace(/\/+$/, ''), key, stop: () => {} };
  const child = spawn('cargo', COMMAND, { cwd: join(__dirname, '..', '..'), stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
  });
  // It ends when its input does.
  return { url: ready, key: 'th_test_bench', stop: () => child.stdin.end() };
}
