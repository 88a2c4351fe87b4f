//! Watch lists: every file read, its entries checked, all of them put together.
//!
//! A file is taken as a whole or not at all: a bad one is left out and said so, and the rest goes on. Only for
//! who starts does it matter whether `watcher.toml` names the file in full, which must then be in order, or a
//! pattern matched it, so that nobody can stop the service by dropping a file into a folder.
//!
//! A checked list stays text and is parsed a second time when its entries are wanted: parsed, they take
//! several times the room, and most of them are known already.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeValue;

use super::document;
use super::entry::{ENTRY_KEYS, Surroundings};
use super::pieces::{PIECE_MAX, Pieces};
use super::problem::{Problem, shown, shown_path};
use super::report::FileReport;
use super::section::{Field, Origin, Section};
use super::settings::WatchSource;
use super::sources::{self, Expanded, ListFile};
use super::text_file::{self, Forbidden, Refusal};
use super::watcher::describe_refusal;
use crate::domain::{AppName, TicketKey, TicketKeys, WallTime, WatchEntry, WatchList};

const KEYS: &[&str] = &["ticket"];

/// Bytes of all watch lists together at most: some 400,000 tickets.
const SIZE_MAX: u64 = 64 << 20;

/// Watch lists as far as they could be taken: checked, and ready to hand out their entries.
#[derive(Debug)]
pub struct Lists {
    good: Vec<GoodFile>,
    sightings: Sightings,
    apps: Option<Vec<AppName>>,
    now: WallTime,
    /// Bytes that were read.
    size: u64,
    /// Files that could not be taken.
    pub(super) rejected: Vec<PathBuf>,
    /// Those of them that could not even be read. The next try may succeed, and nothing may show that it will.
    pub(super) unreadable: BTreeSet<PathBuf>,
    /// Files that were to be taken [if they are good](Treatment::IfGood), and were not.
    pub(super) unfinished: HashSet<PathBuf>,
    /// The tickets of each file that was taken.
    pub(super) keys: HashMap<PathBuf, TicketKeys>,
    /// Patterns that could not be laid out.
    pub(super) lost: Vec<String>,
    /// Everything that is wrong, and what deserves a look.
    pub(super) problems: Vec<Problem>,
    /// Whether who starts has to refuse: a file named in full is bad, or a pattern could not be laid out.
    pub(super) is_fatal: bool,
    /// What each file held, or why it or its folder could not be read, as a hash.
    pub(super) contents: HashMap<PathBuf, u64>,
}

#[derive(Debug)]
struct GoodFile {
    path: Arc<Path>,
    text: String,
}

/// What a reading goes by.
pub(super) struct Terms<'a> {
    /// Who names the sources.
    pub(super) config_path: &'a Arc<Path>,
    pub(super) sources: &'a [WatchSource],
    /// The apps that a ticket may name; none where they are not known.
    pub(super) apps: Option<&'a [AppName]>,
    pub(super) forbidden: Forbidden,
    pub(super) now: WallTime,
}

/// What is to be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It is taken, or rejected.
    Take,
    /// It is taken if it is good, else left as it was and nothing is said: it may be half-written.
    IfGood,
    /// It is not read.
    Leave,
}

/// Reads and checks all watch lists.
pub(super) fn read(terms: &Terms<'_>, treatment: impl Fn(&Path) -> Treatment) -> Lists {
    let Expanded { files, problems, lost } = sources::expand(terms.config_path, terms.sources);
    let mut lists = Lists::new(terms.apps, terms.now);
    lists.is_fatal = !problems.is_empty();
    let hidden = lost.iter().zip(&problems).map(|(pattern, why)| (pattern.into(), hash(&why.message)));
    lists.contents.extend(hidden);
    lists.problems = problems;
    lists.lost = lost;
    for file in &files {
        match treatment(&file.path) {
            Treatment::Leave => {}
            wanted => lists.read(file, wanted, terms),
        }
    }
    lists
}

/// Checks one text as the only watch list.
#[cfg(test)]
pub(super) fn check(path: &Arc<Path>, text: &str, apps: Option<&[AppName]>, now: WallTime) -> Lists {
    let mut lists = Lists::new(apps, now);
    lists.add(&ListFile { path: Arc::clone(path), named_by: None }, text.to_owned(), Treatment::Take);
    lists
}

