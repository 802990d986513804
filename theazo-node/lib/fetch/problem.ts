// What goes wrong, in the form in which the native part says it: an error whose message is JSON.

/** What one attempt came to. */
export interface AttemptParts {
  number: number;
  status: number | null;
  requestId: string | null;
  problem: string | null;
  waitedMs: number;
  tookMs: number;
}

/** Everything that an error carries. */
export interface ProblemParts {
  code: string;
  message: string;
  status: number;
  requestId: string;
  traceId: string;
  details: Record<string, unknown>;
  hint: string | null;
  kind: string;
  parameter: string | null;
  attempts: AttemptParts[];
  retryable: boolean;
  retryAfter: number | null;
  /** What it was caused by, the nearest first. */
  causes: string[];
}

/** A failed call on its way to the caller, who gets a `TheazoError` made of its parts. */
export class Problem extends Error {
  readonly parts: ProblemParts;

  constructor(parts: Partial<ProblemParts> & Pick<ProblemParts, 'code' | 'kind' | 'message'>) {
    super('');
    this.parts = {
      status: 0,
      requestId: '',
      traceId: '',
      details: {},
      hint: null,
      parameter: null,
      attempts: [],
      retryable: false,
      retryAfter: null,
      causes: [],
      ...parts,
    };
    // The parts are completed on the way, so the text is made when it is asked for.
    Object.defineProperty(this, 'message', { get: () => JSON.stringify(this.parts) });
  }
}

/** An argument is wrong; nothing was sent. */
export function invalidInput(parameter: string, problem: string): Problem {
  const details = { fields: [{ field: parameter, message: problem }] };
  const message = `\`${parameter}\` ${problem}`;
  return new Problem({ code: 'invalid_request', kind: 'invalid_input', message, parameter, details });
}

/** The client is not set up correctly; nothing was sent. */
export function misconfigured(message: string, hint?: string): Problem {
  return new Problem({ code: 'configuration', kind: 'configuration', message, hint: hint ?? null });
}

/** The server answered with something that is not what the API describes. */
export function unreadableAnswer(message: string, hint?: string): Problem {
  return new Problem({ code: 'unreadable_answer', kind: 'unreadable', message, hint: hint ?? null });
}
