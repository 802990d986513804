//! What makes a process the first one of a sandbox: its own root, users, network and limits, and no rights.
//!
//! This is written on system calls rather than on `libcontainer`: without root the same steps have to be taken by hand
//! anyway, one list of mounts is easier to trust than two, and here the slow part runs in the new process, so that the
//! helper never waits for one sandbox while others want it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change, move_mount,
    open_tree, unmount,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::landlock::{self, Use};
use super::sys;
use crate::Limits;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const CONFINED: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
/// Size of `/run`, which holds the code of running programs, and of `/dev/shm`.
const SMALL: u64 = 64 << 20;
/// Files and directories in one temporary file system: each takes memory of the kernel.
const INODES: u32 = 16_384;

/// What the root offers beside what is bound into it.
const OWN: [(&str, Use); 6] = [
    ("/", Use::List),
    ("/etc", Use::Read),
    ("/tmp", Use::Write),
    ("/run", Use::Write),
    ("/dev/shm", Use::Write),
    ("/proc", Use::Processes),
];

/// How a sandbox is to be built.
pub struct Plan {
    /// The user and group of programs.
    pub user: u32,
    /// Whether this process is in a new user namespace, and who it is outside.
    pub outside: Option<(u32, u32)>,
    /// The files in which to enter control groups.
    pub groups: Vec<OwnedFd>,
    /// The host directory of `/workspace`.
    pub workspace: PathBuf,
    /// The host directory of `/data`.
    pub data: PathBuf,
    /// Host directories to show read-only at the same path.
    pub read_only: Vec<PathBuf>,
    /// What the sandbox may use.
    pub limits: Limits,
    /// Whether the kernel also keeps programs to what the root offers.
    pub landlock: bool,
}

/// Builds the sandbox around this process, which must be the first of its namespaces.
pub fn enter(plan: &Plan) -> Result<(), String> {
    step("join control groups", || {
        plan.groups.iter().try_for_each(|group| rustix::io::write(group, b"0").map(drop))?;
        Ok(())
    })?;
    if let Some(outside) = plan.outside {
        step("map the user", || map_user(plan.user, outside))?;
    }
    step("hide control groups", sys::new_cgroup_namespace)?;
    let places = build_root(plan)?;
    step("set the host name", || Ok(rustix::system::sethostname(b"sandbox")?))?;
    step("bring up the loopback interface", || {
        let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
        sys::loopback_up(socket.as_fd())
    })?;
    step("set resource limits", || set_limits(plan))?;
    step("drop rights", || drop_rights(plan))?;
    if plan.landlock {
        let offered = places.iter().map(|(path, offered)| (path.as_path(), *offered));
        landlock::restrict(offered).map_err(|error| format!("restrict paths: {error}"))?;
    }
    step("enter /workspace", || Ok(rustix::process::chdir("/workspace")?))
}

fn step<T>(name: &str, act: impl FnOnce() -> io::Result<T>) -> Result<T, String> {
    act().map_err(|error| format!("{name}: {error}"))
}

fn map_user(inside: u32, (user, group): (u32, u32)) -> io::Result<()> {
    // Without rights outside, a process may map only itself, and only after giving up changing its groups.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{inside} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{inside} {group} 1"))
}

/// A mount to put into the new root, taken from the host before the host's tree goes away.
struct Bind {
    tree: OwnedFd,
    target: PathBuf,
    directory: bool,
    offered: Use,
}

impl Bind {
    fn take(source: &Path, target: impl Into<PathBuf>) -> Result<Self, String> {
        let target = target.into();
        step(&format!("bind {}", source.display()), || {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(CWD, source, flags)?;
            let directory = fs::metadata(source)?.is_dir();
            Ok(Self { tree, target, directory, offered: Use::Read })
        })
    }

