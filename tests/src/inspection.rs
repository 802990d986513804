//! What must be true of a store, looked at from outside: its file, the journal of each run, and every amount of money.
//!
//! [`always`] holds at any moment, also in the middle of a fleet of runs; [`at_rest`] once nothing is under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;

/// What [`always`] and [`at_rest`] look at, for reports.
pub const CHECKED: &[&str] = &[
    "the file of the store is whole (integrity_check)",
    "no model answer, tool result, program or end of a run is in the journal twice, and none is asked for again after it",
    "no charge is there twice, and none is more than was reserved for it",
    "what each budget has reserved is the sum of what is held of it",
    "what each budget has spent is the sum of the charges that touch it",
    "the sums of usage of accounts, users, sessions, agents, runs and providers are the sums of their charges",
    "spent and reserved together are within every limit: of runs, of sessions (money and minutes), of users, of the account",
    "at rest nothing is reserved, and no meter runs",
];

/// Opens the store of a data directory to look into it, also while a server has it.
pub fn open(data_dir: &Path) -> Connection {
    let path = data_dir.join("theazo.db");
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store can be opened");
    store.busy_timeout(std::time::Duration::from_secs(5)).expect("it waits");
    store
}

/// Opens a store that nothing else has, as the next server would: what its log holds is taken over.
pub fn open_alone(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("theazo.db")).expect("the store can be opened")
}

/// What is wrong with a store, whatever is under way.
pub fn always(store: &Connection) -> Vec<String> {
    // All of it is read as of one moment.
    let store = store.unchecked_transaction().expect("a transaction begins");
    let mut violations = Vec::new();
    let integrity: String = one(&store, "PRAGMA integrity_check");
    if integrity != "ok" {
        violations.push(format!("the store is damaged: {integrity}"));
    }
    for (what, query) in TWICE {
        must_be(&mut violations, what, 0, one(&store, &format!("SELECT count(*) FROM ({query} HAVING count(*) > 1)")));
    }
    for (what, begun, ended, same) in AFTER {
        let query = format!(
            "SELECT count(*) FROM events begun JOIN events ended ON ended.run_id = begun.run_id \
             AND begun.kind = '{begun}' AND ended.kind = '{ended}' AND begun.sequence > ended.sequence AND {same}"
        );
        must_be(&mut violations, what, 0, one(&store, &query));
    }
    let charges = rows(&store, CHARGES, Charge::read);
    for charge in charges.iter().filter(|charge| charge.reserved.is_some_and(|most| charge.micro_cents > most)) {
        violations.push(format!("the charge {} is more than was reserved for it", charge.id));
    }
    let budgets = Budgets::read(&store);
    violations.extend(budgets.differences(&charges));
    violations.extend(budgets.over_limits(&store));
    violations.extend(usage_differences(&store, &charges));
    violations
}

/// What is wrong with a store in which nothing is under way.
pub fn at_rest(store: &Connection) -> Vec<String> {
    let mut violations = always(store);
    must_be(&mut violations, "reservations at rest", 0, one(store, "SELECT count(*) FROM holds"));
    must_be(&mut violations, "reserved at rest", 0, one(store, "SELECT coalesce(sum(reserved), 0) FROM budgets"));
    let meters = "SELECT count(*) FROM resources WHERE kind = 'agent' AND document ->> '$.meter' IS NOT NULL";
    must_be(&mut violations, "meters that run at rest", 0, one(store, meters));
    violations
}

/// What may be in the log once, and queries that group it by what makes it the same.
const TWICE: &[(&str, &str)] = &[
    (
        "model answers that were journaled twice",
        "SELECT 1 FROM events WHERE kind = 'model.responded' GROUP BY run_id, body ->> '$.ModelResponded.step'",
    ),
    (
        "tools that were journaled twice",
        "SELECT 1 FROM events WHERE kind = 'tool.finished' \
         GROUP BY run_id, body ->> '$.ToolFinished.step', body ->> '$.ToolFinished.index'",
    ),
    (
        "runs that ended twice",
        "SELECT 1 FROM events WHERE kind IN ('run.completed', 'run.failed', 'run.cancelled') GROUP BY run_id",
    ),
    (
        "programs that ended twice",
        "SELECT 1 FROM events WHERE kind = 'exec.finished' GROUP BY body ->> '$.ExecFinished.execId'",
    ),
    (
        "charges that are there twice",
        "SELECT 1 FROM events WHERE kind = 'charged' GROUP BY body ->> '$.Charged.charge.id'",
    ),
];

/// What must not begin after the same has ended, as the journal tells.
const AFTER: &[(&str, &str, &str, &str)] = &[
    (
        "model calls that were journaled and asked for again",
        "model.requested",
        "model.responded",
        "begun.body ->> '$.ModelRequested.step' = ended.body ->> '$.ModelResponded.step'",
    ),
    (
        "tools that were journaled and called again",
        "tool.started",
        "tool.finished",
        "begun.body ->> '$.ToolStarted.step' = ended.body ->> '$.ToolFinished.step' \
         AND begun.body ->> '$.ToolStarted.index' = ended.body ->> '$.ToolFinished.index'",
    ),
];

