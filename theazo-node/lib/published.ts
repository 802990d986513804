// What applications of the published client are used to, beside our own names: types by their older names, and other forms.

import type { FileInput } from './files.js';
import type * as types from './generated/types.js';

/** A program as `exec({ lang, code })` takes it. */
export type ExecOptsByLang = Omit<types.ExecOpts, 'language'> & {
  /** The language of the program. */
  lang: types.ComputeRuntime;
};

/** A file to store, with its content as `file`. */
export type FileUploadOptsByFile = Omit<types.FileUploadOpts, 'data'> & {
  /** The content: text, bytes, or a stream of them. */
  file: FileInput;
};

/** The list in an answer, with the other members of the answer on it. @internal */
export function asList<Answer extends object, Name extends keyof Answer>(
  answer: Answer,
  name: Name,
): Answer[Name] & Answer {
  const items = answer[name] as unknown[];
  const members = Object.entries(answer).map(([member, value]) => [member, { value, enumerable: false }]);
  return Object.defineProperties([...items], Object.fromEntries(members)) as Answer[Name] & Answer;
}

/** Reads an answer that may be nothing. @internal */
export function orNull<T>(read: (value: never) => T): (value: never) => T | null {
  return (value) => (value === undefined || value === null ? null : read(value));
}
