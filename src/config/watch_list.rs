//! Watch lists: every file read, its entries checked, all of them put together.
//!
//! A file is taken as a whole or not at all: a bad one is left out and reported, and the rest goes on. Only at a start
//! does it matter whether `watcher.toml` names the file in full, which must then be good, or a pattern matched it, so
//! that a file dropped into a folder can't stop the service.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeValue;

use super::apps::NamedApp;
use super::document;
use super::document_entry::{DOCUMENT_KEYS, DOCUMENT_STRAYS};
use super::entry::{EntryReader, TICKET_KEYS, TICKET_STRAYS};
use super::problem::{Problem, shown, shown_path};
use super::report::FileReport;
use super::section::{Field, Origin, Section};
use super::settings::WatchSource;
use super::sources::{self, Absences, Expanded, ListFile};
use super::text_file::{self, Refusal};
use crate::domain::{EntryKey, WallTime, WatchEntry, WatchList};

const TICKET: &str = "ticket";
const DOCUMENT: &str = "document";
const KEYS: &[&str] = &[TICKET, DOCUMENT];

/// Bytes of all watch lists together at most.
pub(super) const SIZE_MAX: usize = 64 << 20;

/// Entries of all watch lists together at most. So many are written to the state file within the time that a stop has.
const ENTRIES_MAX: usize = 400_000;

/// Problems of all watch lists together that are reported at most; the rest is counted. Ten thousand bad files would
/// fill a disk with what is wrong with them.
const PROBLEMS_MAX: usize = 1000;

/// A parsed text takes some twenty times its size, so a list is parsed in parts of so many bytes.
const PART: usize = 64 << 10;
/// A part that has no place to be cut is refused beyond this.
const PART_MAX: usize = 1 << 20;

/// Entries that are handed out together.
const CHUNK: usize = 1000;

/// Watch lists as far as they could be taken: checked, and ready to hand out their entries.
#[derive(Debug, Default)]
pub struct Lists {
    /// The entries, each key once, in the order of the files.
    entries: Vec<WatchEntry>,
    /// Files that could not be taken.
    pub(super) rejected: Vec<PathBuf>,
    /// Patterns that could not be expanded.
    pub(super) rejected_patterns: Vec<String>,
    /// Everything that is wrong, and what deserves a look.
    pub(super) problems: Vec<Problem>,
    /// Whether a start has to be refused: a file named in full is bad.
    pub(super) is_fatal: bool,
}

impl Lists {
    /// The entries, each key once, in the order of the files; a thousand at a time.
    pub fn into_chunks(self) -> impl Iterator<Item = Vec<WatchEntry>> {
        let mut entries = self.entries.into_iter();
        std::iter::from_fn(move || {
            let chunk: Vec<_> = entries.by_ref().take(CHUNK).collect();
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// All entries at once.
    #[must_use]
    pub fn into_list(self) -> WatchList {
        WatchList { entries: self.entries, rejected: self.rejected }
    }
}

/// What is read, and against what it is checked.
pub(super) struct Terms<'a> {
    /// The file that names the sources.
    pub(super) config_path: &'a Arc<Path>,
    pub(super) sources: &'a [WatchSource],
    /// How patterns that match nothing are taken.
    pub(super) absences: &'a Absences,
    /// The apps that an entry may name; none where they are not known.
    pub(super) apps: Option<&'a [NamedApp]>,
    /// The state file and what belongs to it, by canonical path. They are no watch lists and never opened: a process that
    /// closes a file loses its POSIX locks on it, and by those SQLite guards the state file.
    pub(super) state_files: Vec<PathBuf>,
    pub(super) now: WallTime,
}

/// Reads and checks all watch lists.
pub(super) fn read(terms: &Terms<'_>) -> Lists {
    read_with(terms, |file| text_file::read(&file.path, SIZE_MAX as u64)).lists
}

/// The same with the text of each file from elsewhere, ready to take more entries.
pub(super) fn read_with<'t>(
    terms: &Terms<'t>,
    text_of: impl Fn(&ListFile) -> Result<String, Refusal>,
) -> ListReader<'t> {
    let Expanded { files, rejected } = sources::expand(terms.config_path, terms.sources, terms.absences);
    let (rejected_patterns, problems) = rejected.into_iter().unzip();
    let mut reader = ListReader::new(terms.apps, terms.now);
    // Only what is filled is memory, and glibc gives a block of this size back as soon as it is freed.
    let entries = Vec::with_capacity(ENTRIES_MAX);
    reader.lists = Lists { entries, problems, rejected_patterns, ..Lists::default() };
    let mut omitted = 0;
    for file in &files {
        let text = if terms.state_files.contains(&file.canonical) {
            Err(Refusal::new("is the state file, or belongs to it; give each a file of its own"))
        } else {
            text_of(file)
        };
        let problems = match text.and_then(|text| reader.add(&file.path, &text)) {
            Ok(problems) => problems,
            Err(refusal) => vec![refused_file(terms.config_path, file, refusal)],
        };
        if problems.iter().any(Problem::is_error) {
            reader.lists.is_fatal |= file.named_by.is_some();
            reader.lists.rejected.push(file.path.to_path_buf());
        }
        // Ten thousand bad files must not fill the memory with what is wrong.
        let room = PROBLEMS_MAX.saturating_sub(reader.lists.problems.len());
        omitted += problems.len().saturating_sub(room);
        reader.lists.problems.extend(problems.into_iter().take(room));
    }
    reader.lists = bounded(reader.lists, omitted, terms.config_path);
    reader
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

/// The lists with a note on the problems beyond those that are reported.
fn bounded(mut lists: Lists, more: usize, config_path: &Arc<Path>) -> Lists {
    if more > 0 {
        let message = format!("… and {more} more problems of the watch lists");
        lists.problems.push(Problem::error(config_path, None, message));
    }
    lists
}

/// What became of an entry that was offered.
#[derive(Debug)]
pub(super) enum Offered {
    Taken,
    /// The entry of that number is the same.
    Known(usize),
    /// It has errors.
    Wrong(Vec<Problem>),
}

/// The lists as they are being read.
#[derive(Debug)]
pub(super) struct ListReader<'t> {
    apps: Option<&'t [NamedApp]>,
    now: WallTime,
    /// By key: the number of its entry, and the byte of its file at which that begins.
    known: HashMap<EntryKey, (usize, usize)>,
    /// Bytes of the files that were taken.
    size: usize,
    /// Bytes of a part at least, and entries at most.
    part: usize,
    entries_max: usize,
    pub(super) lists: Lists,
}

