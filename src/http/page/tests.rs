//! The page as a client gets it: from a state file, an engine that is only a snapshot, and hostile texts in both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::query::ON_A_PAGE;
use super::{AT_ONCE, TURN_WITHIN, show};
use crate::domain::{
    AppName, Artefact, BudgetKey, Counts, DocumentToken, Endpoint, EntryId, EntryKey, ErrorKind,
    ExportRequest, Failure, FileRecord, FileState, HookError, HookName, HookStatus, PauseReason, RateLimit,
    Tenant, TicketRecord, TicketState, Trouble, WallTime, WatchEntry, event,
};
use crate::engine::{AppView, Meters, Snapshot};
use crate::http::metrics::Metrics;
use crate::http::shared::Shared;
use crate::http::tests::{Answer, Bench};
use crate::store::{Batch, EventId, EventRow, SqliteStore, Store as _};

/// 2026-11-22T10:00:00Z
const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

const HOSTILE: &str = "</script></style><img src=https://evil.example/x onerror=alert(1)>\u{202e}gpj\"'&";

fn ticket(id: &str, state: TicketState) -> TicketRecord {
    let entry = WatchEntry {
        key: EntryKey { app: AppName::new("default"), id: EntryId::new(id) },
        token: DocumentToken::parse("docbcZVGtv1papC6jAVGiyabcef").unwrap(),
        label: None,
        created_at: None,
        request: None,
        download: true,
        source: Path::new("/etc/watchlist.toml").into(),
    };
    let failed = [TicketState::Failed, TicketState::TimedOut].contains(&state);
    TicketRecord {
        state,
        finished_at: state.is_final().then_some(NOW),
        error: failed.then(|| Box::new(Failure::new(ErrorKind::DocumentTooLarge))),
        ..TicketRecord::new(entry, NOW)
    }
}

/// A document whose texts are all hostile and as long as the server and the user can make them.
fn hostile(id: &str) -> TicketRecord {
    let long = HOSTILE.repeat(10 << 10).chars().take(10 << 10).collect::<String>();
    let failure = Failure { message: Some(long.as_str().into()), ..Failure::new(ErrorKind::WrongContent) };
    let mut ticket = ticket(id, TicketState::Completed);
    ticket.entry.label = Some(long.as_str().into());
    ticket.entry.request = Some(Box::new(ExportRequest {
        url: Some(
            "https://a\"onclick=alert(1)b=\".feishu.cn/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv?x=\"><img>".into(),
        ),
        ..ExportRequest::default()
    }));
    ticket.artefact = Some(Box::new(Artefact {
        file_token: "boxcnSECRETtokenOfTheFile".into(),
        file_name: Some(long.as_str().into()),
        file_extension: Some(HOSTILE.into()),
        doc_type: Some(HOSTILE.into()),
        file_size: Some(34_356),
    }));
    ticket.file = Some(Box::new(FileRecord {
        state: FileState::Failed,
        error: Some(Box::new(failure)),
        ..FileRecord::new()
    }));
    ticket
}

fn app(name: &str, trouble: Option<Trouble>) -> AppView {
    AppView {
        name: AppName::new(name),
        pending: 1,
        known: [(TicketState::Pending, 1204)].into_iter().collect(),
        files: Default::default(),
        alive_until: None,
        next_due: None,
        token_ends_at: None,
        trouble,
        budget: BudgetKey::from("b"),
        rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: Duration::from_secs(60) },
        budget_left: 93,
        requests_this_month: 1204,
        tenant_calls_this_month: Some(9001),
        tenant: Some(Tenant { name: "acme".into(), monthly_calls: 10_000 }.into()),
    }
}

/// An engine at work.
fn view(apps: Vec<AppView>) -> Snapshot {
    let at = Some(Instant::now());
    Snapshot { apps, turned_at: at, store_answered_at: at, listed: Counts::default(), ..Snapshot::default() }
}

async fn bench(tickets: Vec<TicketRecord>) -> Bench {
    let bench = Bench::new().await;
    bench.store.commit(Batch { tickets, ..Batch::default() }).await.unwrap();
    bench.view.send_replace(view(vec![app("default", None)]));
    bench
}

