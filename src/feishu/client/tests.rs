//! The client over loopback, in real time: what is on the wire, and what comes of every way to fail.

mod download;
mod exports;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::domain::{BaseUrl, CaFile, DocumentToken, RateLimit, SecretSource, TicketId};
use crate::feishu::body::BODY_MAX;
use crate::feishu::proxy::ProxySettings;
use crate::feishu::test_server::{Reply, TestServer, http};
use crate::feishu::trust::TrustStore;
use crate::feishu::{AccessToken, Pace};

const TIMEOUT: Duration = Duration::from_secs(20);
const SECRET: &str = "s3cret-hunter2";
const RUNNING: &str = r#"{"code":0,"msg":"success","data":{"result":{"job_status":2}}}"#;
const NETWORK: Verdict = Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual };

fn app(base_url: &str, credentials: Credentials) -> App {
    App {
        name: AppName::new("default"),
        base_url: BaseUrl::parse(base_url).unwrap(),
        app_id: "cli_\"a\"".into(),
        credentials,
        ca_file: None,
        tenant: None,
        rate_limit: RateLimit { requests: NonZeroU32::MIN, per: Duration::from_secs(1) },
    }
}

fn nowhere() -> Credentials {
    Credentials::AppSecret(SecretSource::File("/no/such/file".into()))
}

fn api(server: &TestServer) -> HttpExportApi {
    api_with(server, TIMEOUT)
}

fn api_with(server: &TestServer, timeout: Duration) -> HttpExportApi {
    HttpExportApi::new(&[app(&format!("http://{}", server.address), nowhere())], timeout, timeout).unwrap()
}

fn poll(ticket: &str) -> Query {
    Query {
        app: AppName::new("default"),
        ticket: TicketId::new(ticket),
        token: DocumentToken::parse("docx&1=ü").unwrap(),
        access_token: AccessToken::new("t-hunter2"),
    }
}

async fn ask(replies: Vec<Reply>) -> Answer {
    let server = TestServer::start(replies).await;
    let answer = api(&server).query(poll("1")).await;
    assert_eq!(server.requests().len(), 1, "exactly one request");
    answer
}

#[tokio::test]
async fn the_request_is_what_the_api_page_says() {
    let reply = http("200 OK", "X-Tt-Logid: L1\r\nX-Request-Id: R1\r\n", RUNNING);
    let server = TestServer::start(vec![Reply::Keep(reply)]).await;
    let answer = api(&server).query(poll("6933093124755412345")).await;
    assert_eq!(answer.verdict, Verdict::Pending);
    assert_eq!((answer.detail.http_status, answer.detail.code), (Some(200), Some(0)));
    assert_eq!((answer.detail.job_status, answer.detail.log_id.as_deref()), (Some(2), Some("L1")));
    let requests = server.requests();
    let lines: Vec<_> = requests[0].to_ascii_lowercase().lines().map(ToOwned::to_owned).collect();
    assert_eq!(
        requests[0].lines().next().unwrap(),
        "GET /open-apis/drive/v1/export_tasks/6933093124755412345?token=docx%261%3D%C3%BC HTTP/1.1"
    );
    for header in [
        "authorization: bearer t-hunter2".to_owned(),
        format!("user-agent: feishu-export-watcher/{}", env!("CARGO_PKG_VERSION")),
        "accept-encoding: identity".to_owned(),
        format!("host: {}", server.address),
    ] {
        assert!(lines.contains(&header), "{header} in {lines:?}");
    }
    for name in ["cookie", "referer", "content-length", "upgrade"] {
        assert!(!lines.iter().any(|line| line.starts_with(&format!("{name}:"))), "{name}");
    }
}

