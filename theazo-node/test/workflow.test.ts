// The workflow builder: the rules of the Rust builder, with the same cases, and W1 to W7 of what the published client gets wrong.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  finishWorkflow,
  InvalidRequestError,
  TheazoError,
  WorkflowBuilder,
  WorkflowCircularDependencyError,
  type WorkflowCreateOpts,
  type WorkflowStepInput,
  workflow,
} from 'theazo';

interface Case {
  name: string;
  definition: WorkflowCreateOpts;
  depends_on: Record<string, string[]>;
  problems: { field: string; message: string }[];
  code: string;
}

const cases: Case[] = JSON.parse(readFileSync(join(__dirname, 'generated/workflow_cases.json'), 'utf8'));

function refused(action: () => unknown): TheazoError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof TheazoError, String(error));
    return error;
  }
  return assert.fail('it was not refused');
}

/** What each step depends on, branches included. */
function dependencies(steps: WorkflowStepInput[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const step of steps) {
    if (step.dependsOn !== undefined) found[step.id] = step.dependsOn;
    if (step.type === 'parallel') Object.assign(found, dependencies(step.branches));
  }
  return found;
}

for (const { name, definition, depends_on, problems, code } of cases) {
  test(`as in Rust: ${name}`, () => {
    if (problems.length === 0) {
      assert.deepEqual(dependencies(finishWorkflow(definition).steps), depends_on);
      return;
    }
    const error = refused(() => finishWorkflow(definition));

    assert.deepEqual(error.details.fields, problems);
    assert.equal(error.code, code);
    assert.equal(error.parameter, problems[0]?.field);
  });
}

test('there are cases of both outcomes', () => {
  assert.ok(cases.filter(({ problems }) => problems.length === 0).length >= 10);
  assert.ok(cases.filter(({ problems }) => problems.length > 0).length >= 8);
});

test('W1: both branches of a condition follow it, and what comes then follows both', () => {
  const { steps } = workflow('publish')
    .step('research', { agent: 'researcher' })
    .condition('check', { if: '$.research.output.confidence > 0.8', then: 'publish', else: 'review' })
    .step('publish', { agent: 'publisher' })
    .step('review', { agent: 'editor' })
    .step('report', { agent: 'reporter' })
    .build();

  assert.deepEqual(dependencies(steps), {
    check: ['research'],
    publish: ['check'],
    review: ['check'],
    report: ['publish', 'review'],
  });
});

test('W2: a condition without a branch is refused, and one branch is enough', () => {
  const error = refused(() => workflow('w').condition('q', { if: '1 > 0' }).build());
  const { steps } = workflow('w').condition('q', { if: '1 > 0', else: 'no' }).step('no', { agent: 'x' }).build();

  assert.equal(error.parameter, 'steps.0.then');
  assert.match(error.hint ?? '', /`steps\.0` is `q`/);
  assert.deepEqual(steps[0], { id: 'q', type: 'condition', expression: '1 > 0', otherwise: 'no' });
});

test('W3: what is built is a copy', () => {
  const branches = [{ id: 'a', agent: 'x' }];
  const builder = workflow('w').parallel('both', branches);
  const first = builder.build();
  const policy = { maxParallel: 2 };

  builder.withPolicy(policy).step('later', { agent: 'x' });
  policy.maxParallel = 9;
  (branches[0] as { agent: string }).agent = 'changed';
  const second = builder.build();

  assert.equal(first.steps.length, 1);
  assert.equal(first.policy, undefined);
  assert.equal(second.steps.length, 2);
  assert.equal(second.policy?.maxParallel, 2);
  assert.deepEqual(first.steps[0], {
    id: 'both',
    type: 'parallel',
    branches: [{ id: 'a', type: 'agent', agent: 'x' }],
  });
});

test('W4: building checks ids, targets, circles, durations, and that there is a step', () => {
  const twice = refused(() => workflow('w').step('a', { agent: 'x' }).step('a', { agent: 'y' }).build());
  const unknown = refused(() =>
    workflow('w')
      .step('a', { agent: 'x', dependsOn: ['b'] })
      .build(),
  );
  const circle = refused(() =>
    workflow('w')
      .step('a', { agent: 'x', dependsOn: ['b'] })
      .step('b', { agent: 'x', dependsOn: ['a'] })
      .build(),
  );
  const empty = refused(() => workflow('w').build());
  const soon = refused(() => workflow('w').delay('d', 'soon').build());

  assert.ok(twice instanceof InvalidRequestError);
  assert.equal(twice.message, '`steps.1.id` must be unique, but `steps.0` is `a` too');
  assert.equal(unknown.message, '`steps.0.dependsOn` names `b`, which is no step of the workflow');
  assert.ok(circle instanceof WorkflowCircularDependencyError);
  assert.match(circle.message, /goes in a circle, each step waits for the next: `a` -> `b` -> `a`/);
  assert.equal(empty.message, '`steps` must have at least one step');
  assert.equal(soon.parameter, 'steps.0.duration');
  assert.equal(soon.kind, 'invalid_input');
});

