//! Short texts that people type: a duration, directives for the log, a pattern for labels. The first line of an input
//! is taken for each of them; what follows is the label that the pattern is held against.

use std::time::Duration;

use crate::LabelPattern;
use crate::config::{parse_directives, parse_duration};

/// Bytes of a label that counts; no watch list has longer ones.
const LABEL_MAX: usize = 800;

/// Holds what is made of typed text to what is promised of it.
pub fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (typed, label) = text.split_once('\n').unwrap_or((&text, ""));
    assert_duration(typed);
    assert_directives(typed);
    assert_pattern(typed, &label[..label.floor_char_boundary(LABEL_MAX)]);
}

/// What is read can be said in another way.
fn assert_duration(text: &str) {
    let Some(duration) = parse_duration(text) else { return };
    assert!(text.len() <= 64, "{} bytes", text.len());
    let said = format!("{}s {}ns", duration.as_secs(), duration.subsec_nanos());
    // Seconds beyond these, no text of one unit can say.
    if duration < Duration::from_secs(600_000_000_000) {
        assert_eq!(parse_duration(&said), Some(duration), "{text:?} is {said}");
    }
}

/// A mistake is told together with what would be accepted.
fn assert_directives(text: &str) {
    match parse_directives(text) {
        Ok(_) => assert!(text.contains(|letter: char| letter != ',' && !letter.is_whitespace()), "{text:?}"),
        Err(message) => assert!(message.contains("off, error, warn, info, debug, trace"), "{message}"),
    }
}

/// Every text is a pattern, and finds what its own signs say.
fn assert_pattern(typed: &str, label: &str) {
    let pattern = LabelPattern::parse(typed);
    assert!(pattern.is_ok(), "{typed:?}");
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (signs, label_signs) = (lower(typed), lower(label));
    let expected = if typed.contains(['*', '?']) {
        fits(&signs, &label_signs)
    } else {
        signs.is_empty() || label_signs.windows(signs.len()).any(|part| part == signs)
    };
    assert_eq!(pattern.is_ok_and(|pattern| pattern.fits(label)), expected, "{typed:?} {label:?}");
}

/// Whether a text fits signs of which `*` stands for any text and `?` for any one character: which beginnings of the
/// text fit the signs so far, sign by sign.
fn fits(signs: &[char], text: &[char]) -> bool {
    let mut beginnings = vec![false; text.len() + 1];
    beginnings[0] = true;
    for sign in signs {
        if *sign == '*' {
            let first = beginnings.iter().position(|fits| *fits).unwrap_or(beginnings.len());
            beginnings[first..].fill(true);
        } else {
            for length in (0..text.len()).rev() {
                beginnings[length + 1] = beginnings[length] && (*sign == '?' || *sign == text[length]);
            }
            beginnings[0] = false;
        }
    }
    beginnings.last() == Some(&true)
}
