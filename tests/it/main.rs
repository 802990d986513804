//! The SDK and the control plane together.

mod agents;
mod bad_input;
mod compute;
mod coverage;
mod crash;
mod faults;
mod limits;
mod published;
mod quickstart;
mod timers;
mod tools;
