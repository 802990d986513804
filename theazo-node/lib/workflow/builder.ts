// Building workflows: steps in the order in which they are to run.

import { errorOf } from '../errors.js';
import type * as types from '../generated/types.js';
import { chainSteps } from './chain.js';
import { checkWorkflow } from './check.js';
import { type Step, type StepOf, stepOf } from './steps.js';

/** What every kind of step can say besides. */
export type StepOptions = Pick<
  types.DelayWorkflowStepInput,
  'dependsOn' | 'onStepFailure' | 'outputSchema' | 'onValidationFailure'
>;

/** What a step of one kind can say, without its id and what the builder takes by position. */
type Options<Kind extends Step['type'], Positional extends string = never> = Omit<
  StepOf<Kind>,
  'id' | 'type' | Positional
>;

/** What an agent step can say; `input` is what published clients call `inputMap`. */
export type AgentStepOptions = Options<'agent'> & { input?: Record<string, string> | undefined };

/** What a condition can say; `if` and `else` are what published clients call `expression` and `otherwise`. */
export type ConditionOptions = StepOptions & {
  then?: types.BranchTargetInput | undefined;
  else?: types.BranchTargetInput | undefined;
  otherwise?: types.BranchTargetInput | undefined;
} & ({ if: string } | { expression: string });

/** What a map can say: its step whole, or the agent of it and what the agent step can say besides. */
export type MapOptions = Options<'map', 'step'> &
  (
    | { step: AgentStepOptions & { id?: string } }
    | Pick<AgentStepOptions, 'agent' | 'task' | 'input' | 'inputMap' | 'timeout' | 'env'>
  );

/** A branch of a parallel step: any step; one without a type is an agent step. */
export type Branch = Step | (AgentStepOptions & { id: string });

/**
 * Begins a workflow with this name.
 *
 * ```ts
 * const definition = workflow('publish-article')
 *   .step('research', { agent: 'researcher', task: 'Find sources about {{ input.topic }}' })
 *   .condition('check', { if: '$.research.output.confidence > 0.8', then: 'write', else: 'dig-deeper' })
 *   .step('write', { agent: 'writer', input: { facts: '$.research.output' } })
 *   .step('dig-deeper', { agent: 'researcher', input: { known: '$.research.output' } })
 *   .approval('sign-off', 'publish_article')
 *   .build();
 * const created = await theazo.workflows.create(definition);
 * ```
 */
export function workflow(name: string): WorkflowBuilder {
  return new WorkflowBuilder(name);
}

/**
 * A workflow that is being built; made by `workflow`. Each method changes the builder and gives it back.
 *
 * A step that does not say `dependsOn` starts when everything before it is done, and one that a condition names when that
 * condition is done, so that the branches of a condition follow it, and what comes then follows both. To let steps run at the
 * same time, say `dependsOn`: with the same step for each of them, or with an empty list to begin at once.
 */
export class WorkflowBuilder {
  readonly #settings: Omit<types.WorkflowCreateOpts, 'steps'>;
  readonly #steps: Step[] = [];

  /** Begins a workflow with this name. */
  constructor(name: string) {
    this.#settings = { name };
  }

  /** Says what the workflow is for. */
  describe(text: string): this {
    return this.#set({ description: text });
  }

  /** The JSON Schema that the input of a run must fit. */
  input(schema: Record<string, unknown>): this {
    return this.#set({ inputSchema: schema });
  }

  /** The JSON Schema that the output of a run must fit. */
  output(schema: Record<string, unknown>): this {
    return this.#set({ outputSchema: schema });
  }

  /** What the steps may do and cost. */
  withPolicy(policy: types.WorkflowPolicyInput): this {
    return this.#set({ policy });
  }

  /** What planner steps may do at most, whatever they say themselves. */
  withPlannerPolicy(policy: types.PlannerPolicyInput): this {
    return this.#set({ plannerPolicy: policy });
  }

  /** How often a step is tried again, and when. */
  withRetries(config: types.RetryConfigInput): this {
    return this.#set({ retries: config });
  }

  /** How long a run may take. */
  withTimeout(duration: types.DurationInput): this {
    return this.#set({ timeout: duration });
  }

  /** How many steps run at the same time. */
  withConcurrency(count: number): this {
    return this.#set({ concurrency: count });
  }

  /** What happens when a step fails that does not say so itself. */
  withFailurePolicy(policy: types.WorkflowFailurePolicy): this {
    return this.#set({ onFailure: policy });
  }

  /** Gives an agent a task. */
  step(id: string, options: AgentStepOptions): this {
    return this.add(agentStep(id, options));
  }

