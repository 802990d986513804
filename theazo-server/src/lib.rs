//! The Theazo control plane: a library, and the server `theazo`.
//!
//! Four primitives carry everything: resources, events, jobs and the ledger (`store`). Operations (`app`) change them
//! and read them, a worker (`engine`) does the jobs, and `http` puts the operations on routes. Sandboxes, models and the
//! clock are seams with more than one implementation (`compute`, `model`, `clock`).

mod administration;
mod app;
mod blobs;
mod clock;
mod compute;
mod config;
mod diagnosis;
mod documents;
mod engine;
mod error;
mod event;
mod feed;
mod file_records;
mod gateway;
mod guardrail_records;
mod http;
mod locks;
mod masking;
#[doc(hidden)]
pub mod measure;
mod model;
mod outbound;
mod payments;
mod plane;
mod random;
mod records;
#[cfg(test)]
mod schedules;
mod service_config;
mod snapshots;
mod spending;
mod store;
mod temporary;
mod test_plane;
mod vault;

pub use administration::{
    ApiKeyOptions, ListedAccount, ListedKey, NewAccount, create_account_in, create_key_in, grant_credits_in,
    list_accounts_in, list_keys_in, revoke_key_in, rotate_master_key_in,
};
pub use config::{PlaneConfig, RateLimit, TestConfig};
pub use diagnosis::{Finding, FindingState, diagnose};
pub use feed::StreamLimits;
pub use http::{ConnectionReset, ServeConfig, serve};
pub use model::{ModelFunction, ModelKeys};
pub use payments::StripeConfig;
pub use plane::{ControlPlane, StartError};
pub use service_config::{BrowserConfig, FilesConfig, MailConfig, SearchConfig, ToolsConfig};
pub use spending::RateCard;
pub use store::Retention;
pub use theazo_sandbox::{Limits, Runtimes};
