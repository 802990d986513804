// Applications written for the published client: every call of its surface (spec: wire-api, 4.2) as such an application makes it,
// with the types that it expects. `tsc` checks all of it; what the control plane serves runs too.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  Agent,
  type AgentDefinition,
  type AgentDefinitionVersion,
  type Approval,
  type BillingSubscription,
  type Channel,
  type ChatConversation,
  type ChatStreamEvent,
  type CheckpointData,
  type DailyUsage,
  type ExecResult,
  type FileData,
  type FileEntry,
  FleetInstance,
  type FleetItemResult,
  type GuardrailConfig,
  type GuardrailViolation,
  type KnowledgeResult,
  type KnowledgeSourceData,
  type LimitsStatus,
  type LogEntry,
  type MCPConnection,
  type MCPTool,
  type PaginatedList,
  type ProviderUsage,
  type RunResult,
  type Schedule,
  type ScheduleExecution,
  type SecretInfo,
  Session,
  type SessionLimits,
  type Snapshot,
  type StreamEvent,
  type Task,
  TeamInstance,
  type TeamResult,
  Theazo,
  type TheazoConfig,
  TheazoError,
  type Tool,
  type Trace,
  type Trigger,
  type UsageReport,
  type Webhook,
  type Workflow,
  WorkflowBuilder,
  type WorkflowCreateOpts,
  type WorkflowRun,
  workflow,
} from 'theazo';
import { TestPlane } from 'theazo/testing';

