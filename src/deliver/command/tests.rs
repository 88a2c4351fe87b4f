//! Real processes, as people write hooks: in the shell.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::store::EventId;

const TIMEOUT: Duration = Duration::from_secs(20);

fn event() -> HookEvent {
    let payload = json!({
        "event": "file.saved", "app": "default", "ticket": "70", "label": "周报 $(id); x",
        "file.path": "/srv/a b.pdf", "document": "a\0b",
    });
    HookEvent::new("ab12", EventId(7), &payload.to_string())
}

fn shell(script: &str, folder: &TempDir, timeout: Duration) -> CommandReceiver {
    let words = ["/bin/sh", "-c", script, "sh", folder.path().to_str().unwrap()];
    CommandReceiver::new(words.map(ToOwned::to_owned).to_vec(), timeout)
}

/// How a script ends, with the path of the folder as its first argument.
async fn call(script: &str, timeout: Duration) -> (Result<(), CallError>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let result = shell(script, &folder, timeout).call(&event()).await;
    (result, folder)
}

async fn refusal(script: &str) -> String {
    call(script, TIMEOUT).await.0.unwrap_err().message
}

async fn appears(path: PathBuf) -> String {
    loop {
        match std::fs::read_to_string(&path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Waits until no process of that number runs.
async fn is_gone(pid: &str) {
    let stat = Path::new("/proc").join(pid).join("stat");
    let is_dead = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']));
    let start = Instant::now();
    while !std::fs::read_to_string(&stat).map_or(true, is_dead) {
        assert!(start.elapsed() < Duration::from_secs(30), "process {pid} goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Promise: a command gets the event whole, in JSON and in variables, and nothing else of the watcher's environment; no shell
/// reads its arguments.
#[tokio::test]
async fn the_event_is_on_standard_input_and_in_variables() {
    let (result, folder) = call(
        "cat > \"$1/in\"; env > \"$1/env\"; ps -o pgid= -p $$ > \"$1/group\"; echo $$ >> \"$1/group\"",
        TIMEOUT,
    )
    .await;
    assert_eq!(result, Ok(()));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let value: Value = serde_json::from_str(&read("in")).unwrap();
    assert_eq!((&value["id"], &value["label"]), (&json!("ab12-7"), &json!("周报 $(id); x")));
    let text = read("env");
    for line in [
        "FEISHU_EXPORT_EVENT=file.saved",
        "FEISHU_EXPORT_ID=ab12-7",
        "FEISHU_EXPORT_APP=default",
        "FEISHU_EXPORT_TICKET=70",
        "FEISHU_EXPORT_LABEL=周报 $(id); x",
        "FEISHU_EXPORT_PATH=/srv/a b.pdf",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let allowed = ["PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"];
    let is_known = |name: &str| name.starts_with("FEISHU_EXPORT_") || allowed.contains(&name);
    assert!(text.lines().all(|line| line.split_once('=').is_some_and(|(name, _)| is_known(name))), "{text}");
    assert!(!text.contains("FEISHU_EXPORT_DOCUMENT"));
    let numbers: Vec<_> = read("group").split_whitespace().map(ToOwned::to_owned).collect();
    assert!(numbers.len() != 2 || numbers[0] == numbers[1], "a group of its own: {numbers:?}");
    let plain =
        CommandReceiver::new(["/bin/echo", "$(touch /no/such)"].map(ToOwned::to_owned).to_vec(), TIMEOUT);
    assert_eq!(plain.call(&event()).await, Ok(()));
}

/// Promise: exit 0 alone means taken, and a failure says how and with which last words, on one line, safe to show.
#[tokio::test]
async fn the_exit_status_decides() {
    assert_eq!(call("exit 0", TIMEOUT).await.0, Ok(()));
    assert_eq!(refusal("exit 3").await, "exited with 3");
    assert_eq!(refusal("kill -9 $$").await, "was ended by signal 9");
    assert_eq!(
        refusal("echo ' one'; printf 'two\\n\\n\\033[31mthree\\n' >&2; exit 1").await,
        "exited with 1: two | \\u{1b}[31mthree"
    );
}

/// Promise: a command that can't be started says why, and what to look at.
#[tokio::test]
async fn what_does_not_start_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, mode: u32, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (program, expected) in [
        ("/no/such".to_owned(), ["No such file", "its interpreter"]),
        (script("bare", 0o755, "#!/no/such\n"), ["No such file", "its interpreter"]),
        (script("closed", 0o644, "#!/bin/sh\n"), ["Permission denied", "docs/hooks.md"]),
    ] {
        let message = CommandReceiver::new(vec![program], TIMEOUT).call(&event()).await.unwrap_err().message;
        assert!(message.starts_with("can't be started: "), "{message}");
        assert!(expected.iter().all(|words| message.contains(words)), "{message}");
    }
}

/// Promise: a command may write without end to both outputs, and read nothing; the last words alone are kept.
#[tokio::test]
async fn megabytes_of_output_stall_nothing() {
    let flood = "head -c 4000000 /dev/zero | tr '\\0' x >&2; head -c 4000000 /dev/zero; echo end >&2; exit 1";
    let message = refusal(flood).await;
    assert!(message.ends_with("xend") && message.len() < WORDS_MAX + 40, "{} bytes", message.len());
    assert_eq!(call("exec 0<&-; exit 0", TIMEOUT).await.0, Ok(()));
    let long = HookEvent::new("ab12", EventId(7), &json!({ "event": "x".repeat(300_000) }).to_string());
    let folder = tempfile::tempdir().unwrap();
    assert!(shell("exit 0", &folder, TIMEOUT).call(&long).await.is_err(), "no variable can be that long");
    let long = HookEvent::new("ab12", EventId(7), &json!({ "more": "x".repeat(3_000_000) }).to_string());
    assert_eq!(shell("exec 0<&-; sleep 0.1", &folder, TIMEOUT).call(&long).await, Ok(()));
    let counts = "test $(cat | wc -c) -gt 3000000";
    assert_eq!(shell(counts, &folder, TIMEOUT).call(&long).await, Ok(()));
}

/// Promise: what hangs is killed when its time is over, with everything that it started.
#[tokio::test]
async fn what_hangs_is_killed_with_its_group() {
    let script = "echo why >&2; trap '' TERM; sleep 600 & echo $! > \"$1/pid\"; wait";
    let before = Instant::now();
    let (result, folder) = call(script, Duration::from_secs(1)).await;
    assert_eq!(result.unwrap_err().message, "took longer than 1s and was killed: why");
    assert!(before.elapsed() < Duration::from_secs(10));
    is_gone(&appears(folder.path().join("pid")).await).await;
}

/// Promise: a call that is dropped, as at a stop, leaves no process behind.
#[tokio::test]
async fn a_call_that_is_dropped_is_killed_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = shell("sleep 600 & echo $! > \"$1/pid\"; wait", &folder, TIMEOUT);
    let call = tokio::spawn(async move { receiver.call(&event()).await });
    let pid = appears(folder.path().join("pid")).await;
    call.abort();
    is_gone(&pid).await;
}

/// Promise: a process that a command leaves in the background, with its outputs open, holds up no verdict, and may go on.
#[tokio::test]
async fn a_process_left_behind_holds_up_nothing() {
    let before = Instant::now();
    let leaves = "sleep 600 & echo $! > \"$1/pid\"; echo words >&2";
    let (taken, folder) = call(leaves, TIMEOUT).await;
    assert_eq!(taken, Ok(()));
    let (refused, other) = call(&format!("{leaves}; exit 7"), TIMEOUT).await;
    assert_eq!(refused.unwrap_err().message, "exited with 7: words");
    assert!(before.elapsed() < Duration::from_secs(10));
    for folder in [folder, other] {
        let pid = appears(folder.path().join("pid")).await;
        assert!(Path::new("/proc").join(&pid).exists());
        assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    }
}

/// Promise: a program that hangs before it begins, as on a mount that does, holds up nothing else; one that begins after its
/// call was dropped is killed with its group.
#[tokio::test]
async fn a_start_that_hangs_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let command = shell("sleep 600", &folder, TIMEOUT).command(&event()).unwrap();
    let (disk_answers, waits) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let starting = tokio::spawn(start(move || {
        waits.recv().unwrap();
        let running = Running::spawn(command)?;
        begun.send(running.child.id().unwrap()).unwrap();
        Ok(running)
    }));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!starting.is_finished());
    starting.abort();
    assert!(starting.await.is_err_and(|error| error.is_cancelled()));
    disk_answers.send(()).unwrap();
    is_gone(&begins.await.unwrap().to_string()).await;
}
