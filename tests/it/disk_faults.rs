//! Bad days of the disk: it is full, it fails, it can be read only. What was acknowledged stays, the rest is told, and it
//! works again as soon as the disk does.

use std::{collections::BTreeSet, fs::File, io::Write, path::Path, time::Duration};

use theazo::{
    Error, Theazo,
    types::{CostLimit, FilePurpose, Period, SessionLimits},
};
use theazo_tests::{
    ServerProcess,
    disk::{Disk, Fault},
    inspection,
};

async fn client(server: &ServerProcess, retries: u32) -> Theazo {
    let key = server.keys.clone().expect("the data directory is new").0;
    Theazo::builder().base_url(&server.url).api_key(&key).max_retries(retries).build().await.expect("it is built")
}

fn five_dollars() -> SessionLimits {
    SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), ..Default::default() }
}

/// What a refusal must say whatever failed: its code with its status, which request it was, and when to ask again.
fn told(error: &Error) -> (String, u16) {
    assert!(!error.request_id().is_empty(), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)), "{error}");
    (error.code().to_string(), error.status())
}

fn full() -> (String, u16) {
    ("insufficient_storage".to_owned(), 507)
}

/// Writes so many MiB, or as much as there is room for.
fn fill(path: &Path, mebibytes: usize) {
    let mut ballast = File::create(path).expect("it is made");
    let piece = vec![1; 1 << 20];
    let _ = (0..mebibytes).try_for_each(|_| ballast.write_all(&piece));
}

/// A real file system of 288 MiB, full to the last byte. Sandboxes have to leave 256 MiB of it free.
#[tokio::test]
async fn row_14_a_full_disk_is_told_and_everything_goes_on_when_there_is_room_again() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start_on_small_disk(directory.path(), 288, &["--offline-pace-ms", "20"]).await;
    let inside = server.seen_from_outside(directory.path());
    let theazo = client(&server, 0).await;
    let session = theazo.sessions().for_user("ada").limits(five_dollars()).await.expect("it is made");
    let agent = session.agents().create().provider("local").await.expect("it is made");
    agent.files().write("before.txt", "kept").await.expect("it is written");
    let upload = |name: &str| theazo.files().upload(name, "content", FilePurpose::AgentInput, "ada").into_future();
    let stored = upload("before.txt").await.expect("it is stored");
    let run = session.runs().start("researcher", "go on").provider("simulated").await.expect("it starts");

    // Sandboxes are refused first, so that they cannot take the room of the plane's own store.
    fill(&inside.join("ballast-of-40"), 40);
    // How much is free is looked at a few times a second.
    let refused = loop {
        if let Err(error) = agent.files().write("during.txt", "kept or not").await {
            break error;
        }
    };
    assert_eq!((refused.code().as_str(), refused.status()), ("insufficient_storage", 507), "{refused}");
    assert_eq!(refused.details()["limit"], "hostDiskBytes");
    let mut made = vec![theazo.sessions().create().await.expect("the plane itself has room").id().clone()];

    fill(&inside.join("ballast-of-the-rest"), 300);
    let refused = loop {
        match theazo.sessions().create().await {
            Ok(session) => made.push(session.id().clone()),
            Err(error) => break error,
        }
        assert!(made.len() < 100_000, "the disk never was full");
    };
    assert_eq!(told(&refused), full());
    assert_eq!(told(&upload("during.txt").await.expect_err("it is full")), full());
    assert_eq!(theazo.sessions().get(session.id().clone()).await.expect("reads go on").id(), session.id());
    assert_eq!(&theazo.files().download(stored.id.clone()).await.expect("reads go on")[..], b"content");
    assert!(!theazo.logs().query().await.expect("reads go on").data.is_empty());

    for ballast in ["ballast-of-40", "ballast-of-the-rest"] {
        std::fs::remove_file(inside.join(ballast)).expect("it is removed");
    }
    made.push(theazo.sessions().create().await.expect("there is room").id().clone());
    upload("after.txt").await.expect("there is room");
    assert!(run.wait().await.expect("the run goes on").output.contains("go on"));
    agent.files().write("after.txt", "kept").await.expect("there is room");
    for path in ["before.txt", "after.txt"] {
        assert_eq!(agent.files().read(path).text().await.expect("it is kept"), "kept");
    }
    for id in made {
        theazo.sessions().get(id).await.expect("what was acknowledged is there");
    }
    session.terminate().await.expect("it ends");
    // The file system ends with the server. Nothing is under way, so nothing is written while it is copied.
    let copy = tempfile::tempdir().expect("a folder is made");
    for file in ["theazo.db", "theazo.db-wal"] {
        std::fs::copy(inside.join(file), copy.path().join(file)).expect("it is copied");
    }
    assert_eq!(inspection::at_rest(&inspection::open(copy.path())), Vec::<String>::new());
    assert_eq!(server.stop().await.code(), Some(0));
}

