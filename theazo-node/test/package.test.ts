// What is published, as users get it: packed, installed from the tarballs into an empty project, and run there.

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { ownPlatform, packageOf } from '../lib/platforms.js';

const PACKAGE = join(__dirname, '..');
const OWN = packageOf(ownPlatform());

/** The first program of the README. */
const QUICKSTART = /```ts\n(.*?)```/s.exec(readFileSync(join(PACKAGE, 'README.md'), 'utf8'))?.[1] ?? '';

let project = '';

before(() => {
  project = mkdtempSync(join(tmpdir(), 'theazo-project-'));
  const pack = (...args: string[]) =>
    execFileSync(process.execPath, [join(PACKAGE, 'scripts', 'pack.mjs'), ...args], { encoding: 'utf8' }).trim();
  const main = pack('main', project);
  const native = pack('platform', ownPlatform(), stripped(), project);
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true }');
  const quiet = ['--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...quiet, main, native], { cwd: project, shell: process.platform === 'win32' });
});

/** A folder with the native parts, without what debuggers read where that can be left out: packing it takes most of the time. */
function stripped(): string {
  const folder = join(project, 'native');
  cpSync(join(PACKAGE, 'native'), folder, { recursive: true });
  for (const file of readdirSync(folder)) spawnSync('strip', ['-S', join(folder, file)]);
  return folder;
}

after(() => rmSync(project, { recursive: true, force: true }));

/** Runs a program in the project and gives what it printed. */
async function run(file: string, program: string, variables: Record<string, string> = {}) {
  writeFileSync(join(project, file), program);
  const { THEAZO_BASE_URL: _, THEAZO_API_KEY: __, THEAZO_TRANSPORT: ___, ...inherited } = process.env;
  return await promisify(execFile)(process.execPath, [file], { cwd: project, env: { ...inherited, ...variables } });
}

/** Says which native parts a process has loaded. */
const LOADED = `
  const loaded = () => process.report.getReport().sharedObjects
    .map((file) => /theazo[a-z-]*[.]node$/.exec(file)?.[0]).filter((name) => name !== undefined);
`;

test('the program of the README runs where the package was installed', async () => {
  const { stdout } = await run('quickstart.mjs', QUICKSTART);

  assert.match(stdout, /analyze competitor pricing/);
});

test('the same program runs with require', async () => {
  const program = QUICKSTART.replace("import { Theazo } from 'theazo';", "const { Theazo } = require('theazo');");

  const { stdout } = await run('quickstart.cjs', `(async () => { ${program} })();`);

  assert.match(stdout, /analyze competitor pricing/);
});

test('native code is loaded by the first use, and the control plane by the first plane', async () => {
  const { stdout } = await run(
    'loading.mjs',
    `import { Theazo } from 'theazo';
    import { TestPlane } from 'theazo/testing';
    ${LOADED}
    const seen = [loaded()];
    new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' });
    seen.push(loaded());
    await TestPlane.start();
    seen.push(loaded());
    console.log(JSON.stringify(seen));`,
  );

  assert.deepEqual(JSON.parse(stdout), [[], ['theazo.node'], ['theazo.node', 'theazo-plane.node']]);
});

test('a process that starts with a plane loads one part alone', async () => {
  const { stdout } = await run(
    'planes.mjs',
    `import { Theazo } from 'theazo';
    ${LOADED}
    await Theazo.embedded();
    new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' });
    console.log(loaded().join());`,
  );

  assert.equal(stdout.trim(), 'theazo-plane.node');
});

test('what is installed has no install scripts and no dependencies but the native parts', () => {
  for (const name of ['theazo', OWN]) {
    const manifest = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.dependencies, undefined);
  }
});

test('where the native part was left out, the error of a plane says what to install', async () => {
  rmSync(join(project, 'node_modules', OWN), { recursive: true });

  const { stdout, stderr } = await run(
    'missing.mjs',
    `import { Theazo, TheazoError } from 'theazo';
    const error = await Theazo.embedded().catch((error) => error);
    console.log(JSON.stringify({ isOurs: error instanceof TheazoError, ...error, message: error.message }));
    const call = await new Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9', maxRetries: 0 }).health().catch((error) => error);
    console.log(JSON.stringify({ code: call.code, kind: call.kind }));`,
  );
  const [plane, call] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

  assert.equal(plane.isOurs, true);
  assert.equal(plane.code, 'configuration');
  assert.match(
    plane.message,
    new RegExp(`^the control plane of theazo cannot be loaded on ${ownPlatform()} \\(Node v`),
  );
  assert.match(plane.hint, new RegExp(`install \`${OWN}@\\d.*lockfile.*THEAZO_NATIVE_PATH`));
  // Calls are made all the same, and a warning says how.
  assert.deepEqual(call, { code: 'connection_error', kind: 'not_sent' });
  assert.match(stderr, /TheazoWarning: .*calls go through `fetch`, which is slower/);
});

test('who asks for the native part by name gets no other', async () => {
  const { stdout } = await run(
    'named.mjs',
    `import { Theazo } from 'theazo';
    try { new Theazo({ apiKey: 'k' }) } catch (error) { console.log(error.message) }`,
    { THEAZO_TRANSPORT: 'native' },
  );

  assert.match(stdout, /^the native part of theazo cannot be loaded on /);
});

test('THEAZO_NATIVE_PATH names a folder with native parts, or a file', async () => {
  const program = `import { Theazo } from 'theazo'; ${LOADED} await Theazo.embedded(); console.log(loaded().join());`;

  const folder = await run('path.mjs', program, { THEAZO_NATIVE_PATH: join(PACKAGE, 'native') });
  const file = await run('path.mjs', program, { THEAZO_NATIVE_PATH: join(PACKAGE, 'native', 'theazo-plane.node') });

  assert.equal(folder.stdout.trim(), 'theazo-plane.node');
  assert.equal(file.stdout.trim(), 'theazo-plane.node');
});
