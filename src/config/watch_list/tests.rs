//! What is taken of watch lists, what is refused, and what a file that changes or is too much comes to.

use super::*;
use crate::config::pieces::PIECE_MAX;

/// Promise: a list that is bad as a whole is not good for being long.
#[test]
fn an_array_in_brackets_is_not_continued_in_the_next_piece() {
    let header = "[[ticket]]\nticket = '2'\ntoken = 'b'\napp = 'a'\n";
    let apps = [AppName::new("a")];
    for array in ["ticket = []\n", "ticket = [{ ticket = '1', token = 'a' }]\n"] {
        let text = format!("{array}{header}");
        for piece in [1, PIECE] {
            let path = Path::new("list.toml").into();
            let now = WallTime::from_millis(1);
            let lists = check_in_pieces(&path, text.as_bytes(), Some(&apps), now, piece);
            let [problem] = &lists.problems[..] else { panic!("{:?}", lists.problems) };
            assert!(problem.is_error(), "{problem}");
        }
    }
}

/// Promise: what many bad files have in common is not told of each for ever.
#[test]
fn a_flood_of_bad_files_is_counted() {
    let path: Arc<Path> = Path::new("list.toml").into();
    let mut reading = ListReader::new(None, WallTime::from_millis(1));
    for _ in 0..TOLD_MAX + 7 {
        reading.tell(vec![Problem::error(&path, None, "bad")]);
    }
    let problems = reading.into_lists(&path).problems;
    assert_eq!(problems.len(), TOLD_MAX + 1);
    assert!(problems[TOLD_MAX].message.contains("7 more"), "{}", problems[TOLD_MAX]);
}

/// Promise: a list is bounded by what it costs to follow it, too.
#[test]
fn too_many_tickets_are_refused() {
    let apps = [AppName::new("a")];
    let entries = || (0..=TICKETS_MAX).map(|n| format!("[[ticket]]\nticket='{n}'\ntoken='d'\n"));
    let text: String = entries().take(TICKETS_MAX).collect();
    let path = Path::new("list.toml").into();
    let now = WallTime::from_millis(1);
    assert!(check(&path, &text, Some(&apps), now).problems.is_empty());
    let text: String = entries().collect();
    let lists = check(&path, &text, Some(&apps), now);
    assert!(lists.problems[0].message.contains("more than 400000 tickets"), "{}", lists.problems[0]);
    assert!(lists.entries.is_empty());
}

/// A file that is not taken takes none of the room for others.
#[test]
fn what_is_refused_leaves_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ListFile { path: path.as_path().into(), canonical: path.clone(), named_by: None }
    };
    let apps = [AppName::new("a")];
    let mut reading = ListReader::new(Some(&apps), WallTime::from_millis(1));
    let endless = std::fs::File::open("/dev/zero").unwrap();
    let large = file("large.toml", b"");
    assert!(reading.read(&large, endless).is_err());
    let good = file("good.toml", b"[[ticket]]\nticket = '1'\ntoken = 'd'\n");
    let content = reading.read(&good, std::fs::File::open(&good.path).unwrap()).unwrap();
    reading.add(&good, content);
    assert_eq!((reading.lists.entries.len(), reading.size), (1, 36));
}

#[test]
fn what_cannot_be_cut_is_refused_before_it_is_parsed() {
    let text = "=\n".repeat(PIECE_MAX);
    let lists = check(&Path::new("list.toml").into(), &text, None, WallTime::from_millis(1));
    assert_eq!(lists.problems.len(), 1);
    assert!(lists.problems[0].message.contains("no watch list"), "{}", lists.problems[0]);
    assert_eq!(lists.rejected.len(), 1);
}
