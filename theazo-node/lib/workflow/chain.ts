// The order of steps that do not say it themselves, so that a list of steps runs as it reads. The rule is that of
// `theazo-api/src/workflow_chain.rs`, where it is explained; both are tested with the same cases.

import { branchesOf, branchTargets, dependsOn, type Step } from './steps.js';

/**
 * Fills in what each step depends on that does not say it: a step that a condition names starts when the condition is done,
 * every other one when all that is listed before it is done. What a step says itself stays, an empty list included.
 */
export function chainSteps(steps: Step[]): void {
  const conditions = conditionsByTarget(steps);
  const chain = new Chain(steps);
  for (const [index, step] of steps.entries()) {
    afterConditions(step, conditions);
    if (step.dependsOn === undefined && chain.ends.length > 0) {
      step.dependsOn = chain.ends.map((end) => (steps[end] as Step).id);
    }
    chain.take(index);
  }
}

/** The conditions that name each step, by the ids. */
function conditionsByTarget(steps: Step[]): Map<string, string[]> {
  const conditions = new Map<string, string[]>();
  for (const step of steps) {
    visit(step, (step) => {
      for (const [, target] of branchTargets(step)) {
        const namedBy = conditions.get(target) ?? [];
        conditions.set(target, namedBy);
        if (namedBy.at(-1) !== step.id) namedBy.push(step.id);
      }
    });
  }
  return conditions;
}

/** Lets a step that conditions name, and such branches of it, start after them. */
function afterConditions(step: Step, conditions: Map<string, string[]>): void {
  const namedBy = conditions.get(step.id);
  if (step.dependsOn === undefined && namedBy !== undefined) step.dependsOn = [...namedBy];
  for (const branch of branchesOf(step)) afterConditions(branch, conditions);
}

/** Shows a step and the branches in it, however deep. */
function visit(step: Step, see: (step: Step) => void): void {
  see(step);
  for (const branch of branchesOf(step)) visit(branch, see);
}

/** The steps so far, by their places in the list. */
class Chain {
  /** The steps after which nothing comes yet: when they are done, all before them is. */
  ends: number[] = [];
  /** Where the step with this id is, or the one that it is a branch of. */
  readonly #places = new Map<string, number>();
  readonly #isTaken: boolean[] = [];
  /** Steps that were listed, but wait for one that comes later. */
  readonly #waiting: number[] = [];

  constructor(readonly steps: Step[]) {
    for (const [index, step] of steps.entries()) {
      visit(step, ({ id }) => {
        if (!this.#places.has(id)) this.#places.set(id, index);
      });
    }
  }

  /** Takes the next step, and those that waited for it. */
  take(index: number): void {
    this.#waiting.push(index);
    for (;;) {
      const ready = this.#waiting.findIndex((waiting) => this.#isReady(this.steps[waiting] as Step));
      if (ready < 0) return;
      const taken = this.#waiting.splice(ready, 1)[0] as number;
      const step = this.steps[taken] as Step;
      this.ends = this.ends.filter((end) => {
        const before = this.steps[end] as Step;
        return !dependsOn(step).includes(before.id) || leadsPast(before, step);
      });
      this.ends.push(taken);
      this.#isTaken[taken] = true;
    }
  }

  /** Whether all that the step depends on was taken. What it names by mistake is for the check to find. */
  #isReady(step: Step): boolean {
    return dependsOn(step).every((id) => {
      const place = this.#places.get(id);
      return place === undefined || this.#isTaken[place] === true;
    });
  }
}

/** Whether the condition names the step, but the workflow can go on without any step that it names. */
function leadsPast(condition: Step, step: Step): boolean {
  const targets = branchTargets(condition);
  return targets.length === 1 && targets[0]?.[1] === step.id;
}
