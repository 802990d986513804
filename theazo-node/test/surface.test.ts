// The generated surface is complete: every operation of the contract has its method, and the package its names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import * as theazo from 'theazo';
import { TestPlane } from 'theazo/testing';

const ROOT = join(__dirname, '..', '..');

interface OpenApi {
  paths: Record<string, Record<string, { operationId?: string; 'x-theazo-surface'?: string }>>;
}

test('every operation of openapi.json has a method where it says', () => {
  const document = JSON.parse(readFileSync(join(ROOT, 'theazo-api/openapi.json'), 'utf8')) as OpenApi;
  const client = new theazo.Theazo({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' });
  const data = { id: 'x' } as never;
  const receivers: Record<string, unknown> = {
    session: new theazo.Session(undefined as never, data),
    agent: new theazo.Agent(undefined as never, data),
    run: new theazo.Run(undefined as never, data),
    fleet: new theazo.Fleet(undefined as never, data),
    team: new theazo.Team(undefined as never, data),
    testing: TestPlane.prototype,
  };

  const missing: string[] = [];
  let found = 0;
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const surface = operation['x-theazo-surface'];
    // Programs in a sandbox use the operations of `sandbox` through a client of their own.
    if (surface === undefined || surface.startsWith('sandbox.')) continue;
    const [root = '', ...rest] = surface.split('.');
    const start = receivers[root] === undefined ? client : receivers[root];
    const names = receivers[root] === undefined ? [root, ...rest] : rest;
    const member = names.reduce<unknown>(
      (value, name) => (value as Record<string, unknown> | undefined)?.[name],
      start,
    );
    if (typeof member === 'function') found += 1;
    else missing.push(`${operation.operationId}: ${surface}`);
  }

  assert.deepEqual(missing, []);
  assert.ok(found >= 240, `only ${found} operations were found in openapi.json`);
});

test('a test plane has its operations', () => {
  for (const name of ['script', 'advance', 'clock', 'failNext', 'requests', 'charges', 'client', 'close'] as const) {
    assert.equal(typeof TestPlane.prototype[name], 'function', name);
  }
});

test('import and require give the same package', async () => {
  const imported = await import('theazo');
  // biome-ignore lint/security/noGlobalEval: hides the import from the transpiler, which would make a require of it.
  const modules = await eval('import("theazo")');

  assert.equal(imported.TheazoError, theazo.TheazoError);
  assert.equal(modules.TheazoError, theazo.TheazoError);
  for (const name of Object.keys(theazo)) assert.ok(name in modules, `${name} cannot be imported`);
});

test('a handle shows its data', () => {
  const data = { id: 'agt_1', status: 'ready' } as never;

  const agent = new theazo.Agent(undefined as never, data);

  assert.equal(agent.currentStatus, 'ready');
  assert.equal(JSON.stringify({ agent }), '{"agent":{"id":"agt_1","status":"ready"}}');
  assert.match(require('node:util').inspect(agent), /^Agent \{ id: 'agt_1', status: 'ready' \}$/);
});
