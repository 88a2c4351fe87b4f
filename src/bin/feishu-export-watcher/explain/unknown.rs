//! The message about a word that nothing is called: which known one was probably meant.

use feishu_export_watcher::domain::answers::{CODES, JOB_STATUSES};
use feishu_export_watcher::domain::{FileState, TicketState, escape, near_miss};

use super::entry::names;

/// Characters of a word that are shown.
const SHOWN_MAX: usize = 40;

/// Numbers that are proposed at most.
const PROPOSED_MAX: usize = 4;

/// Shorter numbers are near to everything.
const DIGITS_MIN: usize = 3;

/// The error for a word without an explanation, with advice.
pub(super) fn message(word: &str) -> String {
    let number = word.parse::<i64>();
    let near = match number {
        Ok(_) => near_numbers(word),
        Err(_) => near_miss(word, names()).map(str::to_owned).into_iter().collect(),
    };
    let advice = match number {
        _ if word.parse::<TicketState>().is_ok() => {
            "that is a ticket's state; `feishu-export-watcher status` shows what went wrong"
        }
        _ if word.parse::<FileState>().is_ok() => {
            "that is a file's state; `feishu-export-watcher status` shows where it is, or what keeps it"
        }
        _ if !near.is_empty() => &format!("did you mean {}?", one_of(&near)),
        Ok(100..=599) => "if it is an HTTP status, ask for the error.code or error.kind beside it",
        Ok(_) => "`feishu-export-watcher explain unknown_job_status unknown_code` says what to do about it",
        Err(_) => "`feishu-export-watcher explain` lists what is known",
    };
    format!("error: nothing known is called {}; {advice}", shown(word))
}

/// The known numbers that one typing error leads to: a digit wrong, missing or too many, or two swapped.
fn near_numbers(said: &str) -> Vec<String> {
    let known = JOB_STATUSES.iter().map(|row| row.number).chain(CODES.iter().map(|row| row.number));
    let is_near =
        |number: &String| number.len() >= DIGITS_MIN && strsim::damerau_levenshtein(said, number) == 1;
    known.map(|number| number.to_string()).filter(is_near).take(PROPOSED_MAX).collect()
}

/// "a", "a or b", "a, b or c".
fn one_of(words: &[String]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => words.concat(),
    }
}

/// The word in quotes, cut to a sane length, without control characters.
fn shown(word: &str) -> String {
    let kept: String = word.chars().take(SHOWN_MAX).collect();
    let more = if kept.len() < word.len() { "…" } else { "" };
    format!("\"{}{more}\"", escape(&kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: one typing error in a number is found, whichever it is.
    #[test]
    fn numbers_that_were_probably_meant() {
        for (said, near) in [
            ("99991627", &["99991672", "99991677"][..]),
            ("9999172", &["99991672"]),
            ("999914000", &["99991400"]),
            ("1069903", &["1069901", "1069902", "1069904", "1069906"]),
            ("11", &["110", "111"]),
            ("4711", &[]),
            ("4", &[]),
            ("-110", &["110"]),
        ] {
            assert_eq!(near_numbers(said), near, "{said}");
        }
    }

    /// Promise: the message for a wrong word names the right one, or where to look.
    #[test]
    fn the_message_says_what_to_do() {
        for (said, advice) in [
            ("scope_mising", "did you mean scope_missing?"),
            ("No-Permission", "did you mean no_permission?"),
            ("99991402", "did you mean 99991400, 99991401, 99991403 or 99992402?"),
            ("502", "if it is an HTTP status"),
            ("4711", "explain unknown_job_status unknown_code` says what to do"),
            ("timed_out", "that is a ticket's state"),
            ("waiting", "that is a file's state"),
            ("export", "`feishu-export-watcher explain` lists"),
            ("", "`feishu-export-watcher explain` lists"),
        ] {
            let text = message(said);
            assert!(text.contains(advice), "{text}");
        }
        let long = message(&format!("\u{1b}[2J\n{}", "9".repeat(100_000)));
        assert!(
            long.starts_with("error: nothing known is called \"\\u{1b}[2J\\u{a}999") && long.len() < 200,
            "{long}"
        );
    }
}