/** The namespaces of the client. Never runs; it is for the type checker. */
async function client(theazo: Theazo, bytes: Uint8Array): Promise<void> {
  const limits: SessionLimits = { maxAgents: 2, maxDuration: '2h' };
  const created: Session = await theazo.sessions.create({
    userId: 'u',
    environment: 'staging',
    limits,
    metadata: { a: 'b' },
  });
  const got: Session = await theazo.sessions.get(created.id);
  const own: Session = await theazo.sessions.forUser('u', { limits: { maxDuration: { hours: 2 } }, metadata: {} });
  const sessions: PaginatedList<Session> = await theazo.sessions.list({ status: 'active', limit: 10, cursor: '' });
  void [got, own, sessions.data, sessions.hasMore, sessions.cursor];

  const definition: AgentDefinition = await theazo.agents.define({
    name: 'n',
    description: 'd',
    model: 'm',
    instructions: 'i',
    compute: 'python',
    tools: ['web_search'],
    browser: false,
    timeout: '5m',
    config: { temperature: 0.1, maxTokens: 10 },
  });
  const definitions: AgentDefinition[] = await theazo.agents.definitions();
  await theazo.agents.updateDefinition(definition.id, { instructions: 'i', changelog: 'c' });
  await theazo.agents.rollback(definition.id, { version: 1 });
  const versions: AgentDefinitionVersion[] = await theazo.agents.versions(definition.id);
  const agent: Agent = await theazo.agents.get('agt_1');
  const agents: PaginatedList<Agent> = await theazo.agents.list({ status: 'running', sessionId: 'ses_1' });
  void [definitions.length, versions[0]?.changelog, agent, agents];

  const built: WorkflowCreateOpts = workflow('w')
    .step('a', { agent: 'x', input: { q: '$.trigger.q' } })
    .build();
  const flow: Workflow = await theazo.workflows.create(built);
  const flows: Workflow[] = await theazo.workflows.list();
  await theazo.workflows.get(flow.id);
  await theazo.workflows.update(flow.id, { description: 'd' });
  await theazo.workflows.delete(flow.id);
  const run: WorkflowRun = await theazo.workflows.run(flow.id, {
    userId: 'u',
    sessionId: 'ses_1',
    input: {},
    idempotencyKey: 'k',
  });
  await theazo.workflows.getRun(run.id);
  const runs: PaginatedList<WorkflowRun> = await theazo.workflows.runs({ workflowId: flow.id, status: 'running' });
  await theazo.workflows.cancelRun(run.id);
  await theazo.workflows.retryRun(run.id);
  for await (const event of theazo.workflows.streamRun(run.id)) console.log(event.event);
  const estimate = await theazo.workflows.estimate(flow.id, { input: {} });
  const nightly: Schedule = await theazo.workflows.schedule(flow.id, {
    cron: '0 9 * * *',
    userId: 'u',
    input: {},
    timezone: 'UTC',
  });
  void [flows[0], runs.data, estimate.estimated.min, nightly.id];

  const approvals: Approval[] = await theazo.approvals.list({ sessionId: 'ses_1', status: 'pending' });
  await theazo.approvals.get('apr_1');
  await theazo.approvals.approve('apr_1', { modifications: {} });
  await theazo.approvals.deny('apr_1', { reason: 'no' });
  await theazo.approvals.bulkApprove(approvals.map(({ id }) => id));
  await theazo.approvals.bulkDeny(['apr_1']);

  const schedule: Schedule = await theazo.schedules.create({
    name: 'n',
    agent: 'a',
    userId: 'u',
    cron: '* * * * *',
    timezone: 'UTC',
  });
  const schedules: Schedule[] = await theazo.schedules.list();
  await theazo.schedules.pause(schedule.id);
  await theazo.schedules.resume(schedule.id);
  await theazo.schedules.delete(schedule.id);
  const history: ScheduleExecution[] = await theazo.schedules.history(schedule.id);
  void [schedules, history[0]?.executionId];

  const trigger: Trigger = await theazo.triggers.create({ name: 'n', agent: 'a', userId: 'u', type: 'webhook' });
  const triggers: Trigger[] = await theazo.triggers.list();
  await theazo.triggers.delete(trigger.id);
  const tool: Tool = await theazo.tools.register({
    name: 'n',
    description: 'd',
    parameters: {},
    handler: { type: 'webhook', url: 'https://example.com' },
    requiresApproval: true,
  });
  const tools: Tool[] = await theazo.tools.list();
  const tested = await theazo.tools.test(tool.name, { a: 1 });
  await theazo.tools.delete(tool.name);
  void [triggers, tools, tested.success, tested.output];

  const logs: LogEntry[] = await theazo.logs.query({
    sessionId: 'ses_1',
    level: 'warn',
    search: 's',
    since: '2026-01-01',
    limit: 5,
  });
  for await (const entry of theazo.logs.stream({ agentId: 'agt_1' })) console.log(entry.message);
  const summary = await theazo.metrics.summary();
  const points = await theazo.metrics.query({
    metric: 'agent.duration',
    since: '2026-01-01',
    until: '2026-02-01',
    interval: '1d',
  });
  const traces: Trace[] = await theazo.traces.list({ agentId: 'agt_1', limit: 5, cursor: '' });
  const detail = await theazo.traces.get('tr_1');
  void [logs, summary.activeAgents, points[0]?.p95, traces, detail.spans[0]?.name];

  const usage = await theazo.usage.summary({ period: 'month' });
  const byUser = await theazo.usage.forUser('u', { period: 'month' });
  const daily: DailyUsage[] = await theazo.usage.daily({ period: 'month' });
  const byProvider: ProviderUsage = await theazo.usage.byProvider({ period: 'month' });
  await theazo.usage.export({ period: 'month', format: 'csv' });
  void [usage.totalCost.amount, byUser.total, daily, byProvider.e2b?.amount];

  const subscription: BillingSubscription | null = await theazo.billing.getSubscription();
  const checkout = await theazo.billing.createCheckout({
    plan: 'pro',
    successUrl: 'https://a',
    cancelUrl: 'https://b',
  });
  const portal: { url: string } = await theazo.billing.getPortalUrl();
  const budget = {
    monthly: { amount: 100, currency: 'usd' },
    alerts: [{ threshold: 0.8, channel: 'webhook' as const }],
  };
  await theazo.billing.setBudget(budget);
  const status = await theazo.billing.getBudget();
  await theazo.billing.setUserBudget(budget);
  const balance: { credits: number; currency: string } = await theazo.billing.getCreditBalance();
  void [subscription?.plan, checkout.url, portal.url, status.percentage, balance];

  await theazo.guardrails.configure({
    contentFilter: 'strict',
    blockPII: true,
    allowedDomains: ['a'],
    maxToolCalls: 3,
  });
  const guardrails: GuardrailConfig = await theazo.guardrails.get();
  const violations: GuardrailViolation[] = await theazo.guardrails.violations({ period: 'month' });
  const hook: Webhook = await theazo.webhooks.create({ url: 'https://a', events: ['agent.completed'] });
  const hooks: Webhook[] = await theazo.webhooks.list();
  await theazo.webhooks.test(hook.id);
  await theazo.webhooks.delete(hook.id);
  void [guardrails.blockPII, violations, hooks];

  const connection: MCPConnection = await theazo.mcp.connect({
    name: 'n',
    transport: 'sse',
    url: 'https://a',
    credentialsType: 'per_user',
  });
  const connections: MCPConnection[] = await theazo.mcp.list();
  await theazo.mcp.get(connection.id);
  const mcpTools: MCPTool[] = await theazo.mcp.tools(connection.id);
  const refreshed: MCPTool[] = await theazo.mcp.refresh(connection.id);
  await theazo.mcp.update(connection.id, { toolFilter: null, requiresApproval: ['a'] });
  const health = await theazo.mcp.health(connection.id);
  await theazo.mcp.disconnect(connection.id);
  await theazo.mcp.setUserCredentials(connection.id, 'u', { headers: { authorization: 'b' } });
  await theazo.mcp.deleteUserCredentials(connection.id, 'u');
  const address: string = theazo.mcp.serverUrl();
  await theazo.mcp.serverConfig({ expose: '*', auth: 'api_key' });
  const exposed = await theazo.mcp.getServerConfig();
  void [connections, mcpTools, refreshed.length, health.latencyMs, address, exposed.url];

  const theme = { primaryColor: '#000', title: 't', position: 'bottom-right' as const };
  const channel: Channel = await theazo.channels.chatEmbed({ agent: 'a', theme });
  await theazo.channels.slack({ agent: 'a', workspace: 'w', botName: 'b', channels: ['#c'] });
  await theazo.channels.email({ agent: 'a', address: 'a@example.com' });
  await theazo.channels.phone({ agent: 'a', phoneNumber: '+1', voice: 'alloy' });
  const channels: Channel[] = await theazo.channels.list();
  await theazo.channels.get(channel.id);
  await theazo.channels.update(channel.id, { config: {}, enabled: false });
  await theazo.channels.disable(channel.id);
  await theazo.channels.enable(channel.id);
  await theazo.channels.delete(channel.id);
  const conversations = await theazo.channels.conversations(channel.id);
  const probe = await theazo.channels.test(channel.id);
  void [channels, channel.agentDefinitionId, conversations[0]?.messageCount, probe.ok];

  const file: FileData = await theazo.files.upload({
    userId: 'u',
    filename: 'f',
    file: bytes,
    purpose: 'knowledge',
    autoIngest: true,
  });
  await theazo.files.get(file.id);
  const files: FileData[] = await theazo.files.list({ userId: 'u', purpose: 'knowledge' });
  const url: string = await theazo.files.getUrl(file.id, { expiresIn: '1h' });
  await theazo.files.delete(file.id);
  void [files, url];
}