/// A file named in full that can't be read is reported where it is named: there is the mistake.
fn refused_file(config_path: &Arc<Path>, file: &ListFile, refusal: Refusal) -> Problem {
    match (&file.named_by, refusal) {
        (Some(source), Refusal::Unreadable(message) | Refusal::Unfit(message)) => {
            let message = format!("watch list {}: {message}", shown_path(&file.path));
            Problem::error(config_path, Some(source.position), message)
        }
        (_, refusal) => describe_refusal(&file.path, refusal),
    }
}

impl Lists {
    fn new(apps: Option<&[AppName]>, now: WallTime) -> Self {
        Self {
            good: Vec::new(),
            sightings: Sightings::default(),
            apps: apps.map(Into::into),
            now,
            rejected: Vec::new(),
            unreadable: BTreeSet::new(),
            unfinished: HashSet::new(),
            keys: HashMap::new(),
            size: 0,
            lost: Vec::new(),
            problems: Vec::new(),
            is_fatal: false,
            contents: HashMap::new(),
        }
    }

    /// Hands out the entries, each ticket once, in the order of the files; a few thousand at a time, until
    /// `take` says that it wants no more.
    pub fn give(self, mut take: impl FnMut(Vec<WatchEntry>) -> bool) {
        for (number, file) in (0..).zip(self.good) {
            let surroundings =
                Surroundings { apps: self.apps.as_deref(), source: Arc::clone(&file.path), now: self.now };
            let report = FileReport::new(&file.path, &file.text);
            for (offset, piece) in Pieces::of(&file.text) {
                let mut part = Vec::new();
                read_piece(&report, offset, piece, &surroundings, |entry, offset| {
                    if self.sightings.is_first(&entry.key, number, offset) {
                        part.push(entry);
                    }
                });
                if !part.is_empty() && !take(part) {
                    return;
                }
            }
        }
    }

    /// All entries at once.
    #[must_use]
    pub fn into_list(mut self) -> WatchList {
        let rejected = std::mem::take(&mut self.rejected);
        let mut entries = Vec::with_capacity(self.sightings.by_key.len());
        self.give(|part| {
            entries.extend(part);
            true
        });
        WatchList { entries, rejected }
    }

    fn read(&mut self, file: &ListFile, treatment: Treatment, terms: &Terms<'_>) {
        let read = text_file::read(&file.path, SIZE_MAX, &terms.forbidden).and_then(|text| {
            self.size += text.len() as u64;
            let fits = self.size <= SIZE_MAX;
            let too_much = || format!("all watch lists together are larger than {} MiB", SIZE_MAX >> 20);
            if fits { Ok(text) } else { Err(Refusal::Unfit(too_much())) }
        });
        match read {
            Ok(text) => self.add(file, text, treatment),
            Err(_) if treatment == Treatment::IfGood => drop(self.unfinished.insert(file.path.to_path_buf())),
            Err(refusal) => {
                if let Refusal::Unreadable(_) = refusal {
                    self.unreadable.insert(file.path.to_path_buf());
                }
                self.refuse(file, refused_file(terms.config_path, file, refusal));
            }
        }
    }

    fn add(&mut self, file: &ListFile, text: String, treatment: Treatment) {
        let report = FileReport::new(&file.path, &text);
        let surroundings =
            Surroundings { apps: self.apps.as_deref(), source: Arc::clone(&file.path), now: self.now };
        let (mut seen_here, mut keys) = (Vec::new(), TicketKeys::default());
        for (offset, piece) in Pieces::of(&text) {
            if report.is_full() {
                break;
            }
            read_piece(&report, offset, piece, &surroundings, |entry, offset| {
                let number = self.good.len();
                keys.add(&entry.key);
                match self.sightings.add(&entry, number, offset) {
                    Ok(key) => seen_here.push(key),
                    Err(earlier) => report_repetition(&report, offset, &entry, &earlier, &self.good),
                }
            });
        }
        let is_bad = report.has_errors();
        if is_bad {
            self.sightings.forget(&seen_here);
        }
        if is_bad && treatment == Treatment::IfGood {
            self.unfinished.insert(file.path.to_path_buf());
            return;
        }
        self.problems.extend(report.into_problems());
        self.contents.insert(file.path.to_path_buf(), hash(&text));
        if is_bad {
            self.reject(file);
        } else {
            self.keys.insert(file.path.to_path_buf(), keys.packed());
            self.good.push(GoodFile { path: Arc::clone(&file.path), text });
        }
    }

