//! Apps that one platform does not know and that may be the other's.

use super::api::Detail;
use crate::domain::{BaseUrl, Platform};

/// Names the other platform's host where the answer says that this one does not know the app. Says nothing of a host that
/// is neither's.
pub(super) fn suggest_other(mut detail: Detail, base_url: &BaseUrl) -> Detail {
    let Some(other) = Platform::of_api(base_url).map(Platform::other) else { return detail };
    if is_unknown_app(&detail) {
        let remedy = || format!("if it is an app of {other}, base_url is https://{}", other.api_host());
        detail.remedy.get_or_insert_with(|| remedy().into());
    }
    detail
}

/// Whether the app is unknown there. 10014 says that of its id, or that its secret is wrong.
fn is_unknown_app(detail: &Detail) -> bool {
    let is_secret = || detail.message.as_deref().is_some_and(|message| message.contains("secret"));
    match detail.code {
        Some(10_014) => !is_secret(),
        Some(20_048 | 1_000_040_351) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: people whose app is of the other platform read where it answers.
    #[test]
    fn an_unknown_app_may_be_the_other_platforms() {
        let remedy = |base_url: &str, code, message: &str| {
            let detail = Detail { code: Some(code), message: Some(message.into()), ..Detail::default() };
            suggest_other(detail, &BaseUrl::parse(base_url).unwrap()).remedy
        };
        let (feishu, lark) = ("https://open.feishu.cn", "https://open.larksuite.com/");
        for code in [10_014, 1_000_040_351, 20_048] {
            let named = remedy(feishu, code, "app id not exists").unwrap();
            assert_eq!(&*named, "if it is an app of Lark, base_url is https://open.larksuite.com");
            let named = remedy(lark, code, "app id not exists").unwrap();
            assert_eq!(&*named, "if it is an app of Feishu, base_url is https://open.feishu.cn");
            assert_eq!(remedy("https://gateway.example", code, "app id not exists"), None);
        }
        assert_eq!(remedy(feishu, 10_014, "app secret invalid"), None);
        assert_eq!(remedy(feishu, 10_015, "app id not exists"), None);
    }
}
