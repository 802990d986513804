//! Programs in sandboxes, against the same interpreter without one.

use std::time::Instant;

use theazo::Theazo;

use crate::{TURNS, report, report::Bar};

/// What a sandbox costs over a bare fork and exec of the same interpreter with the same program.
pub async fn programs() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let bare = || {
        let begun = Instant::now();
        let ran = std::process::Command::new("/usr/bin/python3").args(["-c", "print(1)"]).output().expect("it runs");
        assert_eq!(ran.stdout, b"1\n");
        begun.elapsed()
    };
    let warm = session.agents().create().await.expect("it is made");
    let (mut beyond, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..=TURNS {
        let bare_time = bare();
        let begun = Instant::now();
        let agent = session.agents().create().await.expect("it is made");
        agent.exec("python", "print(1)").await.expect("it runs");
        agent.terminate().await.expect("it ends");
        beyond.push(begun.elapsed().saturating_sub(bare_time).as_secs_f64() * 1000.0);

        let bare_time = bare();
        let begun = Instant::now();
        assert_eq!(warm.exec("python", "print(1)").await.expect("it runs").stdout, "1\n");
        ratios.push(begun.elapsed().as_secs_f64() / bare_time.as_secs_f64());
    }
    // The first of each warms up.
    report("create + exec + destroy beyond bare Python, ms", &beyond[1..], Bar::AtMost(30.0), "");
    report("exec in a warm sandbox over bare Python", &ratios[1..], Bar::AtMost(1.5), "");
}
