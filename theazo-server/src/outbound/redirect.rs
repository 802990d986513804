//! Redirects: where the next request goes, and what of the first one it carries.

use reqwest::{
    Method, Url,
    header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, USER_AGENT},
};

use super::client::Outgoing;

/// What a request to another origin keeps: nothing that may be a credential, whatever it is called.
const KEPT_ACROSS_ORIGINS: [reqwest::header::HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT];

/// Whether the status asks to look elsewhere.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The request that follows a redirect from `from` to `to`.
pub(super) fn follow(mut request: Outgoing, status: u16, from: &Url, to: &Url) -> Outgoing {
    let becomes_get = match status {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body.clear();
        request.headers.remove(CONTENT_TYPE);
    }
    if from.origin() != to.origin() {
        let mut kept = HeaderMap::new();
        for name in KEPT_ACROSS_ORIGINS {
            if let Some(value) = request.headers.remove(&name) {
                kept.insert(name, value);
            }
        }
        request.headers = kept;
    }
    request.url = to.to_string();
    request
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn followed(method: Method, status: u16, to: &str) -> Outgoing {
        let url = |text: &str| Url::parse(text).expect("it is a URL");
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "x-api-key", "accept", "content-type"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        let request = Outgoing { method, url: "https://a.example/1".to_owned(), headers, body: b"body".to_vec() };
        follow(request, status, &url("https://a.example/1"), &url(to))
    }

    fn names(request: &Outgoing) -> Vec<&str> {
        request.headers.keys().map(reqwest::header::HeaderName::as_str).collect()
    }

    #[test]
    fn nothing_that_may_be_a_credential_goes_to_another_origin() {
        let same = followed(Method::POST, 307, "https://a.example/2");
        assert_eq!(names(&same), ["authorization", "cookie", "x-api-key", "accept", "content-type"]);
        for to in ["https://b.example/", "http://a.example/", "https://a.example:8443/"] {
            assert_eq!(names(&followed(Method::POST, 307, to)), ["accept", "content-type"], "{to}");
        }
    }

    #[test]
    fn a_post_becomes_a_get_where_the_status_says_so() {
        for (status, method, body) in [
            (301, Method::GET, ""),
            (302, Method::GET, ""),
            (303, Method::GET, ""),
            (307, Method::POST, "body"),
            (308, Method::POST, "body"),
        ] {
            let request = followed(Method::POST, status, "https://a.example/2");
            assert_eq!((request.method, &request.body[..]), (method, body.as_bytes()), "{status}");
        }
        assert_eq!(followed(Method::PUT, 302, "https://a.example/2").method, Method::PUT);
    }
}
