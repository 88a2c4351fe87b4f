//! Watch lists: every file read, its entries checked, all of them put together.
//!
//! A file is taken as a whole or not at all. Where one that `watcher.toml` names in full is bad, the whole
//! watch list is refused; where only a pattern matched it, that file is left out, said so, and the rest goes
//! on. So nobody can stop the service by dropping a file into a folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::document;
use super::entry::{ENTRY_KEYS, Surroundings};
use super::problem::{Problem, shown, shown_path};
use super::report::FileReport;
use super::section::{Origin, Section};
use super::settings::WatchSource;
use super::sources::{self, ListFile};
use super::text_file::{self, Refusal};
use super::watcher::describe_refusal;
use crate::domain::{AppName, TicketKey, WallTime, WatchEntry, WatchList};

const KEYS: &[&str] = &["ticket"];

/// Bytes of a watch list at most: some 400,000 tickets.
const SIZE_MAX: u64 = 64 << 20;
/// A parsed text takes some twenty times its size, so a long list is parsed in pieces of this many bytes.
const PIECE: usize = 256 << 10;
/// A piece that has no place to be cut is refused beyond this.
const PIECE_MAX: usize = 1 << 20;

/// The watch lists as far as they could be taken.
#[derive(Debug, Default)]
pub(super) struct ListReading {
    pub(super) list: WatchList,
    pub(super) problems: Vec<Problem>,
    /// Whether an error stands in the way of taking the list at all.
    pub(super) is_fatal: bool,
}

/// Reads all watch lists. `apps` is none where the names are not known.
pub(super) fn read(
    config_path: &Arc<Path>,
    sources: &[WatchSource],
    apps: Option<&[AppName]>,
    now: WallTime,
) -> ListReading {
    let (files, problems) = sources::expand(config_path, sources);
    let reading = ListReading { is_fatal: !problems.is_empty(), problems, ..ListReading::default() };
    let mut merger = Merger { reading, seen: HashMap::new() };
    for file in &files {
        match text_file::read(&file.path, SIZE_MAX) {
            Ok(text) => {
                let surroundings = Surroundings { apps, source: Arc::clone(&file.path), now };
                merger.add_text(file, &text, &surroundings);
            }
            Err(refusal) => merger.refuse(file, refused_file(config_path, file, refusal)),
        }
    }
    merger.reading
}

/// Checks one text as the only watch list.
#[cfg(test)]
pub(super) fn check(path: &Arc<Path>, text: &str, apps: Option<&[AppName]>, now: WallTime) -> ListReading {
    let mut merger = Merger { reading: ListReading::default(), seen: HashMap::new() };
    let file = ListFile { path: Arc::clone(path), named_by: None };
    merger.add_text(&file, text, &Surroundings { apps, source: Arc::clone(path), now });
    merger.reading
}

/// A file named in full that can't be read is reported where it is named: there is the mistake.
fn refused_file(config_path: &Arc<Path>, file: &ListFile, refusal: Refusal) -> Problem {
    match (&file.named_by, refusal) {
        (Some(source), Refusal::Unreadable(message)) => {
            let message = format!("watch list {}: {message}", shown_path(&file.path));
            Problem::error(config_path, Some(source.position), message)
        }
        (_, refusal) => describe_refusal(&file.path, refusal),
    }
}

/// Puts files together. A key stands in `seen` with the index of its entry in the list.
struct Merger {
    reading: ListReading,
    seen: HashMap<TicketKey, usize>,
}

impl Merger {
    fn add_text(&mut self, file: &ListFile, text: &str, surroundings: &Surroundings<'_>) {
        let report = FileReport::new(&file.path, text);
        let first = self.reading.list.entries.len();
        // Where in the text each entry of this file begins.
        let mut offsets = Vec::new();
        read_entries(&report, text, surroundings, |entry, offset| {
            if self.is_new(&entry, offset, &report, first, &offsets) {
                self.seen.insert(entry.key.clone(), self.reading.list.entries.len());
                self.reading.list.entries.push(entry);
                offsets.push(offset);
            }
        });
        let is_bad = report.has_errors();
        self.reading.problems.extend(report.into_problems());
        if is_bad {
            for entry in self.reading.list.entries.drain(first..) {
                self.seen.remove(&entry.key);
            }
            self.reject(file);
        }
    }

