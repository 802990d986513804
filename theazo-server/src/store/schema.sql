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
    document TEXT NOT NULL,
    -- The trace of a caller that a run belongs to.
    trace_id TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS events (
    -- Grows, because the newest event is never removed.
    sequence INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL DEFAULT 'control',
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    -- Not a list: of three and more SQLite makes a table with each change.
    state TEXT NOT NULL CHECK (state = 'queued' OR state = 'leased' OR state = 'done'),
    -- Set when the job is asked for again while a worker has it: it is queued once more when the worker is done.
    again INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER,
    result TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS budgets (
    scope TEXT PRIMARY KEY,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0)
) STRICT, WITHOUT ROWID;

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
