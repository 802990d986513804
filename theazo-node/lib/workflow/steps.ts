// Steps as they are read: one form for all, with what they name.

import { WAIT_TIMEOUT } from '../generated/known.js';
import type * as types from '../generated/types.js';

/** A step of a workflow. */
export type Step = types.WorkflowStepInput;

/** A step of one kind. */
export type StepOf<Kind extends Step['type']> = Extract<Step, { type: Kind }>;

type Members = Record<string, unknown>;

/**
 * A copy of a step in the form of this version. What other versions write is put in its place: `if` and `else`, a step without
 * a type, branches as `steps`, a map whose step has no id.
 */
export function stepOf(given: object): Step {
  const step: Members = {};
  for (const [name, value] of Object.entries(given)) if (value !== undefined) step[name] = value;
  step.type ??= 'agent';
  switch (step.type) {
    case 'condition':
      accept(step, 'if', 'expression');
      accept(step, 'else', 'otherwise');
      accept(step, 'onTrue', 'then');
      accept(step, 'onFalse', 'otherwise');
      // A builder without a branch writes an empty one.
      for (const branch of ['then', 'otherwise']) if (step[branch] === '') delete step[branch];
      break;
    case 'parallel':
      accept(step, 'steps', 'branches');
      if (Array.isArray(step.branches)) step.branches = step.branches.map(stepOf);
      break;
    case 'map':
      if (isObject(step.step)) step.step = stepOf({ id: `${step.id}_item`, ...step.step });
      break;
  }
  return structuredClone(step) as unknown as Step;
}

function accept(step: Members, other: string, ours: string): void {
  if (other in step) step[ours] ??= step[other];
  delete step[other];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a step depends on. */
export function dependsOn(step: Step): string[] {
  return step.dependsOn ?? [];
}

/** The branches of a parallel step. */
export function branchesOf(step: Step): Step[] {
  return step.type === 'parallel' ? (step.branches ?? []) : [];
}

/** The step of a map. */
export function itemOf(step: Step): Step | undefined {
  return step.type === 'map' ? step.step : undefined;
}

/** The steps that a condition goes on with, by the names of their fields. */
export function branchTargets(step: Step): [field: string, id: string][] {
  if (step.type !== 'condition') return [];
  const targets: [string, string][] = [];
  for (const field of ['then', 'otherwise'] as const) {
    const target = step[field];
    if (typeof target === 'string') targets.push([field, target]);
    else if (target?.next !== undefined) targets.push([`${field}.next`, target.next]);
  }
  return targets;
}

/** The steps that a failure or a timeout leads to, by the names of their fields. */
export function jumpTargets(step: Step): [field: string, id: string][] {
  const targets: [string, string][] = [];
  const policy = step.onStepFailure;
  if (policy?.action === 'goto') targets.push(['onStepFailure.target', policy.target]);
  const next = step.type === 'wait' ? step.onTimeout : undefined;
  if (next !== undefined && !WAIT_TIMEOUT.includes(next)) targets.push(['onTimeout', next]);
  return targets;
}

/** Names that references use for something else than a step. */
export const RESERVED = ['trigger', 'input', 'state', 'item'];

/** The references of a step: the field, and the name after `$.`. */
export function referencesOf(step: Step): [field: string, name: string][] {
  const inText = (field: string, text: string) => namesIn(text).map((name): [string, string] => [field, name]);
  const leading = (field: string, text: string): [string, string][] =>
    text.startsWith('$.') ? [[field, leadingName(text.slice(2))]] : [];
  switch (step.type) {
    case 'agent':
      return sorted(step.inputMap).flatMap(([name, value]) => leading(`inputMap.${name}`, value));
    case 'condition':
      return inText('expression', step.expression);
    case 'transform':
      return sorted(step.expression).flatMap(([name, value]) => inText(`expression.${name}`, value));
    case 'map':
      return leading('over', step.over);
    default:
      return [];
  }
}

/** The members of a map by their names, in the order in which every version goes through them. */
export function sorted<T>(map: Record<string, T> | undefined): [string, T][] {
  return Object.entries(map ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The names after each `$.` of an expression that is not in quotes. */
function namesIn(expression: string): string[] {
  const names: string[] = [];
  let quote: string | undefined;
  for (let place = 0; place < expression.length; place += 1) {
    const letter = expression[place];
    if (quote !== undefined) {
      if (letter === quote) quote = undefined;
    } else if (letter === '"' || letter === "'") quote = letter;
    else if (expression.startsWith('$.', place)) names.push(leadingName(expression.slice(place + 2)));
  }
  return names;
}

/** The name at the beginning of a text; it can have hyphens, as the ids of steps can. */
function leadingName(text: string): string {
  return /^[A-Za-z0-9_-]*/.exec(text)?.[0] ?? '';
}
