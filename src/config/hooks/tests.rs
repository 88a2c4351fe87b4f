//! `[[hook]]`, as it is taken and refused.

use std::path::PathBuf;

use super::super::watcher;
use super::*;
use crate::domain::SecretSource;

const REST: &str =
    "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"s\" }\n";

fn check(sections: &str) -> Result<Vec<Hook>, Vec<String>> {
    let text = format!("watchlist = [\"l\"]\n{sections}\n{REST}");
    let reading = watcher::check(&Path::new("/etc/few/watcher.toml").into(), &text);
    let problems = reading.problems.iter().map(ToString::to_string).collect();
    reading.config.map(|config| config.hooks).ok_or(problems)
}

/// A hook that is fine but for what `lines` say.
fn with(lines: &str) -> String {
    let name = if lines.contains("name = ") { "" } else { "name = \"n\"\n" };
    let events = if lines.contains("events = ") { "" } else { "events = [\"file.saved\"]\n" };
    format!("[[hook]]\n{lines}\n{name}{events}")
}

fn accepted(lines: &str) -> Hook {
    check(&with(lines)).unwrap().remove(0)
}

/// The lines of the shipped `[[hook]]` that stand there in comments, without the one of `key`.
fn shipped_without(key: &str) -> String {
    let start = watcher::DEFAULTS.find("# [[hook]]\n").unwrap();
    let section = watcher::DEFAULTS[start..].split("\n\n").next().unwrap();
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| HOOK_KEYS.contains(&key));
    let lines = section.lines().filter_map(|line| line.strip_prefix("# "));
    let kept = lines.filter(|line| line.starts_with("[[") || is_key(line));
    let kept = kept.filter(|line| !line.starts_with(&format!("{key} = ")));
    kept.map(|line| format!("{line}\n")).collect()
}

/// Promise: the shipped example is accepted as a command and as a webhook, and what its comments say holds.
#[test]
fn the_shipped_comments_hold() {
    let webhook_keys = ["url", "secret", "ca_file", "allow_http"];
    let is_command = |line: &&str| webhook_keys.iter().all(|key| !line.starts_with(&format!("{key} = ")));
    let command: String =
        shipped_without("").lines().filter(is_command).map(|line| format!("{line}\n")).collect();
    let HookTarget::Command(words) = check(&command).unwrap().remove(0).target else { panic!("{command}") };
    assert_eq!(words, ["/usr/local/bin/archive"]);
    let webhook = shipped_without("command");
    let webhook: String =
        webhook.lines().filter(|line| !line.starts_with("ca_file")).map(|line| format!("{line}\n")).collect();
    let shipped = check(&webhook).unwrap().remove(0);
    assert!(matches!(&shipped.target, HookTarget::Webhook(webhook) if webhook.secret.is_some()));
    assert_eq!(shipped.timeout, USUAL_TIMEOUT);
    let start = watcher::DEFAULTS.find("# [[hook]]\n").unwrap();
    let section = watcher::DEFAULTS[start..].split("\n\n").next().unwrap();
    let (least, most) = TIMEOUT.words.trim_start_matches("from ").split_once(" to ").unwrap();
    assert!(section.contains(&format!(". {least} to {most}.")), "{section}");
    for event in HOOK_EVENTS {
        assert!(section.contains(&format!("\"{event}\"")), "{event}");
    }
}

/// Promise: what a hook leaves out is as the documentation says, and a program is found where people mean it.
#[test]
fn commands_are_taken() {
    assert_eq!(check(""), Ok(Vec::new()));
    for (command, expected) in [
        ("[\"archive\"]", &["archive"][..]),
        ("[\"bin/archive\", \"\", \"a b\"]", &["/etc/few/bin/archive", "", "a b"]),
        ("[\"./archive\"]", &["/etc/few/./archive"]),
        ("[\"/bin/archive\"]", &["/bin/archive"]),
    ] {
        let hook = accepted(&format!("command = {command}"));
        assert_eq!(
            hook.target,
            HookTarget::Command(expected.iter().map(|word| (*word).to_owned()).collect())
        );
        assert_eq!(
            (hook.name.as_str(), hook.events, hook.timeout),
            ("n", vec!["file.saved"], Duration::from_secs(20))
        );
    }
    let hook = accepted(
        "command = [\"x\"]\nevents = [\"ticket.failed\", \"file.saved\", \"ticket.failed\"]\ntimeout = \"10m\"",
    );
    assert_eq!((hook.events, hook.timeout), (vec!["ticket.failed", "file.saved"], Duration::from_secs(600)));
}

/// Promise: an address that keeps the events from others is taken, with where its secret lies.
#[test]
fn webhooks_are_taken() {
    for url in ["https://h.test/a?b=c", "http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1"] {
        let HookTarget::Webhook(webhook) = accepted(&format!("url = \"{url}\"")).target else {
            panic!("{url}")
        };
        assert_eq!((webhook.url, webhook.secret, webhook.ca_file), (Url::parse(url).unwrap(), None, None));
    }
    let more = "url = \"http://h.test\"\nallow_http = true\nsecret = { file = \"key\" }";
    let HookTarget::Webhook(webhook) = accepted(more).target else { panic!("{more}") };
    assert_eq!(webhook.secret, Some(SecretSource::File(PathBuf::from("/etc/few/key"))));
}

