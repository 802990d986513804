//! `theazo accounts`.

use clap::Subcommand;
use theazo_server::{create_account_in, grant_credits_in, list_accounts_in};

use super::{Failure, options::Place};

/// What `theazo accounts` does. The control plane may be running.
#[derive(Subcommand)]
pub enum AccountsCommand {
    /// Makes another account, and prints its id and its first live and test key. Only their hashes are kept.
    Create {
        #[command(flatten)]
        place: Place,
        /// A name for people.
        name: String,
        /// Prints one line of JSON: {"account": ..., "liveKey": ..., "testKey": ...}.
        #[arg(long)]
        json: bool,
    },
    /// Gives an account credits, and lets go on what stands still for want of them. A credit is worth a cent.
    Credit {
        #[command(flatten)]
        place: Place,
        /// The id of the account, as `theazo accounts list` shows it.
        account: String,
        /// How many.
        credits: i64,
    },
    /// Lists the accounts, the oldest first.
    List {
        #[command(flatten)]
        place: Place,
        /// Prints JSON, one line an account.
        #[arg(long)]
        json: bool,
    },
}

impl AccountsCommand {
    /// Does it.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create { place, name, json } => {
                let made = create_account_in(&place.data_dir, &name).await?;
                if json {
                    println!("{}", serde_json::to_string(&made)?);
                } else {
                    println!("account  {}", made.account);
                    println!("live     {}", made.live_key);
                    println!("test     {}", made.test_key);
                }
            }
            Self::Credit { place, account, credits } => {
                let total = grant_credits_in(&place.data_dir, Some(&account), credits).await?;
                println!("{account} was given {total} credits altogether");
            }
            Self::List { place, json } => {
                for account in list_accounts_in(&place.data_dir)? {
                    if json {
                        println!("{}", serde_json::to_string(&account)?);
                    } else {
                        let (id, keys, name) = (&account.account, account.keys, &account.name);
                        println!("{id}  {keys} keys  {name}");
                    }
                }
            }
        }
        Ok(())
    }
}
