//! The program `theazo`, as whoever runs a control plane meets it.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use theazo_tests::{Http, ServerProcess, server_binary};

/// Runs the program in a directory, with nothing of this process's environment.
fn theazo(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(server_binary());
    command.current_dir(directory).args(arguments).env_clear().envs(environment.iter().copied());
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

/// What the program says when it refuses to begin.
fn refusal(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = theazo(directory, arguments, environment);
    assert!(!output.status.success(), "{arguments:?} {environment:?}: {}", text(&output.stdout));
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    text(&output.stderr)
}

fn shown(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let output = theazo(directory, &[&["config", "show"], arguments].concat(), environment);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_file_comes_before_the_environment_and_that_before_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::fs::write(here.join("theazo.toml"), "rate_limit = 7\ndrain = 3\nlisten = '127.0.0.1:1'\ntest_plane = true\n")
        .unwrap();

    let lines = shown(here, &["--listen", "127.0.0.1:3"], &[("THEAZO_LISTEN", "127.0.0.1:2"), ("THEAZO_DRAIN", "4")]);

    for line in [
        "listen = \"127.0.0.1:3\"  # the command line",
        "drain = 4  # the environment",
        "rate_limit = 7  # the file",
        "test_plane = true  # the file",
        "data_dir = \"theazo-data\"  # by default",
        "# python is not set",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
    }
    let other = here.join("other.toml");
    std::fs::write(&other, "rate_limit = 8\nsandbox_read_only = ['/usr', '/opt']").unwrap();
    let lines = shown(here, &["--config", other.to_str().unwrap()], &[]);
    assert!(lines.contains(&"rate_limit = 8  # the file".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"sandbox_read_only = [\"/usr\", \"/opt\"]  # the file".to_owned()), "{lines:#?}");
}

#[test]
fn secrets_of_the_configuration_are_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let key = "tz_canary_bWFzdGVyIGtleSBvZiB0aGUgdmF1bHQhISEhISE=";

    let output = theazo(directory.path(), &["config", "show"], &[("THEAZO_MASTER_KEY", key)]);
    let help = theazo(directory.path(), &["serve", "--help"], &[("THEAZO_MASTER_KEY", key)]);

    assert!(text(&output.stdout).contains("master_key = \"[hidden]\"  # the environment"), "{}", text(&output.stdout));
    for output in [output, help] {
        assert!(!text(&output.stdout).contains("tz_canary"), "{}", text(&output.stdout));
    }
}

