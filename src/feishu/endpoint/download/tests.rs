//! Every row of what a download's answer means, and what arbitrary answers come to.

use proptest::prelude::*;

use super::*;
use crate::domain::PauseReason;
use crate::domain::answers::{CODES, CodeMeaning};
use crate::feishu::body::Body;
use crate::feishu::lenient;
use crate::feishu::verdict::Pace;
use crate::feishu::wire::Envelope;

const PAGE: Verdict = Verdict::Strange(Strange::Page);
const UNLISTED: Verdict = Verdict::Strange(Strange::UnlistedCode);
const WRONG: Verdict = Verdict::Unclear(ErrorKind::WrongContent);
const TROUBLE: Verdict = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
const FORMATS_TRIED: [Option<&str>; 7] =
    [None, Some("csv"), Some("docx"), Some("XLSX"), Some("pptx"), Some("Pdf"), Some("base")];

fn answer(status: u16, body: impl AsRef<[u8]>, extension: Option<&str>) -> Option<Answer> {
    classify_download(&Received::from_body(status, body), extension, &["t-secret-1"])
}

/// The verdict and the message, where it is no file.
fn outcome(body: impl AsRef<[u8]>, extension: &str) -> Option<(Verdict, String)> {
    let answer = answer(200, body, Some(extension))?;
    Some((answer.verdict, answer.detail.message.unwrap_or_default().into()))
}

/// Promise: a file is taken for one by its first bytes, where its format has some of its own, and as it is elsewhere.
#[test]
fn a_file_is_taken() {
    for (extension, body) in [
        ("docx", &b"PK\x03\x04"[..]),
        ("XLSX", b"PK\x03\x04{\"code\":1}"),
        ("pptx", b"PK"),
        ("PDF", b"%PDF-1.7\n"),
        ("csv", b""),
        ("csv", b"  \n"),
        ("csv", b"<b>,1\n"),
        ("csv", b"\xef\xbb\xbf\"code\",0\n"),
        ("csv", b"{\"message\":\"no envelope\"}"),
        ("csv", b"{\"code\":1}\n{\"code\":2}"),
        ("csv", b"{\"code\":0,"),
        ("csv", b"\xff\xfe{\0"),
        ("base", b"\x1f\x8b\x08\0"),
    ] {
        assert_eq!(outcome(body, extension), None, "{extension} {body:?}");
    }
    assert_eq!(answer(200, "anything", None), None);
}

/// Promise: what has other first bytes is no file of the format, and the same content has the same message.
#[test]
fn other_content_is_refused() {
    for (extension, body, verdict, message) in [
        (
            "docx",
            &b"\x89PNG\r\n\x1a\n\0\0"[..],
            WRONG,
            "answer is no docx: it begins with 89 50 4e 47 0d 0a 1a 0a",
        ),
        ("DOCX", b" PK\x03\x04", WRONG, "answer is no docx: it begins with 20 50 4b 03 04"),
        ("pdf", b"%PDF", WRONG, "answer is no pdf: it begins with 25 50 44 46"),
        ("pdf", b"PK\x03\x04", WRONG, "answer is no pdf: it begins with 50 4b 03 04"),
        ("pptx", b"", WRONG, "answer is empty, which no pptx is"),
        ("xlsx", b"{}", WRONG, "answer is no xlsx: it begins with 7b 7d"),
        ("xlsx", b"\n", WRONG, "answer is no xlsx: it begins with 0a"),
        (
            "pdf",
            b"\xef\xbb\xbf \n<html><title>Sign in, t-secret-1",
            PAGE,
            "answer is a web page: Sign in, [hidden]",
        ),
    ] {
        assert_eq!(outcome(body, extension), Some((verdict, message.to_owned())), "{extension} {body:?}");
    }
    let mut received = Received::from_body(200, "0123456789");
    received.headers.length = Some(4711);
    let message = classify_download(&received, Some("docx"), &[]).unwrap().detail.message.unwrap();
    assert_eq!(&*message, "answer is no docx: it begins with 30 31 32 33 34 35 36 37, 4711 bytes long");
}