async fn get(bench: &Bench, path: &str) -> Answer {
    bench.ask("GET", path, "").await
}

fn has(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(answer.body.contains(part), "no {part} in\n{}", answer.body);
    }
}

/// What lies between two marks, all of them.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    text.split(begin).skip(1).filter_map(|rest| rest.split_once(end)).map(|(inner, _)| inner).collect()
}

/// Promise: texts from outside are shown as texts, and what the page runs and loads is allowed by its hash alone.
#[tokio::test]
async fn hostile_texts_run_nothing() {
    let bench = bench(vec![hostile("docx/doxcn/pdf"), ticket("1", TicketState::Pending)]).await;
    let trouble = Trouble::from_pause(Endpoint::Query, PauseReason::ScopeMissing, NOW, None, NOW)
        .with_message(Some(HOSTILE.into()));
    bench.view.send_replace(view(vec![app("default", Some(trouble))]));
    bench.lists.send_replace(vec![HOSTILE.to_owned()]);
    for path in ["/", "/ticket/default/docx/doxcn/pdf", "/?state=%3Cscript%3E", "/ticket/%3Cscript%3E/1"] {
        let answer = get(&bench, path).await;
        let policy = answer.header("content-security-policy");
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
        let (styles, scripts) =
            (between(&answer.body, "<style>", "</style>"), between(&answer.body, "<script>", "</script>"));
        let ([style], [script]) = (&styles[..], &scripts[..]) else { panic!("{path}: {}", answer.body) };
        let expected = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            hash(style),
            hash(script)
        );
        assert_eq!(policy, expected, "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let rest = answer.body.replace(script, "").replace(style, "");
        for never in ["<img", "<script>a", "\u{202e}", "SECRET"] {
            assert!(!rest.contains(never), "{path} has {never}:\n{rest}");
        }
        for word in between(&rest, "<", ">").iter().flat_map(|tag| tag.split_whitespace()) {
            let Some((name, value)) = word.split_once('=') else { continue };
            let runs = name.starts_with("on") || name == "style";
            let loads = ["src", "data", "poster"].contains(&name) || value.contains("evil.example");
            assert!(!runs && !loads, "{path} has {word}:\n{rest}");
        }
    }
}

/// Promise: what needs a person comes first, each with what to do; with nothing to do, that is said.
#[tokio::test]
async fn attention_comes_first() {
    let quiet = bench(vec![ticket("1", TicketState::Pending)]).await;
    has(&get(&quiet, "/").await, &["Nothing needs attention.", "1,204 pending", "93 of 100 in 60 s"]);

    let failed: Vec<_> = (0..25).map(|at| ticket(&format!("f{at:02}"), TicketState::Failed)).collect();
    let bench = bench(failed).await;
    let pause =
        |reason| Some(Trouble::from_pause(Endpoint::Query, reason, NOW, None, NOW + Duration::from_secs(2)));
    let apps = vec![
        app("limited", pause(PauseReason::RateLimited)),
        app("wrong", pause(PauseReason::CredentialsRejected)),
        app("foreign", Some(Trouble::from_suspicion(NOW))),
    ];
    bench.view.send_replace(Snapshot { state_failing: true, ..view(apps) });
    bench.lists.send_replace(vec!["/etc/b.toml:3:1: error: no such key".to_owned()]);
    let answer = get(&bench, "/").await;
    let (attention, rest) = answer.body.split_once("<h2 id=\"apps\">").unwrap();
    let mut last = 0;
    for part in [
        "the state file can&#39;t be written",
        "/etc/b.toml:3:1: error: no such key",
        "correct the file (`feishu-export-watcher check`",
        "app wrong is paused: app id, secret or token is wrong",
        "put the right app_id and secret",
        "app foreign is suspected: ",
        "app limited is paused: rate limit",
        "document_too_large",
        "<a href=\"/ticket/default/f00\">",
        "split the document or choose another format",
        "And <a href=\"/?state=attention#tickets\">5 more tickets</a>",
    ] {
        let found = attention.find(part).unwrap_or_else(|| panic!("no {part} in\n{attention}"));
        assert!(found > last, "{part} comes too early");
        last = found;
    }
    assert_eq!(attention.matches("split the document or").count(), 1, "once for all of them");
    for part in [
        "since <time datetime=\"2026-11-22T10:00:00Z\">2026-11-22 10:00:00</time>",
        "next try <time datetime=\"2026-11-22T10:00:02Z\">",
        "1,204 requests; 9,001 of 10,000 calls of tenant acme",
    ] {
        assert!(rest.contains(part), "no {part} in\n{rest}");
    }
}