    fn put(&self) -> io::Result<()> {
        let target = Path::new(".").join(self.target.strip_prefix("/").unwrap_or(&self.target));
        if self.directory {
            fs::create_dir_all(&target)?;
        } else {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&target, "")?;
        }
        let attributes = match self.offered {
            Use::Device => libc::MOUNT_ATTR_NOSUID,
            Use::Write => CONFINED,
            _ => CONFINED | READ_ONLY,
        };
        sys::restrict_mount(self.tree.as_fd(), attributes, true)?;
        Ok(move_mount(&self.tree, "", CWD, &target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
    }
}

/// Builds the root and returns what it offers.
fn build_root(plan: &Plan) -> Result<Vec<(PathBuf, Use)>, String> {
    step("detach mounts", || Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?))?;
    let binds = collect_binds(plan)?;
    // Any directory serves to build the new root on: only this process sees it, and only until it is the root.
    let place = ["/tmp", "/mnt", "/dev"].into_iter().find(|path| Path::new(path).is_dir()).unwrap_or("/proc");
    step("mount the root", || {
        mount(
            "tmpfs",
            place,
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            Some(c"mode=0755,size=4m,nr_inodes=4096"),
        )?;
        Ok(rustix::process::chdir(place)?)
    })?;
    step("lay out the root", lay_out)?;
    // Before what is bound, which may be below it.
    mount_temporary(plan, "tmp", plan.limits.temporary, "1777")?;
    for bind in &binds {
        step(&format!("mount {}", bind.target.display()), || bind.put())?;
    }
    mount_own(plan)?;
    step("change the root", || {
        rustix::process::pivot_root(".", ".")?;
        // The old root is now mounted over the new one, and is what "." names.
        unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    })?;
    step("make the root read-only", || {
        let root = open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
        sys::restrict_mount(root.as_fd(), READ_ONLY, false)
    })?;
    let own = OWN.iter().map(|(path, offered)| (PathBuf::from(path), *offered));
    Ok(binds.into_iter().map(|bind| (bind.target, bind.offered)).chain(own).collect())
}

fn collect_binds(plan: &Plan) -> Result<Vec<Bind>, String> {
    let mut binds = vec![Bind::take(Path::new("/usr"), "/usr")?];
    // On a host without merged directories these are no links, and need their own mounts.
    for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64"] {
        if fs::symlink_metadata(name).is_ok_and(|found| found.is_dir()) {
            binds.push(Bind::take(Path::new(name), name)?);
        }
    }
    for name in ["/etc/ld.so.cache", "/etc/alternatives"] {
        if Path::new(name).exists() {
            binds.push(Bind::take(Path::new(name), name)?);
        }
    }
    for path in &plan.read_only {
        binds.push(Bind::take(path, path)?);
    }
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let path = Path::new("/dev").join(name);
        binds.push(Bind { offered: Use::Device, ..Bind::take(&path, &path)? });
    }
    binds.push(Bind { offered: Use::Write, ..Bind::take(&plan.workspace, "/workspace")? });
    binds.push(Bind { offered: Use::Write, ..Bind::take(&plan.data, "/data")? });
    Ok(binds)
}

/// Makes the directories, links and few files of the root, in the current directory.
fn lay_out() -> io::Result<()> {
    for directory in ["proc", "dev", "tmp", "run", "etc", "workspace", "data", "var"] {
        fs::create_dir_all(directory)?;
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            symlink(target, name)?;
        }
    }
    symlink("/tmp", "var/tmp")?;
    fs::write("etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:65534:65534:sandbox:/workspace:/bin/sh\n")?;
    fs::write("etc/group", "root:x:0:\nsandbox:x:65534:\n")?;
    fs::write("etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n")?;
    fs::write("etc/hostname", "sandbox\n")?;
    fs::write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")?;
    fs::write("etc/resolv.conf", "")
}

