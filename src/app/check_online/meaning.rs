//! What the answers to `check --online` mean, as rows for people. Pure; what is asked is not known here.

use std::borrow::Cow;

use crate::domain::words::span;
use crate::domain::{
    AppCondition, Endpoint, ErrorKind, Failure, PauseEnd, PauseReason, Trouble, TroubleCause, WallTime,
};
use crate::feishu::{Answer, Detail, Grant, Strange, TokenAnswer, TokenTrouble, Verdict};

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing stands in the way of a run.
    Fine,
    /// Trouble that may pass by itself: of the network, the server, a limit or the quota.
    Passing,
    /// Configuration, app or watch list needs a fix.
    Wrong,
}

/// What came of a question, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineRow {
    /// How bad it is.
    pub finding: Finding,
    /// What was asked, the answer, and what to do about it. The server's words in it are not escaped.
    pub text: String,
}

impl OnlineRow {
    pub(super) fn fine(text: String) -> Self {
        Self { finding: Finding::Fine, text }
    }
}

/// What helps where no answer came, by the words of the network layer. Where it says by itself what helps, nothing is added.
const NO_ANSWER: [(&str, &str); 5] = [
    (UNTRUSTED, "look at the trust store above, and for a proxy that opens TLS connections"),
    ("the proxy refuses", ""),
    ("tunnel error", "look at the proxy above"),
    ("dns error", "this machine finds no address of the host: look at base_url and at DNS"),
    ("Connection refused", "nothing listens there: look at base_url, proxy and firewall"),
];

/// How the network layer names a certificate that it does not trust.
const UNTRUSTED: &str = "invalid peer certificate";

/// The same where it names the authority as the cause, with what helps.
const UNKNOWN_AUTHORITY: &str = "ca_file of the app";

/// What came of asking for an access token, and the row.
pub(super) fn access_token(app: &str, source: &str, answer: &TokenAnswer) -> OnlineRow {
    let name = format!("app {app:<10} access token");
    match &answer.result {
        Ok(Grant { expires_in: Some(life), .. }) => {
            OnlineRow::fine(format!("{name}: fine (expires in {})", span(*life)))
        }
        Ok(_) => {
            OnlineRow::fine(format!("{name}: read from {source}; the next answer shows whether it is good"))
        }
        Err(trouble) => row(&name, Endpoint::Token, cause_of_token(*trouble), &answer.detail),
    }
}

/// The row of an endpoint, and whether the others are worth asking: a missing scope is the trouble of one endpoint, all
/// else is the same at the next.
pub(super) fn endpoint(name: &str, endpoint: Endpoint, answer: Option<&Answer>) -> (OnlineRow, bool) {
    let name = format!("  {name}");
    match answer.and_then(|answer| Some((cause(answer)?, answer))) {
        None => (OnlineRow::fine(format!("{name}: fine")), true),
        Some((cause, answer)) => (row(&name, endpoint, cause, &answer.detail), is_of_one_endpoint(cause)),
    }
}

/// The row of a document, and whether others are worth asking about.
pub(super) fn document(document: &str, result: Result<bool, &Answer>) -> (OnlineRow, bool) {
    let name = format!("  document {document}");
    match result {
        Ok(true) => (OnlineRow::fine(format!("{name}: fine")), true),
        Ok(false) => (refused(&name, ErrorKind::NoPermission, &Detail::default()), true),
        Err(Answer { verdict: Verdict::Failed(kind), detail }) => (refused(&name, *kind, detail), true),
        // Exports do not need this question: only the run shows whether there is trouble.
        Err(answer @ Answer { verdict: Verdict::AppFault(reason), .. }) => {
            let is_scope = *reason == PauseReason::ScopeMissing;
            let words = if is_scope { "the question needs an optional scope" } else { reason.in_words() };
            let said = said(words.to_owned(), &answer.detail, "exports do not need it");
            (OnlineRow::fine(format!("{name}: not asked: {said}")), false)
        }
        Err(answer) => {
            let cause = cause(answer).unwrap_or(TroubleCause::Calls(ErrorKind::UnknownCode));
            (row(&name, Endpoint::Create, cause, &answer.detail), false)
        }
    }
}

/// What is wrong with the way to an endpoint; none if it answered. Whatever the API says of a ticket or a file that was
/// invented, it says that app and scopes are good.
fn cause(answer: &Answer) -> Option<TroubleCause> {
    match &answer.verdict {
        Verdict::AppFault(reason) => Some(TroubleCause::App(*reason)),
        Verdict::TokenRejected => Some(TroubleCause::App(PauseReason::CredentialsRejected)),
        Verdict::Throttled { .. } => Some(TroubleCause::App(PauseReason::RateLimited)),
        Verdict::Retry { kind, .. } => Some(TroubleCause::Calls(*kind)),
        // Code 0 without what was asked for.
        Verdict::Strange(Strange::NoStatus) => Some(TroubleCause::Calls(ErrorKind::MalformedAnswer)),
        _ if answer.detail.code.is_some() => None,
        _ => Some(TroubleCause::Calls(ErrorKind::MalformedAnswer)),
    }
}

