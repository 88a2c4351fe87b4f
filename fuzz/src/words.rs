//! Short texts that people type: a duration, directives for the log, a part of a label. The first line of an input
//! is taken for each of them; what follows is the label.

use std::time::Duration;

use feishu_export_watcher::LabelPattern;
use feishu_export_watcher::config::{parse_directives, parse_duration};

/// Holds what is made of typed text to what is promised of it.
pub fn words(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (typed, label) = text.split_once('\n').unwrap_or((&text, ""));
    assert_directives(typed);
    assert_pattern(typed, label);
    assert_duration(typed)
}

/// What is read can be said in another way.
fn assert_duration(text: &str) -> bool {
    let Some(duration) = parse_duration(text) else { return false };
    assert!(text.len() <= 64, "{} bytes", text.len());
    let said = format!("{}s {}ns", duration.as_secs(), duration.subsec_nanos());
    // Seconds beyond these, no text of one unit can say.
    if duration < Duration::from_secs(600_000_000_000) {
        assert_eq!(parse_duration(&said), Some(duration), "{text:?} is {said}");
    }
    true
}

/// A mistake is told together with what would be accepted.
fn assert_directives(text: &str) {
    match parse_directives(text) {
        Ok(_) => assert!(text.contains(|letter: char| letter != ',' && !letter.is_whitespace()), "{text:?}"),
        Err(message) => assert!(message.contains("off, error, warn, info, debug, trace"), "{message}"),
    }
}

/// Every text is a pattern, and one without signs finds itself in a label.
fn assert_pattern(typed: &str, label: &str) {
    let pattern = LabelPattern::parse(typed);
    assert!(pattern.is_ok(), "{typed:?}");
    let fits = |label: &str| pattern.as_ref().is_ok_and(|pattern| pattern.fits(label));
    let is_found = fits(label);
    if !typed.contains(['*', '?']) {
        assert!(fits(typed) && fits(&format!("{label}{typed}{label}")), "{typed:?}");
        assert!(is_found || !label.contains(typed), "{typed:?} {label:?}");
    }
}
