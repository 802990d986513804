//! The helper process: it starts sandboxes when asked, freezes them, and cleans up after them. It has one thread and waits
//! for nothing but the next event, so that no sandbox holds up another.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, Gid, Pid, PidfdFlags, Signal, Uid, WaitOptions, kill_process};

use super::cgroup::{self, Groups};
use super::container::{self, Plan};
use super::protocol::{Action, Outcome, Reply, Request};
use super::seccomp::Filters;
use super::{init, landlock, packet, sys};
use crate::Limits;

/// How long the groups of dead sandboxes are given to become empty: those of a helper that was killed, and those of this one
/// when it ends.
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
    let children = sys::watch_children()?;
    wait_until(&control, PollFlags::IN)?;
    let (bytes, _) = packet::receive(&control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let request: Request = packet::parse(&bytes)?;
    let Action::Configure { user_namespaces, user } = request.action else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let replying = control.try_clone()?;
    let (helper, result) = match Helper::start(control, children, user_namespaces, user) {
        Ok(helper) => {
            let result = Outcome::Ready { enforced: helper.enforced(), can_freeze: helper.can_freeze() };
            (Some(helper), result)
        }
        Err(reason) => (None, Outcome::Failed { reason }),
    };
    packet::send_json(&replying, &Reply { number: request.number, result }, &[])?;
    drop(replying);
    let Some(mut helper) = helper else { return Ok(()) };
    let served = helper.serve();
    helper.end();
    served
}

/// A sandbox as the helper sees it.
struct Sandbox {
    /// Its first process, until that is reaped.
    init: Option<Pid>,
    /// Where the first process says that it is ready, and the request that waits for it.
    ready: Option<(OwnedFd, u64)>,
    /// The requests that wait for its end.
    destroying: Vec<u64>,
}

struct Helper {
    control: OwnedFd,
    /// Becomes readable when a child ends.
    children: OwnedFd,
    /// Becomes readable when the caller's process ends. Its socket may live longer, in a child that it forked.
    caller: Option<OwnedFd>,
    filters: Filters,
    /// Whether sandboxes are restricted by Landlock.
    landlock: bool,
    groups: Option<Box<dyn Groups>>,
    /// Who this process is, where sandboxes are started in user namespaces.
    outside: Option<(u32, u32)>,
    user: u32,
    sandboxes: BTreeMap<u64, Sandbox>,
    /// Until when the groups that dead helpers left are looked at again; nothing once they are gone.
    sweep_until: Option<Instant>,
}

impl Helper {
    fn start(control: OwnedFd, children: OwnedFd, user_namespaces: bool, user: u32) -> Result<Self, String> {
        let caller =
            rustix::process::getppid().and_then(|caller| rustix::process::pidfd_open(caller, PidfdFlags::empty()).ok());
        if user_namespaces && rustix::process::geteuid().is_root() {
            become_user(user).map_err(|error| format!("become the user {user}: {error}"))?;
        }
        let outside =
            user_namespaces.then(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        let groups = cgroup::detect();
        let can_freeze = groups.as_ref().is_some_and(|groups| groups.can_freeze());
        let filters =
            Filters::compile(!can_freeze).map_err(|error| format!("compile the system call filters: {error}"))?;
        let sweep_until = Some(Instant::now() + LAST_WAIT);
        let mut helper = Self {
            control,
            children,
            caller,
            filters,
            landlock: landlock::is_available(),
            groups,
            outside,
            user,
            sandboxes: BTreeMap::new(),
            sweep_until,
        };
        helper.sweep();
        Ok(helper)
    }

    fn enforced(&self) -> Vec<String> {
        let mut enforced = self.groups.as_ref().map_or(Vec::new(), |groups| groups.enforced());
        let processes = "processes".to_owned();
        if self.outside.is_some() && !enforced.contains(&processes) && container::counts_processes_per_namespace() {
            enforced.push(processes);
        }
        if self.landlock {
            enforced.push("paths".to_owned());
        }
        enforced
    }

    fn can_freeze(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.can_freeze())
    }

