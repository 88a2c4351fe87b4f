//! `[state]`: where the state file lies and how long it remembers. Of a `watcher.toml` that is not in order it can
//! mostly still be told which state file it means, and who has just broken the one wants to look at the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::durations::Bounds;
use super::section::{Field, Section};
use super::watcher::DAY;

pub(super) const KEYS: &[&str] = &["path", "keep"];
pub(super) const KEEP: Bounds =
    Bounds { least: Duration::ZERO, most: DAY.saturating_mul(3650), words: "from 0s to 3650d" };

/// What could be made of `[state]`, the defaults filled in.
pub(super) struct StateReading {
    pub(super) path: Option<PathBuf>,
    /// Whether the path stands in the file itself, in a line that could be parsed.
    pub(super) is_named: bool,
    pub(super) keep: Option<Duration>,
}

/// Reads the section. Relative paths start at `folder`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> StateReading {
    section.finish();
    StateReading {
        path: section.required("path", "a path").and_then(|field| field.path(folder)),
        is_named: section.holds("path"),
        keep: section.required("keep", "a duration").and_then(|field| field.duration(KEEP)),
    }
}

/// The path that was read, if the file names it, or if it is sure that the file names none, so that the default
/// is meant: to show another watcher's state would be worse than to show none. `broken` says whether some of the
/// text could not be parsed.
pub(super) fn certain_path(
    reading: &StateReading,
    root: &Section<'_>,
    text: &str,
    broken: bool,
) -> Option<PathBuf> {
    let is_certain = reading.is_named
        || match root.field("state").as_ref().map(Field::value) {
            _ if mentions(text, "path") => false,
            _ if broken => !mentions(text, "state"),
            Some(DeValue::Table(table)) => table.keys().all(|key| KEYS.contains(&key.get_ref().as_ref())),
            Some(_) => false,
            // A misspelt section may be meant to be this one.
            None => root.is_known(),
        };
    reading.path.clone().filter(|_| is_certain)
}

/// Whether some line other than a comment holds the word.
fn mentions(text: &str, word: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.any(|line| line.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::watcher;

    const APP: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"s\" }\n";

    fn path(text: &str) -> Option<String> {
        let reading = watcher::check(&std::path::Path::new("/etc/watcher.toml").into(), text);
        reading.state_path.map(|path| path.display().to_string())
    }

    /// Promise: whatever else is wrong with a file, the state file that it names is known, and so is the default
    /// where it names none.
    #[test]
    fn mistakes_elsewhere_leave_the_path_known() {
        for (state, expected) in [
            ("", "/etc/state.db"),
            ("[state]\nkeep = \"1d\"", "/etc/state.db"),
            ("[state]\npath = \"/var/s.db\"", "/var/s.db"),
            ("state = { path = \"s.db\", keep = 7 }", "/etc/s.db"),
            ("state.path = \"s.db\"", "/etc/s.db"),
        ] {
            let good = format!("watchlist = [\"l\"]\n{state}\n{APP}");
            assert_eq!(path(&good).as_deref(), Some(expected), "{good}");
            for (right, wrong) in [
                ("base_url = \"https", "base_url = \"ftp"),
                ("app_id", "ap_id"),
                ("watchlist = [\"l\"]\n", ""),
                ("[apps.a]", "[poll]\njitter = 7\n[apps.a]"),
            ] {
                let bad = good.replace(right, wrong);
                assert_eq!(path(&bad).as_deref(), Some(expected), "{bad}");
            }
            // What is found of a file that can't be parsed counts; what may have been lost does not.
            for (right, wrong) in [
                ("\"cli_a\"", "\"cli_a"),
                ("{ file", "{ file file"),
                ("[apps.a]", "[apps.a"),
                ("\"s\" }", "\"s\""),
            ] {
                let bad = good.replace(right, wrong);
                let named = (state.is_empty() || state.contains("path")).then_some(expected);
                assert_eq!(path(&bad).as_deref(), named, "{bad}");
            }
        }
        assert_eq!(path(&format!("watchlist = \n# [state]\n{APP}")).as_deref(), Some("/etc/state.db"));
    }

    /// Promise: where the file may mean another state file than the default one, no path is named.
    #[test]
    fn a_path_is_never_guessed() {
        for state in [
            "[sate]\npath = \"/var/s.db\"",
            "[State]\npath = \"/var/s.db\"",
            "[state]\npth = \"/var/s.db\"",
            "[state]\npath = 7",
            "[state]\npath = \"\"",
            "[state]\npath = \".\"",
            "[state]\npath = \"state.db/\"",
            "[state\npath = \"/var/s.db\"",
            "[state]\npath \"/var/s.db\"",
            "[state]\npath = \"/var/s.db",
            "[state]\npath = ",
            "[log]\npath = \"/var/s.db\"",
            "state = \"/var/s.db\"",
            "x = '''\n[state]\npath = \"/var/s.db\"",
        ] {
            let bad = format!("watchlist = [\"l\"]\n{state}\n{APP}");
            assert_eq!(path(&bad), None, "{bad}");
        }
    }

    proptest! {
        /// Promise: a slip of the hand anywhere but in the path itself never leads to another state file.
        #[test]
        fn a_slip_never_leads_elsewhere(at in 0_usize..1000, cut in 0_usize..40, typed in "[a-z\"'=\\[\\]{}\n#]{0,3}") {
            let mut text = format!("watchlist = [\"l\"]\n[state]\npath = \"/var/s.db\"\nkeep = \"1d\"\n{APP}");
            let (start, end) = (at % text.len(), (at % text.len() + cut).min(text.len()));
            let named = text.find("path = \"/var/s.db\"").map(|start| start..start + 18).unwrap();
            prop_assume!(end < named.start || start > named.end);
            text.replace_range(start..end, &typed);
            let path = path(&text);
            prop_assert!(path.as_deref().is_none_or(|path| path == "/var/s.db"), "{path:?}\n{text}");
        }
    }
}
