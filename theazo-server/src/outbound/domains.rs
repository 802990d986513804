//! Which domains may be called, by the lists of guardrails and network rules.

/// Which domains may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainRules {
    /// The domains that may be called; all if absent. `*.example.com` is all domains under `example.com`, `*` is all.
    pub allowed: Option<Vec<String>>,
    /// The domains that must not be called, also where `allowed` has them.
    pub blocked: Vec<String>,
}

impl DomainRules {
    /// Whether a host may be called.
    pub fn allow(&self, host: &str) -> bool {
        let host = plain(host);
        let is_in = |list: &[String]| list.iter().any(|pattern| matches(pattern, &host));
        !is_in(&self.blocked) && self.allowed.as_deref().is_none_or(is_in)
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(&plain(parent)).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == "*" || plain(pattern) == host,
    }
}

/// The host as it is compared: in lower case, in its ASCII form, and without the dot that ends a full name.
fn plain(host: &str) -> String {
    let host = host.trim_end_matches('.');
    match reqwest::Url::parse(&format!("http://{host}/")) {
        Ok(url) => url.host_str().unwrap_or(host).trim_end_matches('.').to_owned(),
        Err(_) => host.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: Option<&[&str]>, blocked: &[&str]) -> DomainRules {
        let owned = |list: &[&str]| list.iter().map(|domain| (*domain).to_owned()).collect::<Vec<_>>();
        DomainRules { allowed: allowed.map(owned), blocked: owned(blocked) }
    }

    #[test]
    fn a_star_is_every_domain_under_another_and_not_that_one() {
        let rules = rules(Some(&["*.example.com", "example.org", "müller.de"]), &[]);

        for host in ["api.example.com", "a.b.example.com", "EXAMPLE.org", "example.org.", "xn--mller-kva.de"] {
            assert!(rules.allow(host), "{host}");
        }
        for host in ["example.com", "badexample.com", "example.com.evil.net", "www.example.org", ".example.com", ""] {
            assert!(!rules.allow(host), "{host}");
        }
    }

    #[test]
    fn what_is_blocked_stays_blocked_where_all_is_allowed() {
        for allowed in [None, Some(&["*"][..])] {
            let rules = rules(allowed, &["*.darkweb.com", "evil.com"]);
            assert!(rules.allow("good.com") && rules.allow("darkweb.com"));
            assert!(!rules.allow("shop.darkweb.com") && !rules.allow("evil.com.") && !rules.allow("Evil.Com"));
        }
        assert!(!rules(Some(&[]), &[]).allow("good.com"), "an empty list allows nothing");
    }
}
