// The package on edge runtimes: bundled as they do it, and run with nothing but what the web has, against a control plane.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';

import { build, type Plugin } from 'esbuild';
import { TestPlane } from 'theazo/testing';

/** What runtimes give their programs: no `process`, no `require`, no `Buffer`. */
const WEB = [
  'AbortController AbortSignal Headers ReadableStream Request Response TextDecoder TextEncoder URL URLSearchParams atob btoa',
  'console crypto fetch performance queueMicrotask structuredClone',
]
  .flatMap((names) => names.split(' '))
  .concat(Object.getOwnPropertyNames(globalThis).filter((name) => /^(set|clear)Timeout$/.test(name)));

/** Bundles a program for runtimes that choose the entry of the package by this condition. */
async function bundle(condition: string, program: string): Promise<string> {
  const noNode: Plugin = {
    name: 'no-node',
    setup({ onResolve }) {
      onResolve({ filter: /^node:/ }, ({ path, importer }) => ({ errors: [{ text: `${importer} imports ${path}` }] }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: join(__dirname, '..') },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'program',
    // Neither Node's modules nor its conditions.
    platform: 'neutral',
    conditions: [condition],
    plugins: [noNode],
    target: 'es2022',
  });
  return outputFiles[0]?.text ?? '';
}

/** Runs a bundled program and gives what its function `main` resolves to. */
async function run(code: string, settings: object): Promise<unknown> {
  const web = Object.fromEntries(WEB.map((name) => [name, (globalThis as Record<string, unknown>)[name]]));
  const context = createContext({ ...web, settings: JSON.stringify(settings) });
  const text = await runInContext(
    `${code}\nprogram.main(JSON.parse(settings)).then((value) => JSON.stringify(value))`,
    context,
  );
  return JSON.parse(text as string);
}

async function planeOf(
  context: TestContext,
): Promise<{ plane: TestPlane; settings: { apiKey: string; baseUrl: string } }> {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  return { plane, settings: { apiKey: plane.liveKey, baseUrl: await plane.listen() } };
}

const PROGRAM = `
  import { NotFoundError, Theazo, TheazoError } from 'theazo';

  export async function main(settings) {
    const theazo = new Theazo(settings);
    const session = await theazo.sessions.forUser('user_1');
    const result = await session.run('researcher', 'look at prices');
    const agent = await session.agents.create({ name: 'researcher' });
    const events = [];
    for await (const event of agent.stream('and again')) events.push(event.type);
    await agent.files.write('notes.txt', 'grüße');
    const notes = await agent.files.read('notes.txt');
    const missing = await theazo.sessions.get('ses_none').catch((error) => error);
    const plane = await Theazo.embedded().catch((error) => error);
    return {
      output: result.output,
      events,
      notes: new TextDecoder().decode(notes),
      missing: [missing instanceof NotFoundError, missing instanceof TheazoError, missing.code, missing.status],
      plane: plane.message,
      names: [typeof process, typeof Buffer],
    };
  }
`;

for (const condition of ['workerd', 'edge-light', 'browser']) {
  test(`a program runs where \`${condition}\` chooses the entry`, { timeout: 60_000 }, async (context) => {
    const { plane, settings } = await planeOf(context);
    await plane.script('researcher', [{ text: 'prices rose' }, { text: 'they fell' }]);

    const outcome = await run(await bundle(condition, PROGRAM), settings);

    assert.deepEqual(outcome, {
      output: 'prices rose',
      events: ['text', 'done'],
      notes: 'grüße',
      missing: [true, true, 'not_found', 404],
      plane: 'there is no control plane here: this is the part of theazo for edge runtimes and browsers',
      names: ['undefined', 'undefined'],
    });
  });
}

test('calls are tried again through `fetch`, and take effect once', { timeout: 60_000 }, async (context) => {
  const { plane, settings } = await planeOf(context);
  await plane.failNext({ kind: 'status', status: 503, operation: 'CreateSession' });
  await plane.failNext({ kind: 'reset_after', operation: 'CreateSession' });
  const program = `
    import { Theazo } from 'theazo';
    export async function main(settings) {
      const theazo = new Theazo(settings);
      await theazo.sessions.create({ userId: 'user_1' });
      return (await theazo.sessions.list()).data.length;
    }
  `;

  assert.equal(await run(await bundle('workerd', program), settings), 1);
  const sent = (await plane.requests()).filter(({ operation }) => operation === 'CreateSession');
  assert.deepEqual(
    sent.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
});

test('the entry for edge runtimes is one module without imports', () => {
  const text = readFileSync(join(__dirname, '..', 'dist', 'edge.mjs'), 'utf8');

  assert.doesNotMatch(text, /^import |[^.]\brequire\(['"]|['"]node:/m);
  assert.match(text, /^export \{/m);
});
