//! Every row of the decision table, and what arbitrary answers come to.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::PauseReason;
use crate::domain::answers::{CodeMeaning, code_of};
use crate::feishu::body::{Body, Headers};
use crate::feishu::endpoint::judging::NETWORK;
use crate::feishu::verdict::Pace;

const SLOW: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow };
const TROUBLE: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
const THROTTLED: Verdict = Verdict::Throttled { reset: None };
const MALFORMED: Verdict = Verdict::Unclear(ErrorKind::MalformedAnswer);
const PAGE: Verdict = Verdict::Strange(Strange::Page);
const NO_STATUS: Verdict = Verdict::Strange(Strange::NoStatus);
const UNLISTED: Verdict = Verdict::Strange(Strange::UnlistedCode);

fn verdict(status: u16, body: impl AsRef<[u8]>) -> Verdict {
    classify_query(&Received::from_body(status, body), &[]).verdict
}

fn job(result: &str) -> Answer {
    let body = format!(r#"{{"code":0,"msg":"success","data":{{"result":{result}}}}}"#);
    classify_query(&Received::from_body(200, body), &[])
}

/// An answer with a code at every status it might come with.
fn code(code: i64, msg: &str) -> Verdict {
    let body = serde_json::json!({ "code": code, "msg": msg, "error": {} }).to_string();
    let mut verdicts = [200, 400, 401, 403, 404, 410, 429, 500, 503].map(|status| verdict(status, &body));
    assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{code}: {verdicts:?}");
    std::mem::replace(&mut verdicts[0], Verdict::Pending)
}

#[test]
fn what_a_job_says_decides_where_the_call_went_well() {
    use ErrorKind as K;
    let done = Verdict::Completed(Box::new(Artefact { file_token: "box".into(), ..Artefact::default() }));
    let no_file = Verdict::Unclear(K::NoFileToken);
    for (row, result, expected) in [
        ("0 and a file token", r#"{"job_status":0,"file_token":"box"}"#, done.clone()),
        ("0 as text", r#"{"job_status":"0","file_token":"box"}"#, done),
        ("0 without", r#"{"job_status":0}"#, no_file.clone()),
        ("0 and empty", r#"{"job_status":0,"file_token":"","job_error_msg":"success"}"#, no_file.clone()),
        ("0 and blank", r#"{"job_status":0,"file_token":" "}"#, no_file.clone()),
        ("0 and no text", r#"{"job_status":0,"file_token":5}"#, no_file),
        ("absent", r#"{"file_token":"box","job_error_msg":"success"}"#, NO_STATUS),
        ("null", r#"{"job_status":null,"file_token":"box"}"#, NO_STATUS),
        ("not integral", r#"{"job_status":0.0,"file_token":"box"}"#, NO_STATUS),
        ("not a number", r#"{"job_status":"done","file_token":"box"}"#, NO_STATUS),
        ("no result", "null", NO_STATUS),
        ("result is a list", r#"[{"job_status":0}]"#, NO_STATUS),
        ("1", r#"{"job_status":1}"#, Verdict::Pending),
        ("2", r#"{"job_status":2,"job_error_msg":"x","extra":{}}"#, Verdict::Pending),
        ("3", r#"{"job_status":3}"#, Verdict::Failed(K::InternalError)),
        ("107", r#"{"job_status":107}"#, Verdict::Failed(K::DocumentTooLarge)),
        ("108", r#"{"job_status":108}"#, Verdict::Failed(K::ExportTimeout)),
        ("109", r#"{"job_status":109}"#, Verdict::Failed(K::BlockNoPermission)),
        ("110", r#"{"job_status":110}"#, Verdict::Failed(K::NoPermission)),
        ("111", r#"{"job_status":111}"#, Verdict::Failed(K::DocumentDeleted)),
        ("122", r#"{"job_status":122}"#, Verdict::Failed(K::CopyInProgress)),
        ("123", r#"{"job_status":"123"}"#, Verdict::Failed(K::DocumentNotFound)),
        ("6000", r#"{"job_status":6000}"#, Verdict::Failed(K::TooManyImages)),
        ("other", r#"{"job_status":4,"file_token":"box"}"#, Verdict::Unclear(K::UnknownJobStatus)),
        ("negative", r#"{"job_status":-1}"#, Verdict::Unclear(K::UnknownJobStatus)),
    ] {
        assert_eq!(job(result).verdict, expected, "{row}");
    }
}

#[test]
fn codes_decide_whatever_the_status() {
    use ErrorKind as K;
    use PauseReason as P;
    let failed = Verdict::Failed;
    let fault = Verdict::AppFault;
    for (codes, msg, expected) in [
        (&[1_069_901, 96_402, 1_000_003][..], "internal error", TROUBLE),
        (&[1_069_902], "no permission", Verdict::Refused),
        (&[1_069_904, 99_992_402], "invalid param", failed(K::InvalidParam)),
        (&[30_005, 99_991_201, 99_991_301, 1_000_040_351], "offline", fault(P::WrongBaseUrl)),
        (&[1_069_906], "docs deleted", failed(K::DocumentDeleted)),
        (&[1_069_914], "not exist", failed(K::DocumentNotFound)),
        (&[1_069_918], "type mismatch", failed(K::TypeMismatch)),
        (&[1_069_923], "too many", THROTTLED),
        (&[600], "hybrid deployment", Verdict::Postponed),
        (&[99_991_400, 90_217, 1_000_004, 1_000_005], "request trigger frequency limit", THROTTLED),
        (&[9499], " Too Many Requests. ", THROTTLED),
        (&[99_991_403], "This month's API call quota has been exceeded", fault(P::QuotaExhausted)),
        (&[99_991_663, 99_991_664, 99_991_665, 99_991_671], "Invalid access token", Verdict::TokenRejected),
        (&[20_005, 20_013, 20_014, 4001, 20_006], "token expired", Verdict::TokenRejected),
        (&[99_991_668, 99_991_677], "token expired", Verdict::TokenRejected),
        (&[99_991_670, 99_991_675, 99_991_681, 99_991_692], "auth fail", Verdict::TokenRejected),
        (&[99_991_674], "user type", fault(P::TokenTypeUnsupported)),
        (&[99_991_668, 99_991_663], "User Access Token Not Support", fault(P::TokenTypeUnsupported)),
        (&[99_991_661], "Missing access token", fault(P::CredentialsRejected)),
        (&[99_991_672, 99_991_676], "Access denied", fault(P::ScopeMissing)),
        (&[99_991_669, 99_991_679], "Unauthorized", fault(P::UserAuthorizationNeeded)),
        (&[99_991_662, 99_991_673], "app is not in use", fault(P::AppUnavailable)),
        (&[99_991_401], "ip denied", fault(P::IpNotAllowed)),
        (&[21_000, 21_001], "policy", fault(P::AccessPolicyDenied)),
        (&[2200, 5000, 55_001, 1500, 1642, 1663, 1668, 10_101, 10_105, 1_061_045], "internal", SLOW),
        (&[90_003_087, 90_003_088], "licence", fault(P::PlanLimitReached)),
    ] {
        for number in codes {
            assert_eq!(code(*number, msg), expected, "{number}");
        }
    }
    let inside = r#"{"code":9499,"msg":"","error":{"message":"too many request"}}"#;
    assert_eq!(verdict(400, inside), THROTTLED);
    assert_eq!(verdict(400, r#"{"code":"1069902"}"#), Verdict::Refused);
}

#[test]
fn the_status_decides_where_the_code_says_nothing() {
    let unlisted = r#"{"code":4711,"msg":"?"}"#;
    let html = "<html>502</html>";
    for (row, statuses, body, expected) in [
        ("5xx without JSON", &[500, 502, 503, 504, 599][..], html, TROUBLE),
        ("5xx, empty", &[500, 504], "", TROUBLE),
        ("5xx, other code", &[500, 502], unlisted, TROUBLE),
        ("5xx, code 0", &[500], r#"{"code":0,"data":{"result":{"job_status":3}}}"#, TROUBLE),
        ("200, not JSON", &[200, 201], "<html>log in</html>", PAGE),
        ("200, empty", &[200, 204], "", PAGE),
        ("200, no envelope", &[200], "[]", PAGE),
        ("200, no code", &[200], r#"{"data":{"result":{"job_status":0,"file_token":"x"}}}"#, PAGE),
        ("200, no result", &[200], r#"{"code":0,"data":null}"#, NO_STATUS),
        ("200, other code", &[200, 202], unlisted, UNLISTED),
        ("4xx, other code", &[400, 403, 404, 410, 422], unlisted, UNLISTED),
        ("4xx, not JSON", &[400, 403, 404, 405, 413], html, PAGE),
        ("4xx, empty", &[400, 403, 404], "", PAGE),
        ("4xx, no envelope", &[400, 403, 404], r#"{"error":"x"}"#, PAGE),
        ("9499, other text", &[400], r#"{"code":9499,"msg":"bad request"}"#, UNLISTED),
        ("401, no code", &[401], "", PAGE),
        ("401, other code", &[401], unlisted, Verdict::TokenRejected),
        ("407 and 408", &[407, 408], html, NETWORK),
        ("3xx", &[301, 302, 304, 307, 308], html, NETWORK),
        ("429, no code", &[429], html, THROTTLED),
        ("429, other code", &[429], unlisted, THROTTLED),
    ] {
        for status in statuses {
            assert_eq!(verdict(*status, body), expected, "{row}: {status}");
        }
    }
    assert_eq!(verdict(200, b"{\"code\":0,\"msg\":\"\xff\"}"), PAGE);
    assert_eq!(verdict(200, b"\x1f\x8b\x08\0gzip"), PAGE);
}

#[test]
fn a_body_that_is_not_whole_is_judged_by_the_status() {
    let verdict = |status, body| {
        let received = Received { status, headers: Headers::default(), body };
        classify_query(&received, &[]).verdict
    };
    let broken = || Body::Broken("reset".to_owned());
    for (status, expected) in
        [(200, NETWORK), (401, NETWORK), (404, NETWORK), (429, THROTTLED), (502, TROUBLE)]
    {
        assert_eq!(verdict(status, broken()), expected, "{status}");
    }
    for (status, expected) in [(200, PAGE), (403, PAGE), (502, TROUBLE)] {
        assert_eq!(verdict(status, Body::TooLarge), expected, "{status}");
    }
}

#[test]
fn waits_that_the_server_names_are_passed_on() {
    let verdict = |status, code: i64, reset: Option<&str>, retry_after: Option<&str>| {
        let mut received = Received::from_body(status, format!(r#"{{"code":{code}}}"#));
        received.headers.reset = reset.map(Into::into);
        received.headers.retry_after = retry_after.map(Into::into);
        classify_query(&received, &[]).verdict
    };
    let throttled = |seconds| Verdict::Throttled { reset: Some(Duration::from_secs(seconds)) };
    let after = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::After(Duration::from_secs(7)) };
    assert_eq!(verdict(400, 99_991_400, Some("52"), Some("7")), throttled(52));
    assert_eq!(verdict(429, 1_069_923, None, Some("7")), throttled(7));
    assert_eq!(verdict(429, 4711, Some("x"), Some("7")), throttled(7));
    assert_eq!(verdict(429, 99_991_400, Some("1.5"), None), THROTTLED);
    assert_eq!(verdict(503, 4711, None, Some("7")), after);
    assert_eq!(verdict(500, 1_069_901, None, Some("7")), after);
    assert_eq!(verdict(503, 2200, None, Some("7")), SLOW);
}

/// Scripts use a file token in URLs and as a file name.
#[test]
fn a_file_token_that_could_lead_elsewhere_is_none() {
    for token in ["../../etc/passwd", "a/b", "a b", "a\\nb", "a%2fb", "\u{202e}abc", "盒子"] {
        let answer = job(&format!(r#"{{"job_status":0,"file_token":"{token}"}}"#));
        assert_eq!(answer.verdict, MALFORMED, "{token}");
    }
    assert!(matches!(job(r#"{"job_status":0,"file_token":"box-cn_E5"}"#).verdict, Verdict::Completed(_)));
}

#[test]
fn a_file_name_does_not_repeat_the_access_token() {
    let body =
        br#"{"code":0,"data":{"result":{"job_status":0,"file_token":"box","file_name":"x t-secret-1 y"}}}"#;
    let Verdict::Completed(file) = classify_query(&Received::from_body(200, body), &["t-secret-1"]).verdict
    else {
        panic!()
    };
    assert_eq!(file.file_name.as_deref(), Some("x [hidden] y"));
}

#[test]
fn a_result_is_taken_as_it_is_but_not_at_any_length() {
    let answer = job(
        r#"{"job_status":0,"file_token":"boxcn","file_name":"季报","file_extension":"base","type":"slides",
            "file_size":18446744073709551615,"job_error_msg":"success","extra":{}}"#,
    );
    let expected = Artefact {
        file_token: "boxcn".into(),
        file_name: Some("季报".into()),
        file_extension: Some("base".into()),
        doc_type: Some("slides".into()),
        file_size: Some(u64::MAX),
    };
    assert_eq!(answer.verdict, Verdict::Completed(Box::new(expected)));
    assert_eq!(answer.detail.job_status, Some(0));
    let long = "名".repeat(5000);
    let named = job(&format!(r#"{{"job_status":0,"file_token":"x","file_name":"{long}","type":""}}"#));
    let Verdict::Completed(artefact) = named.verdict else { panic!("not completed") };
    assert_eq!(artefact.file_name.unwrap().chars().count(), FILE_NAME_MAX);
    assert_eq!(artefact.doc_type, None);
    let token = job(&format!(r#"{{"job_status":0,"file_token":"{long}"}}"#));
    assert_eq!(token.verdict, MALFORMED);
}

#[test]
fn a_failure_keeps_all_details() {
    let answer = job(r#"{"job_status":109,"job_error_msg":"block not permitted"}"#);
    assert_eq!(answer.detail.message.as_deref(), Some("block not permitted"));
    assert_eq!((answer.detail.code, answer.detail.job_status), (Some(0), Some(109)));
    let mut received =
        Received::from_body(403, r#"{"code":1069902,"msg":"no permission","error":{"log_id":"body"}}"#);
    let answer = classify_query(&received, &[]);
    assert_eq!((answer.detail.http_status, answer.detail.code), (Some(403), Some(1_069_902)));
    assert_eq!(answer.detail.log_id.as_deref(), Some("body"));
    received.headers.log_id = Some("header".into());
    assert_eq!(classify_query(&received, &[]).detail.log_id.as_deref(), Some("header"));
}

#[test]
fn a_page_that_is_no_answer_is_quoted() {
    let secret = "t-0123456789";
    let message = |status, body: &str| {
        classify_query(&Received::from_body(status, body), &[secret]).detail.message.unwrap().into_string()
    };
    for (status, body, expected) in [
        (403, "t-0123456789 xx", "answer is not the API's JSON: [hidden] xx"),
        (200, "<title>Sign in</title>", "answer is a web page: Sign in"),
        (404, r#"{"message":"no Route"}"#, r#"answer is not the API's JSON: {"message":"no Route"}"#),
        (200, r#"{"msg":"ok"}"#, r#"answer is not the API's JSON: {"msg":"ok"}"#),
        (302, "", "redirects are not followed"),
        (302, "<p>moved", "redirects are not followed; answer is a web page: moved"),
        (403, " \n", "answer is empty"),
    ] {
        assert_eq!(message(status, body), expected, "{body}");
    }
}

/// Promise: people learn what is missing in an answer that says no more than "success".
#[test]
fn a_malformed_answer_has_a_message() {
    for (data, expected, verdict) in [
        ("null", "answer has no data.result", NO_STATUS),
        (r#"{"result":{"file_token":"box"}}"#, "answer has no job_status", NO_STATUS),
        (
            r#"{"result":{"job_status":0,"file_token":"a/b"}}"#,
            "answer has a file_token that no download can carry",
            MALFORMED,
        ),
        (r#"{"result":{"job_error_msg":"what?"}}"#, "what?", NO_STATUS),
    ] {
        let body = format!(r#"{{"code":0,"msg":"success","data":{data}}}"#);
        let answer = classify_query(&Received::from_body(200, body), &[]);
        assert_eq!((answer.verdict, answer.detail.message.as_deref()), (verdict, Some(expected)), "{data}");
    }
}

/// Answers that look right in part, which arbitrary bytes never do.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("0".to_owned()),
        Just("\"\"".to_owned()),
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec![3, 107, 1_069_902, 1_069_901, 99_991_400, 9499])
            .prop_map(|number: i64| number.to_string()),
        "\\PC{0,8}".prop_map(|text| serde_json::json!(text).to_string()),
        Just("[{}]".to_owned()),
        Just("1e999".to_owned()),
    ];
    let answer = prop::collection::vec(value, 5).prop_map(|v| {
        let result = format!(r#"{{"job_status":{},"file_token":{},"file_size":{}}}"#, v[1], v[2], v[3]);
        format!(r#"{{"code":{},"msg":{},"data":{{"result":{result}}}}}"#, v[0], v[4])
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        answer.clone().prop_map(String::into_bytes),
        (answer, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, index, byte)| {
            let mut bytes = text.into_bytes();
            let place = index.index(bytes.len());
            bytes[place] = byte;
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn no_answer_panics_or_decides_more_than_it_says(status in 100u16..1000, body in bodies()) {
        let answer = classify_query(&Received::from_body(status, body), &["t-secret"]);
        let code = answer.detail.code;
        match answer.verdict {
            Verdict::Completed(artefact) => {
                prop_assert!(!artefact.file_token.is_empty());
                prop_assert!((200..300).contains(&status) && code == Some(0));
                prop_assert_eq!(answer.detail.job_status, Some(0));
            }
            Verdict::Refused => prop_assert_eq!(code, Some(1_069_902)),
            Verdict::Failed(kind) => {
                let by_code = code.and_then(code_of).is_some_and(|row| row.meaning == CodeMeaning::Failed(kind));
                let job = answer.detail.job_status.and_then(job_status);
                let by_job = job.is_some_and(|row| row.meaning == JobMeaning::Failed(kind));
                let well = (200..300).contains(&status) && code == Some(0);
                prop_assert!(by_code || well && by_job);
            }
            _ => {}
        }
    }

    #[test]
    fn every_ticket_is_one_segment_that_decodes_to_itself(ticket in "\\PC*|[./%\\\\?#;\t\n\0a]{1,8}", token in "\\PC*") {
        let base = BaseUrl::parse("https://open.feishu.cn").unwrap();
        let url = query_url(&base, &ticket, &token);
        let sent = url.path().strip_prefix(PATH).unwrap();
        prop_assert!(!sent.contains('/'));
        let decoded = percent_encoding::percent_decode_str(sent).decode_utf8().unwrap();
        if ticket != "." && ticket != ".." {
            prop_assert_eq!(&*decoded, &*ticket);
        }
        let parameters: Vec<_> = url.query_pairs().collect();
        prop_assert_eq!(parameters, vec![("token".into(), token.into())]);
    }
}
