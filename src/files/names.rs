//! From a template and a ticket to a path below the folder of all files. Pure.
//!
//! Titles come from the remote: whatever they hold, a path stays below the folder and is a plain name on any system that
//! the folder may be shared with.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use unicode_segmentation::UnicodeSegmentation as _;

use crate::domain::{Artefact, NameField, NamePart, NameTemplate, TicketRecord, unsafe_for_terminal};

/// Bytes of a name on the common file systems, and at most elsewhere.
pub(super) const NAME_MAX: usize = 255;

/// Bytes after the last dot that are still taken for an extension.
const EXTENSION_MAX: usize = 16;

/// The name of what has none.
const UNTITLED: &str = "untitled";

/// What Windows takes for devices, with any extension (learn.microsoft.com, Naming Files, Paths, and Namespaces).
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];

/// The path of the ticket's file below the folder of all files: as many safe names as the template says, each of at
/// most `max` bytes.
pub(super) fn relative_path(template: &NameTemplate, ticket: &TicketRecord, max: usize) -> PathBuf {
    let names = template.parts().split(|part| *part == NamePart::Slash);
    let text = |parts: &[NamePart]| parts.iter().map(|part| filled(part, ticket)).collect::<String>();
    names.map(|parts| safe_name(&text(parts), max)).collect()
}

/// The path under which the file lies if `n - 1` others have the names before: `report (2).docx`.
pub(super) fn alternative(path: &Path, n: u32, max: usize) -> Cow<'_, Path> {
    match path.file_name() {
        Some(name) if n > 1 => {
            path.with_file_name(fitted(&name.to_string_lossy(), &format!(" ({n})"), max)).into()
        }
        _ => path.into(),
    }
}

/// What stands for the part, without characters that are special anywhere.
fn filled(part: &NamePart, ticket: &TicketRecord) -> String {
    let field = match part {
        NamePart::Text(text) => return text.to_string(),
        NamePart::Slash => return String::new(),
        NamePart::Field(field) => field,
    };
    let is_special = |c: char| unsafe_for_terminal(c) || "/\\<>:\"|?*".contains(c);
    value(*field, ticket).replace(is_special, "_")
}

fn value(field: NameField, ticket: &TicketRecord) -> Cow<'_, str> {
    let entry = &ticket.entry;
    let text = match field {
        NameField::FileName => return title(ticket.artefact.as_deref()).into(),
        NameField::FileExtension => ticket.file_extension(),
        NameField::Label => entry.label.as_deref(),
        NameField::App => Some(entry.key.app.as_str()),
        NameField::Ticket => ticket.ticket(),
        NameField::Document => Some(entry.token.as_str()),
        NameField::Date => {
            let day = ticket.finished_at.map(|moment| moment.timestamp().strftime("%F").to_string());
            return day.unwrap_or_default().into();
        }
    };
    text.unwrap_or_default().into()
}

fn title(artefact: Option<&Artefact>) -> &str {
    let title = artefact.and_then(|artefact| artefact.file_name.as_deref()).unwrap_or_default();
    if title.trim_matches(is_dot_or_space).is_empty() { UNTITLED } else { title }
}