#[test]
fn every_option_says_what_it_does_and_has_a_flag_a_variable_and_a_name_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let help = text(&theazo(directory.path(), &["serve", "--help"], &[]).stdout);
    let names: Vec<String> = shown(directory.path(), &[], &[])
        .iter()
        .map(|line| line.trim_start_matches("# ").split_whitespace().next().unwrap().to_owned())
        .collect();

    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        let flag = format!("--{}", name.replace('_', "-"));
        let variable = format!("[env: THEAZO_{}", name.to_uppercase());
        let after = help.split_once(&format!("{flag} ")).or_else(|| help.split_once(&format!("{flag}\n")));
        let described = after.unwrap_or_else(|| panic!("{flag} is in the help")).1;
        let described = described.split("\n      --").next().unwrap();
        assert!(described.contains(&variable), "{flag}: {described}");
        assert!(described.trim().len() > variable.len() + 20, "{flag}: {described}");
    }
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let in_file = |text: &str| {
        std::fs::write(here.join("bad.toml"), text).unwrap();
        refusal(here, &["--config", "bad.toml", "serve"], &[])
    };

    assert!(in_file("lisen = '127.0.0.1:1'").contains("in `bad.toml`: there is no option `lisen`; there are `listen`"));
    assert!(in_file("listen = 'nowhere'").contains("in `bad.toml`: invalid value 'nowhere' for '--listen"));
    assert!(in_file("listen = {a = 1}").contains("in `bad.toml`: `listen` must be text"));
    assert!(in_file("listen = ").contains("`bad.toml` is not TOML"));
    for (arguments, environment, reason) in [
        (&["--config", "nowhere.toml", "serve"][..], &[][..], "`nowhere.toml` cannot be read"),
        (&["serve", "--lisen", "x"], &[], "a similar argument exists: '--listen'"),
        (
            &["serve", "--rate-burst", "5"],
            &[("THEAZO_RATE_LIMIT", "0")],
            "`rate_burst` means nothing while `rate_limit` is 0",
        ),
        (&["serve", "--rate-burst", "5"], &[], "the `rate_limit` of 10000 could never be reached"),
        (&["serve", "--test-plane", "--provider", "local"], &[], "`test_plane` simulates all sandboxes"),
        (&["serve", "--python", "/nowhere"], &[], "`python` is `/nowhere`, which is no file"),
        (&["serve", "--sandbox-memory", "1"], &[], "`sandbox_memory` is 1; it must be 33554432 at least"),
        (&["serve"], &[("THEAZO_SANDBOX_CPUS", "NaN")], "`sandbox_cpus` is NaN; it must be from 0.01 to 1024"),
        (&["serve", "--sandbox-read-only", "/tmp"], &[], "has `/tmp`, which each sandbox has for itself"),
        (&["serve", "--chromium", "/tmp/chromium"], &[], "is right in /tmp, which each sandbox has for itself"),
        (&["serve", "--provider", "cloud"], &[], "there is no provider `cloud`"),
        (
            &["serve"],
            &[("THEAZO_MASTER_KEY", "bm8=")],
            "the master key that is configured cannot be used: it has 2 bytes",
        ),
        (&["serve", "--data-dir", "/proc/nothing"], &[], "the data directory `/proc/nothing` cannot be used"),
        (&["keys", "list", "--data-dir", "nowhere"], &[], "there is no control plane in it; `theazo serve` makes one"),
    ] {
        let arguments =
            [arguments, if arguments.contains(&"serve") { &["--listen", "127.0.0.1:0"] } else { &[] }].concat();
        let said = refusal(here, &arguments, environment);
        assert!(said.contains(reason), "{arguments:?} {environment:?}: {said}");
    }
}

#[tokio::test]
async fn a_port_and_a_directory_that_are_in_use_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, "127.0.0.1:0", &[]).await;
    let listen = server.url.trim_start_matches("http://");

    let port = refusal(directory.path(), &["serve", "--listen", listen], &[]);
    let same = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];

    assert!(port.contains(&format!("cannot listen on {listen}: another server listens there")), "{port}");
    assert!(refusal(directory.path(), &same, &[]).contains("another control plane is using it"));
    assert_eq!(server.stop().await.code(), Some(0));
}