/// Promise: an envelope is an answer, never a file, whatever the format and the status.
#[test]
fn an_envelope_is_judged_by_its_code() {
    use ErrorKind as K;
    for (code, expected) in [
        (0, Verdict::Strange(Strange::NoStatus)),
        (600, Verdict::Postponed),
        (4711, UNLISTED),
        (1_060_001, Verdict::Failed(K::Expired)),
        (1_069_902, Verdict::Refused),
        (1_069_906, Verdict::Failed(K::DocumentDeleted)),
        (1_069_901, TROUBLE),
        (99_991_400, Verdict::Throttled { reset: None }),
        (99_991_663, Verdict::TokenRejected),
        (99_991_672, Verdict::AppFault(PauseReason::ScopeMissing)),
        (99_991_403, Verdict::AppFault(PauseReason::QuotaExhausted)),
    ] {
        for extension in FORMATS_TRIED {
            for start in ["", " \r\n\t", "\u{feff}", "\u{feff}\n"] {
                let body = format!("{start}{{\"code\":{code},\"msg\":\"success\",\"data\":{{}}}}");
                assert_eq!(answer(200, &body, extension).unwrap().verdict, expected, "{code} {extension:?}");
                if ![0, 600, 4711].contains(&code) {
                    assert_eq!(answer(400, &body, extension).unwrap().verdict, expected, "{code}");
                }
            }
        }
    }
    let message = answer(200, r#"{"code":0,"msg":"success"}"#, None).unwrap().detail.message;
    assert_eq!(message.as_deref(), Some("answer is code 0 instead of the file"));
}

/// Promise: every code means at the download what it means at the query, but for the one that only the download sends.
#[test]
fn codes_mean_what_they_mean_to_a_query() {
    use crate::feishu::endpoint::query::classify_query;
    for row in &CODES {
        let received = Received::from_body(403, format!(r#"{{"code":{}}}"#, row.number));
        let (download, query) = (classify_download(&received, None, &[]), classify_query(&received, &[]));
        if row.only_from == Some(Endpoint::Download) {
            assert_eq!(
                (download.unwrap().verdict, query.verdict),
                (Verdict::Failed(ErrorKind::Expired), UNLISTED)
            );
        } else {
            assert_eq!(download, Some(query), "{}", row.number);
        }
    }
}

/// Promise: without a code the status decides, and only 200 brings a file.
#[test]
fn the_status_decides_where_no_code_does() {
    for (status, expected) in [
        (201, NETWORK),
        (204, NETWORK),
        (206, NETWORK),
        (301, NETWORK),
        (304, NETWORK),
        (401, PAGE),
        (403, PAGE),
        (404, PAGE),
        (407, NETWORK),
        (408, NETWORK),
        (416, PAGE),
        (429, Verdict::Throttled { reset: None }),
        (500, TROUBLE),
        (502, TROUBLE),
    ] {
        for (extension, body) in
            [(Some("docx"), "PK\x03\x04"), (Some("csv"), "a,b"), (None, ""), (None, "<p>")]
        {
            assert_eq!(answer(status, body, extension).unwrap().verdict, expected, "{status} {body}");
        }
    }
    for (status, expected) in [(200, NETWORK), (404, NETWORK), (502, TROUBLE)] {
        let mut received = Received::from_body(status, "");
        received.body = Body::Broken("reset".to_owned());
        assert_eq!(classify_download(&received, None, &[]).unwrap().verdict, expected, "{status}");
    }
}

/// Promise: a body that something in between compressed is not saved.
#[test]
fn an_encoded_body_is_no_file() {
    for (body, verdict, message) in [
        ("\x1f\x08\0", PAGE, "answer is encoded (gzip [hidden]), which was not asked for"),
        ("PK\x03\x04", PAGE, "answer is encoded (gzip [hidden]), which was not asked for"),
        (r#"{"code":1060001,"msg":"gone"}"#, Verdict::Failed(ErrorKind::Expired), "gone"),
    ] {
        let mut received = Received::from_body(200, body);
        received.headers.encoding = Some("gzip t-secret-1".into());
        for extension in FORMATS_TRIED {
            let answer = classify_download(&received, extension, &["t-secret-1"]).unwrap();
            assert_eq!((answer.verdict, answer.detail.message.as_deref()), (verdict.clone(), Some(message)));
        }
    }
}

/// Promise: no more of a body is collected than it takes to judge it, and blanks are not looked through once a byte.
#[test]
fn little_of_a_body_is_collected() {
    for (status, start, extension, expected) in [
        (200, &b""[..], "csv", FIRST_BYTES),
        (200, b"PK\x03\x04", "docx", FIRST_BYTES),
        (200, b"PK\x03\x04\0\0\0\0", "docx", 8),
        (200, b"<html>\n ", "csv", 8),
        (200, b"<html>\n ", "docx", BODY_MAX + 1),
        (200, b"\xef\xbb\xbf   {}", "csv", BODY_MAX + 1),
        (200, b"          ", "csv", 20),
        (200, &[b' '; BODY_MAX], "csv", BODY_MAX + 1),
        (200, &[b'{'; BODY_MAX + 1], "csv", BODY_MAX + 1),
        (404, b"PK\x03\x04\0\0\0\0", "docx", BODY_MAX + 1),
    ] {
        assert_eq!(bytes_to_judge(status, start, Some(extension)), expected, "{status} {extension}");
    }
}

/// Bodies that look like a file or an envelope in part.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let blanks = prop::sample::select(vec!["", " ", "\n\t", "\u{feff}", "\u{feff} ", "\u{3000}", "\u{c}"]);
    let code = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(CODES.iter().map(|row| row.number.to_string()).collect::<Vec<_>>()),
        prop::sample::select(vec!["\"7\"", "null", "1.5", "{}"]).prop_map(str::to_owned),
    ];
    let envelope = (blanks, code, "\\PC{0,6}").prop_map(|(blanks, code, msg)| {
        format!("{blanks}{{\"code\":{code},\"msg\":{}}}", serde_json::json!(msg)).into_bytes()
    });
    let first = prop::sample::select(vec![&b"PK"[..], b"%PDF-", b"<html>", b"{", b""]);
    prop_oneof![
        envelope,
        (first, prop::collection::vec(any::<u8>(), 0..100)).prop_map(|(first, rest)| [first, &rest].concat()),
    ]
}

proptest! {
    /// Promise: no answer is taken for a file that is an envelope, or that has not the format's first bytes.
    #[test]
    fn only_a_file_is_taken_for_one(
        status in prop_oneof![Just(200), 100u16..1000],
        body in bodies(),
        extension in prop::sample::select(FORMATS_TRIED.to_vec()),
    ) {
        let envelope: Option<Envelope> = lenient::parse(&body);
        let code = envelope.and_then(|envelope| envelope.code);
        match answer(status, &body, extension) {
            None => prop_assert!(status == 200 && code.is_none() && is_file(&body, extension)),
            Some(Answer { verdict: Verdict::Failed(kind), .. }) => {
                let row = CODES.iter().find(|row| Some(row.number) == code);
                prop_assert_eq!(row.map(|row| row.meaning), Some(CodeMeaning::Failed(kind)));
            }
            Some(answer) => {
                let is_result = matches!(answer.verdict, Verdict::Pending | Verdict::Completed(_));
                prop_assert!(!is_result && answer.detail.code == code);
            }
        }
    }

    /// Promise: what is collected of a body comes to the same, in whatever pieces it arrives.
    #[test]
    fn pieces_do_not_matter(
        body in bodies(),
        extension in prop::sample::select(FORMATS_TRIED.to_vec()),
        size in 1usize..40,
    ) {
        let (mut start, mut wanted) = (Vec::new(), FIRST_BYTES);
        for piece in body.chunks(size) {
            if start.len() >= wanted {
                wanted = bytes_to_judge(200, &start, extension);
            }
            if start.len() >= wanted {
                break;
            }
            start.extend_from_slice(piece);
        }
        prop_assert_eq!(answer(200, &start, extension), answer(200, &body, extension));
    }

    #[test]
    fn every_file_token_is_one_segment(token in "\\PC*|[./%\\\\?#;\t\n\0a]{1,8}") {
        let base = BaseUrl::parse("https://open.feishu.cn").unwrap();
        let url = file_url(&base, &token);
        let segment = url.path().strip_prefix(PATH).unwrap().strip_suffix("/download").unwrap();
        prop_assert!(!segment.contains('/') && url.query().is_none());
    }
}
