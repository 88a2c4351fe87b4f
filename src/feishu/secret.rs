//! Reading a secret from the place that the configuration names: at every use anew, so that a
//! corrected file heals an app without a restart. Errors name the place, never the content.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

use crate::domain::{SecretFault, SecretPurpose as Purpose, SecretSource, secret_text};

/// Bytes of a secret's file at most. True ones have fewer than five thousand.
const SECRET_MAX: u64 = 64 * 1024;

/// Where systemd puts a unit's credentials (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Why a secret can't be had. Each names its place.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("failed to read {0}")]
    Read(SecretSource, #[source] io::Error),
    /// A folder, a pipe, a device: reading it could wait for ever.
    #[error("{0} is not a regular file")]
    NotAFile(SecretSource),
    /// No secret is that long; this is another file.
    #[error("{0} is longer than {SECRET_MAX} bytes")]
    TooLong(SecretSource),
    /// The environment variable is not set.
    #[error("{0} is not set")]
    NotSet(SecretSource),
    /// There is no folder of credentials.
    #[error("{0} can't be found: ${CREDENTIALS_DIRECTORY} is not set")]
    NoCredentials(SecretSource),
    /// The name of a credential leads elsewhere.
    #[error("{0} is not a plain name")]
    CredentialName(SecretSource),
    /// What lies there is no secret.
    #[error("{0} {1}")]
    Unfit(SecretSource, SecretFault),
}

/// Reads a secret, off the threads that serve the network.
///
/// # Errors
/// There is none at that place.
pub async fn read(source: &SecretSource, purpose: Purpose) -> Result<SecretString, SecretError> {
    let owned = source.clone();
    let read = move || read_with(&owned, purpose, |name| std::env::var_os(name));
    let given_up = |gone| Err(SecretError::Read(source.clone(), io::Error::other(gone)));
    tokio::task::spawn_blocking(read).await.unwrap_or_else(given_up)
}

/// The same with the environment passed in.
fn read_with(
    source: &SecretSource,
    purpose: Purpose,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<SecretString, SecretError> {
    let bytes = match source {
        SecretSource::File(path) => read_file(path, source)?,
        SecretSource::Env(name) => {
            let value = env(name).ok_or_else(|| SecretError::NotSet(source.clone()))?;
            Zeroizing::new(value.into_encoded_bytes())
        }
        SecretSource::Credential(name) => read_file(&credential_path(name, source, env)?, source)?,
    };
    let secret = secret_text(&bytes, purpose).map_err(|fault| SecretError::Unfit(source.clone(), fault))?;
    Ok(secret.into())
}

fn credential_path(
    name: &str,
    source: &SecretSource,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, SecretError> {
    let mut parts = Path::new(name).components();
    let (Some(Component::Normal(plain)), None) = (parts.next(), parts.next()) else {
        return Err(SecretError::CredentialName(source.clone()));
    };
    let folder = env(CREDENTIALS_DIRECTORY).filter(|folder| !folder.is_empty());
    let folder = folder.ok_or_else(|| SecretError::NoCredentials(source.clone()))?;
    Ok(Path::new(&folder).join(plain))
}

fn read_file(path: &Path, source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |cause| SecretError::Read(source.clone(), cause);
    // Examined before it is opened: opening a pipe without a writer waits for ever.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile(source.clone()));
    }
    // Room for all of it at once, so that growing leaves no copies behind.
    let room = usize::try_from(metadata.len().min(SECRET_MAX)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let file = File::open(path).map_err(failed)?;
    file.take(SECRET_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SECRET_MAX {
        return Err(SecretError::TooLong(source.clone()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const NO_ENV: fn(&str) -> Option<OsString> = |_| None;

    fn read_bytes(content: &[u8], purpose: Purpose) -> Result<String, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        read_with(&SecretSource::File(path), purpose, NO_ENV).map(|secret| secret.expose_secret().to_owned())
    }

    /// Promise: what is no secret is refused with its place and the reason, and never shown.
    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let long = vec![b'x'; 64 * 1024 + 1];
        for (content, purpose, expected) in [
            (&b" \r\n"[..], Purpose::AppSecret, "is empty"),
            (b"\xffhunter2", Purpose::AppSecret, "is not UTF-8"),
            (&long, Purpose::AppSecret, "is longer than 65536 bytes"),
            (b"'hunter2'", Purpose::AppSecret, "stands in quotes"),
            (b"Bearer t-hunter2\n", Purpose::AccessToken, "begins with `Bearer `"),
            (b"t-hunter2\nsecond", Purpose::AccessToken, "is not one line"),
        ] {
            let error = read_bytes(content, purpose).unwrap_err();
            let (text, debug) = (error.to_string(), format!("{error:?}"));
            assert!(text.starts_with("file /") && text.contains(&format!(" {expected}")), "{text}");
            assert!(!text.contains("hunter2") && !debug.contains("hunter2"));
        }
        assert!(read_bytes(&long[1..], Purpose::AppSecret).is_ok());
        assert_eq!(read_bytes(b" hunter2 \r\n", Purpose::AppSecret).unwrap(), "hunter2");
    }

    #[test]
    fn a_missing_file_keeps_its_cause() {
        let error =
            read_with(&SecretSource::File("/no/such/file".into()), Purpose::AppSecret, NO_ENV).unwrap_err();
        assert_eq!(error.to_string(), "failed to read file /no/such/file");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::File(folder.path().to_owned());
        let error = read_with(&source, Purpose::AppSecret, NO_ENV).unwrap_err();
        assert!(matches!(error, SecretError::NotAFile(..)), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_without_a_writer_does_not_hang() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = read(&SecretSource::File(path), Purpose::AppSecret).await.unwrap_err();
        assert!(matches!(error, SecretError::NotAFile(..)), "{error}");
    }

    #[test]
    fn environment_variables_and_credentials_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app"), "hunter2\n").unwrap();
        let root = folder.path().as_os_str().to_owned();
        let env = |name: &str| match name {
            CREDENTIALS_DIRECTORY => Some(root.clone()),
            "SECRET" => Some("hunter2\n".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        let read = |source| read_with(&source, Purpose::AccessToken, env);
        for source in [SecretSource::Env("SECRET".into()), SecretSource::Credential("app".into())] {
            assert_eq!(read(source).unwrap().expose_secret(), "hunter2");
        }
        assert!(matches!(read(SecretSource::Env("EMPTY".into())), Err(SecretError::Unfit(..))));
        assert!(matches!(read(SecretSource::Env("OTHER".into())), Err(SecretError::NotSet(..))));
        for name in ["", ".", "..", "../app", "/etc/passwd", "a/b"] {
            let error = read(SecretSource::Credential(name.into())).unwrap_err();
            assert!(matches!(error, SecretError::CredentialName(..)), "{name}: {error}");
        }
        let error =
            read_with(&SecretSource::Credential("app".into()), Purpose::AppSecret, NO_ENV).unwrap_err();
        assert!(matches!(error, SecretError::NoCredentials(..)), "{error}");
    }
}
