//! A page on its way out: the policy by which a browser loads and runs nothing but what is in it, and whether the browser
//! has it already.

use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// The style of every page.
pub(super) const STYLE: &str = include_str!("page.css");

/// What refreshes a page in place.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// By the text itself, so that no other style and no other script is ever taken.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// A page that may be kept, and asked about by its tag.
pub(super) fn found(html: String, asked: &HeaderMap) -> Response {
    let tag: String =
        digest(&SHA256, html.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let kept = [(ETAG, tag.clone()), (CACHE_CONTROL, "no-cache".to_owned())];
    if is_known(asked, &tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, page(html)).into_response()
}

/// A page that says why there is none.
pub(super) fn message(status: StatusCode, html: String) -> Response {
    (status, page(html)).into_response()
}

fn page(html: String) -> ([(HeaderName, String); 3], String) {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, html)
}

/// Whether the client has a page of this tag (RFC 9110, section 13.1.2: tags are compared weakly).
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let tags = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a page that the client has is not sent again, and any other is.
    #[test]
    fn a_known_page_is_not_sent_again() {
        let tag = found("page".to_owned(), &HeaderMap::new()).headers()[ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() == 66, "{tag}");
        let asked = |value: &str| {
            let asked: HeaderMap = [(IF_NONE_MATCH, value.parse().unwrap())].into_iter().collect();
            found("page".to_owned(), &asked).status().as_u16()
        };
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            assert_eq!(asked(&known), 304, "{known}");
        }
        for other in ["\"x\"", "", tag.trim_matches('"'), "W/\"x\", \"y\""] {
            assert_eq!(asked(other), 200, "{other}");
        }
    }
}
