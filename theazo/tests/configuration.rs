//! How a client is set up: what wins over what, what is said about it, and what is refused.
//!
//! The environment belongs to the process, so a test that needs one runs itself again in a process of its own.

mod support;

use std::{io::Write, time::Duration};

use support::{
    SESSION, call, in_child,
    memory::{Fate, Memory},
};
use theazo::{CallOptions, Config, ErrorKind, Theazo, Transport, config::Source};

/// How many attempts a call makes that always fails.
async fn attempts(client: &Theazo, memory: &Memory, options: CallOptions) -> usize {
    let before = memory.requests().len();
    let failing = call("GetSession", &["ses_1"]).options(options);
    client.transport().call(failing).await.unwrap_err();
    memory.requests().len() - before
}

#[tokio::test(start_paused = true)]
async fn a_call_wins_over_with_over_the_builder_over_the_environment_over_the_default() {
    let environment = [
        ("THEAZO_API_KEY", "th_live_0123456789abcdefWXYZ"),
        ("THEAZO_BASE_URL", "http://memory.invalid"),
        ("THEAZO_MAX_RETRIES", "3"),
        ("THEAZO_TIMEOUT", "7s"),
        ("THEAZO_DEADLINE", " "),
    ];
    let name = "a_call_wins_over_with_over_the_builder_over_the_environment_over_the_default";
    if let Some(output) = in_child(name, &environment) {
        output.assert_success();
        return;
    }
    let memory = Memory::new([Fate::fails(503, &[])]);

    let from_environment = Config::new().http_client(memory.clone()).build().await.unwrap();
    assert_eq!(attempts(&from_environment, &memory, CallOptions::new()).await, 4);
    assert_eq!(memory.requests()[0].headers()["authorization"], "Bearer th_live_0123456789abcdefWXYZ");

    let built = Config::new().http_client(memory.clone()).max_retries(2).build().await.unwrap();
    assert_eq!(attempts(&built, &memory, CallOptions::new()).await, 3);

    let with = built.with(CallOptions::new().max_retries(1).timeout(Duration::from_secs(1)));
    assert_eq!(attempts(&with, &memory, CallOptions::new()).await, 2);
    assert_eq!(attempts(&with, &memory, CallOptions::new().max_retries(0)).await, 1);

    let source = |client: &Theazo, name: &str| {
        let setting = client.explain().get(name).unwrap().clone();
        (setting.value, setting.source)
    };
    assert_eq!(source(&from_environment, "max_retries"), ("3".to_owned(), Source::Environment("THEAZO_MAX_RETRIES")));
    assert_eq!(
        source(&from_environment, "api_key"),
        ("th_live_...WXYZ".to_owned(), Source::Environment("THEAZO_API_KEY"))
    );
    assert_eq!(source(&from_environment, "deadline"), ("none".to_owned(), Source::Default));
    assert_eq!(source(&built, "max_retries"), ("2".to_owned(), Source::Builder));
    assert_eq!(source(&built, "timeout"), ("7s".to_owned(), Source::Environment("THEAZO_TIMEOUT")));
    assert_eq!(source(&with, "max_retries"), ("1".to_owned(), Source::With));
    assert_eq!(source(&with, "timeout"), ("1s".to_owned(), Source::With));
}

#[tokio::test]
async fn a_variable_that_cannot_be_understood_is_named() {
    let table = [
        ("THEAZO_TIMEOUT", "-3s", "THEAZO_TIMEOUT: "),
        ("THEAZO_DEADLINE", "soon", "THEAZO_DEADLINE: "),
        ("THEAZO_CONNECT_TIMEOUT", "0s", "`connect_timeout` must be longer than zero"),
        ("THEAZO_MAX_RETRIES", "-1", "THEAZO_MAX_RETRIES: `-1` is not a whole number such as `2`"),
        ("THEAZO_HTTP_VERSION", "3", "THEAZO_HTTP_VERSION: "),
        ("THEAZO_LOG", "loud", "THEAZO_LOG: `loud` is not `off`, `error`, `info`, `debug` or `trace`"),
        ("THEAZO_LOG_BODIES", "maybe", "THEAZO_LOG_BODIES: "),
        ("THEAZO_CA_FILE", "/nowhere.pem", "`ca_file`: /nowhere.pem: "),
        ("THEAZO_PROXY", "http://me:hunter2@:x", "the proxy `http://[hidden]@:x` is not a URL"),
        ("THEAZO_BASE_URL", "ftp://example.com", "the base address `ftp://example.com` is neither `http` nor `https`"),
    ];
    for (variable, value, message) in table {
        let environment = [("THEAZO_API_KEY", "k"), ("THEAZO_BASE_URL", "https://example.com"), (variable, value)];
        let Some(output) = in_child("a_variable_that_cannot_be_understood_is_named", &environment) else {
            let error = Config::new().build().await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Configuration);
            println!("refused: {error}");
            return;
        };
        output.assert_success();
        assert!(output.stdout.contains(&format!("refused: {message}")), "{variable}: {}", output.stdout);
        assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
    }
}

