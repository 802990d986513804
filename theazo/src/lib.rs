//! Under construction.
#![forbid(unsafe_code)]

mod config;
mod error;
pub mod stream;
pub mod transport;

pub use config::{Config, DEFAULT_BASE_URL, DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT};
pub use error::{Error, ErrorKind};
pub use stream::{EventStream, RawEvent, TypedStream};
pub use theazo_api as types;
pub use transport::Transport;
