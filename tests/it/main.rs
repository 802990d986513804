//! The SDK and the control plane together.

mod agents;
mod bad_input;
mod budgets;
mod compute;
mod coverage;
mod crash;
mod definitions;
mod execs;
mod faults;
mod lifecycle;
mod limits;
mod model_providers;
mod models;
mod providers;
mod published;
mod quickstart;
mod runs;
mod secrets;
mod simulation;
mod streams;
mod tasks;
mod timers;
mod tools;
mod usage;
