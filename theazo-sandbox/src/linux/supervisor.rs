//! The process between a sandbox's init and one program: it starts the program, adopts what the program abandons, and
//! reports how it ended.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, WaitOptions};

use super::protocol::{ENTER, Program, START, Status};
use super::{packet, sys};
use crate::Language;

/// What one exec brings with it.
pub struct Descriptors {
    pub status: OwnedFd,
    pub program: OwnedFd,
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Runs the exec and never returns; to be called in a new child of init.
pub fn main(number: u64, descriptors: Descriptors) -> ! {
    let directory = directory(number);
    if let Err((step, error)) = supervise(&directory, &descriptors) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let _ = packet::send_json(&descriptors.status, &Status::Failed { step: step.into(), errno }, &[]);
    }
    let _ = fs::remove_dir_all(&directory);
    sys::exit(0)
}

/// Where the code of an exec is while it runs.
pub fn directory(number: u64) -> PathBuf {
    PathBuf::from(format!("/run/exec-{number}"))
}

type Failed = (&'static str, io::Error);

fn supervise(directory: &Path, descriptors: &Descriptors) -> Result<(), Failed> {
    let at = |step: &'static str| move |error: io::Error| (step, error);
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| ("adopt", error.into()))?;
    let mut file = File::from(descriptors.program.try_clone().map_err(at("read the program"))?);
    let program = read_head(&mut file).map_err(at("read the program"))?;
    let code = store(directory, program.language, &mut file).map_err(at("store the code"))?;
    let (failure, failure_writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| ("open a pipe", error.into()))?;
    let child = match sys::fork().map_err(at("start a process"))? {
        sys::Fork::Child => {
            let Failure { entering, error } = become_program(&program, &code, descriptors);
            let mut failure = [u8::from(entering); 5];
            failure[1..].copy_from_slice(&error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes());
            let _ = rustix::io::write(&failure_writer, &failure);
            sys::exit(127)
        }
        sys::Fork::Parent(child) => child,
    };
    drop(failure_writer);
    // Otherwise whoever reads the output would wait for this process, and the code would stay in memory twice.
    let null = File::open("/dev/null").map_err(at("open /dev/null"))?;
    let held =
        [Some(&descriptors.stdout), Some(&descriptors.stderr), Some(&descriptors.program), descriptors.stdin.as_ref()];
    for descriptor in held.into_iter().flatten() {
        replace(&null, descriptor).map_err(at("close the output"))?;
    }
    let mut failed = [0; 5];
    if File::from(failure).read_exact(&mut failed).is_ok() {
        let [entering, errno @ ..] = failed;
        let step = if entering == 1 { ENTER } else { START };
        return Err((step, io::Error::from_raw_os_error(i32::from_ne_bytes(errno))));
    }
    let _ = packet::send_json(&descriptors.status, &Status::Started { pid: child.as_raw_nonzero().get() }, &[]);
    reap(child, descriptors);
    Ok(())
}

/// Waits for the program, reports it, and then waits for what it left behind.
fn reap(child: Pid, descriptors: &Descriptors) {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                let signalled = status.terminating_signal().map(|signal| 128 + signal);
                let code = status.exit_status().or(signalled).unwrap_or(-1);
                let _ = packet::send_json(&descriptors.status, &Status::Exited { code }, &[]);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn read_head(file: &mut File) -> io::Result<Program> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let mut head = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut head)?;
    packet::parse(&head)
}

/// Writes the code where the interpreter reads it; the name is what the program's own error messages show.
fn store(directory: &Path, language: Language, code: &mut File) -> io::Result<PathBuf> {
    // An earlier program may have put something there.
    let _ = fs::remove_file(directory);
    let _ = fs::remove_dir_all(directory);
    fs::create_dir(directory)?;
    let name = match language {
        Language::Python => "main.py",
        Language::Node => "main.js",
        Language::Go => "main.go",
        Language::Shell => "main.sh",
    };
    let path = directory.join(name);
    io::copy(code, &mut File::create(&path)?)?;
    Ok(path)
}

/// Why a program did not start.
struct Failure {
    /// Whether its directory could not be entered.
    entering: bool,
    error: io::Error,
}

impl<E: Into<io::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { entering: false, error: error.into() }
    }
}

fn become_program(program: &Program, code: &Path, descriptors: &Descriptors) -> Failure {
    let Err(failure) = try_become_program(program, code, descriptors);
    failure
}

fn try_become_program(
    program: &Program,
    code: &Path,
    descriptors: &Descriptors,
) -> Result<std::convert::Infallible, Failure> {
    rustix::process::setsid()?;
    rustix::process::chdir(&program.directory).map_err(|error| Failure { entering: true, error: error.into() })?;
    match &descriptors.stdin {
        Some(stdin) => rustix::stdio::dup2_stdin(stdin)?,
        // Node takes its program from standard input, so that relative imports start in the working directory.
        None if program.language == Language::Node => rustix::stdio::dup2_stdin(File::open(code)?)?,
        None => rustix::stdio::dup2_stdin(File::open("/dev/null")?)?,
    }
    rustix::stdio::dup2_stdout(&descriptors.stdout)?;
    rustix::stdio::dup2_stderr(&descriptors.stderr)?;
    sys::close_on_exec();
    sys::reset_signals();
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
    let interpreter = text(program.interpreter.as_os_str().as_bytes())?;
    let (path, code) = (code, text(code.as_os_str().as_bytes())?);
    let arguments = match program.language {
        // Unbuffered, so that output is seen as it is written.
        Language::Python => vec![interpreter.clone(), c"-u".into(), code],
        Language::Node if descriptors.stdin.is_none() => vec![interpreter.clone(), c"-".into()],
        // The only other way to give it a program whose imports start there; such a program must fit into one argument.
        Language::Node => vec![interpreter.clone(), text(&[b"--eval=", &*fs::read(path)?].concat())?],
        Language::Go => vec![interpreter.clone(), c"run".into(), code],
        Language::Shell => vec![interpreter.clone(), code],
    };
    let environment = program
        .environment
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
        .collect::<io::Result<Vec<_>>>()?;
    if program.read_only {
        let nothing = Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(Resource::Fsize, nothing)?;
    }
    // Only a process that can be dumped may write this file of its own. What could be taken from it now is no secret.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    // The kernel, short of memory, ends programs first, never init or this program's supervisor.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
    Err(sys::execve(&interpreter, &arguments, &environment).into())
}

fn replace(with: &File, descriptor: &OwnedFd) -> io::Result<()> {
    // Keeps the descriptor's owner valid: it then owns a copy of `with`.
    sys::replace(with.as_fd(), descriptor.as_fd())
}

/// The environment that every program has unless the caller says otherwise.
pub fn base_environment() -> BTreeMap<String, String> {
    let entries = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/workspace"),
        ("LANG", "C.UTF-8"),
        // A program's own directory is not the working directory, from which it expects to import.
        ("PYTHONPATH", "/workspace"),
        ("GOTOOLCHAIN", "local"),
    ];
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
