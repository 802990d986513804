//! A server that costs little and always answers the same. The benchmarks of the other languages ask it too.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
};

use bytes::Bytes;

use crate::streams;

/// The argument that makes this program the server.
pub const ARGUMENT: &str = "serve";

/// An answer: the type of its content, and the content.
type Answer = (&'static str, Bytes);

static SESSION: LazyLock<Answer> =
    LazyLock::new(|| first_of(include_str!("../../../theazo-api/fixtures/SessionData.json")));
static RUN: LazyLock<Answer> = LazyLock::new(|| first_of(include_str!("../../../theazo-api/fixtures/RunData.json")));
static HEALTH: LazyLock<Answer> = LazyLock::new(|| first_of(include_str!("../../../theazo-api/fixtures/Health.json")));
static AGENT: LazyLock<Answer> =
    LazyLock::new(|| first_of(include_str!("../../../theazo-api/fixtures/AgentData.json")));
static EVENTS: LazyLock<Answer> = LazyLock::new(|| ("text/event-stream", streams::events().into()));

/// What a path is answered with: the events of a run, a run, an agent, the server's health, or a session.
pub fn answer_to(path: &str) -> &'static Answer {
    match path {
        path if path.ends_with("/stream") => &EVENTS,
        path if path.starts_with("/v1/runs/") => &RUN,
        path if path.starts_with("/v1/agents/") => &AGENT,
        path if path.ends_with("/health") => &HEALTH,
        _ => &SESSION,
    }
}

/// The first of a type's golden fixtures.
fn first_of(fixtures: &str) -> Answer {
    let fixtures: Vec<serde_json::Value> = serde_json::from_str(fixtures).expect("fixtures are lists");
    ("application/json", fixtures[0].to_string().into())
}

/// The server as a process of its own; it ends when this is dropped.
pub struct Process {
    pub url: String,
    child: Child,
}

impl Process {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started again");
        let stdout = child.stdout.take().expect("it is piped");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("the server says where it listens");
        Self { url: url.trim().to_owned(), child }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process that started this one is gone.
pub fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    println!("http://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.expect("connections can be taken");
            thread::spawn(move || answer_all(connection));
        }
    });
    // Nothing is ever written there: reading ends when the other end is closed.
    let _ = std::io::stdin().read(&mut [0]);
}

/// Answers requests until the client closes the connection.
fn answer_all(connection: TcpStream) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut writer = connection.try_clone().ok()?;
    let mut reader = BufReader::new(connection);
    loop {
        let path = read_request(&mut reader)?;
        let (content_type, body) = answer_to(&path);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nx-request-id: req_7f3a9c2e4b1d\r\n\
             date: Sat, 28 Nov 2026 09:00:00 GMT\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), body].concat()).ok()?;
    }
}

/// Reads one request away and gives its path; `None` when there is none any more.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    Some(path)
}
