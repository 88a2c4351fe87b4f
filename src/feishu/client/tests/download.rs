//! Downloads over loopback: what is on the wire, how a body streams, and what comes of every way to break one.

use super::*;
use crate::feishu::{ArtefactBody as _, Download, Strange};

fn download_of(file_token: &str, extension: &str) -> Download {
    Download {
        app: AppName::new("default"),
        file_token: file_token.into(),
        file_extension: Some(extension.into()),
        access_token: AccessToken::new("t-hunter2"),
    }
}

/// A client that waits this long for a head, and for a piece of a body.
fn patient(server: &TestServer, head: Duration, idle: Duration) -> HttpExportApi {
    HttpExportApi::new(&[app(&format!("http://{}", server.address), nowhere())], head, idle).unwrap()
}

/// Asks for a file and reads it to its end.
async fn read(api: &HttpExportApi, extension: &str) -> Result<Vec<u8>, Box<Answer>> {
    let mut body = api.download(download_of("boxcn-1", extension)).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.chunk().await? {
        assert!(!piece.is_empty());
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(body.chunk().await?, None, "the end lasts");
    Ok(bytes)
}

/// The same, from a server with one reply.
async fn fetch(reply: Reply, extension: &str) -> Result<Vec<u8>, Box<Answer>> {
    let server = TestServer::start(vec![reply]).await;
    let result = read(&api(&server), extension).await;
    assert_eq!(server.requests().len(), 1, "exactly one request");
    if let Err(answer) = &result {
        let said = format!("{answer:?}");
        assert!(!said.contains("hunter2") && !said.contains("boxcn") && !said.contains("http://"), "{said}");
    }
    result
}

fn chunked(pieces: &[&str]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let pieces = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()));
    pieces.fold(head, |text, piece| text + &piece).into_bytes()
}

/// Promise: a download is one GET at the documented path, with the access token and nothing that invites compression.
#[tokio::test]
async fn a_download_is_what_the_api_page_says() {
    let server = TestServer::start(vec![Reply::Keep(http("200 OK", "", "PK\x03\x04"))]).await;
    assert_eq!(read(&api(&server), "docx").await.unwrap(), b"PK\x03\x04");
    let requests = server.requests();
    let lines: Vec<_> = requests[0].lines().map(str::to_ascii_lowercase).collect();
    assert_eq!(lines[0], "get /open-apis/drive/v1/export_tasks/file/boxcn-1/download http/1.1");
    for header in ["authorization: bearer t-hunter2", "accept-encoding: identity"] {
        assert!(lines.iter().any(|line| line == header), "{header} in {lines:?}");
    }
    assert!(!lines.iter().any(|line| line.starts_with("range:")));
    let odd = api(&server);
    let _ = odd.download(download_of("../a?b", "docx")).await;
    assert!(
        server.requests()[1].starts_with("GET /open-apis/drive/v1/export_tasks/file/..%2Fa%3Fb/download ")
    );
}

/// Promise: a file arrives as it was sent, in whatever pieces, with or without a length.
#[tokio::test]
async fn a_file_arrives_whole() {
    let large = format!("PK{}", "x".repeat(3 * BODY_MAX));
    let object = format!("{{{}", "x".repeat(BODY_MAX + 5));
    for (extension, body) in
        [("docx", &*large), ("csv", ""), ("csv", "1"), ("csv", "{\"a\":1}"), ("csv", &object)]
    {
        let fetched = fetch(Reply::Keep(http("200 OK", "", body)), extension).await.unwrap();
        assert!(fetched == body.as_bytes(), "{extension} {}", body.len());
    }
    let identity = http("200 OK", "Content-Encoding: Identity\r\n", "%PDF-1");
    assert_eq!(fetch(Reply::Keep(identity), "pdf").await.unwrap(), b"%PDF-1");
    let pieces = chunked(&["%", "P", "DF-1", ".7\n", "rest", ""]);
    assert_eq!(fetch(Reply::Keep(pieces), "pdf").await.unwrap(), b"%PDF-1.7\nrest");
    let to_the_end = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nPKrest".to_vec();
    assert_eq!(fetch(Reply::Close(to_the_end), "docx").await.unwrap(), b"PKrest");
}

