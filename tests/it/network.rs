//! The network of sandboxes: nothing unless it is granted, and then exactly what is granted.

use theazo::{
    Agent,
    types::{GuardrailConfig, GuardrailViolationType, NetworkAccess},
};
use theazo_tests::ScriptedPlane;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn run(agent: &Agent, program: &str) -> Vec<String> {
    let outcome = agent.exec("python", program).await.expect("it runs");
    assert_eq!(outcome.exit_code, 0, "{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}

/// Listens on this machine's loopback interface, and answers every connection with one line of HTTP.
async fn host_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut question = [0; 1024];
            let length = caller.read(&mut question).await.unwrap_or(0);
            let asked = String::from_utf8_lossy(&question[..length]).lines().next().unwrap_or_default().to_owned();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{asked}", asked.len());
            let _ = caller.write_all(answer.as_bytes()).await;
        }
    });
    port
}

/// Says to the proxy of the sandbox what it is given, and prints the status and the last line of the answer.
const PROXY: &str = "import socket
def ask(head, then=None):
    s = socket.create_connection(('127.0.0.1', 7701), 30)
    s.sendall(head.encode() + b'\\r\\nConnection: close\\r\\n\\r\\n')
    if then:
        answer = s.recv(4096)
        if b' 200 ' in answer:
            s.sendall(then.encode() + b'\\r\\n\\r\\n')
    else:
        answer = b''
    while piece := s.recv(4096): answer += piece
    lines = answer.decode().strip().splitlines()
    print(lines[0].split(' ')[1], lines[-1])
";

#[tokio::test]
async fn row_33_a_sandbox_reaches_nothing_that_was_not_granted() {
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    let port = host_server().await;

    let program = format!(
        "import errno, socket
def code(act):
    try: act(); print('REACHED')
    except socket.gaierror: print('no name')
    except OSError as error: print(errno.errorcode.get(error.errno, error))
tcp = lambda family, address, port: lambda: socket.socket(family, socket.SOCK_STREAM).connect((address, port))
udp = lambda family, address, port: lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b'x', (address, port))
v4, v6 = socket.AF_INET, socket.AF_INET6
code(tcp(v4, '169.254.169.254', 80))
code(tcp(v4, '127.0.0.1', {port}))
code(tcp(v4, '10.0.0.1', 80))
code(tcp(v4, '1.1.1.1', 443))
code(tcp(v6, '::1', {port}))
code(tcp(v6, 'fd00:ec2::254', 80))
code(tcp(v6, '2606:4700:4700::1111', 443))
code(tcp(v6, '::ffff:1.1.1.1', 443))
code(udp(v4, '1.1.1.1', 53))
code(udp(v4, '1.1.1.1', 443))
code(udp(v6, '2606:4700:4700::1111', 53))
code(udp(v4, '255.255.255.255', 67))
code(lambda: socket.socket(v4, socket.SOCK_RAW, socket.IPPROTO_ICMP))
code(lambda: socket.socket(v4, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b'x' * 8, ('1.1.1.1', 0)))
code(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
code(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
code(lambda: socket.getaddrinfo('example.com', 443))
code(lambda: socket.getaddrinfo('metadata.google.internal', 80))
print(sorted(name for _, name in socket.if_nameindex()))"
    );
    let reached = run(&agent, &program).await;

    let expected = [
        "ENETUNREACH",
        "ECONNREFUSED",
        "ENETUNREACH",
        "ENETUNREACH",
        "ECONNREFUSED",
        "ENETUNREACH",
        "ENETUNREACH",
        "ENETUNREACH",
        "ENETUNREACH",
        "ENETUNREACH",
        "ENETUNREACH",
        "ENETUNREACH",
        "EPERM",
        "EACCES",
        "EPERM",
        "EPERM",
        "no name",
        "no name",
        "['lo']",
    ];
    assert_eq!(reached, expected);
}

#[tokio::test]
async fn row_33_the_way_out_leads_to_the_bridge_alone_where_nothing_is_granted() {
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let (agent, other) =
        (session.agents().create().await.expect("it is made"), session.agents().create().await.expect("it is made"));
    let theirs = run(&other, "import os; print(os.environ['THEAZO_ENDPOINT'].rsplit('/', 1)[1])").await.remove(0);
    let port = host_server().await;

    let program = format!(
        "{PROXY}
ask('GET http://localhost:{port}/ HTTP/1.1\\r\\nHost: localhost')
ask('CONNECT localhost:{port} HTTP/1.1', 'GET / HTTP/1.1')
ask('GET /v1/sessions HTTP/1.0')
ask('GET /healthz HTTP/1.0')
ask('GET /bridge/../v1/sessions HTTP/1.0')
ask('POST /bridge/{theirs}/v1/sandbox/log HTTP/1.0')
import os
print([name for name in os.environ if 'proxy' in name.lower()])"
    );
    let said = run(&agent, &program).await;

    let refused = "403 the domain `localhost` is not one that may be called from here";
    let nothing = "404 there is nothing here but what `THEAZO_ENDPOINT` and the proxy variables lead to";
    assert_eq!(said, [refused, refused, nothing, nothing, nothing, nothing, "[]"]);
}

#[tokio::test]
async fn row_33_what_is_granted_is_reached_by_its_name_and_nothing_beside_it() {
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let network = NetworkAccess { allow: vec!["localhost".to_owned(), "169.254.169.254".to_owned()] };
    let agent = session.agents().create().network(network.clone()).await.expect("it is made");
    let port = host_server().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("it listens").local_addr().expect("it has one").port();
    let asks = format!(
        "{PROXY}
ask('GET http://LOCALHOST:{port}/a?b HTTP/1.1\\r\\nHost: evil.example\\r\\nProxy-Authorization: x')
ask('CONNECT localhost:{port} HTTP/1.1', 'GET /tunnel HTTP/1.1')
ask('GET http://127.0.0.1:{port}/ HTTP/1.1')
ask('GET http://localhost.evil.example:{port}/ HTTP/1.1')
ask('GET http://a@localhost:{port}/ HTTP/1.1')
ask('CONNECT 169.254.169.254:80 HTTP/1.1', 'GET /latest/meta-data HTTP/1.1')
ask('GET http://localhost:{closed}/ HTTP/1.1')
ask('GET https://localhost:{port}/ HTTP/1.1')
import os
print(os.environ['HTTPS_PROXY'], os.environ['http_proxy'])"
    );

    let said = run(&agent, &asks).await;

    let expected = [
        "200 GET /a?b HTTP/1.1".to_owned(),
        "200 GET /tunnel HTTP/1.1".to_owned(),
        "403 the domain `127.0.0.1` is not one that may be called from here".to_owned(),
        "403 the domain `localhost.evil.example` is not one that may be called from here".to_owned(),
        "400 the request does not name a host alone".to_owned(),
        "403 the address 169.254.169.254 is link-local, which must not be called from here".to_owned(),
        format!("502 `localhost` accepts no connection on port {closed}"),
        "400 only `http` addresses are asked for; use CONNECT for others".to_owned(),
        "http://127.0.0.1:7701 http://127.0.0.1:7701".to_owned(),
    ];
    assert_eq!(said, expected);

    let strict = ScriptedPlane::start(|_| {}).await;
    let session = strict.theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().network(network).await.expect("it is made");
    let program = format!("{PROXY}ask('CONNECT localhost:{port} HTTP/1.1', 'GET / HTTP/1.1')");
    let said = run(&agent, &program).await.remove(0);
    assert!(said.starts_with("403 the address ") && said.contains(" is loopback, which must not be called"), "{said}");
}

#[tokio::test]
async fn a_grant_that_is_no_domain_is_refused_by_name() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let network = NetworkAccess { allow: vec!["https://example.com/".to_owned()] };

    let refused = session.agents().create().network(network).await.expect_err("it is no domain");

    assert_eq!(refused.code().as_str(), "invalid_request");
    assert!(refused.message().starts_with("`network.allow` must hold domains"), "{refused}");
}