/** What a session, an agent, a fleet and a team can do. Never runs; it is for the type checker. */
async function handles(session: Session, agent: Agent, bytes: Uint8Array): Promise<void> {
  const known: [string, string, Record<string, string>, string] = [
    session.id,
    session.userId,
    session.metadata,
    session.createdAt,
  ];
  const ran: RunResult = await session.run('researcher', 'look', { browser: true, timeout: { minutes: 5 } });
  const report: UsageReport = await session.usage();
  const limits: LimitsStatus = await session.limits();
  await session.updateLimits({ maxAgents: 3 });
  await session.pause();
  await session.resume();
  await session.terminate();
  void [
    known,
    ran.toolCalls,
    report.cost,
    limits.maxCost?.percentage,
    session.status,
    session.pausedAt,
    session.terminatedAt,
  ];

  const made: Agent = await session.agents.create({
    compute: 'python',
    model: { provider: 'openai', baseUrl: 'https://a', credentialRef: 'k', name: 'm' },
    costCap: { amount: 100, currency: 'usd' },
    approvals: { require: ['a'], notifyVia: 'webhook', timeout: '1h', defaultAction: 'deny' },
    lifecycle: { autoPause: { afterIdle: '10m' }, onFailure: 'retry', maxRetries: 3, retryDelay: '30s' },
    metadata: { extract: ['topic'], custom: { a: 'b' } },
    secrets: ['s'],
    knowledge: 'docs',
    guardrails: { blockPII: true },
    overrides: { instructions: 'i' },
  });
  const agents: Agent[] = await session.agents.list({ status: 'running' });
  const fleet: FleetInstance = await session.fleets.dispatch({
    agent: 'a',
    inputs: [{ a: 1 }],
    concurrency: 2,
    maxCost: { amount: 1, currency: 'usd' },
  });
  const team: TeamInstance = await session.teams.create({
    name: 't',
    agents: [{ role: 'r', agent: 'a', instructions: 'i' }],
    coordination: 'sequential',
    sharedContext: true,
    maxRounds: 3,
  });
  void [made, agents];

  await session.knowledge.upload({
    files: [{ filename: 'f', content: bytes, mimeType: 'text/markdown' }],
    collection: 'c',
  });
  await session.knowledge.sync({
    source: { type: 'notion', config: { pages: [] } },
    collection: 'c',
    schedule: '0 * * * *',
  });
  const found: KnowledgeResult[] = await session.knowledge.query('q', { collection: 'c', topK: 3 });
  const stats = await session.knowledge.stats();
  await session.knowledge.deleteCollection('c');
  const sources: KnowledgeSourceData[] = await session.knowledge.sources();
  await session.knowledge.deleteSource('src_1');
  void [found[0]?.score, stats.storageGB, sources];

  const task: Task = await session.tasks.submit({
    agent: 'a',
    input: { a: 1 },
    webhook: 'https://a',
    priority: 'high',
  });
  await session.tasks.get(task.taskId);
  const tasks: Task[] = await session.tasks.list({ status: 'queued' });
  const waited: Task = await session.tasks.wait(task.taskId, { timeout: '30s' });
  await session.tasks.cancel(task.taskId);
  await session.secrets.set({ KEY: 'v' });
  const secrets: SecretInfo[] = await session.secrets.list();
  await session.secrets.delete('KEY');
  void [tasks, waited.status, secrets];

  const { chat } = session;
  const talk: ChatConversation = await chat.create({
    agent: 'a',
    title: 't',
    systemPrompt: 's',
    context: { strategy: 'sliding_window' },
  });
  await chat.create();
  const talks = await chat.list({ status: 'active', limit: 5 });
  await chat.get(talk.id);
  await chat.update(talk.id, { title: 't', metadata: {} });
  await chat.archive(talk.id);
  await chat.unarchive(talk.id);
  await chat.delete(talk.id);
  const message = await chat.send(talk.id, { content: 'hello', attachments: [] });
  for await (const event of chat.stream(talk.id, { content: 'hello', signal: new AbortController().signal })) {
    const one: ChatStreamEvent = event;
    void one.type;
  }
  const messages = await chat.messages(talk.id, { order: 'asc' });
  const context = await chat.context(talk.id);
  await chat.injectContext(talk.id, { content: 'c', role: 'system' });
  const thread = await chat.createThread(talk.id, { parentMessageId: message.id, title: 't' });
  const threads = await chat.threads(talk.id);
  const handoff = await chat.handoff(talk.id, { reason: 'r', to: 'human', metadata: {} });
  await chat.resolveHandoff(talk.id);
  const hits = await chat.search({ query: 'q', conversationId: talk.id, limit: 5 });
  void [
    talks.data,
    talks.hasMore,
    messages.data,
    context.strategy,
    thread.id,
    threads.length,
    handoff.toTarget,
    hits[0]?.score,
  ];

  const told: string[] = [
    agent.id,
    agent.sessionId,
    agent.userId,
    agent.provider,
    agent.compute,
    agent.model,
    agent.region,
    agent.createdAt,
  ];
  const result: RunResult = await agent.run('look', { maxCost: { amount: 10, currency: 'usd' } });
  for await (const event of agent.stream('look')) {
    const one: StreamEvent = event;
    void one;
  }
  const executed: ExecResult = await agent.exec('python', 'print(1)');
  await agent.files.write('/data/a', bytes);
  await agent.files.write('/data/b', 'text');
  const read: Uint8Array = await agent.files.read('/data/a');
  const entries: FileEntry[] = await agent.files.list();
  const exposed: string = await agent.ports.expose(8080);
  const info = await agent.status();
  const snapshot: Snapshot = await agent.pause();
  await agent.resume({ provider: 'p', region: 'r', checkpoint: 'ckpt_1' });
  await agent.retry();
  await agent.terminate();
  await agent.send({ type: 'user_input', content: 'c', metadata: {} });
  const progress = await agent.progress();
  const checkpoints: CheckpointData[] = await agent.checkpoints();
  const checkpoint: CheckpointData = await agent.checkpoint({ phase: 'p', progress: 50, metadata: {} });
  void [told, agent.browser, agent.currentStatus, result, executed.exitCode, read, entries[0]?.modified, exposed];
  void [info.cost, snapshot.size, progress.activeDuration, checkpoints, checkpoint];

  const state = await fleet.status();
  const results: PaginatedList<FleetItemResult> = await fleet.results({ status: 'failed', limit: 5 });
  for await (const item of fleet.stream()) console.log(item);
  await fleet.cancel();
  void [fleet.id, fleet.totalItems, fleet.currentStatus, state.total + state.completed + state.failed, results];
  const teamResult: TeamResult = await team.run('task');
  await team.cancel();
  void [team.id, team.name, teamResult.output, teamResult.agentOutputs.r, teamResult.cost.amount, teamResult.duration];
}

