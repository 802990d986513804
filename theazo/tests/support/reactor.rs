//! Event loops of other languages, which watch a reactor.

use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use theazo::{Transport, transport::Reactor};

/// The transport, with connections that an event loop beside the test watches.
pub fn beside(transport: &Transport) -> Transport {
    let reactor = Reactor::new().unwrap();
    let transport = transport.on(&reactor).unwrap();
    // It waits for ever; the process ends it.
    thread::spawn(move || {
        loop {
            wait(&reactor);
            reactor.turn(|| ());
        }
    });
    transport
}

/// Waits until a turn is due.
pub fn wait(reactor: &Reactor) {
    poll(&mut [PollFd::new(reactor, PollFlags::IN)], None).unwrap();
}

/// Whether a turn is due.
pub fn is_readable(reactor: &Reactor) -> bool {
    poll(&mut [PollFd::new(reactor, PollFlags::IN)], Some(&Timespec::default())).unwrap() > 0
}
