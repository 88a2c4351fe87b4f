//! Real requests to a server on this machine that answers with bytes.

use futures_util::future::FutureExt as _;
use standardwebhooks::Webhook as Verifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::with_causes;
use crate::store::EventId;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Two keys, base64 of 32 bytes each.
const KEYS: [&str; 2] = [
    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=",
];

/// What is secret in an address.
const PIECE: &str = "T0000SECRET";

/// A server that answers each request with these bytes, then with zeros if they are endless, and hands out the requests.
struct Server {
    url: Url,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
enum Reply {
    Close(String),
    Flood(String),
    Hang(String),
}

impl Server {
    async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/hooks/{PIECE}?key={PIECE}", listener.local_addr().unwrap());
        let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, reply) = (seen.clone(), reply.clone());
                tokio::spawn(async move {
                    let (mut text, mut block) = (String::new(), [0; 4096]);
                    // The body ends with the event.
                    while !text.ends_with('}') {
                        let count = stream.read(&mut block).await.unwrap_or(0);
                        text += std::str::from_utf8(&block[..count]).unwrap();
                    }
                    seen.send(text).unwrap();
                    let (Reply::Close(bytes) | Reply::Flood(bytes) | Reply::Hang(bytes)) = &reply;
                    let _ = stream.write_all(bytes.as_bytes()).await;
                    match reply {
                        Reply::Close(_) => {}
                        Reply::Flood(_) => while stream.write_all(&[b'0'; 8192]).await.is_ok() {},
                        Reply::Hang(_) => std::future::pending().await,
                    }
                });
            }
        });
        Self { url: Url::parse(&url).unwrap(), requests, task }
    }
}

fn read_keys(source: SecretSource) -> BoxFuture<'static, Result<SecretString, String>> {
    async move {
        match source {
            SecretSource::Env(name) => Ok(name.into()),
            SecretSource::File(path) => {
                std::fs::read_to_string(path).map(Into::into).map_err(|it| it.to_string())
            }
            SecretSource::Credential(name) => Err(format!("{name} is not set\u{202e}")),
        }
    }
    .boxed()
}

fn receiver(url: &Url, secret: Option<SecretSource>, timeout: Duration) -> WebhookReceiver {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = client.tls_certs_only([]).build().unwrap();
    let transport =
        WebhookTransport { client, read_keys, in_words: |error| with_causes(&error.without_url()) };
    WebhookReceiver::new(Webhook { url: url.clone(), secret, ca_file: None }, timeout, transport)
}

fn event() -> HookEvent {
    HookEvent::new("ab12", EventId(7), r#"{"event":"file.saved","label":"周报"}"#)
}

async fn result(reply: Reply) -> Result<(), CallError> {
    let server = Server::start(reply).await;
    let secret = Some(SecretSource::Env(KEYS[0].to_owned()));
    let result = receiver(&server.url, secret, Duration::from_secs(1)).call(&event()).await;
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains(PIECE) && !shown.contains(&KEYS[0][6..]) && !shown.contains("http:"),
            "{shown}"
        );
    }
    result
}

fn answer(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Close(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn header(request: &str, name: &str) -> String {
    let line = request.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default().to_owned()
}

/// Promise: a receiver of Standard Webhooks takes our signature by its key, each of several while keys are changed, and a
/// key that was changed signs the next try.
#[tokio::test]
async fn signatures_are_those_of_standard_webhooks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let mut server = Server::start(answer("204 No Content", "", "")).await;
    let receiver = receiver(&server.url, Some(SecretSource::File(file.clone())), TIMEOUT);
    for keys in [&KEYS[..1], &KEYS[..], &KEYS[1..]] {
        std::fs::write(&file, keys.join("\n")).unwrap();
        assert_eq!(receiver.call(&event()).await, Ok(()));
        let request = server.requests.recv().await.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("POST /hooks/{PIECE}?key={PIECE} HTTP/1.1\r\n")), "{head}");
        assert_eq!(header(head, "content-type"), "application/json");
        assert_eq!((header(head, "webhook-id"), body), ("ab12-7".to_owned(), &*event().body));
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, header(head, name).parse().unwrap());
        }
        for key in KEYS {
            let verdict = Verifier::new(key).unwrap().verify(body.as_bytes(), &headers);
            assert_eq!(verdict.is_ok(), keys.contains(&key), "{head}");
        }
    }
}

