//! The saved files as a tree.

use std::io::{self, Write};
use std::path::Path;

use feishu_export_watcher::domain::{FileState, TicketRecord, size_in_words};

/// One line of the tree.
struct Leaf {
    name: String,
    size: String,
    attempts: u32,
}

/// Prints the folder with every saved file in it, its size, and how many tries it took if not one.
///
/// # Errors
/// Those of `out`.
pub(crate) fn print(out: &mut impl Write, folder: &Path, tickets: &[TicketRecord]) -> io::Result<()> {
    let mut leaves: Vec<_> = tickets.iter().filter_map(|ticket| leaf(folder, ticket)).collect();
    leaves.sort_by(|one, other| one.name.cmp(&other.name));
    let width = leaves.iter().map(|leaf| leaf.name.len()).max().unwrap_or_default();
    writeln!(out, "{}", folder.display())?;
    for (number, leaf) in leaves.iter().enumerate() {
        let branch = if number + 1 < leaves.len() { "├──" } else { "└──" };
        write!(out, "{branch} {:width$}  {:>7}", leaf.name, leaf.size)?;
        match leaf.attempts {
            0 | 1 => writeln!(out)?,
            more => writeln!(out, "  whole after {more} tries")?,
        }
    }
    Ok(())
}

fn leaf(folder: &Path, ticket: &TicketRecord) -> Option<Leaf> {
    let file = ticket.file.as_deref().filter(|file| file.state == FileState::Saved)?;
    let path = file.path.as_deref()?;
    let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    Some(Leaf { name, size: size_in_words(file.size?), attempts: file.attempts })
}
