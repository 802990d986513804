//! Bring your own: the caller's compute and model providers, sealed into each session that is created.
//!
//! They are sent with the call that creates a session and with no other. `sessions.forUser` is called on every request of
//! a user, and the client cannot know whether the user has a session already; so it first says only which providers it
//! means, by a digest. A server that would have to create the session, or whose session has other providers, asks for
//! them (`providers_required`), and only then they are sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use theazo_api::{
    Check, ComputeProviders, CreateSession, Endpoint, ErrorCode, GetOrCreateUserSession, ModelProviderConfig,
    Operation, Problems, Secret,
};

use super::{Answer, Call, Transport};
use crate::{config::Config, error::Error};

const DIGEST: &str = "providersDigest";

/// The caller's providers.
pub(crate) struct Providers {
    /// `compute` and `models`, as the body of a new session has them.
    members: Map<String, Value>,
    /// SHA-256 of the members, in hexadecimal digits.
    digest: String,
}

impl Providers {
    /// The providers of a configuration, if it has any.
    pub fn of(config: &Config) -> Result<Option<Self>, Error> {
        let mut members = Map::new();
        insert(&mut members, "compute", &config.compute)?;
        insert(&mut members, "models", &config.models)?;
        if members.is_empty() {
            return Ok(None);
        }
        // The same providers have the same digest, in whatever order their members were given.
        let mut sorted = Value::Object(members.clone());
        sorted.sort_all_objects();
        let digest = format!("{:x}", Sha256::digest(sorted.to_string()));
        Ok(Some(Self { members, digest }))
    }

    /// The secrets among them.
    pub fn secrets(compute: Option<&ComputeProviders>, models: Option<&ModelProviderConfig>) -> Vec<Secret> {
        let of_compute = compute.iter().flat_map(|compute| &compute.providers).flat_map(|one| &one.credentials);
        let of_models = models.iter().flat_map(|models| &models.credentials);
        of_compute.chain(of_models).flat_map(BTreeMap::values).cloned().collect()
    }

    /// Whether an operation creates sessions.
    pub fn concern(&self, operation: &Operation) -> bool {
        [CreateSession::OPERATION.id, GetOrCreateUserSession::OPERATION.id].contains(&operation.id)
    }

    /// Makes a call that creates a session, with the providers where they are needed.
    pub async fn create_session(&self, transport: &Transport, call: Call) -> Result<Answer, Error> {
        let only_digest = Map::from_iter([(DIGEST.to_owned(), Value::from(self.digest.as_str()))]);
        if call.operation.id == GetOrCreateUserSession::OPERATION.id {
            let asked = with_members(call.clone(), &only_digest)?;
            match transport.exchange(&asked).await {
                Err(error) if error.code() == &ErrorCode::ProvidersRequired => {}
                outcome => return self.confirmed(outcome?),
            }
        }
        let mut sealed = with_members(with_members(call, &only_digest)?, &self.members)?;
        // Another body than that of the first call, so it is another call to the server.
        if let Some(key) = &mut sealed.options.idempotency_key {
            key.push_str("-providers");
        }
        self.confirmed(transport.exchange(&sealed).await?)
    }

    /// The answer, if the server says that the session has these providers: one that does not know them would run
    /// everything on its own account.
    fn confirmed(&self, answer: Answer) -> Result<Answer, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Confirmation {
            #[serde(default)]
            providers_digest: Option<String>,
        }

        let said = serde_json::from_slice::<Confirmation>(&answer.body).ok().and_then(|answer| answer.providers_digest);
        if said.as_ref() == Some(&self.digest) {
            return Ok(answer);
        }
        let mut error = Error::unreadable("the server did not take the providers that this client brings")
            .with_hint("the server may be of a version that does not know `compute` and `models`");
        let parts = error.parts();
        parts.status = answer.meta.status;
        parts.request_id.clone_from(&answer.meta.request_id);
        Err(error)
    }
}

fn insert(
    members: &mut Map<String, Value>,
    name: &str,
    value: &Option<impl serde::Serialize + Check>,
) -> Result<(), Error> {
    if let Some(value) = value {
        let mut problems = Problems::of(value);
        if !problems.is_empty() {
            for problem in &mut problems {
                problem.field = format!("{name}.{}", problem.field);
            }
            return Err(Error::invalid_fields(problems));
        }
        let value = serde_json::to_value(value).map_err(|problem| Error::invalid_input(name, problem))?;
        members.insert(name.to_owned(), value);
    }
    Ok(())
}

/// The call with these members in its body; what the caller gave for this one session stays.
fn with_members(mut call: Call, members: &Map<String, Value>) -> Result<Call, Error> {
    let mut body: Map<String, Value> = match &call.body {
        Some(body) => serde_json::from_slice(body).map_err(|problem| Error::invalid_input("body", problem))?,
        None => Map::new(),
    };
    for (name, value) in members {
        body.entry(name.clone()).or_insert_with(|| value.clone());
    }
    call.body = Some(Bytes::from(Value::Object(body).to_string()));
    Ok(call)
}
