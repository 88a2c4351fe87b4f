//! What is asked before there is a ticket, over loopback: what is on the wire, and whether a create that brought no
//! ticket may have started a job.

use serde_json::json;

use super::*;
use crate::feishu::{Create, Node, NotCreated};

const TICKET: &str = r#"{"code":0,"msg":"success","data":{"ticket":"6933093124755412345"}}"#;
const NODE: &str = r#"{"code":0,"msg":"success","data":{"node":{"obj_type":"sheet","obj_token":"shtcn1"}}}"#;

fn object() -> Object {
    Object { doc_type: "sheet".into(), token: DocumentToken::parse("shtcn&1=\"ü").unwrap() }
}

fn export(sub_id: Option<&str>) -> Create {
    Create {
        app: AppName::new("default"),
        object: object(),
        file_extension: "csv".into(),
        sub_id: sub_id.map(Into::into),
        access_token: AccessToken::new("t-hunter2"),
    }
}

fn question() -> Node {
    let token = DocumentToken::parse("wikcn&1=ü").unwrap();
    Node { app: AppName::new("default"), token, access_token: AccessToken::new("t-hunter2") }
}

/// Whether a job may exist; the answer is a fault of the network and names neither URL nor secret.
fn lost(result: Result<TicketId, Box<NotCreated>>) -> bool {
    let none = result.unwrap_err();
    assert_eq!(none.answer.verdict, NETWORK, "{none:?}");
    let shown = format!("{none:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("shtcn") && !shown.contains("http://"), "{shown}");
    none.may_exist
}

/// Promise: each question is one request, as the page of its endpoint has it, with the access token.
#[tokio::test]
async fn each_request_is_what_its_page_says() {
    let yes = r#"{"code":0,"data":{"auth_result":true}}"#;
    let replies = [TICKET, TICKET, NODE, yes].map(|body| Reply::Keep(http("200 OK", "", body)));
    let server = TestServer::start(replies.into()).await;
    let api = api(&server);
    for sub_id in [None, Some("0b1\"e")] {
        assert_eq!(api.create(export(sub_id)).await, Ok(TicketId::new("6933093124755412345")));
    }
    let found = Object { doc_type: "sheet".into(), token: DocumentToken::parse("shtcn1").unwrap() };
    assert_eq!(api.node(question()).await, Ok(found));
    let (app, token) = (AppName::new("default"), AccessToken::new("t-hunter2"));
    assert_eq!(api.permission(&app, &object(), &token).await, Ok(true));

    let create = "POST /open-apis/drive/v1/export_tasks HTTP/1.1";
    let body = json!({ "file_extension": "csv", "token": "shtcn&1=\"ü", "type": "sheet" });
    let mut with_sub_id = body.clone();
    with_sub_id["sub_id"] = json!("0b1\"e");
    let node = "GET /open-apis/wiki/v2/spaces/get_node?token=wikcn%261%3D%C3%BC HTTP/1.1";
    let permission = "GET /open-apis/drive/v1/permissions/shtcn%261%3D%22%C3%BC/members/auth?type=sheet&action=export \
                      HTTP/1.1";
    let expected = [(create, Some(body)), (create, Some(with_sub_id)), (node, None), (permission, None)];
    let requests = server.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, (line, json)) in requests.iter().zip(expected) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let (first, head) = head.split_once("\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert_eq!(first, line);
        assert!(head.contains("authorization: bearer t-hunter2"), "{head}");
        assert_eq!(head.contains("content-type: application/json; charset=utf-8"), json.is_some(), "{head}");
        assert_eq!(json, (!body.is_empty()).then(|| serde_json::from_str(body).unwrap()));
    }
}

