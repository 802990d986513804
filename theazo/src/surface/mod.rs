//! Handles, namespaces and requests: the typed face of the SDK.
//!
//! Reading order: `client` (where it starts), `handles` (things with methods), `draft` (a call that is being put
//! together), `paging`, then what is written by hand: `file_data` and `files`, `shortcuts`. All other methods are
//! generated from the contract into `crate::generated`.

/// Every type of the contract by its bare name, as generated code names them.
pub(crate) mod api {
    #[cfg(feature = "embedded")]
    pub use theazo_api::testing::*;
    pub use theazo_api::*;
}
mod client;
mod draft;
mod file_data;
mod files;
mod handles;
mod paging;
mod shortcuts;

pub use client::Theazo;
pub(crate) use draft::{Draft, request_type};
pub use file_data::FileData;
pub use files::{DownloadFileRequest, ReadFileRequest, WriteFileRequest};
pub use handles::{Agent, Fleet, Run, Session, Team};
pub use paging::{Items, Pages};