/// Promise: what does not fit is refused where it stands, with what would; no value of a hook is repeated.
#[test]
fn each_slip_is_named() {
    let url = "url = \"https://h.test\"";
    for (lines, place, expected) in [
        ("name = \"a b\"\ncommand = [\"x\"]", "3:8", "expected 1 to 64 letters, digits, `-` and `_`"),
        ("command = [\"x\"]\nevents = []", "4:10", "an array of at least one event"),
        ("command = [\"x\"]\nevents = \"file.saved\"", "4:10", "expected an array"),
        ("command = [\"x\"]\nevents = [\"file_saved\"]", "4:11", "did you mean `file.saved`?"),
        (
            "command = [\"x\"]\nevents = [\"poll.retry\"]",
            "4:11",
            "hooks take ticket.completed, ticket.failed, ",
        ),
        ("command = [\"x\"]\nevents = [1]", "4:11", "expected the name of an event"),
        ("command = \"CANARY\"", "3:11", "expected an array of the program and its arguments"),
        ("command = []", "3:11", "expected an array of the program"),
        ("command = [\"\"]", "3:12", "a path, not empty"),
        ("command = [\"bin/\"]", "3:12", "the path of a file, not of a folder"),
        ("command = [\"~/CANARY\"]", "3:12", "a path without `~`"),
        ("command = [\"x\", \"CANARY\\u0000\"]", "3:17", "a text without NUL"),
        ("command = [\"x\", 5]", "3:17", "a text without NUL, found a whole number"),
        ("", "2:1", "`command` or `url` is missing"),
        (&format!("command = [\"x\"]\n{url}"), "4:7", "exactly one of them"),
        ("command = [\"x\"]\nsecret = { file = \"f\" }", "4:10", "`secret` is for a hook with a `url`"),
        ("command = [\"x\"]\nallow_http = true", "4:14", "`allow_http` is for a hook with a `url`"),
        ("command = [\"x\"]\ntimeout = \"999ms\"", "4:11", "a duration from 1s to 10m"),
        ("command = [\"x\"]\ntimeout = \"601s\"", "4:11", "a duration from 1s to 10m"),
        ("comand = [\"x\"]", "3:1", "did you mean `command`?"),
        ("command = [\"x\"]\nCANARYCANARY = 1", "4:1", "unknown key; accepted here: name, events, "),
        ("url = \"CANARY\"", "3:7", "expected an address such as"),
        ("url = \"ftp://h.test/CANARY\"", "3:7", "expected an address such as"),
        ("url = \"https://h.test/CANARY b\"", "3:7", "expected an address such as"),
        ("url = \"https://u:CANARY@h.test\"", "3:7", "must not carry a user name or password"),
        ("url = \"https://h.test/#CANARY\"", "3:7", "must end before `#`"),
        ("url = \"http://h.test/CANARY\"", "3:7", "use https, or say allow_http = true"),
        (&format!("{url}\nsecret = \"CANARY\""), "4:10", "a secret never stands in the configuration itself"),
        (&format!("{url}\nsecret = {{ file = \"a\", env = \"B\" }}"), "4:10", "expected exactly one of"),
        (&format!("{url}\nca_file = \"no/such\""), "4:11", "no such file"),
        (&format!("{url}\nallow_http = \"CANARY\""), "4:14", "expected true or false"),
    ] {
        let refused = check(&with(lines)).unwrap_err();
        let [only] = refused.as_slice() else { panic!("{lines}: {refused:?}") };
        let start = format!("/etc/few/watcher.toml:{place}: error: ");
        assert!(only.starts_with(&start) && only.contains(expected), "{lines}: {only}");
        assert!(!only.contains("CANARY"), "{only}");
    }
}

/// Promise: all that is wrong comes out in one run, and names and numbers have bounds.
#[test]
fn hooks_are_bounded_and_have_names_of_their_own() {
    let twice = with("command = [\"x\"]") + &with("url = \"https://h.test\"");
    let refused = check(&twice).unwrap_err();
    assert!(refused[0].contains(":8:8: error: `name`: another hook has this name"), "{refused:?}");
    let many = |count: usize| -> String {
        (0..count).map(|number| with(&format!("name = \"n{number}\"\ncommand = [\"x\"]"))).collect()
    };
    assert_eq!(check(&many(32)).unwrap().len(), 32);
    assert!(check(&many(33)).unwrap_err()[0].contains("more than 32 hooks"));
    let all =
        check("[[hook]]\nname = \"\"\nevents = [\"x\"]\nurl = \"x\"\nsecret = 1\ntimeout = 1").unwrap_err();
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(check("[hook]\nname = \"x\"").unwrap_err()[0].contains("each below a line [[hook]] of its own"));
    assert!(check("hooks = 1").unwrap_err()[0].contains("did you mean `hook`?"));
}
