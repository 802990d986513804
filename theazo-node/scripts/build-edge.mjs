// Bundles the entry for edge runtimes and browsers into one ES module, `dist/edge.mjs`, and fails if anything of Node's is in it.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));

await build({
  absWorkingDir: FOLDER,
  entryPoints: [join('lib', 'edge.ts')],
  outfile: join('dist', 'edge.mjs'),
  bundle: true,
  format: 'esm',
  // Knows no built-in modules, so that an import of one is an error.
  platform: 'neutral',
  target: 'es2022',
  logLevel: 'warning',
});
