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

/** The parts of a duration. */
export type Duration = Exclude<types.DurationInput, string | number>;

/** A page of a list, as JSON has it. */
export interface PaginatedList<T> {
  data: T[];
  hasMore: boolean;
  cursor: string;
}

/** Which page of a list. */
export interface PaginationParams {
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** What a run in a session can be told besides its agent and its task. */
export type AgentRunOpts = Omit<types.SessionRunOpts, 'agent' | 'task'>;

/** What every step of a workflow has. */
export type WorkflowStepBase = Pick<
  types.AgentWorkflowStepInput,
  'id' | 'dependsOn' | 'onStepFailure' | 'outputSchema' | 'onValidationFailure'
> & { type: string };

/** The result of a team's run. */
export type TeamResult = Pick<types.TeamRun, 'output' | 'agentOutputs' | 'cost' | 'duration'>;

/** What each provider cost, by its name. */
export type ProviderUsage = Record<string, types.Cost>;

/** @deprecated `StoredFile` by its older name. */
export type FileData = types.StoredFile;
/** @deprecated `McpConnectOpts` by its older name. */
export type MCPConnectOpts = types.McpConnectOpts;
/** @deprecated `McpConnection` by its older name. */
export type MCPConnection = types.McpConnection;
/** @deprecated `McpTool` by its older name. */
export type MCPTool = types.McpTool;
/** @deprecated `McpHealth` by its older name. */
export type MCPHealth = types.McpHealth;
/** @deprecated `McpUpdateOpts` by its older name. */
export type MCPUpdateOpts = types.McpUpdateOpts;
/** @deprecated `McpUserCredentialsOpts` by its older name. */
export type MCPUserCredentialsOpts = types.McpUserCredentialsOpts;
/** @deprecated `McpServerConfig` by its older name. */
export type MCPServerConfig = types.McpServerConfig;
/** @deprecated `McpServerConfigResponse` by its older name. */
export type MCPServerConfigResponse = types.McpServerConfigResponse;
