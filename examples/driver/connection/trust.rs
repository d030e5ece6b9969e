//! Whose word a server's certificate is taken on.

use std::env;
use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

/// The certificates to trust, and how a server's is held against them.
///
/// The same judgement serves TLS and DTLS: a valid chain to a trusted certificate, and the name or address that the
/// caller wanted to reach. One certificate that signed itself and is trusted by name, as in a laboratory, is enough.
#[derive(Debug)]
pub(crate) struct Trust {
    chains: Arc<WebPkiServerVerifier>,
    /// Those of `SSL_CERT_FILE`.
    named: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Trusts the certificates of the file (PEM) that `SSL_CERT_FILE` names, or else those that browsers trust.
    pub(crate) fn from_env() -> io::Result<Arc<Self>> {
        match env::var_os("SSL_CERT_FILE") {
            Some(file) => {
                Self::new(CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(invalid)?)
            }
            None => Self::new(Vec::new()),
        }
    }

    /// Trusts these certificates, or without any those that browsers trust.
    pub(crate) fn new(named: Vec<CertificateDer<'static>>) -> io::Result<Arc<Self>> {
        let mut roots = RootCertStore::empty();
        if named.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for certificate in &named {
            roots.add(certificate.clone()).map_err(invalid)?;
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        Ok(Arc::new(Self { chains: chains.map_err(invalid)?, named }))
    }

    /// Whether `certificate` speaks for `name`; `chain` leads from it to one that is trusted.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let verdict = self.chains.verify_server_cert(certificate, chain, name, &[], now);
        match verdict {
            // An authority's certificate is none for a server, unless it was named as this server's. This is said of
            // a certificate that is valid now (`webpki::Error` has the order); its name has yet to be looked at.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))))
                if is_authority(&*cause) && self.named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            }
            verdict => verdict.map(drop),
        }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(certificate, chain, name, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The cryptography of TLS.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a certificate has to be made out to.
pub(super) fn server_name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(invalid)
}

pub(super) fn invalid(error: impl Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn is_authority(cause: &(dyn Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