/// Promise: a hook that lost events, or whose receiver is gone, needs a person; what it said last is text.
#[tokio::test]
async fn hooks_are_shown() {
    let bench = bench(vec![ticket("1", TicketState::Pending)]).await;
    let last_error = || Some(HookError { message: HOSTILE.to_owned(), at: NOW });
    let unknown = |name| HookStatus::unknown(HookName::new(name));
    bench.hooks.send_replace(vec![
        HookStatus { waiting: 1, failed: 1, last_error: last_error(), ..unknown("lost") },
        HookStatus { waiting: 2, last_error: last_error(), ..unknown("fails") },
        HookStatus { waiting: 1, taken: 1, ..unknown("fine") },
        HookStatus { waiting: 1, taken_at: Some(NOW), last_error: last_error(), ..unknown("well_again") },
    ]);
    let answer = get(&bench, "/").await;
    has(
        &answer,
        &[
            "hook lost did not take all events: 1 were given up",
            "`feishu-export-watcher hook test lost` shows it, and `feishu-export-watcher retry --hook lost` sends all",
            "hook fails fails: &#60;/script&#62;",
            "<th scope=\"row\">fine</th><td>active</td><td>1</td><td>1</td><td>0</td><td>none</td>",
            "<th scope=\"row\">lost</th><td>active</td><td>1</td><td>0</td><td>1</td>",
        ],
    );
    assert!(!answer.body.contains("hook fine") && !answer.body.contains("hook well_again"));
    assert!(!answer.body.contains("<img"), "{}", answer.body);
}

/// Promise: filters, order and pages are links; a page has two hundred tickets, and says how many there are.
#[tokio::test]
async fn tickets_are_filtered_and_paged() {
    let mut tickets: Vec<_> = (0..450).map(|at| ticket(&format!("p{at:03}"), TicketState::Pending)).collect();
    tickets[7].entry.label = Some("Weekly & \"more\"".into());
    tickets.push(ticket("x", TicketState::Failed));
    let bench = bench(tickets).await;
    let list = async |path: &str| {
        let answer = get(&bench, path).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.body.split_once("id=\"live-tickets\"").unwrap().1.to_owned()
    };
    let rows = |list: &str| list.matches("<a href=\"/ticket/default/").count();
    let first = list("/?state=pending&sort=name").await;
    assert_eq!(rows(&first), ON_A_PAGE);
    assert!(first.contains("450 tickets match, 1 to 200 shown") && first.contains("Page 1 of 3"), "{first}");
    assert!(
        first.contains("href=\"/?state=pending&#38;sort=name&#38;page=2#tickets\" rel=\"next\""),
        "{first}"
    );
    assert!(!first.contains("rel=\"prev\""));
    let last = list("/?state=pending&sort=name&page=3").await;
    assert!(
        rows(&last) == 50 && last.contains("401 to 450 shown") && !last.contains("rel=\"next\""),
        "{last}"
    );
    assert!(last.contains("page=2#tickets\" rel=\"prev\""), "{last}");
    let beyond = list("/?page=9").await;
    assert!(rows(&beyond) == 0 && beyond.contains("href=\"/?page=3#tickets\" rel=\"prev\""), "{beyond}");
    let labelled = list("/?label=weekly+%26").await;
    assert!(rows(&labelled) == 1 && labelled.contains("/ticket/default/p007"), "{labelled}");
    assert!(list("/?app=other").await.contains("no ticket matches"));
    let whole = get(&bench, "/?label=%22%3E%3Cscript%3E&state=failed").await;
    has(&whole, &["value=\"&#34;&#62;&#60;script&#62;\"", "<option value=\"failed\" selected>"]);
    for path in ["/?state=lost", "/?sort=size", "/?page=0", "/?status=failed", "/?file=x"] {
        let answer = get(&bench, path).await;
        assert_eq!(answer.status, 400, "{path}");
        has(&answer, &["The address is not understood", "expected "]);
    }
}