const CHARGES: &str = "SELECT tenant, body FROM events WHERE kind = 'charged'";

/// A charge, as the log has it.
struct Charge {
    id: String,
    tenant: String,
    /// Of what it is a part, by the kinds of the sums of usage.
    of: BTreeMap<&'static str, String>,
    micro_cents: i64,
    milliseconds: i64,
    reserved: Option<i64>,
}

impl Charge {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (tenant, body): (String, String) = (row.get(0)?, row.get(1)?);
        let body: Value = serde_json::from_str(&body).expect("an event is JSON");
        let (charged, charge) = (&body["Charged"], &body["Charged"]["charge"]);
        let names = [
            ("user", "userId"),
            ("session", "sessionId"),
            ("agent", "agentId"),
            ("run", "runId"),
            ("provider", "provider"),
        ];
        let of = names.map(|(kind, name)| (kind, charge[name].as_str().unwrap_or_default().to_owned()));
        Ok(Self {
            id: charge["id"].as_str().unwrap_or_default().to_owned(),
            tenant,
            of: of.into_iter().filter(|(_, id)| !id.is_empty()).chain([("account", String::new())]).collect(),
            micro_cents: micro_cents(&charge["cost"]),
            milliseconds: charged["milliseconds"].as_i64().unwrap_or(0),
            reserved: charged["reservation"]["micro_cents"].as_i64(),
        })
    }

    /// The budgets that it touches, without their periods: a reservation may be settled on the day after.
    fn scopes(&self) -> Vec<(String, i64)> {
        let (tenant, id) = (&self.tenant, |kind: &str| self.of.get(kind).map(String::as_str));
        let payer = match (id("user"), id("session")) {
            (Some(user), _) => Some(format!("user|{user}")),
            (None, Some(session)) => Some(format!("session|{session}")),
            (None, None) => None,
        };
        let money = [Some("account".to_owned()), payer].into_iter().flatten();
        let money = money.flat_map(|scope| ["day", "month"].map(|period| format!("{scope}|{period}")));
        let run = id("run").map(|run| format!("run|{run}"));
        let compute = id("session").map(|session| (format!("{tenant}|compute|{session}"), self.milliseconds));
        let money = money.chain(run).map(|scope| (format!("{tenant}|{scope}"), self.micro_cents));
        money.chain(compute).collect()
    }
}

/// What is spent and what is reserved of each budget, with its period in its name; and what is held of it.
struct Budgets {
    spent: BTreeMap<String, i64>,
    reserved: BTreeMap<String, i64>,
    held: BTreeMap<String, i64>,
}

impl Budgets {
    fn read(store: &Connection) -> Self {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let budgets = rows(store, "SELECT scope, spent, reserved FROM budgets", read);
        let mut held = BTreeMap::new();
        for text in rows(store, "SELECT held FROM holds", |row| row.get::<_, String>(0)) {
            let hold: Value = serde_json::from_str(&text).expect("a hold is JSON");
            for budget in hold["budgets"].as_array().into_iter().flatten() {
                let amount = hold["amounts"][budget["unit"].as_str().unwrap_or_default()].as_i64().unwrap_or(0);
                *held.entry(budget["scope"].as_str().unwrap_or_default().to_owned()).or_default() += amount;
            }
        }
        Self {
            spent: budgets.iter().map(|(scope, spent, _)| (scope.clone(), *spent)).collect(),
            reserved: budgets.into_iter().map(|(scope, _, reserved)| (scope, reserved)).collect(),
            held,
        }
    }

    /// Where budgets are not what is held of them, or not what was charged.
    fn differences(&self, charges: &[Charge]) -> Vec<String> {
        let mut violations = Vec::new();
        for (scope, reserved) in &self.reserved {
            must_be(
                &mut violations,
                &format!("reserved of `{scope}`"),
                self.held.get(scope).copied().unwrap_or(0),
                *reserved,
            );
        }
        let mut charged: BTreeMap<String, i64> = BTreeMap::new();
        for (scope, amount) in charges.iter().flat_map(Charge::scopes) {
            *charged.entry(scope).or_default() += amount;
        }
        let mut spent: BTreeMap<&str, i64> = BTreeMap::new();
        for (scope, amount) in self.spent.iter().filter(|(scope, _)| !scope.ends_with("|credits")) {
            *spent.entry(without_period(scope)).or_default() += amount;
        }
        for (scope, spent) in spent {
            must_be(&mut violations, &format!("spent of `{scope}`"), charged.get(scope).copied().unwrap_or(0), spent);
        }
        violations
    }

