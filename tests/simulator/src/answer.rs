//! Answers: a status, headers and a body, ready to be sent or to be spoilt by a fault.
//!
//! The envelope is that of the page on calling an API ("调用 API"): `{code, msg, data}` or `{code, msg, error}`.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{export_file::ExportFile, switches::LogIdPlace};

/// `Content-Type` of every JSON answer.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: Option<i64>,
    pub(crate) content_type: Cow<'static, str>,
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    pub(crate) payload: Payload,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Payload {
    /// As they are.
    Bytes(Vec<u8>),
    /// A part of an exported file, computed while it is sent.
    File {
        /// The whole of it.
        file: Box<ExportFile>,
        /// Where in the file they begin.
        from: u64,
        /// How many.
        bytes: u64,
        /// Announce them.
        content_length: bool,
    },
}

impl Answer {
    /// A body of any kind, without `code`.
    pub(crate) fn plain(
        status: u16,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            status,
            code: None,
            content_type: content_type.into(),
            headers: Vec::new(),
            payload: Payload::Bytes(body.into()),
        }
    }

    /// JSON that is its own envelope.
    pub(crate) fn json(status: u16, code: i64, body: impl Into<Vec<u8>>) -> Self {
        Self { code: Some(code), ..Self::plain(status, JSON, body) }
    }

    /// What an unknown path or method gets.
    pub(crate) fn page_not_found() -> Self {
        Self::plain(404, "text/plain", "404 page not found")
    }

    pub(crate) fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Head and body as they go to the connection.
    pub(crate) fn into_response(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        let Ok(status) = StatusCode::from_u16(self.status) else {
            return unsendable("the status");
        };
        *response.status_mut() = status;
        let content_type = (Cow::Borrowed(header::CONTENT_TYPE.as_str()), self.content_type.into_owned());
        for (name, value) in self.headers.into_iter().chain([content_type]) {
            let name = HeaderName::from_bytes(name.as_bytes());
            // From bytes, since a file name may be raw UTF-8.
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) else {
                return unsendable("a header");
            };
            response.headers_mut().append(name, value);
        }
        response
    }
}

fn unsendable(what: &str) -> Response<Body> {
    let mut response =
        Response::new(Body::from(format!("the scenario asks for {what} that HTTP cannot carry")));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// A refusal in the usual envelope.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) msg: Cow<'static, str>,
    /// Members of `error` beside the log id.
    pub(crate) details: Map<String, Value>,
}

impl Refusal {
    /// With the documented message of that code.
    pub(crate) fn new(status: u16, code: i64) -> Self {
        Self { status, code, msg: Cow::Borrowed(message_of(code)), details: Map::new() }
    }

    pub(crate) fn with_msg(mut self, msg: impl Into<Cow<'static, str>>) -> Self {
        self.msg = msg.into();
        self
    }

    /// Writes the envelope, with the log id where the switch says.
    pub(crate) fn into_answer(self, log_id: &str, place: LogIdPlace) -> Answer {
        let mut error = self.details;
        let mut envelope = Map::new();
        envelope.insert("code".to_owned(), json!(self.code));
        envelope.insert("msg".to_owned(), json!(self.msg));
        match place {
            LogIdPlace::LogId => error.insert("log_id".to_owned(), json!(log_id)),
            LogIdPlace::Logid => error.insert("logid".to_owned(), json!(log_id)),
            LogIdPlace::TopLevel => envelope.insert("log_id".to_owned(), json!(log_id)),
            LogIdPlace::Absent => None,
        };
        if !error.is_empty() {
            error.insert("troubleshooter".to_owned(), json!(troubleshooter(log_id)));
            envelope.insert("error".to_owned(), Value::Object(error));
        }
        Answer::json(self.status, self.code, Value::Object(envelope).to_string())
    }
}

fn troubleshooter(log_id: &str) -> String {
    format!(
        "排查建议查看(Troubleshooting suggestions): https://open.feishu.cn/search?from=openapi&log_id={log_id}"
    )
}

/// The text that goes with a code; free text by its page, so nothing may depend on it (9499 and 99991668 excepted).
fn message_of(code: i64) -> &'static str {
    match code {
        600 => "data has been migrated, please try again later",
        9499 => "too many request",
        10_014 => "app id not exists",
        131_001 => "rpc fail",
        131_002 => "param err",
        131_004 => "invalid user",
        131_005 => "not found",
        131_006 => "permission denied",
        131_007 => "internal err",
        1_060_001 => "param is invalid",
        1_063_001 => "Invalid parameter",
        1_063_006 => "Too many requests",
        1_069_901 => "internal error",
        1_069_902 => "no permission",
        1_069_904 => "invalid param",
        1_069_906 => "docs deleted",
        1_069_914 => "invalid docs token",
        1_069_918 => "docs type and file extension mismatch",
        1_069_923 => "too many requests",
        99_991_400 => "request trigger frequency limit",
        99_991_401 => "ip not allowed",
        99_991_403 => "This month's API call quota has been exceeded",
        99_991_661 => "Missing access token for authorization. Please make a request with token attached.",
        99_991_662 => "app is not in use",
        99_991_663 => "Invalid access token for authorization. Please make a request with token attached.",
        99_991_664 => "invalid app access token",
        99_991_665 => "invalid tenant code",
        99_991_668 => "Invalid access token for authorization. Please make a request with token attached.",
        99_991_671 => "Invalid access token, it must start with t- or u-",
        99_991_672 => "Access denied. One of the following scopes is required",
        99_991_673 => "app is unavailable in this tenant",
        99_991_677 => "Authentication token expired",
        99_992_402 => "field validation failed",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(place: LogIdPlace) -> Value {
        match Refusal::new(403, 1_069_902).into_answer("log-1", place).payload {
            Payload::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Payload::File { .. } => panic!("a refusal is JSON"),
        }
    }

    #[test]
    fn the_log_id_is_where_the_switch_says() {
        assert_eq!(body(LogIdPlace::LogId)["error"]["log_id"], "log-1");
        assert_eq!(body(LogIdPlace::Logid)["error"]["logid"], "log-1");
        let top = body(LogIdPlace::TopLevel);
        assert_eq!((&top["log_id"], top.get("error")), (&json!("log-1"), None));
        assert_eq!(body(LogIdPlace::Absent), json!({"code": 1_069_902, "msg": "no permission"}));
    }

    #[test]
    fn what_http_cannot_carry_is_named() {
        let odd = Answer::json(200, 0, "{}").with_header("bad name", "x").into_response(Body::empty());
        assert_eq!(odd.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let odd = Answer::json(99, 0, "{}").into_response(Body::empty());
        assert_eq!(odd.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