/// Promise: what did not change is not sent again, HEAD says what GET does, and nothing but these two is answered.
#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let bench = bench(vec![ticket("1", TicketState::Pending)]).await;
    for path in ["/", "/ticket/default/1"] {
        let first = get(&bench, path).await;
        assert_eq!((first.status, first.header("cache-control")), (200, "no-cache"));
        let tag = first.header("etag").to_owned();
        let head = bench.ask("HEAD", path, "").await;
        assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", &*tag));
        assert_eq!(head.header("content-length"), first.body.len().to_string());
        let again = bench.ask("GET", path, &format!("If-None-Match: {tag}\r\n")).await;
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", &*tag));
        let mut changed = ticket("1", TicketState::Pending);
        changed.polls = first.body.len() as u32;
        bench.store.commit(Batch { tickets: vec![changed], ..Batch::default() }).await.unwrap();
        let other = bench.ask("GET", path, &format!("If-None-Match: {tag}\r\n")).await;
        assert!(other.status == 200 && other.header("etag") != tag, "{}", other.head);
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(bench.ask(method, path, "").await.status, 404, "{method}");
        }
        let rebound = bench.ask("GET", path, "Host: evil.example\r\n").await;
        assert_eq!((rebound.status, rebound.body.as_str()), (404, "not found\n"));
    }
    assert_eq!(get(&bench, "/status").await.header("cache-control"), "no-store");
    let unknown = get(&bench, "/ticket/default/2").await;
    assert_eq!((unknown.status, unknown.header("cache-control")), (404, "no-store"));
    has(&unknown, &["No such ticket"]);
    assert_eq!(get(&bench, "/ticket/default/%ff").await.status, 404);
}

/// Promise: two hundred tickets with long names take less than 200 KiB.
#[tokio::test]
async fn a_full_page_is_small() {
    let label = "<\"周报&'>".repeat(40);
    let tickets = (0..300).map(|at| {
        let mut ticket = hostile(&format!("{at:0128}"));
        ticket.entry.label = Some(label.as_str().into());
        ticket
    });
    let bench = bench(tickets.collect()).await;
    bench.view.send_replace(view((0..10).map(|at| app(&format!("{at:0100}"), None)).collect()));
    let answer = get(&bench, "/").await;
    let tickets = answer.body.split_once("id=\"live-tickets\"").unwrap().1;
    assert_eq!(tickets.matches("<a href=\"/ticket/default/").count(), ON_A_PAGE);
    assert!(answer.body.len() < 200 << 10, "{}", answer.body.len());
}