#[tokio::test]
async fn odd_tickets_stay_one_segment_on_the_wire() {
    let server = TestServer::start(vec![Reply::Keep(http("200 OK", "", RUNNING))]).await;
    let api = api(&server);
    for (ticket, segment) in [
        (".", "%252E"),
        ("..", "%252E%252E"),
        ("...", "..."),
        ("../auth", "..%2Fauth"),
        ("%2e%2e", "%252e%252e"),
        ("/", "%2F"),
        ("a/../b", "a%2F..%2Fb"),
        ("a\\..\\b", "a%5C..%5Cb"),
        ("100%", "100%25"),
        ("a?token=x#y;z", "a%3Ftoken%3Dx%23y%3Bz"),
        ("\t..", "%09.."),
        ("a\r\nHost: x", "a%0D%0AHost%3A%20x"),
        ("票", "%E7%A5%A8"),
        ("0007", "0007"),
        ("A-b_c~d.e", "A-b_c~d.e"),
    ] {
        api.query(poll(ticket)).await;
        let line = server.requests().last().unwrap().lines().next().unwrap().to_owned();
        let path =
            line.strip_prefix("GET /open-apis/drive/v1/export_tasks/").unwrap_or_else(|| panic!("{line}"));
        assert_eq!(path.split_once("?token=").unwrap().0, segment, "{ticket}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = TestServer::start(vec![Reply::Keep(http("200 OK", "", RUNNING))]).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: http://{}/\r\n", other.address);
        let answer = ask(vec![Reply::Keep(http(status, &location, ""))]).await;
        assert_eq!(answer.verdict, NETWORK, "{status}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_body_is_read_to_the_limit_and_no_further() {
    let limit = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_MAX + 1);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    for head in [limit.into_bytes(), chunked, endless] {
        let answer = ask(vec![Reply::Flood(head)]).await;
        assert_eq!(answer.verdict, Verdict::Strange(crate::feishu::Strange::Page));
        assert!(answer.detail.message.unwrap().contains("longer than"));
    }
    let padded = format!("{RUNNING}{}", " ".repeat(BODY_MAX - RUNNING.len()));
    assert_eq!(ask(vec![Reply::Keep(http("200 OK", "", &padded))]).await.verdict, Verdict::Pending);
}

#[tokio::test]
async fn whatever_breaks_on_the_way_is_the_networks_trouble() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":0,".to_vec();
    let half_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"code\"".to_vec();
    for reply in [
        Reply::Reset,
        Reply::Close(Vec::new()),
        Reply::Close(b"HTTP/1.1 20".to_vec()),
        Reply::Close(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        Reply::Close(half),
        Reply::Close(half_chunk),
    ] {
        let answer = ask(vec![reply.clone()]).await;
        assert_eq!(answer.verdict, NETWORK, "{reply:?}");
        let message = answer.detail.message.unwrap();
        assert!(!message.contains("export_tasks") && !message.contains("hunter2"), "{message}");
    }
    let half = b"HTTP/1.1 502 Bad Gateway\r\nX-Tt-Logid: L\r\nContent-Length: 100\r\n\r\n<html".to_vec();
    let answer = ask(vec![Reply::Close(half)]).await;
    assert_eq!(answer.verdict, Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual });
    assert_eq!(answer.detail.log_id.as_deref(), Some("L"));
}