    /// Serves until the caller is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let events = self.wait()?;
            for key in events.started {
                self.report_start(key)?;
            }
            self.reap()?;
            self.sweep();
            if events.caller_ended {
                return Ok(());
            }
            if events.request {
                match packet::receive(&self.control) {
                    Ok(Some((bytes, descriptors))) => self.act(packet::parse(&bytes)?, descriptors)?,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
        }
    }

    fn wait(&self) -> io::Result<Events> {
        let starting: Vec<(u64, &OwnedFd)> =
            self.sandboxes.iter().filter_map(|(key, sandbox)| Some((*key, &sandbox.ready.as_ref()?.0))).collect();
        // Without a descriptor for the caller, the socket is watched in its place.
        let caller = self.caller.as_ref().map_or((&self.control, PollFlags::HUP), |caller| (caller, PollFlags::IN));
        let mut descriptors = vec![
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(&self.children, PollFlags::IN),
            PollFd::new(caller.0, caller.1),
        ];
        descriptors.extend(starting.iter().map(|(_, ready)| PollFd::new(*ready, PollFlags::IN)));
        // A group stays busy for a moment after its last process is gone.
        let busy = self.sweep_until.is_some()
            || self.sandboxes.values().any(|sandbox| sandbox.init.is_none() && sandbox.ready.is_none());
        let again = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        rustix::io::retry_on_intr(|| poll(&mut descriptors, busy.then_some(&again)))?;
        let ready: Vec<bool> = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty()).collect();
        if ready[1] {
            // What it says does not matter: all children are looked at.
            let mut ignored = [0; 128 * 16];
            let _ = rustix::io::read(&self.children, &mut ignored);
        }
        let started = starting.iter().zip(&ready[3..]).filter(|(_, ready)| **ready).map(|((key, _), _)| *key).collect();
        Ok(Events { request: ready[0], caller_ended: ready[2], started })
    }

    fn act(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let Request { number, key, action } = request;
        let result = match action {
            Action::Configure { .. } => return Ok(()),
            Action::Create { workspace, data, read_only, limits } => {
                let Some(control) = descriptors.into_iter().next() else { return Ok(()) };
                let plan = Plan {
                    user: self.user,
                    outside: self.outside,
                    groups: Vec::new(),
                    workspace,
                    data,
                    read_only,
                    limits,
                    landlock: self.landlock,
                };
                match self.create(number, key, control, plan) {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        self.remove_groups(key);
                        Outcome::Failed { reason: error.to_string() }
                    }
                }
            }
            Action::Pause => match self.freeze(key, true) {
                Ok(true) => Outcome::Done,
                Ok(false) => Outcome::Freezing,
                Err(error) => Outcome::Failed { reason: error.to_string() },
            },
            Action::Resume => match self.freeze(key, false) {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Failed { reason: error.to_string() },
            },
            Action::CountOutOfMemory => match self.count_out_of_memory(key) {
                Ok(times) => Outcome::Count { times },
                Err(error) => Outcome::Failed { reason: error.to_string() },
            },
            Action::Destroy => match self.sandboxes.get_mut(&key) {
                None => Outcome::Done,
                Some(sandbox) => {
                    sandbox.destroying.push(number);
                    if let Some(init) = sandbox.init {
                        let _ = kill_process(init, Signal::KILL);
                    }
                    // A frozen process dies only when it thaws.
                    let _ = self.freeze(key, false);
                    return self.reap();
                }
            },
        };
        self.reply(number, result)
    }

    fn create(&mut self, number: u64, key: u64, control: OwnedFd, mut plan: Plan) -> io::Result<()> {
        plan.groups = self.make_groups(key, &plan.limits)?;
        let (ready, ready_writer) = packet::pair()?;
        let namespaces = sys::NEW_NAMESPACES | if self.outside.is_some() { sys::NEW_USER } else { 0 };
        match sys::fork_into(namespaces)? {
            sys::Fork::Child => self.become_init(plan, control, ready_writer),
            sys::Fork::Parent(pid) => {
                let sandbox = Sandbox { init: Some(pid), ready: Some((ready, number)), destroying: Vec::new() };
                self.sandboxes.insert(key, sandbox);
                Ok(())
            }
        }
    }

    /// Makes a sandbox's groups, and opens the files in which its first process enters them.
    fn make_groups(&self, key: u64, limits: &Limits) -> io::Result<Vec<OwnedFd>> {
        let Some(groups) = &self.groups else { return Ok(Vec::new()) };
        let entrances = groups.create(&name(key), limits)?;
        entrances.iter().map(|path| OpenOptions::new().write(true).open(path).map(OwnedFd::from)).collect()
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
        let ready = self.sandboxes.get_mut(&key).and_then(|sandbox| sandbox.ready.take());
        let Some((ready, number)) = ready else { return Ok(()) };
        let result = match packet::receive(&ready) {
            Ok(Some((bytes, _))) if bytes == b"ok" => Outcome::Done,
            Ok(Some((bytes, _))) => Outcome::Failed { reason: String::from_utf8_lossy(&bytes).into_owned() },
            Ok(None) | Err(_) => Outcome::Failed { reason: "its first process was killed".into() },
        };
        self.reply(number, result)
    }

    fn freeze(&self, key: u64, frozen: bool) -> io::Result<bool> {
        match &self.groups {
            Some(groups) if self.sandboxes.contains_key(&key) => groups.freeze(&name(key), frozen),
            _ => Err(io::Error::other("the sandbox has ended")),
        }
    }

    fn count_out_of_memory(&self, key: u64) -> io::Result<u64> {
        self.groups.as_ref().map_or(Ok(0), |groups| groups.count_out_of_memory(&name(key)))
    }

    /// Takes note of ended sandboxes, and removes what is left of them. Waits only for its own children.
    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            for sandbox in self.sandboxes.values_mut().filter(|sandbox| sandbox.init == Some(pid)) {
                sandbox.init = None;
            }
        }
        let is_dead = |sandbox: &Sandbox| sandbox.init.is_none() && sandbox.ready.is_none();
        let dead: Vec<u64> =
            self.sandboxes.iter().filter(|(_, sandbox)| is_dead(sandbox)).map(|(key, _)| *key).collect();
        for key in dead {
            if self.remove_groups(key)
                && let Some(sandbox) = self.sandboxes.remove(&key)
            {
                sandbox.destroying.iter().try_for_each(|number| self.reply(*number, Outcome::Done))?;
            }
        }
        Ok(())
    }

    /// Removes what dead helpers left, for as long as that can take.
    fn sweep(&mut self) {
        let Some(until) = self.sweep_until else { return };
        let in_use = self.groups.as_ref().is_some_and(|groups| groups.sweep());
        if !in_use || Instant::now() >= until {
            self.sweep_until = None;
        }
    }

    fn remove_groups(&self, key: u64) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.remove(&name(key)).is_ok())
    }

    fn reply(&self, number: u64, result: Outcome) -> io::Result<()> {
        let reply = Reply { number, result };
        loop {
            match packet::send_json(&self.control, &reply, &[]) {
                // The caller is busy. Whoever waits for the helper waits for that caller anyway.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_until(&self.control, PollFlags::OUT)?,
                other => return other,
            }
        }
    }

    /// Ends every sandbox and removes all groups.
    fn end(&mut self) {
        for (key, sandbox) in &mut self.sandboxes {
            if let Some(init) = sandbox.init {
                let _ = kill_process(init, Signal::KILL);
            }
            if let Some(groups) = &self.groups {
                let _ = groups.freeze(&name(*key), false);
            }
            sandbox.ready = None;
            sandbox.destroying.clear();
        }
        let deadline = Instant::now() + LAST_WAIT;
        while !self.sandboxes.is_empty() && Instant::now() < deadline {
            let _ = self.reap();
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(groups) = &self.groups {
            groups.close();
        }
    }
}

/// What happened while the helper waited.
struct Events {
    request: bool,
    caller_ended: bool,
    /// The sandboxes that are ready, or failed to become it.
    started: Vec<u64>,
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

fn wait_until(descriptor: &OwnedFd, flags: PollFlags) -> io::Result<()> {
    rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(descriptor, flags)], None))?;
    Ok(())
}