test('an application for the published client runs: what its calls return is what it expects', async (context) => {
  const plane = await TestPlane.start();
  context.after(() => plane.close());
  await plane.script('researcher', [{ text: 'prices rose' }, { text: 'streamed' }]);
  await plane.scriptExecs('worker', [{ stdout: '2\n' }]);
  const theazo = plane.client();

  const session = await theazo.sessions.forUser('user_1', { limits: { maxAgents: 5 }, metadata: { plan: 'pro' } });
  const result = await session.run('researcher', 'look');
  const agent = await session.agents.create({ definition: undefined, name: 'worker', compute: 'python' });
  const executed = await agent.exec('python', 'print(1+1)');
  await agent.files.write('/data/report.md', '# Report');
  const text = (await agent.files.read('/data/report.md')).toString();
  const entries = await agent.files.list();
  const info = await agent.status();
  const sessions = await theazo.sessions.list();
  const agents = await session.agents.list();
  const logs = await theazo.logs.query({ sessionId: session.id });
  await session.updateLimits({ maxAgents: 2 });
  const limits = await session.limits();
  const report = await session.usage();
  await agent.pause();
  const paused = agent.currentStatus;
  await agent.resume();
  const resumed = agent.currentStatus;
  await agent.terminate();
  await session.pause();
  await session.resume();
  await session.terminate();

  assert.equal(result.output, 'prices rose');
  assert.deepEqual(result.toolCalls, []);
  assert.equal(typeof result.cost.amount, 'number');
  assert.deepEqual([executed.stdout, executed.exitCode], ['2\n', 0]);
  assert.equal(text, '# Report');
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['report.md'],
  );
  assert.ok(['ready', 'running'].includes(info.status));
  assert.deepEqual(
    sessions.data.map(({ id }) => id),
    [session.id],
  );
  assert.ok(Array.isArray(agents) && agents[0] instanceof Agent);
  assert.ok(Array.isArray(logs));
  assert.equal(limits.maxAgents?.limit, 2);
  assert.equal(typeof report.computeMinutes, 'number');
  assert.equal(paused, 'paused');
  assert.ok(['ready', 'running'].includes(resumed), resumed);
  assert.equal(session.status, 'terminated');
  assert.ok(session.terminatedAt);
});

test('an application for the published client compiles', () => {
  assert.deepEqual([typeof client, typeof handles], ['function', 'function']);
});

test('an application for the published client has the values that it imports', () => {
  for (const value of [Theazo, TheazoError, Session, FleetInstance, TeamInstance, Agent, WorkflowBuilder, workflow]) {
    assert.equal(typeof value, 'function');
  }
  const config: TheazoConfig = { apiKey: 'th_test_1', baseUrl: 'http://127.0.0.1:9' };
  assert.equal(new Theazo(config).mcp.serverUrl(), 'http://127.0.0.1:9/mcp');
  assert.equal(
    new Theazo({ apiKey: 'th_test_1', baseUrl: 'https://api.theazo.com/' }).mcp.serverUrl(),
    'https://mcp.theazo.com/v1',
  );
});