/// Promise: a file ends where the answer said it would; what comes behind is neither part of it nor of the next answer.
#[tokio::test]
async fn what_comes_behind_a_file_is_left_out() {
    let surplus = [http("200 OK", "", "PK\x03\x04"), http("200 OK", "", "PKsurplus")].concat();
    let next = http("200 OK", "", "PKnext");
    let server = TestServer::start(vec![Reply::Keep(surplus), Reply::Keep(next)]).await;
    let api = api(&server);
    assert_eq!(read(&api, "docx").await.unwrap(), b"PK\x03\x04");
    assert_eq!(read(&api, "docx").await.unwrap(), b"PKnext");
    assert_eq!(server.requests().len(), 2);
}

/// Promise: a body is given out while it comes, before all of it is there, and for longer than a request may take or
/// nothing may come.
#[tokio::test]
async fn a_body_streams() {
    let server = TestServer::start(vec![Reply::Flood(b"HTTP/1.1 200 OK\r\n\r\nPK".to_vec())]).await;
    let (request_timeout, idle_timeout) = (Duration::from_millis(300), Duration::from_secs(1));
    let api = patient(&server, request_timeout, idle_timeout);
    let mut body = api.download(download_of("b", "docx")).await.unwrap();
    let start = Instant::now();
    let mut count = 0;
    while count < 4 * BODY_MAX || start.elapsed() < idle_timeout + request_timeout {
        count += body.chunk().await.unwrap().unwrap().len();
    }
}

/// Promise: what is no file is recognised before any of it is given out, also with HTTP 200.
#[tokio::test]
async fn what_is_no_file_is_an_answer() {
    let gone = r#"{"code":1060001,"msg":"param is invalid: t-hunter2"}"#;
    let expired = Verdict::Failed(ErrorKind::Expired);
    for (status, headers, body, verdict, message) in [
        ("200 OK", "", gone, expired.clone(), "param is invalid: [hidden]"),
        ("400 Bad Request", "", gone, expired, "param is invalid: [hidden]"),
        (
            "200 OK",
            "",
            "<h1>Sign in t-hunter2",
            Verdict::Strange(Strange::Page),
            "answer is a web page: Sign in [hidden]",
        ),
        (
            "200 OK",
            "",
            "\x7fELF: no document",
            Verdict::Unclear(ErrorKind::WrongContent),
            "answer is no docx: it begins with 7f 45 4c 46 3a 20 6e 6f, 17 bytes long",
        ),
        (
            "200 OK",
            "Content-Encoding: gzip\r\n",
            "PK\x03\x04",
            Verdict::Strange(Strange::Page),
            "answer is encoded (gzip), which was not asked for",
        ),
        ("206 Partial Content", "", "PK\x03\x04", NETWORK, "answer is not the API's JSON: PK\x03\x04"),
    ] {
        let headers = format!("X-Tt-Logid: L\r\n{headers}");
        let answer = fetch(Reply::Keep(http(status, &headers, body)), "docx").await.unwrap_err();
        assert_eq!(answer.verdict, verdict, "{body}");
        let said = answer.detail.message.unwrap();
        assert_eq!(said.replace(['\x03', '\x04'], ""), message.replace(['\x03', '\x04'], ""));
        assert_eq!(answer.detail.log_id.as_deref(), Some("L"));
    }
    let page = b"HTTP/1.1 200 OK\r\n\r\n<h1>Sign in</h1>".to_vec();
    let answer = fetch(Reply::Flood(page), "pdf").await.unwrap_err();
    assert_eq!(answer.verdict, Verdict::Strange(Strange::Page), "{answer:?}");
}

