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
#[error("{variable}: {why}; let it name certificates of authorities (PEM), or unset it")]
pub struct TrustError {
    variable: &'static str,
    why: String,
}

/// Authorities, and where they come from.
#[derive(Clone)]
pub(super) struct TrustStore {
    roots: RootCertStore,
    source: String,
}

impl TrustStore {
    /// Reads what the variables name, by `lookup`, or else what the system has.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, TrustError> {
        let mut certificates = Vec::new();
        let mut named = Vec::new();
        for (variable, load) in
            [(FILE, load_file as fn(&OsStr) -> CertificateResult), (FOLDERS, load_folders)]
        {
            if let Some(value) = lookup(variable) {
                certificates.extend(read_named(variable, &value, load)?);
                named.push((variable, format!("{variable} {}", Path::new(&value).display())));
            }
        }
        let source = match named.as_slice() {
            [] => "the system's".to_owned(),
            named => named.iter().map(|(_, source)| source.as_str()).collect::<Vec<_>>().join(" and "),
        };
        if named.is_empty() {
            certificates = load_native_certs().certs;
        }
        // A folder often holds the file's certificates once more.
        certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        certificates.dedup();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        match named.first() {
            Some((variable, _)) if roots.is_empty() => {
                Err(TrustError { variable, why: "none of its certificates can be used".to_owned() })
            }
            _ => Ok(Self { roots, source }),
        }
    }

    /// Whether no server is trusted.
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
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

fn read_named(
    variable: &'static str,
    value: &OsStr,
    load: fn(&OsStr) -> CertificateResult,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let error = |why| Err(TrustError { variable, why });
    if value.is_empty() {
        return error("is empty".to_owned());
    }
    let found = load(value);
    match found.errors.first() {
        _ if !found.certs.is_empty() => Ok(found.certs),
        Some(first) => error(first.to_string()),
        None => error(format!("holds no certificate: {}", Path::new(value).display())),
    }
}

fn load_file(value: &OsStr) -> CertificateResult {
    let path = Path::new(value);
    // A pipe or a device would be read without end.
    if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return CertificateResult::default();
    }
    load_certs_from_paths(Some(path), None)
}

fn load_folders(value: &OsStr) -> CertificateResult {
    let mut all = CertificateResult::default();
    for folder in env::split_paths(value) {
        let found = load_certs_from_paths(None, Some(&folder));
        all.certs.extend(found.certs);
        all.errors.extend(found.errors);
    }
    all
}
