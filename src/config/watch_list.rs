//! Watch lists: every file read, its entries checked, all of them put together.
//!
//! A file is taken as a whole or not at all: a bad one is left out and said so, and the rest goes on. Only for
//! who starts does it matter whether `watcher.toml` names the file in full, which must then be in order, or a
//! pattern matched it, so that nobody can stop the service by dropping a file into a folder.
//!
//! Files are read in pieces, and what is kept of them is their entries, which take less room than their text.

use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashTable;
use toml::de::DeValue;

use super::document;
use super::entry::{ENTRY_KEYS, EntryReader};
use super::pieces::{PIECE, Piece, Pieces};
use super::problem::{Problem, shown, shown_path};
use super::report::{FileReport, Found};
use super::section::{Field, Origin, Section};
use super::settings::WatchSource;
use super::sources::{self, Absences, Expanded, ListFile};
use super::text_file::{self, Refusal};
use crate::domain::{AppName, WallTime, WatchEntry, WatchList, large_vec};

const KEYS: &[&str] = &["ticket"];

/// Bytes of all watch lists together at most.
const SIZE_MAX: u64 = 64 << 20;

/// Tickets of all watch lists together at most. So many are written to the state file within the time that a stop has.
const TICKETS_MAX: usize = 400_000;

/// Problems of all watch lists together that are told at most; the rest is counted. Ten thousand bad files would fill a disk
/// with what is wrong with them.
const TOLD_MAX: usize = 1000;

/// Entries that are handed out together.
const PART: usize = 1000;

/// Watch lists as far as they could be taken: checked, and ready to hand out their entries.
#[derive(Debug, Default)]
pub struct Lists {
    /// The entries, each ticket once, in the order of the files.
    entries: Vec<WatchEntry>,
    /// Files that could not be taken.
    pub(super) rejected: Vec<PathBuf>,
    /// Patterns that could not be laid out.
    pub(super) lost: Vec<String>,
    /// Everything that is wrong, and what deserves a look.
    pub(super) problems: Vec<Problem>,
    /// Whether who starts has to refuse: a file named in full is bad.
    pub(super) is_fatal: bool,
}

impl Lists {
    /// Hands out the entries, each ticket once, in the order of the files; a thousand at a time, until `take` says
    /// that it wants no more.
    pub fn give(self, mut take: impl FnMut(Vec<WatchEntry>) -> bool) {
        let mut entries = self.entries.into_iter();
        loop {
            let part: Vec<_> = entries.by_ref().take(PART).collect();
            if part.is_empty() || !take(part) {
                return;
            }
        }
    }

    /// All entries at once.
    #[must_use]
    pub fn into_list(self) -> WatchList {
        WatchList { entries: self.entries, rejected: self.rejected }
    }
}

/// What a reading goes by.
pub(super) struct Terms<'a> {
    /// Who names the sources.
    pub(super) config_path: &'a Arc<Path>,
    pub(super) sources: &'a [WatchSource],
    /// What is made of patterns that match nothing.
    pub(super) absences: &'a Absences,
    /// The apps that a ticket may name; none where they are not known.
    pub(super) apps: Option<&'a [AppName]>,
    /// The state file and what belongs to it, by canonical path. They are no watch lists and never opened: a process that
    /// closes a file loses its POSIX locks on it, and by those SQLite guards the state file.
    pub(super) state_files: Vec<PathBuf>,
    pub(super) now: WallTime,
}

/// Reads and checks all watch lists.
pub(super) fn read(terms: &Terms<'_>) -> Lists {
    let Expanded { files, problems, lost } =
        sources::expand(terms.config_path, terms.sources, terms.absences);
    let mut reading = ListReader::new(terms.apps, terms.now);
    reading.lists.entries = large_vec();
    reading.lists.problems = problems;
    reading.lists.lost = lost;
    for file in &files {
        let content = if terms.state_files.contains(&file.canonical) {
            Err(Refusal::new("is the state file, or belongs to it; give each a file of its own"))
        } else {
            text_file::open(&file.path).and_then(|opened| reading.read(file, opened))
        };
        match content {
            Ok(content) => reading.add(file, content),
            Err(refusal) => reading.refuse(file, refusal, terms.config_path),
        }
    }
    reading.into_lists(terms.config_path)
}

/// Checks one text as the only watch list.
#[cfg(test)]
pub(super) fn check(path: &Arc<Path>, text: &str, apps: Option<&[AppName]>, now: WallTime) -> Lists {
    check_in_pieces(path, text.as_bytes(), apps, now, PIECE)
}

/// The same with a file of any bytes, parsed in pieces of that length.
#[cfg(test)]
pub(super) fn check_in_pieces(
    path: &Arc<Path>,
    bytes: &[u8],
    apps: Option<&[AppName]>,
    now: WallTime,
    piece: usize,
) -> Lists {
    let mut reading = ListReader { piece, ..ListReader::new(apps, now) };
    let file = ListFile { path: Arc::clone(path), canonical: path.to_path_buf(), named_by: None };
    match reading.read(&file, bytes) {
        Ok(content) => reading.add(&file, content),
        Err(refusal) => reading.refuse(&file, refusal, path),
    }
    reading.lists
}

