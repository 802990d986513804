// Agents of a test plane whose model is a function.

import type { ScriptedToolCall, ScriptedTurn } from '../generated/types.js';
import { encode } from '../input.js';

/** What a model is asked. */
export interface Conversation {
  /** The name of the agent. */
  agent: string;
  /** The model, as its provider names it. */
  model: string;
  /** The system prompt; null if there is none. */
  instructions: string | null;
  /** What was said so far, the oldest first. */
  messages: ConversationMessage[];
  /** The names of the tools that it may call. */
  tools: string[];
}

/** Something that was said: a task, an answer of the model, or what a tool returned. */
export type ConversationMessage =
  | { role: 'user'; text: string }
  | { role: 'assistant'; text: string; toolCalls: ScriptedToolCall[] }
  | { role: 'tool'; tool: string; output: string; failed: boolean };

/**
 * Answers for a model: with a turn, or with its text alone. What it throws is the message with which the model fails. It is asked
 * again for each step of a run, with all that was said so far.
 */
export type ModelFunction = (conversation: Conversation) => ScriptedTurn | string | Promise<ScriptedTurn | string>;

/** A function as the native part calls it: JSON in, JSON out, and it never throws. @internal */
export function nativeFunction(answer: ModelFunction): (conversation: string) => Promise<string> {
  return async (conversation) => {
    try {
      const said = await answer(JSON.parse(conversation) as Conversation);
      const turn = typeof said === 'string' ? { text: said } : said;
      if (typeof turn !== 'object' || turn === null) {
        throw new TypeError(
          `the function that stands in for the model gave ${turn === null ? 'null' : typeof turn}, no turn`,
        );
      }
      return encode({ turn }) as string;
    } catch (error) {
      return JSON.stringify({ failure: error instanceof Error ? error.message : String(error) });
    }
  };
}