#[tokio::test]
async fn the_log_that_the_environment_asks_for_goes_to_standard_error_without_secrets() {
    let environment = [("THEAZO_LOG", "debug"), ("THEAZO_LOG_BODIES", "true"), ("THEAZO_API_KEY", "th_live_secret")];
    let name = "the_log_that_the_environment_asks_for_goes_to_standard_error_without_secrets";
    if let Some(output) = in_child(name, &environment) {
        output.assert_success();
        for line in [
            "theazo debug GET /v1/sessions/ses_1 attempt 1 sent",
            "theazo error GET /v1/sessions/ses_1 attempt 1 503 in ",
            "theazo debug GetSession pauses ",
            "theazo info  GET /v1/sessions/ses_1 attempt 2 200 in ",
            r#""userId":"u""#,
        ] {
            assert!(output.stderr.contains(line), "`{line}` is missing in\n{}", output.stderr);
        }
        assert!(!output.stderr.contains("th_live_secret"), "{}", output.stderr);
        return;
    }
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "0")]), Fate::json(200, SESSION)]);
    let config = Config::new().base_url("http://memory.invalid").http_client(memory);
    config.build().await.unwrap().sessions().get("ses_1").await.unwrap();
}

#[tokio::test]
async fn a_file_of_authorities_without_a_certificate_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"this is no certificate\n").unwrap();

    let config = Config::with_api_key("k").base_url("https://example.com").ca_file(file.path());
    let error = Transport::new(config).unwrap_err();

    assert!(error.to_string().ends_with(": has no certificate in PEM form"), "{error}");
}

#[tokio::test]
async fn a_time_in_which_nothing_can_happen_is_refused_before_anything_is_sent() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    for (config, name) in [
        (memory.config().timeout(Duration::ZERO), "timeout"),
        (memory.config().deadline(Duration::ZERO), "deadline"),
        (memory.config().connect_timeout(Duration::ZERO), "connect_timeout"),
    ] {
        let error = Transport::new(config).unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` must be longer than zero"));
    }
    for (options, name) in [
        (CallOptions::new().timeout(Duration::ZERO), "timeout"),
        (CallOptions::new().deadline(Duration::ZERO), "deadline"),
    ] {
        let error = memory.transport().call(call("GetSession", &["ses_1"]).options(options)).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidInput { parameter: name.to_owned() });
    }

    assert_eq!(memory.requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_made_by_with_share_one_retry_budget() {
    let memory = Memory::new([Fate::fails(503, &[])]);
    let client = Theazo::over(memory.transport());
    let with = client.with(CallOptions::new().max_retries(5));

    // A hundred retries are all that there is.
    for _ in 0..20 {
        attempts(&with, &memory, CallOptions::new()).await;
    }

    assert_eq!(attempts(&client, &memory, CallOptions::new()).await, 1);
}

#[tokio::test]
async fn headers_of_the_client_of_with_and_of_a_call_add_up_and_later_ones_win() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    let config = memory.config().header("x-one", "client").header("x-two", "client").header("x-three", "client");
    let client = config.build().await.unwrap();
    let with = client.with(CallOptions::new().header("x-two", "with").header("x-three", "with"));

    with.sessions().get("ses_1").header("x-three", "call").await.unwrap();

    let headers = memory.requests()[0].headers().clone();
    let sent = ["x-one", "x-two", "x-three"].map(|name| headers[name].to_str().unwrap().to_owned());
    assert_eq!(sent, ["client", "with", "call"]);
}
