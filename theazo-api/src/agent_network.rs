//! The network of an agent's sandbox: nothing, or the domains that it is granted.

use serde::{Deserialize, Serialize};

use crate::check::{Check, Problems};

/// How many domains one agent can be granted.
const MAX_DOMAINS: usize = 1_000;

/// What the programs of a sandbox may reach of the network.
///
/// They reach it by HTTP and HTTPS through a proxy, which their environment names (`HTTPS_PROXY`); there is no other way out
/// and no name resolution in the sandbox. Names are resolved by the proxy, and one that leads to a private address is
/// refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NetworkAccess {
    /// The domains, for example `api.github.com`; `*.github.com` is all domains under `github.com` but not that one itself,
    /// and `*` is all.
    pub allow: Vec<String>,
}

impl Check for NetworkAccess {
    fn check(&self, problems: &mut Problems) {
        let count = self.allow.len();
        problems.require(count <= MAX_DOMAINS, "allow", "has more than 1000 domains");
        let are_domains = self.allow.iter().all(|pattern| is_pattern(pattern));
        problems.require(
            are_domains,
            "allow",
            "must hold domains, such as `api.example.com`, `*.example.com` or `*`, without a scheme, a port or a path",
        );
    }
}

fn is_pattern(pattern: &str) -> bool {
    let host = pattern.strip_prefix("*.").unwrap_or(pattern);
    let is_letter = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"/:@*?#[]\\%".contains(letter);
    pattern == "*" || (!host.is_empty() && host.len() <= 253 && !host.starts_with('.') && host.chars().all(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_domains_and_nothing_else() {
        for allowed in ["example.com", "*.example.com", "*", "müller.de", "203.0.113.7", "localhost"] {
            assert!(is_pattern(allowed), "{allowed}");
        }
        for refused in [
            "",
            "*.",
            "https://example.com",
            "example.com/path",
            "example.com:443",
            "a@example.com",
            "*example.com",
            "ex*mple.com",
            " example.com",
            ".example.com",
            "[::1]",
        ] {
            assert!(!is_pattern(refused), "{refused}");
        }
    }
}
