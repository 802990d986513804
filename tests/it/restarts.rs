//! A server that is told to stop under load, and comes back: who uses the SDK notices no more than a pause.

use std::sync::Arc;

use theazo::{
    Error, Theazo,
    types::{FilePurpose, RunResult},
};
use theazo_tests::{ServerProcess, follower::follow, inspection};
use tokio::sync::watch;

/// How often the server is restarted.
const RESTARTS: usize = 4;

/// How many callers there are.
const CALLERS: usize = 8;

/// How many calls are answered between two restarts.
const BETWEEN: usize = 40;

/// What a caller was told.
#[derive(Default)]
struct Told {
    sessions: Vec<String>,
    results: Vec<RunResult>,
    files: Vec<String>,
}

/// A client as each caller has one. It asks again by itself, until the server is back.
async fn client(server: &ServerProcess, key: &str) -> Theazo {
    Theazo::builder().base_url(&server.url).api_key(key).max_retries(20).build().await.expect("it is built")
}

/// Calls one thing after the other until it is told to stop. No call is made a second time here: that is the SDK's part.
async fn call(theazo: Theazo, caller: usize, answered: Arc<watch::Sender<usize>>) -> Result<Told, Error> {
    let mut told = Told::default();
    while *answered.borrow() < BETWEEN * (RESTARTS + 1) {
        let number = told.sessions.len();
        let session = theazo.sessions().create().await?;
        told.sessions.push(session.id().to_string());
        answered.send_modify(|count| *count += 1);
        told.results.push(session.run("researcher", "go on").provider("simulated").await?);
        answered.send_modify(|count| *count += 1);
        let name = format!("{caller}-{number}.txt");
        let stored = theazo.files().upload(name, "content", FilePurpose::AgentInput, "ada").await?;
        told.files.push(stored.id.to_string());
        theazo.sessions().get(session.id().clone()).await?;
        answered.send_modify(|count| *count += 2);
    }
    Ok(told)
}

#[tokio::test]
async fn row_46_restarts_under_load_fail_no_call_and_end_no_stream() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let mut server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--offline-pace-ms", "5"]).await;
    let (listen, key) =
        (server.url.trim_start_matches("http://").to_owned(), server.keys.clone().expect("it is new").0);
    let theazo = client(&server, &key).await;
    let following = follow(client(&server, &key).await).await;
    let answered = Arc::new(watch::channel(0).0);
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        callers.push(tokio::spawn(call(client(&server, &key).await, caller, answered.clone())));
    }

    for restart in 1..=RESTARTS {
        let mut answers = answered.subscribe();
        answers.wait_for(|count| *count >= restart * BETWEEN).await.expect("callers go on");
        assert_eq!(server.stop().await.code(), Some(0), "it stops as it should");
        server = ServerProcess::start(directory.path(), &listen, &["--offline-pace-ms", "5"]).await;
    }

    let mut all = Told::default();
    for caller in callers {
        let told = caller.await.expect("the caller lives").expect("no call fails");
        all.sessions.extend(told.sessions);
        all.results.extend(told.results);
        all.files.extend(told.files);
    }
    for id in &all.sessions {
        theazo.sessions().get(id.as_str()).await.expect("what was acknowledged is there");
    }
    for result in &all.results {
        let run = theazo.runs().get(result.run_id.clone()).await.expect("it is kept");
        assert_eq!(run.data().result.as_ref(), Some(result));
    }
    for id in &all.files {
        assert_eq!(&theazo.files().download(id.as_str()).await.expect("it is kept")[..], b"content");
    }
    let (followed, missed) = following.end(&theazo).await;
    assert_eq!(missed, Vec::<String>::new());
    assert!(followed > all.sessions.len(), "{followed}");
    assert_eq!(server.stop().await.code(), Some(0));
    let store = inspection::open(directory.path());
    let count = |kind: &str| {
        let query = format!("SELECT count(*) FROM resources WHERE kind = '{kind}'");
        let count: i64 = store.query_row(&query, [], |row| row.get(0)).expect("the store is read");
        usize::try_from(count).expect("it is a number of things")
    };
    // One session more than the callers made: the last thing that the follower saw.
    assert_eq!(
        (count("session"), count("run")),
        (all.sessions.len() + 1, all.results.len()),
        "each call took effect once"
    );
    assert_eq!(inspection::at_rest(&store), Vec::<String>::new());
}
