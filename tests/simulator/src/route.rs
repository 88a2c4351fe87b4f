//! Which endpoint a request is for, by method and path. By hand, so that odd requests are recorded like all others.

use std::borrow::Cow;

use axum::http::{Method, Uri};

use crate::record::Endpoint;

const TENANT_TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";
const EXPORT_TASKS: &str = "/open-apis/drive/v1/export_tasks";
const NODE: &str = "/open-apis/wiki/v2/spaces/get_node";
const PERMISSIONS: &str = "/open-apis/drive/v1/permissions/";

/// A request's destination.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    TenantToken,
    Create,
    Query { ticket: Cow<'a, str>, token: Option<Cow<'a, str>> },
    Download { file_token: Cow<'a, str> },
    Node { token: Option<Cow<'a, str>> },
    Permission { token: Cow<'a, str>, doc_type: Option<Cow<'a, str>>, action: Option<Cow<'a, str>> },
    Other,
}

impl<'a> Route<'a> {
    pub(crate) fn from_request(method: &Method, uri: &'a Uri) -> Self {
        let path = uri.path();
        match (method.as_str(), path.strip_prefix(EXPORT_TASKS)) {
            ("POST", _) if path.strip_suffix('/').unwrap_or(path) == TENANT_TOKEN => Self::TenantToken,
            ("POST", Some("")) => Self::Create,
            ("GET", Some(rest)) => Self::below_export_tasks(rest, uri.query()),
            ("GET", None) if path == NODE => Self::Node { token: parameter(uri.query(), "token") },
            ("GET", None) => Self::permission(path, uri.query()).unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }

    fn permission(path: &'a str, query: Option<&'a str>) -> Option<Self> {
        let token = path.strip_prefix(PERMISSIONS)?.strip_suffix("/members/auth")?;
        let is_one = !token.is_empty() && !token.contains('/');
        is_one.then(|| Self::Permission {
            token: percent_decode(token),
            doc_type: parameter(query, "type"),
            action: parameter(query, "action"),
        })
    }

    fn below_export_tasks(rest: &'a str, query: Option<&'a str>) -> Self {
        let Some(rest) = rest.strip_prefix('/') else {
            return Self::Other;
        };
        if let Some(file_token) = rest.strip_prefix("file/").and_then(|rest| rest.strip_suffix("/download")) {
            return Self::Download { file_token: percent_decode(file_token) };
        }
        if rest.is_empty() || rest.contains('/') {
            return Self::Other;
        }
        Self::Query { ticket: percent_decode(rest), token: parameter(query, "token") }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::TenantToken => Endpoint::TenantToken,
            Self::Create => Endpoint::Create,
            Self::Query { .. } => Endpoint::Query,
            Self::Download { .. } => Endpoint::Download,
            Self::Node { .. } => Endpoint::Node,
            Self::Permission { .. } => Endpoint::Permission,
            Self::Other => Endpoint::Other,
        }
    }
}

/// The first value of that name in a query string.
fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decode(value)).next()
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| hex_byte(after)).flatten();
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(ticket: &'static str, token: Option<&'static str>) -> Route<'static> {
        Route::Query { ticket: ticket.into(), token: token.map(Into::into) }
    }

    #[test]
    fn each_endpoint_is_found() {
        let cases = [
            ("POST", "/open-apis/auth/v3/tenant_access_token/internal", Route::TenantToken),
            ("POST", "/open-apis/auth/v3/tenant_access_token/internal/", Route::TenantToken),
            ("POST", "/open-apis/drive/v1/export_tasks", Route::Create),
            ("GET", "/open-apis/drive/v1/export_tasks/69?token=doc", query("69", Some("doc"))),
            ("GET", "/open-apis/drive/v1/export_tasks/69?a=b&token=d%2Fc", query("69", Some("d/c"))),
            ("GET", "/open-apis/drive/v1/export_tasks/6%209", query("6 9", None)),
            ("GET", "/open-apis/drive/v1/export_tasks/%zz%4", query("%zz%4", None)),
            (
                "GET",
                "/open-apis/drive/v1/export_tasks/file/box/download",
                Route::Download { file_token: "box".into() },
            ),
            (
                "GET",
                "/open-apis/wiki/v2/spaces/get_node?token=wik",
                Route::Node { token: Some("wik".into()) },
            ),
            ("GET", "/open-apis/wiki/v2/spaces/get_node", Route::Node { token: None }),
            (
                "GET",
                "/open-apis/drive/v1/permissions/doc/members/auth?type=docx&action=export",
                Route::Permission {
                    token: "doc".into(),
                    doc_type: Some("docx".into()),
                    action: Some("export".into()),
                },
            ),
            ("GET", "/open-apis/drive/v1/permissions//members/auth", Route::Other),
            ("GET", "/open-apis/drive/v1/permissions/a/b/members/auth", Route::Other),
            ("GET", "/open-apis/drive/v1/export_tasks", Route::Other),
            ("GET", "/open-apis/drive/v1/export_tasks/", Route::Other),
            ("GET", "/open-apis/drive/v1/export_tasks/a/b", Route::Other),
            ("PUT", "/open-apis/drive/v1/export_tasks/69?token=doc", Route::Other),
            ("GET", "/", Route::Other),
        ];
        for (method, uri, expected) in cases {
            let (method, parsed) = (method.parse().unwrap(), uri.parse().unwrap());
            assert_eq!(Route::from_request(&method, &parsed), expected, "{method} {uri}");
        }
    }
}
