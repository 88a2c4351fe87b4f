//! Which `watcher.toml` is meant: the one that `--config` names, or the first of the usual places.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use feishu_export_watcher::StateFile;

use crate::args::{ConfigArgument, StateFileArgument};
use crate::messages::eprint_escaped;

/// The variable that names the file where `--config` is left out.
const VARIABLE: &str = "FEISHU_EXPORT_WATCHER_CONFIG";

/// The file of the folder in which the program is started.
pub(crate) const HERE: &str = "watcher.toml";

/// Where the file is looked for otherwise, in this order.
const PLACES: [&str; 2] = [HERE, "/etc/feishu-export-watcher/watcher.toml"];

/// The file. Prints on stderr which one was taken, unless the command line names it, or that there is none.
pub(crate) fn find(argument: ConfigArgument) -> Option<PathBuf> {
    let is_named = argument.config.is_some();
    let found = choose(argument.config, env::var_os(VARIABLE), is_there);
    let message = match &found {
        Some(_) if is_named => return found,
        Some(path) => format!("configuration: {}", path.display()),
        None => format!(
            "error: no configuration: there is neither {}; name one with --config or in {VARIABLE}, change to its folder, \
             or write one with `feishu-export-watcher init`",
            PLACES.join(" in this folder nor ")
        ),
    };
    eprint_escaped(&message);
    found
}

/// Whether there is a file, or something that keeps it from being examined: reading it then shows the error. A private
/// folder in which the program happens to be started, as by `sudo -u`, holds none.
fn is_there(path: &Path) -> bool {
    match path.try_exists() {
        Ok(exists) => exists || path.is_symlink(),
        Err(error) => path.is_absolute() || error.kind() != io::ErrorKind::PermissionDenied,
    }
}

/// The state file that is named, else that of the configuration.
pub(crate) fn find_state(argument: StateFileArgument) -> Option<StateFile> {
    match argument.state_file {
        Some(path) => Some(StateFile::At(std::path::absolute(&path).unwrap_or(path))),
        None => find(argument.config).map(StateFile::FromConfig),
    }
}

/// A command of this program on that configuration, as a shell takes it.
pub(crate) fn command(name: &str, config: Option<&Path>) -> String {
    let option = config.map(|path| format!(" --config {}", quoted(&path.to_string_lossy())));
    format!("feishu-export-watcher {name}{}", option.unwrap_or_default())
}

/// The command that has the batch of that state file's configuration run; none where no configuration is known.
pub(crate) fn command_to_run(file: &StateFile) -> Option<String> {
    let StateFile::FromConfig(config) = file else { return None };
    Some(command("run --until-done", (!is_found(config)).then_some(config)))
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|it| it.is_alphanumeric() || "/._-+,@%:".contains(it));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether it is this one that is taken where `--config` is left out.
pub(crate) fn is_found(config: &Path) -> bool {
    choose(None, env::var_os(VARIABLE), is_there).as_deref() == Some(config)
}

fn choose(
    named: Option<PathBuf>,
    variable: Option<OsString>,
    is_there: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    // An empty variable counts as none.
    let variable = variable.filter(|path| !path.is_empty()).map(PathBuf::from);
    let place = || PLACES.iter().map(PathBuf::from).find(|path| is_there(path));
    let found = named.or(variable).or_else(place)?;
    // As it stands in messages of other folders; a folder that is gone has no path.
    Some(std::path::absolute(&found).unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: the nearest wins: the option, the variable, this folder, the installed one.
    #[test]
    fn the_nearest_file_is_taken() {
        let here = env::current_dir().unwrap().join("watcher.toml");
        let etc = PathBuf::from(PLACES[1]);
        let both = |_: &Path| true;
        let only_etc = |path: &Path| path.is_absolute();
        assert_eq!(choose(Some("/a".into()), Some("/b".into()), both), Some("/a".into()));
        assert_eq!(choose(None, Some("/b".into()), both), Some("/b".into()));
        assert_eq!(choose(None, Some("".into()), both), Some(here.clone()));
        assert_eq!(choose(None, None, both), Some(here));
        assert_eq!(choose(None, None, only_etc), Some(etc));
        assert_eq!(choose(None, None, |_| false), None);
    }
}
