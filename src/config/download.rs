//! `[download]`: where and how the files of finished exports are saved. Only a file that has the section has them saved.

use std::path::Path;
use std::time::Duration;

use strum::VariantArray as _;

use super::document;
use super::durations::Bounds;
use super::report::FileReport;
use super::section::{Field, Origin, Section};
use super::settings::DownloadConfig;
use crate::domain::{NameField, NameTemplate, NameTemplateError, near_miss};

pub(super) const DOWNLOAD_KEYS: &[&str] = &["folder", "name", "max_in_flight", "idle_timeout", "mode"];

/// What holds for keys that the section leaves out. The shipped file has these lines as comments, since there the
/// section itself is left out.
const DEFAULTS: &str = r#"folder = "exports"
name = "{file_name}.{file_extension}"
max_in_flight = 4
idle_timeout = "30s"
mode = "0640"
"#;

const IDLE_TIMEOUT: Bounds =
    Bounds { least: Duration::from_secs(1), most: Duration::from_secs(600), words: "from 1s to 10m" };

/// The permissions that a saved file has at least: its owner may read and write it.
const MODE_LEAST: u32 = 0o600;

/// Reads the section, if the file has it. The outer option is none where it has an error.
pub(super) fn read(root: &Section<'_>, folder: &Path) -> Option<Option<DownloadConfig>> {
    if root.field("download").is_none() {
        return Some(None);
    }
    let report = FileReport::new(&Path::new("built-in defaults").into(), DEFAULTS);
    let document = document::parse(&report, 0, DEFAULTS);
    let origin = Origin { report: &report, offset: 0, discreet: false };
    let defaults = Section::root(origin, document.as_ref(), DOWNLOAD_KEYS);
    read_section(&root.subsection("download", DOWNLOAD_KEYS, Some(&defaults)), folder).map(Some)
}

fn read_section(section: &Section<'_>, folder: &Path) -> Option<DownloadConfig> {
    let folder = section.required("folder", "a path").and_then(|field| field.folder(folder));
    let name = section.required("name", "a template").and_then(|field| read_name(&field));
    let max_in_flight = section.count("max_in_flight", 64);
    let idle_timeout = section.duration("idle_timeout", IDLE_TIMEOUT);
    let mode = section.required("mode", MODE).and_then(|field| read_mode(&field));
    Some(DownloadConfig {
        folder: folder?,
        name: name?,
        max_in_flight: max_in_flight?.try_into().ok()?,
        idle_timeout: idle_timeout?,
        mode: mode?,
    })
}

fn read_name(field: &Field<'_>) -> Option<NameTemplate> {
    let text = field.text("a template such as \"{file_name}.{file_extension}\"")?;
    text.parse().map_err(|error| field.error::<()>(|| describe(&error))).ok()
}

fn describe(error: &NameTemplateError) -> String {
    let NameTemplateError::UnknownField { name } = error else { return format!("`name`: {error}") };
    match near_miss(name, NameField::VARIANTS.iter().map(Into::into)) {
        Some(close) => format!("`name`: unknown field; did you mean {{{close}}}?"),
        None => format!("`name`: {error}"),
    }
}

const MODE: &str = "three octal digits in quotes, with or without a 0 in front, from \"0600\" to \"0777\", such as \"0640\"; \
     the owner must be allowed to read and write";

