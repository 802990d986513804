//! The helper process: it starts sandboxes when asked, freezes them, and cleans up after them. It has one thread and waits
//! for nothing but the next event, so that no sandbox holds up another.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, Gid, Pid, Signal, Uid, WaitOptions, kill_process};

use super::cgroup::{self, Groups};
use super::container::{self, Plan};
use super::protocol::{Reply, Request};
use super::seccomp::Filters;
use super::{init, packet, sys};
use crate::Limits;

/// How long the groups of a dead sandbox are given to become empty when the helper itself ends.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Runs the helper and never returns.
pub fn main() -> ! {
    let code = i32::from(run().is_err());
    sys::exit(code)
}

fn run() -> io::Result<()> {
    let control = sys::take_stdin()?;
    // A signal for the caller's terminal is not for the helper: the caller decides when it ends.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Helper::start(control)?.serve()
}

/// A sandbox as the helper sees it.
struct Sandbox {
    /// Its first process, until that is reaped.
    init: Option<Pid>,
    /// Where the first process says that it is ready; closed afterwards.
    ready: Option<OwnedFd>,
    /// Somebody waits for its end.
    destroying: bool,
    /// Its groups still have to be removed.
    groups: bool,
}

struct Helper {
    control: OwnedFd,
    children: OwnedFd,
    filters: Filters,
    groups: Option<Box<dyn Groups>>,
    outside: Option<(u32, u32)>,
    user: u32,
    sandboxes: BTreeMap<u64, Sandbox>,
}

