//! What every provider must do, as one suite: a provider that is added runs it, too. What a provider says that it cannot do
//! is not asked of it.

use std::{sync::Arc, time::Duration};

use theazo_api::{ComputeRuntime, IsolationLevel};
use tokio::sync::mpsc;

use super::{
    Attached, ComputeError, Exec, LocalConfig, LocalProvider, Provider, STORAGE_BYTES, Sandbox, SandboxSpec,
    SimulatedProvider,
};
use crate::{clock::Clock, temporary::TemporaryDirectory};

/// Runs the whole suite.
async fn conform(provider: Arc<dyn Provider>) {
    let directory = TemporaryDirectory::create().expect("a folder can be made");
    let spec = |id: &str| SandboxSpec {
        id: id.to_owned(),
        agent: "analyst".to_owned(),
        directory: directory.path().join(id),
        environment: Vec::new(),
        storage: None,
    };
    let isolation = provider.availability().await.expect("sandboxes can be had here");
    let capabilities = provider.capabilities();
    let sandbox = provider.create(spec("agt_1")).await.expect("it is made");
    assert_eq!(sandbox.isolation(), isolation);
    assert_eq!(isolation.level != IsolationLevel::Simulated, capabilities.programs);
    assert!(capabilities.languages.contains(&ComputeRuntime::Shell));

    files_are_kept_and_found(&*sandbox).await;
    files_and_folders_move_and_go(&*sandbox).await;
    paths_that_cannot_be_used_are_named(&*sandbox).await;
    programs_run(&*sandbox).await;
    if capabilities.programs {
        real_programs_do_what_they_say(&*sandbox).await;
    }
    if capabilities.input {
        programs_are_written_to_and_signalled(&*sandbox).await;
    }
    if capabilities.processes && capabilities.programs {
        processes_are_listed(&*sandbox).await;
    }
    if capabilities.pause {
        a_paused_sandbox_refuses_programs_and_keeps_files(&*sandbox).await;
    }

    files_take_no_more_room_than_was_asked_for(&*provider, SandboxSpec { storage: Some(1 << 20), ..spec("agt_3") })
        .await;

    let other = provider.create(spec("agt_2")).await.expect("it is made");
    assert_eq!(other.read_file("kept".into()).await, Err(ComputeError::NotFound("kept".into())), "not its neighbour's");
    sandbox.write_file("kept".into(), b"still".to_vec()).await.expect("it is written");
    sandbox.destroy().await.expect("it ends");
    sandbox.destroy().await.expect("ending it again changes nothing");
    assert_eq!(sandbox.exec(shell("true"), Attached::default()).await, Err(ComputeError::Gone));
    assert_eq!(sandbox.processes().await, Err(ComputeError::Gone));
    let again = provider.create(spec("agt_1")).await.expect("it is made");
    assert_eq!(again.read_file("kept".into()).await.expect("files survive"), b"still");
    provider.shutdown().await;
}

fn shell(code: &str) -> Exec {
    Exec::new(ComputeRuntime::Shell, code)
}

async fn names(sandbox: &dyn Sandbox, dir: &str) -> Vec<String> {
    let entries = sandbox.list_files(dir.to_owned()).await.expect("it is listed");
    entries.into_iter().map(|entry| entry.name + if entry.directory { "/" } else { "" }).collect()
}

async fn files_are_kept_and_found(sandbox: &dyn Sandbox) {
    sandbox.write_file("a/b/c".into(), vec![0, 255]).await.expect("it is written");
    sandbox.write_file("/data/d".into(), b"old".to_vec()).await.expect("it is written");
    sandbox.write_file("../data/d".into(), b"new".to_vec()).await.expect("it is replaced");

    assert_eq!(sandbox.read_file("/workspace/a/./b/../b/c".into()).await.expect("it is there"), [0, 255]);
    assert_eq!(sandbox.read_file("/data/d".into()).await.expect("it is there"), b"new");
    assert_eq!(names(sandbox, "/").await, ["data/", "workspace/"]);
    assert_eq!(names(sandbox, "").await, ["a/"]);
    assert_eq!(names(sandbox, "/data").await, ["d"]);
    let entry = sandbox.list_files("a/b".into()).await.expect("it is listed").remove(0);
    assert_eq!((entry.name.as_str(), entry.size, entry.directory), ("c", 2, false));
}

