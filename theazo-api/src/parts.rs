//! The parts of the client and of its handles: every receiver on the SDKs' surface, with what it is for.

/// The receivers with their documentation, in the order of the reference. `session.agents` is a part of the handle
/// `session`; the client itself and the handles are not in the list.
pub const PARTS: &[(&str, &str)] = &[
    ("sessions", "The sessions of the account."),
    ("session.agents", "The agents of one session."),
    ("session.runs", "The runs of one session."),
    ("session.fleets", "The fleets of one session: one agent on many inputs."),
    ("session.teams", "The teams of one session: several agents that work on one task together."),
    ("session.tasks", "The tasks of one session: work that is handed in and fetched later."),
    ("session.chat", "The conversations of one session, with an agent that remembers them."),
    ("session.knowledge", "Documents in which the agents of one end user look things up."),
    ("agents", "The agents of all sessions."),
    ("agent.files", "The files in one agent's sandbox."),
    ("runs", "The runs of all sessions."),
    ("fleets", "The fleets of all sessions."),
    ("teams", "The teams of all sessions."),
    ("teamRuns", "The runs of all teams."),
    ("tasks", "The tasks of all sessions."),
    ("channels", "Where people reach an agent: a chat on a website, Slack, mail, the telephone."),
    ("logs", "What happened, as people read it."),
    ("usage", "What was used and what it cost."),
    ("webhooks", "Where the control plane reports what happens: signed HTTP calls to your server."),
];
