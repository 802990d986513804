// Builds the native part with cargo and copies it to `theazo.node`. Arguments go on to cargo, for example `--release`.

import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const build = spawnSync(
  'cargo',
  ['build', '--package', 'theazo-node', '--message-format=json-render-diagnostics', ...process.argv.slice(2)],
  { cwd: folder, stdio: ['inherit', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
);
if (build.status !== 0) process.exit(build.status ?? 1);

const library = build.stdout
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === 'compiler-artifact' && message.target.name === 'theazo_node')
  .flatMap((message) => message.filenames)
  .find((file) => /\.(so|dylib|dll)$/.test(file));
if (!library) throw new Error('cargo built no library of theazo-node');

// Put in place at once: a process that has the old file loaded keeps it.
const target = join(folder, 'theazo.node');
copyFileSync(library, `${target}.new`);
renameSync(`${target}.new`, target);