async fn files_and_folders_move_and_go(sandbox: &dyn Sandbox) {
    let made = sandbox.make_folder("made/inner".into()).await.expect("it is made");
    assert_eq!((made.name.as_str(), made.size, made.directory), ("inner", 0, true));
    sandbox.make_folder("made".into()).await.expect("it stays as it is");
    let moved = sandbox.move_file("a".into(), "made/moved".into(), false).await.expect("it is moved");
    assert_eq!((moved.name.as_str(), moved.directory), ("moved", true));
    assert_eq!(sandbox.read_file("made/moved/b/c".into()).await.expect("it went along"), [0, 255]);
    let there = ComputeError::Conflict("there is a `/data/d` in the sandbox already".into());
    let blocked = sandbox.move_file("made/moved/b/c".into(), "/data/d".into(), false).await;
    assert_eq!(blocked, Err(there));
    sandbox.move_file("made/moved/b/c".into(), "/data/d".into(), true).await.expect("it replaces");
    assert_eq!(sandbox.read_file("/data/d".into()).await.expect("it is there"), [0, 255]);

    let full = sandbox.remove_file("made".into(), false).await;
    assert_eq!(full, Err(ComputeError::Conflict("`made` is not empty".into())));
    sandbox.remove_file("made/inner".into(), false).await.expect("it is empty");
    sandbox.remove_file("made".into(), true).await.expect("all of it goes");
    sandbox.remove_file("/data/d".into(), false).await.expect("it goes");
    assert_eq!((names(sandbox, "").await, names(sandbox, "/data").await), (vec![], vec![]));
}

async fn paths_that_cannot_be_used_are_named(sandbox: &dyn Sandbox) {
    sandbox.write_file("file".into(), b"x".to_vec()).await.expect("it is written");
    sandbox.make_folder("folder".into()).await.expect("it is made");
    let missing = || ComputeError::NotFound("none".into());
    let invalid = |path: &str, reason: &str| ComputeError::InvalidPath { path: path.into(), reason: reason.into() };
    let (no_file, no_folder) = ("is not a regular file", "is not a folder");

    assert_eq!(sandbox.read_file("none".into()).await, Err(missing()));
    assert_eq!(sandbox.list_files("none".into()).await, Err(missing()));
    assert_eq!(sandbox.remove_file("none".into(), true).await, Err(missing()));
    assert_eq!(sandbox.move_file("none".into(), "x/y".into(), true).await, Err(missing()));
    assert_eq!(sandbox.read_file("folder".into()).await, Err(invalid("folder", no_file)));
    assert_eq!(sandbox.read_file("file/x".into()).await, Err(invalid("file/x", no_folder)));
    assert_eq!(sandbox.write_file("folder".into(), vec![]).await, Err(invalid("folder", no_file)));
    assert_eq!(sandbox.write_file("file/x".into(), vec![]).await, Err(invalid("file/x", no_folder)));
    assert_eq!(sandbox.list_files("file".into()).await, Err(invalid("file", no_folder)));
    assert_eq!(sandbox.make_folder("file".into()).await, Err(invalid("file", no_folder)));
    assert_eq!(sandbox.move_file("file".into(), "folder".into(), true).await, Err(invalid("folder", no_file)));
    assert_eq!(sandbox.move_file("folder".into(), "file".into(), true).await, Err(invalid("file", no_folder)));
    for path in ["/etc/passwd", "../../etc/passwd", "/workspace/../etc", "/workspacex", "a\0b", "/data/../.."] {
        let outside = || invalid(path, "is outside `/workspace` and `/data`");
        assert_eq!(sandbox.read_file(path.into()).await, Err(outside()), "{path}");
        assert_eq!(sandbox.write_file(path.into(), vec![]).await, Err(outside()), "{path}");
        assert_eq!(sandbox.list_files(path.into()).await, Err(outside()), "{path}");
        assert_eq!(sandbox.remove_file(path.into(), true).await, Err(outside()), "{path}");
        assert_eq!(sandbox.move_file("file".into(), path.into(), true).await, Err(outside()), "{path}");
        assert_eq!(sandbox.make_folder(path.into()).await, Err(outside()), "{path}");
    }
    for fixed in ["/workspace", "/data/"] {
        let removed = sandbox.remove_file(fixed.into(), true).await;
        assert!(matches!(removed, Err(ComputeError::Invalid { field: "path", .. })), "{removed:?}");
        let moved = sandbox.move_file(fixed.into(), "folder/x".into(), true).await;
        assert!(matches!(moved, Err(ComputeError::Invalid { field: "source", .. })), "{moved:?}");
    }
    let into_itself = sandbox.move_file("folder".into(), "folder/x".into(), true).await;
    assert!(matches!(into_itself, Err(ComputeError::Invalid { field: "target", .. })), "{into_itself:?}");
    assert_eq!(names(sandbox, "").await, ["file", "folder/"], "nothing changed");
    for path in ["file", "folder"] {
        sandbox.remove_file(path.into(), false).await.expect("it goes");
    }
}