    /// Where a budget is beyond a limit, if limits were only ever raised.
    fn over_limits(&self, store: &Connection) -> Vec<String> {
        let mut violations = Vec::new();
        for (scope, limit) in limits(store) {
            let begins = format!("{scope}|");
            for (budget, spent) in
                self.spent.iter().filter(|(budget, _)| **budget == scope || budget.starts_with(&begins))
            {
                let reserved = self.reserved.get(budget).copied().unwrap_or(0);
                if spent + reserved > limit {
                    violations.push(format!("`{budget}` has spent {spent} and reserved {reserved} of {limit}"));
                }
            }
        }
        violations
    }
}

/// Every limit there is, by the budget that it stands over, without the number of its period.
fn limits(store: &Connection) -> Vec<(String, i64)> {
    let documents = |kind: &str| -> Vec<(String, Value)> {
        let query = format!("SELECT tenant, document FROM resources WHERE kind = '{kind}'");
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let parse = |(tenant, text): (String, String)| (tenant, serde_json::from_str(&text).expect("it is JSON"));
        rows(store, &query, read).into_iter().map(parse).collect()
    };
    let mut limits = Vec::new();
    for (tenant, run) in documents("run") {
        if let Some(most) = run["maxCost"].as_i64() {
            limits.push((format!("{tenant}|run|{}", text(&run["data"]["id"])), most));
        }
    }
    let mut payers: BTreeSet<(String, String)> = BTreeSet::new();
    for (tenant, session) in documents("session") {
        let data = &session["data"];
        let (user, id) = (text(&data["userId"]), text(&data["id"]));
        let payer = if user.is_empty() { format!("session|{id}") } else { format!("user|{user}") };
        let most = &data["limits"]["maxCost"];
        if let Some(cents) = most["amount"].as_i64() {
            limits.push((format!("{tenant}|{payer}|{}", text(&most["period"])), cents * 1_000_000));
        }
        if let Some(minutes) = data["limits"]["maxComputeMinutes"].as_f64() {
            limits.push((format!("{tenant}|compute|{id}"), (minutes * 60_000.0) as i64));
        }
        payers.insert((tenant, payer));
    }
    let budgets = documents("budget");
    let has_own = |tenant: &str, payer: &str| {
        budgets.iter().any(|(of, budget)| of == tenant && format!("user|{}", text(&budget["userId"])) == payer)
    };
    for (tenant, budget) in &budgets {
        for (period, name) in [("day", "daily"), ("month", "monthly")] {
            if budget["config"][name].is_null() {
                continue;
            }
            let most = micro_cents(&budget["config"][name]);
            let mut add = |payer: &str| limits.push((format!("{tenant}|{payer}|{period}"), most));
            match text(&budget["id"]).split('|').next() {
                Some("bud_account") => add("account"),
                Some("bud_user") => add(&format!("user|{}", text(&budget["userId"]))),
                _ => payers.iter().filter(|(of, payer)| of == tenant && !has_own(of, payer)).for_each(|(_, p)| add(p)),
            }
        }
    }
    limits
}

/// Where the sums of usage are not the sums of the charges.
fn usage_differences(store: &Connection, charges: &[Charge]) -> Vec<String> {
    let mut charged: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for charge in charges {
        for (kind, id) in &charge.of {
            let sum = charged.entry((charge.tenant.clone(), (*kind).to_owned(), id.clone())).or_default();
            *sum += charge.micro_cents;
        }
    }
    let query = "SELECT tenant, kind, id, sum(compute + model + orchestration + storage) FROM usage GROUP BY 1, 2, 3";
    let read = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get::<_, i64>(3)?));
    let used: BTreeMap<(String, String, String), i64> = rows(store, query, read).into_iter().collect();
    let mut violations = Vec::new();
    for of in used.keys().chain(charged.keys()).collect::<BTreeSet<_>>() {
        let sum = |sums: &BTreeMap<_, i64>| sums.get(of).copied().unwrap_or(0);
        must_be(&mut violations, &format!("the usage of {of:?}"), sum(&charged), sum(&used));
    }
    violations
}

/// The name of a budget as [`Charge::scopes`] has it.
fn without_period(scope: &str) -> &str {
    match scope.rsplit_once('|') {
        Some((rest, _)) if rest.ends_with("|day") || rest.ends_with("|month") => rest,
        _ => scope,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn micro_cents(cost: &Value) -> i64 {
    cost["microCents"].as_i64().unwrap_or_else(|| cost["amount"].as_i64().unwrap_or(0) * 1_000_000)
}

fn must_be(violations: &mut Vec<String>, what: &str, wanted: i64, found: i64) {
    if found != wanted {
        violations.push(format!("{what}: {found} instead of {wanted}"));
    }
}

fn one<T: rusqlite::types::FromSql>(store: &Connection, query: &str) -> T {
    store.query_row(query, [], |row| row.get(0)).expect("the store is read")
}

fn rows<T>(store: &Connection, query: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut statement = store.prepare(query).expect("the query is right");
    let found = statement.query_map([], read).expect("the store is read");
    found.collect::<Result<_, _>>().expect("the rows are read")
}
