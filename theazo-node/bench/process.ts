// What the package costs a process: from its start to the first call, and on disk.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { median, report } from './measure.js';
import type { Server } from './server.js';

const PACKAGE = join(__dirname, '..');
const RUNS = 15;

/** Measures the time from an import to the end of the first call, over a process that does nothing; and from there to its end. */
export function startup(server: Server): void {
  const run = (program: string) => {
    const start = Date.now();
    const stdout = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: PACKAGE,
      env: { ...process.env, THEAZO_BASE_URL: server.url, THEAZO_API_KEY: server.key },
      encoding: 'utf8',
    });
    return { done: Number(stdout) - start, ended: Date.now() - Number(stdout) };
  };
  const say = 'console.log(Date.now());';
  const call = `import { Theazo } from 'theazo'; await new Theazo().health(); ${say}`;
  const measured = Array.from({ length: RUNS }, () => [run(call), run(say)] as const);
  const starts = measured.map(([ours, bare]) => ours.done - bare.done);
  const ends = measured.map(([ours]) => ours.ended);
  report('import to first call over bare Node, ms', median(starts), 40, 'lower', `median of ${RUNS} pairs`);
  report('last use to the end of the process, ms', median(ends), 100, 'lower', `median of ${RUNS} processes`);
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
