//! Canaries: what is secret is planted wherever something secret may be given, and looked for wherever something is kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use theazo::{Theazo, types::ExecEvent};
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::{Http, ServerProcess, client_of, eventually, soon};

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let kind = path.symlink_metadata().expect("it is there").file_type();
        if kind.is_dir() {
            found.extend(files_below(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

fn has_canary(bytes: &[u8]) -> Option<String> {
    let at = bytes.windows(10).position(|window| window == b"tz_canary_")?;
    Some(String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 40)]).into_owned())
}

#[tokio::test]
async fn row_37_no_secret_is_in_what_is_kept_logged_or_answered() {
    let (data, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = logs.path().join("log");
    let server = ServerProcess::start_logging(data.path(), &log).await;
    let (live, _) = server.keys.clone().unwrap();
    let http = Http::new(&server.url, &live);
    let mut answers = Vec::new();
    let mut send = async |method: &str, path: &str, body: Value| {
        let (status, body) = http.send(method, path, body).await;
        answers.push(format!("{method} {path}: {status} {body}"));
        body
    };

    let own = json!({
        "userId": "ada",
        "compute": { "providers": [
            { "provider": "local", "credentials": { "apiKey": "tz_canary_compute" } },
            { "provider": "e2b", "credentials": { "apiKey": "tz_canary_e2b", "other": "tz_canary_other" } },
        ] },
        "models": { "provider": "anthropic", "credentials": { "apiKey": "tz_canary_model" } },
    });
    let session = send("POST", "/v1/sessions", own.clone()).await;
    send("POST", "/v1/sessions/by-user/bob", own).await;
    let session = format!("/v1/sessions/{}", session["id"].as_str().expect("it is made"));
    send("POST", "/v1/secrets", json!({ "account_key": "tz_canary_account" })).await;
    send("PUT", "/v1/providers/openai", json!({ "credentialRef": "account_key" })).await;
    send("POST", &format!("{session}/secrets"), json!({ "session_key": "tz_canary_session" })).await;
    // What is refused must not be repeated in the reason.
    send("POST", &format!("{session}/secrets"), json!({ "bad-name": "tz_canary_bad_name" })).await;
    send("POST", "/v1/secrets", json!({ "number": { "a": "tz_canary_shape" } })).await;
    send("POST", "/v1/sessions", json!({ "models": { "credentials": { "apiKey": "tz_canary_no_provider" } } })).await;
    let agent = send("POST", &format!("{session}/agents"), json!({})).await;
    let agent = format!("/v1/agents/{}", agent["id"].as_str().expect("it is made"));
    // Programs have the secret, and show that they have.
    let program = "import os; print('length', len(os.environ['SESSION_KEY']))";
    let ran = send("POST", &format!("{agent}/exec"), json!({ "language": "python", "code": program })).await;
    assert_eq!(ran["stdout"], "length 17\n", "{ran}");
    let leaking =
        "import os, sys; print('A', os.environ['SESSION_KEY'], 'B'); print(os.environ['SESSION_KEY'], file=sys.stderr)";
    let leaked = send("POST", &format!("{agent}/exec"), json!({ "language": "python", "code": leaking })).await;
    assert_eq!((&leaked["stdout"], &leaked["stderr"]), (&json!("A [hidden] B\n"), &json!("[hidden]\n")), "{leaked}");
    for path in
        ["/v1/logs?limit=100", "/v1/secrets", "/v1/providers", "/v1/sessions", "/v1/api-keys", "/v1/openapi.json"]
    {
        send("GET", path, Value::Null).await;
    }
    for path in [&session, &format!("{session}/secrets"), &agent] {
        send("GET", path, Value::Null).await;
    }
    assert_eq!(server.stop().await.code(), Some(0));

    for answer in &answers {
        assert_eq!(has_canary(answer.as_bytes()), None, "{answer}");
    }
    let files = files_below(data.path());
    assert!(files.iter().any(|file| file.ends_with("theazo.db")), "{files:?}");
    for file in files.iter().chain([&log]) {
        let bytes = std::fs::read(file).expect("it can be read");
        assert_eq!(has_canary(&bytes), None, "in {}", file.display());
        let is_key_file = file.ends_with("master.key");
        let found = bytes.windows(live.len()).any(|window| window == live.as_bytes());
        assert!(!found || is_key_file, "the API key is in {}", file.display());
    }
}

/// Looks for canaries in all that a program in a sandbox can read, but the host's own programs. It builds the word that it looks
/// for, or it would find itself.
const LOOK_AROUND: &str = "
import os, stat
word = b'tz_' + b'canary_'
found = []
def look(path):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode): return
        with open(path, 'rb') as file: content = file.read(1 << 20)
    except OSError: return
    if word in content: found.append(path)
for top, folders, names in os.walk('/'):
    if top == '/': folders[:] = [name for name in folders if name not in ('usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64')]
    # A file of a process that is its memory would show this program to itself.
    for name in names:
        if word in os.fsencode(name): found.append(name)
        if name not in ('mem', 'pagemap', 'kpageflags', 'kpagecount'): look(os.path.join(top, name))
