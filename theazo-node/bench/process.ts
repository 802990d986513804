// What the package costs a process: from its start to the first call, and on disk.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { median, report } from './measure.js';
import type { Server } from './server.js';

const PACKAGE = join(__dirname, '..');
const RUNS = 15;

/** Measures the time from an import to the end of the first call, over a process that does nothing. */
export function startup(server: Server): void {
  const time = (program: string) => {
    const start = performance.now();
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: PACKAGE,
      env: { ...process.env, THEAZO_BASE_URL: server.url, THEAZO_API_KEY: server.key },
    });
    return performance.now() - start;
  };
  const call = "import { Theazo } from 'theazo'; await new Theazo().health();";
  const differences: number[] = [];
  for (let run = 0; run < RUNS; run++) differences.push(time(call) - time('0'));
  const detail = `the process ends within that, too; median of ${RUNS} pairs`;
  report('import to first call over bare Node, ms', median(differences), 40, 'lower', detail);
}

/** Measures the native parts as they are published: `npm run build:native -- --profile dist`. */
export function sizes(): void {
  const megabytes = (bytes: number) => bytes / 1_000_000;
  for (const [file, isCompressed, bar] of [
    ['theazo.node', false, 6],
    ['theazo-plane.node', true, 9],
  ] as const) {
    const path = join(PACKAGE, 'native', file);
    if (!existsSync(path)) throw new Error(`${path} does not exist`);
    const stored = statSync(path).size;
    const compressed = gzipSync(readFileSync(path)).length;
    const size = megabytes(isCompressed ? compressed : stored);
    const detail = `${megabytes(stored).toFixed(2)} MB, ${megabytes(compressed).toFixed(2)} MB with gzip`;
    report(`${file}, MB${isCompressed ? ' compressed' : ''}`, size, bar, 'lower', detail);
  }
}
