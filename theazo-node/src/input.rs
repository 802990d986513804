//! What JavaScript gives, read into what the core takes.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use theazo::{
    Config,
    transport::{self, Call, CallOptions},
    types::{ComputeProviders, DurationInput, ModelProviderConfig},
};

/// The options of a client. What is absent comes from the environment, then from the defaults.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClientInput {
    api_key: Option<String>,
    base_url: Option<String>,
    timeout: Option<DurationInput>,
    connect_timeout: Option<DurationInput>,
    max_retries: Option<u32>,
    headers: BTreeMap<String, String>,
    compute: Option<ComputeProviders>,
    models: Option<ModelProviderConfig>,
}

/// The options of one call.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CallInput {
    timeout: Option<DurationInput>,
    deadline: Option<DurationInput>,
    max_retries: Option<u32>,
    idempotency_key: Option<String>,
    headers: BTreeMap<String, String>,
    /// Whether what is known of the answer besides its body comes with it.
    meta: bool,
}

/// Reads the options of a client.
pub fn config(json: &str) -> napi::Result<Config> {
    let input: ClientInput = read(json)?;
    let mut config = Config::new().language("node");
    if let Some(api_key) = input.api_key {
        config = config.api_key(api_key);
    }
    if let Some(base_url) = input.base_url {
        config = config.base_url(base_url);
    }
    if let Some(timeout) = input.timeout {
        config = config.timeout(timeout.0);
    }
    if let Some(timeout) = input.connect_timeout {
        config = config.connect_timeout(timeout.0);
    }
    if let Some(max_retries) = input.max_retries {
        config = config.max_retries(max_retries);
    }
    if let Some(compute) = input.compute {
        config = config.compute(compute);
    }
    if let Some(models) = input.models {
        config = config.models(models);
    }
    for (name, value) in input.headers {
        config = config.header(name, value);
    }
    Ok(config)
}

/// Puts a call together, and says whether its answer is to come with its meta. The query is a flat list: each name and its
/// value in turn.
pub fn call(
    operation: &str,
    path: Vec<String>,
    query: Option<Vec<String>>,
    body: Option<String>,
    options: Option<String>,
) -> napi::Result<(Call, bool)> {
    let operation = transport::operation(operation)
        .ok_or_else(|| napi::Error::from_reason(format!("there is no operation `{operation}`")))?;
    let mut names_and_values = query.unwrap_or_default().into_iter();
    let mut query = Vec::with_capacity(names_and_values.len() / 2);
    while let (Some(name), Some(value)) = (names_and_values.next(), names_and_values.next()) {
        query.push((name, value));
    }
    let options = options.map(|json| read::<CallInput>(&json)).transpose()?.unwrap_or_default();
    let call = Call {
        operation,
        path,
        query,
        body: body.map(Into::into),
        options: CallOptions {
            timeout: options.timeout.map(duration),
            deadline: options.deadline.map(duration),
            max_retries: options.max_retries,
            idempotency_key: options.idempotency_key,
            headers: options.headers.into_iter().collect(),
        },
    };
    Ok((call, options.meta))
}

/// Reads options, every one of which may be absent. One that is wrong is named, for the person who wrote it.
pub fn read<T: DeserializeOwned>(json: &str) -> napi::Result<T> {
    serde_json::from_str(json).map_err(|problem| {
        let members: BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
        let wrong = members.into_iter().find_map(|(name, value)| {
            let alone = serde_json::json!({ &name: value });
            T::deserialize(alone).err().map(|problem| (name, problem.to_string()))
        });
        let (name, problem) = wrong.unwrap_or_else(|| ("options".to_owned(), problem.to_string()));
        let error = serde_json::json!({
            "code": "invalid_request",
            "kind": "invalid_input",
            "message": format!("`{name}`: {problem}"),
            "parameter": name,
            "details": { "fields": [{ "field": name, "message": problem }] },
        });
        napi::Error::from_reason(error.to_string())
    })
}

fn duration(input: DurationInput) -> Duration {
    input.0
}
