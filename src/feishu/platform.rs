//! Feishu and Lark: two platforms that know nothing of each other's apps. An app that one of them does not know may be
//! the other's.

use super::api::Detail;
use crate::domain::BaseUrl;

const FEISHU: &str = "open.feishu.cn";
const LARK: &str = "open.larksuite.com";

/// Names the other platform's host where the answer says that this one does not know the app. Says nothing of a host that
/// is neither's.
pub(super) fn suggest_other(mut detail: Detail, base_url: &BaseUrl) -> Detail {
    let other = match base_url.as_url().host_str() {
        Some(FEISHU) => format!("if it is an app of Lark, base_url is https://{LARK}"),
        Some(LARK) => format!("if it is an app of Feishu, base_url is https://{FEISHU}"),
        _ => return detail,
    };
    if is_unknown_app(&detail) {
        detail.remedy.get_or_insert_with(|| other.into());
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