fn cause_of_token(trouble: TokenTrouble) -> TroubleCause {
    match trouble {
        TokenTrouble::AppFault(reason) => TroubleCause::App(reason),
        TokenTrouble::Throttled { .. } => TroubleCause::App(PauseReason::RateLimited),
        TokenTrouble::Retry(kind) => TroubleCause::Calls(kind),
    }
}

fn is_of_one_endpoint(cause: TroubleCause) -> bool {
    use PauseReason::{ScopeMissing, UserAuthorizationNeeded};
    matches!(cause, TroubleCause::App(ScopeMissing | UserAuthorizationNeeded))
}

/// The row of an endpoint that did not answer as it should.
fn row(name: &str, endpoint: Endpoint, cause: TroubleCause, detail: &Detail) -> OnlineRow {
    // The moments stand in no word of it.
    let now = WallTime::now();
    let trouble = match cause {
        TroubleCause::App(reason) => Trouble::from_pause(endpoint, reason, now, None, now),
        TroubleCause::Calls(kind) => Trouble::from_calls(AppCondition::Degraded, endpoint, kind, now),
    };
    let message = detail.message.as_deref().unwrap_or_default();
    let words = trouble.with_message(detail.message.clone()).in_words();
    let said = said(words, detail, &hint(cause, endpoint, message));
    OnlineRow { finding: finding(cause, message), text: format!("{name}: {said}") }
}

fn refused(name: &str, kind: ErrorKind, detail: &Detail) -> OnlineRow {
    let (words, kind) = match kind {
        ErrorKind::NoPermission => ("this app may not export it", kind),
        // With the right format these are said of nothing but token and type.
        ErrorKind::InvalidParam | ErrorKind::DocumentNotFound => {
            ("there is none with this token and type", ErrorKind::DocumentNotFound)
        }
        ErrorKind::DocumentDeleted => ("it was deleted", kind),
        _ => (kind.as_str(), kind),
    };
    let said = said(words.to_owned(), detail, Failure::new(kind).hint_for_document());
    OnlineRow { finding: Finding::Wrong, text: format!("{name}: {said}") }
}

