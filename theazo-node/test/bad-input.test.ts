// Bad input: a typed error or a contained result, with the field or the reason named, and nothing lost.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type Agent, Theazo, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

/** What a call was rejected with. */
async function rejected(call: Promise<unknown>): Promise<TheazoError> {
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof TheazoError, String(error));
  return error;
}

/** An agent in a real sandbox of a control plane that ends with the test. */
async function realAgent(context: TestContext): Promise<Agent> {
  const theazo = await Theazo.embedded();
  context.after(() => theazo.close());
  const session = await theazo.sessions.forUser('ada');
  return await session.agents.create();
}

test('what belongs to another account is not found', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  const session = await plane.client().sessions.forUser('ada');
  const agent = await session.agents.create();
  const { apiKey } = await plane.createAccount();
  const theirs = plane.client({ apiKey });

  const foreignSession = await rejected(theirs.sessions.get(session.id));
  const foreignAgent = await rejected(theirs.agents.get(agent.id));
  const sameUser = await theirs.sessions.forUser('ada');

  assert.deepEqual([foreignSession.code, foreignSession.status], ['not_found', 404]);
  assert.deepEqual([foreignAgent.code, foreignAgent.status], ['not_found', 404]);
  assert.notEqual(sameUser.id, session.id);
});

test('a program that never ends is killed, and the agent goes on', async (context) => {
  const agent = await realAgent(context);

  const error = await rejected(agent.exec('python', 'while True: pass', { timeout: '300ms' }));

  assert.deepEqual([error.code, error.status], ['timeout', 504]);
  assert.equal((await agent.exec('python', "print('still here')")).stdout, 'still here\n');
});

test('a gigabyte of output is cut, and the exit code kept', async (context) => {
  const agent = await realAgent(context);

  const result = await agent.exec(
    'python',
    "import sys\nblock = 'x' * (1 << 20)\nfor _ in range(1024): sys.stdout.write(block)\nsys.exit(7)",
  );

  assert.deepEqual([result.exitCode, result.truncated, result.stdout.length], [7, true, 1 << 20]);
});

test('a sandbox cannot read the files of its host', async (context) => {
  const agent = await realAgent(context);
  const folder = mkdtempSync(join(tmpdir(), 'theazo-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const secret = join(folder, 'secret');
  writeFileSync(secret, "the host's secret");

  const result = await agent.exec(
    'python',
    `import os\nos.symlink('${secret}', 'link')\nprint(open('${secret}').read())`,
  );
  const byLink = await rejected(agent.files.read('link'));
  const byPath = await rejected(agent.files.read(secret));

  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /No such file or directory/);
  assert.equal(byLink.code, 'not_found');
  assert.equal(byPath.code, 'invalid_request');
});
