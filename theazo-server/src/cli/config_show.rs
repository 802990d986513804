//! `theazo config show`: every option with its value and where that comes from.

use clap::{ArgMatches, Args, Command, parser::ValueSource};

use super::{Failure, options::Options};

/// Prints the options, in the form of the file.
pub fn run(options: &Options, matches: &ArgMatches, in_file: &[String]) -> Result<(), Failure> {
    options.plane()?;
    let matches = matches.subcommand_matches("config").and_then(|matches| matches.subcommand_matches("show"));
    let Some(matches) = matches else { return Ok(()) };
    for argument in Options::augment_args(Command::new("options")).get_arguments() {
        let name = argument.get_id().as_str();
        let values: Vec<String> =
            matches.get_raw(name).into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect();
        let source = match matches.value_source(name) {
            Some(ValueSource::CommandLine) => "the command line",
            Some(ValueSource::EnvVariable) => "the environment",
            Some(_) if in_file.iter().any(|known| known == name) => "the file",
            _ => "by default",
        };
        if values.is_empty() {
            println!("# {name} is not set");
            continue;
        }
        let shown: Vec<String> = values.iter().map(|value| shown(value, argument.is_hide_env_values_set())).collect();
        let many = matches!(argument.get_action(), clap::ArgAction::Append);
        let value = if many { format!("[{}]", shown.join(", ")) } else { shown.join(", ") };
        println!("{name} = {value}  # {source}");
    }
    Ok(())
}

fn shown(value: &str, is_secret: bool) -> String {
    match value {
        _ if is_secret => "\"[hidden]\"".to_owned(),
        "true" | "false" => value.to_owned(),
        number if number.parse::<u64>().is_ok() => number.to_owned(),
        text => serde_json::Value::from(text).to_string(),
    }
}