test('W5: the step of a map has an input, a timeout and an environment', () => {
  const { steps } = workflow('w')
    .map('answers', {
      over: '$.input.tickets',
      agent: 'support',
      input: { ticket: '$.item' },
      timeout: '5m',
      concurrency: 5,
    })
    .build();

  assert.deepEqual(steps[0], {
    id: 'answers',
    type: 'map',
    over: '$.input.tickets',
    concurrency: 5,
    step: { id: 'answers_item', type: 'agent', agent: 'support', inputMap: { ticket: '$.item' }, timeout: '5m' },
  });
});

test('W6: every field of every kind of step can be reached', () => {
  const builder = workflow('w')
    .describe('d')
    .input({ type: 'object' })
    .output({ type: 'object' })
    .withTimeout('1h')
    .withConcurrency(3)
    .withFailurePolicy('pause')
    .withRetries({ maxAttempts: 3, delay: '5s', backoff: 'exponential' })
    .withPlannerPolicy({ maxSteps: 4 })
    .step('a', {
      agent: 'x',
      task: 't',
      env: { TOKEN: { secretRef: 'token' } },
      trigger: 'new',
      stateWrites: ['s'],
      stateReads: ['s'],
      onStepFailure: { action: 'goto', target: 'ap' },
      outputSchema: { type: 'object' },
      onValidationFailure: 'coerce',
    })
    .condition('c', { expression: '$.a.output > 1', then: { agent: 'y', delay: '1m', next: 'pl' } })
    .planner('pl', { agent: 'x', requireApproval: true, maxSpawnedCost: { amount: 100 }, allowedStepTypes: ['agent'] })
    .transform('t', { n: '$.a.output' }, { onStepFailure: { action: 'skip' } })
    .delay('d', { minutes: 5 })
    .approval('ap', 'publish', { params: { to: 'web' }, timeout: '24h', defaultAction: 'deny' })
    .webhook('h', 'https://example.com', { auth: { type: 'bearer', secretRef: 's' }, timeout: '10s', method: 'GET' })
    .wait('w', 'order.paid', { timeout: '1h', onTimeout: 'skip' })
    .parallel('p', [{ id: 'p1', agent: 'x' }])
    .map('m', { over: '$.a.output', agent: 'x' });

  const { steps, ...settings } = builder.build();

  // Each kind of the API has its method; `tsc` fails where one is missing.
  const methods: Record<WorkflowStepInput['type'], keyof WorkflowBuilder> = {
    agent: 'step',
    approval: 'approval',
    condition: 'condition',
    delay: 'delay',
    map: 'map',
    parallel: 'parallel',
    planner: 'planner',
    transform: 'transform',
    wait: 'wait',
    webhook: 'webhook',
  };
  assert.deepEqual(new Set(steps.map(({ type }) => type)), new Set(Object.keys(methods)));
  assert.deepEqual(Object.keys(settings).sort(), [
    'concurrency',
    'description',
    'inputSchema',
    'name',
    'onFailure',
    'outputSchema',
    'plannerPolicy',
    'retries',
    'timeout',
  ]);
});

test('W7: a map takes its step whole, and what is no action is refused', () => {
  const { steps } = workflow('w')
    .map('each', { over: '$.input.urls', step: { agent: 'reader', input: { url: '$.item' } } })
    .build();
  const error = refused(() =>
    workflow('w')
      .approval('ok', { action: 'publish' } as never)
      .build(),
  );

  assert.deepEqual(steps[0]?.type === 'map' && steps[0].step, {
    id: 'each_item',
    type: 'agent',
    agent: 'reader',
    inputMap: { url: '$.item' },
  });
  assert.equal(error.parameter, 'steps.0.action');
});

test('a builder is made by its class too, and an explicit empty list of dependencies is kept', () => {
  const { name, steps } = new WorkflowBuilder('w')
    .step('a', { agent: 'x' })
    .step('b', { agent: 'x', dependsOn: [] })
    .build();

  assert.equal(name, 'w');
  assert.deepEqual(steps[1]?.dependsOn, []);
});
