//! Starts the helper without a second file: the module that holds this code is executed again, and a constructor in it
//! takes over before that program's own `main`.
//!
//! In an executable, that executable is run. In a shared object (a Node addon, a Python extension module), the current
//! executable is run with the object preloaded, so that its constructor runs all the same.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::helper;

/// Set only for the helper. With the name below it says that the process is one.
const MARK: &CStr = c"THEAZO_SANDBOX_HELPER";
/// The helper's name in process lists.
const NAME: &str = "theazo-sandbox";

/// Runs before `main` in every process that loads this module, and does nothing in all but the helper.
// SAFETY: entries of this section are functions called once by the loader; ours takes no arguments and does not unwind.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

extern "C" fn constructor() {
    // SAFETY: the loader runs constructors one after another, before the program could start threads that set variables; in a
    // library loaded later this is one read, as any `getenv`.
    if unsafe { libc::getenv(MARK.as_ptr()) }.is_null() {
        return;
    }
    let named = std::fs::read("/proc/self/cmdline")
        .is_ok_and(|line| line.split(|byte| *byte == 0).next() == Some(NAME.as_bytes()));
    if named {
        helper::main();
    }
}

/// Starts the helper with `socket` as its standard input. The caller waits for the child, and for that child only.
pub fn spawn(socket: OwnedFd, state_dir: &Path) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    // The helper hands none of the caller's environment on, and holds none of its secrets.
    command.env_clear().env(OsStr::from_bytes(MARK.to_bytes()), "1").arg0(NAME).current_dir("/");
    if let Some(object) = shared_object() {
        command.env("LD_PRELOAD", preloadable(object, state_dir)?);
    }
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()
}

/// The shared object that this code is in; `None` when it is in the executable itself.
fn shared_object() -> Option<PathBuf> {
    // Reading the static here also keeps it, and so the constructor, in every program that can start a helper.
    let address = std::hint::black_box(CONSTRUCTOR) as *const libc::c_void;
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut information: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked about; on success the name is a terminated string that lives as long as the module.
    let name = unsafe {
        if libc::dladdr(address, &raw mut information) == 0 || information.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(information.dli_fname)
    };
    // The loader calls the executable by the name it was started with, which need not be a path; a shared object always has one.
    if is_main_program(information.dli_fbase as usize) {
        return None;
    }
    std::fs::canonicalize(OsStr::from_bytes(name.to_bytes())).ok()
}

/// Whether the module loaded at `base` is the executable: the one that holds the program headers the kernel told of.
fn is_main_program(base: usize) -> bool {
    // SAFETY: plain read of the auxiliary vector.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) } as usize;
    // SAFETY: as above.
    let count = unsafe { libc::getauxval(libc::AT_PHNUM) } as usize;
    // The headers follow the file header in the first page of the module.
    headers >= base && headers - base < 4096 && count > 0
}

/// Where a link is made to a module whose own path cannot be preloaded.
pub fn link(state_dir: &Path) -> PathBuf {
    state_dir.join(format!("module-{}", std::process::id()))
}

/// A path that can be preloaded: the loader splits the list at spaces and colons.
fn preloadable(object: PathBuf, state_dir: &Path) -> io::Result<PathBuf> {
    let plain =
        |path: &Path| !path.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b' ' | b':' | b'\t' | b'\n'));
    if plain(&object) {
        return Ok(object);
    }
    let link = link(state_dir);
    if !plain(&link) {
        let problem =
            format!("neither {} nor {} can be preloaded: both hold a space or colon", object.display(), link.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    match std::os::unix::fs::symlink(&object, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(link),
    }
}
