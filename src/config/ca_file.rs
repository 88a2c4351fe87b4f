//! `ca_file`: certificates of authorities, read when the configuration is, so that a connection is not the first to
//! find out that they are none.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::section::Field;
use super::text_file;
use crate::domain::CaFile;

/// Bytes of the file at most; all authorities of a system take some 250 KB.
const SIZE_MAX: u64 = 1 << 20;

/// The certificates of the file that `field` names. As everywhere in `[apps]`, the value is not repeated.
pub(super) fn read(field: &Field<'_>, folder: &Path) -> Option<CaFile> {
    let path = field.path(folder)?;
    let bytes = text_file::read_bytes(&path, SIZE_MAX).map_err(|refusal| refusal.message);
    match bytes.and_then(|bytes| certificates(&bytes)) {
        Ok(certificates) => Some(CaFile { path, certificates }),
        Err(message) => field.error(|| format!("`ca_file`: {message}")),
    }
}

fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let certificates =
        certificates.map_err(|_| "is not valid PEM: a certificate has no end, or is not base64")?;
    if certificates.is_empty() {
        let begin = "-----BEGIN CERTIFICATE-----";
        return Err(format!("holds no certificate; expected PEM, which begins with {begin}"));
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|_| "holds a certificate that is broken")?;
    }
    Ok(certificates.iter().map(|certificate| certificate.to_vec()).collect())
}