    fn refuse(&mut self, file: &ListFile, problem: Problem) {
        self.reading.problems.push(problem);
        self.reject(file);
    }

    fn reject(&mut self, file: &ListFile) {
        match file.named_by {
            Some(_) => self.reading.is_fatal = true,
            None => self.reading.list.rejected.push(file.path.to_path_buf()),
        }
    }

    /// Whether no earlier entry has this key; if one has, that is reported.
    fn is_new(
        &self,
        entry: &WatchEntry,
        offset: usize,
        report: &FileReport<'_>,
        first_of_file: usize,
        offsets: &[usize],
    ) -> bool {
        let Some(&index) = self.seen.get(&entry.key) else {
            return true;
        };
        let earlier = &self.reading.list.entries[index];
        let place = || match index.checked_sub(first_of_file) {
            Some(index) => format!("line {}", report.position(offsets[index]).line),
            None => shown_path(&earlier.source),
        };
        let ticket = shown(entry.key.ticket.as_str());
        if earlier.token == entry.token {
            report.warning(offset, || {
                format!("ticket {ticket} stands already in {}; it is taken once", place())
            });
        } else {
            report.error(offset, || {
                format!(
                    "ticket {ticket} stands already in {} with another token; a ticket exports one document, \
                    so remove the wrong entry",
                    place()
                )
            });
        }
        false
    }
}

/// Hands every good entry to `take`, together with the byte at which it begins.
fn read_entries(
    report: &FileReport<'_>,
    text: &str,
    surroundings: &Surroundings<'_>,
    mut take: impl FnMut(WatchEntry, usize),
) {
    for (offset, piece) in (Pieces { text, offset: 0 }) {
        if report.is_full() {
            return;
        }
        if piece.len() > PIECE_MAX {
            report.error(offset, || {
                "more than 1 MiB without a line that begins with `[[ticket]]`; no watch list".to_owned()
            });
            continue;
        }
        let document = document::parse(report, offset, piece);
        let root = Section::root(Origin { report, offset }, document.as_ref(), KEYS);
        root.finish();
        for section in list_entries(&root) {
            if let Some(entry) = surroundings.read(&section) {
                take(entry, section.offset());
            }
        }
    }
}

fn list_entries<'d>(root: &Section<'d>) -> Vec<Section<'d>> {
    let expected = "a list of entries, each below a line [[ticket]] of its own";
    let Some(elements) = root.field("ticket").and_then(|field| field.array(expected)) else {
        return Vec::new();
    };
    let read = |element: super::section::Field<'d>| match element.value() {
        DeValue::Table(table) => Some(element.section(table, ENTRY_KEYS)),
        _ => element.unexpected(expected),
    };
    elements.into_iter().filter_map(read).collect()
}

/// Cuts a text before lines that begin with `[[`. Within a value such a line can stand only in a text
/// over several lines, which no key here takes.
struct Pieces<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.text.get(offset..).filter(|rest| !rest.is_empty())?;
        let end = find_cut(rest).unwrap_or(rest.len());
        self.offset += end;
        Some((offset, &rest[..end]))
    }
}

/// The start of the first line past a piece's length that begins with `[[`.
fn find_cut(rest: &str) -> Option<usize> {
    let from = rest.floor_char_boundary(PIECE);
    let ends = rest[from..].match_indices('\n').map(|(at, _)| from + at + 1);
    ends.into_iter().find(|start| rest[*start..].trim_start_matches([' ', '\t']).starts_with("[["))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn pieces_begin_at_headers_and_lose_nothing() {
        let text: String =
            (0..20_000).map(|number| format!("[[ticket]]\r\nticket = '{number}' # ä\r\n")).collect();
        let pieces: Vec<_> = Pieces { text: &text, offset: 0 }.collect();
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|(_, piece)| piece.starts_with("[[ticket]]")));
        assert_eq!(pieces.iter().map(|(_, piece)| *piece).collect::<String>(), text);
    }

    #[test]
    fn what_cannot_be_cut_is_refused_before_it_is_parsed() {
        let text = "=\n".repeat(PIECE_MAX);
        let reading = check(&Path::new("list.toml").into(), &text, None, WallTime::from_millis(1));
        assert_eq!(reading.problems.len(), 1);
        assert!(reading.problems[0].message.contains("no watch list"), "{}", reading.problems[0]);
        assert_eq!(reading.list.rejected.len(), 1);
    }
}