/// "rate limit (code 99991400, log id …); what the server offers; what to do".
fn said(words: String, detail: &Detail, hint: &str) -> String {
    let number = match (detail.code, detail.http_status) {
        (Some(code), _) => Some(format!("code {code}")),
        (None, status) => status.map(|status| format!("HTTP {status}")),
    };
    let log_id = detail.log_id.as_deref().map(|id| format!("log id {id}"));
    let found_by: Vec<_> = number.into_iter().chain(log_id).collect();
    let found_by = if found_by.is_empty() { String::new() } else { format!(" ({})", found_by.join(", ")) };
    let remedy = detail.remedy.as_deref().unwrap_or_default();
    let parts = [&*format!("{words}{found_by}"), remedy, hint];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn finding(cause: TroubleCause, message: &str) -> Finding {
    match cause {
        TroubleCause::App(reason) if reason.ended_by() != PauseEnd::Repair => Finding::Passing,
        TroubleCause::App(_) | TroubleCause::Calls(ErrorKind::MalformedAnswer) => Finding::Wrong,
        TroubleCause::Calls(_) if message.contains(UNTRUSTED) => Finding::Wrong,
        TroubleCause::Calls(_) => Finding::Passing,
    }
}

/// What to do before a run: those of a run speak of what goes on by itself.
fn hint(cause: TroubleCause, endpoint: Endpoint, message: &str) -> Cow<'static, str> {
    match cause {
        TroubleCause::App(PauseReason::RateLimited) => {
            "another process spends from the same budget; check again in a minute".into()
        }
        TroubleCause::App(reason) => reason.hint_for_next_run(endpoint),
        TroubleCause::Calls(ErrorKind::Network) if message.contains(UNKNOWN_AUTHORITY) => "".into(),
        TroubleCause::Calls(ErrorKind::Network) => {
            let found = NO_ANSWER.into_iter().find(|(words, _)| message.contains(words));
            let anything = "look at DNS, proxy and firewall between this machine and base_url";
            found.map_or(anything, |(_, hint)| hint).into()
        }
        TroubleCause::Calls(ErrorKind::MalformedAnswer) => {
            "look whether base_url is the platform's, and for a proxy or a captive portal on the way".into()
        }
        TroubleCause::Calls(_) => {
            "check again later; if it lasts, give the log id to the platform's support".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::feishu::{Received, Strange, classify_query};

    /// Promise: every answer that a ticket which does not exist may get shows that the way is free, and nothing else does.
    #[test]
    fn an_envelope_about_the_ticket_is_fine() {
        use Finding::{Fine, Passing, Wrong};
        for (status, body, finding, goes_on, words) in [
            (400, r#"{"code":1069904,"msg":"invalid param"}"#, Fine, true, "query: fine"),
            (404, r#"{"code":1069914}"#, Fine, true, "query: fine"),
            (403, r#"{"code":1069902}"#, Fine, true, "query: fine"),
            (200, r#"{"code":0,"data":{"result":{"job_status":2}}}"#, Fine, true, "query: fine"),
            (400, r#"{"code":4711}"#, Fine, true, "query: fine"),
            (
                400,
                r#"{"code":99991672}"#,
                Wrong,
                true,
                "(code 99991672); missing scope: docs:document:export or",
            ),
            (400, r#"{"code":99991679}"#, Wrong, true, "let the user authorise the app again"),
            (400, r#"{"code":99991663}"#, Wrong, false, "app id, secret or token is wrong"),
            (400, r#"{"code":99991662}"#, Wrong, false, "app disabled or not installed"),
            (400, r#"{"code":99991401}"#, Wrong, false, "IP Whitelist"),
            (400, r#"{"code":1000040351}"#, Wrong, false, "no API at its base_url"),
            (404, r#"{"code":99991201}"#, Wrong, false, "set base_url to"),
            (429, r#"{"code":99991403}"#, Passing, false, "monthly quota used up (code 99991403)"),
            (429, "", Passing, false, "rate limit (HTTP 429); another process"),
            (500, r#"{"code":5000}"#, Passing, false, "server in trouble (code 5000); check again later"),
            (503, "<html>", Passing, false, "server in trouble"),
            (302, "", Passing, false, "server not reached: redirects are not followed (HTTP 302)"),
            (404, "404 page not found", Wrong, false, "404 page not found (HTTP 404); look whether base_url"),
            (200, "<title>Sign in</title>", Wrong, false, "a web page: Sign in (HTTP 200)"),
        ] {
            let answer = classify_query(&Received::new(status, &HeaderMap::new(), Some(body.into())), &[]);
            let (row, others) = endpoint("query", Endpoint::Query, Some(&answer));
            assert_eq!((row.finding, others), (finding, goes_on), "{}", row.text);
            assert!(row.text.starts_with("  query: ") && row.text.contains(words), "{}", row.text);
        }
    }

    /// Promise: where no answer came, the row says which part of the way to look at, and only a certificate that is not
    /// trusted is taken for the configuration's fault.
    #[test]
    fn the_way_to_the_host_is_in_words() {
        use Finding::{Passing, Wrong};
        for (message, finding, words) in [
            ("client error (Connect): dns error: failed to lookup", Passing, "look at base_url and at DNS"),
            (
                "client error (Connect): tcp connect error: Connection refused",
                Passing,
                "nothing listens there",
            ),
            ("tunnel error: unsuccessful; the proxy refuses to connect", Passing, "refuses to connect"),
            ("tunnel error: failed to create underlying connection: x", Passing, "look at the proxy above"),
            ("invalid peer certificate: Expired", Wrong, "trust store above"),
            (
                "invalid peer certificate: UnknownIssuer; name it as ca_file of the app",
                Wrong,
                "ca_file of the app",
            ),
            ("operation timed out", Passing, "look at DNS, proxy and firewall"),
        ] {
            let answer = Answer::lost(&format!("error sending request: {message}"));
            let (row, _) = endpoint("query", Endpoint::Query, Some(&answer));
            assert_eq!(row.finding, finding, "{}", row.text);
            assert!(row.text.starts_with("  query: server not reached: "), "{}", row.text);
            assert!(row.text.contains(words) && !row.text.ends_with("; "), "{}", row.text);
        }
    }

    /// Promise: a document that can't be exported is wrong, and a question that the app may not ask is not.
    #[test]
    fn documents_are_judged() {
        use Finding::{Fine, Passing, Wrong};
        let answer = |verdict| Answer { verdict, detail: Detail::default() };
        for (result, finding, goes_on, words) in [
            (Ok(true), Fine, true, "document L: fine"),
            (Ok(false), Wrong, true, "may not export it; add the app to the document"),
            (Err(Verdict::Failed(ErrorKind::InvalidParam)), Wrong, true, "correct the link"),
            (Err(Verdict::Failed(ErrorKind::NoPermission)), Wrong, true, "may not export it"),
            (Err(Verdict::Failed(ErrorKind::DocumentDeleted)), Wrong, true, "it was deleted; restore"),
            (Err(Verdict::AppFault(PauseReason::ScopeMissing)), Fine, false, "L: not asked: the question"),
            (Err(Verdict::Throttled { reset: None }), Passing, false, "rate limit"),
            (Err(Verdict::Strange(Strange::Page)), Wrong, false, "answers are not the API's"),
        ] {
            let result = result.map_err(answer);
            let (row, others) = document("L", result.as_ref().copied());
            assert_eq!((row.finding, others), (finding, goes_on), "{}", row.text);
            assert!(row.text.contains(words), "{}", row.text);
        }
    }
}
