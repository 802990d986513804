//! The decisions of the transport, compared with the cases in `theazo/cases`. The client over `fetch` in `theazo-node` is held to
//! the same cases, so that the two are the same in every place where they can differ.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use theazo_api::{DurationInput, Method, Operation, Repeat};

use super::{
    address::Base,
    backoff,
    classify::{Ending, may_retry},
    retry_after::asked_pause,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryCases {
    may_retry: Vec<MayRetry>,
    pauses: Vec<Pause>,
    now: String,
    asked_pauses: Vec<AskedPause>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MayRetry {
    ending: String,
    status: Option<u16>,
    advice: Option<bool>,
    repeat: String,
    has_key: bool,
    expected: bool,
}

#[derive(Deserialize)]
struct Pause {
    retry: u32,
    asked: Option<u64>,
    random: f64,
    expected: u128,
}

#[derive(Deserialize)]
struct AskedPause {
    headers: BTreeMap<String, String>,
    expected: Option<u128>,
}

#[test]
fn retries_are_decided_as_the_cases_say() {
    let cases: RetryCases = serde_json::from_str(include_str!("../../cases/retry.json")).unwrap();

    for case in &cases.may_retry {
        let ending = match (case.ending.as_str(), case.status) {
            ("not_sent", _) => Ending::NotSent,
            ("refused", _) => Ending::Refused,
            ("broken", _) => Ending::Broken,
            (_, status) => Ending::Answered { status: status.unwrap(), advice: case.advice },
        };
        let repeat = match case.repeat.as_str() {
            "safe" => Repeat::Safe,
            "idempotent" => Repeat::Idempotent,
            _ => Repeat::Keyed,
        };
        assert_eq!(may_retry(ending, repeat, case.has_key), case.expected, "{ending:?} {repeat:?} {}", case.has_key);
    }
    for Pause { retry, asked, random, expected } in cases.pauses {
        let pause = backoff::pause(retry, asked.map(Duration::from_millis), random);
        assert_eq!(pause.as_millis(), expected, "{retry} {asked:?} {random}");
    }
    let now = cases.now.parse().unwrap();
    for AskedPause { headers, expected } in cases.asked_pauses {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        assert_eq!(asked_pause(&map, now).map(|pause| pause.as_millis()), expected, "{headers:?}");
    }
}

#[derive(Deserialize)]
struct AddressCases {
    paths: Vec<PathCase>,
    refused: Vec<RefusedPath>,
    query: QueryCase,
    bases: Vec<BaseCase>,
    malformed: Vec<MalformedBase>,
}

#[derive(Deserialize)]
struct PathCase {
    template: String,
    parameters: Vec<String>,
    expected: String,
}

#[derive(Deserialize)]
struct RefusedPath {
    template: String,
    parameters: Vec<String>,
    message: String,
}

#[derive(Deserialize)]
struct QueryCase {
    pairs: Vec<String>,
    expected: String,
}

#[derive(Deserialize)]
struct BaseCase {
    given: String,
    expected: String,
}

#[derive(Deserialize)]
struct MalformedBase {
    given: String,
    message: String,
}

/// An operation with this path, for as long as the test runs.
fn operation(template: &str) -> Operation {
    Operation::base("Case", "", Method::Get, template.to_owned().leak(), "case")
}

#[test]
fn addresses_are_written_as_the_cases_say() {
    let cases: AddressCases = serde_json::from_str(include_str!("../../cases/addresses.json")).unwrap();
    let base = Base::parse("http://host").unwrap();

    for case in cases.paths {
        let url = base.join(&operation(&case.template), &case.parameters, &[]).unwrap();
        assert_eq!(url.as_str().strip_prefix("http://host").unwrap(), case.expected);
    }
    for case in cases.refused {
        let error = base.join(&operation(&case.template), &case.parameters, &[]).unwrap_err();
        assert_eq!(error.message(), case.message);
    }
    let pairs: Vec<(String, String)> =
        cases.query.pairs.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let url = base.join(&operation("/v1/logs"), &[], &pairs).unwrap();
    assert_eq!(url.query(), Some(cases.query.expected.as_str()));
    for case in cases.bases {
        assert_eq!(Base::parse(&case.given).unwrap().as_str(), case.expected);
    }
    for case in cases.malformed {
        assert_eq!(Base::parse(&case.given).err().unwrap().message(), case.message);
    }
}

#[test]
fn durations_are_read_as_the_cases_say() {
    #[derive(Deserialize)]
    struct Case {
        text: String,
        expected: Option<u128>,
    }

    let cases: Vec<Case> = serde_json::from_str(include_str!("../../cases/durations.json")).unwrap();
    for Case { text, expected } in cases {
        let read = text.parse::<DurationInput>().ok().map(|duration| duration.0.as_millis());
        assert_eq!(read, expected, "{text:?}");
    }
}
