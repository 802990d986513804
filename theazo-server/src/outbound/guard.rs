//! From a host to the addresses that may be connected to: resolved once, checked, and nothing else is connected to.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use super::{AddressRules, DomainRules, addresses::ForbiddenAddress};

/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Finds the addresses of names.
pub trait Resolver: Send + Sync {
    /// The addresses of a name.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why something was not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address cannot be read.
    #[error("`{0}` is not an address that can be called: {1}")]
    NoUrl(String, String),
    /// The scheme is not one of HTTP.
    #[error("only `http` and `https` addresses can be called, not `{0}`")]
    Scheme(String),
    /// The address has a user name or a password.
    #[error("the address has a user name or password in front of its host; send a header instead")]
    UserPart,
    /// The port belongs to another protocol.
    #[error("port {0} belongs to another protocol; below 1024 only 80 and 443 can be called")]
    Port(u16),
    /// The rules forbid the domain.
    #[error("the domain `{0}` is not one that may be called from here")]
    Domain(String),
    /// The address is one that must not be reached.
    #[error(transparent)]
    Address(#[from] ForbiddenAddress),
    /// The name has no address.
    #[error("the name `{0}` has no address")]
    NoAddress(String),
}

/// Says what may be called.
#[derive(Clone)]
pub struct Guard {
    rules: AddressRules,
    resolver: Arc<dyn Resolver>,
}

impl Guard {
    /// A guard with these rules that asks the operating system for addresses.
    pub fn new(rules: AddressRules) -> Self {
        Self::with_resolver(rules, Arc::new(SystemResolver))
    }

    /// A guard that asks `resolver` for addresses.
    pub fn with_resolver(rules: AddressRules, resolver: Arc<dyn Resolver>) -> Self {
        Self { rules, resolver }
    }

    /// Refuses a URL that must not be called, as far as that can be told without resolving its name.
    pub fn check_url(&self, text: &str, domains: &DomainRules) -> Result<Url, Refusal> {
        let url = Url::parse(text).map_err(|error| Refusal::NoUrl(text.to_owned(), error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserPart);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        if port < 1024 && !matches!(port, 80 | 443) && !self.rules.allow_private {
            return Err(Refusal::Port(port));
        }
        if !domains.allow(&host) {
            return Err(Refusal::Domain(host));
        }
        if let Some(address) = literal(&host) {
            self.rules.check(address)?;
        }
        Ok(url)
    }

    /// The addresses of a host that may be connected to. Whoever connects must use these and not resolve again: the name
    /// may have other addresses by then.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Refusal> {
        let no_address = || Refusal::NoAddress(host.to_owned());
        let found = match literal(host) {
            Some(address) => vec![address],
            None => {
                let resolved = tokio::time::timeout(RESOLVE_TIMEOUT, self.resolver.resolve(host.to_owned()));
                resolved.await.map_err(|_| no_address())?.map_err(|_| no_address())?
            }
        };
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.rules.check(address) {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if allowed.is_empty() => Err(error.into()),
            _ if allowed.is_empty() => Err(no_address()),
            _ => Ok(allowed),
        }
    }
}

/// The address that a host is written as, if it is one. URLs write those of IPv6 in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<Url, Refusal> {
        Guard::new(AddressRules::default()).check_url(url, &DomainRules::default())
    }

    #[test]
    fn row_29_every_spelling_of_a_forbidden_address_is_that_address() {
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://127.1/",
            "http://127.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0X7F.0.0.0x1/",
            "http://0177.0.0.1/",
            "http://0177.0x0.1/",
            "http://017700000001/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.０.０.１/",
            "http://127。0。0。1/",
            "http://①②⑦.0.0.1/",
            "http://127.0.0.1:8080/",
            "http://0/",
            "http://0.0.0.0/",
            "http://0x0/",
            "http://10.0.0.1/",
            "http://167772161/",
            "http://012.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://192.168.1.1/",
            "http://0300.0250.1.1/",
            "http://172.16.0.1/",
            "http://100.64.0.1/",
            "http://255.255.255.255/",
            "http://4294967295/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:169.254.169.254]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "https://[ff02::1]/",
        ] {
            assert!(matches!(check(url), Err(Refusal::Address(_))), "{url}: {:?}", check(url));
        }
        for url in ["http://256.1.1.1/", "http://[fe80::1%25eth0]/", "http://[::1/", "http://", "http://1.2.3.4.5/"] {
            assert!(matches!(check(url), Err(Refusal::NoUrl(..))), "{url}: {:?}", check(url));
        }
        for url in ["http://example.com/", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/", "http://a.b:8080/"] {
            assert!(check(url).is_ok(), "{url}: {:?}", check(url));
        }
    }

    #[test]
    fn row_29_other_schemes_user_parts_and_ports_are_refused() {
        assert_eq!(check("file:///etc/passwd"), Err(Refusal::Scheme("file".to_owned())));
        assert_eq!(check("gopher://example.com/"), Err(Refusal::Scheme("gopher".to_owned())));
        for url in ["http://user@example.com/", "http://a:b@example.com/", "http://example.com@127.0.0.1/"] {
            assert_eq!(check(url), Err(Refusal::UserPart), "{url}");
        }
        assert_eq!(check("http://example.com:25/"), Err(Refusal::Port(25)));
        assert_eq!(check("https://example.com:22/"), Err(Refusal::Port(22)));
    }

    struct Answers(Vec<&'static str>);

    impl Resolver for Answers {
        fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.iter().map(|text| text.parse().expect("it is an address")).collect();
            Box::pin(async { Ok(addresses) })
        }
    }

    #[tokio::test]
    async fn row_29_of_the_addresses_of_a_name_only_allowed_ones_are_used() {
        let addresses = |answers| async move {
            Guard::with_resolver(AddressRules::default(), Arc::new(Answers(answers))).addresses("a.example").await
        };

        let mixed = addresses(vec!["10.0.0.1", "1.1.1.1", "::1"]).await;
        assert_eq!(mixed, Ok(vec!["1.1.1.1".parse().unwrap()]));
        assert!(matches!(addresses(vec!["127.0.0.1", "169.254.169.254"]).await, Err(Refusal::Address(_))));
        assert_eq!(addresses(vec![]).await, Err(Refusal::NoAddress("a.example".to_owned())));
    }
}
