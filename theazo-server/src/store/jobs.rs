//! Jobs: a durable queue with due times and leases. Every timer is a job, too.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Map, Value};
use theazo_api::{JobId, Timestamp};

use super::{StoreError, Tenant, Topic, Tx, View};
use crate::error::AppError;

/// What came of a job that somebody waits for.
pub type JobResult = Result<Value, AppError>;

/// A job to do.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The id. A job with the id of one that exists asks for that one again.
    pub id: JobId,
    /// What is to be done.
    pub kind: &'static str,
    /// With what: the id of a run, an agent, a session.
    pub subject: String,
    /// The particulars.
    pub payload: Value,
    /// When it is due.
    pub due_at: Timestamp,
}

impl NewJob {
    /// The one job of a kind about one subject: asked for again, it is that one. `name` tells it from the subject's others.
    pub fn about(name: &str, kind: &'static str, subject: impl fmt::Display, due_at: Timestamp) -> Self {
        let subject = subject.to_string();
        let id = JobId::from_suffix(format!("{name}-{subject}"));
        Self { id, kind, subject, payload: Value::Object(Map::new()), due_at }
    }
}

/// Which jobs a worker takes. Each lane has places of its own, so that however many programs run, somebody can still be
/// told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What may take long: runs and programs.
    Work,
    /// What is short and must not wait for them: pauses, endings, timers.
    Control,
}

impl Lane {
    /// The lane of a job of this kind.
    fn of(kind: &str) -> Self {
        if matches!(kind, "run" | "agent.command") { Self::Work } else { Self::Control }
    }

    /// The lane as it is stored.
    fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Control => "control",
        }
    }
}

/// The jobs of a lane, which is the first value, in the queue. The index is named: a lane must never look through the jobs of
/// the other.
const QUEUED: &str = "jobs INDEXED BY jobs_by_lane WHERE state = 'queued' AND lane = ?1";

/// The job with the id that is the first value, if the worker that is the second has it by the lease that is the third.
const HELD: &str = "id = ?1 AND state = 'leased' AND lease_owner = ?2 AND attempts = ?3";

/// A job that a worker has.
#[derive(Debug, Clone)]
pub struct Job {
    /// The id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What is to be done.
    pub kind: String,
    /// With what.
    pub subject: String,
    /// The particulars.
    pub payload: Value,
    /// How often a worker took it before. It grows with each lease, so it tells a lease from a later one.
    pub attempts: i64,
    /// Who leased it.
    pub owner: String,
}

impl Job {
    /// The values of [`HELD`].
    fn lease(&self) -> (&str, &str, i64) {
        (self.id.as_str(), &self.owner, self.attempts + 1)
    }
}

/// Notes the lane of each job in a store that was written before it was kept.
pub(super) fn set_lanes(connection: &Connection) -> rusqlite::Result<()> {
    let mut kinds = connection.prepare("SELECT DISTINCT kind FROM jobs")?;
    let kinds: Vec<String> = kinds.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for kind in kinds {
        connection.execute("UPDATE jobs SET lane = ?2 WHERE kind = ?1", (&kind, Lane::of(&kind).as_str()))?;
    }
    Ok(())
}

impl Tx<'_> {
    /// Asks for a job. If it exists and is done, it is queued again; if a worker has it, it is queued again afterwards.
    pub fn enqueue(&self, tenant: &Tenant, job: &NewJob) -> Result<(), StoreError> {
        let lane = Lane::of(job.kind);
        self.connection
            .prepare_cached(
                "INSERT INTO jobs (id, tenant, kind, subject, payload, due_at, lane, state) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued') \
                 ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, due_at = excluded.due_at, result = NULL, \
                 again = (state = 'leased'), state = CASE state WHEN 'done' THEN 'queued' ELSE state END",
            )?
            .execute((
                job.id.as_str(),
                tenant.as_str(),
                job.kind,
                &job.subject,
                job.payload.to_string(),
                job.due_at.as_millis(),
                lane.as_str(),
            ))?;
        self.note(Topic::Queue(lane));
        Ok(())
    }

    /// Takes a job out of the queue, if no worker has it.
    pub fn dequeue(&self, id: &JobId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM jobs WHERE id = ?1 AND state = 'queued'")?
            .execute([id.as_str()])?;
        Ok(())
    }

    /// Leases the jobs of a lane that are due, the longest due first.
    pub fn lease_due(&self, lane: Lane, owner: &str, now: Timestamp, limit: i64) -> Result<Vec<Job>, StoreError> {
        let sql = format!(
            "SELECT id, tenant, kind, subject, payload, attempts FROM {QUEUED} AND due_at <= ?2 ORDER BY due_at LIMIT ?3"
        );
        let mut due = self.connection.prepare_cached(&sql)?;
        let jobs = due.query_map((lane.as_str(), now.as_millis(), limit), |row| read_job(row, owner))?;
        let jobs: Vec<Job> = jobs.collect::<Result<_, _>>()?;
        let mut lease = self.connection.prepare_cached(
            "UPDATE jobs SET state = 'leased', lease_owner = ?2, attempts = attempts + 1 WHERE id = ?1",
        )?;
        for job in &jobs {
            lease.execute((job.id.as_str(), owner))?;
        }
        Ok(jobs)
    }

    /// Gives back what a dead worker had.
    pub fn release_leases(&self, except_owner: &str) -> Result<usize, StoreError> {
        let released = self
            .connection
            .prepare_cached(
                "UPDATE jobs SET state = 'queued', lease_owner = NULL WHERE state = 'leased' AND lease_owner <> ?1",
            )?
            .execute([except_owner])?;
        for lane in [Lane::Work, Lane::Control] {
            self.note(Topic::Queue(lane));
        }
        Ok(released)
    }

    /// Ends a job, or queues it again if it was asked for again meanwhile. Who has lost the lease ends nothing, and is told
    /// so.
    pub fn finish(&self, job: &Job, result: Option<&JobResult>) -> Result<bool, StoreError> {
        let result = result.map(serde_json::to_string).transpose();
        let result = result.map_err(|source| StoreError::Document { kind: "job", source })?;
        let is_asked_again: Option<bool> = self
            .connection
            .prepare_cached(&format!("SELECT again FROM jobs WHERE {HELD}"))?
            .query_row(job.lease(), |row| row.get(0))
            .optional()?;
        let Some(is_asked_again) = is_asked_again else { return Ok(false) };
        let state = if is_asked_again { "queued" } else { "done" };
        self.connection
            .prepare_cached("UPDATE jobs SET state = ?2, again = 0, lease_owner = NULL, result = ?3 WHERE id = ?1")?
            .execute((job.id.as_str(), state, result))?;
        self.note(Topic::Job(job.id.as_str()));
        if is_asked_again {
            self.note(Topic::Queue(Lane::of(&job.kind)));
        }
        Ok(true)
    }

    /// Gives a job back, to be done at another time.
    pub fn postpone(&self, job: &Job, due_at: Timestamp) -> Result<(), StoreError> {
        let (id, owner, attempts) = job.lease();
        self.connection
            .prepare_cached(&format!("UPDATE jobs SET state = 'queued', lease_owner = NULL, due_at = ?4 WHERE {HELD}"))?
            .execute((id, owner, attempts, due_at.as_millis()))?;
        self.note(Topic::Queue(Lane::of(&job.kind)));
        Ok(())
    }

    /// Forgets jobs that are done and were due before `time`.
    pub fn forget_done(&self, time: Timestamp) -> Result<usize, StoreError> {
        Ok(self
            .connection
            .prepare_cached("DELETE FROM jobs WHERE state = 'done' AND due_at < ?1")?
            .execute([time.as_millis()])?)
    }

    /// Forgets a job that is done and whose result was read.
    pub fn forget(&self, id: &JobId) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM jobs WHERE id = ?1 AND state = 'done'")?.execute([id.as_str()])?;
        Ok(())
    }
}

