//! What a test says that simulated sandboxes do, and changes of files, which they do as real ones.

use std::{collections::BTreeMap, time::Duration};

use theazo::{
    Agent, Theazo,
    testing::{ExecFailure, SandboxAction, ScriptedExec, TestPlane},
    types::ExecEvent,
};

async fn agent(plane: &TestPlane) -> Agent {
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    session.agents().create().name("analyst").await.expect("it is made")
}

#[tokio::test]
async fn programs_do_what_a_test_says_in_order() {
    let plane = TestPlane::start().await.expect("it starts");
    let agent = agent(&plane).await;
    let results = [
        ScriptedExec {
            files: Some(BTreeMap::from([("made.txt".to_owned(), "by a script".to_owned())])),
            ..ScriptedExec::prints("45\n")
        },
        ScriptedExec { exit_code: Some(2), stderr: Some("no such file\n".to_owned()), ..ScriptedExec::default() },
        ScriptedExec::fails(ExecFailure::Timeout),
        ScriptedExec { message: Some("the host is gone".to_owned()), ..ScriptedExec::fails(ExecFailure::Failed) },
        ScriptedExec::fails(ExecFailure::Memory),
        ScriptedExec::fails(ExecFailure::Lost),
    ];
    plane.script_execs("analyst", results).await.expect("it is scripted");

    let first = agent.exec("python", "anything").await.expect("it runs");
    let second = agent.exec("python", "anything").await.expect("it runs");
    let late = agent.exec("python", "anything").await.expect_err("it is late");
    let failed = agent.exec("python", "anything").await.expect_err("the provider failed");
    let killed = agent.exec("python", "anything").await.expect("it ends");
    let lost = agent.exec("python", "anything").await.expect_err("its sandbox is lost");

    assert_eq!((first.stdout.as_str(), first.exit_code), ("45\n", 0));
    assert_eq!((second.stderr.as_str(), second.exit_code), ("no such file\n", 2));
    assert_eq!((late.code().as_str(), late.status()), ("timeout", 504));
    assert_eq!((failed.code().as_str(), failed.message()), ("provider_error", "the host is gone"));
    assert_eq!((killed.exit_code, killed.limit.as_deref()), (137, Some("memory")));
    assert_eq!((lost.code().as_str(), lost.message()), ("conflict", "the sandbox is gone"));
    // Another sandbox takes its place, with the same files.
    assert_eq!(agent.files().read("made.txt").text().await.expect("it is there"), "by a script");
    assert_eq!(
        agent.exec("shell", "true").await.expect("it runs").stdout,
        "[simulated: 4 bytes of shell were not run]\n"
    );
}

#[tokio::test]
async fn a_slow_program_ends_when_the_clock_is_moved_and_late_ones_at_their_timeout() {
    let plane = TestPlane::start().await.expect("it starts");
    let agent = agent(&plane).await;
    let slow = |millis| ScriptedExec { duration_ms: Some(millis), ..ScriptedExec::prints("begun\n") };
    plane.script_execs("analyst", [slow(30_000), slow(30_000)]).await.expect("it is scripted");

    let mut events = agent.exec_stream("python", "slow").await.expect("it starts");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(events.next().await.expect("it goes on").expect("it streams"));
    }
    assert!(matches!(&seen[..], [ExecEvent::Started { pid: None, .. }, ExecEvent::Stdout { .. }]), "{seen:?}");
    plane.advance(Duration::from_secs(31)).await.expect("time passes");
    let ended = events.next().await.expect("it ends").expect("it streams");
    assert!(matches!(ended, ExecEvent::Exit { exit_code: 0, .. }), "{ended:?}");

    let mut events = agent.exec_stream("python", "late").timeout(Duration::from_secs(10)).await.expect("it starts");
    for _ in 0..2 {
        events.next().await.expect("it goes on").expect("it streams");
    }
    plane.advance(Duration::from_secs(11)).await.expect("time passes");
    let ended = events.next().await.expect("it ends").expect("it streams");
    assert!(matches!(&ended, ExecEvent::Error { error } if error.code.as_str() == "timeout"), "{ended:?}");
}

#[tokio::test]
async fn sandboxes_fail_where_a_test_says() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    plane.break_sandbox(SandboxAction::Create).message("no host has room").await.expect("it is broken");
    let refused = session.agents().create().name("analyst").await.expect_err("no host has room");
    assert_eq!((refused.code().as_str(), refused.message()), ("provider_error", "no host has room"));

    let agent = agent(&plane).await;
    agent.files().write("kept.txt", "kept").await.expect("it is written");
    plane.break_sandbox(SandboxAction::Lose).agent("analyst").await.expect("it is broken");
    let lost = agent.exec("shell", "true").await.expect_err("it is lost");
    assert_eq!((lost.code().as_str(), lost.message()), ("conflict", "the sandbox is gone"));
    assert_eq!(agent.files().read("kept.txt").text().await.expect("it is there"), "kept");

    let unknown = plane.break_sandbox("explode").await.expect_err("there is no such failure");
    assert_eq!(unknown.details()["fields"][0]["field"], "action");
}

#[tokio::test]
async fn files_move_and_go_through_the_api() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    let files = agent.files();
    files.write("a/one.txt", "one").await.expect("it is written");
    files.write("two.txt", "two").await.expect("it is written");

    let made = files.make_dir("deep/folder").await.expect("it is made");
    assert!(made.directory && made.name == "folder");
    let moved = files.rename("a/one.txt", "/data/new/one.txt").await.expect("it is moved");
    assert_eq!((moved.name.as_str(), moved.size), ("one.txt", 3));
    let blocked = files.rename("two.txt", "/data/new/one.txt").await.expect_err("something is there");
    assert_eq!(blocked.code().as_str(), "conflict");
    files.rename("two.txt", "/data/new/one.txt").overwrite(true).await.expect("it replaces");
    assert_eq!(files.read("/data/new/one.txt").text().await.expect("it is there"), "two");
    let outside = files.rename("a", "/etc/a").await.expect_err("it is outside");
    assert_eq!(outside.details()["fields"][0]["field"], "target");

    let full = files.delete("/data/new").await.expect_err("it is not empty");
    assert_eq!((full.code().as_str(), full.message()), ("conflict", "`/data/new` is not empty"));
    files.delete("/data/new").recursive(true).await.expect("all of it goes");
    files.delete("a").await.expect("it is empty");
    let gone = files.delete("a").await.expect_err("it is gone");
    assert_eq!(gone.code().as_str(), "not_found");
}
