//! Row 32 of the catalogue: programs that take all they can get. Each is contained and says why, and a neighbour goes on.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::{World, eventually, python, shell, text, world, world_without_root};
use theazo_sandbox::files::{remove, usage};
use theazo_sandbox::{Error, Exec, ExecOutcome, Language, Limits, Sandbox, SpaceLimit};

/// Runs a greedy program beside a modest one, which must not wait for it.
async fn beside_a_neighbour(
    world: &World,
    greedy: &Sandbox,
    code: &str,
    timeout: Duration,
) -> Result<ExecOutcome, Error> {
    let neighbour = world.sandbox("neighbour").await;
    let exec = Exec { timeout: Some(timeout), ..Exec::new(Language::Python, code) };
    let modest = async {
        let started = Instant::now();
        for _ in 0..3 {
            assert_eq!(text(&python(&neighbour, "print(sum(range(1000)))").await), "499500");
            neighbour.exec(Exec::new(Language::Shell, "echo x > file && cat file"), None).await.expect("it runs");
        }
        started.elapsed()
    };
    let (outcome, took) = tokio::join!(greedy.exec(exec, None), modest);
    assert!(took < Duration::from_secs(20), "the neighbour waited {took:?}");
    neighbour.destroy().await.expect("it ends");
    outcome
}

async fn everywhere(limits: Limits, probe: impl AsyncFn(&World, &Sandbox)) {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.limited("greedy", limits.clone()).await;
        probe(&world, &sandbox).await;
        // Whatever it did, the sandbox can be used again.
        assert_eq!(text(&shell(&sandbox, "echo fine").await), "fine");
    }
}

const BRIEF: Duration = Duration::from_secs(2);

#[tokio::test]
async fn row_32_a_fork_bomb_runs_out_of_processes_and_time() {
    everywhere(Limits { processes: 48, ..Limits::default() }, async |world, sandbox| {
        let bomb = "
import os
while True:
    try: os.fork()
    except OSError: pass";

        let ended = beside_a_neighbour(world, sandbox, bomb, BRIEF).await;

        assert!(matches!(ended, Err(Error::TimedOut { after: BRIEF, .. })), "{ended:?}");
    })
    .await;
}