async fn programs_run(sandbox: &dyn Sandbox) {
    let (output, mut printed) = mpsc::channel(16);
    let attached = Attached { output: Some(output), ..Attached::default() };
    let gather = async {
        let mut bytes = Vec::new();
        while let Some(piece) = printed.recv().await {
            bytes.extend(piece.bytes);
        }
        bytes
    };

    let (result, told) = tokio::join!(sandbox.exec(shell("echo printed"), attached), gather);

    let result = result.expect("it runs");
    assert_eq!((result.exit_code, result.truncated, result.limit), (0, false, None));
    assert_eq!(result.stdout.as_bytes(), told, "what is told as it comes is what is kept");
    let nowhere = Exec { directory: Some("none".into()), ..shell("true") };
    let refused = sandbox.exec(nowhere, Attached::default()).await;
    assert!(matches!(refused, Err(ComputeError::Invalid { field: "directory", .. })), "{refused:?}");
}

async fn real_programs_do_what_they_say(sandbox: &dyn Sandbox) {
    sandbox.write_file("project/input".into(), b"from the host".to_vec()).await.expect("it is written");
    let exec = Exec {
        directory: Some("project".into()),
        environment: vec![("NAME".into(), "first".into()), ("NAME".into(), "second".into())],
        ..shell("cat input; echo $NAME > /data/made; echo problem >&2; exit 3")
    };
    let result = sandbox.exec(exec, Attached::default()).await.expect("it runs");
    assert_eq!((result.stdout.as_str(), result.stderr.as_str(), result.exit_code), ("from the host", "problem\n", 3));
    assert_eq!(sandbox.read_file("/data/made".into()).await.expect("it is there"), b"second\n");

    let endless = Exec { timeout: Duration::from_millis(300), ..shell("echo begun; sleep 1000") };
    let ended = sandbox.exec(endless, Attached::default()).await;
    let late =
        ComputeError::TimedOut { after: Duration::from_millis(300), stdout: "begun\n".into(), stderr: String::new() };
    assert_eq!(ended, Err(late));

    let flood = sandbox.exec(shell("head -c 3000000 /dev/zero; exit 4"), Attached::default()).await.expect("it runs");
    assert_eq!((flood.stdout.len(), flood.truncated, flood.exit_code), (1 << 20, true, 4));
    for path in ["project", "/data/made"] {
        sandbox.remove_file(path.into(), true).await.expect("it goes");
    }
}

