//! The answers as they come over the wire. No page says which fields are left out when, so all are
//! optional, and unknown ones are skipped.

use secrecy::SecretString;
use serde::Deserialize;

use super::lenient::{self, Text};

/// What every answer of the open platform looks like ("calling an API", response body).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(deserialize_with = "lenient::number")]
    pub(super) code: Option<i64>,
    pub(super) msg: Text,
    #[serde(deserialize_with = "lenient::object")]
    pub(super) data: Option<Data>,
    #[serde(deserialize_with = "lenient::object")]
    pub(super) error: Option<ErrorPart>,
    // Both spellings occur, sometimes at top level.
    log_id: Text,
    logid: Text,
}

/// `data` of a query, of a create, of a question about a wiki node or about a permission.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    #[serde(deserialize_with = "lenient::object")]
    pub(super) result: Option<JobResult>,
    pub(super) ticket: Text,
    #[serde(deserialize_with = "lenient::object")]
    pub(super) node: Option<NodePart>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) auth_result: Option<bool>,
}

/// `data.node` of a question about a wiki node (get wiki node information, response body). Of a shortcut both are those of
/// the document that it leads to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodePart {
    pub(super) obj_type: Text,
    pub(super) obj_token: Text,
}

/// `data.result` of a query (query export task, response body).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobResult {
    #[serde(deserialize_with = "lenient::number")]
    pub(super) job_status: Option<i64>,
    pub(super) job_error_msg: Text,
    pub(super) file_token: Text,
    pub(super) file_name: Text,
    pub(super) file_extension: Text,
    #[serde(rename = "type")]
    pub(super) doc_type: Text,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) file_size: Option<u64>,
}

/// `error` of an answer that is not a success.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorPart {
    pub(super) message: Text,
    pub(super) troubleshooter: Text,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) permission_violations: Vec<Entry>,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) field_violations: Vec<Entry>,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) helps: Vec<Entry>,
    log_id: Text,
    logid: Text,
}

/// What one of the lists of `error` has: a missing scope (documented as `scope` and `url`, seen as `type` and
/// `subject`), a parameter that the server refuses (the value that it repeats is not read), or a page that may help.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) scope: Text,
    pub(super) subject: Text,
    pub(super) url: Text,
    pub(super) field: Text,
    pub(super) description: Text,
}

/// What the token endpoint adds at top level (tenant access token of a custom app, response body).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenPart {
    #[serde(deserialize_with = "lenient::string")]
    pub(super) tenant_access_token: Option<SecretString>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) expire: Option<i64>,
}

impl Envelope {
    /// The log id, wherever it stands.
    pub(super) fn log_id(&self) -> Option<&str> {
        let inside = self.error.iter().flat_map(|error| [&error.log_id, &error.logid]);
        let mut ids = inside.chain([&self.log_id, &self.logid]).filter_map(|id| id.as_deref());
        ids.find(|id| !id.trim().is_empty())
    }

    /// Its messages.
    pub(super) fn messages(&self) -> Vec<&str> {
        let more = self.error.as_ref().and_then(|error| error.message.as_deref());
        self.msg.as_deref().into_iter().chain(more).collect()
    }

    /// The result of the job, if the answer has one.
    pub(super) fn result(&self) -> Option<&JobResult> {
        self.data.as_ref().and_then(|data| data.result.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::lenient::{LIST_MAX, parse};

    fn envelope(text: &str) -> Envelope {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_may_come_as_text() {
        let answer =
            envelope(r#"{"code":"0","data":{"result":{"job_status":"2","file_size":"5000000000"}}}"#);
        assert_eq!(answer.code, Some(0));
        assert_eq!(answer.result().unwrap().job_status, Some(2));
        assert_eq!(answer.result().unwrap().file_size, Some(5_000_000_000));
    }

    #[test]
    fn a_field_of_another_type_counts_as_absent() {
        for odd in ["null", "true", "1.5", "-1", r#""big""#, "[1,[2]]", r#"{"a":{}}"#, "1e30"] {
            let text = format!(
                r#"{{"code":0,"msg":[],"error":[],"data":{{"result":{{"file_size":{odd},"file_name":7,"job_status":1}}}}}}"#
            );
            let answer = envelope(&text);
            let result = answer.result().unwrap();
            assert_eq!((result.file_size, result.job_status), (None, Some(1)), "{odd}");
            assert!(result.file_name.is_none() && answer.msg.is_none() && answer.error.is_none());
        }
        assert!(envelope(r#"{"data":null}"#).data.is_none());
        assert!(envelope(r#"{"data":"x","code":1.0}"#).code.is_none());
    }

    #[test]
    fn only_one_whole_object_is_an_answer() {
        for bad in ["", "[]", "[0,\"ok\"]", "0", "null", "{", "{}x", r#"{"code":0,"code":1}"#, "\"{}\""] {
            assert!(parse::<Envelope>(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(parse::<Envelope>(b"{\"x\":\"\xff\"}").is_none());
        let deep = format!(r#"{{"code":0,"x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        let _ = parse::<Envelope>(deep.as_bytes());
        let deep = format!(r#"{{"error":{}"#, r#"{"helps":["#.repeat(200_000));
        assert!(parse::<Envelope>(deep.as_bytes()).is_none());
    }

    #[test]
    fn half_an_emoji_costs_the_name_and_not_the_file() {
        let answer = envelope(r#"{"data":{"result":{"file_token":"b\u006fx","file_name":"a\ud83d"}}}"#);
        let result = answer.result().unwrap();
        assert_eq!((result.file_token.as_deref(), result.file_name.as_deref()), (Some("box"), None));
    }

    #[test]
    fn long_lists_are_cut_and_odd_entries_skipped() {
        let entries = r#"1,{"url":"u"},"#.repeat(1000);
        let answer = envelope(&format!(r#"{{"error":{{"helps":[{entries}null]}},"code":3}}"#));
        assert_eq!(answer.error.unwrap().helps.len(), LIST_MAX);
        assert_eq!(answer.code, Some(3));
    }

    #[test]
    fn the_log_id_has_four_places() {
        for text in [
            r#"{"error":{"log_id":"L"},"log_id":"x"}"#,
            r#"{"error":{"logid":"L","log_id":" "},"logid":"x"}"#,
            r#"{"log_id":"L"}"#,
            r#"{"logid":"L","error":null}"#,
        ] {
            assert_eq!(envelope(text).log_id(), Some("L"), "{text}");
        }
    }

    #[test]
    fn a_token_is_hidden_from_debug_output() {
        let part: TokenPart = parse(br#"{"tenant_access_token":"t-hidden","expire":"7200"}"#).unwrap();
        assert_eq!(part.expire, Some(7200));
        assert!(!format!("{part:?}").contains("t-hidden"));
    }
}