fn is_dot_or_space(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// A name that is no other path, hides no file, is no option of a command and no device.
fn safe_name(text: &str, max: usize) -> String {
    let name = text.trim().trim_end_matches(is_dot_or_space);
    let name = fitted(if name.is_empty() { UNTITLED } else { name }, "", max);
    if !name.starts_with(['.', '-']) && !is_device(&name) {
        return name;
    }
    fitted(&format!("_{name}"), "", max)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let unnumbered = stem.trim_end_matches(['1', '2', '3', '4', '5', '6', '7', '8', '9', '¹', '²', '³']);
    let is_one_of = |devices: &[&str], stem: &str| devices.iter().any(|it| it.eq_ignore_ascii_case(stem));
    let has_number = stem[unnumbered.len()..].chars().count() == 1;
    is_one_of(&DEVICES, stem) || has_number && is_one_of(&NUMBERED_DEVICES, unnumbered)
}

/// The name with a suffix before its extension; the rest is cut between grapheme clusters where that is too long.
fn fitted(name: &str, suffix: &str, max: usize) -> String {
    let is_extension = |text: &str| {
        (1..=EXTENSION_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let dot = name.rfind('.').filter(|dot| *dot > 0 && is_extension(&name[dot + 1..]));
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = max.saturating_sub(suffix.len() + extension.len());
    let ends = stem.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
    let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
    let kept = stem[..end].trim_end_matches(is_dot_or_space);
    format!("{}{suffix}{extension}", if kept.is_empty() { UNTITLED } else { kept })
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{EntryId, ExportRecord, TicketId};
    use crate::files::fixtures::ticket;

    const DEFAULT: &str = "{file_name}.{file_extension}";

    fn path(template: &str, title: &str, extension: &str) -> String {
        let path = relative_path(&template.parse().unwrap(), &ticket(title, extension), NAME_MAX);
        path.into_os_string().into_string().unwrap()
    }

    /// Promise: a title says what the file is called, never where it lies or what it does.
    #[test]
    fn titles_become_plain_names() {
        for (title, extension, expected) in [
            ("周报 2026", "docx", "周报 2026.docx"),
            ("", "docx", "untitled.docx"),
            ("...", "docx", "untitled.docx"),
            (" . ", "docx", "untitled.docx"),
            ("..", "", "untitled"),
            ("", "", "untitled"),
            ("report", "", "report"),
            ("v1.2", "", "v1.2"),
            ("../../etc/passwd", "pdf", "_.._.._etc_passwd.pdf"),
            ("/etc/passwd", "pdf", "_etc_passwd.pdf"),
            ("C:\\x", "pdf", "C__x.pdf"),
            ("a<b>c:d\"e|f?g*h", "pdf", "a_b_c_d_e_f_g_h.pdf"),
            ("a\0b\nc\u{1b}d", "pdf", "a_b_c_d.pdf"),
            ("gpj\u{202e}x\u{200b}y", "pdf", "gpj_x_y.pdf"),
            (".env", "csv", "_.env.csv"),
            ("-rf", "csv", "_-rf.csv"),
            (" report. ", "csv", "report.csv"),
            ("report", "..", "report"),
            ("report", "a/../../b", "report.a_.._.._b"),
            ("con", "pdf", "_con.pdf"),
            ("NUL .x", "pdf", "_NUL .x.pdf"),
            ("Com1", "pdf", "_Com1.pdf"),
            ("LPT²", "pdf", "_LPT².pdf"),
            ("COM0", "pdf", "COM0.pdf"),
            ("COM10", "pdf", "COM10.pdf"),
            ("console", "pdf", "console.pdf"),
        ] {
            assert_eq!(path(DEFAULT, title, extension), expected, "{title:?} {extension:?}");
        }
    }

    #[test]
    fn every_field_is_filled() {
        let template = "{app}/{date}/{label}/{ticket} {document}/{file_name}.{file_extension}";
        assert_eq!(path(template, "a", "pdf"), "default/2026-11-22/_.._周报/70 doc70/a.pdf");
        let mut document = ticket("a", "pdf");
        let export = ExportRecord { ticket: Some(TicketId::new("6933")), ..ExportRecord::default() };
        document.entry.key.id = EntryId::new("docx/doc70/pdf");
        document.export = Some(Box::new(export));
        let path = relative_path(&"{ticket} {document}".parse().unwrap(), &document, NAME_MAX);
        assert_eq!(path, Path::new("6933 doc70"), "no entry's id is taken for a ticket");
    }

    /// Promise: a long title is cut between what people take for characters, and the extension stays.
    #[test]
    fn long_names_are_cut_between_clusters() {
        let family = "e\u{301}🇨🇳";
        let name = path(DEFAULT, &family.repeat(50), "docx");
        let stem = name.strip_suffix(".docx").unwrap();
        assert!(name.len() <= NAME_MAX && name.len() > NAME_MAX - 11, "{}", name.len());
        assert!(stem.ends_with("🇨🇳") || stem.ends_with("e\u{301}"));
        let second =
            alternative(Path::new(&name), 2, NAME_MAX).into_owned().into_os_string().into_string().unwrap();
        assert!(second.len() <= NAME_MAX && second.ends_with(" (2).docx"), "{second}");
        assert_eq!(path(DEFAULT, &format!("a{}", "\u{301}".repeat(200)), "pdf"), "untitled.pdf");
        assert_eq!(path(DEFAULT, &format!("nul{}", "\u{301}".repeat(200)), "pdf"), "nu.pdf");
    }

    #[test]
    fn alternatives_are_numbered_before_the_extension() {
        let nth = |path: &str, n| alternative(Path::new(path), n, NAME_MAX).to_str().unwrap().to_owned();
        assert_eq!(nth("/x/report.docx", 1), "/x/report.docx");
        assert_eq!(nth("/x/report.docx", 2), "/x/report (2).docx");
        assert_eq!(nth("/x.y/report", 13), "/x.y/report (13)");
        assert_eq!(nth("/x/1. chapter", 2), "/x/1. chapter (2)");
    }

    proptest! {
        /// Promise: whatever the remote says, the path is as deep as the template, below the folder, and each of its
        /// names is safe.
        #[test]
        fn any_title_is_safe(title in any::<String>(), long in "[-.a-c /界\u{301}\u{200d}]{0,300}", extension in any::<String>(), max in prop::sample::select(vec![143, NAME_MAX])) {
            for title in [title, long] {
                let ticket = ticket(&title, &extension);
                let template = "{file_name}/{file_name}{file_extension}/{file_name}.{file_extension}".parse().unwrap();
                let path = relative_path(&template, &ticket, max);
                prop_assert_eq!(&path, &relative_path(&template, &ticket, max));
                prop_assert_eq!(path.components().count(), 3);
                let other = alternative(&path, u32::MAX, max).into_owned();
                for component in path.components().chain(other.components()) {
                    let Component::Normal(name) = component else { panic!("{component:?}") };
                    let name = name.to_str().unwrap();
                    prop_assert!(name.len() <= max);
                    prop_assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(is_dot_or_space), "{:?}", name);
                    prop_assert!(!name.contains(unsafe_for_terminal) && !is_device(name), "{:?}", name);
                }
            }
        }
    }
}