  /** Decides how the workflow goes on. The branch that is not chosen is skipped. */
  condition(id: string, options: ConditionOptions): this {
    return this.add({ ...options, id, type: 'condition' } as Step);
  }

  /** Runs steps at the same time, and is done when all of them are. */
  parallel(id: string, branches: Branch[], options: StepOptions = {}): this {
    return this.add({ ...options, id, type: 'parallel', branches: branches.map(branchStep) });
  }

  /** Computes values without an agent, by their names. */
  transform(id: string, expression: Record<string, string>, options: StepOptions = {}): this {
    return this.add({ ...options, id, type: 'transform', expression });
  }

  /** Runs an agent step for each item of a list, in which `$.item` is the item. */
  map(id: string, options: MapOptions): this {
    if ('step' in options) {
      const { step, ...own } = options;
      return this.add({ ...own, id, type: 'map', step: agentStep(step.id ?? `${id}_item`, step) });
    }
    const { agent, task, input, inputMap, timeout, env, ...own } = options;
    const step = agentStep(`${id}_item`, { agent, task, input, inputMap, timeout, env });
    return this.add({ ...own, id, type: 'map', step });
  }

  /** Lets an agent plan: the steps that it names become part of the run. */
  planner(id: string, options: Options<'planner'>): this {
    return this.add({ ...options, id, type: 'planner' });
  }

  /** Waits. A run that waits costs nothing. */
  delay(id: string, duration: types.DurationInput, options: StepOptions = {}): this {
    return this.add({ ...options, id, type: 'delay', duration });
  }

  /** Waits until somebody approves. */
  approval(id: string, action: string, options: Options<'approval', 'action'> = {}): this {
    return this.add({ ...options, id, type: 'approval', action });
  }

  /** Calls an address. */
  webhook(id: string, url: string, options: Options<'webhook', 'url'> = {}): this {
    return this.add({ ...options, id, type: 'webhook', url });
  }

  /** Waits for an event. */
  wait(id: string, event: string, options: Options<'wait', 'event'> = {}): this {
    return this.add({ ...options, id, type: 'wait', event });
  }

  /** Adds a step as `workflows.create` takes it, of whatever kind. */
  add(step: Step): this {
    this.#steps.push(stepOf(step));
    return this;
  }

  /**
   * The workflow, with what its steps depend on filled in, and checked as a whole. It is a copy: what is added to the builder
   * afterwards does not change it.
   *
   * An `InvalidRequestError` says all that is wrong that shows without running: no steps, an id that is there twice, a step or
   * a reference that is not there, a condition that leads nowhere, a duration that is none. Steps that wait for one another in
   * a circle are a `WorkflowCircularDependencyError`. `parameter` names the first field, `details.fields` all.
   */
  build(): types.WorkflowCreateOpts {
    return finish({ ...this.#settings, steps: this.#steps });
  }

  #set(settings: Omit<types.WorkflowCreateOpts, 'steps' | 'name'>): this {
    Object.assign(this.#settings, structuredClone(settings));
    return this;
  }
}

/**
 * Fills in what the steps of a definition depend on where they do not say it, and checks it as a whole: what `build` does, for
 * a definition that comes from elsewhere, for example from a file.
 */
export function finish(given: types.WorkflowCreateOpts): types.WorkflowCreateOpts {
  const definition = { ...structuredClone({ ...given, steps: [] }), steps: given.steps.map(stepOf) };
  chainSteps(definition.steps);
  const { code, problems } = checkWorkflow(definition);
  if (problems.length === 0) return definition;
  // Whoever built the steps knows them by their ids, not by their numbers.
  const numbers = problems
    .map(({ field }) => /^steps\.(\d+)/.exec(field)?.[1])
    .filter((number) => number !== undefined);
  const names = [...new Set(numbers)]
    .map((number) => [number, definition.steps[Number(number)]?.id])
    .filter(([, id]) => id)
    .map(([number, id]) => `\`steps.${number}\` is \`${id}\``);
  throw errorOf({
    code,
    kind: 'invalid_input',
    message: problems.map(({ field, message }) => `\`${field}\` ${message}`).join('; '),
    parameter: problems[0]?.field ?? null,
    details: { fields: problems },
    hint: names.length === 0 ? null : names.join(', '),
  });
}

/** An agent step, whose `input` is its `inputMap`. */
function agentStep(id: string, { input, ...options }: AgentStepOptions & { id?: string }): StepOf<'agent'> {
  const inputMap = input ?? options.inputMap;
  return { ...options, ...(inputMap === undefined ? {} : { inputMap }), id, type: 'agent' };
}

function branchStep(branch: Branch): Step {
  return 'type' in branch ? branch : agentStep(branch.id, branch);
}