/// Promise: the details have every field that is known, the history, and links only where they lead to a document.
#[tokio::test]
async fn details_have_everything() {
    let id = "docx/DoxcnAbCdEfGhIjKlMnOpQrStUv/pdf";
    let mut document = ticket(id, TicketState::Completed);
    let url = "https://acme.feishu.cn/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv?from=copy";
    let request = ExportRequest { url: Some(url.into()), ..ExportRequest::default() };
    document.entry.request = Some(Box::new(request));
    document.file = Some(Box::new(FileRecord {
        state: FileState::Expired,
        error: Some(Box::new(Failure::new(ErrorKind::Expired))),
        ..FileRecord::new()
    }));
    document.artefact = Some(Box::new(Artefact { file_token: "boxcnSECRET".into(), ..Artefact::default() }));
    let mut plain = ticket("7", TicketState::Failed);
    plain.entry.request = Some(Box::new(ExportRequest {
        url: Some("http://acme.feishu.cn/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv".into()),
        ..ExportRequest::default()
    }));
    let mut local = ticket("8", TicketState::Pending);
    local.entry.request = Some(Box::new(ExportRequest {
        url: Some("https://127.0.0.1/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv".into()),
        ..ExportRequest::default()
    }));
    let bench = bench(vec![document, plain, local]).await;
    let key = EntryKey { app: AppName::new("default"), id: EntryId::new(id) };
    let happened = |id, event, kind| EventRow {
        id: EventId(id),
        event,
        at: NOW,
        key: Some(key.clone()),
        kind,
        hooks: Vec::new(),
        payload: "".into(),
    };
    let events = vec![
        happened(1, event::DOCUMENT_CREATED, None),
        happened(2, event::FILE_EXPIRED, Some(ErrorKind::Expired)),
    ];
    bench.store.commit(Batch { events, ..Batch::default() }).await.unwrap();
    let answer = get(&bench, &format!("/ticket/default/{id}")).await;
    assert_eq!(answer.status, 200);
    has(
        &answer,
        &[
            "<a href=\"https://acme.feishu.cn/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv\" rel=\"noreferrer noopener\">",
            "completed, file expired",
            "boxc…",
            "retry --failed --kind expired",
            "/etc/watchlist.toml",
            "<td><bdi>file.expired</bdi></td><td><bdi>expired</bdi></td>",
        ],
    );
    let order = [event::FILE_EXPIRED, event::DOCUMENT_CREATED].map(|event| answer.body.find(event).unwrap());
    assert!(order[0] < order[1], "the latest first");
    let ticket = get(&bench, "/ticket/default/7").await;
    has(&ticket, &["document_too_large", "split the document", "http://acme.feishu.cn/docx/"]);
    assert!(!ticket.body.contains("<a href=\"http"), "{}", ticket.body);
    let local = get(&bench, "/ticket/default/8").await;
    assert!(!local.body.contains("<a href=\"http"), "{}", local.body);
}

/// Promise: a state file that can't be read is said on the page, with when to ask again.
#[tokio::test]
async fn a_state_file_that_cannot_be_read_is_said() {
    let bench = bench(Vec::new()).await;
    bench.move_state_aside();
    for path in ["/", "/ticket/default/1"] {
        let answer = get(&bench, path).await;
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.header("cache-control")),
            (503, "1", "no-store")
        );
        has(&answer, &["The state file can&#39;t be read", "failed to read the state file"]);
    }
}

/// Promise: two pages are made at once at most; another waits for its turn, for a while, and is then asked to come back.
#[tokio::test(start_paused = true)]
async fn pages_wait_for_their_turn() {
    let store = SqliteStore::open(&tempfile::tempdir().unwrap().path().join("state.db")).unwrap();
    let (_view, view) = watch::channel(Snapshot::default());
    let (_lists, lists) = watch::channel(Vec::new());
    let meters = Meters::new().unwrap();
    let metrics = Metrics { meters: meters.clone(), log: Box::new(Vec::new), began: NOW };
    let shared = Shared {
        address: ([127, 0, 0, 1], 1).into(),
        began: Instant::now(),
        view,
        lists,
        hooks: watch::channel(Vec::new()).1,
        state: store.reader(),
        stop: CancellationToken::new(),
        turnstile: Arc::new(Semaphore::new(1)),
        pages: Arc::new(Semaphore::new(AT_ONCE)),
        meters,
        metrics: Arc::new(Mutex::new(metrics)),
    };
    let page = async || {
        let began = Instant::now();
        let answer = show(shared.clone(), &HeaderMap::new(), |_| Ok(Ok("page".to_owned()))).await;
        (answer.status().as_u16(), began.elapsed().as_secs())
    };
    let others = shared.pages.clone().acquire_many_owned(AT_ONCE as u32).await.unwrap();
    assert_eq!(page().await, (503, TURN_WITHIN.as_secs()));
    let (answer, ()) = tokio::join!(page(), async {
        tokio::time::sleep(Duration::from_secs(TURN_WITHIN.as_secs() / 2)).await;
        drop(others);
    });
    assert_eq!(answer, (200, TURN_WITHIN.as_secs() / 2));
    let held = shared.pages.clone().acquire_owned().await.unwrap();
    assert_eq!(page().await, (200, 0), "one of two");
    drop(held);
}
