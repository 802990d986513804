//! Every operation has its definition, its method in the client and its fixtures: each method is called with what the
//! fixtures have, must send exactly that, and reads the answer that the fixtures have.

mod calls;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    future::IntoFuture,
    path::{Path, PathBuf},
    sync::Mutex,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use support::{
    Server,
    memory::{Fate, Memory},
};
use theazo::{
    Agent, Error, FileData, Fleet, Run, Session, Team, Theazo, TypedStream,
    sandbox::{ModelCall, Sandbox},
    types::{LogLevel, Operation, operations, test_operations},
};

/// What is known of a call beside its arguments.
#[derive(Default)]
struct Case {
    /// The operation.
    id: &'static str,
    /// The types of the path, the query and the body.
    path: Option<&'static str>,
    query: Option<&'static str>,
    body: Option<&'static str>,
    /// Whether the body is any map.
    is_map: bool,
    /// The fields that the handle fills in.
    known: &'static [&'static str],
    answer: Answer,
}

/// What the server answers: the first fixture of a type, as the operation has it.
#[derive(Default, Clone, Copy)]
enum Answer {
    #[default]
    Nothing,
    One(&'static str),
    List(&'static str),
    Page(&'static str),
    Event(&'static str),
    Map,
}

impl Answer {
    fn fate(self, status: u16) -> Fate {
        match self {
            Self::Nothing => Fate::Answer(status, Vec::new(), String::new()),
            Self::One(name) => Fate::json(status, &fixture(name).to_string()),
            Self::List(name) => Fate::json(status, &json!([fixture(name)]).to_string()),
            Self::Page(name) => {
                Fate::json(status, &json!({ "data": [fixture(name)], "hasMore": false, "cursor": "" }).to_string())
            }
            Self::Event(name) => {
                let headers = vec![("content-type", "text/event-stream".to_owned())];
                Fate::Answer(status, headers, format!("data: {}\n\ndata: [DONE]\n\n", fixture(name)))
            }
            Self::Map => Fate::json(status, "{}"),
        }
    }
}

/// A client whose requests are looked at, with one handle of each kind.
struct Caller {
    memory: Memory,
    theazo: Theazo,
    session: Session,
    agent: Agent,
    run: Run,
    fleet: Fleet,
    team: Team,
    called: Mutex<BTreeSet<&'static str>>,
}

impl Caller {
    async fn new() -> Self {
        let memory = Memory::new([Answer::One("SessionData").fate(200)]);
        let theazo = Theazo::over(memory.transport());
        let session = theazo.sessions().get("ses_1").await.unwrap();
        memory.answer_with(Answer::One("AgentData").fate(200));
        let agent = theazo.agents().get("agt_1").await.unwrap();
        memory.answer_with(Answer::One("RunData").fate(200));
        let run = theazo.runs().get("arun_1").await.unwrap();
        memory.answer_with(Answer::One("FleetData").fate(200));
        let fleet = theazo.fleets().get("flt_1").await.unwrap();
        memory.answer_with(Answer::One("TeamData").fate(200));
        let team = theazo.teams().get("team_1").await.unwrap();
        Self { memory, theazo, session, agent, run, fleet, team, called: Mutex::default() }
    }

    /// Sends a request, whose answer must be read, and looks at what was sent.
    async fn call<T>(&self, case: Case, request: impl IntoFuture<Output = Result<T, Error>>) {
        let operation = self.answer(&case);
        if let Err(error) = request.into_future().await {
            panic!("{}: {error:?}", operation.id);
        }
        self.look(&case, operation);
    }

    /// Opens a stream, whose first event must be read, and looks at what was sent.
    async fn stream<T: DeserializeOwned>(
        &self,
        case: Case,
        request: impl IntoFuture<Output = Result<TypedStream<T>, Error>>,
    ) {
        let operation = self.answer(&case);
        let first = match request.into_future().await {
            Ok(mut stream) => stream.next().await,
            Err(error) => panic!("{}: {error:?}", operation.id),
        };
        assert!(matches!(first, Some(Ok(_))), "{}: {:?}", operation.id, first.map(|event| event.err()));
        self.look(&case, operation);
    }

    fn answer(&self, case: &Case) -> &'static Operation {
        let operation = theazo::transport::operation(case.id).unwrap();
        self.memory.answer_with(case.answer.fate(operation.status));
        self.memory.forget();
        operation
    }

    fn look(&self, case: &Case, operation: &Operation) {
        let requests = self.memory.requests();
        // A stream that is left may say farewell, after the request that opened it.
        let request = requests.first().unwrap_or_else(|| panic!("{} sends nothing", operation.id));
        let uri = request.uri();
        let sent = (request.method().as_str(), decoded(uri.path()), pairs(uri.query().unwrap_or_default()));
        let expected = (operation.method.as_str(), self.path(case, operation), self.query(case));
        assert_eq!(sent, expected, "{}", operation.id);
        let body = (!request.body().is_empty()).then(|| serde_json::from_slice::<Value>(request.body()).unwrap());
        assert_eq!(body, self.body(case), "{}", operation.id);
        assert!(self.called.lock().unwrap().insert(case.id), "{} is called twice", operation.id);
    }

    /// The path, with the values of the fixture or of the handle.
    fn path(&self, case: &Case, operation: &Operation) -> String {
        let given = self.members(case.path, case.known);
        let segments = operation.path.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.map_or(segment.to_owned(), |name| text(&given[name.trim_end_matches("...")]))
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn query(&self, case: &Case) -> BTreeMap<String, String> {
        let members = self.members(case.query, case.known);
        members.into_iter().map(|(name, value)| (name, text(&value))).collect()
    }

    fn body(&self, case: &Case) -> Option<Value> {
        if case.is_map { Some(any_map()) } else { case.body.map(|_| self.members(case.body, case.known).into()) }
    }

    /// The members of a type's first fixture, with what the handle knows.
    fn members(&self, name: Option<&str>, known: &[&str]) -> Map<String, Value> {
        let Some(name) = name else { return Map::new() };
        let Value::Object(mut members) = fixture(name) else { panic!("{name} is no object") };
        for (member, value) in &mut members {
            if known.contains(&member.as_str()) {
                *value = self.own(member).into();
            }
        }
        members
    }

    fn own(&self, name: &str) -> String {
        match name {
            "sessionId" => self.session.id().to_string(),
            "userId" => self.session.data().user_id.clone(),
            "agentId" => self.agent.id().to_string(),
            "runId" => self.run.id().to_string(),
            "fleetId" => self.fleet.id().to_string(),
            "teamId" => self.team.id().to_string(),
            other => panic!("no handle knows `{other}`"),
        }
    }
}

/// The first value that the fixture of a type lists.
fn fixture(name: &str) -> Value {
    let path = fixture_path(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{name}` has no fixture: {error}"));
    serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
}

fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../theazo-api/fixtures/{name}.json"))
}

/// A member of the first fixture of a type.
fn given<T: DeserializeOwned>(name: &str, member: &str) -> T {
    serde_json::from_value(fixture(name)[member].clone()).unwrap_or_else(|error| panic!("{name}.{member}: {error}"))
}

/// The first fixture of a type.
fn whole<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(fixture(name)).unwrap()
}

/// The bytes that a member of the first fixture of a type stands for.
fn bytes(name: &str, member: &str) -> FileData {
    STANDARD.decode(given::<String>(name, member)).unwrap().into()
}

/// A map of the user's own names.
fn any_map<T: DeserializeOwned>() -> T {
    serde_json::from_value(json!({ "Some_name": "a value" })).unwrap()
}

/// A value as it stands in a path or a query.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pairs(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Text without its percent signs and what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap().as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// The methods that carry files, which are written by hand.
async fn files(caller: &Caller) {
    let path = || given::<String>("AgentFilePath", "path");
    let case = |id, path, answer| Case { id, path: Some(path), known: &["agentId"], answer, ..Case::default() };

    let write = Case { body: Some("FileWriteOpts"), ..case("WriteFile", "AgentPath", Answer::Nothing) };
    let data = given::<String>("FileWriteOpts", "data");
    caller.call(write, caller.agent.files().write(given::<String>("FileWriteOpts", "path"), data)).await;
    let read = case("ReadFile", "AgentFilePath", Answer::One("FileContent"));
    caller.call(read, caller.agent.files().read(path())).await;
    let download = case("DownloadFile", "StoredFilePath", Answer::One("FileContent"));
    let file_id = given::<String>("StoredFilePath", "fileId");
    caller.call(download, caller.theazo.files().download(file_id)).await;
}

/// The WebSocket, which needs a connection of its own.
async fn socket(caller: &Caller) {
    let case = Case { id: "OpenLogSocket", query: Some("LogSocketFilters"), ..Case::default() };
    let mut server = Server::start([support::json(404, &[], "{}")]).await;
    let socket = Theazo::over(server.transport()).logs().socket();

    let refused = socket
        .session_id(given::<String>("LogSocketFilters", "sessionId"))
        .agent_id(given::<String>("LogSocketFilters", "agentId"))
        .level(given::<LogLevel>("LogSocketFilters", "level"))
        .since(given::<String>("LogSocketFilters", "since"))
        .await;

    assert_eq!(refused.map(drop).unwrap_err().status(), 404);
    let line = server.request().await.line;
    let (route, query) = line.split_once('?').unwrap();
    assert_eq!((route, pairs(query)), ("GET /v1/logs/socket", caller.query(&case)));
    assert!(caller.called.lock().unwrap().insert(case.id));
}

/// The method that opens a WebSocket for everything that happens.
async fn activity_socket(caller: &Caller) {
    let case = Case { id: "OpenActivitySocket", query: Some("ActivitySocketFilters"), ..Case::default() };
    let mut server = Server::start([support::json(404, &[], "{}")]).await;
    let socket = Theazo::over(server.transport()).activity().socket();

    let refused = socket
        .session_id(given::<String>("ActivitySocketFilters", "sessionId"))
        .agent_id(given::<String>("ActivitySocketFilters", "agentId"))
        .user_id(given::<String>("ActivitySocketFilters", "userId"))
        .kinds(given::<String>("ActivitySocketFilters", "kinds"))
        .since(given::<String>("ActivitySocketFilters", "since"))
        .await;

    assert_eq!(refused.map(drop).unwrap_err().status(), 404);
    let line = server.request().await.line;
    let (route, query) = line.split_once('?').unwrap();
    assert_eq!((route, pairs(query)), ("GET /v1/activity/socket", caller.query(&case)));
    assert!(caller.called.lock().unwrap().insert(case.id));
}

/// The methods of the bridge, which programs in sandboxes have.
async fn bridge(caller: &Caller) {
    let mut server = Server::start((0..5).map(|_| support::json(200, &[], "{}"))).await;
    let sandbox = Sandbox::connect(&server.url, "agt_1", "ses_1").unwrap();

    sandbox.info("begun");
    sandbox.track_model(ModelCall { model: "offline".to_owned(), ..ModelCall::default() });
    sandbox.span("work", async { Ok::<_, String>(()) }).await.unwrap();
    sandbox.progress(50.0, "half");
    sandbox.complete("done", ["report.md"]);
    sandbox.flush().await.unwrap();

    for id in [
        "LogFromSandbox",
        "TrackModelFromSandbox",
        "AddSpanFromSandbox",
        "ReportProgressFromSandbox",
        "CompleteFromSandbox",
    ] {
        let operation = theazo::transport::operation(id).unwrap();
        assert_eq!(server.request().await.line, format!("{} {}", operation.method.as_str(), operation.path));
        assert!(caller.called.lock().unwrap().insert(operation.id));
    }
}

/// The methods of the test plane, on one that runs.
#[cfg(feature = "embedded")]
async fn test_plane(caller: &Caller) {
    let plane = theazo::testing::TestPlane::start().await.unwrap();

    plane.create_account().await.unwrap();
    plane.script(given::<String>("AgentScript", "agent"), given::<Vec<_>>("AgentScript", "turns")).await.unwrap();
    let advanced = plane.advance(std::time::Duration::from_secs(60)).await.unwrap();
    assert!(plane.clock().await.unwrap().now >= advanced.now);
    plane.fail_next().status(503).operation("GetSession").await.unwrap();
    assert!(plane.charges().await.unwrap().is_empty());
    plane.clear_faults().await.unwrap();
    plane.requests().await.unwrap();
    plane.events().await.unwrap();
    plane.script_execs(given::<String>("ExecScript", "agent"), given::<Vec<_>>("ExecScript", "results")).await.unwrap();
    plane.break_sandbox(given::<theazo::testing::SandboxAction>("SandboxFault", "action")).await.unwrap();

    caller.called.lock().unwrap().extend([
        "CreateTestAccount",
        "ScriptAgent",
        "AdvanceClock",
        "GetClock",
        "InjectFault",
        "ListCharges",
        "ListRecordedRequests",
        "ClearFaults",
        "ListRecordedEvents",
        "ScriptExecs",
        "BreakSandbox",
    ]);
}

#[tokio::test]
async fn every_operation_has_its_definition_its_method_and_its_fixtures() {
    let caller = Caller::new().await;

    calls::all(&caller).await;
    files(&caller).await;
    socket(&caller).await;
    activity_socket(&caller).await;
    bridge(&caller).await;
    #[cfg(feature = "embedded")]
    test_plane(&caller).await;

    let called = caller.called.into_inner().unwrap();
    let on_test_planes: Vec<&Operation> = test_operations();
    // Without the feature there is no test plane that could be called.
    let with_methods = if cfg!(feature = "embedded") { on_test_planes.as_slice() } else { &[] };
    let declared = operations();
    let expected: BTreeSet<&str> = declared.iter().chain(with_methods).map(|operation| operation.id).collect();
    assert_eq!(called, expected);
    let described: BTreeSet<&str> = calls::PARTS.iter().map(|(id, _)| *id).collect();
    let all: BTreeSet<&str> = declared.iter().chain(&on_test_planes).map(|operation| operation.id).collect();
    assert_eq!(described, all);
    let types: BTreeSet<&str> = calls::PARTS.iter().flat_map(|(_, types)| *types).copied().collect();
    for name in &types {
        fixture(name);
    }
    println!(
        "{} operations and {} of the test plane; {} methods called; {} types of theirs with fixtures",
        declared.len(),
        on_test_planes.len(),
        called.len(),
        types.len()
    );
}
