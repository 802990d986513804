//! Recordings: what was said is played back, without what was secret.

use theazo::{
    Config, Theazo,
    recording::{Matching, Recorder, Replayer},
    testing::{ScriptedTurn, TestPlane},
    types::StreamEvent,
};

/// A client whose calls are recorded.
fn recorded(plane: &TestPlane, file: &std::path::Path) -> Theazo {
    let recorder = Recorder::to_file(file).expect("the file is made");
    Theazo::over(plane.plane().transport_with(Config::new().record(&recorder)).expect("it is set up"))
}

async fn replayed(replayer: &Replayer) -> Theazo {
    let config = Config::with_api_key("th_test_any").replay(replayer).max_retries(0);
    config.build().await.expect("it is set up")
}

async fn story(theazo: &Theazo) -> (String, String, Vec<String>) {
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let result = session.run("researcher", "what is the answer?").await.expect("it runs");
    let agent = session.agents().create().name("writer").await.expect("it is made");
    let mut stream = agent.stream("write").await.expect("it starts");
    let mut pieces = Vec::new();
    while let Some(event) = stream.next().await {
        if let StreamEvent::Text { text } = event.expect("it streams") {
            pieces.push(text);
        }
    }
    (session.id().to_string(), result.output, pieces)
}

#[tokio::test]
async fn a_recording_tells_the_same_story_without_the_plane() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let file = directory.path().join("story.jsonl");
    let plane = TestPlane::start().await.expect("it starts");
    plane.script("researcher", [ScriptedTurn::text("42")]).await.expect("it is scripted");
    plane.script("writer", [ScriptedTurn::text("once upon a time")]).await.expect("it is scripted");
    let told = story(&recorded(&plane, &file)).await;
    plane.shutdown().await;

    let replayer = Replayer::from_file(&file, Matching::Strict).expect("it is read");
    let again = story(&replayed(&replayer).await).await;

    assert_eq!(told.1, "42");
    assert_eq!(told.2.concat(), "once upon a time");
    assert_eq!(again, told);
    assert_eq!(replayer.unused(), 0);
    let slow = Replayer::from_file(&file, Matching::Strict).expect("it is read").at_recorded_pace();
    assert_eq!(story(&replayed(&slow).await).await, told);
}

#[tokio::test]
async fn a_strict_recording_answers_what_was_asked_and_a_lenient_one_what_is_like_it() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let file = directory.path().join("sessions.jsonl");
    let plane = TestPlane::start().await.expect("it starts");
    let session = recorded(&plane, &file).sessions().create().user_id("ada").await.expect("it is made");

    let strict = Replayer::from_file(&file, Matching::Strict).expect("it is read");
    let theazo = replayed(&strict).await;
    let other = theazo.sessions().create().user_id("bob").await.expect_err("that was not recorded");
    theazo.sessions().create().user_id("ada").await.expect("that was");
    let twice = theazo.sessions().create().user_id("ada").await.expect_err("it was recorded once");
    let lenient = replayed(&Replayer::from_file(&file, Matching::Lenient).expect("it is read")).await;
    for user in ["bob", "ada", "eve"] {
        let like_it = lenient.sessions().create().user_id(user).await.expect("there is one like it");
        assert_eq!(like_it.id(), session.id());
    }

    assert!(other.to_string().contains("the recording has no answer to `POST /v1/sessions"), "{other}");
    assert_eq!(other.to_string(), twice.to_string());
    std::fs::write(&file, "{}\n").expect("it is written");
    let broken = Replayer::from_file(&file, Matching::Strict).expect_err("it is no recording");
    assert!(broken.to_string().contains("line 1 is no request"), "{broken}");
}

#[tokio::test]
async fn a_recording_holds_no_key_and_no_secret() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let file = directory.path().join("secrets.jsonl");
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = recorded(&plane, &file);
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let canary = "canary-4f1c9b7e2d";
    let secrets = std::collections::BTreeMap::from([("DATABASE_URL".to_owned(), theazo::types::Secret::from(canary))]);
    session.secrets().set(secrets).await.ok();
    let made = theazo.api_keys().create("ci", "live").await.expect("it is made");

    let text = std::fs::read_to_string(&file).expect("it is there");

    assert!(text.contains("DATABASE_URL"), "the call is there: {text}");
    assert!(!text.contains(canary), "{text}");
    assert!(!text.contains(made.key.expose()) && !text.contains(plane.plane().keys().live.expose()), "{text}");
}

#[tokio::test]
async fn what_was_lost_when_it_was_recorded_is_lost_again() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let file = directory.path().join("lost.jsonl");
    let plane = TestPlane::start().await.expect("it starts");
    plane.fail_next().kind("reset_after").operation("CreateSession").await.expect("it is set up");
    let theazo = recorded(&plane, &file);
    let session = theazo.sessions().create().user_id("ada").await.expect("the retry finds it");

    let replayer = Replayer::from_file(&file, Matching::Strict).expect("it is read");
    let theazo = Config::with_api_key("th_test_any").replay(&replayer).build().await.expect("it is set up");
    let again = theazo.sessions().create().user_id("ada").await.expect("the retry is recorded too");

    assert_eq!(again.id(), session.id());
    assert_eq!(replayer.unused(), 0);
}
