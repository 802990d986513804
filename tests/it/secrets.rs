//! Secrets: sealed at rest, delivered to sandboxes, listed by name, never shown.

use theazo::{Error, ErrorKind, Session};
use theazo_api::SecretInfo;
use theazo_tests::Worlds;

fn names(secrets: &[SecretInfo]) -> Vec<&str> {
    secrets.iter().map(|secret| secret.name.as_str()).collect()
}

fn refused_field(error: &Error) -> &str {
    assert_eq!(error.code().as_str(), "invalid_request", "{error}");
    error.details()["fields"][0]["field"].as_str().expect("it names the field")
}

async fn environment(session: &Session, secrets: &[&str]) -> Result<String, Error> {
    let mut agent = session.agents().create().provider("local");
    if !secrets.is_empty() {
        agent = agent.secrets(secrets.iter().copied());
    }
    // In other letters, as what a program prints is searched for secrets.
    let program =
        "import os; print({k: v.upper() for k, v in os.environ.items() if 'KEY' in k or k in ('A', 'B', 'C')})";
    Ok(agent.await?.exec("python", program).await?.stdout.trim().to_owned())
}

#[tokio::test]
async fn secrets_are_listed_by_name_replaced_and_removed_and_their_values_never_come_back() {
    let Worlds { ours, theirs, test, plane: _plane } = Worlds::start().await;
    let session = ours.sessions().for_user("ada").await.unwrap();
    ours.secrets().set([("b_key", "one"), ("a_key", "two"), ("C_KEY", "three")]).await.unwrap();
    session.secrets().set([("own_key", "four")]).await.unwrap();
    ours.secrets().set([("B_KEY", "five")]).await.unwrap();

    let first = ours.secrets().list().limit(2).await.unwrap();
    assert_eq!((names(&first.data), first.has_more), (vec!["a_key", "B_KEY"], true));
    let second = ours.secrets().list().limit(2).cursor(&first.cursor).await.unwrap();
    assert_eq!((names(&second.data), second.has_more), (vec!["C_KEY"], false));
    assert_eq!(names(&session.secrets().list().await.unwrap().data), ["own_key"]);
    for other in [&theirs, &test] {
        assert_eq!(names(&other.secrets().list().await.unwrap().data), [""; 0]);
        assert_eq!(other.secrets().delete("a_key").await.unwrap_err().code().as_str(), "not_found");
    }

    ours.secrets().delete("b_key").await.unwrap();
    assert_eq!(names(&ours.secrets().list().await.unwrap().data), ["a_key", "C_KEY"]);
    assert_eq!(ours.secrets().delete("own_key").await.unwrap_err().code().as_str(), "not_found");
    session.terminate().await.unwrap();
    assert_eq!(names(&session.secrets().list().await.unwrap().data), [""; 0], "they are forgotten with the session");
    assert_eq!(session.secrets().set([("k", "v")]).await.unwrap_err().code().as_str(), "conflict");
}

#[tokio::test]
async fn a_sandbox_has_the_secrets_of_its_session_or_those_that_its_agent_names() {
    let theazo = theazo::Theazo::embedded().await.unwrap();
    let (ada, bob) =
        (theazo.sessions().for_user("ada").await.unwrap(), theazo.sessions().for_user("bob").await.unwrap());
    theazo.secrets().set([("shared_key", "everyone's"), ("a", "the account's")]).await.unwrap();
    ada.secrets().set([("hubspot_key", "ada's"), ("a", "ada's own")]).await.unwrap();

    assert_eq!(environment(&ada, &[]).await.unwrap(), "{'A': \"ADA'S OWN\", 'HUBSPOT_KEY': \"ADA'S\"}");
    assert_eq!(
        environment(&ada, &["shared_key", "a"]).await.unwrap(),
        "{'A': \"ADA'S OWN\", 'SHARED_KEY': \"EVERYONE'S\"}"
    );
    assert_eq!(environment(&bob, &[]).await.unwrap(), "{}");
    assert_eq!(environment(&bob, &["a"]).await.unwrap(), "{'A': \"THE ACCOUNT'S\"}");
    let unknown = environment(&bob, &["hubspot_key"]).await.unwrap_err();
    assert_eq!(refused_field(&unknown), "secrets", "another session's secret is as one that is not there");
}

#[tokio::test]
async fn names_and_values_that_cannot_be_in_an_environment_change_nothing() {
    let theazo = theazo::Theazo::embedded().await.unwrap();
    let session = theazo.sessions().for_user("ada").await.unwrap();
    let large = "x".repeat((64 << 10) + 1);

    for (name, value) in [("a-b", "v"), ("", "v"), ("THEAZO_TOKEN", "v"), ("nul", "a\0b"), ("large", &large)] {
        let error = session.secrets().set([("good", "v"), (name, value)]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput { .. }) || refused_field(&error) == name, "{error}");
        assert!(!error.to_string().contains("a\0b"));
    }
    assert_eq!(names(&session.secrets().list().await.unwrap().data), [""; 0]);
    for part in 0..16 {
        session.secrets().set([(format!("part_{part:02}"), "x".repeat(64 << 10))]).await.unwrap();
    }
    let too_much = session.secrets().set([("one_more", "x")]).await.unwrap_err();
    assert!(too_much.to_string().contains("more than 1 MiB of secrets"), "{too_much}");
    assert_eq!(session.secrets().list().await.unwrap().data.len(), 16);
}