#[tokio::test]
async fn row_32_a_memory_balloon_bursts_alone() {
    everywhere(Limits { memory: 96 << 20, ..Limits::default() }, async |world, sandbox| {
        let balloon = "held = []\nwhile len(held) < 512: held.append(bytearray(1 << 20))\nprint('held all')";

        let ended = beside_a_neighbour(world, sandbox, balloon, Duration::from_secs(30)).await.expect("it runs");

        if world.launcher.isolation().enforced.contains(&"memory") {
            assert_eq!((ended.exit_code, ended.out_of_memory), (137, true));
        } else {
            // Without control groups each process has the limit for itself, and is refused more.
            assert_eq!(ended.exit_code, 1);
            assert!(String::from_utf8_lossy(&ended.stderr).contains("MemoryError"), "{ended:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn row_32_files_in_memory_count_as_memory() {
    everywhere(Limits { memory: 96 << 20, temporary: 8 << 20, ..Limits::default() }, async |world, sandbox| {
        let code = "
import errno
for place in ('/tmp', '/dev/shm'):
    written = 0
    try:
        with open(place + '/fill', 'wb') as file:
            while written < 256: file.write(bytes(1 << 20)); file.flush(); written += 1
    except OSError as error: print(place, written <= 64, errno.errorcode[error.errno])
    finally: __import__('os').remove(place + '/fill')";

        let ended = beside_a_neighbour(world, sandbox, code, Duration::from_secs(30)).await.expect("it runs");

        assert_eq!(text(&ended), "/tmp True ENOSPC\n/dev/shm True ENOSPC");
    })
    .await;
}

#[tokio::test]
async fn row_32_who_fills_the_disk_is_stopped_and_may_only_tidy_up() {
    everywhere(Limits { stored: 8 << 20, ..Limits::default() }, async |world, sandbox| {
        let roots = world.roots("greedy");
        // Bounded, so that this test could not fill a disk either.
        let fill = "
import time
for number in range(48):
    with open(f'/data/{number}', 'wb') as file: file.write(bytes(1 << 20))
print('filled', flush=True)
time.sleep(1000)";

        let ended = beside_a_neighbour(world, sandbox, fill, Duration::from_secs(60)).await;

        let Err(Error::OutOfSpace { limit: SpaceLimit::Bytes, value, used, .. }) = ended else { panic!("{ended:?}") };
        assert!(value == 8 << 20 && used > value, "{used}");
        let refused = sandbox.check_space(1).await.expect_err("it is full for the host as well");
        assert!(matches!(refused, Error::OutOfSpace { limit: SpaceLimit::Bytes, .. }), "{refused}");
        let more = shell(sandbox, "cat /data/0 | wc -c; echo more > /data/more").await;
        assert_ne!(more.exit_code, 0);
        assert_eq!(String::from_utf8_lossy(&more.stdout), "1048576\n");
        assert_eq!(text(&shell(sandbox, "rm /data/*; echo tidied").await), "tidied");
        assert_eq!(text(&shell(sandbox, "echo more > /data/more; cat /data/more").await), "more");
        remove(&roots, "/data/more", false).expect("it goes");
    })
    .await;
}

#[tokio::test]
async fn row_32_what_is_left_in_the_background_does_not_fill_the_disk() {
    everywhere(Limits { stored: 8 << 20, ..Limits::default() }, async |world, sandbox| {
        let fill = "(sleep 0.5; for number in 1 2 3 4 5 6 7 8 9 10 11 12; do head -c 2097152 /dev/zero > f$number; done; exec sleep 918273645) & echo begun";
        assert_eq!(text(&shell(sandbox, fill).await), "begun");

        eventually("the filling", || usage(&world.roots("greedy")).stored > 8 << 20).await;
        eventually("the end of the program", || common::processes_with("918273645").is_empty() && common::processes_with("head -c 2097152").is_empty()).await;

        text(&shell(sandbox, "rm f*").await);
    })
    .await;
}

#[tokio::test]
async fn row_32_who_makes_too_many_files_is_stopped() {
    everywhere(Limits { entries: 400, ..Limits::default() }, async |world, sandbox| {
        let roots = world.roots("greedy");
        let fill = "
import os, time
os.mkdir('many')
for number in range(2000): open(f'many/{number}', 'w').close()
print('made', flush=True)
time.sleep(1000)";

        let ended = beside_a_neighbour(world, sandbox, fill, Duration::from_secs(60)).await;

        let Err(Error::OutOfSpace { limit: SpaceLimit::Entries, value: 400, used, .. }) = ended else {
            panic!("{ended:?}")
        };
        assert!((401..=2001).contains(&used), "{used}");
        let refused = sandbox.exec(Exec::new(Language::Shell, "echo"), None).await;
        assert!(matches!(refused, Err(Error::OutOfSpace { limit: SpaceLimit::Entries, .. })), "{refused:?}");
        remove(&roots, "many", true).expect("the host can tidy up");
    })
    .await;
}

#[tokio::test]
async fn row_32_descriptors_run_out_for_the_program_alone() {
    everywhere(Limits::default(), async |world, sandbox| {
        let code = "
import errno, os
held = []
try:
    while True: held.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error: print(len(held) < 1024, errno.errorcode[error.errno])";

        let ended = beside_a_neighbour(world, sandbox, code, Duration::from_secs(30)).await.expect("it runs");

        assert_eq!(text(&ended), "True EMFILE");
    })
    .await;
}

#[tokio::test]
async fn row_32_who_spins_has_its_share_and_its_time() {
    everywhere(Limits { cpus: 0.5, ..Limits::default() }, async |world, sandbox| {
        let spin = "
import os
for _ in range(3): os.fork()
while True: pass";

        let ended = beside_a_neighbour(world, sandbox, spin, BRIEF).await;

        assert!(matches!(ended, Err(Error::TimedOut { after: BRIEF, .. })), "{ended:?}");
    })
    .await;
}

#[tokio::test]
async fn row_32_a_gibibyte_of_output_is_drained_and_cut() {
    everywhere(Limits::default(), async |world, sandbox| {
        let flood = "
import os
piece = bytes(1 << 20)
for _ in range(1024): os.write(1, piece)
os._exit(3)";

        let ended = beside_a_neighbour(world, sandbox, flood, Duration::from_secs(120)).await.expect("it runs");

        assert_eq!((ended.stdout.len(), ended.truncated, ended.exit_code), (1 << 20, true, 3));
    })
    .await;
}

#[tokio::test]
async fn row_32_a_sparse_file_is_limited_in_size_and_takes_no_room() {
    everywhere(Limits { file: 64 << 20, stored: 8 << 20, ..Limits::default() }, async |world, sandbox| {
        let code = "
import errno, os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('sparse', 'wb') as file:
    file.truncate(64 << 20)
    try: file.truncate(1 << 40)
    except OSError as error: print(errno.errorcode[error.errno])";

        let ended = beside_a_neighbour(world, sandbox, code, Duration::from_secs(30)).await.expect("it runs");

        assert_eq!(text(&ended), "EFBIG");
        let used = usage(&world.roots("greedy"));
        assert!(used.size == 64 << 20 && used.stored < 1 << 20, "{used:?}");
    })
    .await;
}
