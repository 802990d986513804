// The order of a workflow's steps: what must be done before what, where that goes in a circle, and what a step can know. As in
// `theazo-api/src/workflow_graph.rs`; both are tested with the same cases.
//
// Each step has two points, its start and its end. A step starts after the ends of the steps that it depends on; the branches
// of a parallel step and the step of a map start after its start, and it ends after their ends; a step that a condition names
// starts after the end of the condition.

import { branchesOf, branchTargets, dependsOn, itemOf, jumpTargets, type Step } from './steps.js';

/** A step and where it stands. */
export interface Node {
  step: Step;
  /** The path in the workflow: `steps.2.branches.0`. */
  path: string;
  /** In the workflow itself, in a parallel step, or in a map. */
  place: 'top' | 'branch' | 'item';
  /** The step that it is in. */
  parent: number | undefined;
}

/** A circle: the ids of its steps, each of which waits for the next, and the first of them in the workflow. */
export interface Cycle {
  ids: string[];
  first: number;
}

const start = (node: number) => 2 * node;
const end = (node: number) => 2 * node + 1;

/** The steps of a workflow, those inside of others too, with their order. Of two steps with one id the first counts. */
export class Graph {
  readonly nodes: Node[] = [];
  /** The steps by their ids, without those of maps, which nothing outside can name. */
  readonly #byId = new Map<string, number>();
  /** For each point, the points before it. */
  readonly #before: number[][];
  /** For each point, those from which a failure or a timeout can lead to it. */
  readonly #jumps: number[][];

  constructor(steps: Step[]) {
    for (const [index, step] of steps.entries()) this.#add(step, `steps.${index}`, 'top', undefined);
    for (const [index, { step, place }] of this.nodes.entries()) {
      if (place !== 'item' && !this.#byId.has(step.id)) this.#byId.set(step.id, index);
    }
    const before = this.nodes.flatMap(() => [new Set<number>(), new Set<number>()]);
    const jumps = this.nodes.flatMap(() => [new Set<number>(), new Set<number>()]);
    for (const index of this.nodes.keys()) this.#order(index, before, jumps);
    const inOrder = (points: Set<number>) => [...points].sort((one, other) => one - other);
    this.#before = before.map(inOrder);
    this.#jumps = jumps.map(inOrder);
  }

  #add(step: Step, path: string, place: Node['place'], parent: number | undefined): void {
    const own = this.nodes.push({ step, path, place, parent }) - 1;
    for (const [index, branch] of branchesOf(step).entries()) {
      this.#add(branch, `${path}.branches.${index}`, 'branch', own);
    }
    const item = itemOf(step);
    if (item !== undefined) this.#add(item, `${path}.step`, 'item', own);
  }

  #order(index: number, before: Set<number>[], jumps: Set<number>[]): void {
    const { step, parent } = this.nodes[index] as Node;
    before[end(index)]?.add(start(index));
    if (parent !== undefined) {
      before[start(index)]?.add(start(parent));
      before[end(parent)]?.add(end(index));
    }
    for (const id of dependsOn(step)) {
      const dependency = this.find(id);
      if (dependency !== undefined) before[start(index)]?.add(end(dependency));
    }
    for (const [points, targets] of [
      [before, branchTargets(step)],
      [jumps, jumpTargets(step)],
    ] as const) {
      for (const [, id] of targets) {
        const target = this.find(id);
        if (target !== undefined) points[start(target)]?.add(end(index));
      }
    }
  }

  /** The step with this id that others can name. */
  find(id: string): number | undefined {
    return this.#byId.get(id);
  }

  /** The map whose step has this id. */
  mapOfItem(id: string): Step | undefined {
    const item = this.nodes.find(({ place, step }) => place === 'item' && step.id === id);
    return item?.parent === undefined ? undefined : this.nodes[item.parent]?.step;
  }

  /** A circle in which steps wait for one another. */
  cycle(): Cycle | undefined {
    const left = this.#leftInCircles();
    const firstLeft = left.indexOf(true);
    if (firstLeft < 0) return undefined;
    // Each point that is left waits for another that is: following them leads into a circle.
    const walk = [firstLeft];
    const placeInWalk = new Map([[firstLeft, 0]]);
    for (;;) {
      const next = this.#before[walk.at(-1) as number]?.find((point) => left[point]) as number;
      const begin = placeInWalk.get(next);
      if (begin !== undefined) return this.#cycleOf(walk.slice(begin));
      placeInWalk.set(next, walk.length);
      walk.push(next);
    }
  }

  #cycleOf(points: number[]): Cycle {
    const nodes = points.map((point) => point >> 1).filter((node, index, all) => node !== all[index - 1]);
    while (nodes.length > 1 && nodes[0] === nodes.at(-1)) nodes.pop();
    const first = Math.min(...nodes);
    const place = nodes.indexOf(first);
    const turned = [...nodes.slice(place), ...nodes.slice(0, place)];
    return { ids: turned.map((node) => (this.nodes[node] as Node).step.id), first };
  }

  /** The points that are never reached, because each waits for another of them. */
  #leftInCircles(): boolean[] {
    const after: number[][] = this.#before.map(() => []);
    for (const [point, before] of this.#before.entries()) for (const earlier of before) after[earlier]?.push(point);
    const waitsFor = this.#before.map((before) => before.length);
    const ready = [...waitsFor.keys()].filter((point) => waitsFor[point] === 0);
    const left = waitsFor.map(() => true);
    for (let point = ready.pop(); point !== undefined; point = ready.pop()) {
      left[point] = false;
      for (const later of after[point] ?? []) {
        waitsFor[later] = (waitsFor[later] as number) - 1;
        if (waitsFor[later] === 0) ready.push(later);
      }
    }
    return left;
  }

  /** For each step, whether it can be done before this one starts. */
  doneBefore(index: number): boolean[] {
    const seen = new Set<number>();
    const open = [start(index)];
    for (let point = open.pop(); point !== undefined; point = open.pop()) {
      for (const earlier of [...(this.#before[point] ?? []), ...(this.#jumps[point] ?? [])]) {
        if (!seen.has(earlier)) {
          seen.add(earlier);
          open.push(earlier);
        }
      }
    }
    return this.nodes.map((_, node) => seen.has(end(node)));
  }
}
