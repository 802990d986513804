//! The parts of the client and of its handles: every receiver on the SDKs' surface, with what it is for.

/// The receivers with their documentation, in the order of the reference. `session.agents` is a part of the handle
/// `session`; the client itself and the handles are not in the list.
pub const PARTS: &[(&str, &str)] = &[
    ("sessions", "The sessions of the account."),
    ("session.agents", "The agents of one session."),
    ("session.runs", "The runs of one session."),
    ("agents", "The agents of all sessions."),
    ("agent.files", "The files in one agent's sandbox."),
    ("runs", "The runs of all sessions."),
    ("tools", "What agents can call: built-in tools, and those that are signed HTTP calls to your server."),
    ("mcp", "The MCP servers whose tools agents can use, and the one that offers your own tools."),
    ("files", "The files of the account: from users, from agents, and for knowledge."),
    ("models", "The models that agents can use, with what they can do and what they cost."),
    ("workflows", "Workflows: steps of agents and other work, and the runs of them."),
    ("approvals", "What agents and workflows do only when somebody allows it."),
    ("schedules", "Agents and workflows that run again and again, as a cron expression says."),
    ("triggers", "Agents and workflows that run when an address is called or an event is emitted."),
    ("events", "What your own system reports, so that triggers fire and waiting workflows go on."),
    ("logs", "What happened, as people read it."),
    ("metrics", "Numbers about the account, now and over time."),
    ("traces", "What each run did, as a tree of spans with their times."),
    ("activity", "Everything that happens: log entries, spans, metrics and changes of state."),
    ("usage", "What was used and what it cost."),
    ("billing", "The plan, the payment pages, the credits, and the budgets of the account and of its users."),
    ("webhooks", "Where the control plane reports what happens: signed HTTP calls to your server."),
    ("apiKeys", "The keys with which programs act for the account."),
];