impl<'t> ListReader<'t> {
    pub(super) fn new(apps: Option<&'t [NamedApp]>, now: WallTime) -> Self {
        let (known, lists) = (HashMap::new(), Lists::default());
        Self { apps, now, known, size: 0, part: PART, entries_max: ENTRIES_MAX, lists }
    }

    /// Adds the entries of a text, unless one of its problems, which are returned, is an error.
    pub(super) fn add(&mut self, path: &Arc<Path>, text: &str) -> Result<Vec<Problem>, Refusal> {
        self.refuse_too_large(text.len())?;
        let report = FileReport::new(path, text);
        let first = self.lists.entries.len();
        let read = self.read_entries(&report, path, text);
        if read.is_err() || report.has_errors() {
            for entry in self.lists.entries.drain(first..) {
                self.known.remove(&entry.key);
            }
        } else {
            self.size += text.len();
        }
        read.map(|()| report.into_problems())
    }

    fn read_entries(&mut self, report: &FileReport<'_>, path: &Arc<Path>, text: &str) -> Result<(), Refusal> {
        let reader = EntryReader { apps: self.apps, source: Arc::clone(path), now: self.now };
        let mut closed = Vec::new();
        for (offset, part) in parts(text, self.part) {
            if part.len() > PART_MAX {
                let message = "more than 1 MiB without a line that begins with `[[ticket]]` or `[[document]]`; no \
                    watch list";
                report.error(offset, || message.to_owned());
                break;
            }
            read_part(report, offset, part, &mut closed, |key, section| {
                let is_ticket = key == TICKET;
                let entry =
                    if is_ticket { reader.read_ticket(&section) } else { reader.read_document(&section) };
                if let Some(entry) = entry {
                    self.add_entry(report, section.offset(), entry);
                }
            });
            self.refuse_too_many()?;
            if report.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn refuse_too_many(&self) -> Result<(), Refusal> {
        let max = self.entries_max;
        let message = || format!("all watch lists together list more than {max} tickets and documents");
        if self.lists.entries.len() > max { Err(Refusal::new(message())) } else { Ok(()) }
    }

    /// Checks the text of one entry, which is to stand at the end of the file, and takes the entry unless it is
    /// there: then that one is returned. The problems of an entry are those of its text alone.
    pub(super) fn offer(&mut self, path: &Arc<Path>, text: &str) -> Result<Offered, Refusal> {
        let mut alone = ListReader { entries_max: self.entries_max, ..ListReader::new(self.apps, self.now) };
        let problems = alone.add(path, text)?;
        let Some(entry) = alone.lists.entries.pop() else { return Ok(Offered::Wrong(problems)) };
        let entries = &mut self.lists.entries;
        match self.known.entry(entry.key.clone()) {
            Entry::Occupied(known) => return Ok(Offered::Known(known.get().0)),
            Entry::Vacant(vacant) => vacant.insert((entries.len(), 0)),
        };
        entries.push(entry);
        self.refuse_too_many()?;
        Ok(Offered::Taken)
    }

    /// The file of an entry.
    pub(super) fn source(&self, entry: usize) -> Option<&Path> {
        self.lists.entries.get(entry).map(|entry| &*entry.source)
    }

    /// How many entries were taken.
    pub(super) fn count(&self) -> usize {
        self.lists.entries.len()
    }

    /// Refuses so many bytes more where they are too many.
    pub(super) fn refuse_too_large(&self, more: usize) -> Result<(), Refusal> {
        let message = || format!("all watch lists together are larger than {} MiB", SIZE_MAX >> 20);
        if self.size + more > SIZE_MAX { Err(Refusal::new(message())) } else { Ok(()) }
    }

    /// An entry is listed twice: the same is a slip; a ticket with another token, one of them is wrong. The key of a
    /// document holds its token.
    fn add_entry(&mut self, report: &FileReport<'_>, offset: usize, entry: WatchEntry) {
        let entries = &mut self.lists.entries;
        let (number, earlier_offset) = match self.known.entry(entry.key.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                vacant.insert((entries.len(), offset));
                entries.push(entry);
                return;
            }
        };
        let earlier = &entries[number];
        let place = if Arc::ptr_eq(&earlier.source, &entry.source) {
            format!("line {}", report.position(earlier_offset).line)
        } else {
            shown_path(&earlier.source)
        };
        let kind = if entry.key.id.is_document() { DOCUMENT } else { TICKET };
        let twice = format!("{kind} {} stands already in {place}", shown(entry.key.id.as_str()));
        if earlier.token == entry.token {
            report.warning(offset, || format!("{twice}; it is taken once"));
        } else {
            report.error(offset, || {
                format!(
                    "{twice} with another token; a ticket exports one document, so remove the wrong entry"
                )
            });
        }
    }
}

/// Cuts a text before lines that begin with `[[`, into parts of at least `length` bytes, each with the byte at which it
/// begins. Within a value such a line can stand only in a string over several lines, which no list needs, and which is
/// then reported as never closed.
fn parts(text: &str, length: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let searched = rest.floor_char_boundary(length);
        let end = rest[searched..].find("\n[[").map_or(rest.len(), |at| searched + at + 1);
        let part = (start, &rest[..end]);
        start += end;
        Some(part)
    })
}