fn read_mode(field: &Field<'_>) -> Option<u32> {
    let text = field.text(MODE)?;
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    let digits =
        digits.filter(|digits| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    mode.filter(|mode| mode & MODE_LEAST == MODE_LEAST).or_else(|| field.unfit(MODE))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::watcher;
    use super::*;

    const REST: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"s\" }\n";

    fn check(section: &str) -> Result<Option<DownloadConfig>, Vec<String>> {
        let text = format!("watchlist = [\"l\"]\n{section}\n{REST}");
        let reading = watcher::check(&Path::new("/etc/few/watcher.toml").into(), &text);
        let problems = reading.problems.iter().map(ToString::to_string).collect();
        reading.config.map(|config| config.download).ok_or(problems)
    }

    fn accepted(line: &str) -> DownloadConfig {
        check(&format!("[download]\n{line}")).unwrap().unwrap()
    }

    /// Promise: what the shipped file says in its comments holds where a key is left out, and is what is accepted.
    #[test]
    fn the_shipped_comments_hold() {
        let start = watcher::DEFAULTS.find("# [download]\n").unwrap();
        let section = watcher::DEFAULTS[start..].split("\n\n").next().unwrap();
        for line in DEFAULTS.lines() {
            assert!(section.lines().any(|shipped| shipped == format!("# {line}")), "{line}");
        }
        for words in [IDLE_TIMEOUT.words, "from 1 to 64", "from 0600 to 0777"] {
            let (least, most) = words.trim_start_matches("from ").split_once(" to ").unwrap();
            assert!(section.contains(&format!(". {least} to {most}.")), "{words}");
        }
    }

    /// Promise: nothing is downloaded but where a file asks for it; keys may be left out one by one.
    #[test]
    fn absent_keys_have_defaults() {
        assert_eq!(check(""), Ok(None));
        let usual = accepted("");
        assert_eq!(usual.folder, Path::new("/etc/few/exports"));
        assert_eq!(usual.name, "{file_name}.{file_extension}".parse().unwrap());
        assert_eq!(
            (usual.max_in_flight.get(), usual.idle_timeout, usual.mode),
            (4, Duration::from_secs(30), 0o640)
        );
        let other = accepted("max_in_flight = 64\nmode = \"600\"");
        assert_eq!((other.max_in_flight.get(), other.mode), (64, 0o600));
        assert_eq!(DownloadConfig { max_in_flight: usual.max_in_flight, mode: usual.mode, ..other }, usual);
    }

    /// Promise: a folder may be written as people write one.
    #[test]
    fn folders_are_taken() {
        for (text, expected) in [
            ("out/", "/etc/few/out"),
            ("/srv/out//", "/srv/out"),
            ("./out/.", "/etc/few/out"),
            (".", "/etc/few"),
        ] {
            let folder = accepted(&format!("folder = \"{text}\"")).folder;
            assert_eq!(folder.as_os_str(), PathBuf::from(expected).as_os_str(), "{text}");
        }
    }

    /// Promise: what does not fit is refused where it stands, with what would.
    #[test]
    fn each_slip_is_named() {
        for (line, column, expected) in [
            ("foldre = \"x\"", 1, "did you mean `folder`?"),
            ("folder = \"\"", 10, "expected a path, not empty"),
            ("folder = \"~/exports\"", 10, "a path without `~`"),
            ("name = \"{title}\"", 8, "`name`: unknown field; expected {file_name}, "),
            ("name = \"{file_nam}\"", 8, "`name`: unknown field; did you mean {file_name}?"),
            ("name = \"../{file_name}\"", 8, "`name`: must be a relative path"),
            ("name = \"report.pdf\"", 8, "`name`: names no field"),
            ("name = 1", 8, "found a whole number"),
            ("max_in_flight = 0", 17, "expected a whole number from 1 to 64"),
            ("max_in_flight = 65", 17, "expected a whole number from 1 to 64"),
            ("idle_timeout = \"999ms\"", 16, "expected a duration from 1s to 10m"),
            ("idle_timeout = \"601s\"", 16, "expected a duration from 1s to 10m"),
            ("mode = 640", 8, "expected three octal digits in quotes"),
            ("mode = 0o640", 8, "found a whole number"),
            ("mode = \"0440\"", 8, "the owner must be allowed to read and write"),
            ("mode = \"0680\"", 8, "expected three octal digits"),
            ("mode = \"2640\"", 8, "expected three octal digits"),
            ("mode = \"+640\"", 8, "expected three octal digits"),
            ("mode = \"00640\"", 8, "expected three octal digits"),
            ("mode = \"rw-r-----\"", 8, "expected three octal digits"),
        ] {
            let refused = check(&format!("[download]\n{line}")).unwrap_err();
            let [only] = refused.as_slice() else { panic!("{line}: {refused:?}") };
            let start = format!("/etc/few/watcher.toml:3:{column}: error: ");
            assert!(only.starts_with(&start) && only.contains(expected), "{line}: {only}");
        }
        assert!(check("download = true").unwrap_err()[0].contains("expected a table, found true or false"));
    }
}
