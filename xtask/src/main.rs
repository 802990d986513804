//! The commands of the repository: `cargo xtask COMMAND`.

mod bench;
mod cargo;
mod codegen;
mod crash;
mod fixtures;
mod repository;
mod rustdoc;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  codegen [--check]    write the code and documents that come from theazo-api, or compare them;
                       --print-ir shows what templates see
  fixtures             write a starting fixture for each type that has none
  tidy                 check the house rules
  test                 check everything; the last line says how many passed and failed
                       --only STEP[,STEP] runs some steps, --list shows them
  bench [PROGRAM...]   measure ratios against their bars
  crash [KILLS [SEED]] kill a server at random while users work, 300 times or so often, and report what was left
  fuzz TARGET [-- ...] run a fuzz target of theazo/fuzz: --seconds NUMBER, --seed NUMBER, or inputs to try again
";

fn main() -> ExitCode {
    if let Some(code) = rustdoc::stand_in() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["codegen"] => codegen::write(),
        ["codegen", "--check"] => codegen::check(),
        ["codegen", "--print-ir"] => codegen::print_ir(),
        ["fixtures"] => fixtures::write_missing(),
        ["tidy"] => tidy::run(),
        ["test"] => return test::run(None),
        ["test", "--only", steps] => return test::run(Some(steps)),
        ["test", "--list"] => {
            test::list();
            return ExitCode::SUCCESS;
        }
        ["bench", only @ ..] => bench::run(only),
        ["crash", numbers @ ..] => crash::run(numbers),
        ["fuzz", target @ ..] if !target.is_empty() => test::fuzz::run(target),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        unknown => {
            eprint!("unknown command `{}`\n\n{USAGE}", unknown.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
