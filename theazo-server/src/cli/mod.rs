//! The commands of `theazo`. Every option is declared once, in `options`: its flag, its variable, its name in the file, its
//! default and what it means.

mod accounts;
mod config_show;
mod doctor;
mod file;
mod keys;
mod options;
mod serve;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// What a command fails with, for people.
type Failure = Box<dyn std::error::Error>;

/// Agent infrastructure: isolated sessions for your users, spend limits that hold, streams that resume.
///
/// Every option can stand in a file, in the environment or on the command line; the later overrides the earlier.
#[derive(Parser)]
#[command(name = "theazo", version)]
struct Cli {
    /// A file with options, as `listen = "127.0.0.1:8080"`; `theazo.toml` in the current directory, if it is there.
    #[arg(long, env = "THEAZO_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the control plane over HTTP until it is told to stop.
    Serve(serve::Serve),
    /// Says what this machine and this configuration allow, and what is missing.
    Doctor(doctor::Doctor),
    /// Manages API keys, and the key that secrets are sealed with.
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Manages accounts.
    Accounts {
        #[command(subcommand)]
        command: accounts::AccountsCommand,
    },
    /// Shows the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints every option with its value and where that comes from; secrets are hidden.
    Show(options::Options),
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("THEAZO_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let outcome = match file::read_arguments() {
        Err(failure) => Err(failure),
        Ok(file::Arguments { cli, matches, in_file }) => match cli.command {
            Command::Serve(serve) => serve.run().await,
            Command::Doctor(doctor) => doctor.run().await,
            Command::Keys { command } => command.run().await,
            Command::Accounts { command } => command.run().await,
            Command::Config { command: ConfigCommand::Show(options) } => config_show::run(&options, &matches, &in_file),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
