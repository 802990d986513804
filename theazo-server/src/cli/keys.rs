//! `theazo keys`.

use clap::Subcommand;
use theazo_server::{ApiKeyOptions, create_key_in, list_keys_in, revoke_key_in, rotate_master_key_in};

use super::{
    Failure,
    options::{MasterKey, Place},
};

/// What `theazo keys` does. The control plane may be running.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Makes another API key and prints it. Only its hash is kept.
    Create {
        #[command(flatten)]
        place: Place,
        /// The account that it acts for; the first one by default.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Makes a test key, which never runs anything for real.
        #[arg(long)]
        test: bool,
        /// A name for people.
        #[arg(long, default_value = "key")]
        name: String,
        /// How many days it is valid; for ever by default.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
    },
    /// Lists the API keys of all accounts, the newest first.
    List {
        #[command(flatten)]
        place: Place,
        /// Prints JSON, one line a key.
        #[arg(long)]
        json: bool,
    },
    /// Revokes an API key: it is refused from now on.
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The id of the key, as `theazo keys list` shows it.
        key_id: String,
    },
    /// Seals the secrets in the store with another master key.
    RotateMaster {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        master_key: MasterKey,
    },
}

impl KeysCommand {
    /// Does it.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create { place, account, test, name, expires_in_days } => {
                let options = ApiKeyOptions { account, live: !test, name, expires_in_days };
                println!("{}", create_key_in(&place.data_dir, options).await?);
            }
            Self::List { place, json } => {
                for key in list_keys_in(&place.data_dir)? {
                    if json {
                        println!("{}", serde_json::to_string(&key)?);
                    } else {
                        let (account, state, key) = (&key.account, key.state(), &key.key);
                        println!("{}  {}...  {account}  {state}  {}", key.id, key.prefix, key.name);
                    }
                }
            }
            Self::Revoke { place, key_id } => {
                revoke_key_in(&place.data_dir, &key_id).await?;
                println!("{key_id} is revoked");
            }
            Self::RotateMaster { place, master_key } => {
                let count = rotate_master_key_in(&place.data_dir, master_key.secret()).await?;
                println!("{count} data keys are wrapped with the new master key");
            }
        }
        Ok(())
    }
}
