// Secrets that must never be shown, and texts without them.

import type { Operation } from './operation.js';

const HIDDEN = '[hidden]';

/** Shorter secrets than this are not looked for: they would tear words apart, and are none. */
const SHORTEST = 6;
const SHORTEST_PIECE = 8;
const SHORTEST_CUT = 4;

/** How much of an answer is shown, and how much is read for that. */
const EXCERPT = 200;
const EXCERPT_LENGTH = 4096;

/** Cuts secrets out of what is shown: a server may send back what it was sent. */
export class Redactor {
  readonly #secrets: string[];
  readonly #hidesAll: boolean;

  constructor(secrets: string[], hidesAll = false) {
    const long = secrets.filter((secret) => secret.length >= SHORTEST);
    // A private key of many lines comes back with its line breaks escaped, or as one line.
    const pieces = long.flatMap((secret) =>
      /[^\x21-\x7e]|["\\]/.test(secret) ? secret.split(/[^\x21-\x7e]|["\\]/) : [],
    );
    const all = new Set([...long, ...pieces.filter((piece) => piece.length >= SHORTEST_PIECE)]);
    this.#secrets = [...all].sort((one, other) => other.length - one.length);
    this.#hidesAll = hidesAll;
  }

  /** This redactor, hiding what a body has where the operation says that secrets stand. */
  ofSent(operation: Operation, body: string | undefined): Redactor {
    if (operation.secrets === undefined || body === undefined) return this;
    return new Redactor([...this.#secrets, ...secretsIn(operation.secrets, body)], this.#hidesAll);
  }

  /** The text with every secret hidden. */
  clean(text: string): string {
    if (this.#hidesAll && text !== '') return HIDDEN;
    return this.#secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), text);
  }

  /** The JSON with every secret in its texts hidden. */
  cleanJson(value: unknown): unknown {
    if (typeof value === 'string') return this.clean(value);
    if (Array.isArray(value)) return value.map((item) => this.cleanJson(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.cleanJson(member)]));
  }

  /** The beginning of a body for a person to read, without line breaks and without secrets. */
  excerpt(body: string): string {
    const piece = body.slice(0, EXCERPT_LENGTH);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
    const words = piece.split(/[\s\u0000-\u001f\u007f-\u009f]+/).filter((word) => word !== '');
    const line = this.#withoutCut(this.clean(words.join(' ')));
    const shown = [...line].slice(0, EXCERPT).join('');
    return shown.length < line.length || piece.length < body.length ? `${shown}...` : shown;
  }

  /** The text without the beginning of a secret at its end, where it was cut. */
  #withoutCut(text: string): string {
    let cut = 0;
    for (const secret of this.#secrets) {
      for (let length = SHORTEST_CUT; length < secret.length; length++) {
        if (text.endsWith(secret.slice(0, length))) cut = Math.max(cut, length);
      }
    }
    return text.slice(0, text.length - cut);
  }
}

/** The texts at these places of a body: `*` is each member or item, `**` everything below. */
function secretsIn(places: readonly string[], body: string): string[] {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return [];
  }
  return places.flatMap((place) => textsAt(json, place.split('.')));
}

function textsAt(value: unknown, [name, ...rest]: string[]): string[] {
  if (name === undefined || name === '') return typeof value === 'string' ? [value] : [];
  if (name === '**' && typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  const members: unknown[] =
    name === '*' || name === '**' ? Object.values(value) : [(value as Record<string, unknown>)[name]];
  return members.flatMap((member) => textsAt(member, name === '**' ? ['**'] : rest));
}
