//! The parts of the client and of its handles: every receiver on the SDKs' surface, with what it is for.

/// The receivers with their documentation, in the order of the reference. `session.agents` is a part of the handle
/// `session`; the client itself and the handles are not in the list.
pub const PARTS: &[(&str, &str)] = &[
    ("sessions", "The sessions of the account."),
    ("session.agents", "The agents of one session."),
    ("session.runs", "The runs of one session."),
    ("session.secrets", "The secrets of one session, which its sandboxes find in their environment."),
    ("agents", "The agents of all sessions, and the definitions that agents are made from."),
    ("agent.execs", "The programs that run in one agent's sandbox."),
    ("agent.files", "The files in one agent's sandbox."),
    ("agent.ports", "The ports of one agent's sandbox that are reachable from outside."),
    ("agent.snapshots", "What one agent's sandbox held at earlier moments."),
    ("runs", "The runs of all sessions."),
    ("customizations", "Instructions, prompts, skills and hooks that are attached to agent definitions."),
    ("guardrails", "What may go into models and come out of them."),
    ("secrets", "The secrets of the account, which agents and providers use by their names."),
    ("providers", "The account's own providers of sandboxes and models."),
    ("logs", "What happened, as people read it."),
    ("usage", "What was used and what it cost."),
    ("webhooks", "Where the control plane reports what happens: signed HTTP calls to your server."),
];
