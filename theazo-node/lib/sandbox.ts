// `theazo/sandbox`: what a program in a sandbox tells the control plane of itself. No native part and no dependencies, so
// that this one file can be put into a sandbox beside the program.

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

/** How many reports wait to be sent at most; more are counted as lost, so that a program cannot fill its memory. */
const QUEUE = 10_000;

/** How long one attempt to send a report may take, in milliseconds. */
const ATTEMPT_TIMEOUT = 5_000;

/** How often a report is sent at most. */
const ATTEMPTS = 3;

/** An amount of money. */
export interface ModelCost {
  /** Cents. */
  amount: number;
  /** The currency, `usd`. */
  currency: string;
  /** The exact amount in millionths of a cent. */
  microCents?: number | undefined;
}

/** A call of a model that the program made itself. */
export interface ModelCall {
  /** The model, for example `anthropic/claude-sonnet`. */
  model: string;
  /** Tokens that went in. */
  inputTokens: number;
  /** Tokens that came out. */
  outputTokens: number;
  /** What it cost, if the program knows; noted, and not charged. */
  cost?: ModelCost | undefined;
}

/** What the program came to. */
export interface Completion {
  /** What it came to. */
  output: string;
  /** Paths of the files that belong to it; none by default. */
  artifacts?: string[] | undefined;
}

/** What belongs to a log entry or a span. */
export type Metadata = Record<string, unknown>;

/** The program is in a sandbox: where its reports go, and in whose name. */
interface Place {
  endpoint: string;
  agentId: string;
  sessionId: string;
}

const present = new AsyncLocalStorage<string>();
const traceId = `tr_${randomBytes(16).toString('hex')}`;

let tail: Promise<void> = Promise.resolve();
let waiting = 0;
let lostReports = 0;
let problem: unknown;
let hasWarned = false;

/** The log of the agent. Entries are sent in their order; logging never fails and never waits. */
export const log: {
  debug(message: string, metadata?: Metadata): void;
  info(message: string, metadata?: Metadata): void;
  warn(message: string, metadata?: Metadata): void;
  error(message: string, metadata?: Metadata): void;
} = {
  debug: (message, metadata) => write('debug', message, metadata),
  info: (message, metadata) => write('info', message, metadata),
  warn: (message, metadata) => write('warn', message, metadata),
  error: (message, metadata) => write('error', message, metadata),
};

function write(level: string, message: string, metadata: Metadata | undefined): void {
  report('log', { level, message, metadata, timestamp: now(), traceId, spanId: present.getStore() });
}

/** Calls of models that the program makes itself, so that they count in what the agent used. */
export const model: { track(call: ModelCall): void } = {
  track: ({ model, inputTokens, outputTokens, cost }) =>
    report('model', {
      model,
      inputTokens,
      outputTokens,
      cost,
      timestamp: now(),
      traceId,
      parentSpanId: present.getStore(),
    }),
};

/**
 * Does some work as a span of the agent's trace, and gives what the work gives or throws what it throws. Spans and log
 * entries within it belong to it.
 *
 * ```ts
 * const page = await span('fetch', () => fetch(url), { url });
 * ```
 */
export async function span<T>(name: string, work: () => T | Promise<T>, attributes?: Metadata): Promise<T> {
  const spanId = `span_${randomBytes(16).toString('hex')}`;
  const parentSpanId = present.getStore();
  const began = Date.now();
  // How long it takes is measured by a clock that nobody sets back.
  const since = performance.now();
  const end = (error?: string) => {
    const durationMs = Math.round(performance.now() - since);
    const [startTime, endTime] = [began, began + durationMs].map((time) => new Date(time).toISOString());
    const status = error === undefined ? 'completed' : 'failed';
    report('span', { name, startTime, endTime, durationMs, status, error, attributes, traceId, spanId, parentSpanId });
  };
  try {
    const result = await present.run(spanId, async () => work());
    end();
    return result;
  } catch (error) {
    end(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Reports how far the program is, 0 to 100; what is beyond is taken for the nearer end. */
export function progress(percentage: number, message: string): void {
  const within = Number.isNaN(percentage) ? 0 : Math.min(100, Math.max(0, percentage));
  report('progress', { percentage: within, message, timestamp: now() });
}

/** Reports what the program came to. */
export function complete({ output, artifacts = [] }: Completion): void {
  report('complete', { output, artifacts, timestamp: now() });
}

/** Waits until every report so far was sent, and throws if one could not be since the last flush. */
export async function flush(): Promise<void> {
  await tail;
  const error = problem;
  problem = undefined;
  if (error !== undefined) throw error;
}

/** How many reports could not be sent. */
export function lost(): number {
  return lostReports;
}

/** All of it as one object. */
export const theazo = { log, model, span, progress, complete, flush, lost };

/** Puts a report behind those that wait. Outside of a sandbox there is nobody to tell. */
function report(what: string, body: Record<string, unknown>): void {
  const place = placeOf(process.env);
  if (!place) return;
  const { endpoint, agentId, sessionId } = place;
  const json = written({ ...body, agentId, sessionId });
  if (waiting >= QUEUE) {
    lostReports += 1;
    return;
  }
  waiting += 1;
  tail = tail.then(async () => {
    try {
      await send(`${endpoint}/v1/sandbox/${what}`, json);
    } catch (error) {
      lostReports += 1;
      problem = error;
      warnOnce(`a report of this program could not be sent: ${error instanceof Error ? error.message : error}`);
    }
    waiting -= 1;
  });
}

function placeOf(environment: NodeJS.ProcessEnv): Place | undefined {
  const { THEAZO_ENDPOINT: endpoint, THEAZO_AGENT_ID: agentId, THEAZO_SESSION_ID: sessionId } = environment;
  if (endpoint && agentId && sessionId) return { endpoint: endpoint.replace(/\/+$/, ''), agentId, sessionId };
  warnOnce(
    'this program is in no sandbox, so it reports nothing: ' +
      'not all of THEAZO_ENDPOINT, THEAZO_AGENT_ID, THEAZO_SESSION_ID are set',
  );
  return undefined;
}

/** Sends a report, again if that may help. Once one was lost the next ones are tried once, so that the program can end. */
async function send(url: string, body: string): Promise<void> {
  const attempts = lostReports > 0 ? 1 : ATTEMPTS;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await post(url, body);
    if (outcome === undefined) return;
    if (!outcome.isPassing || attempt >= attempts) throw outcome.error;
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

/** What went wrong with one attempt, if anything, and whether it may pass. */
async function post(url: string, body: string): Promise<{ error: unknown; isPassing: boolean } | undefined> {
  try {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(ATTEMPT_TIMEOUT);
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    await response.arrayBuffer();
    if (response.ok) return undefined;
    const isPassing = response.status === 429 || response.status >= 500;
    return { error: new Error(`the control plane answered ${response.status}`), isPassing };
  } catch (error) {
    return { error, isPassing: true };
  }
}

/** A body as JSON, whatever a program puts into its metadata. */
function written(body: Record<string, unknown>): string {
  const above: object[] = [];
  return JSON.stringify(body, function (this: object, _name, value: unknown) {
    if (typeof value === 'bigint') return value.toString();
    if (typeof value !== 'object' || value === null) return value;
    // Only what contains itself is left out; the same object twice side by side is written twice.
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return '[circular]';
    above.push(value);
    return value;
  });
}

function now(): string {
  return new Date().toISOString();
}

/** Says something on standard error, the first time that there is something to say. */
function warnOnce(message: string): void {
  if (hasWarned) return;
  hasWarned = true;
  process.stderr.write(`theazo: ${message}\n`);
}