    fn refuse(&mut self, file: &ListFile, problem: Problem) {
        self.contents.insert(file.path.to_path_buf(), hash(&problem.message));
        self.problems.push(problem);
        self.reject(file);
    }

    fn reject(&mut self, file: &ListFile) {
        self.is_fatal |= file.named_by.is_some();
        self.rejected.push(file.path.to_path_buf());
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A ticket is listed twice: the same is a slip, with another token somebody is wrong.
fn report_repetition(
    report: &FileReport<'_>,
    offset: usize,
    entry: &WatchEntry,
    earlier: &Earlier,
    files: &[GoodFile],
) {
    let place = || match files.get(earlier.file) {
        Some(file) => shown_path(&file.path),
        None => format!("line {}", report.position(earlier.offset).line),
    };
    let ticket = shown(entry.key.ticket.as_str());
    if earlier.same_token {
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

/// Which tickets stand where. Keys and tokens are kept as hashes, which take a fraction of their room; with keys
/// of 128 bits that nobody outside knows, two tickets are never taken for one.
#[derive(Debug, Default)]
struct Sightings {
    by_key: HashMap<u128, Sighting>,
    hashers: [RandomState; 2],
}

#[derive(Debug)]
struct Sighting {
    token: u64,
    /// The file's number among the good ones, and the byte at which the entry begins; no file is longer
    /// than [`SIZE_MAX`].
    file: u32,
    offset: u32,
}

/// Where a ticket stood before.
struct Earlier {
    file: usize,
    offset: usize,
    same_token: bool,
}

impl Sightings {
    /// Notes an entry; or says where its ticket stands already.
    fn add(&mut self, entry: &WatchEntry, file: usize, offset: usize) -> Result<u128, Earlier> {
        let key = self.hash(&entry.key);
        let token = self.hashers[0].hash_one(entry.token);
        if let Some(earlier) = self.by_key.get(&key) {
            return Err(Earlier {
                file: earlier.file as usize,
                offset: earlier.offset as usize,
                same_token: earlier.token == token,
            });
        }
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.by_key.insert(key, Sighting { token, file: short(file), offset: short(offset) });
        Ok(key)
    }

    fn forget(&mut self, keys: &[u128]) {
        for key in keys {
            self.by_key.remove(key);
        }
    }

    /// Whether it is this entry that counts.
    fn is_first(&self, key: &TicketKey, file: usize, offset: usize) -> bool {
        let first = self.by_key.get(&self.hash(key));
        first.is_some_and(|first| first.file as usize == file && first.offset as usize == offset)
    }

    fn hash(&self, key: &TicketKey) -> u128 {
        let [high, low] = [0, 1].map(|half: usize| u128::from(self.hashers[half].hash_one(key)));
        high << 64 | low
    }
}

/// Hands every good entry of a piece to `take`, together with the byte at which it begins.
fn read_piece(
    report: &FileReport<'_>,
    offset: usize,
    piece: &str,
    surroundings: &Surroundings<'_>,
    mut take: impl FnMut(WatchEntry, usize),
) {
    if piece.len() > PIECE_MAX {
        report.error(offset, || {
            "more than 1 MiB without a line that begins with `[[ticket]]`; no watch list".to_owned()
        });
        return;
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
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_cut_is_refused_before_it_is_parsed() {
        let text = "=\n".repeat(PIECE_MAX);
        let lists = check(&Path::new("list.toml").into(), &text, None, WallTime::from_millis(1));
        assert_eq!(lists.problems.len(), 1);
        assert!(lists.problems[0].message.contains("no watch list"), "{}", lists.problems[0]);
        assert_eq!(lists.rejected.len(), 1);
    }
}
