//! The system calls that `rustix` does not offer safely. Only called in the helper and in sandboxes, which are
//! single-threaded, except where a function says otherwise.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;

use rustix::process::Pid;
use tokio::io::unix::AsyncFd;

/// The flags of `clone3` that sandboxes use.
pub const NEW_NAMESPACES: u64 =
    (libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS) as u64;
/// The flag of `clone3` for a user namespace.
pub const NEW_USER: u64 = libc::CLONE_NEWUSER as u64;

/// Which side of a fork this is.
pub enum Fork {
    /// The new process.
    Child,
    /// The old process, with the new one's id.
    Parent(Pid),
}

/// Forks.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the process is single-threaded, so the child's copy of memory has no lock held by a missing thread.
    side(i64::from(unsafe { libc::fork() }))
}

/// Forks into new namespaces.
pub fn fork_into(flags: u64) -> io::Result<Fork> {
    // SAFETY: all-zero is a valid `clone_args`.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM and with no stack given this behaves as fork; the process is single-threaded (see `fork`), and
    // `arguments` outlives the call.
    side(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) })
}

fn side(result: i64) -> io::Result<Fork> {
    match i32::try_from(result).ok().and_then(Pid::from_raw) {
        _ if result < 0 => Err(io::Error::last_os_error()),
        Some(pid) => Ok(Fork::Parent(pid)),
        None => Ok(Fork::Child),
    }
}

/// Becomes another program; returns only when that fails.
pub fn execve(path: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let terminated = |list: &[CString]| list.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (terminated(arguments), terminated(environment));
    // SAFETY: both lists end with null, and they and the strings they point to live across the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process at once, without running exit handlers that belong to the program whose module we are in.
pub fn exit(code: i32) -> ! {
    // SAFETY: always sound; it does not return.
    unsafe { libc::_exit(code) }
}

/// Blocks the signal of a child's end and returns a descriptor that becomes readable instead; ignores broken pipes.
pub fn watch_children() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is read; the descriptor returned is new and ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        // A caller that ignores the ends of its children hands that down across exec, and they could not be waited for.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(descriptor)) }
    }
}

/// Gives a program that is about to be executed the signal mask and dispositions it expects.
pub fn reset_signals() {
    // SAFETY: `set` is initialised by sigemptyset; default dispositions run none of our code.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
        for signal in 1..=libc::SIGSYS {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Signals every process that the caller may signal except init and itself; in init, that is the whole sandbox.
pub fn signal_all(signal: i32) {
    // SAFETY: plain system call. Only init calls it, in its own process namespace.
    unsafe { libc::kill(-1, signal) };
}

/// Closes every descriptor but the standard three and the given one.
pub fn keep_only(descriptor: OwnedFd) -> OwnedFd {
    let number = descriptor.into_raw_fd() as u32;
    // SAFETY: called at the helper's start, when nothing else is open that has an owner, and by a new init, whose copies of the
    // helper's owners are never used or dropped again: it exits without running destructors. `number` is left open and has no
    // other owner.
    unsafe {
        if number > 3 {
            libc::syscall(libc::SYS_close_range, 3u32, number - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, number + 1, u32::MAX, 0);
        OwnedFd::from_raw_fd(number as i32)
    }
}

/// Makes a descriptor name what another one names; its owner stays its owner.
pub fn replace(with: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `descriptor` is open before and after, so whoever owns it still owns one open descriptor.
    let result = unsafe { libc::dup3(with.as_raw_fd(), descriptor.as_raw_fd(), libc::O_CLOEXEC) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Marks every descriptor from 3 on to be closed on exec.
pub fn close_on_exec() {
    // SAFETY: closes nothing by itself.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Makes a mount, and with `recursive` all mounts below it, read-only or free of devices and set-user-id files.
pub fn restrict_mount(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> io::Result<()> {
    // SAFETY: all-zero is a valid `mount_attr`.
    let mut change: libc::mount_attr = unsafe { std::mem::zeroed() };
    change.attr_set = attributes;
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a terminated string and `change` lives across the call, with its size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the control groups that this process is in look like the root of all.
pub fn new_cgroup_namespace() -> io::Result<()> {
    // SAFETY: changes how control groups are named, and shares or unshares no memory or descriptors.
    if unsafe { libc::unshare(libc::CLONE_NEWCGROUP) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Brings up the loopback interface of the current network namespace.
pub fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which lives across the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the socket that the helper was given as its standard input, and closes all that its caller's process leaked.
pub fn take_stdin() -> io::Result<OwnedFd> {
    let control = keep_only(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(control)
}

/// Lets the runtime of the calling task watch a descriptor. For the caller's side.
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always gives the same descriptor, keeps it open while the runtime watches it, and is closed only after
    // the watch is taken off.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
