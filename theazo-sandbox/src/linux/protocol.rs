//! The messages between the three sides; each is one packet of JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Language, Limits};

/// From the caller to the helper. `number` names the request in its answer, `key` the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub number: u64,
    pub key: u64,
    pub action: Action,
}

/// What the caller asks of the helper.
#[derive(Debug, Serialize, Deserialize)]
pub enum Action {
    /// Always first: how to start sandboxes.
    Configure {
        /// Use user namespaces instead of root's rights.
        user_namespaces: bool,
        /// The user and group of programs.
        user: u32,
    },
    /// Starts a sandbox; carries the socket that its init serves.
    Create { workspace: PathBuf, data: PathBuf, read_only: Vec<PathBuf>, limits: Limits },
    /// Starts to freeze a sandbox; the answer says whether it is frozen. Repeated until it is.
    Pause,
    /// Thaws a sandbox.
    Resume,
    /// Counts how often the system ended a process of a sandbox because its memory was used up.
    CountOutOfMemory,
    /// Kills a sandbox and removes all that the helper made for it.
    Destroy,
}

/// From the helper to the caller: the answer to the request with that number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    pub number: u64,
    pub result: Outcome,
}

/// What became of a request.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The helper is configured.
    Ready {
        /// The limits that hold for a whole sandbox.
        enforced: Vec<String>,
        /// Whether sandboxes can be frozen.
        can_freeze: bool,
    },
    /// The request was carried out.
    Done,
    /// The sandbox is being frozen, but some of its processes still run.
    Freezing,
    /// How often it happened.
    Count { times: u64 },
    /// The request failed.
    Failed { reason: String },
}

/// What the caller asks of a sandbox's init; the packet is this one byte, a label where it starts a program, and the
/// descriptors that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Runs a program: status socket, memory file with [`Program`] and code, standard output, standard error, and standard
    /// input where the program has one.
    Exec = b'x' as isize,
    /// Stops every process: status socket.
    Stop = b's' as isize,
    /// Continues every process: status socket.
    Continue = b'c' as isize,
    /// Lists every process: status socket, memory file to write the list into.
    List = b'l' as isize,
    /// Makes a socket of the sandbox's network and sends it back with `Done`: status socket.
    Socket = b'n' as isize,
}

impl Command {
    /// Reads the byte and the label after it.
    pub fn parse(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (byte, label) = packet.split_first()?;
        let known = [Self::Exec, Self::Stop, Self::Continue, Self::List, Self::Socket];
        known.into_iter().find(|command| *command as u8 == *byte).map(|command| (command, label))
    }
}

/// The head of an exec's memory file: its length as four little-endian bytes, this as JSON, then the code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Program {
    /// Says how the interpreter is called.
    pub language: Language,
    /// The interpreter.
    pub interpreter: PathBuf,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it starts.
    pub directory: String,
    /// Whether it may not write to files, because there are too many already.
    pub read_only: bool,
}

/// From a sandbox to the caller, on the exec's status socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Status {
    /// The program could not be started.
    Failed { step: String, errno: i32 },
    /// The program runs, as the process of this number.
    Started { pid: i32 },
    /// The program ended.
    Exited { code: i32 },
    /// Everything the exec started is dead, or the stop or continue is done.
    Done,
}

/// The step of starting a program that fails where the interpreter is missing.
pub const START: &str = "start the interpreter";
/// The step of starting a program that fails where its directory cannot be entered.
pub const ENTER: &str = "enter the directory";

/// From the caller to a sandbox's init, on the exec's status socket: send the signal whose number follows to everything the
/// exec started.
pub const SIGNAL: u8 = b's';
/// From the caller to a sandbox's init, on the exec's status socket: kill everything the exec started, then say `Done`.
/// Closing the socket asks for the same.
pub const KILL: &[u8] = b"k";
/// From the caller to a sandbox's init, on the exec's status socket: the exec is over; what it left behind may live on.
pub const RELEASE: &[u8] = b"r";
