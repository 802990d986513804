//! Ports: what a program in a sandbox listens on is reached from outside, for as long as the agent lives.

use futures_util::{SinkExt, StreamExt};
use theazo::{Agent, Session, Theazo};
use theazo_tests::{ServerProcess, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{Bytes, Message, protocol::CloseFrame};

/// Answers every request with its path; a request for `/hold` waits for ever. Says when it listens.
const SERVER: &str = "import http.server, os
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())
server = http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Echo)
os.write(1, b'listening\\n')
server.serve_forever()";

/// A WebSocket server that says everything back, and pings first. Says when it listens.
const SOCKET_SERVER: &str = "import base64, hashlib, os, socketserver
class Echo(socketserver.StreamRequestHandler):
    def frame(self, opcode, payload):
        size = len(payload)
        head = bytes([size]) if size < 126 else b'\\x7e' + size.to_bytes(2, 'big') if size < 65536 else b'\\x7f' + size.to_bytes(8, 'big')
        self.wfile.write(bytes([0x80 | opcode]) + head + payload)
    def read(self):
        first, second = self.rfile.read(2)
        assert second & 0x80, 'a client masks'
        size = second & 0x7f
        if size >= 126: size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), 'big')
        mask = self.rfile.read(4)
        payload = self.rfile.read(size)
        full = (mask * (size // 4 + 1))[:size]
        return first & 0x0f, (int.from_bytes(payload, 'big') ^ int.from_bytes(full, 'big')).to_bytes(size, 'big')
    def handle(self):
        head = {}
        while (line := self.rfile.readline().decode().strip()):
            name, _, value = line.partition(': ')
            head[name.lower()] = value
        accept = hashlib.sha1((head['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()
        self.wfile.write(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
            b'Sec-WebSocket-Accept: ' + base64.b64encode(accept) + b'\\r\\n\\r\\n')
        self.frame(9, b'there?')
        while True:
            opcode, payload = self.read()
            if opcode != 10: self.frame(opcode, payload)
            if opcode == 8: return
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(('127.0.0.1', 8080), Echo)
os.write(1, b'listening\\n')
server.serve_forever()";

async fn agent_of(theazo: &Theazo) -> (Session, Agent) {
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider("local").await.expect("it is made");
    (session, agent)
}

/// Starts the server in the background, and waits until it listens.
async fn serve(theazo: &Theazo, agent: &Agent, server: &'static str) -> tokio::task::JoinHandle<()> {
    let mut logs = theazo.logs().stream().agent_id(agent.id()).await.expect("they stream");
    let serving = tokio::spawn({
        let agent = agent.clone();
        async move { drop(agent.exec("python", server).timeout(theazo_tests::minutes(10)).await) }
    });
    while logs.next().await.expect("they go on").expect("they stream").message != "listening" {}
    serving
}

/// Asks for a path in plain HTTP, and returns the status and the body.
async fn get(url: &str, path: &str) -> (u16, String) {
    let mut stream = connect(url).await.expect("something accepts");
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it is whole");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("it has a status"), body.to_owned())
}

async fn connect(url: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(url.trim_start_matches("http://")).await
}

#[tokio::test]
async fn a_server_in_a_sandbox_is_reached_while_the_agent_lives() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let (_session, agent) = agent_of(&theazo).await;
    let url = agent.ports().expose(8080).await.expect("it is exposed").url;
    let id = agent.id().clone();

    let before = get(&url, "/").await;
    let _serving = serve(&theazo, &agent, SERVER).await;
    let answered = get(&url, "/a?b=c").await;
    let again = agent.ports().expose(8080).await.expect("it is exposed already");
    agent.pause().await.expect("it pauses");
    let paused = get(&url, "/").await;
    agent.resume().await.expect("it goes on");
    let resumed = get(&url, "/resumed").await;
    agent.terminate().await.expect("it ends");

    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(before, (502, format!("nothing listens on port 8080 of the agent `{id}`\n")));
    assert_eq!(answered, (200, "/a?b=c".to_owned()));
    assert_eq!(again.url, url);
    assert_eq!(paused, (503, format!("the agent `{id}` is paused; resume it first\n")));
    assert_eq!(resumed, (200, "/resumed".to_owned()));
    assert!(connect(&url).await.is_err(), "nothing is there");
    assert_eq!(agent.ports().list().await.expect("they are listed").data, []);
}

#[tokio::test]
async fn a_web_socket_leads_through_a_port_and_ends_with_its_program() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let (_session, agent) = agent_of(&theazo).await;
    let url = agent.ports().expose(8080).await.expect("it is exposed").url;
    let _serving = serve(&theazo, &agent, SOCKET_SERVER).await;
    let open = async || {
        let stream = connect(&url).await.expect("something accepts");
        let opening = tokio_tungstenite::client_async(url.replace("http://", "ws://") + "/chat", stream);
        soon("the upgrade", opening).await.expect("it is upgraded").0
    };

    let mut socket = open().await;
    let ping = soon("the ping", socket.next()).await.expect("it is open").expect("it is a frame");
    let large = Bytes::from(vec![7; 200_000]);
    for message in [Message::text("hello"), Message::Binary(large)] {
        socket.send(message.clone()).await.expect("it is sent");
        assert_eq!(soon("the echo", socket.next()).await.expect("it is open").expect("it is a frame"), message);
    }
    let farewell = Message::Close(Some(CloseFrame { code: 1000.into(), reason: "enough".into() }));
    socket.send(farewell.clone()).await.expect("it is sent");
    let closed = soon("the farewell", socket.next()).await.expect("it is open").expect("it is a frame");

    assert_eq!(ping, Message::Ping(Bytes::from_static(b"there?")));
    assert_eq!(closed, farewell);
    let mut left_open = open().await;
    soon("the ping", left_open.next()).await.expect("it is open").expect("it is a frame");
    agent.terminate().await.expect("it ends");
    let after = soon("the end", left_open.next()).await;
    assert!(!matches!(after, Some(Ok(_))), "it ended with its program: {after:?}");
}

#[tokio::test]
async fn a_closed_port_is_reached_no_more_and_the_others_are_listed_by_number() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider("simulated").await.expect("it is made");
    let mut urls = Vec::new();
    for port in [9000, 80, 8080] {
        urls.push(agent.ports().expose(port).await.expect("it is exposed").url);
    }

    let first = agent.ports().list().limit(2).await.expect("they are listed");
    let rest = agent.ports().list().limit(2).cursor(first.cursor.clone()).await.expect("they are listed");
    agent.ports().close("8080").await.expect("it is closed");
    let left = agent.ports().list().await.expect("they are listed");
    let twice = agent.ports().close("8080").await.expect_err("it is closed already");
    let no_port = agent.ports().close("80a").await.expect_err("it is no number");
    let zero = agent.ports().expose(0).await.expect_err("it is no port");

    let numbers = |page: &theazo::types::Page<theazo::types::ExposedPort>| {
        page.data.iter().map(|open| open.port).collect::<Vec<_>>()
    };
    assert_eq!((numbers(&first), numbers(&rest), numbers(&left)), (vec![80, 8080], vec![9000], vec![80, 9000]));
    assert_eq!((first.has_more, rest.has_more), (true, false));
    assert!(connect(&urls[2]).await.is_err(), "nothing is there");
    assert_eq!(get(&urls[0], "/").await.0, 502);
    assert_eq!((twice.code().as_str(), twice.status()), ("not_found", 404));
    for error in [no_port, zero] {
        assert_eq!(error.code().as_str(), "invalid_request", "{error}");
    }
}

#[tokio::test]
async fn an_address_outlives_the_server_and_says_that_the_program_did_not() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (address, live_key) = (server.url.clone(), server.keys.clone().expect("it is new").0);
    let theazo =
        Theazo::builder().base_url(&address).api_key(&live_key).max_retries(20).build().await.expect("it is built");
    let (_session, agent) = agent_of(&theazo).await;
    let url = agent.ports().expose(8080).await.expect("it is exposed").url;
    agent.files().write("kept.txt", "kept").await.expect("it is written");
    agent.pause().await.expect("it pauses");

    server.kill().await;
    let _server = ServerProcess::start(directory.path(), address.trim_start_matches("http://"), &[]).await;

    let dormant = get(&url, "/").await;
    agent.resume().await.expect("it goes on");
    let _serving = serve(&theazo, &agent, SERVER).await;
    assert_eq!(dormant, (502, format!("the agent `{}` has no sandbox that runs now\n", agent.id())));
    assert_eq!(get(&url, "/again").await, (200, "/again".to_owned()));
    assert_eq!(agent.files().read("kept.txt").text().await.expect("files stay"), "kept");
}