impl View<'_> {
    /// The result of a job, if it is done.
    pub fn job_result(&self, id: &JobId) -> Result<Option<JobResult>, StoreError> {
        let text: Option<Option<String>> = self
            .connection
            .prepare_cached("SELECT result FROM jobs WHERE id = ?1 AND state = 'done'")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        text.flatten()
            .map(|text| serde_json::from_str(&text).map_err(|source| StoreError::Document { kind: "job", source }))
            .transpose()
    }

    /// Whether a lease is still the present one of its job.
    pub fn is_held(&self, job: &Job) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM jobs WHERE {HELD})");
        Ok(self.connection.prepare_cached(&sql)?.query_row(job.lease(), |row| row.get(0))?)
    }

    /// What a job of one tenant is about, if there is such a job.
    pub fn job_subject(&self, tenant: &Tenant, id: &JobId) -> Result<Option<String>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT subject FROM jobs WHERE id = ?1 AND tenant = ?2")?
            .query_row((id.as_str(), tenant.as_str()), |row| row.get(0))
            .optional()?)
    }

    /// Whether a job is still to be done, or under way.
    pub fn is_pending(&self, id: &JobId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state <> 'done')";
        Ok(self.connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))?)
    }

    /// Whether a job of this kind with this subject waits or is under way.
    pub fn has_open_job(&self, kind: &str, subject: &str) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE subject = ?1 AND kind = ?2 AND state <> 'done')",
        )?;
        Ok(statement.query_row((subject, kind), |row| row.get(0))?)
    }

    /// When the next job of a lane is due.
    pub fn next_due(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!("SELECT min(due_at) FROM {QUEUED}");
        let millis: Option<i64> = self.connection.prepare_cached(&sql)?.query_row([lane.as_str()], |row| row.get(0))?;
        Ok(millis.map(Timestamp::from_millis))
    }

    /// When the next short job of one of these kinds is due after `now`.
    pub fn next_due_of(&self, kinds: &[&str], now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!("SELECT min(due_at) FROM {QUEUED} AND kind IN ('{}') AND due_at > ?2", kinds.join("', '"));
        let values = (Lane::Control.as_str(), now.as_millis());
        let millis: Option<i64> = self.connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0))?;
        Ok(millis.map(Timestamp::from_millis))
    }

    /// Whether a job of one of these kinds is due or under way.
    pub fn any_due_or_leased(&self, kinds: &[&str], now: Timestamp) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_by_subject WHERE state <> 'done' AND kind IN ('{}') AND \
             (state = 'leased' OR (state = 'queued' AND due_at <= ?1)))",
            kinds.join("', '")
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row([now.as_millis()], |row| row.get(0))?)
    }
}

/// Reads a job that is about to be leased.
fn read_job(row: &Row<'_>, owner: &str) -> rusqlite::Result<Job> {
    let (tenant, payload): (String, String) = (row.get(1)?, row.get(4)?);
    Ok(Job {
        id: JobId::from(row.get::<_, String>(0)?),
        tenant: Tenant::parse(&tenant),
        kind: row.get(2)?,
        subject: row.get(3)?,
        payload: serde_json::from_str(&payload).unwrap_or(Value::Null),
        attempts: row.get(5)?,
        owner: owner.to_owned(),
    })
}
