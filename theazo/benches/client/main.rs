//! What the client costs, beside the plain way to do the same. `cargo xtask bench client` shows its lines as a table.
//!
//! Both sides take turns in this process, on one thread, so that what else the machine does hits both; each turn gives
//! one ratio of CPU times. The server is a process of its own, whose CPU time is not counted.

mod allocations;
mod calls;
mod measure;
mod report;
mod server;
mod storm;
mod streams;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(server::ARGUMENT) {
        return server::serve();
    }
    let server = server::Process::start();
    calls::measure(&server.url);
    streams::measure(&server.url);
    storm::measure();
}
