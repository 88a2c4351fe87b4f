//! Apps: their credentials, their limits, and the troubles that befall all of their requests at once.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    duration,
    switches::{RunningShape, SuccessShape},
};

/// The app of a scenario that names none.
pub const DEFAULT_APP_ID: &str = "cli_a1b2c3d4e5f60001";

/// The secret of the app of a scenario that names none.
pub const DEFAULT_APP_SECRET: &str = "simulated-secret";

/// A custom app. Table `[[app]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// `app_id`, the name of its limits.
    pub app_id: String,
    /// `app_secret` that the token endpoint accepts.
    pub app_secret: String,
    /// The window of each endpoint but the token's.
    pub rate_limit: RateLimit,
    /// How long a tenant token lives: two hours at most by its page.
    #[serde(with = "duration")]
    pub token_lifetime: Duration,
    /// A token with that much time left, or more, is handed out again.
    #[serde(with = "duration")]
    pub renew_below: Duration,
    /// Tenant tokens that are good without having been fetched.
    pub tenant_tokens: Vec<String>,
    /// User tokens (`u-…`) that are good.
    pub user_tokens: Vec<String>,
    /// Successful calls left until the month's quota is used up; without it, no end.
    pub quota: Option<u64>,
    /// What is wrong with the app from the start.
    pub trouble: Option<Trouble>,
    /// How its running jobs are answered, where that is not as for all apps.
    pub running: Option<RunningShape>,
    /// How its jobs that succeeded are answered, where that is not as for all apps.
    pub success: Option<SuccessShape>,
}

impl Default for App {
    fn default() -> Self {
        Self::new(DEFAULT_APP_ID, DEFAULT_APP_SECRET)
    }
}

impl App {
    /// An app in good order, with the documented limit and token life.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: app_secret.into(),
            rate_limit: RateLimit::default(),
            token_lifetime: Duration::from_secs(7200),
            renew_below: Duration::from_secs(1800),
            tenant_tokens: Vec::new(),
            user_tokens: Vec::new(),
            quota: None,
            trouble: None,
            running: None,
            success: None,
        }
    }

    /// Sets the window.
    #[must_use]
    pub fn rate_limit(mut self, rate_limit: RateLimit) -> Self {
        self.rate_limit = rate_limit;
        self
    }
}

/// A sliding window and how its refusals look. Mirrors the page on rate limits ("频控策略").
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Requests admitted in any span of `per`.
    pub requests: usize,
    /// Length of the window.
    #[serde(with = "duration")]
    pub per: Duration,
    /// How a refusal looks.
    pub style: ThrottleStyle,
    /// HTTP status of a 9499 refusal, which no page states.
    pub status_9499: u16,
    /// Send `x-ogw-ratelimit-limit` and `x-ogw-ratelimit-reset` with a refusal.
    pub headers: bool,
    /// Send both on answers that are no refusal, too.
    pub headers_always: bool,
    /// Text of the reset header in place of the true seconds, however odd.
    pub reset: Option<String>,
    /// A refused request takes a place in the window as well.
    pub count_refused: bool,
    /// Calls with user tokens and with tenant tokens share one window.
    pub users_share: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new(100, Duration::from_secs(60))
    }
}

impl RateLimit {
    /// That window with refusals as documented.
    pub fn new(requests: usize, per: Duration) -> Self {
        Self {
            requests,
            per,
            style: ThrottleStyle::Http429,
            status_9499: 400,
            headers: true,
            headers_always: false,
            reset: None,
            count_refused: false,
            users_share: true,
        }
    }

    /// Sets the look of refusals.
    #[must_use]
    pub fn style(mut self, style: ThrottleStyle) -> Self {
        self.style = style;
        self
    }
}

/// The look of a refusal by the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleStyle {
    /// HTTP 429 with 99991400.
    Http429,
    /// HTTP 400 with 99991400, as older APIs.
    Legacy400,
    /// 9499 with the text "too many request".
    Code9499,
    /// HTTP 429 with 1069923.
    Code1069923,
    /// HTTP 429 without JSON, as a gateway sends it.
    Bare429,
}

/// What is wrong with all requests of an app; the token endpoint goes on, except where said.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// 99991662, app not in use; the token endpoint refuses with 10014.
    Disabled,
    /// 99991673, app unavailable in this tenant.
    NotInstalled,
    /// 99991672 with the missing scopes.
    ScopeMissing {
        /// The scopes, any one of which would do; without any, those of the endpoint that was asked.
        #[serde(default)]
        scopes: Vec<String>,
        /// HTTP status, which is not established.
        #[serde(default = "bad_request")]
        status: u16,
        /// `type` and `subject` as captured, in place of `scope` and `url` as documented.
        #[serde(default)]
        captured_shape: bool,
    },
    /// 99991401, caller not on the IP allow-list.
    IpNotAllowed,
    /// HTTP 429 with 99991403.
    QuotaExhausted,
    /// Every access token is refused, new ones too.
    TokensRefused,
    /// Any other code.
    Refused {
        /// HTTP status.
        status: u16,
        /// `code` of the envelope.
        code: i64,
    },
}

impl Trouble {
    /// The missing scope as an app without any permission meets it.
    pub fn scope_missing() -> Self {
        Self::ScopeMissing { scopes: Vec::new(), status: bad_request(), captured_shape: false }
    }
}

fn bad_request() -> u16 {
    400
}
