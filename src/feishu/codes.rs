//! What a `code` of the envelope means for one answer: the table of codes, the endpoint that was asked, and the
//! wording of the message.

use crate::domain::Endpoint;
use crate::domain::answers::{self, CodeMeaning, Wording};

/// The meaning of a code in the answer of an endpoint. A code that is not listed is [`CodeMeaning::Unclear`]. `messages`
/// are the answer's messages.
pub(super) fn meaning(code: i64, messages: &[&str], endpoint: Endpoint) -> CodeMeaning {
    let row = answers::code_of(code).filter(|row| row.only_from.is_none_or(|only| only == endpoint));
    let Some(row) = row else {
        return CodeMeaning::Unclear;
    };
    match row.worded {
        Some((wording, meaning)) if messages.iter().any(|text| is_worded(text, wording)) => meaning,
        _ => row.meaning,
    }
}

fn is_worded(text: &str, wording: Wording) -> bool {
    let text = text.to_ascii_lowercase();
    match wording {
        // The one wording that makes 9499 a throttle, whatever its case, spaces and final dot.
        Wording::TooManyRequests => {
            let words: Vec<_> = text.trim().trim_end_matches(['.', '。']).split_whitespace().collect();
            matches!(words[..], ["too", "many", "request" | "requests"])
        }
        // "user access token not support": the API takes another kind of token, so a new one won't help.
        Wording::NotSupported => text.contains("not support"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_wording_makes_9499_a_throttle() {
        for throttle in
            ["too many request", "Too Many Requests", "  too  many\trequests. ", "TOO MANY REQUEST."]
        {
            assert_eq!(meaning(9499, &[throttle], Endpoint::Query), CodeMeaning::Throttled, "{throttle}");
        }
        for other in ["", "bad request", "too many", "too many requests in body", "toomanyrequests"] {
            assert_eq!(meaning(9499, &[other], Endpoint::Query), CodeMeaning::Unclear, "{other}");
        }
    }

    /// Promise: what a code means at one endpoint alone decides nothing at the others.
    #[test]
    fn codes_of_one_endpoint_are_unlisted_elsewhere() {
        for row in answers::CODES.iter() {
            for endpoint in Endpoint::ALL {
                let is_listed = row.only_from.is_none_or(|only| only == *endpoint);
                let expected = if is_listed { row.meaning } else { CodeMeaning::Unclear };
                assert_eq!(meaning(row.number, &[], *endpoint), expected, "{} {endpoint:?}", row.number);
            }
        }
        assert_eq!(meaning(1_060_001, &[], Endpoint::Query), CodeMeaning::Unclear);
    }
}