#[tokio::test]
async fn row_33_guardrails_hold_for_programs_and_a_change_for_their_next_connection() {
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let guardrails = plane.theazo.guardrails();
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let network = NetworkAccess { allow: vec!["localhost".to_owned(), "127.0.0.1".to_owned()] };
    let agent = session.agents().create().network(network.clone()).await.expect("it is made");
    let own = GuardrailConfig { blocked_domains: Some(Vec::new()), ..Default::default() };
    let free = session.agents().create().network(network).guardrails(own).await.expect("it is made");
    let port = host_server().await;
    let asks = format!(
        "{PROXY}
for host in ['localhost', '127.0.0.1']:
    ask(f'GET http://{{host}}:{port}/plain HTTP/1.1')
    ask(f'CONNECT {{host}}:{port} HTTP/1.1', 'GET /tunnel HTTP/1.1')"
    );
    let blocked = |domains: &[&str]| GuardrailConfig {
        blocked_domains: Some(domains.iter().map(|domain| (*domain).to_owned()).collect()),
        ..Default::default()
    };
    let reached = ["200 GET /plain HTTP/1.1", "200 GET /tunnel HTTP/1.1"];
    let refused = |host| vec![format!("403 the domain `{host}` is not one that may be called from here"); 2];

    assert_eq!(run(&agent, &asks).await, [reached, reached].concat());
    guardrails.configure(blocked(&["localhost"])).await.expect("they are set");
    assert_eq!(run(&agent, &asks).await, [refused("localhost"), reached.map(str::to_owned).to_vec()].concat());
    assert_eq!(run(&free, &asks).await, [reached, reached].concat());
    let only = GuardrailConfig { allowed_domains: Some(vec!["localhost".to_owned()]), ..Default::default() };
    guardrails.configure(only).await.expect("they are set");
    assert_eq!(run(&agent, &asks).await, [reached.map(str::to_owned).to_vec(), refused("127.0.0.1")].concat());

    // Each domain is reported once in a minute, however often a program tries.
    let violations = guardrails.violations().r#type(GuardrailViolationType::DomainBlocked).await;
    let violations = violations.expect("they are listed").data;
    let told: Vec<(&str, &str)> = violations.iter().map(|one| (one.agent_id.as_str(), one.message.as_str())).collect();
    let says = |domain| format!("the domain `{domain}` was not called: the guardrails do not allow it");
    let (first, second) = (says("localhost"), says("127.0.0.1"));
    assert_eq!(told, [(agent.id().as_str(), second.as_str()), (agent.id().as_str(), first.as_str())]);
}
