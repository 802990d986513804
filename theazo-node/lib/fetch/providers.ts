// Bring your own: the caller's compute and model providers, sealed into each session that is created.
//
// `sessions.forUser` is called on every request of a user, so it first says only a digest of them; a server that needs them
// asks (`providers_required`), and only then they are sent.

import type { Answer } from './exchange.js';
import type { Call } from './operation.js';
import { Problem, unreadableAnswer } from './problem.js';

const CONCERNED = ['CreateSession', 'GetOrCreateUserSession'];

/** The caller's providers. */
export class Providers {
  readonly #members: Record<string, unknown>;
  #digest: Promise<string> | undefined;

  private constructor(members: Record<string, unknown>) {
    this.#members = members;
  }

  /** The providers among the options of a client, if there are any. */
  static of({ compute, models }: Record<string, unknown>): Providers | undefined {
    const members = Object.fromEntries(
      Object.entries({ compute, models }).filter(([, value]) => value !== undefined && value !== null),
    );
    return Object.keys(members).length === 0 ? undefined : new Providers(members);
  }

  /** The secrets among them: everything in `credentials`. */
  get secrets(): string[] {
    return credentialsIn(this.#members, false);
  }

  /** Whether a call creates sessions. */
  concern(call: Call): boolean {
    return CONCERNED.includes(call.id);
  }

  /** Makes a call that creates a session, with the providers where they are needed. */
  async createSession(call: Call, send: (call: Call) => Promise<Answer>): Promise<Answer> {
    this.#digest ??= digestOf(this.#members);
    const digest = await this.#digest;
    const asked = withMembers(call, { providersDigest: digest });
    if (call.id === 'GetOrCreateUserSession') {
      try {
        return confirmed(await send(asked), digest);
      } catch (error) {
        if (!(error instanceof Problem) || error.parts.code !== 'providers_required') throw error;
      }
    }
    const sealed = withMembers(asked, this.#members);
    const key = sealed.options.idempotencyKey;
    // Another body than that of the first call, so it is another call to the server.
    if (key !== undefined) sealed.options = { ...sealed.options, idempotencyKey: `${key}-providers` };
    return confirmed(await send(sealed), digest);
  }
}

/** The answer, if the server says that the session has these providers. */
function confirmed(answer: Answer, digest: string): Answer {
  let said: unknown;
  try {
    said = (JSON.parse(answer.text) as { providersDigest?: unknown }).providersDigest;
  } catch {}
  if (said === digest) return answer;
  const problem = unreadableAnswer(
    'the server did not take the providers that this client brings',
    'the server may be of a version that does not know `compute` and `models`',
  );
  problem.parts.status = answer.status;
  problem.parts.requestId = answer.requestId;
  throw problem;
}

/** The call with these members in its body; what the caller gave for this one session stays. */
function withMembers(call: Call, members: Record<string, unknown>): Call {
  const body = JSON.stringify({ ...members, ...(call.body === undefined ? {} : JSON.parse(call.body)) });
  return { ...call, body };
}

/** SHA-256 in hexadecimal digits. The same providers have the same one, in whatever order their members were given. */
async function digestOf(members: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(sorted(members)));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

function credentialsIn(value: unknown, isCredential: boolean): string[] {
  if (typeof value === 'string') return isCredential ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    credentialsIn(member, isCredential || name === 'credentials'),
  );
}
