-- Ids of sessions, agents and runs belong to one tenant each, so indexes by them need not begin with the tenant: they stay small,
-- and each insert pays for every one of them. Queries check the tenant all the same.
CREATE INDEX IF NOT EXISTS resources_by_tenant ON resources (tenant, kind, position);
CREATE INDEX IF NOT EXISTS resources_of_session ON resources (session_id, kind, position) WHERE session_id <> '';
CREATE INDEX IF NOT EXISTS resources_of_agent ON resources (agent_id, kind, position) WHERE agent_id <> '';
CREATE INDEX IF NOT EXISTS resources_by_user ON resources (tenant, kind, user_id, status);
CREATE INDEX IF NOT EXISTS runs_of_trace ON resources (trace_id) WHERE trace_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS events_by_tenant ON events (tenant, sequence);
CREATE INDEX IF NOT EXISTS events_of_session ON events (session_id, sequence) WHERE session_id <> '';
CREATE INDEX IF NOT EXISTS events_of_agent ON events (agent_id, sequence) WHERE agent_id <> '';
CREATE INDEX IF NOT EXISTS events_of_run ON events (run_id, sequence) WHERE run_id <> '';
CREATE INDEX IF NOT EXISTS charges_by_time ON events (tenant, at) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_by_place ON events (tenant, sequence) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_of_session ON events (session_id, sequence) WHERE kind = 'charged';
CREATE INDEX IF NOT EXISTS charges_by_user ON events (tenant, user_id, sequence) WHERE kind = 'charged';

CREATE INDEX IF NOT EXISTS jobs_done ON jobs (due_at) WHERE state = 'done';
CREATE INDEX IF NOT EXISTS jobs_by_subject ON jobs (subject, kind) WHERE state <> 'done';
CREATE INDEX IF NOT EXISTS jobs_by_lane ON jobs (lane, due_at) WHERE state = 'queued';

-- Days that are over are forgotten after a while.
CREATE INDEX IF NOT EXISTS budgets_by_day ON budgets (substr(scope, -10)) WHERE scope GLOB '*|day|*';

-- What older versions had.
DROP INDEX IF EXISTS resources_by_session;
DROP INDEX IF EXISTS resources_by_agent;
DROP INDEX IF EXISTS runs_by_trace;
DROP INDEX IF EXISTS events_by_session;
DROP INDEX IF EXISTS events_by_agent;
DROP INDEX IF EXISTS events_by_run;
DROP INDEX IF EXISTS charges_by_session;
DROP INDEX IF EXISTS events_measured;
DROP INDEX IF EXISTS jobs_by_due_time;
DROP INDEX IF EXISTS jobs_of_work;
DROP INDEX IF EXISTS jobs_of_control;
