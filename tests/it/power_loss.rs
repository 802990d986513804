//! The power fails: of what was not synced any part may be lost. What was acknowledged is there all the same.

use std::{path::Path, sync::Arc};

use futures_util::future::join_all;
use rusqlite::Connection;
use theazo::types::{CostLimit, Period, SessionLimits};
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::{ServerProcess, client_of, disk::Disk, inspection, power::History, random::Random};

/// At how many moments the power fails.
const FAILURES: usize = 80;

/// After how many of them a plane is started on what is left, and everything comes to its end.
const STARTS: usize = 6;

/// Something that a caller was told is done, and how much was written by then.
struct Acknowledged {
    id: String,
    place: u64,
}

/// Sessions, each with a run under a limit, by callers side by side; and what each was told.
async fn work(disk: Arc<Disk>, server: &ServerProcess) -> Vec<Acknowledged> {
    let key = server.keys.clone().expect("the data directory is new").0;
    let theazo = theazo::Theazo::builder().base_url(&server.url).api_key(&key).build().await.expect("it is built");
    let callers = (0..6).map(|caller| {
        let (theazo, disk) = (theazo.clone(), disk.clone());
        tokio::spawn(async move {
            let mut told = Vec::new();
            for number in 0..8 {
                let limits = SessionLimits { max_cost: Some(CostLimit::cents(100, Period::Day)), ..Default::default() };
                let session = theazo.sessions().for_user(format!("{caller}-{number}")).limits(limits).await;
                let session = session.expect("it is made");
                told.push(Acknowledged { id: session.id().to_string(), place: disk.place() });
                let result = session.run("researcher", "work").provider("simulated").await.expect("it completes");
                told.push(Acknowledged { id: result.run_id.to_string(), place: disk.place() });
            }
            told
        })
    });
    join_all(callers.collect::<Vec<_>>()).await.into_iter().flat_map(|told| told.expect("the caller lives")).collect()
}

/// How many runs there are without the record of the key that they were asked for with, and how many records without
/// what came of them: the effect of a request and the record of its key are there both, or neither is.
fn half_done(store: &Connection) -> (i64, i64) {
    let count = |query: &str| store.query_row(query, [], |row| row.get(0)).expect("the store is read");
    let without_key = "SELECT count(*) FROM resources WHERE kind = 'run' \
                       AND NOT EXISTS (SELECT 1 FROM idempotency WHERE instr(response, resources.id))";
    let without_effect = "SELECT count(*) FROM idempotency \
                          WHERE NOT EXISTS (SELECT 1 FROM resources WHERE instr(idempotency.response, resources.id))";
    (count(without_key), count(without_effect))
}

#[tokio::test]
async fn row_15_when_the_power_fails_what_was_acknowledged_is_there_and_the_store_is_whole() {
    let (directory, disk) = (tempfile::tempdir().expect("a folder is made"), Arc::new(Disk::build()));
    let server = ServerProcess::start_on(&disk, directory.path(), "127.0.0.1:0", &[]).await;
    let begun = disk.place();
    let acknowledged = work(disk.clone(), &server).await;
    server.kill().await;
    let history = History::read(&disk.log());
    let first = (0..history.moments()).find(|moment| history.place(*moment) >= begun).expect("something was written");
    let mut random = Random::new(15);

    for failure in 0..FAILURES {
        let moment = first + random.below_usize(history.moments() - first);
        let left = tempfile::tempdir().expect("a folder is made");
        history.write_what_is_left(moment, left.path(), |most| random.below(most));
        let store = inspection::open_alone(left.path());
        assert_eq!(inspection::always(&store), Vec::<String>::new(), "failure {failure} at moment {moment}");
        assert_eq!(half_done(&store), (0, 0), "failure {failure} at moment {moment}");
        let place = history.place(moment);
        for told in acknowledged.iter().filter(|told| told.place <= place) {
            let query = "SELECT count(*) FROM resources WHERE id = ?1 AND status IN ('active', 'completed')";
            let found: i64 = store.query_row(query, [&told.id], |row| row.get(0)).expect("the store is read");
            assert_eq!(found, 1, "{} was acknowledged before failure {failure} at moment {moment}", told.id);
        }
        drop(store);
        if failure < STARTS {
            bring_to_rest(directory.path(), left.path()).await;
        }
    }
}

/// Starts a plane on what is left, lets what it finds come to its end, and looks at every amount.
async fn bring_to_rest(data_dir: &Path, left: &Path) {
    for key in ["master.key", "file-links.key"] {
        std::fs::copy(data_dir.join(key), left.join(key)).expect("it was synced when it was made");
    }
    let config = PlaneConfig::default().data_dir(left).default_provider("simulated");
    let plane = ControlPlane::start(config).await.expect("it starts");
    let key = plane.create_key(true, "after").await.expect("it is made");
    let theazo = client_of(&plane, &key);
    let mut sessions = theazo.sessions().list().items();
    while let Some(session) = sessions.next().await {
        let session = session.expect("they are listed");
        for run in session.runs().list().await.expect("they are listed").data {
            run.wait().await.expect("it goes on to its end");
        }
        session.terminate().await.expect("it ends");
    }
    plane.shutdown().await;
    assert_eq!(inspection::at_rest(&inspection::open(left)), Vec::<String>::new());
}
