//! Kills a server a few hundred times while users work, and reports what was left: `cargo xtask crash [KILLS [SEED]]`.

use theazo_tests::{
    crash::{COMPARED, Plan, torment},
    inspection::CHECKED,
};

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
    println!("\n{} kills with seed {seed}. What was done meanwhile:", report.kills);
    for (what, count) in &report.done {
        println!("  {count:>6}  {what}");
    }
    println!("\nWhat the store was checked for, after each kill and at rest:");
    CHECKED.iter().for_each(|what| println!("  - {what}"));
    println!("\nWhat its callers were told was compared with what is there:");
    COMPARED.iter().for_each(|what| println!("  - {what}"));
    println!("\n{} violations", report.violations.len());
    for violation in &report.violations {
        println!("  VIOLATION {violation}");
    }
    if report.violations.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
