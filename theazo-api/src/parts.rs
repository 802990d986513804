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
    ("workflows", "Workflows: steps of agents and other work, and the runs of them."),
    ("approvals", "What agents and workflows do only when somebody allows it."),
    ("schedules", "Agents and workflows that run again and again, as a cron expression says."),
    ("triggers", "Agents and workflows that run when an address is called or an event is emitted."),
    ("events", "What your own system reports, so that triggers fire and waiting workflows go on."),
    ("logs", "What happened, as people read it."),
    ("usage", "What was used and what it cost."),
    ("webhooks", "Where the control plane reports what happens: signed HTTP calls to your server."),
];
