// The programs in README.md run as they stand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const PACKAGE = join(__dirname, '..');

const programs = [...readFileSync(join(PACKAGE, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(
  ([, program]) => program ?? '',
);

for (const [index, program] of programs.entries()) {
  test(`program ${index + 1} of README.md runs`, async () => {
    const { THEAZO_BASE_URL: _, THEAZO_API_KEY: __, ...env } = process.env;

    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: PACKAGE,
      env,
    });

    assert.notEqual(stdout, '');
  });
}

test('README.md has programs', () => assert.ok(programs.length >= 2));
