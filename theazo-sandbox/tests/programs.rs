//! Programs in sandboxes: what they print, how they end, what they find.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{eventually, python, python_for, shell, text, world};
use theazo_sandbox::{Chunk, Error, Exec, Language, LauncherConfig, Runtimes, SandboxSpec, Stream};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_program_uses_the_standard_library_and_prints() {
    let world = world().await;
    let sandbox = world.sandbox("hello").await;

    let outcome = python(
        &sandbox,
        "import json, math, platform\nprint(json.dumps({'root': math.sqrt(16), 'system': platform.system()}))",
    )
    .await;

    assert_eq!(text(&outcome), r#"{"root": 4.0, "system": "Linux"}"#);
    assert!(!outcome.truncated);
}

#[tokio::test]
async fn exit_codes_and_signals_are_reported() {
    let world = world().await;
    let sandbox = world.sandbox("codes").await;

    assert_eq!(python(&sandbox, "raise SystemExit(7)").await.exit_code, 7);
    assert_eq!(shell(&sandbox, "kill -TERM $$").await.exit_code, 128 + 15);
}

#[tokio::test]
async fn an_exception_names_the_line_and_shows_it() {
    let world = world().await;
    let sandbox = world.sandbox("traceback").await;

    let outcome = python(&sandbox, "def broken():\n    return 1 / 0\nbroken()").await;

    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.exit_code, 1);
    assert!(stderr.contains("main.py\", line 2, in broken") && stderr.contains("return 1 / 0"), "{stderr}");
}

#[tokio::test]
async fn node_and_shell_run_in_the_workspace() {
    let world = world().await;
    let sandbox = world.sandbox("languages").await;
    shell(&sandbox, "echo 'exports.answer = 42' > helper.js; echo 'answer = 42' > helper.py").await;

    let node = Exec::new(Language::Node, "console.log(require('./helper.js').answer, process.cwd())");
    let node = sandbox.exec(node, None).await.expect("node runs");

    assert_eq!(text(&node), "42 /workspace");
    assert_eq!(text(&python(&sandbox, "import helper, os; print(helper.answer, os.getcwd())").await), "42 /workspace");
}

#[tokio::test]
async fn the_environment_holds_what_was_given_and_nothing_of_the_host() {
    let world = world().await;
    let environment = BTreeMap::from([("FROM_SANDBOX".to_owned(), "1".to_owned())]);
    let spec = SandboxSpec { environment, ..world.spec("environment") };
    let sandbox = world.launcher.create(spec).await.expect("the sandbox is created");

    let exec = Exec {
        environment: BTreeMap::from([("FROM_EXEC".to_owned(), "2".to_owned())]),
        ..Exec::new(Language::Python, "import os; print(sorted(os.environ))")
    };
    let outcome = sandbox.exec(exec, None).await.expect("the program runs");

    assert_eq!(text(&outcome), "['FROM_EXEC', 'FROM_SANDBOX', 'GOTOOLCHAIN', 'HOME', 'LANG', 'PATH', 'PYTHONPATH']");
}

#[tokio::test]
async fn files_survive_between_programs_and_after_the_sandbox() {
    let world = world().await;
    let sandbox = world.sandbox("files").await;

    shell(&sandbox, "echo kept > /workspace/note; echo uploaded > /data/file").await;
    assert_eq!(text(&shell(&sandbox, "cat note /data/file").await), "kept\nuploaded");
    sandbox.destroy().await.expect("it is destroyed");

    let note = std::fs::read_to_string(world.roots("files").workspace.join("note"));
    assert_eq!(note.expect("the file is still there"), "kept\n");
}

#[tokio::test]
async fn code_may_be_longer_than_a_command_line() {
    let world = world().await;
    let sandbox = world.sandbox("long").await;

    let code = format!("text = '{}'\nprint(len(text))", "x".repeat(4 << 20));

    assert_eq!(text(&python(&sandbox, &code).await), "4194304");
}

#[tokio::test]
async fn a_gigabyte_of_output_is_cut_and_the_exit_code_kept() {
    let world = world().await;
    let sandbox = world.sandbox("gigabyte").await;

    let outcome = shell(&sandbox, "head -c 1073741824 /dev/zero; exit 3").await;

    assert_eq!((outcome.stdout.len(), outcome.truncated, outcome.exit_code), (1 << 20, true, 3));
}