/// Promise: no redirect is followed, as the access token would go with it.
#[tokio::test]
async fn a_download_is_not_redirected() {
    let other = TestServer::start(vec![Reply::Keep(http("200 OK", "", "PK\x03\x04"))]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: http://{}/\r\n", other.address);
        let answer = fetch(Reply::Keep(http(status, &location, "")), "docx").await.unwrap_err();
        assert_eq!(answer.verdict, NETWORK, "{status}");
        assert_eq!(answer.detail.message.as_deref(), Some("redirects are not followed"));
    }
    assert!(other.requests().is_empty());
}

/// Promise: a transfer that breaks off, at whatever place, is the network's trouble and no end of a file.
#[tokio::test]
async fn a_cut_body_is_the_networks_trouble() {
    let cut = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX-Tt-Logid: L\r\n\r\n{body}").into_bytes()
    };
    let odd_chunk =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nPK1234567\r\nodd\r\n".to_vec();
    for reply in [
        Reply::Reset,
        Reply::Close(Vec::new()),
        Reply::Close(b"HTTP/1.1 20".to_vec()),
        Reply::Close(cut("")),
        Reply::Close(cut("PK")),
        Reply::Close(cut("PK1234567890")),
        Reply::Close(cut("{\"code\":0,")),
        Reply::Close(chunked(&["PK1234567890"])),
        Reply::Close(odd_chunk),
    ] {
        let answer = fetch(reply.clone(), "docx").await.unwrap_err();
        assert_eq!(answer.verdict, NETWORK, "{reply:?}");
        assert!(answer.detail.message.is_some_and(|message| !message.is_empty()), "{reply:?}");
    }
    let answer = fetch(Reply::Close(cut("PK1234567890")), "docx").await.unwrap_err();
    assert_eq!((answer.detail.http_status, answer.detail.log_id.as_deref()), (Some(200), Some("L")));
}

/// Promise: a head that does not come within `request_timeout`, and a body of which nothing comes within `idle_timeout`,
/// end the call, whether its start is being judged or not.
#[tokio::test]
async fn silence_ends_a_download() {
    const SHORT: Duration = Duration::from_millis(300);
    let head = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{body}").into_bytes();
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n{".to_vec();
    for (sent, request_timeout, idle_timeout, message) in [
        (Vec::new(), SHORT, TIMEOUT, "no answer came within 300ms"),
        (head(""), TIMEOUT, SHORT, "no byte came within 300ms"),
        (head("PK"), TIMEOUT, SHORT, "no byte came within 300ms"),
        (head("PK1234567890"), TIMEOUT, SHORT, "no byte came within 300ms"),
        (head("{\"code\":"), TIMEOUT, SHORT, "no byte came within 300ms"),
        (refusal, TIMEOUT, SHORT, "no byte came within 300ms"),
    ] {
        let server = TestServer::start(vec![Reply::Hang(sent)]).await;
        let start = Instant::now();
        let answer = read(&patient(&server, request_timeout, idle_timeout), "docx").await.unwrap_err();
        assert_eq!(answer.verdict, NETWORK);
        let said = answer.detail.message.unwrap();
        assert!(said.contains("timed out") && said.ends_with(message), "{said}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(server.requests().len(), 1);
    }
}

/// Promise: what no request can carry is not sent.
#[tokio::test]
async fn a_download_that_no_request_can_carry_is_not_sent() {
    let server = TestServer::start(vec![Reply::Reset]).await;
    let api = api(&server);
    let odd = Download { access_token: AccessToken::new("t-a\r\nX: y"), ..download_of("box", "pdf") };
    assert_eq!(api.download(odd).await.unwrap_err().verdict, Verdict::TokenRejected);
    let stranger = Download { app: AppName::new("stranger"), ..download_of("box", "pdf") };
    assert!(matches!(api.download(stranger).await.unwrap_err().verdict, Verdict::AppFault(_)));
    assert!(server.requests().is_empty());
}
