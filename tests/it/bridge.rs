//! The bridge: what programs in a sandbox report of themselves takes effect, and only on their own agent.

use serde_json::json;
use theazo::{
    Agent, Session, Theazo,
    sandbox::{ModelCall, Sandbox},
    types::{LogLevel, testing::ScriptedTurn},
};
use theazo_tests::{Http, ScriptedPlane, ServerProcess};

/// What the published client for programs in sandboxes does: JSON to `$THEAZO_ENDPOINT`, with ids and no key.
const CLIENT: &str = "import json, os, urllib.request
def post(what, **body):
    body.update(agentId=os.environ['THEAZO_AGENT_ID'], sessionId=os.environ['THEAZO_SESSION_ID'])
    request = urllib.request.Request(os.environ['THEAZO_ENDPOINT'] + '/v1/sandbox/' + what,
        json.dumps(body).encode(), {'Content-Type': 'application/json'})
    return urllib.request.urlopen(request, timeout=30).status
";

async fn run(agent: &Agent, program: &str) -> String {
    let outcome = agent.exec("python", format!("{CLIENT}{program}")).await.expect("it runs");
    assert_eq!(outcome.exit_code, 0, "{}", outcome.stderr);
    outcome.stdout.trim_end().to_owned()
}

async fn agent_of(theazo: &Theazo) -> (Session, Agent) {
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider("local").await.expect("it is made");
    (session, agent)
}

#[tokio::test]
async fn a_program_reports_from_a_sandbox_without_network() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let (session, agent) = agent_of(&theazo).await;
    let program = "
print(post('log', level='warn', message='the page has no title', metadata={'page': 7, 'event': 'forged'},
    timestamp='2026-01-02T03:04:05.000Z'))
print(post('model', model='somebody/model', inputTokens=1840, outputTokens=212, cost={'amount': 3, 'currency': 'usd'}))
print(post('span', name='fetch', startTime='2026-01-02T03:04:05.000Z', endTime='2026-01-02T03:04:06.500Z',
    durationMs=1500, status='failed', error='no answer'))
print(post('progress', percentage=150, message='almost'))
print(post('complete', output='3 pages'))";

    let before = session.usage().await.expect("it is reported");
    let statuses = run(&agent, program).await;
    let after = session.usage().await.expect("it is reported");
    let progress = agent.progress().await.expect("it is reported");
    let logs = theazo.logs().query().agent_id(agent.id()).limit(1000).await.expect("they are listed").data;

    assert_eq!(statuses, "204\n204\n204\n204\n204");
    let entry = logs.iter().find(|entry| entry.message == "the page has no title").expect("it is logged");
    assert_eq!(
        (entry.level.clone(), entry.timestamp.to_string()),
        (LogLevel::Warn, "2026-01-02T03:04:05.000Z".to_owned())
    );
    let metadata = entry.metadata.as_ref().expect("it has some");
    assert_eq!((&metadata["page"], &metadata["event"]), (&json!(7), &json!("program.logged")));
    assert!(logs.iter().any(|entry| entry.message == "`fetch` failed after 1500 ms: no answer"));
    assert_eq!((before.model_calls, after.model_calls), (0, 1));
    assert_eq!(after.model_cost.to_micro_cents(), 0, "whoever brings a key pays the provider");
    assert_eq!((progress.percentage, progress.message.as_deref()), (Some(100.0), Some("almost")));
}

#[tokio::test]
async fn what_a_program_completes_with_is_the_output_of_its_run() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let code = format!(
        "{CLIENT}post('progress', percentage=50, message='half')\npost('complete', output='42', artifacts=['/workspace/a.txt'])"
    );
    let turns = [
        ScriptedTurn::tool_call("run_code", json!({"language": "python", "code": code})),
        ScriptedTurn::text("I ran it."),
    ];
    plane.script("analyst", &turns).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");

    let result = session.run("analyst", "compute").await.expect("it completes");

    assert_eq!((result.output.as_str(), result.artifacts), ("42", vec!["/workspace/a.txt".to_owned()]));
}

#[tokio::test]
async fn a_token_is_good_for_its_own_agent_and_as_long_as_its_sandbox() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let key = server.keys.clone().expect("it is new").0;
    let theazo = Theazo::builder().base_url(&server.url).api_key(&key).build().await.expect("it is built");
    let (session, agent) = agent_of(&theazo).await;
    let other = session.agents().create().provider("local").await.expect("it is made");
    let endpoint = run(&agent, "print(os.environ['THEAZO_ENDPOINT'])").await;
    let bridge = endpoint.split_once("/bridge/").expect("it has a token").1.to_owned();
    let http = Http::new(&server.url, "");
    let post = async |token: &str, agent_id: &str, session_id: &str| {
        let body = json!({"agentId": agent_id, "sessionId": session_id, "level": "info", "message": "posted"});
        http.send("POST", &format!("/bridge/{token}/v1/sandbox/log"), body).await.0
    };
    let ids = (agent.id().as_str(), session.id().as_str());

    assert_eq!(post(&bridge, ids.0, ids.1).await, 204);
    assert_eq!(post(&bridge, other.id().as_str(), ids.1).await, 404, "another agent");
    assert_eq!(post(&bridge, ids.0, "ses_other").await, 404, "another session");
    assert_eq!(post("0123456789abcdefghjkmnpqrstvwxyz01234567", ids.0, ids.1).await, 401, "no token");
    assert_eq!(http.send("POST", "/v1/sandbox/log", json!({})).await.0, 401);
    assert_eq!(http.send("GET", &format!("/bridge/{bridge}/v1/sessions"), json!(null)).await.0, 404, "nothing else");
    let wrong = json!({"agentId": ids.0, "sessionId": ids.1, "level": "loud", "message": "x"});
    assert_eq!(http.send("POST", &format!("/bridge/{bridge}/v1/sandbox/log"), wrong).await.0, 422);

    // The client of programs in Rust, by the same address.
    let client = Sandbox::connect(format!("{}/bridge/{bridge}", server.url), ids.0, ids.1).expect("it is an address");
    client.info("from Rust");
    client.track_model(ModelCall { model: "m".to_owned(), input_tokens: 5, output_tokens: 7, cost: None });
    client.progress(12.5, "begun");
    client.flush().await.expect("everything is sent");
    assert_eq!(client.lost(), 0);
    assert_eq!(agent.progress().await.expect("it is reported").percentage, Some(12.5));
    assert_eq!(session.usage().await.expect("it is reported").model_calls, 1);

    agent.terminate().await.expect("it ends");
    assert_eq!(post(&bridge, ids.0, ids.1).await, 401, "the sandbox is gone");
}
