//! What callers were told, and what a user sees once everything is at rest: both must agree.

use std::collections::{BTreeMap, BTreeSet};

use theazo::{
    Agent, Session, Theazo,
    types::{AgentDefinitionId, RunResult},
};

use super::caller::{ONCE, RAN};

/// What callers were told.
#[derive(Default)]
pub struct Seen {
    pub results: Vec<RunResult>,
    pub stopped_at_cap: usize,
    /// The lines of the programs that ran to their end.
    pub programs: Vec<String>,
    pub interrupted: usize,
    pub tasks: Vec<String>,
    pub files: Vec<String>,
    /// Stored files by their ids, and what is in them.
    pub stored: Vec<(String, String)>,
    pub secrets: Vec<String>,
    /// Versions of the definition, and their prompts.
    pub versions: Vec<(i64, String)>,
    pub problems: Vec<String>,
}

impl Seen {
    /// Adds what another caller was told.
    pub fn add(&mut self, other: Self) {
        self.results.extend(other.results);
        self.stopped_at_cap += other.stopped_at_cap;
        self.programs.extend(other.programs);
        self.interrupted += other.interrupted;
        self.tasks.extend(other.tasks);
        self.files.extend(other.files);
        self.stored.extend(other.stored);
        self.secrets.extend(other.secrets);
        self.versions.extend(other.versions);
        self.problems.extend(other.problems);
    }

    /// How much there is of each, for the report.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("runs completed", self.results.len()),
            ("runs stopped at their own cap", self.stopped_at_cap),
            ("programs that ran to their end", self.programs.len()),
            ("programs interrupted", self.interrupted),
            ("tasks completed", self.tasks.len()),
            ("files kept in a sandbox", self.files.len()),
            ("stored files", self.stored.len()),
            ("secrets", self.secrets.len()),
            ("versions of a definition", self.versions.len()),
        ])
    }
}

/// Where what a user sees is not what callers were told.
pub async fn compare(
    theazo: &Theazo,
    sessions: [&Session; 2],
    keeper: &Agent,
    definition: &AgentDefinitionId,
    seen: &Seen,
) -> Vec<String> {
    let mut violations = compare_runs(sessions, seen).await;
    violations.extend(compare_programs(keeper, seen).await);
    violations.extend(compare_files(theazo, keeper, seen).await);
    violations.extend(compare_account(theazo, definition, seen).await);
    violations
}

async fn compare_runs(sessions: [&Session; 2], seen: &Seen) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_id: BTreeMap<&str, &RunResult> = BTreeMap::new();
    for result in &seen.results {
        if by_id.insert(result.run_id.as_str(), result).is_some() {
            violations.push(format!("two calls were given the run {}", result.run_id));
        }
    }
    let mut tasks = BTreeMap::new();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for session in sessions {
        let mut items = session.tasks().list().items();
        while let Some(task) = items.next().await {
            let task = task.expect("tasks are listed");
            tasks.insert(task.run_id.map(|id| id.to_string()).unwrap_or_default(), task.id.to_string());
        }
        let mut items = session.runs().list().items();
        while let Some(run) = items.next().await {
            let run = run.expect("runs are listed");
            let data = run.data();
            let id = data.id.as_str();
            *ends.entry(data.status.to_string()).or_default() += 1;
            match (&data.result, by_id.get(id)) {
                (Some(stored), Some(given)) if stored == *given => {}
                (Some(_), None) if tasks.contains_key(id) => {}
                (None, None) if data.status.as_str() == "failed" => {}
                (stored, given) => {
                    violations.push(format!("the run {id} has the result {stored:?}, its caller {given:?}"))
                }
            }
        }
    }
    let told = BTreeSet::from_iter(seen.tasks.iter());
    if tasks.values().collect::<BTreeSet<_>>() != told || told.len() != seen.tasks.len() {
        violations.push(format!("{} tasks were handed in and there are {}", seen.tasks.len(), tasks.len()));
    }
    let expected = BTreeMap::from([
        ("completed".to_owned(), seen.results.len() + seen.tasks.len()),
        ("failed".to_owned(), seen.stopped_at_cap),
    ]);
    if ends != expected.into_iter().filter(|(_, count)| *count > 0).collect() {
        violations.push(format!("the runs ended {ends:?}, and callers were told {:?}", seen.counts()));
    }
    violations
}

async fn compare_programs(keeper: &Agent, seen: &Seen) -> Vec<String> {
    if seen.programs.is_empty() {
        return Vec::new();
    }
    let text = keeper.files().read(RAN).text().await.expect("the programs wrote it");
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        *times.entry(line).or_default() += 1;
    }
    let lost = seen.programs.iter().filter(|line| !times.contains_key(line.as_str()));
    let lost = lost.map(|line| format!("the program {line} ended and left nothing behind"));
    let repeated = times.iter().filter(|(line, count)| line.starts_with(ONCE) && **count > 1);
    let repeated = repeated.map(|(line, count)| format!("the program {line} may run once and ran {count} times"));
    lost.chain(repeated).collect()
}

async fn compare_files(theazo: &Theazo, keeper: &Agent, seen: &Seen) -> Vec<String> {
    let mut violations = Vec::new();
    for path in &seen.files {
        let number = path.trim_start_matches("kept-").trim_end_matches(".txt");
        match keeper.files().read(path).text().await {
            Ok(text) if text == number => {}
            outcome => violations.push(format!("`{path}` was acknowledged and is {outcome:?}")),
        }
    }
    for (id, content) in &seen.stored {
        match theazo.files().download(id.as_str()).await {
            Ok(stored) if stored == content.as_bytes() => {}
            outcome => violations.push(format!("the file {id} was acknowledged and is {outcome:?}")),
        }
    }
    let mut items = theazo.files().list().items();
    let mut stored = 0;
    while let Some(file) = items.next().await {
        file.expect("files are listed");
        stored += 1;
    }
    if stored != seen.stored.len() {
        violations.push(format!("{} files were stored and there are {stored}", seen.stored.len()));
    }
    violations
}

async fn compare_account(theazo: &Theazo, definition: &AgentDefinitionId, seen: &Seen) -> Vec<String> {
    let mut violations = Vec::new();
    let mut items = theazo.secrets().list().items();
    let mut secrets = BTreeSet::new();
    while let Some(secret) = items.next().await {
        secrets.insert(secret.expect("secrets are listed").name);
    }
    if secrets != seen.secrets.iter().cloned().collect() {
        violations.push(format!("{} secrets were set and there are {}", seen.secrets.len(), secrets.len()));
    }
    let mut items = theazo.agents().versions(definition.clone()).items();
    let mut versions = BTreeMap::from([(1, "first".to_owned())]);
    versions.extend(seen.versions.iter().cloned());
    let mut listed = 0;
    while let Some(version) = items.next().await {
        let version = version.expect("versions are listed");
        listed += 1;
        let stored = theazo.agents().get_definition(definition.clone()).version(version.version).await;
        let prompt = stored.expect("it is kept").system_prompt;
        if versions.get(&version.version) != Some(&prompt) {
            violations.push(format!("version {} has the prompt {prompt:?}", version.version));
        }
    }
    if listed != seen.versions.len() + 1 || versions.len() != listed {
        violations.push(format!("{} versions were made and there are {listed}", seen.versions.len() + 1));
    }
    violations
}