# What the disk and the memory held before must not show through what is new.
with open('/data/new', 'wb') as file:
    os.posix_fallocate(file.fileno(), 0, 16 << 20)
if open('/data/new', 'rb').read().strip(b'\\0'): found.append('new blocks')
os.remove('/data/new')
print(found, sorted(name for name in os.environ if 'canary' in os.environ[name]))";

/// A program that holds canaries in its memory, its input, its arguments and every place that it can write, until it is ended.
///
/// It builds its words: what a caller asks to run is kept in the log.
const HOLD: &str = "
import os, subprocess, sys
word = 'tz_' + 'canary_'
held = sys.stdin.readline().strip() + '_held'
for place in ('/workspace', '/data', '/tmp', '/dev/shm', '/run'):
    with open(f'{place}/{word}name', 'w') as file: file.write(f'{word}file {held} {os.environ[\"CALLER_VALUE\"]}')
assert os.environ['SESSION_KEY'].startswith(word)
subprocess.Popen(['sleep', '600'], env={'CANARY': f'{word}child'})
print('planted', flush=True)
sys.stdin.read()";

/// What a new sandbox of somebody shows.
async fn seen_by(theazo: &Theazo, user: &str) -> String {
    let session = theazo.sessions().for_user(user).await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    let seen = agent.exec("python", LOOK_AROUND).await.expect("it runs");
    assert_eq!((seen.exit_code, seen.stderr.as_str()), (0, ""));
    agent.terminate().await.expect("it ends");
    seen.stdout
}

/// The files below a directory that hold a word, without the database.
fn with_word(directory: &Path, word: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("it can be read");
        let name = path.as_os_str().as_encoded_bytes();
        [bytes.as_slice(), name].iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    let is_database = |path: &PathBuf| path.to_string_lossy().contains("theazo.db");
    files_below(directory).into_iter().filter(|path| !is_database(path)).filter(holds).collect()
}

#[tokio::test]
async fn row_34_nothing_of_a_session_is_seen_by_others_or_left_after_it() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let config = PlaneConfig { data_directory: Some(directory.path().to_owned()), ..PlaneConfig::default() };
    let plane = ControlPlane::start(config.default_provider("local")).await.expect("it starts");
    let ours = client_of(&plane, plane.live_key().expect("the plane is new"));
    let theirs = client_of(&plane, &plane.create_account("another").await.expect("it is made"));
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    session.secrets().set([("session_key", "tz_canary_secret")]).await.expect("it is kept");
    let agent = session.agents().create().await.expect("it is made");
    let environment = BTreeMap::from([("CALLER_VALUE".to_owned(), "tz_canary_environment".to_owned())]);
    let program = agent.exec_stream("python", HOLD).stdin(true).environment(environment);
    let mut events = program.await.expect("it starts");
    loop {
        match soon("the program", events.next()).await.expect("it goes on").expect("it streams") {
            ExecEvent::Started { exec_id, .. } => {
                agent.execs().write(exec_id, "tz_canary_input\n").await.expect("it is written");
            }
            ExecEvent::Stdout { .. } => break,
            other => panic!("it did {other:?}"),
        }
    }

    // A snapshot has the files, and nothing that was not a file.
    let snapshot = agent.pause().await.expect("it pauses");
    let fork = agent.snapshots().fork(snapshot.id.clone()).await.expect("it is forked");
    let forked = fork.files().read("tz_canary_name").text().await.expect("it is there");
    assert_eq!(forked, "tz_canary_file tz_canary_input_held tz_canary_environment");
    agent.resume().await.expect("it goes on");
    let snapshots = directory.path().join("sandboxes/snapshots");
    assert_eq!(with_word(&snapshots, "tz_canary_file").len(), 2, "the workspace and the data");
    for word in ["tz_canary_secret", "tz_canary_child"] {
        assert_eq!(with_word(directory.path(), word), Vec::<PathBuf>::new(), "{word}");
    }

    // While all of it is there, others see nothing, neither of another user nor of another account.
    const NOTHING: &str = "[] []\n";
    assert_eq!(seen_by(&ours, "bob").await, NOTHING);
    assert_eq!(seen_by(&theirs, "ada").await, NOTHING);
    let stolen = theirs.agents().get(agent.id().clone()).await.expect_err("it is another's");
    assert_eq!(stolen.status(), 404);

    session.terminate().await.expect("it ends");

    let left = || with_word(directory.path(), "tz_canary_");
    eventually("the end of the snapshots", || left().is_empty()).await;
    for (who, user) in [(&ours, "ada"), (&ours, "bob"), (&theirs, "ada")] {
        assert_eq!(seen_by(who, user).await, NOTHING);
    }
    plane.shutdown().await;
    // The database has the log, by contract, but no secret and no file.
    for file in files_below(directory.path()) {
        let bytes = std::fs::read(&file).expect("it can be read");
        for word in ["tz_canary_secret", "tz_canary_child", "tz_canary_file"] {
            let is_there = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!is_there, "{word} is in {}", file.display());
        }
    }
    assert_eq!(left(), Vec::<PathBuf>::new());
}
