//! Whether the secrets are where the configuration says, before the first request needs one. What is
//! read is held in a type that can't be printed and is dropped at once.

use std::env;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretBox};

use super::problem::{Position, Problem, shown_path};
use super::settings::Config;
use super::text_file;
use crate::domain::{App, Credentials, Hook, HookTarget, SecretPurpose, SecretSource, secret_text};

/// Bytes of a secret file at most.
const SIZE_MAX: u64 = 64 << 10;

/// Looks at the secret of every app and of every webhook: it can be read, it is what a run takes for a secret, and others
/// on this machine can't read its file (a warning). Reads files and the environment; sends nothing and keeps nothing.
#[must_use]
pub fn check_secrets(config: &Config) -> Vec<Problem> {
    let of_app = |(app, place): (&App, &Position)| {
        let (key, source, purpose) = match &app.credentials {
            Credentials::AppSecret(source) => ("app_secret", source, SecretPurpose::AppSecret),
            Credentials::AccessToken(source) => ("access_token", source, SecretPurpose::AccessToken),
        };
        check_secret(config, *place, &format!("{key} of app `{}`", app.name), source, purpose)
    };
    let of_hook = |(hook, place): (&Hook, &Position)| {
        let HookTarget::Webhook(webhook) = &hook.target else { return [None, None] };
        let Some(source) = &webhook.secret else { return [None, None] };
        let name = format!("secret of hook `{}`", hook.name);
        check_secret(config, *place, &name, source, SecretPurpose::SigningKeys)
    };
    let apps = config.apps.iter().zip(&config.credential_places).flat_map(of_app);
    let hooks = config.hooks.iter().zip(&config.hook_places).flat_map(of_hook);
    apps.chain(hooks).flatten().collect()
}

/// What is wrong with a secret, and whether others can read it.
fn check_secret(
    config: &Config,
    place: Position,
    name: &str,
    source: &SecretSource,
    purpose: SecretPurpose,
) -> [Option<Problem>; 2] {
    let named = |message: String| format!("{name}: {source}: {message}");
    let error = check_source(source, purpose).err();
    let warning = find_file(source).ok().flatten().and_then(|path| check_mode(&path));
    [
        error.map(|message| Problem::error(&config.path, Some(place), named(message))),
        warning.map(|message| Problem::warning(&config.path, Some(place), named(message))),
    ]
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
