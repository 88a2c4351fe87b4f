//! Every row of what an answer to a create means, and whether a job may have been started.

use proptest::prelude::*;

use super::*;
use crate::domain::answers::{CODES, CodeMeaning};
use crate::domain::{ErrorKind, PauseReason};
use crate::feishu::body::{Body, Headers};
use crate::feishu::endpoint::judging::NETWORK;
use crate::feishu::verdict::{Pace, Strange, Verdict};

const TROUBLE: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
const SLOW: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow };
const THROTTLED: Verdict = Verdict::Throttled { reset: None };
const PAGE: Verdict = Verdict::Strange(Strange::Page);
const NO_TICKET: Verdict = Verdict::Strange(Strange::NoStatus);
const UNLISTED: Verdict = Verdict::Strange(Strange::UnlistedCode);

fn outcome(status: u16, body: impl AsRef<[u8]>) -> Result<TicketId, (Verdict, bool)> {
    let result = classify_create(&Received::from_body(status, body), &["t-secret-1"]);
    result.map_err(|none| (none.answer.verdict, none.may_exist))
}

/// Promise: code 0 with a ticket that polls can carry is the ticket, and whatever else comes with code 0 may be a job.
#[test]
fn a_usable_ticket_is_taken() {
    let longest = "9".repeat(TICKET_MAX);
    for ticket in ["6933093124755412345", "A-b_c~d.e:1", "...", &longest] {
        let body = format!(r#"{{"code":0,"msg":"success","data":{{"ticket":"{ticket}"}}}}"#);
        assert_eq!(outcome(200, body), Ok(TicketId::new(ticket)));
    }
    let too_long = format!("\"{longest}9\"");
    for ticket in [
        "\"\"",
        "\" \"",
        "\"a b\"",
        "\"a/b\"",
        "\"a\\\\b\"",
        "\"a?b\"",
        "\"a#b\"",
        "\"a%2fb\"",
        "\".\"",
        "\"..\"",
        "\"票\"",
        "\"a\\nb\"",
        "\"x.t-secret-1\"",
        "null",
        "7",
        "{}",
        &too_long,
    ] {
        let body = format!(r#"{{"code":0,"msg":"success","data":{{"ticket":{ticket}}}}}"#);
        assert_eq!(outcome(200, body), Err((NO_TICKET, true)), "{ticket}");
    }
    for body in [r#"{"code":0,"msg":"success"}"#, r#"{"code":"0","data":[]}"#, r#"{"code":0,"ticket":"1"}"#] {
        assert_eq!(outcome(200, body), Err((NO_TICKET, true)), "{body}");
    }
    let none = classify_create(&Received::from_body(200, r#"{"code":0,"msg":"success"}"#), &[]).unwrap_err();
    let message = none.answer.detail.message;
    assert_eq!(message.as_deref(), Some("answer has no data.ticket that can be asked about"));
}

/// Promise: an envelope that refuses shows that no job was started, and its code says why, whatever the status.
#[test]
fn an_envelope_refuses() {
    use ErrorKind as K;
    use PauseReason as P;
    for (code, message, expected) in [
        (600, "hybrid deployment", Verdict::Postponed),
        (1_069_901, "internal error", TROUBLE),
        // No other app's job can be meant.
        (1_069_902, "no permission", Verdict::Failed(K::NoPermission)),
        (1_069_904, "invalid param", Verdict::Failed(K::InvalidParam)),
        (99_992_402, "field validation failed", Verdict::Failed(K::InvalidParam)),
        (1_069_906, "docs deleted", Verdict::Failed(K::DocumentDeleted)),
        (1_069_914, "not exist", Verdict::Failed(K::DocumentNotFound)),
        (1_069_918, "type mismatch", Verdict::Failed(K::TypeMismatch)),
        (1_069_923, "too many", THROTTLED),
        (99_991_400, "request trigger frequency limit", THROTTLED),
        (9499, "too many request", THROTTLED),
        (2200, "internal", SLOW),
        (99_991_403, "quota", Verdict::AppFault(P::QuotaExhausted)),
        (99_991_663, "invalid token", Verdict::TokenRejected),
        (99_991_672, "access denied", Verdict::AppFault(P::ScopeMissing)),
        (99_991_401, "ip denied", Verdict::AppFault(P::IpNotAllowed)),
    ] {
        for status in [200, 400, 401, 403, 404, 429, 500, 503] {
            let body = format!(r#"{{"code":{code},"msg":"{message}","data":{{"ticket":"1"}}}}"#);
            assert_eq!(outcome(status, body), Err((expected.clone(), false)), "{code} at {status}");
        }
    }
    // Codes of other endpoints are not listed here.
    for code in [4711, 131_005, 1_060_001, 10_015] {
        for (status, expected) in [(200, UNLISTED), (400, UNLISTED), (302, NETWORK), (500, TROUBLE)] {
            assert_eq!(outcome(status, format!(r#"{{"code":{code}}}"#)), Err((expected, false)), "{code}");
        }
    }
    let scope = classify_create(&Received::from_body(400, r#"{"code":99991672}"#), &[]).unwrap_err();
    let expected = "missing scope: docs:document:export or drive:export:readonly";
    assert_eq!(scope.answer.detail.remedy.as_deref(), Some(expected));
}

/// Promise: what is no envelope leaves it open whether a job was started, and so does code 0 with another status.
#[test]
fn what_is_no_envelope_leaves_it_open() {
    let ticket = r#"{"code":0,"msg":"success","data":{"ticket":"1"}}"#;
    for (row, statuses, body, expected) in [
        ("5xx without JSON", &[500, 502, 503, 504][..], "<html>502</html>", TROUBLE),
        ("5xx, empty", &[500, 504], "", TROUBLE),
        ("5xx with a ticket", &[500], ticket, TROUBLE),
        ("2xx, a page", &[200, 201], "<html>log in</html>", PAGE),
        ("2xx, empty", &[200, 204], "", PAGE),
        ("2xx, no code", &[200], r#"{"data":{"ticket":"1"}}"#, PAGE),
        ("2xx, a code that is none", &[200], r#"{"code":1.5,"data":{"ticket":"1"}}"#, PAGE),
        ("4xx, a page", &[400, 401, 403, 404, 413], "<html>", PAGE),
        ("4xx with a ticket", &[400, 403], ticket, UNLISTED),
        ("3xx", &[301, 302, 307, 308], ticket, NETWORK),
        ("407 and 408", &[407, 408], "", NETWORK),
        ("429, no code", &[429], "", THROTTLED),
    ] {
        for status in statuses {
            assert_eq!(outcome(*status, body), Err((expected.clone(), true)), "{row}: {status}");
        }
    }
    for (status, body, expected) in [
        (200, Body::Broken("reset".to_owned()), NETWORK),
        (400, Body::Broken("reset".to_owned()), NETWORK),
        (502, Body::Broken("reset".to_owned()), TROUBLE),
        (200, Body::TooLarge, PAGE),
    ] {
        let none = classify_create(&Received { status, headers: Headers::default(), body }, &[]).unwrap_err();
        assert_eq!((none.answer.verdict, none.may_exist), (expected, true), "{status}");
    }
}

proptest! {
    /// Promise: no job is ruled out without an envelope with another code than 0, and none but a listed code is final.
    #[test]
    fn nothing_is_ruled_out_without_an_envelope(
        status in prop_oneof![Just(200), 100u16..1000],
        code in prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            prop::sample::select(CODES.iter().map(|row| row.number.to_string()).collect::<Vec<_>>()),
            prop::sample::select(vec!["\"0\"", "null", "1.5", "{}"]).prop_map(str::to_owned),
        ],
        ticket in "[a-z0-9/.]{0,4}",
        cut in 0usize..80,
    ) {
        let body = format!(r#"{{"code":{code},"data":{{"ticket":"{ticket}"}}}}"#);
        let body = &body[..body.len().min(cut)];
        match classify_create(&Received::from_body(status, body), &[]) {
            Ok(taken) => prop_assert!(taken.as_str() == ticket && (200..300).contains(&status)),
            Err(NotCreated { answer, may_exist }) => {
                let code = answer.detail.code;
                prop_assert_eq!(may_exist, code.is_none_or(|code| code == 0));
                if let Verdict::Failed(kind) = answer.verdict {
                    let row = CODES.iter().find(|row| Some(row.number) == code);
                    prop_assert_eq!(row.map(|row| row.meaning), Some(CodeMeaning::Failed(kind)));
                }
                prop_assert!(!matches!(answer.verdict, Verdict::Refused | Verdict::Pending | Verdict::Completed(_)));
            }
        }
    }
}
