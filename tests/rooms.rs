//! The rooms of ARCHITECTURE.md: which room may use which, and no circle of files.
//!
//! Reads the paths in the sources, in `use` and elsewhere, as far as they lead to a module of this package. A name that a
//! module re-exports counts as the file that defines it. Test code is left out.

#[expect(clippy::unwrap_used, reason = "a source that can't be read fails the test")]
#[path = "rooms/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{Import, imports};

/// Each room and the rooms that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("schedule", &["domain"]),
    ("config", &["domain", "schedule"]),
    ("feishu", &["domain"]),
    ("store", &["domain"]),
    ("files", &["domain"]),
    ("log", &["domain"]),
    ("engine", &["domain", "schedule", "feishu", "files", "store"]),
    ("deliver", &["domain", "store", "log"]),
    ("http", &["domain", "engine", "store"]),
    ("service", &["domain", "engine"]),
    (
        "app",
        &[
            "domain", "schedule", "config", "feishu", "files", "store", "engine", "deliver", "log", "http",
            "service",
        ],
    ),
    ("bin", &["app", "domain", "log", "http", "service"]),
];

/// Used by any room: it does nothing but in tests.
const FOR_TESTS: &str = "crash_points";

fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// Promise: no room uses one that the table does not allow, and no file lies outside the table.
#[test]
fn rooms_are_used_one_way() {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let wrong = |import: &Import| {
        let (from, to) = (room(&import.from), room(&import.to));
        let fine = from == to || to == FOR_TESTS || from.is_empty() || [from, to].contains(&"crash_points");
        // A name at the root of the library is part of the front doors.
        let is_door = from == "bin" && !import.path.contains("::");
        !fine && !is_door && !rooms.get(from).is_some_and(|allowed| allowed.contains(&to))
    };
    let found: Vec<_> = imports().into_iter().filter(wrong).map(|import| import.to_string()).collect();
    assert!(found.is_empty(), "{} imports go the wrong way:\n{}", found.len(), found.join("\n"));
}

/// Promise: no file uses one that uses it, however long the way around.
#[test]
fn no_circle_of_files() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for import in imports().into_iter().filter(|import| !import.is_reexport) {
        uses.entry(import.from).or_default().insert(import.to);
    }
    let reached = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(file) = open.pop() {
            for next in uses.get(&file).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<_, _> = uses.keys().map(|file| (file.as_str(), reached(file))).collect();
    let edges = uses.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let round: Vec<_> = edges
        .filter(|(from, to)| all.get(to.as_str()).is_some_and(|reached| reached.contains(*from)))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect();
    assert!(round.is_empty(), "{} imports are part of a circle:\n{}", round.len(), round.join("\n"));
}
