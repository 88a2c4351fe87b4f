//! An app: an identity at Feishu or Lark, and where its secret lies. The client reads the secret itself at the
//! moment of sending; it never passes through here.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use enum_map::Enum;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;
use url::{Host, Url};

/// The name under which the configuration lists an app (`default` in `[apps.default]`).
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(Arc<str>);

impl AppName {
    /// Takes the name as it stands.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An app as the configuration describes it, checked.
#[derive(Clone, Debug)]
pub struct App {
    /// The name used by watch lists, log and state file.
    pub name: AppName,
    /// Where its API answers.
    pub base_url: BaseUrl,
    /// The id that the console shows (`cli_…`); together with the host it names the request budget.
    pub app_id: Box<str>,
    /// How it proves its identity.
    pub credentials: Credentials,
    /// Authorities that its host is trusted by, beside those of the system.
    pub ca_file: Option<CaFile>,
    /// How many requests it may send, per API endpoint.
    pub rate_limit: RateLimit,
    /// Whose monthly quota its calls count against; none where that is not watched.
    pub tenant: Option<Arc<Tenant>>,
}

/// An organisation at Feishu or Lark, whose monthly quota the calls of all its apps count against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The name under which the configuration lists it (`acme` in `[tenants.acme]`).
    pub name: Box<str>,
    /// Accepted calls of all its apps in a calendar month, at least one.
    pub monthly_calls: u64,
}

impl Tenant {
    /// What the state file counts its calls under: no host has a slash.
    #[must_use]
    pub fn tally_key(&self) -> BudgetKey {
        BudgetKey(format!("tenant/{}", self.name).into())
    }
}

/// Certificates of authorities from a file, as it was when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    /// Where they come from.
    pub path: PathBuf,
    /// The certificates in DER, at least one.
    pub certificates: Vec<Vec<u8>>,
}

impl App {
    /// The budget this app spends from: apps with the same host and app id share one.
    #[must_use]
    pub fn budget_key(&self) -> BudgetKey {
        BudgetKey(format!("{}/{}", self.base_url.authority(), self.app_id).into())
    }
}

/// Host and app id: what the server counts requests by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetKey(Arc<str>);

impl BudgetKey {
    /// The key as the state file keeps it, `host/app id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for BudgetKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

/// An endpoint of the API that is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, Enum, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Endpoint {
    /// Query export task.
    Query,
    /// Tenant access token.
    Token,
    /// Download exported file.
    Download,
    /// Get the information of a wiki node.
    Node,
    /// Create export task.
    Create,
}

impl Endpoint {
    /// Every endpoint, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in the state file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The scopes of its page, any one of which an app needs; none where it needs none. Pages: query and create export
    /// task, get wiki node information; its second one is what the platform's own command line asks for.
    #[must_use]
    pub const fn scopes(self) -> Option<&'static str> {
        match self {
            Self::Token => None,
            Self::Node => Some("wiki:node:read or wiki:node:retrieve"),
            Self::Query | Self::Download | Self::Create => {
                Some("docs:document:export or drive:export:readonly")
            }
        }
    }

    /// Whether its requests count against the platform's monthly quota.
    #[must_use]
    pub const fn counts_against_quota(self) -> bool {
        !matches!(self, Self::Token)
    }
}

/// How an app proves its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The app secret, exchanged for tenant access tokens as needed.
    AppSecret(SecretSource),
    /// A tenant or user access token that another program keeps fresh.
    AccessToken(SecretSource),
}

/// Where a secret lies. The client reads it when it needs it.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq)]
pub enum SecretSource {
    /// A file, read as text.
    #[display("file {}", _0.display())]
    File(PathBuf),
    /// An environment variable.
    #[display("environment variable {}", name_or_nothing(_0))]
    Env(String),
    /// A systemd credential: a file below `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
    #[display("systemd credential {}", name_or_nothing(_0))]
    Credential(String),
}

/// A name, unless it looks like the secret itself, put in its place.
fn name_or_nothing(name: &str) -> &str {
    let has = |kind: fn(&u8) -> bool| name.as_bytes().iter().any(&kind);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    if name.len() >= 20 && mixed { "[not shown: it looks like the secret itself]" } else { name }
}

/// At most `requests` in any sliding `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per window, at least one.
    pub requests: NonZeroU32,
    /// Length of the window, longer than zero.
    pub per: Duration,
}

impl RateLimit {
    /// How long it takes to send that many requests: to ask once about every open ticket, say.
    #[must_use]
    pub fn time_for(&self, requests: usize) -> Duration {
        self.per.mul_f64(requests as f64 / f64::from(self.requests.get()))
    }
}

/// Where an app's API answers: scheme, host and port, no path. Https, or http to this machine.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq)]
#[display("{}", _0.as_str().trim_end_matches('/'))]
pub struct BaseUrl(Url);

/// Why a text is no base URL.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("not a URL ({0}); expected one such as https://open.feishu.cn")]
    Unparsable(#[from] url::ParseError),
    /// Access tokens would travel in the clear.
    #[error(
        "plain http would show access tokens to the network; use https (http is accepted only to loopback)"
    )]
    PlainHttp,
    /// Neither http nor https.
    #[error("scheme must be https")]
    Scheme,
    /// A user name or password inside the URL.
    #[error("must not carry a user name or password")]
    UserInfo,
    /// More than scheme, host and port.
    #[error("must end after host and port, without path, query or fragment")]
    Path,
}

impl BaseUrl {
    /// Accepts `https://host[:port]`, and `http://` only where the host is this machine.
    ///
    /// # Errors
    /// Says which part is not acceptable. The text is not repeated: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let base_url = Self(Url::parse(text)?);
        let url = &base_url.0;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::UserInfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if base_url.is_loopback() => {}
            "http" => return Err(BaseUrlError::PlainHttp),
            _ => return Err(BaseUrlError::Scheme),
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Path);
        }
        Ok(base_url)
    }

    /// Whether the host is this machine, so that no proxy may come between.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The URL, ending in `/`.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Host and port; the scheme's own port is written out, so that one host has one spelling.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        format!("{host}:{}", self.0.port_or_known_default().unwrap_or_default())
    }
}

/// Whether the host is this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        // RFC 6761 section 6.3: names below localhost are this machine.
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_http_only_to_this_machine() {
        for good in [
            "https://open.feishu.cn",
            "https://open.larksuite.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://open.feishu.cn", BaseUrlError::PlainHttp),
            ("http://127.0.0.1.example.com", BaseUrlError::PlainHttp),
            ("ftp://open.feishu.cn", BaseUrlError::Scheme),
            ("https://user:pw@open.feishu.cn", BaseUrlError::UserInfo),
            ("https://open.feishu.cn/open-apis", BaseUrlError::Path),
            ("https://open.feishu.cn?x=1", BaseUrlError::Path),
        ] {
            assert_eq!(BaseUrl::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn apps_with_one_host_and_id_share_a_budget() {
        let app = |url: &str| App {
            name: AppName::new("a"),
            base_url: BaseUrl::parse(url).unwrap(),
            app_id: "cli_a".into(),
            credentials: Credentials::AppSecret(SecretSource::Env("S".into())),
            ca_file: None,
            rate_limit: RateLimit { requests: NonZeroU32::MIN, per: Duration::from_secs(1) },
            tenant: None,
        };
        let key = app("https://open.feishu.cn").budget_key();
        assert_eq!(key, app("https://OPEN.feishu.cn:443/").budget_key());
        assert_ne!(key, app("https://open.larksuite.com").budget_key());
    }
}