/// A file named in full that can't be read is reported where it is named: there is the mistake.
fn refused_file(config_path: &Arc<Path>, file: &ListFile, refusal: Refusal) -> Problem {
    match (&file.named_by, refusal) {
        (Some(source), Refusal { position: None, message }) => {
            let message = format!("watch list {}: {message}", shown_path(&file.path));
            Problem::error(config_path, Some(source.position), message)
        }
        (_, refusal) => refusal.into_problem(&file.path),
    }
}

/// The lists as they are being read.
struct ListReader<'t> {
    apps: Option<&'t [AppName]>,
    now: WallTime,
    places: Places,
    /// Bytes of the pieces in which a file is parsed.
    piece: usize,
    /// Bytes of the files that were taken.
    size: u64,
    /// Problems that nobody is told.
    untold: usize,
    lists: Lists,
}

/// What one file says.
struct Content {
    /// The number of its first entry.
    first: usize,
    found: Found,
    /// No other piece may follow: its list is an array in brackets of its own, which can't go on below a header. Only its
    /// own piece shows that.
    is_closed: bool,
    /// Bytes that were read.
    size: u64,
}

impl<'t> ListReader<'t> {
    fn new(apps: Option<&'t [AppName]>, now: WallTime) -> Self {
        let lists = Lists::default();
        Self { apps, now, places: Places::default(), piece: PIECE, size: 0, untold: 0, lists }
    }

    /// Reads a whole file, and checks its entries until there are more mistakes than anybody wants to hear of.
    fn read(&mut self, file: &ListFile, source: impl Read) -> Result<Content, Refusal> {
        let left = SIZE_MAX - self.size;
        let mut pieces = Pieces::of(source.take(left + 1), self.piece);
        let mut content =
            Content { first: self.lists.entries.len(), found: Found::default(), is_closed: false, size: 0 };
        let read = self.read_pieces(file, &mut pieces, &mut content);
        content.size = pieces.bytes_read();
        let is_too_large = content.size > left;
        if read.is_err() || is_too_large {
            self.places.forget_from(content.first, &mut self.lists.entries);
        }
        read?;
        if is_too_large { Err(too_large(left)) } else { Ok(content) }
    }

    fn read_pieces(
        &mut self,
        file: &ListFile,
        pieces: &mut Pieces<impl Read>,
        content: &mut Content,
    ) -> Result<(), Refusal> {
        let mut is_wanted = true;
        while let Some(piece) = pieces.next()? {
            if is_wanted {
                is_wanted = !content.is_closed;
                self.read_piece(file, &piece, content);
                is_wanted &= !piece.is_too_long() && !content.found.is_full();
            }
            if self.lists.entries.len() > TICKETS_MAX {
                let message = format!("all watch lists together list more than {TICKETS_MAX} tickets");
                return Err(Refusal::new(message));
            }
        }
        Ok(())
    }

    fn read_piece(&mut self, file: &ListFile, piece: &Piece, content: &mut Content) {
        let found = std::mem::take(&mut content.found);
        let report = FileReport::of_piece(&file.path, &piece.text, piece.lines_before, found);
        if content.is_closed {
            report.syntax_error(0, document::TWICE);
            content.found = report.into_found();
            return;
        }
        let reader = EntryReader { apps: self.apps, source: Arc::clone(&file.path), now: self.now };
        let mut lines = Lines { text: piece.text.as_bytes(), offset: 0, number: piece.lines_before + 1 };
        content.is_closed = read_entries(&report, piece, &reader, |entry, offset| {
            let entries = &mut self.lists.entries;
            if let Some((place, entry)) = self.places.add(entry, lines.number_at(offset), entries) {
                let earlier = Earlier {
                    entry: &entries[place],
                    line: (place >= content.first).then(|| self.places.lines[place]),
                };
                report_repetition(&report, offset, &entry, &earlier);
            }
        });
        content.found = report.into_found();
    }

    fn add(&mut self, file: &ListFile, content: Content) {
        if content.found.has_errors() {
            self.places.forget_from(content.first, &mut self.lists.entries);
            self.reject(file);
        } else {
            self.size += content.size;
        }
        self.tell(content.found.into_problems(&file.path));
    }

    fn refuse(&mut self, file: &ListFile, refusal: Refusal, config_path: &Arc<Path>) {
        self.tell(vec![refused_file(config_path, file, refusal)]);
        self.reject(file);
    }

    /// Tells the problems of one more file, as far as there is room.
    fn tell(&mut self, problems: Vec<Problem>) {
        let room = TOLD_MAX.saturating_sub(self.lists.problems.len());
        self.untold += problems.len().saturating_sub(room);
        self.lists.problems.extend(problems.into_iter().take(room));
    }

