//! Runs one program in a sandbox: hands it over, reads its output, keeps its time.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::protocol::{Command, KILL, Program, RELEASE, Status};
use super::sandbox::{Sandbox, State};
use super::{connection, packet, sys};
use crate::{Chunk, Error, Exec, ExecOutcome, Stream};

/// How long the sandbox may take to kill a program and all it started.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// How much is read from a stream after the program ended: more than a pipe holds can only come from what it left behind.
const REST: usize = 1 << 20;

pub async fn exec(sandbox: &Sandbox, exec: Exec, output: Option<mpsc::Sender<Chunk>>) -> Result<ExecOutcome, Error> {
    match sandbox.state() {
        State::Running => {}
        State::Paused => return Err(Error::Paused { id: sandbox.id.clone() }),
        State::Destroyed => return Err(Error::Ended { id: sandbox.id.clone() }),
    }
    let interpreter = sandbox.runtimes.path(exec.language).clone();
    if !interpreter.exists() {
        return Err(Error::MissingInterpreter { language: exec.language, path: interpreter });
    }
    let environment = sandbox.environment_with(exec.environment);
    if let Some(name) = environment.iter().find_map(|(name, value)| unusable(name, value).then_some(name)) {
        let problem = format!("holds a name or value that no program can be given: `{name}`");
        return Err(Error::InvalidInput { parameter: "environment", problem });
    }
    let program = Program { language: exec.language, interpreter: interpreter.clone(), environment };
    let started = Instant::now();
    let (status, stdout, stderr) = start(sandbox, &program, exec.code.as_bytes()).await?;
    let mut streams = Streams {
        stdout: Kept::new(stdout, Stream::Stdout, exec.output_limit),
        stderr: Kept::new(stderr, Stream::Stderr, exec.output_limit),
    };
    let ended = tokio::select! {
        ended = streams.read_until_ended(&status, output.as_ref()) => ended,
        () = run_out(exec.timeout, sandbox.watch_state()) => {
            kill(&status).await;
            let after = exec.timeout.unwrap_or_default();
            streams.read_rest();
            return Err(Error::TimedOut { after, stdout: streams.stdout.bytes, stderr: streams.stderr.bytes });
        }
    };
    match ended {
        Ok(Some(Status::Exited { code })) => {
            streams.read_rest();
            streams.send_rest(output.as_ref()).await;
            let _ = packet::send(status.get_ref(), RELEASE, &[]);
            let truncated = streams.stdout.truncated || streams.stderr.truncated;
            let (stdout, stderr) = (streams.stdout.bytes, streams.stderr.bytes);
            Ok(ExecOutcome { stdout, stderr, exit_code: code, truncated, duration: started.elapsed() })
        }
        Ok(Some(Status::Failed { step, errno })) if errno == libc::ENOENT && step == "start the interpreter" => {
            Err(Error::MissingInterpreter { language: exec.language, path: interpreter })
        }
        Ok(Some(Status::Failed { step, errno })) => {
            let reason = format!("{step}: {}", io::Error::from_raw_os_error(errno));
            Err(Error::Start { id: sandbox.id.clone(), reason })
        }
        Ok(Some(Status::Done) | None) | Err(_) => Err(sandbox.why_ended().await),
    }
}

fn unusable(name: &str, value: &str) -> bool {
    name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
}

type Started = (AsyncFd<OwnedFd>, AsyncFd<OwnedFd>, AsyncFd<OwnedFd>);

/// Hands the program to the sandbox; returns the ends of its status and output.
async fn start(sandbox: &Sandbox, program: &Program, code: &[u8]) -> Result<Started, Error> {
    let prepare = || -> io::Result<_> {
        let (status, their_status) = packet::pair()?;
        // Only our ends are not to block: the other ends are a program's standard output.
        let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        for ours in [&stdout, &stderr] {
            rustix::io::ioctl_fionbio(ours, true)?;
        }
        let theirs = [their_status, write_program(program, code)?, their_stdout, their_stderr];
        Ok((sys::watch(status)?, sys::watch(stdout)?, sys::watch(stderr)?, theirs))
    };
    let (status, stdout, stderr, theirs) = prepare().map_err(|error| Error::io("prepare the program", error))?;
    let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    match connection::send(&sandbox.control, &[Command::Exec as u8], &descriptors).await {
        Ok(()) => Ok((status, stdout, stderr)),
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

struct Streams {
    stdout: Kept,
    stderr: Kept,
}

impl Streams {
    async fn read_until_ended(
        &mut self,
        status: &AsyncFd<OwnedFd>,
        output: Option<&mpsc::Sender<Chunk>>,
    ) -> io::Result<Option<Status>> {
        let (stdout, stderr) = (&mut self.stdout, &mut self.stderr);
        let reading = async { tokio::join!(stdout.read(output), stderr.read(output)) };
        tokio::pin!(reading);
        let mut open = true;
        loop {
            tokio::select! {
                status = connection::receive(status) => return status,
                _ = &mut reading, if open => open = false,
            }
        }
    }

    fn read_rest(&mut self) {
        self.stdout.read_rest();
        self.stderr.read_rest();
    }

    async fn send_rest(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        self.stdout.send(output).await;
        self.stderr.send(output).await;
    }
}

/// One output stream, and what is kept of it.
struct Kept {
    pipe: AsyncFd<OwnedFd>,
    stream: Stream,
    limit: usize,
    bytes: Vec<u8>,
    /// Where in `bytes` the part starts that the receiver was not sent yet.
    sent: usize,
    truncated: bool,
}

impl Kept {
    fn new(pipe: AsyncFd<OwnedFd>, stream: Stream, limit: usize) -> Self {
        Self { pipe, stream, limit, bytes: Vec::new(), sent: 0, truncated: false }
    }

    /// Reads until the stream ends. May be dropped at any point without losing output.
    async fn read(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let Ok(mut ready) = self.pipe.readable().await else { return };
            let read = ready.try_io(|pipe| Ok(rustix::io::read(pipe.get_ref(), &mut buffer)?));
            match read {
                Ok(Ok(0)) => return,
                Ok(Ok(length)) => self.keep(&buffer[..length]),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(_)) => return,
                Err(_) => continue,
            }
            self.send(output).await;
        }
    }

    /// Reads what the pipe still holds, without waiting for more.
    fn read_rest(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut total = 0;
        while total < REST {
            match rustix::io::read(self.pipe.get_ref(), &mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    total += length;
                    self.keep(&buffer[..length]);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.truncated |= kept < bytes.len();
    }

    async fn send(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        if let Some(output) = output
            && self.sent < self.bytes.len()
            // An error means that nobody listens any more, which is no reason to stop the program.
            && let Ok(permit) = output.reserve().await
        {
            permit.send(Chunk { stream: self.stream, bytes: self.bytes[self.sent..].to_vec() });
            self.sent = self.bytes.len();
        }
    }
}
