// The server to measure against: the one of `THEAZO_BASE_URL` and `THEAZO_API_KEY`, or else a control plane in a process of its own,
// which listens as `theazo serve` does and is of the same build as the native part.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Server {
  url: string;
  key: string;
  stop(): void;
}

const PLANE = `
  require(${JSON.stringify(join(__dirname, '..'))});
  const { startPlane } = require(${JSON.stringify(join(__dirname, '..', 'dist', 'connection.js'))});
  startPlane({}).then(async (plane) => {
    console.log(JSON.stringify({ url: await plane.listen(), key: plane.liveKey }));
    // A plane ends when nothing refers to it, and does not keep its process; whoever started this one ends it.
    setInterval(() => plane, 1000);
  });
`;

/** Starts the server. */
export async function startServer(): Promise<Server> {
  const { THEAZO_BASE_URL: url, THEAZO_API_KEY: key } = process.env;
  if (url && key) return { url: url.replace(/\/+$/, ''), key, stop: () => {} };
  const child = spawn(process.execPath, ['--eval', PLANE], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
  });
  return { ...(JSON.parse(ready) as { url: string; key: string }), stop: () => child.kill() };
}
