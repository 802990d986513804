//! A server that speaks TLS.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use theazo::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

use super::{Act, SESSION, json};

/// A server that speaks TLS with a certificate of an authority that nobody knows yet.
pub struct TlsServer {
    pub url: String,
    /// The authority, in PEM form.
    pub authority: tempfile::NamedTempFile,
    /// What each client and the server agreed to speak.
    pub protocols: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// One that speaks these protocols, as TLS names them.
    pub async fn start(protocols: &[&str]) -> Self {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        certificate.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = certificate.signed_by(&key, &authority).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let agreed = Arc::new(Mutex::new(Vec::new()));
        let agreements = agreed.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that does not trust us hangs up in the handshake.
                let Ok(mut socket) = acceptor.accept(socket).await else { continue };
                let protocol = socket.get_ref().1.alpn_protocol().map(String::from_utf8_lossy).unwrap_or_default();
                agreements.lock().unwrap().push(protocol.into_owned());
                let mut request = [0; 4096];
                if socket.read(&mut request).await.unwrap() > 0 {
                    let Act::Answer(answer) = json(200, &[], SESSION) else { unreachable!() };
                    socket.write_all(answer.as_bytes()).await.unwrap();
                    socket.shutdown().await.ok();
                }
            }
        });
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(authority.pem().as_bytes()).unwrap();
        Self { url, authority: file, protocols: agreed }
    }

    /// A client of it, which does not trust it yet.
    pub fn config(&self) -> Config {
        Config::with_api_key("th_live_secret").base_url(&self.url).proxy("none")
    }
}
