//! The file with options: what stands in it takes the place of the defaults, before environment and flags are read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches};
use toml::Value;

use super::{Cli, Failure, options::Options};

/// The file that is read if no other is named.
const USUAL: &str = "theazo.toml";

/// Values by the names of options.
type Values = BTreeMap<String, Vec<String>>;

/// What the process was started with.
pub struct Arguments {
    /// The command with its options.
    pub cli: Cli,
    /// The same, as it was found.
    pub matches: ArgMatches,
    /// The names of the options that the file has.
    pub in_file: Vec<String>,
}

/// Reads what the process was started with. It ends here where clap has something to say: help, the version, a mistake.
pub fn read_arguments() -> Result<Arguments, Failure> {
    let without_file = Cli::command().get_matches();
    let named = without_file.get_one::<PathBuf>("config").cloned();
    let path = named.or_else(|| Path::new(USUAL).exists().then(|| PathBuf::from(USUAL)));
    let Some(path) = path else {
        let cli = Cli::from_arg_matches(&without_file)?;
        return Ok(Arguments { cli, matches: without_file, in_file: Vec::new() });
    };
    let values = read(&path)?;
    // Everything but the file was right, so a mistake that shows up now is in the file.
    let in_file = |error: clap::Error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Failure::from(format!("in `{}`: {reason}", path.display()))
    };
    let matches = with_defaults(Cli::command(), &values).try_get_matches().map_err(in_file)?;
    let cli = Cli::from_arg_matches(&matches).map_err(in_file)?;
    Ok(Arguments { cli, matches, in_file: values.into_keys().collect() })
}

fn read(path: &Path) -> Result<Values, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error| format!("`{shown}` is not TOML: {error}"))?;
    let known = names();
    let mut values = Values::new();
    for (name, value) in table {
        if !known.contains(&name) {
            let known = known.join("`, `");
            return Err(format!("in `{shown}`: there is no option `{name}`; there are `{known}`").into());
        }
        let texts = match value {
            Value::Array(items) => items.iter().map(text_of).collect(),
            value => text_of(&value).map(|text| vec![text]),
        };
        let texts = texts.ok_or_else(|| format!("in `{shown}`: `{name}` must be text, a number, true or false"))?;
        values.insert(name, texts);
    }
    Ok(values)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The names of all options.
fn names() -> Vec<String> {
    let command = Options::augment_args(Command::new("options"));
    command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
}

/// The command with these values as its defaults, and those of its subcommands.
fn with_defaults(command: Command, values: &Values) -> Command {
    let command = command.mut_args(|argument| match values.get(argument.get_id().as_str()) {
        Some(texts) if !texts.is_empty() => argument.default_values(texts.clone()),
        _ => argument,
    });
    command.mut_subcommands(|subcommand| with_defaults(subcommand, values))
}
