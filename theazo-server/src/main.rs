//! The server `theazo`.

mod cli;

use std::process::ExitCode;

/// A run takes some thousand small pieces of memory, and the system's own allocator a tenth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
