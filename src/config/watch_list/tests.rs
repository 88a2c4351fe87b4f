//! What is taken of watch lists, what is refused, and what is too much.

use super::*;
use crate::domain::AppName;

const NOW: WallTime = WallTime::from_millis(1);

fn app() -> NamedApp {
    NamedApp { name: AppName::new("a"), platform: None }
}

/// Promise: a list that is bad as a whole is not good for being long.
#[test]
fn an_array_in_brackets_is_not_continued_in_the_next_part() {
    let ticket = "[[ticket]]\nticket = '2'\ntoken = 'b'\napp = 'a'\n";
    let document = "[[document]]\ntype = 'docx'\ntoken = 'b'\nformat = 'pdf'\n";
    let apps = [app()];
    for (array, header) in [
        ("ticket = []\n", ticket),
        ("ticket = [{ ticket = '1', token = 'a' }]\n", ticket),
        ("document = []\n", document),
    ] {
        let text = format!("{array}{header}");
        for part in [1, PART] {
            let lists = check_in_parts(&Path::new("list.toml").into(), &text, Some(&apps), NOW, part);
            let [problem] = &lists.problems[..] else { panic!("{:?}", lists.problems) };
            assert!(problem.is_error(), "{problem}");
        }
    }
}

/// Parts begin at headers, are of the length that was asked for, and lose nothing.
#[test]
fn parts_begin_at_headers_and_lose_nothing() {
    let text: String = (0..2000).map(|n| format!("[[ticket]]\r\nticket = '{n}' # ä\r\n")).collect();
    for length in [1, 100, 101, 102, PART] {
        let found: Vec<_> = parts(&text, length).collect();
        assert_eq!(found.iter().map(|(_, part)| *part).collect::<String>(), text);
        for (offset, part) in found {
            assert!(part.starts_with("[[ticket]]") && text[offset..].starts_with(part));
            assert!(part.len() >= length || offset + part.len() == text.len());
        }
    }
    assert_eq!(parts("", PART).count(), 0);
}

/// Promise: the problems that many bad files have in common are not all reported.
#[test]
fn a_flood_of_bad_files_is_counted() {
    let path: Arc<Path> = Path::new("list.toml").into();
    let problems = vec![Problem::error(&path, None, "bad"); PROBLEMS_MAX];
    let problems = bounded(Lists { problems, ..Lists::default() }, 7, &path).problems;
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert!(problems[PROBLEMS_MAX].message.contains("7 more"), "{}", problems[PROBLEMS_MAX]);
}

/// Promise: a list is bounded by what it costs to follow it, too.
#[test]
fn too_many_tickets_are_refused() {
    let apps = [app()];
    let path: Arc<Path> = Path::new("list.toml").into();
    let text =
        |count| (0..count).map(|n| format!("[[ticket]]\nticket='{n}'\ntoken='d'\n")).collect::<String>();
    let mut reader = ListReader { entries_max: 3000, ..ListReader::new(Some(&apps), NOW) };
    let refusal = reader.add(&path, &text(3001)).unwrap_err();
    assert_eq!(refusal.message, "all watch lists together list more than 3000 tickets and documents");
    assert!(reader.lists.entries.is_empty() && reader.size == 0);
    assert!(reader.add(&path, &text(3000)).unwrap().is_empty());
}

/// A file that is not taken takes none of the room for others.
#[test]
fn what_is_refused_leaves_room() {
    let apps = [app()];
    let path: Arc<Path> = Path::new("list.toml").into();
    let mut reader = ListReader::new(Some(&apps), NOW);
    let refusal = reader.add(&path, &" ".repeat(SIZE_MAX + 1)).unwrap_err();
    assert_eq!(refusal.message, "all watch lists together are larger than 64 MiB");
    assert!(reader.add(&path, "rubbish").unwrap()[0].is_error());
    assert!(reader.add(&path, "[[ticket]]\nticket = '1'\ntoken = 'd'\n").unwrap().is_empty());
    assert_eq!((reader.lists.entries.len(), reader.size), (1, 36));
}

#[test]
fn what_cannot_be_cut_is_refused_before_it_is_parsed() {
    let text = "=\n".repeat(PART_MAX);
    let lists = check(&Path::new("list.toml").into(), &text, None, NOW);
    assert_eq!(lists.problems.len(), 1);
    assert!(lists.problems[0].message.contains("no watch list"), "{}", lists.problems[0]);
    assert_eq!(lists.rejected.len(), 1);
}
