// The life of the process: it stays while calls are pending, and ends by itself when none is.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { Theazo } from 'theazo';

import { AGENT, deferred, json, SESSION, serve } from './server.js';

/** Runs a program in a process of its own, which `by` may start, and gives what it printed when it has ended by itself. */
function run(test: TestContext, url: string, program: string, by: readonly string[] = []): Promise<string> {
  const preamble = "import { Theazo } from 'theazo'; const theazo = new Theazo();";
  const [command, ...args] = [...by, process.execPath, '--input-type=module', '--eval', preamble + program];
  const child = spawn(command as string, args, {
    cwd: join(__dirname, '..'),
    env: { ...process.env, THEAZO_BASE_URL: url, THEAZO_API_KEY: 'k' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  test.after(() => child.kill());
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(text.trim()) : reject(new Error(`it ended with ${code}`))));
  });
}

test('a process ends by itself after its calls, without a close', { timeout: 30_000 }, async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));

  const printed = await run(context, server.url, "console.log((await theazo.sessions.get('ses_1')).id)");

  assert.equal(printed, 'ses_1');
});

test('a process stays while a call is pending', { timeout: 30_000 }, async (context) => {
  const arrived = deferred();
  const released = deferred();
  const server = await serve(context, (_, response) => {
    arrived.resolve();
    released.promise.then(() => json(response, SESSION));
  });

  const printed = run(context, server.url, "theazo.sessions.get('ses_1').then(({ id }) => console.log(id))");
  await arrived.promise;
  // The other process has nothing to do but wait; had it ended, nothing would be printed.
  const other = await run(context, server.url, "console.log('another one')");
  released.resolve();

  assert.equal(other, 'another one');
  assert.equal(await printed, 'ses_1');
});

test('a call for which no thread can be started says what to raise, and the next one is made', {
  timeout: 30_000,
}, async (context) => {
  const server = await serve(context, (_, response) => json(response, SESSION));
  const program = `
    import { closeSync, openSync } from 'node:fs';
    process.on('unhandledRejection', (error) => console.log('unhandled', error));
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    const error = await theazo.sessions.get('ses_1').catch((error) => error);
    for (const file of held) closeSync(file);
    const { id } = await theazo.sessions.get('ses_1');
    console.log(JSON.stringify([error.constructor.name, error.code, error.message, error.hint, id]));
  `;

  const printed = await run(context, server.url, program, ['sh', '-c', 'ulimit -n 200; exec "$0" "$@"']);

  assert.deepEqual(JSON.parse(printed), [
    'ConfigurationError',
    'configuration',
    'cannot start the thread of the Theazo SDK: Too many open files (os error 24)',
    'it needs three open files and one thread; raise the limits of the process',
    'ses_1',
  ]);
  assert.equal(server.sent.length, 1);
});

test('a stream that was left open does not keep the process', { timeout: 30_000 }, async (context) => {
  const server = await serve(context, (sent, response) => {
    if (sent.path.endsWith('/stream')) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-theazo-run-id': 'arun_1' });
      response.write('id: 1\ndata: {"type":"text","text":"a"}\n\n');
    } else json(response, AGENT);
  });

  const program = `
    const agent = await theazo.agents.get('agt_1');
    const stream = agent.stream('talk');
    console.log((await stream.next()).value.text);
  `;

  assert.equal(await run(context, server.url, program), 'a');
});

test('an embedded control plane does not keep the process', { timeout: 30_000 }, async (context) => {
  const program = `
    const plane = await Theazo.embedded();
    console.log((await plane.sessions.forUser('user_1')).userId);
  `;

  assert.equal(await run(context, 'http://127.0.0.1:9', program), 'user_1');
});

test('a worker that is terminated in the middle of a call leaves the others alone', {
  timeout: 30_000,
}, async (context) => {
  const arrived = deferred();
  const server = await serve(context, (sent, response) => {
    if (sent.path.endsWith('ses_slow')) arrived.resolve();
    else json(response, SESSION);
  });
  const options = JSON.stringify({ apiKey: 'k', baseUrl: server.url });
  const program = `
    const { Theazo } = require(${JSON.stringify(join(__dirname, '..'))});
    new Theazo(${options}).sessions.get('ses_slow');
  `;

  const worker = new Worker(program, { eval: true });
  await arrived.promise;
  await worker.terminate();

  const theazo = new Theazo({ apiKey: 'k', baseUrl: server.url });
  assert.equal((await theazo.sessions.get('ses_1')).id, 'ses_1');
});
