//! `theazo doctor`.

use theazo_server::{Finding, FindingState, diagnose};

use super::{Failure, options::Options};

/// What `theazo doctor` takes.
#[derive(clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    options: Options,
    /// Prints one line of JSON: {"ok": ..., "findings": [...]}.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Prints what was found. It fails if something is missing that the control plane needs.
    pub async fn run(self) -> Result<(), Failure> {
        let findings = match self.options.plane() {
            Ok(config) => diagnose(&config, self.options.listen).await,
            Err(problem) => vec![Finding::missing("configuration", problem.to_string())],
        };
        let missing = findings.iter().filter(|finding| finding.state == FindingState::Missing).count();
        if self.json {
            println!("{}", serde_json::json!({ "ok": missing == 0, "findings": findings }));
        } else {
            let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
            for Finding { name, state, detail, advice } in &findings {
                println!("{:<8} {name:<width$}  {detail}", state.as_str());
                if let Some(advice) = advice {
                    println!("{:<8} {:<width$}  {advice}", "", "");
                }
            }
        }
        match missing {
            0 => Ok(()),
            1 => Err("one thing is missing that the control plane needs".into()),
            count => Err(format!("{count} things are missing that the control plane needs").into()),
        }
    }
}