#[tokio::test]
async fn a_request_ends_when_its_time_is_up() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for begun in [Vec::new(), head] {
        let server = TestServer::start(vec![Reply::Hang(begun)]).await;
        let start = Instant::now();
        let answer = api_with(&server, Duration::from_millis(300)).query(poll("1")).await;
        assert_eq!(answer.verdict, NETWORK);
        assert!(answer.detail.message.unwrap().contains("timed out"));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn no_server_is_the_networks_trouble() {
    let server = TestServer::start(vec![Reply::Reset]).await;
    let api = api(&server);
    drop(server);
    // The listener goes with its task, a moment after the drop: until then connections are reset.
    let answer = api.query(poll("1")).await;
    assert_eq!(answer.verdict, NETWORK);
    assert_eq!(answer.detail.http_status, None);
}

#[tokio::test]
async fn tls_trouble_is_the_networks_trouble() {
    let server = TestServer::start(vec![Reply::Close(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]).await;
    let app = app(&format!("https://{}", server.address), nowhere());
    let api = HttpExportApi::new(&[app], Duration::from_secs(2), TIMEOUT).unwrap();
    assert_eq!(api.query(poll("1")).await.verdict, NETWORK);
}

/// A server of one connection with a certificate of `testdata/`, which has signed its own or by the authority there.
async fn serve_tls(name: &str) -> SocketAddr {
    let file = |suffix: &str| Path::new("src/feishu/testdata").join(format!("{name}.{suffix}"));
    let certificate = CertificateDer::from_pem_file(file("pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        // Where the client does not trust it, nothing comes.
        if tls.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
            tls.write_all(&http("200 OK", "", RUNNING)).unwrap();
            tls.flush().unwrap();
        }
    });
    address
}

/// An authority's certificate of `testdata/`, as the configuration would have read it.
fn ca_file() -> CaFile {
    let certificate = CertificateDer::from_pem_file("src/feishu/testdata/ca.pem").unwrap();
    CaFile { path: "ca.pem".into(), certificates: vec![certificate.to_vec()] }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_once_it_is_named() {
    let answer = async |name: &str, ca_file: Option<CaFile>| {
        let app = App { ca_file, ..app(&format!("https://{}", serve_tls(name).await), nowhere()) };
        HttpExportApi::new(&[app], TIMEOUT, TIMEOUT).unwrap().query(poll("1")).await
    };
    assert_eq!(answer("server", Some(ca_file())).await.verdict, Verdict::Pending);
    for (name, ca_file, error, hint) in [
        ("server", None, "UnknownIssuer", "name it as ca_file of the app"),
        ("ca", None, "CaUsedAsEndEntity", "give the server one with CA:FALSE"),
        ("ca", Some(ca_file()), "CaUsedAsEndEntity", "give the server one with CA:FALSE"),
    ] {
        let answer = answer(name, ca_file).await;
        assert_eq!(answer.verdict, NETWORK);
        let message = answer.detail.message.unwrap();
        assert!(message.contains(error) && message.contains(hint), "{message}");
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_second_request() {
    let reply = Reply::Close(http("200 OK", "Connection: keep-alive\r\n", RUNNING));
    let server = TestServer::start(vec![reply]).await;
    let api = api(&server);
    for sent in 1..=30 {
        let answer = api.query(poll("1")).await;
        assert!([Verdict::Pending, NETWORK].contains(&answer.verdict), "{answer:?}");
        assert!(server.requests().len() <= sent, "sent twice");
    }
}

#[tokio::test]
async fn a_request_whose_connection_breaks_is_not_sent_again() {
    let replies = vec![Reply::Keep(http("200 OK", "", RUNNING)), Reply::Reset];
    let server = TestServer::start(replies).await;
    let api = api(&server);
    assert_eq!(api.query(poll("1")).await.verdict, Verdict::Pending);
    assert_eq!(api.query(poll("1")).await.verdict, NETWORK);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_proxy_stands_before_remote_hosts_only() {
    let proxy = TestServer::start(vec![Reply::Close(http("403 Forbidden", "", ""))]).await;
    let server = TestServer::start(vec![Reply::Keep(http("200 OK", "", RUNNING))]).await;
    let mut remote = app("https://open.feishu.cn", nowhere());
    remote.name = AppName::new("remote");
    let apps = [app(&format!("http://{}", server.address), nowhere()), remote];
    let network = behind(format!("http://u:hunter3@{}", proxy.address));
    let api = HttpExportApi::with(&apps, TIMEOUT, TIMEOUT, &network).unwrap();
    assert_eq!(api.query(poll("1")).await.verdict, Verdict::Pending);
    assert!(proxy.requests().is_empty());
    let answer = api.query(Query { app: AppName::new("remote"), ..poll("1") }).await;
    assert_eq!(answer.verdict, NETWORK);
    assert!(proxy.requests()[0].starts_with("CONNECT open.feishu.cn:443 "));
    assert!(!proxy.requests()[0].contains("t-hunter2"));
    assert!(!format!("{api:?}{answer:?}").contains("hunter"));
}

/// Settings with one proxy for all remote hosts.
fn behind(proxy: String) -> NetworkSettings {
    let proxies = ProxySettings::read(|name| (name == "ALL_PROXY").then(|| proxy.clone().into()));
    NetworkSettings { proxies: proxies.unwrap(), trust: Some(TrustStore::read(|_| None).unwrap()) }
}

#[tokio::test]
async fn a_proxys_refusal_is_named_as_the_proxys() {
    for (status, hint) in [
        ("403 Forbidden", "the proxy refuses to connect to the host"),
        ("407 Proxy Authentication Required", "the proxy refuses without a valid user and password"),
        ("502 Bad Gateway", "the proxy refuses to connect to the host"),
    ] {
        let page = http(status, "Connection: close\r\n", "<h1>hunter2</h1>");
        let proxy = TestServer::start(vec![Reply::Close(page)]).await;
        let network = behind(format!("http://u:hunter3@{}", proxy.address));
        let api =
            HttpExportApi::with(&[app("https://open.feishu.cn", nowhere())], TIMEOUT, TIMEOUT, &network)
                .unwrap();
        let answer = api.query(poll("1")).await;
        assert_eq!(answer.verdict, NETWORK);
        let message = answer.detail.message.unwrap();
        assert!(message.contains(hint) && !message.contains("hunter"), "{message}");
        let requests = proxy.requests();
        assert_eq!(requests.len(), 1);
        let request = requests[0].to_ascii_lowercase();
        assert!(request.starts_with("connect open.feishu.cn:443 "), "{request}");
        assert!(request.contains("proxy-authorization: basic dtpodw50zxiz"), "{request}");
    }
}

#[tokio::test]
async fn a_socks_proxy_is_spoken_to() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let network = behind(format!("socks5h://{}", listener.local_addr().unwrap()));
    let proxy = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut wish = [0; 5 + 14 + 2];
        stream.read_exact(&mut wish).await.unwrap();
        // Not allowed by the rules of the proxy.
        stream.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        (hello, wish)
    });
    let api =
        HttpExportApi::with(&[app("https://open.feishu.cn", nowhere())], TIMEOUT, TIMEOUT, &network).unwrap();
    let answer = api.query(poll("1")).await;
    assert_eq!(answer.verdict, NETWORK);
    let message = answer.detail.message.unwrap();
    assert!(message.contains("SOCKS error"), "{message}");
    let (hello, wish) = proxy.await.unwrap();
    assert_eq!(hello, [5, 1, 0]);
    assert_eq!(wish[..], *b"\x05\x01\0\x03\x0eopen.feishu.cn\x01\xbb");
}

#[tokio::test]
async fn what_no_request_can_carry_is_not_sent() {
    let server = TestServer::start(vec![Reply::Reset]).await;
    let api = api(&server);
    let answer = api.query(poll(&"9".repeat(70_000))).await;
    assert_eq!(answer.verdict, Verdict::Unclear(ErrorKind::InvalidParam));
    assert!(!answer.detail.message.unwrap().contains("9999"));
    let odd = Query { access_token: AccessToken::new("t-a\r\nX: y"), ..poll("1") };
    assert_eq!(api.query(odd).await.verdict, Verdict::TokenRejected);
    let stranger = Query { app: AppName::new("stranger"), ..poll("1") };
    assert!(matches!(api.query(stranger).await.verdict, Verdict::AppFault(_)));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_repeats_the_token_does_not_get_it_into_the_log() {
    let body = r#"{"code":99991663,"msg":"bad: Bearer t-hunter2","log_id":"t-hunter2"}"#;
    let answer = ask(vec![Reply::Keep(http("400 Bad Request", "", body))]).await;
    assert_eq!(answer.verdict, Verdict::TokenRejected);
    assert_eq!(answer.detail.message.as_deref(), Some("bad: Bearer [hidden]"));
    assert!(!format!("{answer:?}{:?}", poll("1")).contains("hunter2"));
}

/// Promise 7: an app secret that the answer to a query repeats is shown nowhere, also where it was
/// exchanged for another.
#[tokio::test]
async fn a_server_that_repeats_the_secret_in_a_query_does_not_get_it_into_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let grant = r#"{"code":0,"msg":"ok","tenant_access_token":"t-hunter2","expire":4567}"#;
    let said = r#"{"code":99991672,"msg":"S, oldS","log_id":"S","error":{"helps":[{"url":"https://x/S"}]}}"#;
    let done = r#"{"code":0,"data":{"result":{"job_status":0,"file_token":"box","file_name":"S.pdf"}}}"#;
    let odd = r#"{"code":0,"data":{"result":{"job_status":0,"file_token":"S"}}}"#;
    let replies = [grant, grant, said, done, odd, "<p>S</p>"];
    let reply = |body: &str| Reply::Keep(http("200 OK", "", &body.replace('S', SECRET)));
    let server = TestServer::start(replies.map(reply).into()).await;
    let credentials = Credentials::AppSecret(SecretSource::File(path.clone()));
    let apps = [app(&format!("http://{}", server.address), credentials)];
    let api = HttpExportApi::new(&apps, TIMEOUT, TIMEOUT).unwrap();
    for secret in [format!("old{SECRET}"), SECRET.to_owned()] {
        std::fs::write(&path, secret).unwrap();
        api.access_token(&apps[0].name).await.result.unwrap();
    }
    let answer = api.query(poll("1")).await;
    assert_eq!(answer.detail.message.as_deref(), Some("[hidden], old[hidden]"));
    assert_eq!(answer.detail.log_id.as_deref(), Some("[hidden]"));
    assert_eq!(
        answer.detail.remedy.as_deref(),
        Some("missing scope: docs:document:export or drive:export:readonly; see https://x/[hidden]")
    );
    let Verdict::Completed(file) = api.query(poll("1")).await.verdict else { panic!("not done") };
    assert_eq!(file.file_name.as_deref(), Some("[hidden].pdf"));
    assert_eq!(api.query(poll("1")).await.verdict, Verdict::Unclear(ErrorKind::MalformedAnswer));
    let page = api.query(poll("1")).await.detail.message.unwrap();
    assert!(page.ends_with(": [hidden]") && !format!("{api:?}").contains("hunter2"), "{page}");
}

#[tokio::test]
async fn a_secret_is_read_anew_for_every_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let body = r#"{"code":0,"msg":"ok","tenant_access_token":"t-hunter2","expire":4567}"#;
    let server = TestServer::start(vec![Reply::Keep(http("200 OK", "", body))]).await;
    let credentials = Credentials::AppSecret(SecretSource::File(path.clone()));
    let api =
        HttpExportApi::new(&[app(&format!("http://{}", server.address), credentials)], TIMEOUT, TIMEOUT)
            .unwrap();
    let name = AppName::new("default");

    let answer = api.access_token(&name).await;
    assert_eq!(answer.result.unwrap_err(), TokenTrouble::AppFault(PauseReason::SecretUnreadable));
    let message = answer.detail.message.unwrap();
    assert!(message.starts_with(&format!("failed to read file {}: ", path.display())), "{message}");
    assert!(server.requests().is_empty());

    for secret in ["first-\"quoted\"-2", SECRET] {
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        let answer = api.access_token(&name).await;
        assert!(!format!("{answer:?}").contains("hunter2"));
        let grant = answer.result.unwrap();
        assert_eq!(grant.token.expose(), "t-hunter2");
        assert_eq!(grant.expires_in, Some(Duration::from_secs(4567)));
        let request = server.requests().pop().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /open-apis/auth/v3/tenant_access_token/internal HTTP/1.1\r\n"));
        assert!(head.to_ascii_lowercase().contains("content-type: application/json; charset=utf-8"));
        assert!(!head.to_ascii_lowercase().contains("authorization"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, serde_json::json!({ "app_id": "cli_\"a\"", "app_secret": secret }));
    }
}

#[tokio::test]
async fn a_ready_made_token_costs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let server = TestServer::start(vec![Reply::Reset]).await;
    let credentials = Credentials::AccessToken(SecretSource::File(path.clone()));
    let api =
        HttpExportApi::new(&[app(&format!("http://{}", server.address), credentials)], TIMEOUT, TIMEOUT)
            .unwrap();
    for token in ["u-old", "u-new"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        let grant = api.access_token(&AppName::new("default")).await.result.unwrap();
        assert_eq!((grant.token.expose(), grant.expires_in), (token, None));
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trouble_on_the_way_to_a_token_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, SECRET).unwrap();
    let half = Reply::Close(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"tenant_access_token\":\"t-hunter2".to_vec(),
    );
    for reply in [Reply::Reset, half, Reply::Close(http("302 Found", "Location: /x\r\n", ""))] {
        let server = TestServer::start(vec![reply]).await;
        let credentials = Credentials::AppSecret(SecretSource::File(path.clone()));
        let apps = [app(&format!("http://{}", server.address), credentials)];
        let answer = HttpExportApi::new(&apps, TIMEOUT, TIMEOUT).unwrap().access_token(&apps[0].name).await;
        assert!(!format!("{answer:?}").contains("hunter2"));
        assert_eq!(answer.result.unwrap_err(), TokenTrouble::Retry(ErrorKind::Network));
        assert_eq!(server.requests().len(), 1);
    }
}

/// The environment can't be set within a process whose other threads read it, so this runs another
/// test in a process of its own, where every proxy setting names a port where nothing listens.
#[test]
fn proxy_settings_of_the_environment_do_not_touch_loopback() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "feishu::client::tests::the_request_is_what_the_api_page_says"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:9");
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(name);
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