#[tokio::test]
async fn output_is_streamed_while_the_program_runs() {
    let world = world().await;
    let sandbox = world.sandbox("stream").await;
    let (sender, mut receiver) = mpsc::channel(8);

    // The program ends only when the file appears, which is made once its first line was seen.
    let code = "import os, time\nprint('first')\nwhile not os.path.exists('go'): time.sleep(0.005)\nprint('second')";
    let running = sandbox.exec(Exec::new(Language::Python, code), Some(sender));
    let reacting = async {
        let mut seen = Vec::new();
        while let Some(Chunk { stream: Stream::Stdout, bytes }) = receiver.recv().await {
            seen.extend(bytes);
            if seen == b"first\n" {
                theazo_sandbox::files::write(&world.roots("stream"), "go", b"", 10).expect("the file is written");
            }
        }
        seen
    };
    let (outcome, seen) = tokio::join!(running, reacting);

    assert_eq!(seen, b"first\nsecond\n");
    assert_eq!(outcome.expect("the program runs").stdout, b"first\nsecond\n");
}

#[tokio::test]
async fn programs_run_beside_each_other() {
    let world = world().await;
    let sandbox = world.sandbox("beside").await;

    // Each waits for the other's file.
    let meet = |own: &str, other: &str| {
        format!("touch /tmp/{own}; while [ ! -e /tmp/{other} ]; do sleep 0.01; done; echo {own}")
    };
    let (left_code, right_code) = (meet("left", "right"), meet("right", "left"));
    let (left, right) = tokio::join!(shell(&sandbox, &left_code), shell(&sandbox, &right_code));

    assert_eq!((text(&left), text(&right)), ("left".into(), "right".into()));
}

#[tokio::test]
async fn code_that_never_ends_is_stopped_with_all_it_started() {
    let world = world().await;
    let sandbox = world.sandbox("endless").await;

    let code = "
import os, subprocess, sys, time
print('started')
subprocess.Popen(['/bin/sh', '-c', 'setsid sleep 4242 & sleep 4242'])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(4242)
    os._exit(0)
while True: pass";
    let ended = python_for(&sandbox, code, Duration::from_millis(500)).await;

    let Err(Error::TimedOut { after, stdout, .. }) = ended else { panic!("it ended as {ended:?}") };
    assert_eq!((after, stdout), (Duration::from_millis(500), b"started\n".to_vec()));
    assert_eq!(text(&shell(&sandbox, "set -- /proc/[0-9]*; echo $#").await), "3", "init, supervisor and sh");
}

#[tokio::test]
async fn a_program_that_kills_its_supervisor_is_stopped_as_well() {
    let world = world().await;
    let sandbox = world.sandbox("parricide").await;

    let outcome = python(&sandbox, "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(4242)").await;

    assert_eq!(outcome.exit_code, 137);
    let mut processes = String::new();
    for _ in 0..100 {
        processes = text(&shell(&sandbox, "set -- /proc/[0-9]*; echo $#").await);
        if processes == "3" {
            break;
        }
    }
    assert_eq!(processes, "3");
}

#[tokio::test]
async fn dropping_the_future_kills_the_program() {
    let world = world().await;
    let sandbox = world.sandbox("dropped").await;

    let dropped = tokio::time::timeout(Duration::from_millis(200), shell(&sandbox, "sleep 987654321; true")).await;

    assert!(dropped.is_err());
    eventually("the end of the program", || common::processes_with("987654321").is_empty()).await;
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_does_not_hold_it_up_and_lives_on() {
    let world = world().await;
    let sandbox = world.sandbox("background").await;

    let outcome = shell(&sandbox, "(sleep 1; touch /tmp/alive; sleep 1000) & echo done").await;

    assert_eq!(text(&outcome), "done");
    assert!(outcome.duration < Duration::from_secs(1));
    shell(&sandbox, "while [ ! -e /tmp/alive ]; do sleep 0.05; done").await;
}

#[tokio::test]
async fn a_missing_interpreter_is_named() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let runtimes = Runtimes { go: "/opt/none/bin/go".into(), ..Runtimes::default() };
    let config = LauncherConfig { runtimes, ..LauncherConfig::new(directory.path().join("state")) };
    let launcher = theazo_sandbox::Launcher::start(config).await.expect("this machine has sandboxes");
    let spec = SandboxSpec::new("s", directory.path().join("workspace"), directory.path().join("data"));
    let sandbox = launcher.create(spec).await.expect("the sandbox is created");

    let error = sandbox.exec(Exec::new(Language::Go, "package main"), None).await.expect_err("there is no go there");

    assert_eq!(
        error.to_string(),
        "no go interpreter at `/opt/none/bin/go`; install it there or configure another path"
    );
}

#[tokio::test]
async fn a_program_cannot_take_the_place_of_the_next_one_s_code() {
    let world = world().await;
    let sandbox = world.sandbox("planted").await;
    let code = "
import os
for number in range(2, 20):
    path = f'/run/exec-{number}'
    if number % 3 == 0: os.mkdir(path); os.mkdir(f'{path}/main.py')
    elif number % 3 == 1: os.symlink('/workspace', path)
    else: open(path, 'w').close()";
    python(&sandbox, code).await;

    for _ in 0..3 {
        assert_eq!(text(&python(&sandbox, "print('fine')").await), "fine");
    }
}
