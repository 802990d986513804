CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS resources (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS resources_by_tenant ON resources (tenant, kind, position);
CREATE INDEX IF NOT EXISTS resources_by_session ON resources (tenant, kind, session_id, position);
CREATE INDEX IF NOT EXISTS resources_by_agent ON resources (tenant, kind, agent_id, position);
CREATE INDEX IF NOT EXISTS resources_by_user ON resources (tenant, kind, user_id, status);

CREATE INDEX IF NOT EXISTS runs_by_trace ON resources (tenant, document ->> '$.trace.traceId') WHERE kind = 'run';

CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_tenant ON events (tenant, sequence);
CREATE INDEX IF NOT EXISTS events_by_session ON events (tenant, session_id, sequence);
CREATE INDEX IF NOT EXISTS events_by_agent ON events (tenant, agent_id, sequence);
CREATE INDEX IF NOT EXISTS events_by_run ON events (tenant, run_id, sequence);
-- What metrics are computed from. The query that reads it has the same condition, word for word.
CREATE INDEX IF NOT EXISTS events_measured ON events (tenant, at) WHERE kind IN ('agent.created', 'agent.ready', 'agent.paused', 'agent.resumed', 'agent.terminated', 'agent.failed', 'run.completed', 'run.failed', 'run.cancelled');
CREATE INDEX IF NOT EXISTS charges_by_time ON events (tenant, at) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_by_place ON events (tenant, sequence) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_by_session ON events (tenant, session_id, sequence) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_by_user ON events (tenant, user_id, sequence) WHERE kind = 'charged';

CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'done')),
    -- Set when the job is asked for again while a worker has it: it is queued once more when the worker is done.
    again INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER,
    result TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_due_time ON jobs (state, due_at);
CREATE INDEX IF NOT EXISTS jobs_by_subject ON jobs (subject, kind) WHERE state <> 'done';
CREATE INDEX IF NOT EXISTS jobs_of_work ON jobs (due_at) WHERE state = 'queued' AND kind IN ('run', 'agent.command');
CREATE INDEX IF NOT EXISTS jobs_of_control ON jobs (due_at) WHERE state = 'queued' AND kind NOT IN ('run', 'agent.command');

CREATE TABLE IF NOT EXISTS budgets (
    scope TEXT PRIMARY KEY,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0)
) STRICT, WITHOUT ROWID;

-- Days that are over are forgotten after a while.
CREATE INDEX IF NOT EXISTS budgets_by_day ON budgets (substr(scope, -10)) WHERE scope GLOB '*|day|*';

CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY,
    -- How much of which budgets, as JSON.
    held TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The alerts of budgets that were given. A scope names its period, so there is one for each period and threshold.
CREATE TABLE IF NOT EXISTS budget_alerts (
    scope TEXT NOT NULL,
    -- In millionths of the budget.
    threshold INTEGER NOT NULL,
    PRIMARY KEY (scope, threshold)
) STRICT, WITHOUT ROWID;

-- Sums of the charges in the event log, kept in the transaction of each charge.
CREATE TABLE IF NOT EXISTS usage (
    tenant TEXT NOT NULL,
    -- Of what: the account, a user, a session, an agent, a run or a provider.
    kind TEXT NOT NULL,
    -- The day in UTC; empty where all days are one sum.
    day TEXT NOT NULL,
    id TEXT NOT NULL,
    compute INTEGER NOT NULL,
    model INTEGER NOT NULL,
    orchestration INTEGER NOT NULL,
    storage INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    model_calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    byte_hours INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, day, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    world TEXT NOT NULL CHECK (world IN ('live', 'test')),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;
