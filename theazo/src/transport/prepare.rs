//! The headers of a request: what every call carries, and what one call adds.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use rand::{TryRngCore, rngs::OsRng};
use theazo_api::{Repeat, Reply, Secret};

use super::{
    Call, CallOptions,
    header::{IDEMPOTENCY_KEY, SDK_VERSION},
    trace::hexadecimal,
};
use crate::{config::Config, error::Error};

/// The version of this crate, which all packages have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The headers that every request of a client carries, and the secrets among them.
pub(crate) fn client_headers(config: &Config) -> Result<(HeaderMap, Vec<Secret>), Error> {
    let (mut headers, mut secrets) = keyless_headers(config)?;
    let (authorization, key) = authorization(config)?;
    // Who stands behind a gateway may need to say something else here.
    headers.entry(AUTHORIZATION).or_insert(authorization);
    secrets.push(key);
    Ok((headers, secrets))
}

/// The header with the key, and the key.
fn authorization(config: &Config) -> Result<(HeaderValue, Secret), Error> {
    let key = config.settings.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Error::configuration("there is no API key").with_hint("give one to the client, or set THEAZO_API_KEY")
    })?;
    let is_sendable = key.bytes().all(|byte| byte.is_ascii_graphic());
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {key}")).ok().filter(|_| is_sendable).ok_or_else(|| {
            Error::configuration("the API key has characters that no key has, such as spaces or line breaks")
        })?;
    authorization.set_sensitive(true);
    Ok((authorization, Secret::from(key)))
}

/// The headers of a client that has no key, because its address is a secret of its own; and the secrets among them.
pub(crate) fn keyless_headers(config: &Config) -> Result<(HeaderMap, Vec<Secret>), Error> {
    let (mut headers, mut secrets) = (HeaderMap::with_capacity(16), Vec::new());
    headers.insert(USER_AGENT, user_agent(config)?);
    headers.insert(SDK_VERSION, HeaderValue::from_static(VERSION));
    for (name, value) in &config.headers {
        let (name, header) = custom_header(name, value).map_err(Error::configuration)?;
        headers.insert(name, header);
        secrets.push(Secret::from(value.as_str()));
    }
    Ok((headers, secrets))
}

/// `theazo-node/1.2.0 (core 1.2.0; linux x86_64) my-framework/3.1`.
fn user_agent(config: &Config) -> Result<HeaderValue, Error> {
    let language = config.language.as_deref().unwrap_or("rust");
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut agent = format!("theazo-{language}/{VERSION} (core {VERSION}; {system} {processor})");
    if let Some(integration) = &config.integration {
        agent.push(' ');
        agent.push_str(integration);
    }
    HeaderValue::try_from(agent)
        .map_err(|_| Error::configuration("`language` or `integration` has characters that a header cannot carry"))
}

/// What one call adds to the headers of its client, the same for each of its attempts. Later ones win.
pub(crate) fn call_headers(call: &Call, options: &CallOptions) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let mut headers = Vec::with_capacity(4 + options.headers.len());
    if call.body.is_some() {
        headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    }
    let accepted = if call.operation.reply == Reply::Events { "text/event-stream" } else { "application/json" };
    headers.push((ACCEPT, HeaderValue::from_static(accepted)));
    for (name, value) in &options.headers {
        headers.push(custom_header(name, value).map_err(|problem| Error::invalid_input("headers", problem))?);
    }
    if let Some(key) = &options.idempotency_key {
        let value = HeaderValue::from_str(key).ok().filter(|_| (1..=255).contains(&key.trim().len()));
        let problem = "must be 1 to 255 visible ASCII characters";
        headers.push((IDEMPOTENCY_KEY, value.ok_or_else(|| Error::invalid_input("idempotencyKey", problem))?));
    } else if call.operation.repeat == Repeat::Keyed {
        let key = HeaderValue::try_from(new_idempotency_key()).expect("hexadecimal digits are visible ASCII");
        headers.push((IDEMPOTENCY_KEY, key));
    }
    Ok(headers)
}

