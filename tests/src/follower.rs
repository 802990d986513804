//! One who follows the log from the beginning, however often the server goes and comes, and what was shown of it.

use std::collections::BTreeSet;

use theazo::{
    Theazo, TypedStream,
    types::{LogEntry, LogId},
};
use tokio::task::JoinHandle;

/// The user whose session is the last thing that happens.
const LAST: &str = "last";

/// Somebody who follows the log.
pub struct Follower {
    shown: JoinHandle<Result<Vec<String>, String>>,
}

/// Begins to follow the log. The client is the follower's alone: what others retry must not use up its patience.
pub async fn follow(theazo: Theazo) -> Follower {
    let mut entries = theazo.logs().stream().await.expect("the log is followed");
    let shown = tokio::spawn(async move {
        let mut shown: Vec<String> = Vec::new();
        while let Some(entry) = entries.next().await {
            let entry = match (entry, shown.last()) {
                (Ok(entry), _) => entry,
                // A server that is away for longer than the client is patient: it goes on from its place.
                (Err(error), Some(last)) if error.is_retryable() => {
                    entries = go_on(&theazo, last).await?;
                    continue;
                }
                (Err(error), _) => return Err(format!("the stream of the log broke: {error}")),
            };
            shown.push(entry.id.to_string());
            if entry.user_id == LAST {
                return Ok(shown);
            }
        }
        Err("the stream of the log ended".to_owned())
    });
    Follower { shown }
}

async fn go_on(theazo: &Theazo, last: &str) -> Result<TypedStream<LogEntry>, String> {
    loop {
        match theazo.logs().socket().since(LogId::from(last)).await {
            Err(error) if error.is_retryable() => {}
            opened => return opened.map_err(|error| format!("the log cannot be followed further: {error}")),
        }
    }
}

impl Follower {
    /// How many entries were shown, and what was missing, twice or out of order.
    pub async fn end(self, theazo: &Theazo) -> (usize, Vec<String>) {
        theazo.sessions().for_user(LAST).await.expect("a session is made");
        let shown = match self.shown.await.expect("the follower lives") {
            Ok(shown) => shown,
            Err(problem) => return (0, vec![problem]),
        };
        let mut stored = BTreeSet::new();
        let mut entries = theazo.logs().query().limit(1000).items();
        while let Some(entry) = entries.next().await {
            stored.insert(entry.expect("the log is read").id.to_string());
        }
        let mut violations = Vec::new();
        let once: BTreeSet<String> = shown.iter().cloned().collect();
        if once.len() != shown.len() {
            violations.push(format!("{} log entries were shown twice", shown.len() - once.len()));
        }
        let missing: Vec<&String> = stored.difference(&once).take(5).collect();
        if !missing.is_empty() {
            violations.push(format!("log entries that were not shown, for example {missing:?}"));
        }
        if !shown.is_sorted() {
            violations.push("the log was shown out of order".to_owned());
        }
        (shown.len(), violations)
    }
}
