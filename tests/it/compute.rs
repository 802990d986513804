//! One suite for every compute provider: the simulated one must behave as the real one does wherever both do something.

use serde_json::json;
use theazo::{Agent, Theazo};

/// Runs a check with an agent of each provider.
macro_rules! with_each_provider {
    ($($name:ident,)+) => {
        mod local {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::agent("local").await).await;
            })+
        }

        mod simulated {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::agent("simulated").await).await;
            })+
        }
    };
}

with_each_provider! {
    a_relative_path_is_in_the_workspace,
    a_folder_lists_its_entries_by_name,
    what_is_not_there_is_not_found,
    what_is_outside_is_refused,
    a_file_is_replaced_whole,
    a_paused_agent_refuses_and_keeps_its_files,
    an_ended_agent_refuses,
}

async fn agent(provider: &str) -> (Theazo, Agent) {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider(provider).await.expect("it is made");
    assert_eq!(agent.data().provider, provider);
    (theazo, agent)
}

async fn a_relative_path_is_in_the_workspace((_theazo, agent): (Theazo, Agent)) {
    agent.files().write("a/b.txt", "hello").await.expect("it is written");

    assert_eq!(agent.files().read("/workspace/a/b.txt").text().await.expect("it is there"), "hello");
    assert_eq!(agent.files().read("a/../a/b.txt").text().await.expect("it is there"), "hello");
}

async fn a_folder_lists_its_entries_by_name((_theazo, agent): (Theazo, Agent)) {
    for path in ["z.txt", "a.txt", "folder/inner.txt", "/data/d.txt"] {
        agent.files().write(path, path).await.expect("it is written");
    }
    let listed = async |dir: &str| -> Vec<(String, i64, bool)> {
        let entries = agent.files().list().dir(dir).await.expect("it is listed");
        entries.into_iter().map(|entry| (entry.name, entry.size, entry.directory)).collect()
    };
    let entry = |name: &str, size, directory| (name.to_owned(), size, directory);

    assert_eq!(
        listed("/workspace").await,
        [entry("a.txt", 5, false), entry("folder", 0, true), entry("z.txt", 5, false)]
    );
    assert_eq!(listed("folder").await, [entry("inner.txt", 16, false)]);
    assert_eq!(listed("/data").await, [entry("d.txt", 11, false)]);
    assert_eq!(listed("/").await, [entry("data", 0, true), entry("workspace", 0, true)]);
}

async fn what_is_not_there_is_not_found((_theazo, agent): (Theazo, Agent)) {
    let file = agent.files().read("nothing.txt").await.expect_err("it is not there");
    let folder = agent.files().list().dir("nothing").await.expect_err("it is not there");

    assert_eq!((file.code().as_str(), folder.code().as_str()), ("not_found", "not_found"));
}

async fn what_is_outside_is_refused((_theazo, agent): (Theazo, Agent)) {
    let read = agent.files().read("/etc/passwd").await.expect_err("it is outside");
    let written = agent.files().write("/etc/passwd", "x").await.expect_err("it is outside");

    for error in [read, written] {
        assert_eq!((error.code().as_str(), error.status()), ("invalid_request", 422));
        assert_eq!(error.details()["fields"][0]["field"], "path");
        assert_eq!(error.message(), "`path` `/etc/passwd` is outside `/workspace` and `/data`");
    }
}

async fn a_file_is_replaced_whole((_theazo, agent): (Theazo, Agent)) {
    agent.files().write("a.txt", "long content").await.expect("it is written");
    agent.files().write("a.txt", "short").await.expect("it is written");

    assert_eq!(agent.files().read("a.txt").text().await.expect("it is there"), "short");
}

async fn a_paused_agent_refuses_and_keeps_its_files((_theazo, agent): (Theazo, Agent)) {
    agent.files().write("a.txt", "kept").await.expect("it is written");
    let snapshot = agent.pause().await.expect("it pauses");

    let refused = agent.exec("python", "print(1)").await.expect_err("it is paused");
    agent.resume().await.expect("it goes on");

    assert_eq!(snapshot.size, "4B");
    assert_eq!(refused.code().as_str(), "conflict");
    assert_eq!(agent.files().read("a.txt").text().await.expect("it is there"), "kept");
    assert_eq!(agent.exec("python", "print(1)").await.expect("it runs").exit_code, 0);
}

async fn an_ended_agent_refuses((_theazo, agent): (Theazo, Agent)) {
    agent.terminate().await.expect("it ends");

    let refused = agent.exec("python", "print(1)").await.expect_err("it has ended");
    assert_eq!(refused.code().as_str(), "conflict");
    agent.terminate().await.expect("ending it again changes nothing");
}

#[tokio::test]
async fn where_a_provider_has_none_to_give_the_one_to_fall_back_to_does() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let make = || session.agents().create().provider("nowhere");

    let refused = make().await.expect_err("there is no such provider");
    let agent = make().provider_fallback("simulated").await.expect("there is another");
    let neither = make().provider_fallback("elsewhere").await.expect_err("there is neither");
    let gpu = session.agents().create().gpu("a10g").await.expect_err("there is none");

    for error in [refused, neither] {
        assert_eq!(error.code().as_str(), "no_providers_available");
        assert!(error.message().starts_with("there is no provider `nowhere` here"), "{error}");
    }
    assert_eq!(agent.data().provider, "simulated");
    assert_eq!(gpu.message(), "no provider here has the graphics processor `a10g`; `local` has none");
}

#[tokio::test]
async fn files_take_no_more_room_than_was_asked_for() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    for provider in ["local", "simulated"] {
        let agent = session.agents().create().provider(provider).storage("1MiB").await.expect("it is made");
        agent.files().write("small.bin", vec![1_u8; 256 << 10]).await.expect("there is room");

        let refused = agent.files().write("large.bin", vec![1_u8; 2 << 20]).await.expect_err("there is none");

        assert_eq!(refused.code().as_str(), "session_limit_exceeded");
        assert_eq!(
            (&refused.details()["limit"], &refused.details()["value"]),
            (&json!("storageBytes"), &json!(1 << 20))
        );
        assert_eq!(agent.files().list().dir("/workspace").await.expect("it is listed").len(), 1);
    }
    // What a program writes is seen while it runs.
    let agent = session.agents().create().provider("local").storage("1MiB").await.expect("it is made");
    let program =
        "open('large.bin', 'wb').write(b'x' * (8 << 20)); print('written', flush=True); import time; time.sleep(60)";
    let ended = agent.exec("python", program).await.expect_err("its files take too much room");
    assert_eq!((ended.code().as_str(), &ended.details()["limit"]), ("session_limit_exceeded", &json!("storageBytes")));
}

#[tokio::test]
async fn room_that_no_provider_can_give_and_what_is_no_amount_is_refused() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let make = |storage: &str| session.agents().create().provider("local").storage(storage);

    let too_much = make("99TB").await.expect_err("no disk has that");
    let wrong = make("ten").await.expect_err("it is no amount");

    assert_eq!(too_much.code().as_str(), "no_providers_available");
    assert_eq!(
        too_much.message(),
        "`local` gives a sandbox room for 20000000000 bytes of files at most, and `storage` is 99TB"
    );
    assert_eq!(wrong.code().as_str(), "invalid_request");
    assert!(wrong.message().contains("`ten` is not an amount of storage such as `10GB` or `512MiB`"), "{wrong}");
    assert!(session.agents().list().await.expect("they are listed").data.is_empty());
}
