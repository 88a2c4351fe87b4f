//! `explain` as a user and a script see it.

use std::process::Output;

use serde_json::Value;

use crate::call::BINARY;
use crate::harness::Bench;
use crate::outputs::{stderr, stdout};

fn explain(arguments: &[&str]) -> Output {
    Bench::new().call(BINARY).arg("explain").args(arguments).output()
}

/// Promise: what a pipe gets is plain, a sentence a line.
#[test]
fn a_pipe_gets_a_sentence_a_line() {
    let output = explain(&["110", "scope_missing"]);
    let text = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert!(text.starts_with("job_status 110: no permission\n  error.kind  no_permission\n"), "{text}");
    assert!(text.contains("\n\nreason scope_missing: API scope not granted\n"), "{text}");
    let to_do: Vec<_> = text.lines().filter(|line| line.starts_with("  do  ")).collect();
    assert_eq!(to_do.len(), 2, "{text}");
    assert!(to_do[1].contains("docs:document:export") && to_do[1].contains("SIGHUP"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

/// Promise: without a code all is listed, in both forms.
#[test]
fn all_is_listed() {
    let list = stdout(&explain(&[]));
    let json: Value = serde_json::from_str(&stdout(&explain(&["--format", "json"]))).unwrap();
    let all = json["explanations"].as_array().unwrap();
    for entry in all {
        let word = entry["number"]
            .as_i64()
            .map_or_else(|| entry["name"].as_str().unwrap().to_owned(), |number| number.to_string());
        assert!(list.contains(&format!("\n  {word} ")), "{word}");
        assert!(entry["hint"].is_string() && entry["waiting"].is_string() && entry["new_export"].is_string());
    }
    for of in ["job_status", "code", "kind", "reason"] {
        assert!(all.iter().any(|entry| entry["of"] == of), "{of}");
    }
}

/// Promise: an unknown code ends with 2 and says what was meant, and the known ones are explained all the same.
#[test]
fn unknown_codes_are_near_misses() {
    let output = explain(&["99991627", "111", "no-permission", "-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).starts_with("job_status 111: document deleted\n"));
    let complaints = stderr(&output);
    let complaints: Vec<_> = complaints.lines().collect();
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    assert!(complaints[0].contains("\"99991627\"; did you mean 99991672 or 99991677?"), "{complaints:?}");
    assert!(complaints[1].contains("did you mean no_permission?"), "{complaints:?}");
    assert!(complaints[2].contains("explain unknown_job_status unknown_code"), "{complaints:?}");
    assert_eq!(stdout(&explain(&["4711"])), "");
}