/// Promise: a create that broke off after it was sent may have started a job, in whatever way it broke, and is not sent
/// again.
#[tokio::test]
async fn a_lost_answer_may_be_a_job() {
    let half =
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":0,\"data\":{\"ticket\":\"1\"".to_vec();
    let elsewhere = TestServer::start(vec![Reply::Keep(http("200 OK", "", TICKET))]).await;
    let location = format!("Location: http://{}/\r\n", elsewhere.address);
    for reply in [
        Reply::Close(Vec::new()),
        Reply::Reset,
        Reply::Close(half),
        Reply::Close(http("307 Temporary Redirect", &location, "")),
    ] {
        let server = TestServer::start(vec![reply.clone()]).await;
        assert!(lost(api(&server).create(export(None)).await), "{reply:?}");
        assert_eq!(server.requests().len(), 1, "{reply:?}");
    }
    assert!(elsewhere.requests().is_empty());
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for begun in [Vec::new(), head] {
        let server = TestServer::start(vec![Reply::Hang(begun)]).await;
        assert!(lost(api_with(&server, Duration::from_millis(300)).create(export(None)).await));
        assert_eq!(server.requests().len(), 1);
    }
    // Nor is one sent again that finds its connection broken.
    let replies = vec![Reply::Keep(http("200 OK", "", TICKET)), Reply::Reset];
    let server = TestServer::start(replies).await;
    let api = api(&server);
    api.create(export(None)).await.unwrap();
    assert!(lost(api.create(export(None)).await));
    assert_eq!(server.requests().len(), 2);
}

/// Promise: no job can exist where no connection came up, or where there was nothing that could be sent.
#[tokio::test]
async fn what_was_not_sent_is_no_job() {
    // A port that is held, so that nothing can come to listen on it.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = app(&format!("http://{}", held.local_addr().unwrap()), nowhere());
    let refused = HttpExportApi::new(&[closed], TIMEOUT, TIMEOUT).unwrap();
    assert!(!lost(refused.create(export(None)).await));
    // A certificate of an unknown authority, and a proxy that refuses.
    let tls = [app(&format!("https://{}", serve_tls("server").await), nowhere())];
    let untrusted = HttpExportApi::new(&tls, TIMEOUT, TIMEOUT).unwrap();
    assert!(!lost(untrusted.create(export(None)).await));
    let page = Reply::Close(http("403 Forbidden", "Connection: close\r\n", ""));
    let proxy = TestServer::start(vec![page]).await;
    let remote = [app("https://open.feishu.cn", nowhere())];
    let network = behind(format!("http://{}", proxy.address));
    let proxied = HttpExportApi::with(&remote, TIMEOUT, TIMEOUT, &network).unwrap();
    assert!(!lost(proxied.create(export(None)).await));

    let odd = Create { access_token: AccessToken::new("t-a\r\nX: y"), ..export(None) };
    let stranger = Create { app: AppName::new("stranger"), ..export(None) };
    for (create, verdict) in
        [(odd, Verdict::TokenRejected), (stranger, Verdict::AppFault(PauseReason::CredentialsRejected))]
    {
        let none = refused.create(create).await.unwrap_err();
        assert_eq!((none.answer.verdict, none.may_exist), (verdict, false));
    }
}

/// Promise 7: a server that repeats the access token does not get it into what is shown, at whichever endpoint.
#[tokio::test]
async fn no_answer_before_a_ticket_repeats_the_token() {
    let refusal = r#"{"code":99991672,"msg":"Bearer t-hunter2","log_id":"t-hunter2"}"#;
    let page = "<p>t-hunter2</p>";
    for body in [refusal, page, &TICKET.replace("693", "t-hunter2"), &NODE.replace("shtcn1", "t-hunter2")] {
        let server = TestServer::start(vec![Reply::Keep(http("200 OK", "", body))]).await;
        let api = api(&server);
        let create = api.create(export(None)).await.unwrap_err();
        let node = api.node(question()).await.unwrap_err();
        let permission =
            api.permission(&AppName::new("default"), &object(), &AccessToken::new("t-hunter2")).await;
        let shown = format!("{create:?} {node:?} {permission:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
