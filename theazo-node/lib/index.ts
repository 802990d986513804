// The package `theazo`.

export type { CallOptions, CallOptionsOfRun } from './caller.js';
export { type EmbeddedOptions, Theazo, type TheazoOptions } from './client.js';
export { type Attempt, TheazoError, type TheazoErrorCode, type TheazoErrorKind } from './errors.js';
export {
  Agent,
  type AgentFiles,
  type Agents,
  type Logs,
  Run,
  type Runs,
  Session,
  type SessionAgents,
  type SessionRuns,
  type Sessions,
  type Usage,
} from './generated/surface.js';
export type * from './generated/types.js';
export { Page, type PagePromise } from './pages.js';
export { EventStream } from './stream.js';
