//! Sandboxes on Linux. The caller's side: `launcher`, `connection`, `sandbox`, `run`, `input`, `output`, `quota`. The helper's side: `helper`,
//! `container`, `cgroup`, `seccomp`, `landlock`. Inside each sandbox: `init`, `supervisor`, `tree`, `processes`. Between them: `protocol`, `packet`. All
//! unsafe code is in `sys` and `reexec`.

mod cgroup;
mod connection;
mod container;
pub mod copy;
pub mod files;
mod helper;
mod init;
mod input;
mod landlock;
mod launcher;
mod network;
mod output;
mod packet;
mod processes;
mod protocol;
mod quota;
mod reexec;
mod run;
mod sandbox;
mod seccomp;
mod supervisor;
mod sys;
mod tree;

pub use launcher::Launcher;
pub use sandbox::Sandbox;
