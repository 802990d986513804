// Agents of a test plane whose model is a function of the test.

import assert from 'node:assert/strict';

import type { Conversation } from 'theazo/testing';
import { test } from 'theazo/testing/node';

test('a function answers for the model, step by step, with what tools returned', async ({ plane, theazo }) => {
  const asked: Conversation[] = [];
  await plane.script('researcher', async (conversation) => {
    asked.push(conversation);
    const last = conversation.messages.at(-1);
    if (last?.role === 'user') return { toolCalls: [{ tool: 'list_files', input: { dir: '/workspace' } }] };
    return `the tool said ${last?.role === 'tool' ? JSON.stringify(last.output) : 'nothing'}`;
  });
  const session = await theazo.sessions.forUser('user_1');

  const result = await session.run('researcher', 'what is there?');

  assert.match(result.output, /^the tool said "/);
  assert.equal(asked.length, 2);
  assert.equal(asked[0]?.agent, 'researcher');
  assert.deepEqual(asked[0]?.messages.at(-1), { role: 'user', text: 'what is there?' });
  assert.deepEqual(
    asked[1]?.messages.map(({ role }) => role),
    ['user', 'assistant', 'tool'],
  );
  assert.ok(asked[0]?.tools.includes('list_files'));
});

test('turns go before the function, and the function of every agent comes last', async ({ plane, theazo }) => {
  await plane.script('researcher', [{ text: 'from the script' }]);
  await plane.script('researcher', () => 'from its function');
  await plane.script('*', ({ agent }) => ({ text: `from that of all, for ${agent}` }));
  const session = await theazo.sessions.forUser('user_1');

  const outputs = [];
  for (const agent of ['researcher', 'researcher', 'writer']) outputs.push((await session.run(agent, 'go')).output);

  assert.deepEqual(outputs, ['from the script', 'from its function', 'from that of all, for writer']);
});

test('what a function throws is how the model fails', async ({ plane, theazo }) => {
  await plane.script('thrower', () => {
    throw new Error('the prompt is not what the test expects');
  });
  await plane.script('rejecter', async () => Promise.reject(new Error('later')));
  await plane.script('nothing', (() => undefined) as never);
  await plane.script('nonsense', (() => ({ text: 5 })) as never);
  const session = await theazo.sessions.forUser('user_1');
  const failed = async (agent: string) => await session.run(agent, 'go').catch((error) => error.message);

  assert.match(await failed('thrower'), /the prompt is not what the test expects/);
  assert.match(await failed('rejecter'), /later/);
  assert.match(await failed('nothing'), /gave undefined, no turn/);
  assert.match(await failed('nonsense'), /gave no turn: invalid type: integer `5`, expected a string/);
});

test('many runs ask functions at the same time', async ({ plane, theazo }) => {
  await plane.script('*', async ({ messages }) => {
    await new Promise((resolve) => setImmediate(resolve));
    const [task] = messages;
    return `done: ${task?.role === 'user' ? task.text : ''}`;
  });
  const session = await theazo.sessions.forUser('user_1');

  const tasks = Array.from({ length: 20 }, (_, number) => `task ${number}`);
  const outputs = await Promise.all(tasks.map(async (task) => (await session.run('worker', task)).output));

  assert.deepEqual(
    outputs,
    tasks.map((task) => `done: ${task}`),
  );
});
