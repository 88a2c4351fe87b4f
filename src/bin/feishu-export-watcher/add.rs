//! `add`: takes the links from arguments and stdin, has them added to a watch list, and names the next command.

use std::error::Error;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{Link, WallTime, escape, with_causes};
use feishu_export_watcher::{AddError, AddReport, AddRequest, CommandError};
use thiserror::Error;
use url::Url;

use crate::args::AddArguments;
use crate::config_file::{command, is_found, quoted};
use crate::input::is_terminal;
use crate::messages::{after_printing, eprint_escaped, eprint_folded, refuse};
use crate::{config_file, exit};

/// Bytes of standard input at most, as of all watch lists.
const INPUT_MAX: usize = 64 << 20;

/// Links that are named one by one as listed already; the rest is counted.
const SHOWN: usize = 20;

/// Stands for standard input.
const STDIN: &str = "-";

/// A link as it was given.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    text: String,
    place: Place,
}

/// Where a link stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Argument(usize),
    Line(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(number) => write!(f, "link {number}"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

/// Why there are no links.
#[derive(Debug, Error)]
enum NoLinks {
    #[error("name the links of documents, or pipe them in, one a line")]
    Unnamed,
    #[error("there is no link on standard input; one a line is expected")]
    Empty,
    #[error("standard input has more than {} MiB", INPUT_MAX >> 20)]
    TooLarge,
    #[error("line {0} of standard input is not UTF-8")]
    Encoding(usize),
    #[error("standard input can't be read")]
    Failed(#[from] io::Error),
}

impl NoLinks {
    const fn code(&self) -> u8 {
        if matches!(self, Self::Failed(_)) { exit::UNEXPECTED } else { exit::USAGE }
    }
}

/// Adds documents; returns the exit code.
pub(crate) fn add(arguments: AddArguments) -> u8 {
    let AddArguments { config, links, format, label, app, sub_id, to } = arguments;
    let mut given = match gather(links) {
        Ok(given) => given,
        Err(error) => return fail(&error, error.code()),
    };
    let Some(config) = config_file::find(config) else { return exit::CONFIG };
    let links = given.iter_mut().map(|given| std::mem::take(&mut given.text)).collect();
    let request = AddRequest { links, format, sub_id, app, label };
    // A folder that is gone has no path.
    let to = to.map(|to| std::path::absolute(&to).unwrap_or(to));
    let name = |number: usize| match (given.get(number), request.links.get(number)) {
        (Some(Given { place, .. }), Some(link)) => format!("{place}{}", shown(link)),
        _ => String::new(),
    };
    match feishu_export_watcher::add(&config, to.as_deref(), &request, WallTime::now()) {
        Ok(report) => conclude(&config, &report, &request.links, name),
        Err(AddError::Links(wrong)) => {
            print_wrong(&wrong, request.links.len(), name);
            exit::CONFIG
        }
        Err(AddError::Command(error @ CommandError::Config(_))) => {
            let option = (!is_found(&config)).then_some(config.as_path());
            let check = command("check", option);
            refuse(&error, &format!("nothing was added; next, correct this and check again:\n  {check}"))
        }
        Err(error) => fail(&error, error.class() as u8),
    }
}

fn fail(error: &dyn Error, code: u8) -> u8 {
    eprint_folded(&format!("error: {}", with_causes(error)));
    code
}

/// All links, in the order in which they are given.
fn gather(arguments: Vec<String>) -> Result<Vec<Given>, NoLinks> {
    if arguments.is_empty() {
        return if is_terminal() { Err(NoLinks::Unnamed) } else { from_stdin() };
    }
    let mut given = Vec::new();
    for (number, text) in arguments.into_iter().enumerate() {
        match text.as_str() {
            STDIN => given.extend(from_stdin()?),
            _ => given.push(Given { text, place: Place::Argument(number + 1) }),
        }
    }
    Ok(given)
}

fn from_stdin() -> Result<Vec<Given>, NoLinks> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(INPUT_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > INPUT_MAX {
        return Err(NoLinks::TooLarge);
    }
    from_lines(&bytes)
}

/// One link a line. Empty lines and those that begin with `#` are skipped.
fn from_lines(bytes: &[u8]) -> Result<Vec<Given>, NoLinks> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut given = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = std::str::from_utf8(line).map_err(|_| NoLinks::Encoding(number + 1))?.trim();
        if !text.is_empty() && !text.starts_with('#') {
            given.push(Given { text: text.to_owned(), place: Place::Line(number + 1) });
        }
    }
    if given.is_empty() { Err(NoLinks::Empty) } else { Ok(given) }
}

/// A link as a message may repeat it, with a blank in front: the shortest form of one that names a document. Of another
/// one only the beginning, since it may hold a password or the secret of a webhook.
fn shown(link: &str) -> String {
    if let Ok(link) = Link::parse(link) {
        return format!(" {link}");
    }
    let Ok(url) = Url::parse(link.trim()) else { return String::new() };
    let Some(host) = url.host_str() else { return String::new() };
    // The last segment is what names something.
    let path: Vec<_> = url.path_segments().into_iter().flatten().collect();
    let first = path.first().filter(|_| path.len() > 1).map(|first| format!("{}/", escape(first)));
    let first = first.filter(|first| first.len() <= SHOWN).unwrap_or_default();
    format!(" {}://{}/{first}…", url.scheme(), escape(host))
}

/// Every link that can't be listed, with its reason.
fn print_wrong(wrong: &[(usize, String)], links: usize, name: impl Fn(usize) -> String) {
    let (wrong_links, links) = (grouped(wrong.len()), grouped(links));
    eprint_folded(&format!("error: nothing was added, since {wrong_links} of {links} links can't be:"));
    for (number, reason) in wrong.iter().take(SHOWN) {
        eprint_folded(&format!("{}: {reason}", escape(&name(*number))));
    }
    if wrong.len() > SHOWN {
        eprint_escaped(&format!("… and {} more", grouped(wrong.len() - SHOWN)));
    }
}

/// What was done, and what to do next.
fn conclude(config: &Path, report: &AddReport, links: &[String], name: impl Fn(usize) -> String) -> u8 {
    let listed =
        report.listed.iter().map(|(number, file)| (*number, format!("listed already in {}", near(file))));
    let repeated = report.repeated.iter().map(|number| (*number, "given twice".to_owned()));
    for (number, note) in listed.chain(repeated).take(SHOWN) {
        eprint_folded(&format!("{}: {note}", name(number)));
    }
    let left_out = report.listed.len() + report.repeated.len();
    if left_out > SHOWN {
        eprint_escaped(&format!("… and {} more", grouped(left_out - SHOWN)));
    }
    if !report.listed.is_empty() {
        let again = retry_command(config, report, links);
        eprint_folded(&format!("to export again what is listed already:\n  {again}"));
    }
    let plural = if report.added == 1 { "" } else { "s" };
    let done = format!("added {} document{plural} to {}", grouped(report.added), near(&report.list));
    let code = after_printing(writeln!(io::stdout(), "{}", escape(&done)), exit::FINE);
    if report.added > 0 {
        print_next(config, report);
    }
    code
}

/// The command that exports again what is listed already.
fn retry_command(config: &Path, report: &AddReport, links: &[String]) -> String {
    let retry = command("retry", (!is_found(config)).then_some(config));
    if report.listed.len() > SHOWN {
        return format!("{retry} LINK…");
    }
    let listed = report.listed.iter().filter_map(|(number, _)| Link::parse(links.get(*number)?).ok());
    listed.fold(retry, |command, link| format!("{command} {}", quoted(&link.to_string())))
}

fn print_next(config: &Path, report: &AddReport) {
    let option = (!is_found(config)).then_some(config);
    let next = match &report.watcher {
        Some(watcher) => {
            let see = command("status", option);
            format!(
                "the watcher ({watcher}) takes them up by itself within seconds; to follow them:\n  {see}"
            )
        }
        None => {
            let done = if report.saves { "saved" } else { "exported" };
            format!("next, have them {done}:\n  {}", command("run --until-done", option))
        }
    };
    eprint_folded(&next);
}

/// A path as short as this folder allows.
fn near(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let below = path.strip_prefix(&here).ok().filter(|_| here != PathBuf::new());
    below.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: any text of lines is read, and a message names the line.
    #[test]
    fn links_are_read_by_lines() {
        let read = |bytes: &[u8]| from_lines(bytes).map_err(|error| error.to_string());
        let line = |text: &str, line| Given { text: text.to_owned(), place: Place::Line(line) };
        assert_eq!(
            read(b"\xef\xbb\xbf# links\r\n\r\n a\tb \n#x\nc"),
            Ok(vec![line("a\tb", 3), line("c", 5)])
        );
        assert_eq!(read(b"a\n\xff\n"), Err("line 2 of standard input is not UTF-8".to_owned()));
        for empty in ["", "\n", "#\n  \n"] {
            let none = "there is no link on standard input; one a line is expected".to_owned();
            assert_eq!(read(empty.as_bytes()), Err(none));
        }
    }

    /// Promise: a link that names no document is shown without what may be a secret.
    #[test]
    fn no_secret_of_a_link_is_shown() {
        for (link, expected) in [
            ("https://acme.feishu.cn/docx/doxcnA?from=copy", " https://acme.feishu.cn/docx/doxcnA"),
            ("https://user:secret@acme.feishu.cn/docx/doxcnA", " https://acme.feishu.cn/docx/…"),
            ("https://acme.feishu.cn/base/automation/webhook/secret", " https://acme.feishu.cn/base/…"),
            ("https://acme.feishu.cn?secret", " https://acme.feishu.cn/…"),
            ("doxcnA", ""),
            ("secret:doxcnA", ""),
        ] {
            assert_eq!(shown(link), expected);
        }
    }
}
