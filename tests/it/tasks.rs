//! Tasks: they wait in their session's queue, begin when there is a place, and are runs from then on.

use std::time::Duration;

use serde_json::{Map, json};
use theazo::{
    Session,
    testing::TestPlane,
    types::{SessionLimits, TaskPriority, testing::ScriptedTurn},
};
use theazo_tests::{Http, ServerProcess, minutes};

async fn plane_with(limits: SessionLimits) -> (TestPlane, Session) {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");
    (plane, session)
}

fn input(task: &str) -> Map<String, serde_json::Value> {
    Map::from_iter([("task".to_owned(), json!(task))])
}

#[tokio::test]
async fn a_task_is_handed_in_waited_for_and_billed_as_the_run_that_it_is() {
    let (plane, session) = plane_with(SessionLimits::default()).await;
    plane.script("writer", vec![ScriptedTurn::text("written")]).await.expect("it is scripted");

    let submitted = session.tasks().submit("writer", input("write")).await.expect("it is taken");
    let done = session.tasks().wait(&submitted.id).timeout(minutes(5)).await.expect("it ends");

    assert_eq!((done.status.as_str(), done.output.as_deref()), ("completed", Some("written")));
    let run = plane.client().runs().get(done.run_id.clone().expect("it has begun")).await.expect("it is kept");
    assert_eq!((run.data().task.as_str(), run.data().agent.as_str()), ("write", "writer"));
    assert_eq!(done.cost, Some(run.data().cost.clone()));
    assert_eq!(plane.client().tasks().get(&done.id).await.expect("it is kept"), done);
    let failed = session.tasks().list().status("failed").await.expect("they are listed").data;
    let completed = session.tasks().list().status("completed").await.expect("they are listed").data;
    assert_eq!((failed.len(), completed), (0, vec![done]));
}

#[tokio::test]
async fn tasks_wait_for_a_place_and_the_urgent_ones_come_first() {
    let (plane, session) = plane_with(SessionLimits { max_agents: Some(1), ..Default::default() }).await;
    plane
        .script("writer", ["first", "second", "third"].map(ScriptedTurn::text).to_vec())
        .await
        .expect("it is scripted");
    let only = session.agents().create().await.expect("it is made");
    let submit = async |priority: TaskPriority| {
        session.tasks().submit("writer", input("write")).priority(priority).await.expect("it is taken")
    };
    let low = submit(TaskPriority::Low).await;
    let normal = submit(TaskPriority::Normal).await;
    let high = submit(TaskPriority::High).await;
    let dropped = submit(TaskPriority::Normal).await;

    let mut positions = Vec::new();
    for task in [&high, &normal, &dropped, &low] {
        positions.push(session.tasks().get(&task.id).await.expect("it is kept").position);
    }
    let cancelled = session.tasks().cancel(&dropped.id).await.expect("it is cancelled");
    let unfinished = session.tasks().wait(&low.id).timeout(Duration::from_millis(50)).await.expect("it answers");
    only.terminate().await.expect("it leaves its place");
    let mut outputs = Vec::new();
    for task in [&high, &normal, &low] {
        let done = session.tasks().wait(&task.id).timeout(minutes(5)).await.expect("it ends");
        outputs.push(done.output.expect("it is completed"));
    }

    assert_eq!(positions, [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!((cancelled.status.as_str(), cancelled.run_id), ("cancelled", None));
    assert_eq!((unfinished.status.as_str(), unfinished.position), ("queued", Some(2)));
    assert_eq!(outputs, ["first", "second", "third"]);
    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 3);
}

#[tokio::test]
async fn a_task_is_cancelled_with_its_run_and_with_its_session() {
    let (plane, session) = plane_with(SessionLimits { max_agents: Some(1), ..Default::default() }).await;
    let agent = session.agents().create().await.expect("it is made");
    let waits = session.tasks().submit("writer", input("write")).await.expect("it is taken");
    session.terminate().await.expect("it ends");
    let ended = session.tasks().wait(&waits.id).timeout(minutes(5)).await.expect("it ends");
    let refused = session.tasks().submit("writer", input("write")).await.expect_err("the session has ended");
    let unknown = plane.client().tasks().get("task_nobody").await.expect_err("there is none");

    assert_eq!(
        (ended.status.as_str(), ended.error.expect("it says why").message.as_str()),
        ("cancelled", "its session has ended")
    );
    assert_eq!((refused.code().as_str(), unknown.code().as_str()), ("conflict", "not_found"));
    drop(agent);
}

#[tokio::test]
async fn a_published_client_that_waits_longer_than_its_patience_gets_the_task() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it is new").0);
    let (_, session) = http.send("POST", "/v1/sessions", json!({ "limits": { "maxAgents": 0 } })).await;
    let tasks = format!("/v1/sessions/{}/tasks", session["id"].as_str().expect("it is made"));
    let (status, task) = http.send("POST", &tasks, json!({ "agent": "writer", "input": {} })).await;
    assert_eq!((status, &task["status"]), (201, &json!("queued")));
    let wait = format!("{tasks}/{}/wait", task["taskId"].as_str().expect("it has the published name"));

    // One that can ask again is told to; one that cannot gets the answer when its time is over.
    let held =
        http.request("GET", &format!("{wait}?timeout=5m")).header("prefer", "wait=1").send().await.expect("it answers");
    let (status, in_time) = http.send("GET", &format!("{wait}?timeout=1s"), serde_json::Value::Null).await;

    assert_eq!(
        (held.status().as_u16(), &held.headers()["x-theazo-continue"]),
        (202, &"true".parse().expect("it is a value"))
    );
    assert_eq!((status, &in_time["status"]), (200, &json!("queued")));
    let refused = json!({ "agent": "writer", "input": {}, "webhook": "https://example.com" });
    let (status, refused) = http.send("POST", &tasks, refused).await;
    assert_eq!((status, &refused["error"]["details"]["field"]), (501, &json!("webhook")));
}
