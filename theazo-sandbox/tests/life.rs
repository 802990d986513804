//! The life of sandboxes and helpers: pause, end, crash, and that the caller's process is left alone.
#![cfg(target_os = "linux")]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::{World, eventually, processes_with, python, shell, text, world, world_without_root};
use theazo_sandbox::files::read;
use theazo_sandbox::{Error, Exec, Language};

/// The control groups of a helper and its sandboxes.
fn groups_of(helper: u32) -> Vec<PathBuf> {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let own = hierarchies.map(|hierarchy| hierarchy.path().join(format!("theazo/helper-{helper}")));
    own.filter(|path| path.exists())
        .flat_map(|path| {
            let below = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            below.filter(|path| path.is_dir()).collect::<Vec<_>>()
        })
        .collect()
}

fn is_gone(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// What a counting program has written last.
fn count(world: &World, id: &str) -> String {
    read(&world.roots(id), "count", 100).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_paused_program_stands_still_and_its_timeout_with_it() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("paused").await;
        let code = "
import os, time
for index in range(100000):
    with open('new', 'w') as file: file.write(str(index))
    os.rename('new', 'count')
    if os.path.exists('stop'): break
    time.sleep(0.001)
print('stopped')";
        let exec = Exec { timeout: Some(Duration::from_secs(4)), ..Exec::new(Language::Python, code) };
        let observing = async {
            while count(&world, "paused").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sandbox.pause().await.expect("it pauses");
            let at_pause = count(&world, "paused");
            let refused = sandbox.exec(Exec::new(Language::Python, ""), None).await;
            assert!(matches!(refused, Err(Error::Paused { .. })), "{refused:?}");
            // Longer than the program's time, which must not pass meanwhile.
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert_eq!(count(&world, "paused"), at_pause);
            sandbox.resume().await.expect("it resumes");
            while count(&world, "paused") == at_pause {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            shell(&sandbox, "touch stop").await;
        };
        let (outcome, ()) = tokio::join!(sandbox.exec(exec, None), observing);

        assert_eq!(text(&outcome.expect("it ends by itself")), "stopped");
    }
}

#[tokio::test]
async fn a_program_cannot_wake_itself_while_it_is_paused() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("awake").await;
        // A timer whose signal is the one that continues what was stopped; the same for input; and one that wakes all others.
        let code = "
import ctypes, fcntl, os, signal, struct, time
if os.fork() == 0:
    libc = ctypes.CDLL(None)
    event = struct.pack('qii48x', 0, signal.SIGCONT, 0)
    timer = ctypes.c_void_p()
    if libc.timer_create(0, event, ctypes.byref(timer)) == 0:
        libc.timer_settime(timer, 0, struct.pack('4q', 0, 5000000, 0, 5000000), None)
    for index in range(100000):
        with open('new', 'w') as file: file.write(str(index))
        os.rename('new', 'count')
        time.sleep(0.001)
for _ in range(3):
    if os.fork() == 0:
        while True: os.kill(-1, signal.SIGCONT)";
        python(&sandbox, code).await;
        while count(&world, "awake").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        sandbox.pause().await.expect("it pauses");
        let at_pause = count(&world, "awake");
        tokio::time::sleep(Duration::from_millis(500)).await;

        assert_eq!(count(&world, "awake"), at_pause);
        sandbox.resume().await.expect("it resumes");
        eventually("the program going on", || count(&world, "awake") != at_pause).await;
    }
}

#[tokio::test]
async fn destroy_leaves_no_process_and_no_group() {
    for world in [world().await, world_without_root().await] {
        let helper = world.launcher.helper_pid().await;
        let sandbox = world.sandbox("destroyed").await;
        shell(&sandbox, "sleep 192837465 & setsid sleep 192837465 &").await;
        eventually("the start of both", || processes_with("192837465").len() == 2).await;

        sandbox.destroy().await.expect("it is destroyed");

        assert_eq!(processes_with("192837465"), Vec::<PathBuf>::new());
        assert_eq!(groups_of(helper), Vec::<PathBuf>::new());
        let after = sandbox.exec(Exec::new(Language::Python, ""), None).await;
        assert!(matches!(after, Err(Error::Ended { .. })), "{after:?}");
        sandbox.destroy().await.expect("doing it again does nothing");
        world.launcher.shutdown().await;
        assert!(is_gone(helper));
    }
}

