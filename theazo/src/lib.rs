#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
mod generated;
pub mod stream;
mod surface;
#[cfg(feature = "embedded")]
pub mod testing;
pub mod transport;

pub use config::{Config, DEFAULT_BASE_URL, DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT};
#[cfg(feature = "embedded")]
pub use embedded::{Plane, PlaneOptions};
pub use error::{Error, ErrorKind};
pub use generated::requests;
pub use stream::{EventStream, RawEvent, TypedStream};
pub use surface::{
    Agent, AgentFiles, Agents, FileData, Items, Logs, Pages, Run, Runs, Session, SessionAgents, SessionRuns, Sessions,
    Theazo, TheazoBuilder, Usage,
};
/// The types of the contract: what goes into calls and what comes out.
pub use theazo_api as types;
pub use transport::{Attempt, CallOptions, ResponseMeta, Transport};
