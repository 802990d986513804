// What can be known to be wrong with a workflow without running it, as `theazo-api/src/workflow_check.rs` finds it; both are
// tested with the same cases.

import { RETRY_BACKOFF, WAIT_TIMEOUT, WORKFLOW_FAILURE_POLICY, WORKFLOW_STEP_TYPE } from '../generated/known.js';
import type * as types from '../generated/types.js';
import { checkPlanner, checkStep } from './check-step.js';
import { Graph, type Node } from './graph.js';
import { oneOf, type Problem, Problems } from './problems.js';
import { branchTargets, dependsOn, jumpTargets, RESERVED, referencesOf } from './steps.js';

/** How many steps a workflow may have, with those inside of others. */
const MAX_STEPS = 500;

/** What is wrong with a workflow, and the code with which it is refused for that. */
export function checkWorkflow(definition: types.WorkflowCreateOpts): { code: string; problems: Problem[] } {
  const problems = new Problems();
  const code = checkSteps(definition.steps, problems);
  checkSettings(definition, problems);
  return { code, problems: problems.found };
}

function checkSteps(steps: types.WorkflowStepInput[], problems: Problems): string {
  problems.require(steps.length > 0, 'steps', 'must have at least one step');
  const graph = new Graph(steps);
  if (graph.nodes.length > MAX_STEPS) {
    problems.add('steps', `has ${graph.nodes.length} steps, but there may be at most ${MAX_STEPS}`);
    return 'invalid_request';
  }
  checkIds(graph, problems);
  for (const [index, node] of graph.nodes.entries()) {
    problems.within(node.path, () => {
      checkStep(node.step, problems);
      checkTargets(graph, node, problems);
      checkReferences(graph, node, index, problems);
    });
  }
  const cycle = graph.cycle();
  if (cycle === undefined) return 'invalid_request';
  const { ids, first } = cycle;
  problems.add(
    `${graph.nodes[first]?.path}.dependsOn`,
    ids.length === 1
      ? `lets \`${ids[0]}\` wait for itself`
      : `goes in a circle, each step waits for the next: \`${[...ids, ids[0]].join('` -> `')}\``,
  );
  return 'workflow_circular_dependency';
}

function checkIds(graph: Graph, problems: Problems): void {
  const paths = new Map<string, string>();
  for (const { step, path } of graph.nodes) {
    const id = String(step.id ?? '');
    const earlier = paths.get(id);
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) {
      problems.add(`${path}.id`, 'must be 1 to 64 letters, digits, `-` and `_`');
    } else if (RESERVED.includes(id)) {
      problems.add(`${path}.id`, `must not be \`${id}\`: \`$.${id}\` means something else`);
    } else {
      if (earlier !== undefined) problems.add(`${path}.id`, `must be unique, but \`${earlier}\` is \`${id}\` too`);
      paths.set(id, path);
    }
  }
}

/** What is wrong with the steps that a step names. */
function checkTargets(graph: Graph, { step }: Node, problems: Problems): void {
  const target = (field: string, id: string) => {
    if (graph.find(id) !== undefined) return;
    const map = graph.mapOfItem(id);
    problems.add(
      field,
      map === undefined
        ? `names \`${id}\`, which is no step of the workflow`
        : `names \`${id}\`, which is inside of a map; name \`${map.id}\``,
    );
  };
  for (const id of dependsOn(step)) target('dependsOn', id);
  for (const [field, id] of branchTargets(step)) target(field, id);
  for (const [field, id] of jumpTargets(step)) {
    if (id === step.id) problems.add(field, 'must be another step');
    else if (field === 'onTimeout' && graph.find(id) === undefined) {
      problems.add(field, `must be \`${WAIT_TIMEOUT.join('`, `')}\` or the id of a step, not \`${id}\``);
    } else target(field, id);
  }
}

/** What is wrong with the references of a step. */
function checkReferences(graph: Graph, node: Node, index: number, problems: Problems): void {
  const references = referencesOf(node.step);
  if (references.length === 0) return;
  const done = graph.doneBefore(index);
  for (const [field, name] of references) {
    const message = wrongReference(graph, node, name, done);
    if (message !== undefined) problems.add(field, message);
  }
}

function wrongReference(graph: Graph, { step, place }: Node, name: string, done: boolean[]): string | undefined {
  if (name === 'item') {
    return place === 'item' ? undefined : 'refers to `$.item`, which is there only in the step of a map';
  }
  if (RESERVED.includes(name)) return undefined;
  if (name === step.id) return `refers to \`$.${name}\`, the step itself`;
  const found = graph.find(name);
  if (found !== undefined) {
    if (done[found]) return undefined;
    return `refers to \`$.${name}\`, but \`${name}\` need not be done by then; name it in \`dependsOn\``;
  }
  const map = graph.mapOfItem(name);
  if (map !== undefined) return `refers to \`$.${name}\`, which is inside of a map; refer to \`$.${map.id}\``;
  return `refers to \`$.${name}\`, but there is no such step; there are \`$.trigger\`, \`$.input\` and \`$.state\` too`;
}

function checkSettings(settings: types.WorkflowCreateOpts, problems: Problems): void {
  const { name, timeout, policy, onFailure, retries, concurrency, plannerPolicy } = settings;
  if (name !== undefined) problems.text(name, 128, 'name');
  problems.length(timeout, 'timeout');
  if (policy !== undefined) problems.within('policy', () => checkPolicy(policy, problems));
  problems.known(onFailure, WORKFLOW_FAILURE_POLICY, 'onFailure');
  if (retries !== undefined) problems.within('retries', () => checkRetries(retries, problems));
  problems.count(concurrency, 10_000, 'concurrency');
  if (plannerPolicy !== undefined) {
    problems.within('plannerPolicy', () => checkPlanner(plannerPolicy, WORKFLOW_STEP_TYPE, problems));
  }
}

function checkPolicy(policy: types.WorkflowPolicyInput, problems: Problems): void {
  for (const tool of policy.denyTools ?? []) {
    if (policy.allowTools?.includes(tool)) problems.add('denyTools', `denies \`${tool}\`, which \`allowTools\` allows`);
    if (policy.requireApprovalFor?.includes(tool)) {
      problems.add('denyTools', `denies \`${tool}\`, which \`requireApprovalFor\` allows when approved`);
    }
  }
  problems.cost(policy.maxCostPerStep, 'maxCostPerStep');
  problems.cost(policy.maxTotalCost, 'maxTotalCost');
  problems.count(policy.maxStepsTotal, 1_000_000, 'maxStepsTotal');
  problems.count(policy.maxParallel, 1_000_000, 'maxParallel');
}

function checkRetries(retries: types.RetryConfigInput, problems: Problems): void {
  const { maxAttempts, delay, backoff } = retries;
  const isCount = Number.isInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= 100;
  problems.require(isCount, 'maxAttempts', 'must be a whole number from 1 to 100; the first try counts');
  problems.duration(delay, 'delay');
  if (backoff !== undefined) problems.require(RETRY_BACKOFF.includes(backoff), 'backoff', oneOf(RETRY_BACKOFF));
}
