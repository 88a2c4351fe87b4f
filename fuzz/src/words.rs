//! Short texts that people type: a duration, directives for the log. The first line of an input is taken for each of
//! them.

use std::time::Duration;

use feishu_export_watcher::config::parse_duration;
use feishu_export_watcher::domain::parse_directives;

/// Holds what is made of typed text to what is promised of it.
pub fn words(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let typed = text.split('\n').next().unwrap_or_default();
    assert_directives(typed);
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

/// A mistake is reported together with what would be accepted.
fn assert_directives(text: &str) {
    match parse_directives(text) {
        Ok(_) => assert!(text.contains(|letter: char| letter != ',' && !letter.is_whitespace()), "{text:?}"),
        Err(message) => assert!(message.contains("off, error, warn, info, debug, trace"), "{message}"),
    }
}
