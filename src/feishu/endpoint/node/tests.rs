//! Every row of what an answer about a wiki node means.

use super::*;
use crate::domain::{ErrorKind, PauseReason};
use crate::feishu::endpoint::judging::NETWORK;
use crate::feishu::verdict::{Pace, Strange, Verdict};

const TROUBLE: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
const PAGE: Verdict = Verdict::Strange(Strange::Page);
const NO_OBJECT: Verdict = Verdict::Strange(Strange::NoStatus);
const UNLISTED: Verdict = Verdict::Strange(Strange::UnlistedCode);

fn outcome(status: u16, body: &str) -> Result<Object, Verdict> {
    classify_node(&Received::from_body(status, body), &["t-secret-1"]).map_err(|answer| answer.verdict)
}

fn node(obj_type: &str, obj_token: &str) -> Result<Object, Verdict> {
    let node = serde_json::json!({ "obj_type": obj_type, "obj_token": obj_token, "node_type": "shortcut" });
    outcome(200, &serde_json::json!({ "code": 0, "msg": "success", "data": { "node": node } }).to_string())
}

/// Promise: kind and token of a document are taken as they stand, and only where each is one word within bounds.
#[test]
fn a_node_leads_to_a_document() {
    let (longest_type, longest_token) = ("a".repeat(TYPE_MAX), "b".repeat(64));
    for (doc_type, token) in
        [("docx", "doxcnAbC-d_E9"), ("mind_note", "1"), (&*longest_type, &*longest_token)]
    {
        let token = DocumentToken::parse(token).unwrap();
        assert_eq!(node(doc_type, token.as_str()), Ok(Object { doc_type: doc_type.into(), token }));
    }
    for (doc_type, token) in [
        ("", "a"),
        ("docx", ""),
        ("wiki", "a"),
        ("docx2", "a"),
        ("do cx", "a"),
        ("docx&action=x", "a"),
        ("文档", "a"),
        ("docx", "a/b"),
        ("docx", "a b"),
        ("docx", "a.b"),
        ("docx", "a?b"),
        ("docx", "文"),
        ("docx", "x-t-secret-1"),
        (&*format!("{longest_type}a"), "a"),
        ("docx", &*format!("{longest_token}b")),
    ] {
        assert_eq!(node(doc_type, token), Err(NO_OBJECT), "{doc_type} {token}");
    }
    for body in [
        r#"{"code":0,"msg":"success"}"#,
        r#"{"code":0,"data":{"node":null}}"#,
        r#"{"code":0,"data":{"node":[{"obj_type":"docx","obj_token":"a"}]}}"#,
        r#"{"code":0,"data":{"node":{"obj_type":"docx","obj_token":7}}}"#,
        r#"{"code":0,"data":{"obj_type":"docx","obj_token":"a"}}"#,
    ] {
        assert_eq!(outcome(200, body), Err(NO_OBJECT), "{body}");
    }
}

/// Promise: each error that the page lists is a verdict of its own, whatever the status; what is no envelope, or has an
/// unlisted code, decides nothing.
#[test]
fn errors_are_judged_by_their_code() {
    use ErrorKind as K;
    for (code, expected) in [
        (131_001, TROUBLE),
        (131_002, Verdict::Failed(K::InvalidParam)),
        (131_004, Verdict::Failed(K::InvalidParam)),
        (131_005, Verdict::Failed(K::DocumentNotFound)),
        (131_006, Verdict::Failed(K::NoPermission)),
        (131_007, Verdict::Failed(K::InternalError)),
        (1_069_902, Verdict::Failed(K::NoPermission)),
        (600, Verdict::Postponed),
        (99_991_400, Verdict::Throttled { reset: None }),
        (99_991_663, Verdict::TokenRejected),
        (99_991_672, Verdict::AppFault(PauseReason::ScopeMissing)),
    ] {
        for status in [200, 400, 403, 500] {
            let body = format!(r#"{{"code":{code},"msg":"no","data":{{}}}}"#);
            assert_eq!(outcome(status, &body), Err(expected.clone()), "{code} at {status}");
        }
    }
    let found = r#"{"code":0,"data":{"node":{"obj_type":"docx","obj_token":"a"}}}"#;
    for (status, body, expected) in [
        (400, r#"{"code":131003}"#, UNLISTED),
        (400, r#"{"code":1060001}"#, UNLISTED),
        (400, found, UNLISTED),
        (302, found, NETWORK),
        (500, found, TROUBLE),
        (502, "<html>", TROUBLE),
        (200, "<html>", PAGE),
        (404, "", PAGE),
        (200, r#"{"data":{"node":{"obj_type":"docx","obj_token":"a"}}}"#, PAGE),
    ] {
        assert_eq!(outcome(status, body), Err(expected), "{status} {body}");
    }
    let scope = classify_node(&Received::from_body(400, r#"{"code":99991672}"#), &[]).unwrap_err();
    assert_eq!(scope.detail.remedy.as_deref(), Some("missing scope: wiki:node:read or wiki:node:retrieve"));
}
