//! The first process of a sandbox: it starts a supervisor per exec, kills what has to be killed, and reaps.
//!
//! When it ends, the kernel ends the sandbox. It ends when its caller closes the socket, and when the helper dies.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process};

use super::protocol::{Command, KILL, RELEASE, SIGNAL, Status};
use super::supervisor::{self, Descriptors};
use super::{network, packet, processes, sys, tree};

/// Serves the caller's socket and never returns.
pub fn main(control: OwnedFd) -> ! {
    let _ = serve(&control);
    sys::exit(0)
}

/// How often a program's processes are killed one by one before the whole sandbox's are killed at once, and how often all are
/// told to stop.
const ROUNDS: u32 = 500;

/// An exec that is not over.
struct Running {
    number: u64,
    label: String,
    supervisor: Pid,
    status: OwnedFd,
    /// How often all it started was looked for and killed, since that was asked for.
    killing: Option<u32>,
    /// Nobody listens to `status` any more; what is left lives on in the background.
    released: bool,
    /// The supervisor is reaped.
    ended: bool,
}

fn serve(control: &OwnedFd) -> io::Result<()> {
    let children = sys::watch_children()?;
    let mut running: Vec<Running> = Vec::new();
    let mut execs = 0;
    loop {
        let mut descriptors = vec![PollFd::new(control, PollFlags::IN), PollFd::new(&children, PollFlags::IN)];
        let listening: Vec<usize> =
            (0..running.len()).filter(|index| !running[*index].released && running[*index].killing.is_none()).collect();
        descriptors.extend(listening.iter().map(|index| PollFd::new(&running[*index].status, PollFlags::IN)));
        // What dies below a supervisor is not told to init.
        let again = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let killing = running.iter().any(|exec| exec.killing.is_some());
        rustix::io::retry_on_intr(|| poll(&mut descriptors, killing.then_some(&again)))?;
        let ready: Vec<bool> = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty()).collect();
        for (index, ready) in listening.iter().zip(&ready[2..]) {
            if *ready {
                listen(&mut running[*index]);
            }
        }
        if ready[1] {
            let mut ignored = [0; 128 * 16];
            let _ = rustix::io::read(&children, &mut ignored);
        }
        reap(&mut running);
        kill(&mut running);
        if ready[0] {
            match packet::receive(control) {
                Ok(Some((bytes, descriptors))) => act(&bytes, descriptors, &mut running, &mut execs),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }
}

fn act(bytes: &[u8], descriptors: Vec<OwnedFd>, running: &mut Vec<Running>, execs: &mut u64) {
    let Some((command, label)) = Command::parse(bytes) else { return };
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next();
    let Some(status) = next() else { return };
    match command {
        Command::Stop | Command::Continue => {
            sys::signal_all(if command == Command::Stop { libc::SIGSTOP } else { libc::SIGCONT });
            if command == Command::Stop {
                // A process that is not stopped yet may continue one that is.
                for _ in 0..ROUNDS {
                    if tree::is_still() {
                        break;
                    }
                    sys::signal_all(libc::SIGSTOP);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            let _ = packet::send_json(&status, &Status::Done, &[]);
        }
        Command::List => {
            let Some(list) = next() else { return };
            let pid = |exec: &Running| exec.supervisor.as_raw_nonzero().get();
            let labels = running.iter().map(|exec| (pid(exec), exec.label.as_str())).collect();
            if processes::write(list, &labels).is_ok() {
                let _ = packet::send_json(&status, &Status::Done, &[]);
            }
        }
        Command::Socket => {
            let _ = match network::make_socket() {
                Ok(made) => packet::send_json(&status, &Status::Done, &[made.as_fd()]),
                Err(error) => {
                    let failed = Status::Failed { step: "make a socket".into(), errno: error.raw_os_error() };
                    packet::send_json(&status, &failed, &[])
                }
            };
        }
        Command::Exec => {
            let (Some(program), Some(stdout), Some(stderr)) = (next(), next(), next()) else { return };
            let stdin = next();
            *execs += 1;
            match sys::fork() {
                Ok(sys::Fork::Child) => {
                    // The sockets of the sandbox and of other execs are no business of this one. They are only marked, because
                    // their owners are still there; nothing but this exec's program is ever executed from here.
                    supervisor::main(*execs, Descriptors { status, program, stdin, stdout, stderr })
                }
                Ok(sys::Fork::Parent(supervisor)) => {
                    running.push(Running {
                        number: *execs,
                        label: String::from_utf8_lossy(label).into_owned(),
                        supervisor,
                        status,
                        killing: None,
                        released: false,
                        ended: false,
                    });
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EAGAIN);
                    let _ = packet::send_json(&status, &Status::Failed { step: "start a process".into(), errno }, &[]);
                }
            }
        }
    }
}

fn listen(exec: &mut Running) {
    match packet::receive(&exec.status) {
        Ok(Some((bytes, _))) if bytes == RELEASE => exec.released = true,
        Ok(Some((bytes, _))) if bytes.len() == 2 && bytes[0] == SIGNAL => {
            if let Some(signal) = Signal::from_named_raw(i32::from(bytes[1])) {
                tree::signal_below(exec.supervisor, signal);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Ok(Some((bytes, _))) if bytes != KILL => {}
        _ => exec.killing = Some(0),
    }
}

fn reap(running: &mut [Running]) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        let Some(exec) = running.iter_mut().find(|exec| exec.supervisor == pid) else { continue };
        exec.ended = true;
        if status.terminating_signal().is_some() && exec.killing.is_none() {
            // A program killed its own supervisor. What it started must not get away with that.
            let _ = packet::send_json(&exec.status, &Status::Exited { code: 137 }, &[]);
            exec.killing = Some(0);
        }
    }
}

/// Goes on with what is to be killed, and forgets what is over.
fn kill(running: &mut Vec<Running>) {
    let supervisors: Vec<Pid> = running.iter().filter(|exec| !exec.ended).map(|exec| exec.supervisor).collect();
    running.retain_mut(|exec| {
        let Some(rounds) = &mut exec.killing else {
            // An exec that ended by itself stays until its caller has read how, and then asks for nothing more.
            return !(exec.ended && exec.released);
        };
        *rounds += 1;
        if *rounds == ROUNDS {
            sys::signal_all(libc::SIGKILL);
            return true;
        }
        // Once the supervisor is gone, what it had not adopted yet belongs to init.
        let found = if exec.ended { tree::kill_orphans(&supervisors) } else { tree::kill_below(exec.supervisor) };
        if !found && !exec.ended {
            let _ = kill_process(exec.supervisor, Signal::KILL);
        }
        if found || !exec.ended {
            return true;
        }
        // Its supervisor, which otherwise does this, was killed.
        let _ = std::fs::remove_dir_all(supervisor::directory(exec.number));
        let _ = packet::send_json(&exec.status, &Status::Done, &[]);
        false
    });
}