/// Mounts an empty file system in memory that belongs to the sandbox's user.
fn mount_temporary(plan: &Plan, place: &str, size: u64, mode: &str) -> Result<(), String> {
    step(&format!("mount /{place}"), || {
        fs::create_dir_all(place)?;
        let options = format!("mode={mode},size={size},nr_inodes={INODES},uid={0},gid={0}", plan.user);
        let options = std::ffi::CString::new(options)?;
        Ok(mount("tmpfs", place, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))?)
    })
}

/// Mounts the file systems that are the sandbox's own.
fn mount_own(plan: &Plan) -> Result<(), String> {
    mount_temporary(plan, "run", SMALL, "0700")?;
    mount_temporary(plan, "dev/shm", SMALL, "1777")?;
    step("link /dev", || {
        for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
            symlink(format!("/proc/self/fd{target}"), Path::new("dev").join(name))?;
        }
        Ok(())
    })?;
    step("mount /proc", || {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        Ok(mount("proc", "proc", "proc", flags, None)?)
    })?;
    for name in ["bus", "fs", "irq", "sys", "sysrq-trigger"] {
        let path = Path::new("proc").join(name);
        if path.exists() {
            let shown = Bind::take(&path, &path)?;
            step(&format!("protect /proc/{name}"), || shown.put_over())?;
        }
    }
    for name in ["acpi", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "kallsyms", "kmsg"] {
        let path = Path::new("proc").join(name);
        step(&format!("hide /proc/{name}"), || match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                Ok(mount("tmpfs", &path, "tmpfs", flags, Some(c"size=0,mode=0"))?)
            }
            Ok(_) => Ok(rustix::mount::mount_bind("dev/null", &path)?),
            Err(_) => Ok(()),
        })?;
    }
    Ok(())
}

impl Bind {
    /// Mounts over the place it was taken from.
    fn put_over(&self) -> io::Result<()> {
        sys::restrict_mount(self.tree.as_fd(), CONFINED | READ_ONLY | libc::MOUNT_ATTR_NOEXEC, true)?;
        Ok(move_mount(&self.tree, "", CWD, &self.target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
    }
}

fn set_limits(plan: &Plan) -> io::Result<()> {
    let limits = &plan.limits;
    let mut values = vec![
        (Resource::Fsize, limits.file),
        (Resource::Nofile, 1024),
        (Resource::Core, 0),
        (Resource::Memlock, 64 << 10),
        (Resource::Msgqueue, 64 << 10),
        (Resource::Sigpending, 1024),
    ];
    if plan.outside.is_some() {
        // The first holds per process, which is better than nothing; the second for the namespace, see below.
        values.push((Resource::Data, limits.memory));
        values.push((Resource::Nproc, u64::from(limits.processes)));
    }
    for (resource, value) in values {
        let hard = rustix::process::getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
        rustix::process::setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
    }
    Ok(())
}

/// Whether the kernel counts a user's processes in each user namespace on its own, so that the limit on them holds for one
/// sandbox: since Linux 5.14, and for any user but the host's root.
pub fn counts_processes_per_namespace() -> bool {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().unwrap_or_default().split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    (next(), next()) >= (5, 14) && !rustix::process::geteuid().is_root()
}

fn drop_rights(plan: &Plan) -> io::Result<()> {
    if plan.outside.is_none() {
        // The kernel, short of memory, ends programs before it ends init. Their own higher score does most of it, where the
        // right to lower ours is missing.
        let _ = fs::write("/proc/self/oom_score_adj", "-500");
    }
    for capability in CapabilitySet::all().iter() {
        // Kernels older than this list of capabilities do not know the last ones.
        if rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(capability)?;
        }
    }
    let (user, group) = (Uid::from_raw(plan.user), Gid::from_raw(plan.user));
    if plan.outside.is_none() {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_no_new_privs(true)?;
    // Programs run as the same user: this keeps them out of this process's memory and descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Changing the user cleared it, so it is set last. The helper has one thread, whose end is the helper's end.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}