/// Promise: without a secret nothing is signed; with one that can't be read, or is none, nothing is sent.
#[tokio::test]
async fn nothing_is_sent_unsigned_by_mistake() {
    let mut server = Server::start(answer("200 OK", "", "")).await;
    assert_eq!(receiver(&server.url, None, TIMEOUT).call(&event()).await, Ok(()));
    let request = server.requests.recv().await.unwrap();
    assert!(!request.contains("webhook-signature") && request.contains("webhook-timestamp"), "{request}");
    for (source, expected) in [
        (SecretSource::Env("hunter2".to_owned()), "holds no keys"),
        (SecretSource::Credential("c".to_owned()), "secret: c is not set\\u{202e}"),
    ] {
        let error = receiver(&server.url, Some(source), TIMEOUT).call(&event()).await.unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    assert!(server.requests.try_recv().is_err());
}

/// Promise: 2xx alone means taken, whatever comes behind it; a redirect is a failure and is not followed, 410 ends the hook,
/// and what the receiver asks for is kept. Nothing of the address is shown, though an answer repeats it.
#[tokio::test]
async fn the_status_decides() {
    for status in ["200 OK", "202 Accepted", "204 No Content", "299 Odd"] {
        assert_eq!(result(answer(status, "", "")).await, Ok(()), "{status}");
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nha".to_owned();
    assert_eq!(result(Reply::Close(cut)).await, Ok(()));
    let elsewhere = format!("Location: /{PIECE}\r\n");
    for (reply, status, expected) in [
        (answer("302 Found", &elsewhere, ""), 302, "answered 302 (redirects are not followed"),
        (
            answer("503 Service Unavailable", "", "<b>down</b>\u{202e}\n now"),
            503,
            "answered 503: <b>down</b>\\u{202e} now",
        ),
        (answer("500 Internal", "", ""), 500, "answered 500"),
        (answer("404 Not Found", "", &format!("Cannot POST /hooks/{PIECE}")), 404, "its words are not shown"),
        (answer("401 No", "", "\0\u{1}"), 401, "with a binary body"),
        (answer("410 Gone", "", ""), 410, "wants no more events"),
    ] {
        let error = result(reply).await.unwrap_err();
        assert_eq!((error.http_status, error.is_gone), (Some(status), status == 410));
        assert!(error.message.starts_with("127.0.0.1:") && error.message.contains(expected), "{error}");
    }
    let asks = result(answer("429 Too Many", "Retry-After: 120\r\n", "")).await.unwrap_err();
    assert_eq!(asks.retry_after, Some(Duration::from_secs(120)));
    let long = result(answer("500 Internal", "", &"word ".repeat(1000))).await.unwrap_err();
    assert!(long.message.chars().count() < 200, "{long}");
}

/// Promise: a receiver that hangs, cuts, or floods costs a try its time at most, and little memory.
#[tokio::test]
async fn a_hostile_receiver_costs_little() {
    let before = Instant::now();
    for (reply, expected) in [
        (Reply::Hang(String::new()), "127.0.0.1:"),
        (Reply::Hang("HTTP/1.1 200".to_owned()), "127.0.0.1:"),
        (Reply::Hang("HTTP/1.1 500 Internal\r\nContent-Length: 10\r\n\r\n".to_owned()), "answered 500"),
        (Reply::Close(String::new()), "connection closed"),
        (Reply::Close("SSH-2.0".to_owned()), "127.0.0.1:"),
        (Reply::Flood("HTTP/1.1 500 Internal\r\n\r\n".to_owned()), "answered 500: 00"),
        (Reply::Flood("HTTP/1.1 200 OK\r\nX: ".to_owned()), "127.0.0.1:"),
    ] {
        let error = result(reply).await.unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(result(Reply::Flood("HTTP/1.1 200 OK\r\n\r\n".to_owned())).await, Ok(()));
    assert_eq!(result(Reply::Hang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_owned())).await, Ok(()));
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    let refused = receiver(&Url::parse("http://127.0.0.1:1/T0000SECRET").unwrap(), None, TIMEOUT);
    let error = refused.call(&event()).await.unwrap_err();
    assert!(error.message.starts_with("127.0.0.1:1: ") && !error.message.contains(PIECE), "{error}");
}

/// Promise: the time that reading a key takes is not the receiver's, so that a read that hangs keeps its call, and no further
/// one joins it.
#[tokio::test]
async fn a_key_is_read_before_the_time_runs() {
    let mut server = Server::start(answer("204 No Content", "", "")).await;
    let timeout = Duration::from_secs(1);
    let secret = Some(SecretSource::Env(KEYS[0].to_owned()));
    let mut slow = receiver(&server.url, secret, timeout);
    slow.transport.read_keys = |source| {
        async {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            read_keys(source).await
        }
        .boxed()
    };
    assert_eq!(slow.call(&event()).await, Ok(()));
    assert!(server.requests.recv().await.unwrap().contains("webhook-signature"));
}

/// Promise: an answer is not shown if it repeats the path, a value of the query, or a longer piece, as sent or as meant;
/// the words of any other one are.
#[test]
fn what_repeats_the_address_is_not_shown() {
    let shown = |url: &str, body: &str| {
        !first_words(body.as_bytes(), &pieces(&Url::parse(url).unwrap())).contains("not shown")
    };
    for (url, body, expected) in [
        ("https://a.example/in?key=k3y7", "no such key: k3y7", false),
        ("https://a.example/in?k3y7", "no such key: k3y7", false),
        ("https://a.example/in?key=a%2Bb7", "no such key: a+b7", false),
        ("https://a.example/in?key=k3y7", "no such key", true),
        ("https://a.example/in?v=1", "Cannot POST /in?v=1", false),
        ("https://a.example/x7k2?v=1", "Cannot POST /x7k2", false),
        ("https://a.example/x7k2", "Cannot POST /x7k2", false),
        ("https://a.example/a/T0000SECRET/b", "no T0000SECRET", false),
        ("https://a.example/", "Cannot POST /", true),
        ("https://a.example/in", "turned in", true),
    ] {
        assert_eq!(shown(url, body), expected, "{url} {body}");
    }
}