#[tokio::test]
async fn a_paused_sandbox_can_be_destroyed() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("frozen").await;
        shell(&sandbox, "sleep 564738291 &").await;
        sandbox.pause().await.expect("it pauses");

        sandbox.destroy().await.expect("it is destroyed");

        assert_eq!(processes_with("564738291"), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn dropping_a_sandbox_or_a_launcher_ends_everything() {
    let world = world().await;
    let helper = world.launcher.helper_pid().await;
    let (dropped, kept) = (world.sandbox("dropped").await, world.sandbox("kept").await);
    shell(&dropped, "sleep 615243789 &").await;
    shell(&kept, "sleep 718293645 &").await;

    drop(dropped);
    eventually("the end of the sandbox", || processes_with("615243789").is_empty()).await;
    // The shell may end before what it put in the background has become the program that it is to be.
    eventually("the program that is kept", || processes_with("718293645").len() == 1).await;

    drop((kept, world));
    eventually("the end of the helper", || is_gone(helper)).await;
    assert!(processes_with("718293645").is_empty());
    assert!(groups_of(helper).is_empty());
}

#[tokio::test]
async fn a_killed_helper_is_noticed_and_replaced() {
    let world = world().await;
    let helper = world.launcher.helper_pid().await;
    let sandbox = world.sandbox("orphan").await;

    let running = sandbox.exec(Exec::new(Language::Shell, "touch started; sleep 829104756; true"), None);
    let killing = async {
        while read(&world.roots("orphan"), "started", 10).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let killed = Command::new("kill").args(["-KILL", &helper.to_string()]).status();
        assert!(killed.expect("kill runs").success());
    };
    let (outcome, ()) = tokio::join!(running, killing);

    assert!(matches!(outcome, Err(Error::HelperDied)), "{outcome:?}");
    eventually("the end of the sandbox", || processes_with("829104756").is_empty()).await;
    assert!(matches!(sandbox.pause().await, Err(Error::HelperDied)));
    assert!(matches!(sandbox.destroy().await, Err(Error::HelperDied)));
    let next = world.sandbox("next").await;
    assert_eq!(text(&python(&next, "print('recovered')").await), "recovered");
    eventually("the end of the groups that the killed helper left", || groups_of(helper).is_empty()).await;
}

#[tokio::test]
async fn the_caller_s_own_children_are_untouched() {
    let mut child = Command::new("/bin/sh").args(["-c", "sleep 0.2; exit 9"]).spawn().expect("a child starts");
    let disposition = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("it can be read");
        status
            .lines()
            .filter(|line| ["SigIgn", "SigCgt"].iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = disposition();

    let world = world().await;
    let sandbox = world.sandbox("beside").await;
    python(&sandbox, "print(1)").await;
    sandbox.destroy().await.expect("it is destroyed");

    assert_eq!(child.wait().expect("nobody else waited for it").code(), Some(9));
    assert_eq!(before, disposition());
}

#[test]
fn a_launcher_outlives_the_thread_that_started_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let handle = runtime.handle().clone();
    let world = std::thread::spawn(move || handle.block_on(world())).join().expect("the thread ends well");
    let helper = runtime.block_on(world.launcher.helper_pid());

    let outcome = runtime.block_on(async { python(&world.sandbox("later").await, "print('alive')").await });

    assert_eq!(text(&outcome), "alive");
    assert!(!is_gone(helper));
}

#[tokio::test]
async fn many_launchers_and_sandboxes_live_side_by_side() {
    let worlds = [world().await, world().await, world_without_root().await];
    let mut sandboxes = Vec::new();
    for (index, world) in worlds.iter().enumerate() {
        for number in 0..4 {
            sandboxes.push((format!("{index}-{number}"), world.sandbox(&format!("s{number}")).await));
        }
    }

    for (name, sandbox) in &sandboxes {
        shell(sandbox, &format!("echo {name} > name")).await;
    }

    for (name, sandbox) in &sandboxes {
        assert_eq!(&text(&shell(sandbox, "cat name").await), name);
    }
}
