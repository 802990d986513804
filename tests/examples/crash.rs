//! Kills a server a few hundred times while users work, and reports what was left: `cargo xtask crash [KILLS [SEED]]`.

use theazo_tests::crash::{Plan, torment};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let kills = arguments.next().map_or(300, |kills| usize::try_from(kills).expect("a number of kills"));
    let seed = arguments.next().unwrap_or(1);
    let report = torment(Plan { kills, callers: 6, seed }, |kill| {
        if kill % 20 == 0 {
            println!("killed {kill} times of {kills}");
        }
    })
    .await;
    println!(
        "{} kills with seed {seed}: {} runs completed, {} stopped at their limit; a later process went on with one {} \
         times; {} files kept",
        report.kills, report.completed, report.stopped_at_limit, report.continued, report.files
    );
    for violation in &report.violations {
        println!("VIOLATION {violation}");
    }
    println!("{} violations", report.violations.len());
    if report.violations.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
