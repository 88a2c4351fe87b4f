//! `[apps.NAME]`: identities and where their secrets lie. Nothing that stands here is ever repeated in a
//! message, save the name of an app and what is close to a known key: people do paste secrets into it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::ca_file;
use super::durations::{Bounds, DAY};
use super::problem::Position;
use super::secret_source::{self, PLACES};
use super::section::{Field, Section, is_word};
use super::shipped;
use super::tenants::Tenants;
use crate::domain::{App, AppName, BaseUrl, BudgetKey, Credentials, Platform, RateLimit};

pub(super) const APP_KEYS: &[&str] =
    &["base_url", "app_id", "app_secret", "access_token", "ca_file", "rate_limit", "tenant"];
pub(super) const RATE_LIMIT_KEYS: &[&str] = &["requests", "per"];

/// What the remote grants every app, per endpoint.
pub(super) const USUAL_LIMIT: RateLimit =
    RateLimit { requests: NonZeroU32::MIN.saturating_add(99), per: Duration::from_secs(60) };
const WINDOW: Bounds = Bounds { least: Duration::from_millis(1), most: DAY, words: "from 1ms to 1d" };
/// Characters of a name or an app id at most.
const NAME_MAX: usize = 128;

/// Where Feishu and Lark answer.
const OFFICIAL: [&str; 2] = ["open.feishu.cn", "open.larksuite.com"];
const HOSTS: &str = "\"https://open.feishu.cn\" or \"https://open.larksuite.com\"";

/// What `[apps]` says.
pub(super) struct AppsSection {
    /// The apps and where their credentials are named, if all are valid.
    pub(super) apps: Option<(Vec<App>, Vec<Position>)>,
    /// All of them as watch lists may name them; none if a name is invalid.
    pub(super) named: Option<Vec<NamedApp>>,
}

/// An app as watch lists may name it.
#[derive(Clone, Debug)]
pub(super) struct NamedApp {
    pub(super) name: AppName,
    /// Whose documents it can export; none where its host does not say.
    pub(super) platform: Option<Platform>,
}

impl NamedApp {
    pub(super) fn new(app: &App) -> Self {
        Self { name: app.name.clone(), platform: Platform::of_api(&app.base_url) }
    }
}

/// The app that spent first from a budget.
type Budgets = HashMap<BudgetKey, App>;

/// Reads every app below `[apps]`.
pub(super) fn read(root: &Section<'_>, folder: &Path, tenants: &Tenants<'_>) -> AppsSection {
    let expected = "at least one app in a section of its own, such as [apps.default]";
    let fields = root.required("apps", expected).and_then(|field| match field.value {
        DeValue::Table(table) if !table.is_empty() => Some(field.section(table, &[]).discreet()),
        _ => field.unfit(expected),
    });
    let Some(section) = fields else {
        return AppsSection { apps: None, named: None };
    };
    let mut budgets = Budgets::new();
    let read_one = |field: Field<'_>| {
        let name = read_name(&field);
        let app = read_app(&field, name.as_ref(), folder, tenants, &mut budgets);
        let known = |(app, _): &(App, Position)| NamedApp::new(app);
        let named = app.as_ref().map(known).or(name.map(|name| NamedApp { name, platform: None }));
        (named, app)
    };
    let (named, apps): (Vec<_>, Vec<_>) = section.fields().map(read_one).unzip();
    AppsSection { apps: apps.into_iter().collect(), named: named.into_iter().collect() }
}

fn read_name(field: &Field<'_>) -> Option<AppName> {
    if !is_word(field.key, NAME_MAX, b"-_") {
        return field.error(|| format!("an app's name is 1 to {NAME_MAX} letters, digits, `-` and `_`"));
    }
    Some(AppName::new(field.key))
}

