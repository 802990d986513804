// Methods with a name of their own for what a general operation does. The generated classes of the surface extend these.

import type { Answer } from './answer.js';
import type { Caller, CallOptions } from './caller.js';
import { PUBLIC_API } from './connection.js';
import { misconfigured } from './errors.js';
import type * as types from './generated/types.js';

/** What the hand-written part of a class knows. */
abstract class Shortcuts {
  /** @internal */
  protected readonly base: string | undefined;

  /** @internal */
  constructor(caller: Caller) {
    this.base = caller.baseUrl;
  }
}

/** What a channel is made of, without its type. */
type ChannelOf<Required extends keyof types.ChannelCreateOpts> = Omit<types.ChannelCreateOpts, 'type'> &
  CallOptions & { [Name in Required]-?: Exclude<types.ChannelCreateOpts[Name], undefined> };

/** The kinds of channels by name, and their switch. */
export abstract class ChannelShortcuts extends Shortcuts {
  /** Creates a channel. */
  abstract create(options: types.ChannelCreateOpts & CallOptions): Answer<types.Channel>;

  /** Changes a channel. */
  abstract update(channelId: types.ChannelId, options?: types.ChannelUpdateOpts & CallOptions): Answer<types.Channel>;

  /**
   * Creates a chat for a website. The answer's `scriptTag` is the element that puts it there.
   * @example
   * ```ts
   * const channel = await theazo.channels.chatEmbed({
   *   agent: 'support_agent',
   *   theme: { primaryColor: '#4f46e5', title: 'Ask us' },
   * });
   * console.log(channel.scriptTag);
   * ```
   */
  chatEmbed(options: ChannelOf<'agent' | 'theme'>): Answer<types.Channel> {
    return this.create({ ...options, type: 'chat_embed' });
  }

  /**
   * Lets the agent answer in channels of a workspace of Slack, by the name `botName`.
   * @example
   * ```ts
   * await theazo.channels.slack({
   *   agent: 'slack_assistant',
   *   workspace: 'example-ltd',
   *   botName: 'helper',
   *   channels: ['#support'],
   * });
   * ```
   */
  slack(options: ChannelOf<'agent' | 'workspace' | 'botName' | 'channels'>): Answer<types.Channel> {
    return this.create({ ...options, type: 'slack' });
  }

  /**
   * Lets the agent answer what is written to a mail address.
   * @example
   * ```ts
   * await theazo.channels.email({ agent: 'email_responder', address: 'support@example.com' });
   * ```
   */
  email(options: ChannelOf<'agent' | 'address'>): Answer<types.Channel> {
    return this.create({ ...options, type: 'email' });
  }

  /**
   * Lets the agent answer a telephone number, which begins with `+` and the country code.
   * @example
   * ```ts
   * await theazo.channels.phone({ agent: 'phone_agent', phoneNumber: '+15550100', voice: 'alloy' });
   * ```
   */
  phone(options: ChannelOf<'agent' | 'phoneNumber'>): Answer<types.Channel> {
    return this.create({ ...options, type: 'phone' });
  }

  /**
   * Switches a channel on: people reach the agent through it again.
   * @example
   * ```ts
   * await theazo.channels.enable('ch_9f27c4e1b0a3');
   * ```
   */
  enable(channelId: types.ChannelId, options: CallOptions = {}): Answer<types.Channel> {
    return this.update(channelId, { ...options, enabled: true });
  }

  /**
   * Switches a channel off: nobody reaches the agent through it. Its settings and conversations stay.
   * @example
   * ```ts
   * await theazo.channels.disable('ch_9f27c4e1b0a3');
   * ```
   */
  disable(channelId: types.ChannelId, options: CallOptions = {}): Answer<types.Channel> {
    return this.update(channelId, { ...options, enabled: false });
  }
}

/** A trigger by the event that it is for. */
export abstract class TriggerShortcuts extends Shortcuts {
  /** Creates a trigger. */
  abstract create(options: types.TriggerCreateOpts & CallOptions): Answer<types.Trigger>;

  /**
   * Creates a trigger that runs an agent or a workflow whenever an event is emitted, and has the event's name. Say which with
   * `agent` or `workflowId`; `filter` narrows the events.
   * @example
   * ```ts
   * await theazo.triggers.on('order.paid', 'user_123', { agent: 'payment_classifier' });
   * ```
   */
  on(
    event: string,
    userId: string,
    options: Omit<types.TriggerCreateOpts, 'name' | 'userId' | 'event'> & CallOptions = {},
  ): Answer<types.Trigger> {
    return this.create({ ...options, name: event, userId, event });
  }
}

/** The address under which others reach the account's tools by MCP. */
export abstract class McpShortcuts extends Shortcuts {
  /**
   * The address of your account's MCP server, made from the address of the API without a request. `getServerConfig` gives the
   * one that the server itself says. A control plane inside this process has none.
   * @example
   * ```ts
   * console.log(theazo.mcp.serverUrl());
   * ```
   */
  serverUrl(): string {
    if (this.base === undefined) throw misconfigured('a control plane inside this process has no address');
    return this.base === PUBLIC_API ? PUBLIC_MCP : `${this.base}/mcp`;
  }
}

const PUBLIC_MCP = 'https://mcp.theazo.com/v1';
