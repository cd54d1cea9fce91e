//! Which servers are believed to be who they say they are.

use super::HttpError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are elsewhere), and those of `file`;
/// with whether there are none at all, so that only plain http to this host can do.
pub(super) fn config(file: Option<&Path>) -> Result<(ClientConfig, bool), HttpError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (_, unusable) = roots.add_parsable_certificates(system.certs);
    if unusable > 0 {
        tracing::debug!(unusable, "certificates of the system that cannot be used");
    }
    if let Some(file) = file {
        let none = |why: String| HttpError::NoRoots(format!("caFile {}: {why}", file.display()));
        let read = CertificateDer::pem_file_iter(file).map_err(|error| none(error.to_string()))?;
        let found: Result<Vec<_>, _> = read.collect();
        let (added, _) = roots.add_parsable_certificates(found.map_err(|error| none(error.to_string()))?);
        if added == 0 {
            return Err(none("it holds no certificate in PEM".to_owned()));
        }
    }
    let none = roots.is_empty();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| HttpError::NoRoots(error.to_string()))?;
    Ok((config.with_root_certificates(roots).with_no_client_auth(), none))
}
