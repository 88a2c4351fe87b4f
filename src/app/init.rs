//! `init`: the files of a first configuration, made from the shipped ones so that each word has one place. Asks nothing
//! and prints nothing.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use super::error::ErrorClass;
use crate::config::{SHIPPED_APP_ID, SHIPPED_CONFIG, SHIPPED_LIST};
use crate::domain::BaseUrl;
use crate::files::{NewFiles, is_there, sync_folder};

/// The names of the files beside `watcher.toml`, as that one refers to them.
const LIST: &str = "watchlist.toml";
const SECRET: &str = "app_secret";

/// Permissions of what is no secret, as far as the umask leaves them.
const PLAIN_MODE: u32 = 0o644;
const SECRET_MODE: u32 = 0o600;

/// Characters of an app id at most.
const APP_ID_MAX: usize = 128;

/// An app id as the developer console shows it: `cli_`, then letters, digits, `-` and `_`; at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppId(String);

/// A text that is no app id. It is not repeated, since it may be the secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "no app id; expected cli_ and letters or digits, as the developer console shows it under Credentials & Basic Info"
)]
pub struct AppIdError;

impl AppId {
    /// Takes an app id without blanks around it.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, AppIdError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let rest = text.strip_prefix("cli_").filter(|rest| !rest.is_empty() && rest.bytes().all(is_allowed));
        rest.filter(|_| text.len() <= APP_ID_MAX).map(|_| Self(text.to_owned())).ok_or(AppIdError)
    }
}

/// What a first configuration says about its one app.
#[derive(Clone, Debug)]
pub struct FirstConfig {
    /// Where the app's API answers.
    pub base_url: BaseUrl,
    /// Its id.
    pub app_id: AppId,
    /// Its secret.
    pub secret: SecretString,
}

/// Why there is no first configuration. Nothing was written then.
#[derive(Debug, Error)]
pub enum InitError {
    /// Some of its files are there already.
    #[error("nothing is overwritten, and there is already\n{}\nmove it away, or name another folder with --config", rows(.0))]
    Exists(Vec<PathBuf>),
    /// The folder is missing.
    #[error("there is no folder\n  {}\nmake it first, or name another one with --config", .0.display())]
    NoFolder(PathBuf),
    /// The configuration would have the name of a file beside it.
    #[error("--config can't be named {LIST} or {SECRET}: these are other files beside it")]
    Name,
    /// A file can't be written.
    #[error("nothing was written; this failed: {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl InitError {
    /// The class of the error.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Exists(_) | Self::NoFolder(_) | Self::Name => ErrorClass::Usage,
            Self::Write(..) => ErrorClass::Unexpected,
        }
    }
}

fn rows(paths: &[PathBuf]) -> String {
    let rows: Vec<_> = paths.iter().map(|path| format!("  {}", path.display())).collect();
    rows.join("\n")
}

/// The places of a first configuration, which were free when they were looked at.
#[derive(Debug)]
pub struct InitPlan {
    folder: PathBuf,
    /// The secret, the watch list and the configuration, which is there only after the files that it names.
    paths: [PathBuf; 3],
}

impl InitPlan {
    /// Plans for a `watcher.toml` at `config`, an absolute path, and the other files beside it.
    ///
    /// # Errors
    /// The folder is missing, or one of the files is there.
    pub fn new(config: &Path) -> Result<Self, InitError> {
        let folder = config.parent().unwrap_or(config).to_path_buf();
        if !folder.is_dir() {
            return Err(InitError::NoFolder(folder));
        }
        if config.file_name().is_some_and(|name| name == LIST || name == SECRET) {
            return Err(InitError::Name);
        }
        let paths = [folder.join(SECRET), folder.join(LIST), config.to_path_buf()];
        let mut taken = Vec::new();
        for path in &paths {
            if is_there(path).map_err(|error| InitError::Write(path.clone(), error))? {
                taken.push(path.clone());
            }
        }
        if taken.is_empty() { Ok(Self { folder, paths }) } else { Err(InitError::Exists(taken)) }
    }

    /// The files: the secret, the watch list, the configuration.
    #[must_use]
    pub const fn paths(&self) -> &[PathBuf; 3] {
        &self.paths
    }

    /// Writes all files, or none: each is whole before the first gets its name, and those of a failed attempt are
    /// removed again.
    ///
    /// # Errors
    /// A file can't be written, or something took its place meanwhile.
    pub fn write(&self, first: &FirstConfig) -> Result<(), InitError> {
        let secret = first.secret.expose_secret();
        let (list, config) = (list_text(), config_text(first));
        let [at_secret, at_list, at_config] = &self.paths;
        let files = [
            (at_config, config.as_str(), PLAIN_MODE),
            (at_list, list.as_str(), PLAIN_MODE),
            (at_secret, secret, SECRET_MODE),
        ];
        let mut made = NewFiles::default();
        let mut ready = Vec::new();
        for (path, text, mode) in files {
            let temporary = self.folder.join(format!(".feishu-export-init-{:016x}.tmp", fastrand::u64(..)));
            let written = made.write(&temporary, text.as_bytes(), mode);
            written.map_err(|error| InitError::Write(path.clone(), error))?;
            ready.push((temporary, path));
        }
        for (temporary, path) in ready.iter().rev() {
            made.rename(temporary, path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => InitError::Exists(vec![(*path).clone()]),
                _ => InitError::Write((*path).clone(), error),
            })?;
        }
        sync_folder(&self.folder).map_err(|error| InitError::Write(self.folder.clone(), error))?;
        made.keep();
        Ok(())
    }
}

