#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
mod generated;
pub mod hooks;
#[cfg(feature = "embedded")]
mod listening;
mod log;
pub mod recording;
pub mod sandbox;
pub mod stream;
mod surface;
#[cfg(feature = "embedded")]
pub mod testing;
pub mod transport;
pub mod webhooks;
pub mod workflow;

pub use config::Config;
#[cfg(feature = "embedded")]
pub use embedded::{Plane, PlaneOptions};
pub use error::{Error, ErrorKind};
pub use generated::parts::*;
pub use generated::requests;
pub use stream::{EventStream, RawEvent, TypedStream};
pub use surface::{Agent, FileData, Fleet, Items, Pages, Run, Session, Team, Theazo};
/// The types of the contract: what goes into calls and what comes out.
pub use theazo_api as types;
pub use theazo_api::Secret;
pub use transport::{Attempt, CallOptions, ResponseMeta, Transport};
pub use workflow::{WorkflowBuilder, workflow};
