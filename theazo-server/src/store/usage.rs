//! Sums of charges, by whom and by day, so that a report reads a few rows however much was charged.
//!
//! They are a view of the event log: each charge adds to them in its own transaction, and they can be made from the log
//! again.

use rusqlite::{OptionalExtension, Row, params};
use theazo_api::{testing::ChargeKind, usage::TokenUsage};

use super::{StoreError, Tenant, Tx, View};
use crate::event::Event;

/// Of what a sum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageOf<'a> {
    /// All of the tenant.
    Account,
    /// An end user.
    User(&'a str),
    /// A session.
    Session(&'a str),
    /// An agent.
    Agent(&'a str),
    /// A run.
    Run(&'a str),
    /// A provider of sandboxes or models.
    Provider(&'a str),
}

impl<'a> UsageOf<'a> {
    /// The name of the kind and the id, as they are stored.
    fn key(self) -> (&'static str, &'a str) {
        match self {
            Self::Account => ("account", ""),
            Self::User(id) => ("user", id),
            Self::Session(id) => ("session", id),
            Self::Agent(id) => ("agent", id),
            Self::Run(id) => ("run", id),
            Self::Provider(id) => ("provider", id),
        }
    }

    /// Whether there is a sum for each day. A session, an agent and a run end; of those one sum is kept.
    fn is_daily(self) -> bool {
        matches!(self, Self::Account | Self::User(_) | Self::Provider(_))
    }
}

/// Sums of charges: amounts in micro-cents, and what was counted for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sandboxes.
    pub compute: i64,
    /// Models.
    pub model: i64,
    /// Orchestration.
    pub orchestration: i64,
    /// Storage.
    pub storage: i64,
    /// How long sandboxes ran, in milliseconds.
    pub milliseconds: i64,
    /// Calls of models.
    pub model_calls: i64,
    /// Tokens of models.
    pub tokens: TokenUsage,
    /// Bytes times hours that were stored.
    pub byte_hours: i64,
}

impl Totals {
    /// What one charge comes to; nothing if the event is not a charge.
    pub fn of_event(event: &Event) -> Self {
        let Event::Charged { charge, tokens, milliseconds, byte_hours, .. } = event else { return Self::default() };
        let mut totals =
            Self { milliseconds: *milliseconds, tokens: *tokens, byte_hours: *byte_hours, ..Self::default() };
        let micro_cents = charge.cost.to_micro_cents();
        match charge.kind {
            ChargeKind::Model => (totals.model, totals.model_calls) = (micro_cents, 1),
            ChargeKind::Compute => totals.compute = micro_cents,
            ChargeKind::Storage => totals.storage = micro_cents,
            _ => totals.orchestration = micro_cents,
        }
        totals
    }

    /// Adds others to these.
    pub fn add(&mut self, other: &Self) {
        self.compute += other.compute;
        self.model += other.model;
        self.orchestration += other.orchestration;
        self.storage += other.storage;
        self.milliseconds += other.milliseconds;
        self.model_calls += other.model_calls;
        self.tokens.input += other.tokens.input;
        self.tokens.output += other.tokens.output;
        self.byte_hours += other.byte_hours;
    }

    /// How long sandboxes ran, in minutes.
    pub fn minutes(&self) -> f64 {
        self.milliseconds as f64 / 60_000.0
    }

    /// Gigabytes times hours that were stored.
    pub fn gigabyte_hours(&self) -> f64 {
        self.byte_hours as f64 / 1e9
    }

    /// What it all cost.
    pub fn total(&self) -> i64 {
        self.compute + self.model + self.orchestration + self.storage
    }

    /// Reads the columns of a row that begin at `first`.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let column = |offset: usize| row.get(first + offset);
        Ok(Self {
            compute: column(0)?,
            model: column(1)?,
            orchestration: column(2)?,
            storage: column(3)?,
            milliseconds: column(4)?,
            model_calls: column(5)?,
            tokens: TokenUsage { input: column(6)?, output: column(7)? },
            byte_hours: column(8)?,
        })
    }
}

/// The columns of [`Totals`], in the order in which it reads them.
const COLUMNS: &str = "compute, model, orchestration, storage, milliseconds, model_calls, input_tokens, output_tokens, \
                       byte_hours";

impl Tx<'_> {
    /// Adds a charge to the sums of all that it is about. Other events add nothing.
    pub fn add_usage(&self, tenant: &Tenant, event: &Event) -> Result<(), StoreError> {
        let Event::Charged { charge, .. } = event else { return Ok(()) };
        let totals = Totals::of_event(event);
        let today = charge.at.day();
        let sums = [
            UsageOf::Account,
            UsageOf::User(&charge.user_id),
            UsageOf::Session(&charge.session_id),
            UsageOf::Agent(&charge.agent_id),
            UsageOf::Run(&charge.run_id),
            UsageOf::Provider(&charge.provider),
        ]
        .into_iter()
        .filter(|of| *of == UsageOf::Account || !of.key().1.is_empty())
        .map(|of| {
            let (kind, id) = of.key();
            (kind, if of.is_daily() { today.as_str() } else { "" }, id)
        });
        let mut add = self.connection.prepare_cached(
            "UPDATE usage SET compute = compute + ?5, model = model + ?6, orchestration = orchestration + ?7, \
             storage = storage + ?8, milliseconds = milliseconds + ?9, model_calls = model_calls + ?10, \
             input_tokens = input_tokens + ?11, output_tokens = output_tokens + ?12, byte_hours = byte_hours + ?13 \
             WHERE tenant = ?1 AND kind = ?2 AND day = ?3 AND id = ?4",
        )?;
        for (kind, day, id) in sums {
            let values = params![
                tenant.as_str(),
                kind,
                day,
                id,
                totals.compute,
                totals.model,
                totals.orchestration,
                totals.storage,
                totals.milliseconds,
                totals.model_calls,
                totals.tokens.input,
                totals.tokens.output,
                totals.byte_hours,
            ];
            if add.execute(values)? == 0 {
                let begin = "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
                self.connection.prepare_cached(begin)?.execute(values)?;
            }
        }
        Ok(())
    }

    /// Makes the sums from the log, in a store that was written before they were kept.
    pub(super) fn make_usage_if_absent(&self) -> Result<(), StoreError> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM usage) AND EXISTS (SELECT 1 FROM events WHERE kind = 'charged')";
        let is_absent: bool = self.connection.query_row(sql, [], |row| row.get(0))?;
        if !is_absent {
            return Ok(());
        }
        let mut statement =
            self.connection.prepare("SELECT tenant, body FROM events WHERE kind = 'charged' ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (tenant, body): (String, String) = (row.get(0)?, row.get(1)?);
            let event: Event =
                serde_json::from_str(&body).map_err(|source| StoreError::Document { kind: "event", source })?;
            self.add_usage(&Tenant::parse(&tenant), &event)?;
        }
        Ok(())
    }
}

