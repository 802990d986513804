//! Snapshots: what a pause keeps, agents that begin with one, and what goes with the session.

use theazo::{
    Agent, Session, Theazo,
    testing::TestPlane,
    types::{
        SessionLimits,
        testing::{ChargeKind, ScriptedTurn},
    },
};

async fn agent(provider: &str) -> (Theazo, Session, Agent) {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider(provider).name("writer").await.expect("it is made");
    (theazo, session, agent)
}

async fn text_of(agent: &Agent, path: &str) -> String {
    agent.files().read(path).text().await.expect("it is there")
}

#[tokio::test]
async fn a_fork_has_the_files_of_its_snapshot_and_a_life_of_its_own() {
    for provider in ["local", "simulated"] {
        let (_theazo, session, original) = agent(provider).await;
        original.files().write("a/draft.txt", "first").await.expect("it is written");
        original.files().write("/data/upload.bin", "data").await.expect("it is written");
        let snapshot = original.pause().await.expect("it pauses");
        original.resume().await.expect("it goes on");
        original.files().write("a/draft.txt", "second").await.expect("it is written");

        let fork = original.snapshots().fork(snapshot.id.clone()).name("other").await.expect("it is forked");

        assert_eq!((fork.data().name.as_str(), fork.data().provider.as_str()), ("other", provider));
        assert_eq!(fork.data().session_id, *session.id());
        assert_eq!(text_of(&fork, "a/draft.txt").await, "first");
        assert_eq!(text_of(&fork, "/data/upload.bin").await, "data");
        fork.files().write("a/draft.txt", "fork").await.expect("it is written");
        assert_eq!(text_of(&original, "a/draft.txt").await, "second");
        let again = original.snapshots().fork(snapshot.id).await.expect("it is forked once more");
        assert_eq!(text_of(&again, "a/draft.txt").await, "first");
    }
}

#[tokio::test]
async fn pauses_are_listed_newest_first_and_only_the_last_ten_are_kept() {
    let (_theazo, _session, agent) = agent("simulated").await;
    let mut taken = Vec::new();
    for size in 1..=12 {
        agent.files().write("file", "x".repeat(size)).await.expect("it is written");
        taken.push(agent.pause().await.expect("it pauses"));
        agent.resume().await.expect("it goes on");
    }

    let listed = agent.snapshots().list().limit(100).await.expect("they are listed");

    taken.reverse();
    taken.truncate(10);
    assert_eq!(listed.data, taken);
    assert_eq!(listed.data.iter().map(|snapshot| snapshot.size_bytes).collect::<Vec<_>>()[0], Some(12));
    assert_eq!(listed.data[9].size, "3B");
}

#[tokio::test]
async fn what_is_no_snapshot_of_the_agent_is_not_found_and_no_other_provider_can_have_it() {
    let (_theazo, session, agent) = agent("simulated").await;
    let snapshot = agent.pause().await.expect("it pauses");
    let other = session.agents().create().provider("simulated").await.expect("it is made");

    for (agent, id) in [(&agent, "snap_nothing".into()), (&other, snapshot.id.clone())] {
        let refused = agent.snapshots().fork(id).await.expect_err("it has no such snapshot");
        assert_eq!((refused.code().as_str(), refused.status()), ("not_found", 404));
    }
    let refused = agent.snapshots().fork(snapshot.id.clone()).provider("local").await.expect_err("it is elsewhere");
    assert_eq!((refused.code().as_str(), refused.status()), ("invalid_request", 422));
    assert_eq!(refused.message(), "`provider` must be `simulated`, which keeps the snapshot, or be left out");

    session.terminate().await.expect("it ends");
    let gone = agent.snapshots().fork(snapshot.id).await.expect_err("the session has ended");
    assert!(["not_found", "conflict"].contains(&gone.code().as_str()), "{gone}");
}

#[tokio::test]
async fn a_fork_counts_for_max_agents() {
    let (_theazo, session, agent) = agent("simulated").await;
    let snapshot = agent.pause().await.expect("it pauses");
    agent.resume().await.expect("it goes on");
    session.update_limits(SessionLimits { max_agents: Some(1), ..Default::default() }).await.expect("they are changed");

    let refused = agent.snapshots().fork(snapshot.id).await.expect_err("there is no room");

    assert_eq!((refused.code().as_str(), refused.status()), ("session_limit_exceeded", 402));
}

#[tokio::test]
async fn a_fork_remembers_what_its_original_did_until_then() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let turns: Vec<ScriptedTurn> = (0..5).map(|_| ScriptedTurn::text("a story of some length")).collect();
    plane.script("writer", turns).await.expect("it is scripted");
    let original = session.agents().create().name("writer").await.expect("it is made");
    original.run("write about the sea").await.expect("it writes");
    let snapshot = original.pause().await.expect("it pauses");
    original.resume().await.expect("it goes on");
    let fork = original.snapshots().fork(snapshot.id).await.expect("it is forked");
    let fresh = session.agents().create().name("writer").await.expect("it is made");

    original.run("go on").await.expect("it writes");
    fork.run("go on").await.expect("it writes");
    fresh.run("go on").await.expect("it writes");

    // What a call costs says how much of a conversation the model was shown.
    let charges = plane.charges().await.expect("they are listed");
    let last_of = |agent: &Agent| {
        let of_agent =
            charges.iter().rfind(|charge| charge.kind == ChargeKind::Model && charge.agent_id == agent.id().as_str());
        of_agent.expect("its model was asked").cost.to_micro_cents()
    };
    assert_eq!(last_of(&fork), last_of(&original));
    assert!(last_of(&fresh) < last_of(&fork));
}
