// How things are measured: in turns with what they are compared with, the median of the turns, one JSON line for each measure.

export const SECONDS = Number(process.env.THEAZO_BENCH_SECONDS ?? '0.5');
export const TURNS = Number(process.env.THEAZO_BENCH_TURNS ?? '9');

export type Call = () => Promise<unknown>;

/** Prints a measure: a ratio, or a value in the unit that its name says, and the bar that it is held to. */
export function report(name: string, value: number, bar: number, better: 'higher' | 'lower', detail: string): void {
  console.log(JSON.stringify({ name: `node ${name}`, ratio: Number(value.toFixed(3)), bar, better, detail }));
}

/** What a way of making calls costs, with so many in flight. */
export interface Rate {
  perSecond: number;
  /** CPU time of the whole process for each call, in microseconds. */
  cpu: number;
  /** The median time of a call, in microseconds. */
  median: number;
}

/** Makes calls for a while. */
export async function rate(call: Call, inFlight: number): Promise<Rate> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + SECONDS * 1000;
  const worker = async () => {
    for (let now = performance.now(); now < end; ) {
      await call();
      const after = performance.now();
      times.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const { user, system } = process.cpuUsage(cpu);
  const elapsed = performance.now() - start;
  return {
    perSecond: (times.length * 1000) / elapsed,
    cpu: (user + system) / times.length,
    median: median(times) * 1000,
  };
}

/** Measures two ways of making calls in turns. */
export async function pairs(ours: Call, theirs: Call, inFlight: number): Promise<[ours: Rate, theirs: Rate][]> {
  await rate(ours, inFlight);
  await rate(theirs, inFlight);
  const pairs: [Rate, Rate][] = [];
  for (let turn = 0; turn < TURNS; turn++) pairs.push([await rate(ours, inFlight), await rate(theirs, inFlight)]);
  return pairs;
}

/** Reports the median of the ratios of one number of each pair. */
export function compare(
  name: string,
  measured: [Rate, Rate][],
  number: keyof Rate,
  bar: number,
  better: 'higher' | 'lower',
): void {
  const ratio = median(measured.map(([mine, other]) => mine[number] / other[number]));
  const [mine, other] = [0, 1].map((side) => median(measured.map((pair) => (pair[side] as Rate)[number])));
  const unit = number === 'perSecond' ? '/s' : ' µs';
  const detail = `${mine?.toFixed(0)}${unit} against ${other?.toFixed(0)}${unit}, median of ${measured.length} pairs`;
  report(name, ratio, bar, better, detail);
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