async fn programs_are_written_to_and_signalled(sandbox: &dyn Sandbox) {
    let ((input, from_input), (output, mut printed)) = (mpsc::channel(1), mpsc::channel(16));
    let exec = Exec { input: true, ..shell("cat") };
    let attached = Attached { input: Some(from_input), output: Some(output), ..Attached::default() };
    let talk = async {
        input.send(b"hello\n".to_vec()).await.expect("it runs");
        let mut heard = String::new();
        while !heard.ends_with("hello\n") {
            let piece = printed.recv().await.expect("it prints");
            heard.push_str(&String::from_utf8_lossy(&piece.bytes));
        }
        drop(input);
    };
    let (result, ()) = tokio::join!(sandbox.exec(exec, attached), talk);
    let result = result.expect("it ends with its input");
    assert!(result.exit_code == 0 && result.stdout.ends_with("hello\n"), "{result:?}");

    // The input stays open, so that only the signal can end it.
    let ((_input, from_input), (signals, from_signals)) = (mpsc::channel(1), mpsc::channel(1));
    let exec = Exec { input: true, ..shell("cat") };
    let attached = Attached { input: Some(from_input), signals: Some(from_signals), ..Attached::default() };
    let (result, sent) = tokio::join!(sandbox.exec(exec, attached), signals.send(9));
    assert_eq!((result.expect("it is told how it ended").exit_code, sent), (128 + 9, Ok(())));
}

async fn processes_are_listed(sandbox: &dyn Sandbox) {
    let ((input, from_input), (output, mut printed)) = (mpsc::channel(1), mpsc::channel(16));
    let exec = Exec { input: true, label: "exec_1".into(), ..shell("echo ready; cat > /dev/null") };
    let attached = Attached { input: Some(from_input), output: Some(output), ..Attached::default() };
    let list = async {
        printed.recv().await.expect("it prints");
        let processes = sandbox.processes().await.expect("they are listed");
        drop(input);
        processes
    };

    let (_, processes) = tokio::join!(sandbox.exec(exec, attached), list);

    assert!(!processes.is_empty() && processes.iter().all(|process| process.label == "exec_1"), "{processes:?}");
    assert_eq!(sandbox.processes().await, Ok(Vec::new()));
}

async fn files_take_no_more_room_than_was_asked_for(provider: &dyn Provider, spec: SandboxSpec) {
    let sandbox = provider.create(spec).await.expect("it is made");
    sandbox.write_file("small".into(), vec![1; 256 << 10]).await.expect("there is room");

    let refused = sandbox.write_file("large".into(), vec![1; 2 << 20]).await.expect_err("there is none");
    let ComputeError::OutOfSpace { limit, value, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((limit, value), (STORAGE_BYTES, 1 << 20));
    assert_eq!(names(&*sandbox, "/workspace").await, ["small"]);

    sandbox.remove_file("small".into(), false).await.expect("it goes");
    sandbox.write_file("other".into(), vec![1; 512 << 10]).await.expect("there is room again");
    sandbox.destroy().await.expect("it ends");
}

async fn a_paused_sandbox_refuses_programs_and_keeps_files(sandbox: &dyn Sandbox) {
    sandbox.write_file("kept".into(), b"1234".to_vec()).await.expect("it is written");

    assert_eq!(sandbox.pause().await, Ok(4));
    sandbox.pause().await.expect("pausing it again changes nothing");
    assert_eq!(sandbox.exec(shell("true"), Attached::default()).await, Err(ComputeError::Paused));
    assert_eq!(sandbox.processes().await, Err(ComputeError::Paused));
    assert_eq!(sandbox.read_file("kept".into()).await.expect("it is there"), b"1234");
    sandbox.resume().await.expect("it goes on");
    sandbox.resume().await.expect("resuming it again changes nothing");

    assert_eq!(sandbox.exec(shell("true"), Attached::default()).await.expect("it runs").exit_code, 0);
}

#[tokio::test]
async fn the_simulated_provider_conforms() {
    conform(Arc::new(SimulatedProvider::new(Clock::system(), Arc::default()))).await;
}

#[tokio::test]
async fn the_local_provider_conforms() {
    let state = TemporaryDirectory::create().expect("a folder can be made");
    let config = LocalConfig {
        state_directory: state.path().to_owned(),
        runtimes: theazo_sandbox::Runtimes::default(),
        limits: theazo_sandbox::Limits::default(),
        most_storage: None,
        required: Vec::new(),
    };
    conform(Arc::new(LocalProvider::new(config))).await;
}
