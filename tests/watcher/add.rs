//! `add`: documents by their links, appended to the watch list, all of them or none.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Output;
use std::time::Duration;

use export_simulator::{Job, Scenario};

use crate::full_disk::in_own_namespace;
use crate::harness::Bench;
use crate::outputs::{files, stderr, stdout};
use crate::read_only::{COVER, is_root, may_mount, set_mode};

const LIST: &str = "watchlist.toml";

fn link(number: usize) -> String {
    format!("https://acme.feishu.cn/docx/doxcn{number:022}")
}

/// The entry of a document as it is appended.
fn entry(number: usize) -> String {
    format!("[[document]]\nurl = \"{}\"\nformat = \"pdf\"\n", link(number))
}

/// Adds what stands on stdin as PDF, with more arguments.
fn pipe(bench: &Bench, stdin: &str, arguments: &[&str]) -> Output {
    bench.write("links.txt", stdin);
    let line = format!("\"$0\" \"$@\" <'{}'", bench.path("links.txt").display());
    bench.shell(&line, "add", &[&["--format", "pdf"], arguments].concat()).output()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// Promise: a list of links in, files out, by the commands that `add` names; each of its lines fits a terminal.
#[test]
fn ten_links_become_ten_files() {
    let export = Job::default().succeeds_after(Duration::ZERO);
    let bench = Bench::with(Scenario { export, ..Scenario::default() });
    bench.configure("[download]\n");
    bench.write(LIST, "");
    let links: Vec<_> = (0..10).map(link).collect();
    let arguments: Vec<_> = ["--format", "pdf"].into_iter().chain(links.iter().map(String::as_str)).collect();
    let added = bench.command("add", &arguments).current_dir(bench.folder.path()).output();
    assert_eq!((code(&added), stdout(&added).as_str()), (Some(0), "added 10 documents to watchlist.toml\n"));
    let next = "next, have them saved:\n  feishu-export-watcher run --until-done";
    assert!(stderr(&added).contains("next, have them saved:\n"), "{}", stderr(&added));
    assert!(stderr(&added).replace(&config(&bench), "").contains(next), "{}", stderr(&added));
    assert_eq!(bench.run().code, Some(0));
    assert_eq!(files(&bench.path("exports")).len(), 10);
}

/// The option with which a message repeats the configuration.
fn config(bench: &Bench) -> String {
    format!(" --config {}", bench.path("watcher.toml").display())
}

/// Promise: the present text stays byte for byte, and what is appended is valid whatever that text ends with.
#[test]
fn entries_follow_the_present_text() {
    let labelled = entry(1) + "app = \"default\"\nlabel = \"a \\\\\"b\"\n";
    let labelled = labelled.replace("\"a \\\\\"b\"", "'a \\\"b'");
    let ticket = "ticket = [{ ticket = \"7\", token = \"docbcZ\" }] # all";
    let two = format!("{}\n{}", entry(1), entry(2));
    for (present, stdin, arguments, appended) in [
        ("", format!("{}\n", link(1)), &[][..], entry(1)),
        ("# none yet\n", link(1), &["-"], format!("\n{}", entry(1))),
        ("\u{feff}# none", link(1), &[], format!("\n\n{}", entry(1))),
        (ticket, link(1), &[], format!("\n\n{}", entry(1))),
        ("#\r\n", format!("# two\r\n\r\n {}\r\n{}", link(1), link(2)), &[], format!("\n{two}")),
        ("", link(1), &["--app", "default", "--label", "a \\\"b"], labelled),
    ] {
        let bench = Bench::new();
        bench.write(LIST, present);
        let added = pipe(&bench, &stdin, arguments);
        assert_eq!(code(&added), Some(0), "{}", stderr(&added));
        assert_eq!(bench.read(LIST), format!("{present}{appended}"));
        assert_eq!(code(&bench.output("check", &[])), Some(0));
    }
    let bench = Bench::new();
    bench.write(LIST, "");
    let sheet = "https://acme.feishu.cn/sheets/shtcnAbCdEf";
    for arguments in [[sheet, "--sub-id=0b1e2f"], ["--", &format!("{sheet}?sheet=0b1e30")]] {
        let added = bench.output("add", &[&["--format", "csv"], &arguments[..]].concat());
        assert_eq!(code(&added), Some(0), "{}", stderr(&added));
    }
    assert_eq!(bench.read(LIST).matches("sub_id = \"0b1e2f\"").count(), 1);
}

/// Promise: where anything is wrong nothing is written, every wrong link is named with its place and reason, and no
/// secret of a link is repeated.
#[test]
fn all_is_added_or_nothing() {
    let (good, sheet) = (link(1), "https://acme.feishu.cn/sheets/shtcnAbCdEf");
    let hook = "https://acme.feishu.cn/base/automation/webhook/event/hook-secret";
    let wrong = format!("{good}\n\nacme\n{sheet}\nhttps://acme.feishu.cn/drive/folder/fldcnAbCdEf\n{hook}\n");
    let brackets = "document = [{ url = \"https://acme.feishu.cn/docx/doxcnZ\", format = \"pdf\" }]\n";
    let (many, tokens) = ("x".repeat(201), "[[ticket]]\nticket = 7\n");
    for (present, stdin, arguments, exit, expected) in [
        (
            "# kept",
            wrong.as_str(),
            &[][..],
            78,
            &[
                "nothing was added, since 4 of 5 links",
                "line 3: not a link",
                "line 4 https",
                "line 5",
                "line 6",
            ][..],
        ),
        ("", &good, &["acme", "-"], 78, &["1 of 2 links can't be:", "link 1: not a link"]),
        ("", &good, &["--label", &many], 78, &["line 1 https://acme.feishu.cn/docx/", "--label: "]),
        ("", &good, &["--sub-id", "0b1e2f"], 78, &["--sub-id: only csv"]),
        ("", &good, &["--app", "defualt"], 2, &["did you mean `default`?"]),
        ("", "# none\n", &[], 2, &["no link on standard input"]),
        (brackets, &good, &[], 78, &["put each below a line [[document]]", "nothing was added"]),
        (tokens, &good, &[], 78, &["watchlist.toml:2:10: error: `ticket`", "next, correct this"]),
    ] {
        let bench = Bench::new();
        bench.write(LIST, present);
        let refused = pipe(&bench, stdin, arguments);
        let message = stderr(&refused);
        assert_eq!((code(&refused), stdout(&refused).as_str()), (Some(exit), ""), "{message}");
        let unfolded = message.replace('\n', " ");
        assert!(expected.iter().all(|part| unfolded.contains(part)), "{expected:?} in\n{message}");
        assert!(!message.contains("hook-secret"), "{message}");
        assert_eq!(bench.read(LIST), present);
    }
}

/// Promise: what is listed already, in this list or another, is named and not listed again; the rest is added.
#[test]
fn duplicates_are_left_out() {
    let bench = Bench::new();
    bench.reconfigure("[\"watchlist.toml\"]", "[\"watchlist.toml\", \"more/*.toml\"]");
    fs::create_dir(bench.path("more")).unwrap();
    bench.write("more/a.toml", &entry(1));
    bench.write(LIST, &entry(2));
    let present = |number| format!("{}?from=copy", link(number));
    let stdin = format!("{}\n{}\n{}\n{}", present(1), present(2), link(3), present(3));
    let added = pipe(&bench, &stdin, &[]);
    assert_eq!(code(&added), Some(0), "{}", stderr(&added));
    assert!(stdout(&added).starts_with("added 1 document to "), "{}", stdout(&added));
    let notes = stderr(&added).split_whitespace().collect::<Vec<_>>().join(" ");
    let retry = format!(
        "to export again what is listed already: feishu-export-watcher retry --config {} {} {}\n",
        bench.path("watcher.toml").display(),
        link(1),
        link(2)
    );
    assert!(notes.contains(retry.trim_end()), "{notes}");
    for note in ["listed already in", "more/a.toml", "watchlist.toml", "given twice"] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    let listed = format!("{}\n{}", entry(2), entry(3));
    assert_eq!(bench.read(LIST), listed);
    let again = pipe(&bench, &stdin, &[]);
    assert_eq!(code(&again), Some(0), "{}", stderr(&again));
    assert_eq!(bench.read(LIST), listed);
}

/// Promise: documents go to the list that is meant, also to a new one; where none or another is meant, a message says
/// which there are.
#[test]
fn the_list_is_the_one_that_is_meant() {
    for (sources, to, exit, expected) in [
        ("\"a.toml\"", None, 0, "a.toml"),
        ("\"a.toml\", \"./a.toml\", \"d/*.toml\"", None, 0, "a.toml"),
        ("\"a.toml\", \"d/*.toml\"", Some("d/new.toml"), 0, "d/new.toml"),
        ("\"a.toml\", \"d/*.toml\"", Some("link/new.toml"), 0, "d/new.toml"),
        ("\"a.toml\", \"link/*.toml\"", Some("d/new.toml"), 0, "d/new.toml"),
        ("\"a.toml\", \"d/*.toml\"", Some("d/new.txt"), 2, "name one of these with --to"),
        ("\"a.toml\", \"d/*.toml\"", Some("d/.new.toml"), 2, "d/*.toml"),
        ("\"a.toml\", \"d/*.toml\"", Some("none/new.toml"), 2, "reads no watch list"),
        ("\"a.toml\", \"none/*.toml\"", Some("none/new.toml"), 2, "make it first"),
        ("\"a.toml\", \"b.toml\"", None, 2, "several watch lists in full; say with --to FILE"),
        ("\"a.toml\", \"b.toml\"", Some("b.toml"), 0, "b.toml"),
        ("\"d/*.toml\"", None, 2, "no watch list in full; say with --to FILE"),
    ] {
        let bench = Bench::new();
        bench.reconfigure("\"watchlist.toml\"", sources);
        bench.write("a.toml", "");
        bench.write("b.toml", "");
        fs::create_dir(bench.path("d")).unwrap();
        symlink("d", bench.path("link")).unwrap();
        let to = to.map(|to| bench.path(to));
        let to: Vec<_> = to.iter().flat_map(|to| ["--to", to.to_str().unwrap()]).collect();
        let output = pipe(&bench, &link(1), &to);
        assert_eq!(code(&output), Some(exit), "{sources} {to:?}: {}", stderr(&output));
        match exit {
            0 => assert_eq!(bench.read(expected), entry(1), "{sources}"),
            _ => {
                let message = stderr(&output);
                assert!(message.replace('\n', " ").contains(expected), "{sources}: {message}");
            }
        }
    }
}

/// Promise: the list keeps its permissions, and its name where that is a link.
#[test]
fn the_list_stays_what_it_is() {
    let bench = Bench::new();
    bench.write("true.toml", "# mine\n");
    set_mode(&bench.path("true.toml"), 0o640);
    symlink("true.toml", bench.path(LIST)).unwrap();
    assert_eq!(code(&pipe(&bench, &link(1), &[])), Some(0));
    assert_eq!(bench.read("true.toml"), format!("# mine\n\n{}", entry(1)));
    assert!(bench.path(LIST).is_symlink());
    let found = fs::metadata(bench.path("true.toml")).unwrap();
    let folder = fs::metadata(bench.folder.path()).unwrap();
    assert_eq!((found.permissions().mode() & 0o7777, found.uid()), (0o640, folder.uid()));
}

/// Promise: where the list can't be replaced it stays as it was, nothing is left beside it, and a message says what to do.
#[test]
fn a_folder_that_cannot_be_written() {
    let bench = Bench::new();
    bench.reconfigure("\"watchlist.toml\"", "\"disk/list.toml\"");
    fs::create_dir(bench.path("disk")).unwrap();
    bench.write("disk/list.toml", "# mine");
    let before = files(&bench.path("disk"));
    let arguments = ["--format", "pdf", &link(1)];
    let refused = if is_root() {
        if !may_mount(&bench) {
            return;
        }
        let line = format!("{COVER} && exec \"$0\" add \"$2\" \"$3\" {}", arguments.join(" "));
        in_own_namespace(&bench, &line, &[]).output()
    } else {
        set_mode(&bench.path("disk"), 0o500);
        let refused = bench.output("add", &arguments);
        set_mode(&bench.path("disk"), 0o700);
        refused
    };
    assert_eq!((code(&refused), stdout(&refused).as_str()), (Some(1), ""), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("nothing was added"), "{}", stderr(&refused));
    assert!(stderr(&refused).replace('\n', " ").contains("make files in its folder"), "{}", stderr(&refused));
    assert!(files(&bench.path("disk")) == before);
}

/// Promise: of documents that are added at the same time none is lost.
#[test]
fn none_is_lost_where_several_add() {
    const PROCESSES: usize = 8;
    let bench = Bench::new();
    bench.write(LIST, "# mine\n");
    let adding: Vec<_> = (0..PROCESSES)
        .map(|number| bench.command("add", &["--format", "pdf", &link(number)]).spawn())
        .collect();
    for process in adding {
        let added = process.output();
        assert_eq!(code(&added), Some(0), "{}", stderr(&added));
    }
    let text = bench.read(LIST);
    assert!((0..PROCESSES).all(|number| text.contains(&entry(number))), "{text}");
    assert_eq!(text.matches("[[document]]").count(), PROCESSES);
    let names: Vec<_> =
        fs::read_dir(bench.folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{names:?}");
}

/// Promise: a watcher that runs takes up what is added without being asked to, and `add` says so.
#[test]
fn a_watcher_takes_up_what_is_added() {
    let bench = Bench::new();
    bench.write(LIST, "");
    let watcher = bench.start(&[]);
    watcher.wait_event("watcher.started", 1);
    let added = pipe(&bench, &link(1), &[]);
    assert_eq!(code(&added), Some(0), "{}", stderr(&added));
    assert!(stderr(&added).replace('\n', " ").contains("takes them up by itself"), "{}", stderr(&added));
    watcher.wait_event("document.created", 1);
    assert_eq!(watcher.stop().code, Some(0));
}
