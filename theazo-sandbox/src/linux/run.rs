//! Runs one program in a sandbox: hands it over, reads its output, keeps its time.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::Instant;

use super::output::{Kept, Streams};
use super::protocol::{Command, ENTER, KILL, Program, RELEASE, START, Status};
use super::quota::{Excess, Quota};
use super::sandbox::{Sandbox, State};
use super::{connection, input, packet, sys};
use crate::{Attached, Error, Exec, ExecOutcome, Language, SpaceLimit, Stream};

/// How long the sandbox may take to kill a program and all it started.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a Node program may be whose input is open; it then has to fit into one argument.
const LONGEST_ARGUMENT: usize = 120_000;

pub async fn exec(sandbox: &Sandbox, exec: Exec, attached: Attached) -> Result<ExecOutcome, Error> {
    match sandbox.state() {
        State::Running => {}
        State::Paused => return Err(Error::Paused { id: sandbox.id.clone() }),
        State::Destroyed => return Err(Error::Ended { id: sandbox.id.clone() }),
    }
    let program = program(sandbox, &exec).await?;
    let missing = || Error::MissingInterpreter { language: exec.language, path: program.interpreter.clone() };
    if !program.interpreter.exists() {
        return Err(missing());
    }
    let out_of_memory_before = sandbox.out_of_memory_before();
    let started = Instant::now();
    let Started { status, stdin, stdout, stderr } = start(sandbox, &program, &exec).await?;
    let mut streams = Streams {
        stdout: Kept::new(stdout, Stream::Stdout, exec.output_limit),
        stderr: Kept::new(stderr, Stream::Stderr, exec.output_limit),
    };
    let Attached { output, started: tell_started, input, signals } = attached;
    let killed = tokio::select! {
        ended = streams.read_until_ended(&status, output.as_ref(), tell_started) => Ok(ended),
        () = run_out(exec.timeout, sandbox.watch_state()) => Err(None),
        excess = sandbox.quota.outgrown(sandbox.watch_state()), if !program.read_only => Err(Some(excess)),
        never = input::feed(stdin, input) => match never {},
        never = input::signal(&status, signals) => match never {},
    };
    let ended = match killed {
        Ok(ended) => ended,
        Err(excess) => {
            kill(&status).await;
            streams.read_rest();
            let (stdout, stderr) = (streams.stdout.bytes, streams.stderr.bytes);
            return Err(match excess {
                None => Error::TimedOut { after: exec.timeout.unwrap_or_default(), stdout, stderr },
                Some(excess) => out_of_space(sandbox, excess, stdout, stderr),
            });
        }
    };
    match ended {
        Ok(Some(ended @ (Status::Exited { .. } | Status::Done))) => {
            // Where all was killed on demand, who would have told how the program ended may be gone before it did.
            let code = if let Status::Exited { code } = ended { code } else { 128 + libc::SIGKILL };
            streams.read_rest();
            streams.send_rest(output.as_ref()).await;
            tokio::spawn(release(status, Arc::clone(&sandbox.quota), sandbox.watch_state()));
            let truncated = streams.stdout.truncated || streams.stderr.truncated;
            let (stdout, stderr) = (streams.stdout.bytes, streams.stderr.bytes);
            let duration = started.elapsed();
            let out_of_memory = code != 0 && sandbox.ran_out_of_memory_since(out_of_memory_before).await;
            Ok(ExecOutcome { stdout, stderr, exit_code: code, truncated, out_of_memory, duration })
        }
        Ok(Some(Status::Failed { step, errno })) if errno == libc::ENOENT && step == START => Err(missing()),
        Ok(Some(Status::Failed { step, errno })) if step == ENTER => {
            let problem = format!("`{}`: {}", exec.directory, io::Error::from_raw_os_error(errno));
            Err(Error::InvalidInput { parameter: "directory", problem })
        }
        Ok(Some(Status::Failed { step, errno })) => {
            let reason = format!("{step}: {}", io::Error::from_raw_os_error(errno));
            Err(Error::Start { id: sandbox.id.clone(), reason })
        }
        Ok(Some(Status::Started { .. }) | None) | Err(_) => Err(sandbox.why_ended().await),
    }
}

/// Checks what is to run, and says it as the sandbox is told.
async fn program(sandbox: &Sandbox, exec: &Exec) -> Result<Program, Error> {
    let invalid = |parameter, problem: String| Err(Error::InvalidInput { parameter, problem });
    let environment = sandbox.environment_with(exec.environment.clone());
    if let Some(name) = environment.iter().find_map(|(name, value)| unusable(name, value).then_some(name)) {
        return invalid("environment", format!("holds a name or value that no program can be given: `{name}`"));
    }
    if exec.directory.is_empty() || exec.directory.contains('\0') {
        return invalid("directory", "must be the path of a directory".into());
    }
    if exec.label.len() > 128 {
        return invalid("label", "is longer than 128 bytes".into());
    }
    if exec.input && exec.language == Language::Node && exec.code.len() > LONGEST_ARGUMENT {
        let problem =
            format!("is longer than {LONGEST_ARGUMENT} bytes, which is the most for a Node program with input");
        return invalid("code", problem);
    }
    let read_only = match sandbox.quota.excess().await {
        None => false,
        // A program that writes no files could still make empty ones.
        Some(excess) if excess.limit != SpaceLimit::Bytes => {
            return Err(out_of_space(sandbox, excess, Vec::new(), Vec::new()));
        }
        Some(_) => true,
    };
    let interpreter = sandbox.runtimes.path(exec.language).clone();
    let directory = exec.directory.clone();
    Ok(Program { language: exec.language, interpreter, environment, directory, read_only })
}

