// The package `theazo`.

export type { CallOptions, CallOptionsOfRun } from './caller.js';
export { type EmbeddedOptions, Theazo, type TheazoOptions } from './client.js';
export { type Attempt, TheazoError, type TheazoErrorCode, type TheazoErrorKind } from './error.js';
export * from './generated/errors.js';
export type * from './generated/surface.js';
export { Agent, Fleet, Run, Session, Team } from './generated/surface.js';
export type * from './generated/types.js';
export { Page, type PagePromise } from './pages.js';
export { EventStream } from './stream.js';
