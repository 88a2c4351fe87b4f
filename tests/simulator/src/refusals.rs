//! What an app's requests are refused with before their endpoint has a say: a full window, a bad access token, or one
//! of the app's troubles.

use std::time::Duration;

use serde_json::json;

use crate::{
    access_token::Flaw,
    answer::{Answer, Refusal},
    app::{ThrottleStyle, Trouble},
    record::Endpoint,
    world::{Arrival, World},
};

impl World {
    /// The answer to a request that its window has no room for; `reset` is the time until it has.
    pub(crate) fn throttle(&self, arrival: &Arrival, reset: Duration) -> Answer {
        let limit =
            arrival.app_id.as_deref().and_then(|id| self.apps.get(id)).map(|app| &app.settings.rate_limit);
        let limit = limit.cloned().unwrap_or_default();
        let (status, code) = match limit.style {
            ThrottleStyle::Http429 => (429, 99_991_400),
            ThrottleStyle::Legacy400 => (400, 99_991_400),
            ThrottleStyle::Code9499 => (limit.status_9499, 9499),
            ThrottleStyle::Code1069923 => (429, 1_069_923),
            ThrottleStyle::Bare429 => (429, 0),
        };
        let answer = match limit.style {
            ThrottleStyle::Bare429 => Answer::plain(429, "text/plain", "Too Many Requests"),
            _ => self.refuse(arrival, Refusal::new(status, code)),
        };
        if !limit.headers {
            return answer;
        }
        with_limit_headers(answer, limit.requests, limit.reset.unwrap_or_else(|| seconds(reset)))
    }

    /// The refusal of an access token with that flaw.
    pub(crate) fn token_refusal(&self, flaw: Flaw) -> Refusal {
        let status = self.switches.answers.access_token_status;
        match flaw {
            // The probe behind the reference saw 400 for a missing token; the switch is about refused ones.
            Flaw::Missing => Refusal::new(400, 99_991_661),
            Flaw::WrongPrefix => Refusal::new(status, 99_991_671),
            Flaw::Tenant => Refusal::new(status, self.switches.answers.tenant_token_code),
            Flaw::App => Refusal::new(status, 99_991_664),
            Flaw::User => Refusal::new(status, 99_991_668),
            Flaw::UserExpired => Refusal::new(status, 99_991_677),
        }
    }

    /// The refusal that a trouble of the app brings.
    pub(crate) fn trouble_refusal(&self, trouble: Trouble, endpoint: Endpoint) -> Refusal {
        match trouble {
            Trouble::Disabled => Refusal::new(400, 99_991_662),
            Trouble::NotInstalled => Refusal::new(400, 99_991_673),
            Trouble::IpNotAllowed => Refusal::new(400, 99_991_401),
            Trouble::QuotaExhausted => Refusal::new(429, 99_991_403),
            Trouble::TokensRefused => self.token_refusal(Flaw::Tenant),
            Trouble::Refused { status, code } => Refusal::new(status, code),
            Trouble::ScopeMissing { scopes, status, captured_shape } => {
                let scopes = if scopes.is_empty() { scopes_of(endpoint) } else { scopes };
                scope_refusal(&scopes, status, captured_shape)
            }
        }
    }
}

/// The scopes of an endpoint's page, any one of which would do.
fn scopes_of(endpoint: Endpoint) -> Vec<String> {
    let scopes: &[&str] = match endpoint {
        Endpoint::Node => &["wiki:node:read", "wiki:wiki", "wiki:wiki:readonly"],
        Endpoint::Permission => &["docs:permission.member:auth"],
        _ => &["docs:document:export", "drive:export:readonly"],
    };
    scopes.iter().map(|&scope| scope.to_owned()).collect()
}

fn scope_refusal(scopes: &[String], status: u16, captured_shape: bool) -> Refusal {
    let url = |scope: &String| format!("https://open.feishu.cn/app/auth?q={scope}");
    let violations: Vec<_> = scopes
        .iter()
        .map(|scope| match captured_shape {
            true => json!({"type": "action_scope_required", "subject": scope}),
            false => json!({"scope": scope, "url": url(scope)}),
        })
        .collect();
    let mut refusal = Refusal::new(status, 99_991_672);
    refusal.msg =
        format!("Access denied. One of the following scopes is required: [{}]", scopes.join(", ")).into();
    refusal.details.insert("permission_violations".to_owned(), violations.into());
    let helps: Vec<_> =
        scopes.iter().take(1).map(|scope| json!({"url": url(scope), "description": "apply"})).collect();
    refusal.details.insert("helps".to_owned(), helps.into());
    refusal
}

/// Adds both headers of the page on rate limits.
pub(crate) fn with_limit_headers(answer: Answer, limit: usize, reset: String) -> Answer {
    answer.with_header("x-ogw-ratelimit-limit", limit.to_string()).with_header("x-ogw-ratelimit-reset", reset)
}

/// Whole seconds, rounded up: a client that waits that long finds room.
pub(crate) fn seconds(wait: Duration) -> String {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.to_string()
}
