//! The authorities by which servers are trusted: those of the system, or of the files that the environment names in
//! their place. A variable that leads to no certificate is an error: no server would be trusted, and nothing would say
//! why.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use thiserror::Error;

use crate::domain::CaFile;

const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";

/// A variable that leads to no certificate.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{variable}: {reason}; let it name certificates of authorities (PEM), or unset it")]
pub struct TrustError {
    variable: &'static str,
    reason: String,
}

/// Authorities, and where they come from.
#[derive(Clone)]
pub(super) struct TrustStore {
    pub(super) roots: RootCertStore,
    source: String,
}

impl TrustStore {
    /// Reads what the variables name, by `lookup`, or else what the system has.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, TrustError> {
        let (mut certificates, mut sources) = (Vec::new(), Vec::new());
        for variable in [FILE, FOLDERS] {
            if let Some(value) = lookup(variable) {
                certificates.extend(read_named(variable, &value)?);
                sources.push(format!("{variable} {}", Path::new(&value).display()));
            }
        }
        if sources.is_empty() {
            certificates = load_native_certs().certs;
            sources.push("the system's".to_owned());
        }
        // A folder often holds the file's certificates once more.
        certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        certificates.dedup();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        Ok(Self { roots, source: sources.join(" and ") })
    }

    /// The settings of a client that trusts these authorities, and those of the file.
    pub(super) fn to_client(&self, ca_file: Option<&CaFile>) -> ClientConfig {
        let mut roots = self.roots.clone();
        let more = ca_file.into_iter().flat_map(|file| &file.certificates);
        roots.add_parsable_certificates(more.map(|der| CertificateDer::from(der.as_slice())));
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }

    /// The same in words.
    pub(super) fn describe(&self, ca_file: Option<&CaFile>) -> String {
        let own = format!("{} ({})", self.source, self.roots.len());
        match ca_file {
            Some(file) => format!("{own} and ca_file {} ({})", file.path.display(), file.certificates.len()),
            None => own,
        }
    }
}

/// The certificates that a variable leads to, at least one that can be used.
fn read_named(variable: &'static str, value: &OsStr) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let error = |reason| Err(TrustError { variable, reason });
    if value.is_empty() {
        return error("is empty".to_owned());
    }
    let found = if variable == FILE { load_file(Path::new(value)) } else { load_folders(value) };
    let is_usable = RootCertStore::empty().add_parsable_certificates(found.certs.iter().cloned()).0 > 0;
    match found.errors.first() {
        _ if is_usable => Ok(found.certs),
        Some(first) => error(first.to_string()),
        None => error(format!("holds no certificate that can be used: {}", Path::new(value).display())),
    }
}

fn load_file(path: &Path) -> CertificateResult {
    // A pipe or a device would be read without end.
    let is_endless = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
    load_certs_from_paths((!is_endless).then_some(path), None)
}

fn load_folders(value: &OsStr) -> CertificateResult {
    env::split_paths(value).fold(CertificateResult::default(), |mut all, folder| {
        let found = load_certs_from_paths(None, Some(&folder));
        all.certs.extend(found.certs);
        all.errors.extend(found.errors);
        all
    })
}
