//! URLs of endpoints, and how a user's text becomes part of one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::domain::BaseUrl;

/// Everything but the unreserved characters (RFC 3986, section 2.3).
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
pub(super) fn segment(text: &str) -> String {
    match text {
        "." => "%252E".to_owned(),
        ".." => "%252E%252E".to_owned(),
        _ => utf8_percent_encode(text, RESERVED).to_string(),
    }
}
