//! `init`: from an empty folder to a configuration that `check` accepts and a run works with; and what it leaves alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use export_simulator::{DEFAULT_APP_ID, Job};

use crate::call::{BINARY, Call};
use crate::canaries::APP_SECRET;
use crate::harness::Bench;
use crate::outputs::{files, stderr, stdout};
use crate::terminal::Person;

const FILES: [&str; 3] = ["app_secret", "watchlist.toml", "watcher.toml"];

/// The keys that end an input and a program.
const CONTROL_C: &str = "\u{3}";
const CONTROL_D: &str = "\u{4}";

/// `init` in a folder of the bench, by a line of a shell for which `"$@"` is the command.
fn init(bench: &Bench, folder: &str, line: &str, arguments: &[&str]) -> Call {
    fs::create_dir_all(bench.path(folder)).unwrap();
    bench.canaries.plant_in(&bench.path(folder).join("app_secret"), APP_SECRET);
    let mut call = bench.call("sh");
    call.args(["-c", line, "sh", BINARY, "init"]).args(arguments).current_dir(&bench.path(folder));
    call
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Promise: whatever the umask, and from wherever the secret comes, only this user can read it, no other can change the
/// configuration, and `check` accepts what was written; the named commands find it.
#[test]
fn a_first_configuration_is_written_and_checked() {
    let bench = Bench::new();
    let url = bench.sim.base_url().to_string();
    for (line, arguments, plain_mode, host) in [
        ("umask 000; exec \"$@\" <../app_secret", &["--base-url", &url][..], 0o644, url.as_str()),
        ("umask 077; exec \"$@\"", &["--platform", "lark", "--secret-file", "../app_secret"], 0o600, LARK),
        (
            "umask 022; (cat ../app_secret; echo; echo more) | \"$@\"",
            &["--platform", "feishu"],
            0o644,
            FEISHU,
        ),
    ] {
        let output = init(&bench, "new", line, &[&["--app-id", DEFAULT_APP_ID], arguments].concat()).output();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        let folder = bench.path("new").canonicalize().unwrap();
        let paths = FILES.map(|file| folder.join(file));
        let rows = paths.iter().map(|path| format!("  {}\n", path.display()));
        let expected = format!(
            "written:\n{}next, list documents and have them saved:\n\
             \x20 feishu-export-watcher add URL --format pdf\n\
             \x20 feishu-export-watcher run --until-done\n",
            rows.collect::<String>()
        );
        assert_eq!(stderr(&output), expected);
        assert_eq!(paths.each_ref().map(|path| mode(path)), [0o600, plain_mode, plain_mode], "{line}");
        assert_eq!(fs::read_to_string(&paths[0]).unwrap(), APP_SECRET);
        let check = bench.call(BINARY).arg("check").current_dir(&folder).output();
        assert_eq!(stdout(&check), stdout(&output), "the report is that of check");
        assert!(stdout(&output).contains(&format!("{host} as {DEFAULT_APP_ID}")), "{}", stdout(&output));
        assert!(stdout(&output).ends_with("\nnothing is listed yet\nvalid\n"), "{}", stdout(&output));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), FILES.len());
        fs::remove_dir_all(&folder).unwrap();
    }
}

const FEISHU: &str = "https://open.feishu.cn";
const LARK: &str = "https://open.larksuite.com";

/// Promise: a run works with what was written, and saves files; a name that `--config` asks for is kept in the commands.
#[test]
fn a_run_works_with_what_was_written() {
    let bench = Bench::new();
    let url = bench.sim.base_url().to_string();
    let arguments = ["--config", "it's mine.toml", "--base-url", &url, "--app-id", DEFAULT_APP_ID];
    let output = init(&bench, "new", "exec \"$@\" <../app_secret", &arguments).output();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    bench.sim.add_job(Job::new("70", "doc70").succeeds_after(Duration::ZERO));
    bench.list("new/watchlist.toml", [("70", "doc70")]);
    let run = said.lines().find(|line| line.contains(" run --until-done --config ")).unwrap().trim();
    let run = bench.call("sh").args(["-c", &run.replacen("feishu-export-watcher", BINARY, 1)]).output();
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(files(&bench.path("new/exports")).len(), 1);
}

/// Promise: where something has one of the names, be it a dangling link, it is named and nothing is written or changed.
#[test]
fn nothing_is_overwritten() {
    let bench = Bench::new();
    for file in FILES {
        for is_link in [false, true] {
            let folder = bench.path("new");
            fs::create_dir(&folder).unwrap();
            let path = folder.join(file);
            if is_link {
                symlink("nowhere", &path).unwrap()
            } else {
                fs::write(&path, "theirs").unwrap()
            }
            let line = "exec \"$@\" <../app_secret";
            let output =
                init(&bench, "new", line, &["--platform", "lark", "--app-id", DEFAULT_APP_ID]).output();
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{file}");
            assert!(stderr(&output).contains(&format!("there is already\n  {}\n", path.display())), "{file}");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{file}");
            let is_theirs = fs::read_to_string(&path).is_ok_and(|text| text == "theirs");
            assert!(is_link || is_theirs, "{file}");
            fs::remove_dir_all(&folder).unwrap();
        }
    }
}