impl View<'_> {
    /// All that was ever charged for a session, an agent or a run.
    pub fn usage(&self, tenant: &Tenant, of: UsageOf<'_>) -> Result<Totals, StoreError> {
        debug_assert!(!of.is_daily(), "sums by day are read by day");
        let (kind, id) = of.key();
        let sql = format!("SELECT {COLUMNS} FROM usage WHERE tenant = ?1 AND kind = ?2 AND day = '' AND id = ?3");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let totals = statement.query_row((tenant.as_str(), kind, id), |row| Totals::read(row, 0)).optional()?;
        Ok(totals.unwrap_or_default())
    }

    /// What was charged for the account, a user or a provider on each of these days, those without charges left out.
    pub fn usage_by_day(
        &self,
        tenant: &Tenant,
        of: UsageOf<'_>,
        days: &[String],
    ) -> Result<Vec<(String, Totals)>, StoreError> {
        debug_assert!(of.is_daily(), "there is one sum of all days");
        let (kind, id) = of.key();
        let sql = format!("SELECT {COLUMNS} FROM usage WHERE tenant = ?1 AND kind = ?2 AND day = ?3 AND id = ?4");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut by_day = Vec::new();
        for day in days {
            let key = (tenant.as_str(), kind, day, id);
            if let Some(totals) = statement.query_row(key, |row| Totals::read(row, 0)).optional()? {
                by_day.push((day.clone(), totals));
            }
        }
        Ok(by_day)
    }

    /// What was charged on these days, which follow each other, for each user.
    pub fn usage_by_user(&self, tenant: &Tenant, days: &[String]) -> Result<Vec<(String, Totals)>, StoreError> {
        self.usage_by_id(tenant, "user", days)
    }

    /// What was charged on these days, which follow each other, for each provider.
    pub fn usage_by_provider(&self, tenant: &Tenant, days: &[String]) -> Result<Vec<(String, Totals)>, StoreError> {
        self.usage_by_id(tenant, "provider", days)
    }

    fn usage_by_id(&self, tenant: &Tenant, kind: &str, days: &[String]) -> Result<Vec<(String, Totals)>, StoreError> {
        let sums: Vec<String> = COLUMNS.split(", ").map(|column| format!("sum({column})")).collect();
        let sql = format!(
            "SELECT id, {} FROM usage WHERE tenant = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4 GROUP BY id ORDER BY id",
            sums.join(", ")
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((tenant.as_str(), kind, days.first(), days.last()), |row| {
            Ok((row.get(0)?, Totals::read(row, 1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use theazo_api::{Cost, Timestamp, testing::Charge};

    use super::*;
    use crate::store::{EventFilter, EventScope, Store, World};

    fn charge(index: usize, (kind, micro_cents, who, hour): (usize, i64, usize, i64)) -> Event {
        let kinds = [ChargeKind::Model, ChargeKind::Compute, ChargeKind::Orchestration, ChargeKind::Storage];
        Event::Charged {
            charge: Charge {
                id: index.to_string(),
                kind: kinds[kind].clone(),
                cost: Cost::from_micro_cents(micro_cents),
                user_id: ["", "ada", "eve"][who % 3].to_owned(),
                session_id: format!("ses_{}", who % 4),
                agent_id: format!("agt_{}", who % 5),
                run_id: if who % 2 == 0 { String::new() } else { format!("arun_{who}") },
                provider: ["local", "offline", ""][who % 3].to_owned(),
                at: Timestamp::from_millis(hour * 3_600_000),
            },
            tokens: TokenUsage { input: micro_cents % 7, output: micro_cents % 5 },
            milliseconds: micro_cents % 11,
            byte_hours: micro_cents % 13,
            model: String::new(),
            reservation: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// The sums are those of the entries in the log, and making them from the log again gives the same.
        #[test]
        fn sums_are_those_of_the_log(
            charges in prop::collection::vec((0..4_usize, 0..9_000_000_i64, 0..12_usize, 0..96_i64), 1..60)
        ) {
            let (ours, theirs) = (Tenant::new("acct_1", World::Live), Tenant::new("acct_2", World::Live));
            let store = Store::in_memory().expect("it opens");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            let tenant = ours.clone();
            let written = store.write(move |tx| {
                for (index, drawn) in charges.into_iter().enumerate() {
                    let event = charge(index, drawn);
                    let owner = if index % 5 == 4 { &theirs } else { &tenant };
                    tx.append(owner, Timestamp::EPOCH, &EventScope::default(), &event)?;
                    tx.add_usage(owner, &event)?;
                }
                let kept = rows(tx)?;
                tx.connection.execute_batch("DELETE FROM usage")?;
                tx.make_usage_if_absent()?;
                assert_eq!(kept, rows(tx)?);
                Ok::<_, StoreError>(())
            });
            runtime.block_on(written).expect("the store works");

            let log = store.read(|view| view.events(&ours, &EventFilter::default())).expect("the store works");
            let sum = |wanted: &dyn Fn(&Charge) -> bool| {
                let mut totals = Totals::default();
                for stored in &log {
                    if let Event::Charged { charge, .. } = &stored.event && wanted(charge) {
                        totals.add(&Totals::of_event(&stored.event));
                    }
                }
                totals
            };
            let days: Vec<String> = (0..4).map(|day| Timestamp::from_millis(day * 86_400_000).day()).collect();
            let by_day = |of| {
                let mut totals = Totals::default();
                let found = store.read(|view| view.usage_by_day(&ours, of, &days)).expect("the store works");
                found.iter().for_each(|(_, of_day)| totals.add(of_day));
                totals
            };
            let in_all = |of| store.read(|view| view.usage(&ours, of)).expect("the store works");
            prop_assert_eq!(by_day(UsageOf::Account), sum(&|_| true));
            prop_assert_eq!(by_day(UsageOf::User("ada")), sum(&|charge| charge.user_id == "ada"));
            prop_assert_eq!(by_day(UsageOf::Provider("local")), sum(&|charge| charge.provider == "local"));
            prop_assert_eq!(in_all(UsageOf::Session("ses_1")), sum(&|charge| charge.session_id == "ses_1"));
            prop_assert_eq!(in_all(UsageOf::Agent("agt_2")), sum(&|charge| charge.agent_id == "agt_2"));
            prop_assert_eq!(in_all(UsageOf::Run("arun_3")), sum(&|charge| charge.run_id == "arun_3"));
            let users = store.read(|view| view.usage_by_user(&ours, &days[1..3])).expect("the store works");
            for (user_id, totals) in users {
                let expected = sum(&|charge| charge.user_id == user_id && days[1..3].contains(&charge.at.day()));
                prop_assert_eq!(totals, expected);
            }
        }
    }

    fn rows(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
        let mut statement =
            tx.connection.prepare("SELECT json_array(tenant, kind, day, id, model, compute) FROM usage")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