fn read_app(
    field: &Field<'_>,
    name: Option<&AppName>,
    folder: &Path,
    tenants: &Tenants<'_>,
    budgets: &mut Budgets,
) -> Option<(App, Position)> {
    let DeValue::Table(table) = field.value else {
        return field.error(|| "expected a section for each app, such as [apps.default]".to_owned());
    };
    let section = field.section(table, APP_KEYS);
    let base_url = section.required("base_url", HOSTS).and_then(|field| read_base_url(&field));
    let app_id = section.required("app_id", APP_ID).and_then(|field| field.text_where(APP_ID, is_app_id));
    let credentials = read_credentials(&section, folder);
    let ca_file = section.optional("ca_file", |field| ca_file::read(field, folder));
    let rate_limit = read_rate_limit(&section);
    let tenant = section.optional("tenant", |field| tenants.find(field));
    let (credentials, position) = credentials?;
    let app = App {
        name: name?.clone(),
        base_url: base_url?,
        app_id: app_id?.into(),
        credentials,
        ca_file: ca_file?,
        rate_limit: rate_limit?,
        tenant: tenant?,
    };
    check_app_id(&section, &app);
    check_rate_limit(&section, &app);
    check_budget(&section, &app, budgets);
    Some((app, position))
}

fn read_base_url(field: &Field<'_>) -> Option<BaseUrl> {
    let url = BaseUrl::parse(field.text(HOSTS)?);
    let url =
        url.map_err(|error| field.error::<()>(|| format!("`base_url`: {error}; usually {HOSTS}"))).ok()?;
    let is_usual = url.as_url().host_str().is_some_and(|host| OFFICIAL.contains(&host));
    if !is_usual && !url.is_loopback() {
        field.warning(|| {
            let [feishu, lark] = OFFICIAL;
            format!("`base_url`: neither {feishu} nor {lark}; right only for a gateway of your own")
        });
    }
    Some(url)
}

const APP_ID: &str = "the app id that the console shows, such as \"cli_…\"";

fn is_app_id(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_app_id(section: &Section<'_>, app: &App) {
    // The simulator may well have an app of that name.
    if &*app.app_id == shipped::APP_ID && !app.base_url.is_loopback() {
        section.warning_at(&["app_id"], || {
            "`app_id` is still that of the shipped example; put in the one that the developer console shows"
                .to_owned()
        });
    }
}

/// Exactly one of the two keys, and the place of its value.
fn read_credentials(section: &Section<'_>, folder: &Path) -> Option<(Credentials, Position)> {
    let keys = ["app_secret", "access_token"];
    let [secret, token] = keys.map(|key| section.field(key));
    // Both are read even where only one may be, so that all their problems come out at once.
    let [secret_source, token_source] =
        [&secret, &token].map(|field| field.as_ref().and_then(|field| secret_source::read(field, folder)));
    match (secret, token) {
        (Some(field), None) => Some((Credentials::AppSecret(secret_source?), field.position())),
        (None, Some(field)) => Some((Credentials::AccessToken(token_source?), field.position())),
        (Some(_), Some(field)) => {
            field.error(|| "both `app_secret` and `access_token`; an app has exactly one of them".to_owned())
        }
        (None, None) => section.missing(&keys, || format!("`app_secret` is missing; expected {PLACES}")),
    }
}

fn read_rate_limit(section: &Section<'_>) -> Option<RateLimit> {
    let Some(field) = section.field("rate_limit") else {
        return Some(USUAL_LIMIT);
    };
    let section = field.table(RATE_LIMIT_KEYS)?;
    let (requests, per) = (section.count("requests", 10_000), section.duration("per", WINDOW));
    Some(RateLimit { requests: requests?, per: per? })
}

fn check_rate_limit(section: &Section<'_>, app: &App) {
    let per_second = |limit: RateLimit| f64::from(limit.requests.get()) / limit.per.as_secs_f64();
    if per_second(app.rate_limit) > per_second(USUAL_LIMIT) && !app.base_url.is_loopback() {
        section.warning_at(&["rate_limit"], || {
            "more than 100 requests in 60s, which is what Feishu and Lark grant an app".to_owned()
        });
    }
}

/// What apps with one host and app id say must be the same: at the remote they are one.
fn check_budget(section: &Section<'_>, app: &App, budgets: &mut Budgets) {
    let first = budgets.entry(app.budget_key()).or_insert_with(|| app.clone());
    let differs = |key, what: &str| {
        section.error_at(&[key], || {
            format!(
                "app `{}` has the same host and app id, hence the same {what}; both must name the same {key}",
                first.name
            )
        });
    };
    if first.rate_limit != app.rate_limit {
        differs("rate_limit", "budget");
    }
    if first.tenant != app.tenant {
        differs("tenant", "tenant");
    }
}