impl Helper {
    fn start(control: OwnedFd) -> io::Result<Self> {
        let children = sys::watch_children()?;
        wait_readable(&control)?;
        let (bytes, _) = packet::receive(&control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let Request::Configure { user_namespaces, user } = packet::parse(&bytes)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if user_namespaces && rustix::process::geteuid().is_root() {
            become_user(user)?;
        }
        let outside =
            user_namespaces.then(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        let groups = cgroup::detect();
        let (enforced, can_freeze) =
            groups.as_ref().map_or((Vec::new(), false), |groups| (groups.enforced(), groups.can_freeze()));
        packet::send_json(&control, &Reply::Ready { enforced, can_freeze }, &[])?;
        Ok(Self { control, children, filters: Filters::compile()?, groups, outside, user, sandboxes: BTreeMap::new() })
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            let mut descriptors =
                vec![PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.children, PollFlags::IN)];
            let starting: Vec<u64> =
                self.sandboxes.iter().filter(|(_, sandbox)| sandbox.ready.is_some()).map(|(key, _)| *key).collect();
            descriptors.extend(
                self.sandboxes.values().filter_map(|sandbox| Some(PollFd::new(sandbox.ready.as_ref()?, PollFlags::IN))),
            );
            // A group stays busy for a moment after its last process is gone.
            let busy = self.sandboxes.values().any(|sandbox| sandbox.init.is_none() && sandbox.groups);
            let again = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            rustix::io::retry_on_intr(|| poll(&mut descriptors, busy.then_some(&again)))?;
            let ready: Vec<bool> = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty()).collect();
            for (key, ready) in starting.iter().zip(&ready[2..]) {
                if *ready {
                    self.report_start(*key)?;
                }
            }
            if ready[1] {
                let mut ignored = [0; 128 * 16];
                let _ = rustix::io::read(&self.children, &mut ignored);
            }
            self.reap()?;
            if ready[0] {
                match packet::receive(&self.control) {
                    Ok(Some((bytes, descriptors))) => self.act(&bytes, descriptors)?,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(None) | Err(_) => {
                        self.end();
                        return Ok(());
                    }
                }
            }
        }
    }

    fn act(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<()> {
        match packet::parse(bytes)? {
            Request::Configure { .. } => Ok(()),
            Request::Create { key, workspace, data, read_only, limits } => {
                let Some(control) = descriptors.into_iter().next() else { return Ok(()) };
                match self.create(key, control, workspace, data, read_only, limits) {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        self.remove_groups(key);
                        self.reply(&Reply::Failed { key, reason: error.to_string() })
                    }
                }
            }
            Request::Pause { key } => {
                let reply = match self.freeze(key, true) {
                    Ok(true) => Reply::Done { key },
                    Ok(false) => Reply::Freezing { key },
                    Err(error) => Reply::Failed { key, reason: error.to_string() },
                };
                self.reply(&reply)
            }
            Request::Resume { key } => {
                let reply = match self.freeze(key, false) {
                    Ok(_) => Reply::Done { key },
                    Err(error) => Reply::Failed { key, reason: error.to_string() },
                };
                self.reply(&reply)
            }
            Request::Destroy { key } => {
                let Some(sandbox) = self.sandboxes.get_mut(&key) else { return self.reply(&Reply::Done { key }) };
                sandbox.destroying = true;
                if let Some(init) = sandbox.init {
                    let _ = kill_process(init, Signal::KILL);
                }
                // A frozen process dies only when it thaws.
                let _ = self.freeze(key, false);
                self.reap()
            }
        }
    }

    fn create(
        &mut self,
        key: u64,
        control: OwnedFd,
        workspace: PathBuf,
        data: PathBuf,
        read_only: Vec<PathBuf>,
        limits: Limits,
    ) -> io::Result<()> {
        let entrances = self.groups.as_ref().map_or(Ok(Vec::new()), |groups| groups.create(&name(key), &limits))?;
        let groups = entrances
            .iter()
            .map(|path| OpenOptions::new().write(true).open(path).map(OwnedFd::from))
            .collect::<io::Result<Vec<_>>>()?;
        let plan = Plan { user: self.user, outside: self.outside, groups, workspace, data, read_only, limits };
        let (ready, ready_writer) = packet::pair()?;
        let namespaces = sys::NEW_NAMESPACES | if self.outside.is_some() { sys::NEW_USER } else { 0 };
        match sys::fork_into(namespaces)? {
            sys::Fork::Child => self.become_init(plan, control, ready_writer),
            sys::Fork::Parent(pid) => {
                let sandbox =
                    Sandbox { init: Some(pid), ready: Some(ready), destroying: false, groups: self.groups.is_some() };
                self.sandboxes.insert(key, sandbox);
                Ok(())
            }
        }
    }

    /// Goes on as a sandbox's first process.
    fn become_init(&self, plan: Plan, control: OwnedFd, ready: OwnedFd) -> ! {
        let outcome = container::enter(&plan)
            .and_then(|()| self.filters.apply().map_err(|error| format!("refuse system calls: {error}")));
        drop(plan);
        // Nothing in the sandbox may write to what the caller's errors go to.
        let _ = rustix::stdio::dup2_stderr(rustix::stdio::stdout());
        match outcome {
            Ok(()) => {
                // Fails when the helper died before this process was told to die with it.
                if packet::send(&ready, b"ok", &[]).is_err() {
                    sys::exit(1);
                }
                // Of the helper's own descriptors, none may stay: they lead to other sandboxes.
                init::main(sys::keep_only(control))
            }
            Err(reason) => {
                let _ = packet::send(&ready, reason.as_bytes(), &[]);
                sys::exit(1)
            }
        }
    }

    fn report_start(&mut self, key: u64) -> io::Result<()> {
        let Some(ready) = self.sandboxes.get_mut(&key).and_then(|sandbox| sandbox.ready.take()) else { return Ok(()) };
        let reply = match packet::receive(&ready) {
            Ok(Some((bytes, _))) if bytes == b"ok" => Reply::Done { key },
            Ok(Some((bytes, _))) => Reply::Failed { key, reason: String::from_utf8_lossy(&bytes).into_owned() },
            Ok(None) | Err(_) => Reply::Failed { key, reason: "its first process was killed".into() },
        };
        self.reply(&reply)
    }

    fn freeze(&self, key: u64, frozen: bool) -> io::Result<bool> {
        match &self.groups {
            Some(groups) if self.sandboxes.contains_key(&key) => groups.freeze(&name(key), frozen),
            _ => Err(io::Error::other("the sandbox has no group to freeze")),
        }
    }

    /// Takes note of ended sandboxes, and removes what is left of them. Waits only for its own children.
    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            for sandbox in self.sandboxes.values_mut() {
                if sandbox.init == Some(pid) {
                    sandbox.init = None;
                }
            }
        }
        let dead: Vec<u64> = self
            .sandboxes
            .iter()
            .filter(|(_, sandbox)| sandbox.init.is_none() && sandbox.ready.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in dead {
            let removed = self.remove_groups(key);
            let Some(sandbox) = self.sandboxes.get_mut(&key) else { continue };
            sandbox.groups = !removed;
            if removed {
                let destroying = sandbox.destroying;
                self.sandboxes.remove(&key);
                if destroying {
                    self.reply(&Reply::Done { key })?;
                }
            }
        }
        Ok(())
    }

    fn remove_groups(&self, key: u64) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.remove(&name(key)).is_ok())
    }

    fn reply(&self, reply: &Reply) -> io::Result<()> {
        match packet::send_json(&self.control, reply, &[]) {
            // The caller is gone or reads nothing; the next receive tells which.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Ends every sandbox and removes all groups.
    fn end(mut self) {
        for (key, sandbox) in &self.sandboxes {
            if let Some(init) = sandbox.init {
                let _ = kill_process(init, Signal::KILL);
            }
            let _ = self.freeze(*key, false);
        }
        let deadline = Instant::now() + LAST_WAIT;
        for sandbox in self.sandboxes.values_mut() {
            sandbox.ready = None;
            sandbox.destroying = false;
        }
        while !self.sandboxes.is_empty() && Instant::now() < deadline {
            let _ = self.reap();
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(groups) = &self.groups {
            groups.close();
        }
    }
}

/// A sandbox's name in control groups.
fn name(key: u64) -> String {
    format!("sandbox-{key}")
}

/// Gives up root for good.
fn become_user(user: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    // Changing the user took this away, and without it the user of a namespace cannot be mapped.
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}

fn wait_readable(descriptor: &OwnedFd) -> io::Result<()> {
    rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(descriptor, PollFlags::IN)], None))?;
    Ok(())
}
