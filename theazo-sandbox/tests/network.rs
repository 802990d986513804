//! The network of a sandbox: it leads nowhere, and its caller reaches what listens in it.
#![cfg(target_os = "linux")]

mod common;

use std::sync::Arc;

use common::{World, python, text, world, world_without_root};
use theazo_sandbox::{Error, Exec, Language, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Starts a program that answers each line that it is sent on port 8080 with the same in capitals.
async fn shouting(sandbox: &Arc<Sandbox>) {
    let server = "import socketserver, os\n\
        class Shout(socketserver.StreamRequestHandler):\n\
        \x20   def handle(self):\n\
        \x20       for line in self.rfile: self.wfile.write(line.upper())\n\
        socketserver.ThreadingTCPServer.allow_reuse_address = True\n\
        server = socketserver.ThreadingTCPServer(('127.0.0.1', 8080), Shout)\n\
        os.write(1, b'listening\\n')\n\
        server.serve_forever()";
    let (output, mut printed) = tokio::sync::mpsc::channel(16);
    let running = sandbox.clone();
    tokio::spawn(async move {
        let exec = Exec { timeout: None, ..Exec::new(Language::Python, server) };
        let _ = running.exec(exec, Some(output)).await;
    });
    assert_eq!(printed.recv().await.expect("it says when it listens").bytes, b"listening\n");
    tokio::spawn(async move { while printed.recv().await.is_some() {} });
}

async fn said(sandbox: &Sandbox, text: &str) -> String {
    let mut stream = sandbox.connect(8080).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it takes it");
    stream.shutdown().await.expect("it is at its end");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

async fn both() -> [World; 2] {
    [world().await, world_without_root().await]
}

#[tokio::test]
async fn a_program_that_listens_is_reached_and_one_in_another_sandbox_is_not() {
    for world in both().await {
        let (one, other) = (Arc::new(world.sandbox("one").await), world.sandbox("other").await);
        let nothing = one.connect(8080).await.expect_err("nothing listens yet");
        shouting(&one).await;

        assert_eq!(nothing.to_string(), "nothing listens on port 8080 of sandbox `one`");
        assert_eq!(said(&one, "hello\nworld\n").await, "HELLO\nWORLD\n");
        assert!(matches!(other.connect(8080).await, Err(Error::NothingListens { port: 8080, .. })));
        let dial =
            "import socket\ntry: socket.create_connection(('127.0.0.1', 8080), 5)\nexcept OSError as e: print(e.errno)";
        assert_eq!(text(&python(&other, dial).await), "111");
    }
}

#[tokio::test]
async fn a_connection_stands_still_with_the_sandbox_and_goes_on_with_it() {
    for world in both().await {
        let sandbox = Arc::new(world.sandbox("paused").await);
        shouting(&sandbox).await;
        let mut stream = sandbox.connect(8080).await.expect("it listens");
        stream.write_all(b"before\n").await.expect("it takes it");
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.expect("it answers");

        sandbox.pause().await.expect("it pauses");
        let refused = sandbox.connect(8080).await.expect_err("it is paused");
        stream.write_all(b"during\n").await.expect("the system takes it");
        sandbox.resume().await.expect("it goes on");

        assert!(matches!(refused, Error::Paused { .. }), "{refused}");
        stream.read_exact(&mut answer).await.expect("it answers");
        assert_eq!(&answer, b"DURING\n");
        sandbox.destroy().await.expect("it ends");
        assert!(matches!(sandbox.connect(8080).await, Err(Error::Ended { .. })));
        // What was connected to it is at its end too.
        assert!(!matches!(stream.read(&mut answer).await, Ok(length) if length > 0));
    }
}

#[tokio::test]
async fn programs_reach_a_port_that_the_caller_listens_on() {
    for world in both().await {
        let sandbox = world.sandbox("calling").await;
        let listener = sandbox.listen(7701).await.expect("the port is free");
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody connects");
            let mut line = [0; 5];
            stream.read_exact(&mut line).await.expect("it says something");
            stream.write_all(&line).await.expect("it listens");
        });

        let call = "import socket\ns = socket.create_connection(('localhost', 7701))\ns.sendall(b'hello')\nprint(s.recv(9).decode())";
        assert_eq!(text(&python(&sandbox, call).await), "hello");
        answering.await.expect("it was answered");
    }
}