/// The disk fails at each single operation of a change in turn, so that every place in the middle of it is met.
#[tokio::test]
async fn row_14_whatever_operation_of_the_disk_fails_a_change_is_made_once_or_refused() {
    tokio::join!(
        break_each_operation(Fault::Full, "insufficient_storage", 507),
        break_each_operation(Fault::Failing, "unavailable", 503),
        break_each_operation(Fault::ReadOnly, "unavailable", 503),
    );
}

async fn break_each_operation(fault: Fault, code: &str, status: u16) {
    let (directory, disk) = (tempfile::tempdir().expect("a folder is made"), Disk::build());
    let server = ServerProcess::start_on(&disk, directory.path(), "127.0.0.1:0", &[]).await;
    let theazo = client(&server, 0).await;
    let session = theazo.sessions().for_user("ada").limits(five_dollars()).await.expect("it is made");
    let (mut made, mut refused) = (BTreeSet::new(), 0);

    for spared in 0..12 {
        let (key, run_key) = (format!("session-{spared}"), format!("run-{spared}"));
        let create = || theazo.sessions().create().idempotency_key(&key).into_future();
        let run = || {
            let run = session.run("researcher", &run_key).provider("simulated");
            run.idempotency_key(&run_key).max_retries(30).into_future()
        };
        let running = tokio::spawn(run());
        disk.fail(fault, spared);
        let mut last = create().await;
        while last.is_ok() && disk.refused() == 0 {
            last = theazo.sessions().create().await;
        }
        if let Err(error) = &last {
            // SQLite says of a full disk under its shared memory that it fails.
            let is_told = told(error);
            assert!(is_told == (code.to_owned(), status) || is_told.1 == 503, "{error}");
            refused += 1;
        }
        theazo.sessions().get(session.id().clone()).await.expect("reads go on");
        assert!(disk.heal() > 0, "the fault was met");
        let again = create().await.expect("the disk is well");
        assert!(made.insert(again.id().to_string()), "each key made a session of its own");
        assert_eq!(create().await.expect("it is replayed").id(), again.id());
        let result = running.await.expect("the caller lives").expect("the run goes on when the disk does");
        assert_eq!(result, run().await.expect("it is replayed"), "it ran once");
    }

    assert!(refused > 0, "{fault:?} was told");
    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 12);
    session.terminate().await.expect("it ends");
    assert_eq!(server.stop().await.code(), Some(0));
    assert_eq!(inspection::at_rest(&inspection::open(directory.path())), Vec::<String>::new());
}

#[tokio::test]
async fn row_14_what_cannot_be_read_is_told_and_is_there_when_it_can() {
    let (directory, disk) = (tempfile::tempdir().expect("a folder is made"), Disk::build());
    let server = ServerProcess::start_on(&disk, directory.path(), "127.0.0.1:0", &[]).await;
    let theazo = client(&server, 0).await;
    let stored = theazo.files().upload("notes.txt", "content", FilePurpose::AgentInput, "ada").await.expect("stored");

    disk.fail_reads(Fault::Failing);
    let refused = theazo.files().download(stored.id.clone()).await.expect_err("the disk fails");
    assert_eq!(told(&refused), ("unavailable".to_owned(), 503));
    assert!(disk.heal() > 0);

    assert_eq!(&theazo.files().download(stored.id).await.expect("it is there")[..], b"content");
}

#[tokio::test]
async fn row_14_a_data_directory_that_cannot_be_written_to_is_refused_at_start_with_the_reason() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let (data, disk) = (directory.path().join("data"), Disk::build());
    std::fs::create_dir(&data).expect("it is made");
    disk.fail(Fault::ReadOnly, 0);
    let mut command = tokio::process::Command::new(theazo_tests::server_binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    disk.put_under(&mut command, &data);

    let refused = command.output().await.expect("it runs");

    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("Read-only file system"), "{message}");
}
