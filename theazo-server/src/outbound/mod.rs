//! What leaves the plane for an address that somebody gave: one guarded way out for tools, webhooks and whoever else calls
//! what a customer or a model named.
//!
//! `addresses` says which addresses may be reached, `domains` which names, `guard` turns a name into addresses once and
//! checks them, and `client` is the HTTP client that connects to nothing else.

mod addresses;
mod client;
mod domains;
mod guard;
mod redirect;
mod tls;

pub use addresses::AddressRules;
pub use client::{Answer, Limits, OutboundClient, OutboundError, Outgoing};
pub use domains::DomainRules;
pub use guard::{Guard, Refusal};
pub use tls::tls_config;
