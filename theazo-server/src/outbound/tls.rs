//! TLS for what leaves the plane: ring, and the roots of the operating system.

use std::sync::Arc;

use rustls::{ClientConfig, crypto::CryptoProvider};
use rustls_platform_verifier::Verifier;

/// TLS cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up; are there root certificates, as of the package `ca-certificates`?")]
pub struct TlsError(#[from] rustls::Error);

/// The configuration of TLS, for HTTP/2 and HTTP/1.1.
///
/// # Errors
///
/// When the roots of the operating system cannot be used.
pub fn tls_config() -> Result<ClientConfig, TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(provider.clone())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
