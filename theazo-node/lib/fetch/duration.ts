// Durations as users write them, in milliseconds.

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `1h 30m`, `1.5s`, `500ms`, `7d`; nothing else. */
export function parseDuration(text: string): number | undefined {
  let rest = text.trim();
  if (rest === '') return undefined;
  let millis = 0;
  while (rest !== '') {
    const part = /^(\d+\.?\d*|\.\d+)(ms|s|m|h|d)(?![a-zA-Z])/.exec(rest);
    if (part === null) return undefined;
    millis += Number(part[1]) * (UNITS[part[2] as string] as number);
    rest = rest.slice(part[0].length).trimStart();
  }
  return millis;
}

/** Reads a duration as JSON has it: text, parts or milliseconds. Undefined if it is none. */
export function readDuration(value: unknown): number | undefined {
  if (typeof value === 'string') return parseDuration(value);
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  let millis = 0;
  for (const [name, count] of Object.entries(value)) {
    const unit = { hours: UNITS.h, minutes: UNITS.m, seconds: UNITS.s }[name];
    if (unit === undefined || typeof count !== 'number') return undefined;
    millis += count * unit;
  }
  return millis >= 0 ? millis : undefined;
}

/** A duration for a person: `30s`, `1.5s`, `250ms`. */
export function showDuration(millis: number): string {
  return millis >= 1000 ? `${Number((millis / 1000).toFixed(3))}s` : `${Number(millis.toFixed(3))}ms`;
}
