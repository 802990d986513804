//! Where a call goes: the base address and the encoding of paths and queries.

use std::fmt::Write;

use reqwest::Url;
use theazo_api::Operation;

use crate::error::Error;

/// The base address. Slashes at its end do not count.
pub(crate) struct Base {
    url: Url,
}

impl Base {
    /// Reads a base address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let shown = without_user_part(trimmed);
        let malformed = |why: &str| {
            Error::configuration(format!("the base address `{shown}` {why}"))
                .with_hint("give an address such as `https://api.theazo.com`, or `local` for an embedded plane")
        };
        let url = Url::parse(trimmed).map_err(|_| malformed("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(malformed("is neither `http` nor `https`"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(malformed("names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("must not carry a user name or password; the API key is given by itself"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(malformed("must not have a query or a fragment"));
        }
        Ok(Self { url })
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The segments of the address's own path, in which a token may stand.
    pub fn path_segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether calls go through TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The address of one call.
    pub fn join(&self, operation: &Operation, parameters: &[String], query: &[(String, String)]) -> Result<Url, Error> {
        let mut path = String::with_capacity(self.path().len() + operation.path.len() + 64);
        path.push_str(self.path());
        write_path(&mut path, operation, parameters)?;
        // Scheme and host stay as they were read: reading the whole address again would cost three times as much.
        let mut url = self.url.clone();
        url.set_path(&path);
        if !query.is_empty() {
            let mut text = String::new();
            for (index, (name, value)) in query.iter().enumerate() {
                if index > 0 {
                    text.push('&');
                }
                encode(&mut text, name);
                text.push('=');
                encode(&mut text, value);
            }
            url.set_query(Some(&text));
        }
        Ok(url)
    }
}

fn write_path(text: &mut String, operation: &Operation, parameters: &[String]) -> Result<(), Error> {
    let mut values = parameters.iter();
    for segment in operation.path.split('/').skip(1) {
        text.push('/');
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            text.push_str(segment);
            continue;
        };
        let (name, is_tail) = name.strip_suffix("...").map_or((name, false), |name| (name, true));
        let value = values.next().ok_or_else(|| Error::invalid_input(name, "is missing"))?;
        if value.is_empty() {
            return Err(Error::invalid_input(name, "must not be empty"));
        }
        if let Some(problem) = theazo_api::id::wrong_kind(name, value) {
            return Err(Error::invalid_input(name, problem));
        }
        if is_tail {
            write_tail(text, value);
        } else if is_dots(value) {
            // Every URL library drops such a segment, even percent-encoded, and would call another endpoint.
            return Err(Error::invalid_input(name, format!("must not be `{value}`")));
        } else {
            encode(text, value);
        }
    }
    match values.next() {
        None => Ok(()),
        Some(_) => {
            let expected = operation.path_parameters().count();
            let problem = format!("has {} parameters, but `{}` takes {expected}", parameters.len(), operation.path);
            Err(Error::invalid_input("path", problem))
        }
    }
}

/// Writes the rest of a path, segment by segment.
///
/// URL libraries and proxies drop `.` and `..` segments and may merge slashes. Where a path has them, its slashes are
/// encoded too: that makes it one segment that survives, and the server decodes it to the same path.
fn write_tail(text: &mut String, path: &str) {
    let relative = path.strip_prefix('/');
    if relative.is_some() {
        text.push_str("%2F");
    }
    let segments = || relative.unwrap_or(path).split('/');
    let is_plain = segments().all(|segment| !segment.is_empty() && !is_dots(segment));
    let separator = if is_plain { "/" } else { "%2F" };
    if is_dots(path) {
        text.push_str(".%2F");
    }
    for (index, segment) in segments().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        encode(text, segment);
    }
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(text: &mut String, value: &str) {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    // Ids, by far the most usual, are taken as they are.
    if value.bytes().all(is_unreserved) {
        return text.push_str(value);
    }
    for byte in value.bytes() {
        if is_unreserved(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
}

/// An address as it may be shown: whatever stands before an `@` can be a password.
pub(crate) fn without_user_part(address: &str) -> String {
    let Some(at) = address.rfind('@') else { return address.to_owned() };
    let start = address.find("://").map_or(0, |index| index + 3).min(at);
    format!("{}[hidden]{}", &address[..start], &address[at..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use theazo_api::Method;

    use super::*;

    const USER: Operation = Operation::base("User", "", Method::Get, "/v1/users/{userId}/usage", "usage.forUser");
    const FILE: Operation = Operation::base("File", "", Method::Get, "/v1/agents/{agentId}/files/{path...}", "read");

    fn path_of(operation: &Operation, parameters: &[&str]) -> String {
        let parameters: Vec<String> = parameters.iter().map(|&parameter| parameter.to_owned()).collect();
        let url = Base::parse("http://host").unwrap().join(operation, &parameters, &[]).unwrap();
        url.as_str().strip_prefix("http://host").unwrap().to_owned()
    }

    #[test]
    fn slashes_at_the_end_of_the_base_do_not_count() {
        for base in ["https://host/api", "https://host/api/", "https://host/api///", " https://host/api/ "] {
            assert_eq!(Base::parse(base).unwrap().as_str(), "https://host/api", "{base}");
        }
        assert_eq!(Base::parse("http://localhost:8787").unwrap().as_str(), "http://localhost:8787");
    }

    #[test]
    fn a_malformed_base_is_named() {
        let message = |base| Base::parse(base).err().unwrap().message().to_owned();

        assert_eq!(message("api.theazo.com"), "the base address `api.theazo.com` is not a URL");
        assert_eq!(message(""), "the base address `` is not a URL");
        assert_eq!(message("ftp://host"), "the base address `ftp://host` is neither `http` nor `https`");
        assert_eq!(
            message("http://host?x=1"),
            "the base address `http://host?x=1` must not have a query or a fragment"
        );
        assert_eq!(
            message("https://me:hunter2@host"),
            "the base address `https://[hidden]@host` must not carry a user name or password; the API key is given by \
             itself"
        );
    }

    #[test]
    fn calls_go_below_the_path_of_the_base() {
        let url = Base::parse("https://host:8443/t%20k/v2/").unwrap().join(&USER, &["u".to_owned()], &[]).unwrap();

        assert_eq!(url.as_str(), "https://host:8443/t%20k/v2/v1/users/u/usage");
    }

    #[test]
    fn path_parameters_are_encoded_as_one_segment() {
        assert_eq!(path_of(&USER, &["user_123"]), "/v1/users/user_123/usage");
        assert_eq!(path_of(&USER, &["a/b?c#d%e f@g"]), "/v1/users/a%2Fb%3Fc%23d%25e%20f%40g/usage");
        assert_eq!(path_of(&USER, &["../billing/budget"]), "/v1/users/..%2Fbilling%2Fbudget/usage");
        assert_eq!(path_of(&USER, &["ünï"]), "/v1/users/%C3%BCn%C3%AF/usage");
    }

    #[test]
    fn parameters_that_would_call_another_endpoint_are_refused() {
        let base = Base::parse("http://host").unwrap();
        let refused = |parameters: &[String]| base.join(&USER, parameters, &[]).unwrap_err().to_string();

        assert_eq!(refused(&["..".to_owned()]), "`userId` must not be `..`");
        assert_eq!(refused(&[String::new()]), "`userId` must not be empty");
        assert_eq!(refused(&[]), "`userId` is missing");
        assert_eq!(
            refused(&["a".to_owned(), "b".to_owned()]),
            "`path` has 2 parameters, but `/v1/users/{userId}/usage` takes 1"
        );
    }

    #[test]
    fn the_rest_of_a_path_survives_as_it_is() {
        let table = [
            ("notes.txt", "notes.txt"),
            ("a/b c.txt", "a/b%20c.txt"),
            ("/data/in.csv", "%2Fdata/in.csv"),
            ("../data/in.csv", "..%2Fdata%2Fin.csv"),
            ("a/./b//c", "a%2F.%2Fb%2F%2Fc"),
            ("..", ".%2F.."),
            ("100%?#.txt", "100%25%3F%23.txt"),
        ];

        for (path, expected) in table {
            assert_eq!(path_of(&FILE, &["agt_1", path]), format!("/v1/agents/agt_1/files/{expected}"));
        }
    }

    #[test]
    fn queries_are_encoded() {
        let query = [("search".to_owned(), "a&b=c d+e".to_owned()), ("limit".to_owned(), "5".to_owned())];

        let url = Base::parse("http://host").unwrap().join(&USER, &["u".to_owned()], &query).unwrap();

        assert_eq!(url.query(), Some("search=a%26b%3Dc%20d%2Be&limit=5"));
    }

    proptest! {
        #[test]
        fn any_file_path_and_any_user_id_reach_the_server_as_they_are(
            path in "([a-z./]{1,12}|[ -~]{1,12}|\\PC{1,6})",
            user in "[ -~]{1,12}",
        ) {
            let sent = path_of(&FILE, &["agt_1", &path]);
            let decoded = decode(sent.strip_prefix("/v1/agents/agt_1/files/").unwrap());
            let expected = if is_dots(&path) { format!("./{path}") } else { path };
            prop_assert_eq!(decoded, expected);

            prop_assume!(!is_dots(&user));
            let sent = path_of(&USER, &[&user]);
            let segment = sent.strip_prefix("/v1/users/").unwrap().strip_suffix("/usage").unwrap();
            prop_assert!(!segment.contains('/'));
            prop_assert_eq!(decode(segment), user);
        }
    }

    fn decode(text: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        while let [first, after @ ..] = rest {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