/// A new idempotency key.
///
/// It comes from the operating system each time: a generator that lives in this process would give the same keys to two
/// children of a fork, and the second child's call would be answered with the first one's result.
pub(crate) fn new_idempotency_key() -> String {
    let mut bytes = [0_u8; 16];
    // Without the system's randomness, which no supported platform withholds after boot, the generator seeded by it remains.
    if OsRng.try_fill_bytes(&mut bytes).is_err() {
        bytes = rand::random();
    }
    format!("theazo-{}", hexadecimal(&bytes))
}

fn custom_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::try_from(name).map_err(|_| format!("`{name}` is not the name of a header"))?;
    if parsed == IDEMPOTENCY_KEY {
        // A key must be known to whoever resumes or repeats the call, so there is one place for it.
        return Err("cannot carry `idempotency-key`: give it as the idempotency key of the call".to_owned());
    }
    // The value may be a secret, so it is not shown.
    let mut value =
        HeaderValue::from_str(value).map_err(|_| format!("the value of the header `{name}` cannot be sent"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport;

    fn call(id: &str) -> Call {
        Call::new(transport::operation(id).unwrap())
    }

    #[test]
    fn a_client_says_who_it_is() {
        let config = Config::with_api_key(" th_test_1 ").language("node").integration("frame/3");

        let (headers, secrets) = client_headers(&config).unwrap();

        assert_eq!(headers["authorization"], "Bearer th_test_1");
        let agent = headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with(&format!("theazo-node/{VERSION} (core {VERSION}; ")), "{agent}");
        assert!(agent.ends_with(") frame/3"), "{agent}");
        assert_eq!(headers["x-sdk-version"], VERSION);
        assert_eq!(secrets, [Secret::from("th_test_1")]);
        assert!(!format!("{headers:?}").contains("th_test_1"));
    }

    #[test]
    fn a_missing_key_says_where_keys_come_from() {
        for config in [Config::new(), Config::with_api_key(""), Config::with_api_key("  \n")] {
            let error = client_headers(&config).unwrap_err();

            assert_eq!(error.to_string(), "there is no API key; give one to the client, or set THEAZO_API_KEY");
        }
    }

    #[test]
    fn a_key_that_no_server_could_know_is_refused_at_once() {
        for key in ["th_live_a b", "th_live_\u{7f}", "ключ"] {
            let error = client_headers(&Config::with_api_key(key)).unwrap_err();

            assert_eq!(error.to_string(), "the API key has characters that no key has, such as spaces or line breaks");
        }
    }

    #[test]
    fn only_what_creates_or_runs_carries_a_generated_key() {
        let headers = |call: &Call| call_headers(call, &call.options).unwrap().into_iter().collect::<HeaderMap>();
        let key = |id| headers(&call(id)).remove(IDEMPOTENCY_KEY);

        let generated = key("RunInSession").unwrap();
        let generated = generated.to_str().unwrap();
        assert!(generated.starts_with("theazo-") && generated.len() == "theazo-".len() + 32, "{generated}");
        assert_ne!(key("RunInSession"), key("RunInSession"));
        assert_eq!(key("GetSession"), None);
        assert_eq!(key("UpdateSessionLimits"), None);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_without_showing_their_value() {
        let mut bad = call("GetSession");
        bad.options.headers = vec![("x-note".to_owned(), "s3cr3t\n".to_owned())];
        let mut blank = call("RunInSession");
        blank.options.idempotency_key = Some(" ".to_owned());

        let refused = |call: &Call| call_headers(call, &call.options).unwrap_err();
        let headers = refused(&bad);
        let key = refused(&blank);
        bad.options.headers = vec![("Idempotency-Key".to_owned(), "mine".to_owned())];
        let misplaced = refused(&bad);

        assert_eq!(headers.to_string(), "`headers` the value of the header `x-note` cannot be sent");
        assert_eq!(key.to_string(), "`idempotencyKey` must be 1 to 255 visible ASCII characters");
        assert_eq!(
            misplaced.to_string(),
            "`headers` cannot carry `idempotency-key`: give it as the idempotency key of the call"
        );
    }
}
