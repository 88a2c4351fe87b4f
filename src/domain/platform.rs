//! Feishu and Lark: two platforms that know nothing of each other's apps and documents. Where their documents open is
//! not known here.

use strum::Display;

use super::BaseUrl;

/// One of the two platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display)]
pub enum Platform {
    /// Feishu, in mainland China.
    Feishu,
    /// Lark, everywhere else.
    Lark,
}

impl Platform {
    /// The platform whose API answers there; none where the host is neither's, that of a gateway for instance.
    #[must_use]
    pub fn of_api(base_url: &BaseUrl) -> Option<Self> {
        let host = base_url.as_url().host_str();
        [Self::Feishu, Self::Lark].into_iter().find(|platform| host == Some(platform.api_host()))
    }

    /// The host of its API.
    #[must_use]
    pub const fn api_host(self) -> &'static str {
        match self {
            Self::Feishu => "open.feishu.cn",
            Self::Lark => "open.larksuite.com",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Feishu => Self::Lark,
            Self::Lark => Self::Feishu,
        }
    }
}
