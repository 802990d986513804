// What can be known to be wrong with a step taken alone, as `theazo-api/src/workflow_step_check.rs` finds it: neither the steps
// inside of it, nor those that it names.

import {
  APPROVAL_DEFAULT,
  ITEM_FAILURE_POLICY,
  STEP_AUTH,
  STEP_FAILURE_POLICY,
  STEP_HTTP_METHOD,
  VALIDATION_FAILURE_POLICY,
  WORKFLOW_STEP_TYPE,
} from '../generated/known.js';
import type * as types from '../generated/types.js';
import { bytesOf, oneOf, type Problems } from './problems.js';
import { dependsOn, type Step, type StepOf, sorted } from './steps.js';

/** A token of RFC 9110. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/** Checks one step. */
export function checkStep(step: Step, problems: Problems): void {
  problems.known(step.onStepFailure?.action, STEP_FAILURE_POLICY, 'onStepFailure.action');
  problems.known(step.onValidationFailure, VALIDATION_FAILURE_POLICY, 'onValidationFailure');
  switch (step.type) {
    case 'agent':
      checkAgent(step, problems);
      break;
    case 'parallel':
      problems.require((step.branches ?? []).length > 0, 'branches', 'must have at least one step');
      break;
    case 'condition':
      checkCondition(step, problems);
      break;
    case 'transform':
      checkTransform(step, problems);
      break;
    case 'map':
      checkMap(step, problems);
      break;
    case 'delay':
      problems.require(step.duration !== undefined, 'duration', 'must say how long');
      problems.length(step.duration, 'duration');
      break;
    case 'approval': {
      const isName = typeof step.action === 'string' && step.action.trim() !== '' && bytesOf(step.action) <= 256;
      problems.require(isName, 'action', 'must be 1 to 256 bytes of text');
      problems.length(step.timeout, 'timeout');
      problems.known(step.defaultAction, APPROVAL_DEFAULT, 'defaultAction');
      break;
    }
    case 'webhook':
      checkWebhook(step, problems);
      break;
    case 'planner':
      problems.text(step.agent, 128, 'agent');
      checkPlanner(step, WORKFLOW_STEP_TYPE, problems);
      break;
    case 'wait': {
      const { event, timeout, onTimeout } = step;
      const isName = typeof event === 'string' && !/[\s\p{Cc}]/u.test(event) && event !== '' && bytesOf(event) <= 128;
      problems.require(isName, 'event', 'must be a name such as `order.paid`: 1 to 128 bytes without spaces');
      problems.length(timeout, 'timeout');
      const isInVain = timeout === undefined && onTimeout !== undefined;
      problems.require(!isInVain, 'onTimeout', 'has no effect without a `timeout`');
      break;
    }
    default:
      problems.add('type', unknownKind((step as { type: string }).type));
  }
}

function checkAgent(step: StepOf<'agent'>, problems: Problems): void {
  problems.text(step.agent, 128, 'agent');
  problems.length(step.timeout, 'timeout');
  for (const [name, value] of sorted(step.env)) {
    problems.require(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name), 'env', 'must be named by letters, digits and `_`');
    const isNamed = typeof value === 'string' || value.secretRef !== '';
    problems.require(isNamed, `env.${name}.secretRef`, 'must name a secret');
  }
  for (const field of ['stateWrites', 'stateReads'] as const) {
    problems.require(!step[field]?.includes(''), field, 'must not have an empty name');
  }
}

function checkCondition(step: StepOf<'condition'>, problems: Problems): void {
  const { expression, then, otherwise } = step;
  const says = typeof expression === 'string' && expression.trim() !== '';
  problems.require(says, 'expression', 'must say what is decided');
  const leads = then !== undefined || otherwise !== undefined;
  problems.require(leads, 'then', 'must say how it goes on, or else `otherwise` must');
  for (const [field, target] of [
    ['then', then],
    ['otherwise', otherwise],
  ] as const) {
    if (target === undefined || typeof target === 'string') continue;
    problems.within(field, () => {
      const { agent, delay, next } = target;
      const isSomething = agent !== undefined || delay !== undefined || next !== undefined;
      problems.require(isSomething, '', 'must have an `agent`, a `delay` or a `next`');
      if (agent !== undefined) problems.text(agent, 128, 'agent');
      problems.length(delay, 'delay');
    });
  }
}

function checkTransform(step: StepOf<'transform'>, problems: Problems): void {
  const values = sorted(step.expression);
  problems.require(values.length > 0, 'expression', 'must compute at least one value');
  for (const [name, value] of values) {
    if (value.trim() === '') problems.add(`expression.${name}`, 'must not be empty');
  }
}

function checkMap(map: StepOf<'map'>, problems: Problems): void {
  const { over, step, concurrency, onItemFailure } = map;
  const isReference = typeof over === 'string' && over.startsWith('$.');
  problems.require(isReference, 'over', 'must be a reference such as `$.fetch.output.tickets`');
  problems.require(step?.type === 'agent', 'step', 'must be an agent step');
  const stands = step === undefined || dependsOn(step).length === 0;
  problems.require(stands, 'step.dependsOn', 'must be absent: the map is what depends');
  problems.count(concurrency, 1000, 'concurrency');
  problems.known(onItemFailure, ITEM_FAILURE_POLICY, 'onItemFailure');
}

function checkWebhook(step: StepOf<'webhook'>, problems: Problems): void {
  const { url, method, headers, auth, timeout } = step;
  const isAddress = typeof url === 'string' && /^https?:\/\//.test(url) && bytesOf(url) <= 2048;
  problems.require(isAddress, 'url', 'must be an `https` address of at most 2048 bytes');
  problems.known(method, STEP_HTTP_METHOD, 'method');
  const areNames = Object.keys(headers ?? {}).every((name) => HEADER_NAME.test(name));
  problems.require(areNames, 'headers', 'has a name that no header can have');
  if (auth !== undefined) {
    if (auth.type === 'bearer') problems.require(auth.secretRef !== '', 'auth.secretRef', 'must name a secret');
    else problems.add('auth.type', oneOf(STEP_AUTH));
  }
  problems.length(timeout, 'timeout');
}

/** Checks what planner steps may do. */
export function checkPlanner(policy: types.PlannerPolicyInput, kinds: readonly string[], problems: Problems): void {
  const { maxSteps, requireApprovalAfterSteps, allowedStepTypes } = policy;
  problems.count(maxSteps, 1_000_000, 'maxSteps');
  problems.count(requireApprovalAfterSteps, 1_000_000, 'requireApprovalAfterSteps');
  if (maxSteps !== undefined && requireApprovalAfterSteps !== undefined) {
    const asks = requireApprovalAfterSteps <= maxSteps;
    const message = 'is larger than `maxSteps`, so that nobody would ever be asked';
    problems.require(asks, 'requireApprovalAfterSteps', message);
  }
  if (allowedStepTypes !== undefined) {
    problems.require(allowedStepTypes.length > 0, 'allowedStepTypes', 'must name at least one kind of step');
    for (const kind of allowedStepTypes) {
      if (!kinds.includes(kind)) problems.add('allowedStepTypes', unknownKind(kind));
    }
  }
  problems.cost(policy.maxSpawnedCost, 'maxSpawnedCost');
}

/** What is wrong with a kind of step that this version does not know. */
function unknownKind(kind: string): string {
  return `\`${kind}\` is no kind of step; there are \`${WORKFLOW_STEP_TYPE.join('`, `')}\``;
}