/// Promise: what can't be used is refused before anything is written, in lines that fit and without being repeated.
#[test]
fn what_cannot_be_used_is_refused() {
    let bench = Bench::new();
    for (file, text) in
        [("quoted", format!("'{APP_SECRET}'")), ("two", format!("{APP_SECRET} {APP_SECRET}\n"))]
    {
        bench.canaries.plant_in(&bench.path(file), APP_SECRET);
        bench.secret(file, &text);
    }
    let app = ["--platform", "lark", "--app-id", DEFAULT_APP_ID];
    let with = |more: &[&'static str]| [&app[..], more].concat();
    for (stdin, arguments, said) in [
        ("/dev/null", with(&[]), "the app secret on the first line of stdin is empty"),
        ("../quoted", with(&[]), "stdin stands in quotes; leave them out"),
        ("../two", with(&[]), "is not one line of letters, digits and signs without blanks"),
        ("/dev/zero", with(&[]), "the line is longer than 64 KiB"),
        ("/dev/null", with(&["--secret-file", "../quoted"]), "../quoted stands in quotes"),
        ("/dev/null", with(&["--secret-file", "/dev/zero"]), "/dev/zero is longer than 64 KiB"),
        ("/dev/null", with(&["--secret-file", "gone"]), "failed to read gone: No such file"),
        ("/dev/null", with(&["--config", "gone/watcher.toml"]), "there is no folder\n"),
        ("/dev/null", with(&["--config", "app_secret"]), "--config can't be named"),
        ("/dev/null", vec![], "give --platform or --base-url, and --app-id"),
        ("/dev/null", vec!["--platform", "lark"], "so nothing is asked; give --app-id"),
        ("/dev/null", vec!["--base-url", "http://feishu.example"], "--base-url: plain http would show"),
        ("/dev/null", vec!["--app-id", "zX9notAnAppId"], "--app-id: no app id; expected cli_ and letters"),
    ] {
        let line = format!("exec \"$@\" <{stdin}");
        let output = init(&bench, "new", &line, &arguments).output();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{arguments:?}");
        let message = stderr(&output);
        assert!(message.starts_with("error: ") && !message.contains("zX9"), "{message}");
        assert!(message.lines().all(|line| line.len() <= 80 || line.starts_with("  ")), "{message}");
        assert!(message.replace('\n', " ").contains(&said.replace('\n', " ")), "no {said:?} in {message}");
        assert_eq!(fs::read_dir(bench.path("new")).unwrap().count(), 0, "{arguments:?}");
    }
}

const PLATFORM: &str = "platform, feishu or lark: ";
const APP_ID: &str = "app id, as the developer console shows it (cli_...): ";
const SECRET: &str = "app secret (it is not shown): ";

/// A person, and `init` before them.
fn at_terminal(bench: &Bench, arguments: &[&str]) -> (Person, Call) {
    let person = Person::new();
    let mut call = init(bench, "new", "exec \"$@\"", arguments);
    call.stdin(person.stream()).stderr(person.stream());
    (person, call)
}

/// Promise: on a terminal what is not given is asked for, again after an answer that can't be used; the secret is never
/// shown, and the terminal is left as it was.
#[test]
fn a_terminal_is_asked() {
    let bench = Bench::new();
    let (mut person, mut call) = at_terminal(&bench, &[]);
    let process = call.spawn();
    for (question, answer) in [
        (PLATFORM, "both\n"),
        (PLATFORM, " Lark\n"),
        (APP_ID, "a1b2\n"),
        (APP_ID, "cli_a1b2c3d4e5f60001\n"),
        (SECRET, "'quoted'\n"),
        (SECRET, &format!("wrong\u{15}{APP_SECRET}x\u{7f}\r")),
    ] {
        person.wait_for(question);
        person.press(answer);
    }
    person.wait_for("run --until-done\n");
    assert_eq!(process.output().status.code(), Some(0), "{}", person.shown);
    assert!(person.is_as_before());
    bench.canaries.search("a terminal", person.shown.as_bytes());
    assert!(!person.shown.contains("quoted'"), "{}", person.shown);
    assert!(person.shown.contains(&format!("{SECRET}\nwritten:\n")), "{}", person.shown);
    assert_eq!(bench.read("new/app_secret"), APP_SECRET);
    let config = bench.read("new/watcher.toml");
    assert!(config.contains("\nbase_url = \"https://open.larksuite.com\"\n"), "{config}");
    assert!(config.contains("\napp_id = \"cli_a1b2c3d4e5f60001\"\n"), "{config}");
}

/// Promise: questions that are left unanswered end it without a file, and the terminal shows again what is typed. What
/// is given is not asked for, and nothing is asked where something is in the way.
#[test]
fn questions_may_be_left_unanswered() {
    let bench = Bench::new();
    let given = ["--platform", "lark", "--app-id", DEFAULT_APP_ID];
    let ended = (CONTROL_D, 2, "the input ended before an answer");
    for (arguments, question, (key, code, said)) in [
        (&[][..], PLATFORM, ended),
        (&given[..2], APP_ID, ended),
        (&given, SECRET, ended),
        (&given, SECRET, (CONTROL_C, 130, "interrupted")),
    ] {
        let (mut person, mut call) = at_terminal(&bench, arguments);
        let process = call.spawn();
        person.wait_for(question);
        assert_eq!(person.shown, question);
        assert_eq!(person.is_as_before(), question != SECRET);
        person.press(key);
        person.wait_for(&format!("\nerror: nothing was written: {said}\n"));
        assert_eq!(process.output().status.code(), Some(code), "{question}");
        assert!(person.is_as_before());
        assert_eq!(fs::read_dir(bench.path("new")).unwrap().count(), 0);
    }
    bench.write("new/watchlist.toml", "");
    let (mut person, mut call) = at_terminal(&bench, &[]);
    assert_eq!(call.output().status.code(), Some(2));
    person.wait_for("move it away, or name another folder with --config\n");
    assert!(!person.shown.contains(PLATFORM), "{}", person.shown);
}