/// The error of a sandbox whose files take too much.
pub fn out_of_space(sandbox: &Sandbox, excess: Excess, stdout: Vec<u8>, stderr: Vec<u8>) -> Error {
    let Excess { limit, value, used } = excess;
    Error::OutOfSpace { id: sandbox.id.clone(), limit, value, used, stdout, stderr }
}

/// Lets what a program left behind live on, as long as it does not fill the disk.
async fn release(status: AsyncFd<OwnedFd>, quota: Arc<Quota>, state: watch::Receiver<State>) {
    let _ = packet::send(status.get_ref(), RELEASE, &[]);
    let gone = async { while let Ok(Some(_)) = connection::receive::<Status>(&status).await {} };
    tokio::select! {
        () = gone => {}
        _ = quota.outgrown(state) => kill(&status).await,
    }
}

fn unusable(name: &str, value: &str) -> bool {
    name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
}

/// Our ends of a program.
struct Started {
    status: AsyncFd<OwnedFd>,
    stdin: Option<AsyncFd<OwnedFd>>,
    stdout: AsyncFd<OwnedFd>,
    stderr: AsyncFd<OwnedFd>,
}

/// Hands the program to the sandbox.
async fn start(sandbox: &Sandbox, program: &Program, exec: &Exec) -> Result<Started, Error> {
    let prepare = || -> io::Result<_> {
        let (status, their_status) = packet::pair()?;
        let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        let input = exec.input.then(|| pipe_with(PipeFlags::CLOEXEC)).transpose()?;
        let (their_stdin, stdin) = input.unzip();
        // Only our ends are not to block: the other ends are a program's own.
        for ours in [Some(&stdout), Some(&stderr), stdin.as_ref()].into_iter().flatten() {
            rustix::io::ioctl_fionbio(ours, true)?;
        }
        if let Some(user) = sandbox.user {
            // A program may open what it has by another name, `/dev/stderr`, which goes by the owner.
            for theirs in [Some(&their_stdout), Some(&their_stderr), their_stdin.as_ref()].into_iter().flatten() {
                rustix::fs::fchown(theirs, Some(Uid::from_raw(user)), Some(Gid::from_raw(user)))?;
            }
        }
        let mut theirs = vec![their_status, write_program(program, exec.code.as_bytes())?, their_stdout, their_stderr];
        theirs.extend(their_stdin);
        let stdin = stdin.map(sys::watch).transpose()?;
        Ok((
            Started { status: sys::watch(status)?, stdin, stdout: sys::watch(stdout)?, stderr: sys::watch(stderr)? },
            theirs,
        ))
    };
    let (started, theirs) = prepare().map_err(|error| Error::io("prepare the program", error))?;
    let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    let command = [&[Command::Exec as u8], exec.label.as_bytes()].concat();
    match connection::send(&sandbox.control, &command, &descriptors).await {
        Ok(()) => Ok(started),
        Err(_) => Err(sandbox.why_ended().await),
    }
}

/// Writes head and code into a memory file that nobody can change afterwards.
fn write_program(program: &Program, code: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("theazo-exec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    let head = serde_json::to_vec(program)?;
    file.write_all(&u32::try_from(head.len()).map_err(io::Error::other)?.to_le_bytes())?;
    file.write_all(&head)?;
    file.write_all(code)?;
    io::Seek::rewind(&mut file)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file.into())
}

/// Ends when the program has run for its time, not counting pauses; never when there is no timeout.
async fn run_out(timeout: Option<Duration>, mut state: watch::Receiver<State>) {
    let Some(mut left) = timeout else { return std::future::pending().await };
    loop {
        let since = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(left) => return,
            // An error means that the sandbox is dropped, which its borrower prevents.
            _ = state.wait_for(|state| *state == State::Paused) => {}
        }
        left = left.saturating_sub(since.elapsed());
        let _ = state.wait_for(|state| *state != State::Paused).await;
    }
}

/// Kills the program with all it started, and waits until they are gone.
async fn kill(status: &AsyncFd<OwnedFd>) {
    let until_done = async {
        connection::send(status, KILL, &[]).await?;
        while let Some(message) = connection::receive::<Status>(status).await? {
            if let Status::Done = message {
                break;
            }
        }
        io::Result::Ok(())
    };
    // A sandbox that is gone has no processes either; one that hangs is its owner's to destroy.
    let _ = tokio::time::timeout(KILL_TIMEOUT, until_done).await;
}
