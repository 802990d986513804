//! Programs that take all they can get harm only themselves.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::{World, python, python_for, shell, text, world, world_without_root};
use theazo_sandbox::{Error, Limits};

fn enforces(world: &World, limit: &str) -> bool {
    world.launcher.isolation().enforced.contains(&limit)
}

#[tokio::test]
async fn a_fork_bomb_is_contained_and_others_go_on() {
    for world in [world().await, world_without_root().await] {
        let victim = world.sandbox("victim").await;
        let sandbox = world.limited("bomb", Limits { processes: 64, ..Limits::default() }).await;

        let bomb = "
import os
while True:
    try: os.fork()
    except OSError: pass";
        let (ended, others) = tokio::join!(python_for(&sandbox, bomb, Duration::from_secs(1)), async {
            let started = Instant::now();
            let outcome = python(&victim, "print('fine')").await;
            let created = world.sandbox("created meanwhile").await;
            created.destroy().await.expect("it is destroyed");
            (text(&outcome), started.elapsed())
        });

        assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
        assert_eq!(others.0, "fine");
        assert!(others.1 < Duration::from_secs(5), "{others:?}");
        // Nothing of the bomb is left, so the sandbox can be used again.
        assert_eq!(text(&shell(&sandbox, "set -- /proc/[0-9]*; echo $#").await), "3");
    }
}

#[tokio::test]
async fn the_number_of_processes_is_limited() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.limited("processes", Limits { processes: 16, ..Limits::default() }).await;

        let code = "
import os, time
made = 0
try:
    while made < 100:
        if os.fork() == 0: time.sleep(60)
        made += 1
except BlockingIOError: pass
print(made < 16)
os.killpg(0, 9)";

        assert_eq!(python(&sandbox, code).await.stdout, b"True\n");
    }
}

#[tokio::test]
async fn running_out_of_memory_ends_the_program_and_not_the_sandbox() {
    let world = world().await;
    if !enforces(&world, "memory") {
        return;
    }
    let sandbox = world.limited("memory", Limits { memory: 64 << 20, ..Limits::default() }).await;

    let ended = python(&sandbox, "x = bytearray(200 << 20)").await;
    assert_eq!((ended.exit_code, ended.out_of_memory), (137, true));
    let killed = shell(&sandbox, "kill -KILL $$").await;
    assert_eq!((killed.exit_code, killed.out_of_memory), (137, false));
    assert_eq!(text(&python(&sandbox, "print(len(bytearray(8 << 20)))").await), "8388608");
}

#[tokio::test]
async fn temporary_files_are_limited_in_size_and_number() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.limited("temporary", Limits { temporary: 4 << 20, ..Limits::default() }).await;

        let size =
            shell(&sandbox, "head -c 8388608 /dev/zero > /tmp/big 2>/dev/null; wc -c < /tmp/big; rm /tmp/big").await;
        let number = "
import errno
try:
    for index in range(100000): open(f'/tmp/{index}', 'w').close()
except OSError as error: print(index < 20000, errno.errorcode[error.errno])";

        assert_eq!(text(&size), "4194304");
        assert_eq!(text(&python(&sandbox, number).await), "True ENOSPC");
    }
}

#[tokio::test]
async fn one_file_is_limited_in_size() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.limited("file", Limits { file: 1 << 20, ..Limits::default() }).await;

        let outcome = shell(&sandbox, "head -c 2097152 /dev/zero > big; wc -c < big").await;

        assert_eq!(text(&outcome), "1048576");
    }
}

#[tokio::test]
async fn the_share_of_the_processor_is_limited() {
    let world = world().await;
    if !enforces(&world, "cpu") {
        return;
    }
    let sandbox = world.limited("cpu", Limits { cpus: 0.2, ..Limits::default() }).await;

    let code = "
import time
start = time.monotonic()
while time.process_time() < 0.2: pass
print(time.monotonic() - start > 0.6)";

    assert_eq!(text(&python(&sandbox, code).await), "True");
}
