// The package `theazo`.

export type { Answer, CallReport, ResponseMeta, WithMeta } from './answer.js';
export type { CallOptions, CallOptionsOfRun } from './caller.js';
export { type EmbeddedOptions, Theazo, type TheazoOptions, type TheazoOptions as TheazoConfig } from './client.js';
export { type Attempt, TheazoError, type TheazoErrorCode, type TheazoErrorKind } from './error.js';
export type { FileInput } from './files.js';
export * from './generated/errors.js';
export type * from './generated/surface.js';
export { Agent, Fleet, Fleet as FleetInstance, Run, Session, Team, Team as TeamInstance } from './generated/surface.js';
export type * from './generated/types.js';
export { ListPage, type ListPromise, Page, type PagePromise } from './pages.js';
export type * from './published.js';
export { EventStream } from './stream.js';
export {
  type Delivery,
  signTrigger,
  signWebhookForTest,
  type VerifierOptions,
  type WebhookBody,
  type WebhookHeaders,
  WebhookVerifier,
} from './webhooks.js';
export {
  type AgentStepOptions,
  type Branch,
  type ConditionOptions,
  finish as finishWorkflow,
  type MapOptions,
  type StepOptions,
  WorkflowBuilder,
  workflow,
} from './workflow/builder.js';