/// Lines of the shipped configuration in whose place others stand.
const SHIPPED_WATCHLIST: &str = "watchlist = [\"watchlist.toml\", \"watchlist.d/*.toml\"]";
const SHIPPED_BASE_URL: &str = "base_url = \"https://open.feishu.cn\"";

/// The shipped configuration with files saved and this app. Patterns of watch lists are left out, because their folder
/// would have to be there.
fn config_text(first: &FirstConfig) -> String {
    let FirstConfig { base_url, app_id: AppId(app_id), .. } = first;
    let app_id_line = format!("app_id = \"{SHIPPED_APP_ID}\"");
    let line = |line: &str| match line {
        SHIPPED_WATCHLIST => format!("watchlist = [\"{LIST}\"]\n"),
        "# [download]" | "# folder = \"exports\"" => format!("{}\n", &line[2..]),
        SHIPPED_BASE_URL => format!("base_url = \"{base_url}\"\n"),
        _ if line == app_id_line => format!("app_id = \"{app_id}\"\n"),
        _ => format!("{line}\n"),
    };
    SHIPPED_CONFIG.lines().map(line).collect()
}

/// The shipped watch list with every entry commented out.
fn list_text() -> String {
    let line = |line: &str| match line {
        _ if line.is_empty() || line.starts_with('#') => format!("{line}\n"),
        _ => format!("# {line}\n"),
    };
    SHIPPED_LIST.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::fs;

    use super::*;
    use crate::config::{WatchSourceKind, load};
    use crate::domain::{Credentials, SecretSource};

    fn first(base_url: &str) -> FirstConfig {
        let (base_url, app_id) = (BaseUrl::parse(base_url).unwrap(), AppId::parse("cli_1").unwrap());
        FirstConfig { base_url, app_id, secret: "hunter2hunter2".into() }
    }

    fn files(folder: &Path) -> BTreeMap<OsString, String> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name(), fs::read_to_string(entry.path()).unwrap())).collect()
    }

    /// Promise: what is written differs from the shipped configuration in the lines that had to differ, and no other.
    #[test]
    fn the_configuration_is_the_shipped_one() {
        let text = config_text(&first("https://open.larksuite.com/"));
        let differ = SHIPPED_CONFIG.lines().zip(text.lines()).filter(|(shipped, line)| shipped != line);
        assert_eq!(
            differ.map(|(_, line)| line).collect::<Vec<_>>(),
            [
                "watchlist = [\"watchlist.toml\"]",
                "[download]",
                "folder = \"exports\"",
                "base_url = \"https://open.larksuite.com\"",
                "app_id = \"cli_1\"",
            ]
        );
        assert_eq!(text.lines().count(), SHIPPED_CONFIG.lines().count());
    }

    /// Promise: what is written is valid, without a warning, and says what was asked for.
    #[test]
    fn what_is_written_is_valid() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.toml");
        let first = first("https://open.feishu.cn");
        InitPlan::new(&path).unwrap().write(&first).unwrap();
        let (config, problems) = load(&path).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((&config.apps[0].base_url, &*config.apps[0].app_id), (&first.base_url, "cli_1"));
        let secret = Credentials::AppSecret(SecretSource::File(folder.path().join(SECRET)));
        assert_eq!(config.apps[0].credentials, secret);
        assert_eq!(config.watchlist[0].kind, WatchSourceKind::File(folder.path().join(LIST)));
        assert_eq!(config.download.unwrap().folder, folder.path().join("exports"));
        let found = files(folder.path());
        let list = &found[&OsString::from(LIST)];
        assert!(list.lines().all(|line| line.is_empty() || line.starts_with('#')), "{list}");
        assert!(["# [[document]]\n", "# [[ticket]]\n"].iter().all(|entry| list.contains(entry)), "{list}");
        assert_eq!((found.len(), found[&OsString::from(SECRET)].as_str()), (3, "hunter2hunter2"));
    }

    /// Promise: whichever name is taken, before or while the files are written, nothing of others is changed and
    /// nothing of ours stays.
    #[test]
    fn all_is_written_or_nothing() {
        for name in [SECRET, LIST, "watcher.toml"] {
            let folder = tempfile::tempdir().unwrap();
            let (config, taken) = (folder.path().join("watcher.toml"), folder.path().join(name));
            let plan = InitPlan::new(&config).unwrap();
            fs::write(&taken, "theirs").unwrap();
            for error in [plan.write(&first("https://a")).unwrap_err(), InitPlan::new(&config).unwrap_err()] {
                assert!(matches!(&error, InitError::Exists(paths) if *paths == [taken.clone()]), "{error}");
                assert_eq!(error.class(), ErrorClass::Usage);
            }
            assert_eq!(files(folder.path()), BTreeMap::from([(name.into(), "theirs".to_owned())]));
        }
        let folder = tempfile::tempdir().unwrap();
        let plan = |path: &str| InitPlan::new(&folder.path().join(path)).unwrap_err();
        assert!(matches!(plan("app_secret"), InitError::Name));
        assert!(matches!(plan("missing/watcher.toml"), InitError::NoFolder(_)));
    }

    /// Promise: an app id can stand in the configuration as it is, and what is none is not repeated.
    #[test]
    fn app_ids_have_a_form() {
        for good in ["cli_a1b2c3d4e5f60001", "cli_9F-x_1"] {
            assert_eq!(AppId::parse(good), Ok(AppId(good.to_owned())));
        }
        let long = format!("cli_{}", "x".repeat(APP_ID_MAX));
        for bad in ["", "cli_", "a1b2", "CLI_a", "cli_a b", "cli_a\"", "cli_\u{e9}", "cli_a\n", &long] {
            assert_eq!(AppId::parse(bad), Err(AppIdError), "{bad}");
        }
    }
}
