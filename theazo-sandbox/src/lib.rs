//! Isolated local sandboxes on Linux: a program gets its own root, processes, network, user and limits.
//!
//! Read in this order: [`Launcher`] starts one small helper process and asks it for sandboxes; a [`Sandbox`] runs
//! programs ([`Exec`]), pauses, and is destroyed; [`files`] reads and writes a sandbox's directories from the host without
//! trusting what the sandbox put there.
//!
//! The caller's process is never forked and its other children are never touched: the helper (`linux::helper`) is a fresh,
//! single-threaded process that executes the module which holds this code again. It starts the first process of each
//! sandbox (`linux::init`), to which the caller talks directly, so one busy sandbox does not hold up another.
//!
//! Where the system offers neither root nor user namespaces, [`Launcher::start`] says so; nothing ever runs unconfined.

mod error;
pub mod files;
mod spec;

pub use error::{Error, SpaceLimit, Unavailable};
pub use spec::{
    Attached, Chunk, Exec, ExecOutcome, Isolation, Language, LauncherConfig, Limits, Process, Runtimes, SandboxSpec,
    Stream,
};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{Launcher, Sandbox};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Launcher, Sandbox};
