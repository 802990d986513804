//! `theazo credits`.

use clap::Subcommand;
use theazo_server::grant_credits_in;

use super::{Failure, options::Place};

/// What `theazo credits` does. The control plane may be running.
#[derive(Subcommand)]
pub enum CreditsCommand {
    /// Gives an account credits, and prints how many it was ever given. From then on it cannot spend more than it has.
    Grant {
        #[command(flatten)]
        place: Place,
        /// How many; a credit is a cent.
        credits: i64,
        /// The account; the first one by default.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
}

impl CreditsCommand {
    /// Does it.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Grant { place, credits, account } => {
                let granted = grant_credits_in(&place.data_dir, account.as_deref(), credits).await?;
                println!("{granted}");
            }
        }
        Ok(())
    }
}
