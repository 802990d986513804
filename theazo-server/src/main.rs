//! The server `theazo`.

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use theazo_api::Secret;
use theazo_server::{
    ControlPlane, MailConfig, ModelKeys, PlaneConfig, Runtimes, SearchConfig, ToolsConfig, create_key_in,
    rotate_master_key_in,
};
use tokio::{net::TcpListener, signal::unix::SignalKind};

/// Agent infrastructure: isolated sessions for your users, spend limits that hold, streams that resume.
#[derive(Parser)]
#[command(name = "theazo", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the control plane over HTTP until it is told to stop.
    Serve(Box<Serve>),
    /// Manages API keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
}

#[derive(clap::Args)]
struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "THEAZO_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where everything is kept; made if it is not there.
    #[arg(long, env = "THEAZO_DATA_DIR", default_value = "theazo-data")]
    data_dir: PathBuf,
    /// Says that it is ready with one line of JSON: {"url": ..., "liveKey": ..., "testKey": ...}.
    #[arg(long)]
    json: bool,
    /// The provider of sandboxes where none is asked for: `local` or `simulated`.
    #[arg(long, env = "THEAZO_PROVIDER", default_value = "local")]
    provider: String,
    /// The Python of local sandboxes; /usr/bin/python3 by default.
    #[arg(long, env = "THEAZO_PYTHON", value_name = "PATH")]
    python: Option<PathBuf>,
    /// The Node.js of local sandboxes; /usr/bin/node by default.
    #[arg(long, env = "THEAZO_NODE", value_name = "PATH")]
    node: Option<PathBuf>,
    /// A directory that every local sandbox sees, read-only and at the same path: a virtual environment, say. Not below
    /// /tmp, which each sandbox has for itself.
    #[arg(long = "sandbox-read-only", value_name = "DIR")]
    read_only: Vec<PathBuf>,
    /// The key that secrets are sealed with: 32 bytes in base64. By default one is made and kept in the data directory.
    #[arg(long, env = "THEAZO_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
    /// How many milliseconds the offline model waits before each word, as a real model takes its time.
    #[arg(long, default_value_t = 0)]
    offline_pace_ms: u64,
    /// Lets tools and webhooks call addresses on this machine and in private networks, for development.
    #[arg(long, env = "THEAZO_ALLOW_PRIVATE_TARGETS")]
    allow_private_targets: bool,
    /// The model that is asked where no model is named; that of the first provider that there is a key of by default.
    #[arg(long, env = "THEAZO_MODEL", value_name = "ID")]
    model: Option<String>,
    /// A file with models and prices, which are added to the table of models or change what is in it.
    #[arg(long, env = "THEAZO_MODELS", value_name = "FILE")]
    models: Option<PathBuf>,
    /// Where the tool `web_search` searches: a SearXNG's page `search`, say; Brave Search if only its key is given.
    #[arg(long, env = "THEAZO_SEARCH_URL", value_name = "URL")]
    search_url: Option<String>,
    /// The key of Brave Search.
    #[arg(long, env = "THEAZO_SEARCH_KEY", value_name = "KEY", hide_env_values = true)]
    search_key: Option<String>,
    /// The mail server of the tool `send_email`, for example smtps://user:password@mail.example.com.
    #[arg(long, env = "THEAZO_SMTP_URL", value_name = "URL", hide_env_values = true, requires = "mail_from")]
    smtp_url: Option<String>,
    /// Who sends e-mails, for example "Agents <agents@example.com>".
    #[arg(long, env = "THEAZO_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// Serves a test plane: manual clock, scripted models, simulated sandboxes, and the operations under /testing.
    #[arg(long)]
    test_plane: bool,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Seals the secrets in the store with another master key; the control plane may be running.
    RotateMaster {
        /// The data directory of the control plane.
        #[arg(long, env = "THEAZO_DATA_DIR", default_value = "theazo-data")]
        data_dir: PathBuf,
        /// The new master key and the one before, separated by a comma, if they are not kept in the data directory.
        #[arg(long, env = "THEAZO_MASTER_KEY", hide_env_values = true)]
        master_key: Option<String>,
    },
    /// Makes another API key and prints it. Only its hash is kept.
    Create {
        /// The data directory of the control plane; it may be running.
        #[arg(long, env = "THEAZO_DATA_DIR", default_value = "theazo-data")]
        data_dir: PathBuf,
        /// Makes a test key, which never runs anything for real.
        #[arg(long)]
        test: bool,
        /// A name for people.
        #[arg(long, default_value = "key")]
        name: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("THEAZO_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let outcome = match Cli::parse().command {
        Command::Serve(serve) => run_server(*serve).await,
        Command::Keys { command: KeysCommand::RotateMaster { data_dir, master_key } } => {
            rotate_master_key_in(&data_dir, master_key.map(Secret::from))
                .await
                .map(|count| println!("{count} data keys are wrapped with the new master key"))
                .map_err(Into::into)
        }
        Command::Keys { command: KeysCommand::Create { data_dir, test, name } } => {
            create_key_in(&data_dir, !test, &name).await.map(|key| println!("{key}")).map_err(Into::into)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Serve {
    fn tools(&self) -> ToolsConfig {
        let key = self.search_key.as_ref().map(Secret::from);
        let url = self.search_url.clone().or_else(|| key.as_ref().map(|_| SearchConfig::BRAVE.to_owned()));
        let search = url.map(|url| SearchConfig { url, key });
        let mail = self.smtp_url.as_ref().zip(self.mail_from.clone());
        ToolsConfig { search, mail: mail.map(|(url, from)| MailConfig { url: url.into(), from }) }
    }
}

async fn run_server(serve: Serve) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(serve.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}; is another server there?", serve.listen))?;
    let base = if serve.test_plane { PlaneConfig::test() } else { PlaneConfig::default() };
    let mut runtimes = Runtimes { read_only: serve.read_only.clone(), ..Runtimes::default() };
    runtimes.python = serve.python.clone().unwrap_or(runtimes.python);
    runtimes.node = serve.node.clone().unwrap_or(runtimes.node);
    let offline_pace = Duration::from_millis(serve.offline_pace_ms);
    let (allow_private_targets, master_key) = (serve.allow_private_targets, serve.master_key.clone().map(Secret::from));
    let model_keys = if serve.test_plane { ModelKeys::default() } else { ModelKeys::from_environment() };
    let config = PlaneConfig {
        offline_pace,
        runtimes,
        allow_private_targets,
        master_key,
        model_keys,
        default_model: serve.model.clone(),
        model_table: serve.models.clone(),
        tools: serve.tools(),
        ..base
    }
    .data_dir(&serve.data_dir)
    .default_provider(if serve.test_plane { "simulated" } else { &serve.provider });
    let plane = ControlPlane::start(config).await?;
    let address = listener.local_addr()?;
    announce(&plane, &serve, address);
    let router = plane.router();
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    // Streams and waiting runs would hold a graceful end for as long as they like; their clients re-attach.
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served?,
        () = stop => {}
    }
    plane.shutdown().await;
    Ok(())
}

fn announce(plane: &ControlPlane, serve: &Serve, address: SocketAddr) {
    let url = format!("http://{address}");
    if serve.json {
        let line = serde_json::json!({ "url": url, "liveKey": plane.live_key(), "testKey": plane.test_key() });
        println!("{line}");
        return;
    }
    println!("Theazo is ready at {url}");
    println!("Everything is kept in {}", serve.data_dir.display());
    match (plane.live_key(), plane.test_key()) {
        (Some(live), Some(test)) => {
            println!("\nTwo API keys were made. They are shown this once; only their hashes are kept.");
            println!("  live  {live}");
            println!("  test  {test}");
            println!("\nTry it:\n  export THEAZO_BASE_URL={url}\n  export THEAZO_API_KEY={live}");
        }
        _ => println!("It has API keys already; `theazo keys create` makes another."),
    }
    println!("\nCtrl-C stops it.");
}
