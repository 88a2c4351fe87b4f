//! The URL of a query. Ticket and token are the user's texts: each must arrive as it stands, as one
//! path segment and one parameter, whatever it holds.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::domain::BaseUrl;

/// The path of query export task, up to the ticket.
const QUERY_PATH: &str = "/open-apis/drive/v1/export_tasks/";

/// Everything but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `GET /open-apis/drive/v1/export_tasks/:ticket?token=…` for a ticket and its source document.
pub(super) fn query_url(base: &BaseUrl, ticket: &str, token: &str) -> Url {
    let mut url = base.as_url().clone();
    url.set_path(&format!("{QUERY_PATH}{}", segment(ticket)));
    url.set_query(Some(&format!("token={}", utf8_percent_encode(token, RESERVED))));
    url
}

/// The URL of an endpoint without parameters.
pub(super) fn endpoint_url(base: &BaseUrl, path: &str) -> Url {
    let mut url = base.as_url().clone();
    url.set_path(path);
    url
}

/// A text as one path segment.
///
/// No URL can name the segments `.` and `..`: `%2E` is the same as a dot to every URL parser, here and
/// at the gateway, and the path would climb. Encoded once more they stay where they are, and the
/// server answers that it knows no such ticket, which is true.
fn segment(text: &str) -> String {
    match text {
        "." => "%252E".to_owned(),
        ".." => "%252E%252E".to_owned(),
        _ => utf8_percent_encode(text, RESERVED).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_ticket_is_one_segment_that_decodes_to_itself(ticket in "\\PC*|[./%\\\\?#;\t\n\0a]{1,8}", token in "\\PC*") {
            let base = BaseUrl::parse("https://open.feishu.cn").unwrap();
            let url = query_url(&base, &ticket, &token);
            let sent = url.path().strip_prefix(QUERY_PATH).unwrap();
            prop_assert!(!sent.contains('/'));
            let decoded = percent_encoding::percent_decode_str(sent).decode_utf8().unwrap();
            if ticket != "." && ticket != ".." {
                prop_assert_eq!(&*decoded, &*ticket);
            }
            let parameters: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(parameters, vec![("token".into(), token.into())]);
        }
    }
}
