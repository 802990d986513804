//! Programs whose caller talks to them: input, signals, where they start, what they started.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{eventually, processes_with, shell, text, world, world_without_root};
use theazo_sandbox::{Attached, Chunk, Error, Exec, ExecOutcome, Language, Sandbox};
use tokio::sync::{mpsc, oneshot};

/// A program with open input that runs, and what its caller holds of it.
struct Talk<'a> {
    running: std::pin::Pin<Box<dyn Future<Output = Result<ExecOutcome, Error>> + 'a>>,
    output: mpsc::Receiver<Chunk>,
    started: oneshot::Receiver<i32>,
    input: Option<mpsc::Sender<Vec<u8>>>,
    signals: mpsc::Sender<i32>,
}

fn talk<'a>(sandbox: &'a Sandbox, language: Language, code: &str) -> Talk<'a> {
    let ((to_output, output), (tell, started)) = (mpsc::channel(8), oneshot::channel());
    let ((input, from_input), (signals, from_signals)) = (mpsc::channel(1), mpsc::channel(1));
    let attached =
        Attached { output: Some(to_output), started: Some(tell), input: Some(from_input), signals: Some(from_signals) };
    let exec = Exec { input: true, label: "talk".into(), ..Exec::new(language, code) };
    let running = Box::pin(sandbox.exec_attached(exec, attached));
    Talk { running, output, started, input: Some(input), signals }
}

impl Talk<'_> {
    /// Waits for a piece of output while the program runs.
    async fn printed(&mut self) -> String {
        tokio::select! {
            outcome = &mut self.running => panic!("it ended: {outcome:?}"),
            chunk = self.output.recv() => String::from_utf8(chunk.expect("it prints").bytes).expect("it is text"),
        }
    }

    async fn write(&mut self, text: &str) {
        let input = self.input.as_ref().expect("it is open");
        input.send(text.as_bytes().to_vec()).await.expect("the program runs");
    }

    async fn end(self) -> ExecOutcome {
        self.running.await.expect("it runs")
    }
}

#[tokio::test]
async fn a_program_answers_to_its_input_until_that_ends() {
    let programs = [
        (Language::Python, "import sys\nfor line in sys.stdin: sys.stdout.write('heard ' + line)\nprint('end')"),
        (Language::Shell, "while read line; do echo heard $line; done; echo end"),
        (
            Language::Node,
            "const lines = require('readline').createInterface({ input: process.stdin })
            lines.on('line', line => console.log('heard', line)); lines.on('close', () => console.log('end'))",
        ),
    ];
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("talk").await;
        for (language, code) in programs {
            let mut talk = talk(&sandbox, language, code);

            talk.write("one\n").await;
            assert_eq!(talk.printed().await, "heard one\n");
            talk.write("two\n").await;
            assert_eq!(talk.printed().await, "heard two\n");
            talk.input = None;

            assert_eq!(text(&talk.end().await), "heard one\nheard two\nend");
        }
    }
}

#[tokio::test]
async fn input_that_nobody_reads_or_that_is_not_open_does_no_harm() {
    let world = world().await;
    let sandbox = world.sandbox("deaf").await;

    let mut talk = talk(&sandbox, Language::Shell, "exec 0<&-; echo closed; sleep 0.2; echo done");
    assert_eq!(talk.printed().await, "closed\n");
    talk.write(&"x".repeat(1 << 20)).await;
    assert_eq!(text(&talk.end().await), "closed\ndone");

    assert_eq!(text(&shell(&sandbox, "cat; echo nothing").await), "nothing");
    let code = format!("// {}", "x".repeat(130_000));
    let exec = Exec { input: true, ..Exec::new(Language::Node, code) };
    let refused = sandbox.exec(exec, None).await.expect_err("it does not fit");
    assert!(matches!(refused, Error::InvalidInput { parameter: "code", .. }), "{refused}");
}

#[tokio::test]
async fn a_signal_reaches_the_program_and_all_that_it_started() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("signals").await;
        let code = "trap 'wait; echo parent; exit 5' TERM
            (trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.01; done) & while :; do sleep 0.01; done";
        let mut talking = talk(&sandbox, Language::Shell, code);
        assert_eq!(talking.printed().await, "ready\n");

        talking.signals.send(15).await.expect("it runs");
        let ended = talking.end().await;
        assert_eq!((String::from_utf8_lossy(&ended.stdout), ended.exit_code), ("ready\nchild\nparent\n".into(), 5));

        let mut stubborn =
            talk(&sandbox, Language::Shell, "trap '' TERM; setsid sleep 928374651 & echo ready; sleep 928374651");
        assert_eq!(stubborn.printed().await, "ready\n");
        stubborn.signals.send(9).await.expect("it runs");
        assert_eq!(stubborn.end().await.exit_code, 137);
        eventually("the end of all", || processes_with("928374651").is_empty()).await;
    }
}

#[tokio::test]
async fn a_program_starts_where_it_is_told() {
    let world = world().await;
    let sandbox = world.sandbox("directory").await;
    shell(&sandbox, "mkdir -p project/src; echo content > project/file").await;
    let run = async |directory: &str| {
        let exec = Exec { directory: directory.into(), ..Exec::new(Language::Shell, "pwd; cat file") };
        sandbox.exec(exec, None).await
    };

    assert_eq!(text(&run("project").await.expect("it runs")), "/workspace/project\ncontent");
    assert_eq!(text(&run("/workspace/project/src/..").await.expect("it runs")), "/workspace/project\ncontent");
    for directory in ["none", "project/file", ""] {
        let refused = run(directory).await.expect_err("it is no directory");
        assert!(matches!(refused, Error::InvalidInput { parameter: "directory", .. }), "{refused}");
    }
}

#[tokio::test]
async fn processes_are_listed_with_the_program_they_belong_to() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("processes").await;
        shell(&sandbox, "sleep 777 &").await;
        // The shell may end before what it put in the background has become the program that it is to be.
        eventually("the program in the background", || processes_with("sleep\x00777").len() == 1).await;
        let mut talk = talk(
            &sandbox,
            Language::Shell,
            "sleep 888 & while ! grep -q sleep /proc/$!/cmdline; do :; done; echo ready; cat > /dev/null; kill %1",
        );
        assert_eq!(talk.printed().await, "ready\n");

        let processes = sandbox.processes().await.expect("they are listed");

        let pid = talk.started.try_recv().expect("it runs");
        let found = |command: &str| processes.iter().find(|process| process.command.contains(command));
        let (left, own) = (found("sleep 777").expect("it lives on"), found("sleep 888").expect("it runs"));
        assert_eq!((left.label.as_deref(), left.parent), (Some(""), 0));
        assert_eq!((own.label.as_deref(), own.parent), (Some("talk"), pid));
        assert!(own.memory > 0 && own.age < Duration::from_secs(60), "{own:?}");
        let program = processes.iter().find(|process| process.pid == pid).expect("it runs");
        assert!(program.command.starts_with("/bin/sh /run/exec-"), "{program:?}");
        assert_eq!(program.parent, 0);
        assert!(processes.iter().all(|process| process.pid > 1), "init is not told: {processes:?}");
        talk.input = None;
        talk.end().await;
    }
}
