//! An artefact on its way to a file on disk, and what is known about that file.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use enum_map::{Enum, EnumMap};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::words::grouped;
use super::{Failure, WallTime};

/// How many files are in each state.
pub type FileCounts = EnumMap<FileState, usize>;

/// Where the file of a completed ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, Enum, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FileState {
    /// It is to be downloaded, or is about to get its final name.
    Waiting,
    /// It is whole under its final name.
    Saved,
    /// It can never be saved.
    Failed,
    /// The artefact was deleted before it could be saved.
    Expired,
}

impl FileState {
    /// Every state, in the order in which people see them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in log, state file and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether there will be no file: the export has to be fetched or made again.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        matches!(self, Self::Failed | Self::Expired)
    }
}

/// All that is known about the file of a completed ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Where it stands.
    pub state: FileState,
    /// Its final name, absolute, from the moment the body is whole on disk.
    pub path: Option<Box<Path>>,
    /// The temporary file beside it that holds the whole body; none before that and once it bears the final name.
    pub temporary: Option<Box<Path>>,
    /// Bytes of the body, once it is whole.
    pub size: Option<u64>,
    /// The body's hash, once it is whole.
    pub sha256: Option<Sha256>,
    /// When it got its final name.
    pub saved_at: Option<WallTime>,
    /// Transfers that ended, whatever came of them.
    pub attempts: u32,
    /// Why it failed; while it waits, the last trouble.
    pub error: Option<Box<Failure>>,
}

impl FileRecord {
    /// A file of which nothing was fetched yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: FileState::Waiting,
            path: None,
            temporary: None,
            size: None,
            sha256: None,
            saved_at: None,
            attempts: 0,
            error: None,
        }
    }

    /// Whether the body is whole on disk and waits for its final name.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == FileState::Waiting && self.temporary.is_some()
    }
}

impl Default for FileRecord {
    fn default() -> Self {
        Self::new()
    }
}

/// A SHA-256 (FIPS 180-4). Written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, derive_more::Debug, PartialEq, Eq, Hash)]
#[debug("{self}")]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sha256 {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 32];
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (place, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(drop)?;
        }
        is_hex.then_some(Self(bytes)).ok_or(())
    }
}

/// "3 waiting, 12 saved": no zeros; none where there is no file.
#[must_use]
pub fn files_in_words(files: &FileCounts) -> Option<String> {
    let shown = FileState::ALL.iter().filter(|state| files[**state] > 0);
    let parts: Vec<_> = shown.map(|state| format!("{} {state}", grouped(files[*state]))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// "1.4 GiB", "34 KiB", "12 B".
#[must_use]
pub fn size_in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    let mut words = String::new();
    // Writing to a string does not fail.
    let _ = if size < 10.0 { write!(words, "{size:.1}") } else { write!(words, "{size:.0}") };
    format!("{words} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_are_what_scripts_rely_on() {
        let names: Vec<_> = FileState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(names, ["waiting", "saved", "failed", "expired"]);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Sha256(std::array::from_fn(|place| place as u8 * 8 + 1));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in ["", "0", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<Sha256>(), Err(()), "{text}");
        }
    }

    #[test]
    fn files_without_any_are_not_shown() {
        let mut files = FileCounts::default();
        assert_eq!(files_in_words(&files), None);
        (files[FileState::Saved], files[FileState::Expired]) = (1204, 1);
        assert_eq!(files_in_words(&files).unwrap(), "1,204 saved, 1 expired");
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, words) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (34_356, "34 KiB"), (1_503_238_553, "1.4 GiB")]
        {
            assert_eq!(size_in_words(bytes), words);
        }
        assert_eq!(size_in_words(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(size_in_words(u64::MAX), "16384 PiB");
    }
}