#[tokio::test]
async fn keys_and_accounts_are_managed_beside_a_server_that_runs() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let data = directory.path().to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let output = theazo(directory.path(), &[arguments, &["--data-dir", &data]].concat(), &[]);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    let status = async |key: &str| Http::new(&server.url, key).send("GET", "/v1/sessions", Value::Null).await.0;

    let key = run(&["keys", "create", "--name", "CI", "--test", "--expires-in-days", "3"]);
    assert!(key.starts_with("th_test_"));
    assert_eq!(status(&key).await, 200);
    let listed: Vec<Value> =
        run(&["keys", "list", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((listed.len(), &listed[0]["key"]["name"], listed[0]["key"].get("key")), (3, &json!("CI"), None));
    assert!(listed[0]["key"]["lastUsedAt"].is_string() && listed[0]["key"]["expiresAt"].is_string());
    run(&["keys", "revoke", listed[0]["key"]["id"].as_str().unwrap()]);
    assert_eq!(status(&key).await, 401, "a server that runs refuses it at once");
    assert!(run(&["keys", "list"]).lines().next().unwrap().contains("  revoked  CI"));

    let account: Value = serde_json::from_str(&run(&["accounts", "create", "Acme", "--json"])).unwrap();
    assert_eq!(status(account["liveKey"].as_str().unwrap()).await, 200);
    let accounts = run(&["accounts", "list"]);
    assert!(accounts.ends_with(&format!("{}  2 keys  Acme", account["account"].as_str().unwrap())), "{accounts}");
    let theirs = run(&["keys", "create", "--account", account["account"].as_str().unwrap()]);
    assert_eq!(status(&theirs).await, 200);
    let unknown = refusal(directory.path(), &["keys", "create", "--account", "acct_x", "--data-dir", &data], &[]);
    assert!(unknown.contains("there is no account `acct_x`"), "{unknown}");

    let http = Http::new(&server.url, account["liveKey"].as_str().unwrap());
    assert_eq!(http.send("POST", "/v1/secrets", json!({ "a": "b" })).await.0, 204);
    assert_eq!(run(&["keys", "rotate-master"]), "1 data keys are wrapped with the new master key");
    assert_eq!(http.send("POST", "/v1/secrets", json!({ "c": "d" })).await.0, 204);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_finishes_what_is_short_and_ends_streams_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.clone().unwrap();
    let http = Http::new(&server.url, &key);
    let (_, session) = http.send("POST", "/v1/sessions/by-user/ada", json!({})).await;
    let agents = format!("/v1/sessions/{}/agents", session["id"].as_str().unwrap());
    let (_, agent) = http.send("POST", &agents, json!({})).await;
    let agent = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
    let stream = http.request("GET", &format!("{agent}/stream")).send().await.unwrap();
    let exec = http.request("POST", &format!("{agent}/exec"));
    let program =
        json!({ "language": "python", "code": "import time; print('go', flush=True); time.sleep(1.5); print('done')" });
    let program = tokio::spawn(exec.body(program.to_string()).send());
    let running = async {
        loop {
            let (_, logs) = http.send("GET", "/v1/logs?search=go", Value::Null).await;
            if logs["data"].as_array().is_some_and(|found| !found.is_empty()) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("it begins");

    let stopped = tokio::spawn(server.stop());
    let ended = stream.text().await.expect("the stream ends as it should");
    let answered = program.await.unwrap().expect("it is answered");

    assert!(ended.ends_with(": the server is stopping; resume with Last-Event-ID\n\n"), "{ended}");
    assert_eq!(answered.status(), 200);
    assert!(answered.text().await.unwrap().contains("done"));
    assert_eq!(stopped.await.unwrap().code(), Some(0));
}

#[test]
fn the_doctor_says_what_there_is_and_fails_when_something_needed_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let json = |arguments: &[&str], environment: &[(&str, &str)]| {
        let output = theazo(here, &[&["doctor", "--json", "--listen", "127.0.0.1:0"], arguments].concat(), environment);
        let findings: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        (output.status.code(), findings)
    };
    let state = |findings: &Value, name: &str| {
        let found = findings["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {findings}"))["state"].as_str().unwrap().to_owned()
    };

    let (code, fine) = json(&["--provider", "simulated"], &[("ANTHROPIC_API_KEY", "tz_canary_key")]);
    assert_eq!((code, &fine["ok"]), (Some(0), &json!(true)), "{fine}");
    for name in ["address", "clock", "data directory", "models"] {
        assert_eq!(state(&fine, name), "ok", "{fine}");
    }
    assert!(!fine.to_string().contains("tz_canary"), "{fine}");
    assert!(!here.join("theazo-data").exists(), "nothing was made");
    let (code, missing) = json(&["--data-dir", "/proc/nothing"], &[]);
    assert_eq!((code, state(&missing, "data directory")), (Some(1), "missing".to_owned()), "{missing}");
    let (_, without) = json(&["--chromium", "none"], &[]);
    assert_eq!(state(&without, "browser"), "ok", "{without}");
    let (code, nowhere) = json(&["--chromium", "/nowhere/chromium"], &[]);
    assert_eq!((code, state(&nowhere, "configuration")), (Some(1), "missing".to_owned()), "{nowhere}");
    assert!(nowhere.to_string().contains("`chromium` is `/nowhere/chromium`, which is no file"), "{nowhere}");
    let (code, wrong) = json(&["--rate-burst", "1"], &[]);
    assert_eq!((code, state(&wrong, "configuration")), (Some(1), "missing".to_owned()), "{wrong}");
}