/// Hands every entry of a part to `take`, with the key below which it stands, in the order of the text. A list in brackets
/// of its own can't go on below a header: its key is `closed` from there on.
fn read_part(
    report: &FileReport<'_>,
    offset: usize,
    part: &str,
    closed: &mut Vec<&'static str>,
    mut take: impl FnMut(&'static str, Section<'_>),
) {
    let document = document::parse(report, offset, part);
    let root = Section::root(Origin { report, offset, discreet: false }, document.as_ref(), KEYS);
    let mut entries = Vec::new();
    for key in KEYS.iter().copied() {
        let Some(field) = root.field(key) else { continue };
        if closed.contains(&key) {
            report.syntax_error(offset, document::TWICE);
        }
        if !part[field.span.start..].starts_with("[[") {
            closed.push(key);
        }
        entries.extend(list_entries(&field).into_iter().map(|section| (key, section)));
    }
    entries.sort_by_key(|(_, section)| section.offset());
    entries.into_iter().for_each(|(key, section)| take(key, section));
}

fn list_entries<'d>(field: &Field<'d>) -> Vec<Section<'d>> {
    let expected = format!("a list of entries, each below a line [[{}]] of its own", field.key);
    let (keys, strays) = match field.key {
        TICKET => (TICKET_KEYS, TICKET_STRAYS),
        _ => (DOCUMENT_KEYS, DOCUMENT_STRAYS),
    };
    let read = |element: Field<'d>| match element.value {
        DeValue::Table(table) => Some(element.section_with_strays(table, keys, strays)),
        _ => element.unexpected(&expected),
    };
    field.array(&expected).into_iter().flatten().filter_map(read).collect()
}

/// Checks one text as the only watch list.
#[cfg(test)]
pub(super) fn check(path: &Arc<Path>, text: &str, apps: Option<&[NamedApp]>, now: WallTime) -> Lists {
    check_in_parts(path, text, apps, now, PART)
}

/// The same, parsed in parts of that length.
#[cfg(test)]
pub(super) fn check_in_parts(
    path: &Arc<Path>,
    text: &str,
    apps: Option<&[NamedApp]>,
    now: WallTime,
    part: usize,
) -> Lists {
    let mut reader = ListReader { part, ..ListReader::new(apps, now) };
    let problems = reader.add(path, text).unwrap_or_else(|refusal| vec![refusal.into_problem(path)]);
    let is_bad = problems.iter().any(Problem::is_error);
    let rejected = is_bad.then(|| path.to_path_buf()).into_iter().collect();
    Lists { rejected, problems, ..reader.lists }
}

#[cfg(test)]
mod tests;