    /// The lists, with a word on problems that were not told.
    fn into_lists(mut self, config_path: &Arc<Path>) -> Lists {
        if self.untold > 0 {
            let message = format!("… and {} more problems of the watch lists", self.untold);
            self.lists.problems.push(Problem::error(config_path, None, message));
        }
        self.lists
    }

    fn reject(&mut self, file: &ListFile) {
        self.lists.is_fatal |= file.named_by.is_some();
        self.lists.rejected.push(file.path.to_path_buf());
    }
}

/// A file that does not fit into what is left of all lists' bytes.
fn too_large(left: u64) -> Refusal {
    if left == SIZE_MAX {
        return text_file::too_large(SIZE_MAX);
    }
    Refusal::new(format!("all watch lists together are larger than {} MiB", SIZE_MAX >> 20))
}

/// Counts the lines of a piece, forwards only.
struct Lines<'t> {
    text: &'t [u8],
    offset: usize,
    number: usize,
}

impl Lines<'_> {
    /// The line of that byte, from 1; the byte lies no earlier than the last one.
    fn number_at(&mut self, offset: usize) -> usize {
        let passed = self.text.get(self.offset..offset).unwrap_or_default();
        self.number += passed.iter().filter(|byte| **byte == b'\n').count();
        self.offset = self.offset.max(offset);
        self.number
    }
}

/// A ticket is listed twice: the same is a slip, with another token somebody is wrong.
fn report_repetition(report: &FileReport<'_>, offset: usize, entry: &WatchEntry, earlier: &Earlier<'_>) {
    let place = || match earlier.line {
        Some(line) => format!("line {line}"),
        None => shown_path(&earlier.entry.source),
    };
    let ticket = shown(entry.key.ticket.as_str());
    if earlier.entry.token == entry.token {
        report.warning(offset, || format!("ticket {ticket} stands already in {}; it is taken once", place()));
    } else {
        report.error(offset, || {
            format!(
                "ticket {ticket} stands already in {} with another token; a ticket exports one document, \
                so remove the wrong entry",
                place()
            )
        });
    }
}

/// Where a ticket stood before.
struct Earlier<'e> {
    entry: &'e WatchEntry,
    /// The line at which the entry begins, if that is in the same file.
    line: Option<u32>,
}

/// Which ticket is which entry, by the hash of its key.
#[derive(Default)]
struct Places {
    by_key: HashTable<u32>,
    hasher: RandomState,
    /// By entry: the line of its file at which it begins.
    lines: Vec<u32>,
}

impl Places {
    /// Adds an entry to the others; or hands it back with the place at which its ticket stands already.
    fn add(
        &mut self,
        entry: WatchEntry,
        line: usize,
        entries: &mut Vec<WatchEntry>,
    ) -> Option<(usize, WatchEntry)> {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let hash = self.hasher.hash_one(&entry.key);
        if let Some(place) = self.by_key.find(hash, |place| entries[*place as usize].key == entry.key) {
            return Some((*place as usize, entry));
        }
        let hash_of = |place: &u32| self.hasher.hash_one(&entries[*place as usize].key);
        self.by_key.insert_unique(hash, short(entries.len()), hash_of);
        self.lines.push(short(line));
        entries.push(entry);
        None
    }

    /// Takes back the entries from this one on.
    fn forget_from(&mut self, first: usize, entries: &mut Vec<WatchEntry>) {
        for (place, entry) in entries.iter().enumerate().skip(first) {
            let hash = self.hasher.hash_one(&entry.key);
            if let Ok(found) = self.by_key.find_entry(hash, |other| *other as usize == place) {
                found.remove();
            }
        }
        entries.truncate(first);
        self.lines.truncate(first);
    }
}

/// Hands every good entry of a piece to `take`, together with the byte at which it begins. Says whether its list is an
/// array in brackets of its own.
fn read_entries(
    report: &FileReport<'_>,
    piece: &Piece,
    reader: &EntryReader<'_>,
    mut take: impl FnMut(WatchEntry, usize),
) -> bool {
    if piece.is_too_long() {
        report.error(0, || {
            "more than 1 MiB without a line that begins with `[[ticket]]`; no watch list".to_owned()
        });
        return false;
    }
    let document = document::parse(report, 0, &piece.text);
    let root = Section::root(Origin { report, offset: 0 }, document.as_ref(), KEYS);
    root.finish();
    for section in list_entries(&root) {
        if let Some(entry) = reader.read(&section) {
            take(entry, section.offset());
        }
    }
    root.field("ticket").is_some_and(|field| !piece.text[field.start()..].starts_with("[["))
}

fn list_entries<'d>(root: &Section<'d>) -> Vec<Section<'d>> {
    let expected = "a list of entries, each below a line [[ticket]] of its own";
    let Some(elements) = root.field("ticket").and_then(|field| field.array(expected)) else {
        return Vec::new();
    };
    let read = |element: Field<'d>| match element.value() {
        DeValue::Table(table) => Some(element.section(table, ENTRY_KEYS)),
        _ => element.unexpected(expected),
    };
    elements.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests;
