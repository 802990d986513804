// Packs the package as it is published and lets `publint` and `@arethetypeswrong/cli` look at the tarball.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));
const out = mkdtempSync(join(tmpdir(), 'theazo-check-'));
try {
  const tarball = run(
    process.execPath,
    [join(FOLDER, 'scripts', 'pack.mjs'), 'main', out],
    ['ignore', 'pipe', 'inherit'],
  );
  const tool = (name) => join(FOLDER, 'node_modules', '.bin', name);
  run(tool('publint'), ['run', tarball.trim(), '--strict']);
  run(tool('attw'), [
    tarball.trim(),
    '--profile',
    'node16',
    '--format',
    'ascii',
    '--exclude-entrypoints',
    'testing/vitest',
  ]);
} finally {
  rmSync(out, { recursive: true });
}

function run(program, options, stdio = 'inherit') {
  const { status, stdout } = spawnSync(program, options, { cwd: FOLDER, encoding: 'utf8', stdio });
  if (status !== 0) throw new Error(`${program} failed`);
  return stdout;
}
