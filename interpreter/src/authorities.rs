//! The authorities that are trusted to say who a server is, where they are not the public ones.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in a PEM file, at least one.
///
/// # Errors
/// When it cannot be read, or holds none, or one that cannot be used.
pub(crate) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |why: String| format!("the certificates in {} cannot be read: {why}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable("it holds none (`-----BEGIN CERTIFICATE-----`)".to_owned()));
    }
    let mut usable = RootCertStore::empty();
    for certificate in &certificates {
        usable.add(certificate.clone()).map_err(|error| unreadable(error.to_string()))?;
    }
    Ok(certificates)
}
