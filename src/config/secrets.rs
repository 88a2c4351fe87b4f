//! Whether the secrets are where the configuration says, before the first request needs one. What is
//! read is held in a type that can't be printed and is dropped at once.

use std::env;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretBox};

use super::problem::{Problem, shown_path};
use super::settings::Config;
use super::text_file;
use crate::domain::{App, Credentials, SecretPurpose, SecretSource, secret_text};

/// Bytes of a secret file at most.
const SIZE_MAX: u64 = 64 << 10;

/// Looks at the secret of every app: it can be read, it is what a run takes for a secret, and others on this machine
/// can't read its file (a warning). Reads files and the environment; sends nothing and keeps nothing.
#[must_use]
pub fn check_secrets(config: &Config) -> Vec<Problem> {
    let check = |(app, position): (&App, _)| {
        let (key, source, purpose) = match &app.credentials {
            Credentials::AppSecret(source) => ("app_secret", source, SecretPurpose::AppSecret),
            Credentials::AccessToken(source) => ("access_token", source, SecretPurpose::AccessToken),
        };
        let name = |message: String| format!("{key} of app `{}`: {source}: {message}", app.name);
        let error = check_source(source, purpose).err();
        let error = error.map(|message| Problem::error(&config.path, Some(position), name(message)));
        let warning = find_file(source).ok().flatten().and_then(|path| check_mode(&path));
        let warning = warning.map(|message| Problem::warning(&config.path, Some(position), name(message)));
        [error, warning]
    };
    let places = config.credential_places.iter().copied();
    config.apps.iter().zip(places).flat_map(check).flatten().collect()
}

fn check_source(source: &SecretSource, purpose: SecretPurpose) -> Result<(), String> {
    let secret = match (source, find_file(source)?) {
        (_, Some(path)) => text_file::read_bytes(&path, SIZE_MAX).map_err(|refusal| refusal.message)?,
        (SecretSource::Env(name), None) => env::var_os(name).ok_or("is not set")?.into_encoded_bytes(),
        (_, None) => Vec::new(),
    };
    let secret = SecretBox::new(secret.into_boxed_slice());
    secret_text(secret.expose_secret(), purpose).map(|_| ()).map_err(|fault| fault.to_string())
}

/// The file that holds the secret, if it is in one.
pub(super) fn find_file(source: &SecretSource) -> Result<Option<PathBuf>, String> {
    match source {
        SecretSource::File(path) => Ok(Some(path.clone())),
        SecretSource::Env(_) => Ok(None),
        SecretSource::Credential(name) => {
            let folder = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty()).ok_or(
                "$CREDENTIALS_DIRECTORY is not set; it is by systemd for a unit with LoadCredential=",
            )?;
            Ok(Some(Path::new(&folder).join(name)))
        }
    }
}

fn check_mode(path: &Path) -> Option<String> {
    // What else it may be is an error, and of a folder the mode means something else.
    let mode = path.metadata().ok().filter(Metadata::is_file)?.permissions().mode();
    let open = mode & 0o044 != 0;
    open.then(|| {
        format!("other users can read it (mode {:03o}); chmod 600 {}", mode & 0o777, shown_path(path))
    })
}
