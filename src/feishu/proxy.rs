//! The proxy that the environment names, and the hosts that are reached without it. A value that can't be used is an
//! error: passed over in silence, it would send requests by a way that nothing shows.

use std::ffi::OsString;

use hyper_util::client::proxy::matcher::Matcher;
use thiserror::Error;
use url::Url;

use crate::domain::is_loopback;

/// The variables that name a proxy, the first that is not empty counts. `HTTP_PROXY` is not among them: remote hosts
/// are asked over https, unless a hook says allow_http, which goes the same way.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXEMPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Where a SOCKS proxy listens that is named without a port.
const SOCKS_PORT: u16 = 1080;

/// A variable about proxies that can't be used. Its value is not repeated: it may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{variable}: {reason}; expected {expected}")]
pub struct ProxyError {
    variable: &'static str,
    reason: &'static str,
    expected: &'static str,
}

const A_PROXY: &str =
    "a proxy such as http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT";
const HOSTS: &str = "hosts separated by commas, such as localhost,*.example.com,10.0.0.0/8";

/// What the environment says about proxies.
#[derive(Clone, Default)]
pub(super) struct ProxySettings {
    /// The proxy, perhaps with user name and password, and the variable that names it.
    proxy: Option<(&'static str, Url)>,
    /// `NO_PROXY` as it stands.
    exempt: String,
}

impl ProxySettings {
    /// Reads the variables by `lookup`.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, ProxyError> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, lookup(name).filter(|value| !value.is_empty())?)))
        };
        let proxy = first(&VARIABLES).map(|(variable, value)| Ok((variable, parse_proxy(variable, value)?)));
        let (variable, exempt) = first(&EXEMPTIONS).unwrap_or_default();
        let exempt = exempt.to_string_lossy().into_owned();
        if exempt.contains(['"', '\'', '`', ';']) {
            // The entry would exempt nothing.
            return Err(ProxyError { variable, reason: "holds a quote or a semicolon", expected: HOSTS });
        }
        Ok(Self { proxy: proxy.transpose()?, exempt })
    }

    /// The proxy between this machine and a host, if there is one, and the variable that names it.
    pub(super) fn proxy_for(&self, host: &Url) -> Option<&(&'static str, Url)> {
        let proxy = self.proxy.as_ref().filter(|_| !is_loopback(host))?;
        (!is_exempt(&self.exempt, host)).then_some(proxy)
    }

    /// The same in words, without user name and password.
    pub(super) fn describe(&self, host: &Url) -> String {
        match self.proxy_for(host) {
            Some((variable, url)) => format!("{} (by {variable})", without_user(url)),
            None if self.proxy.is_none() => "none".to_owned(),
            None if is_loopback(host) => "none (base_url is on this machine)".to_owned(),
            None => "none (by NO_PROXY)".to_owned(),
        }
    }
}

fn parse_proxy(variable: &'static str, value: OsString) -> Result<Url, ProxyError> {
    let error = |reason| ProxyError { variable, reason, expected: A_PROXY };
    let text = value.into_string().map_err(|_| error("is not UTF-8"))?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`".contains(&byte)) {
        return Err(error("holds a quote, a blank or another character that no URL has"));
    }
    // Without a scheme it is an HTTP proxy, as for curl.
    let text = if text.contains("://") { text } else { format!("http://{text}") };
    let mut url = Url::parse(&text).map_err(|_| error("is not a URL"))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(error("has an unknown scheme"));
    }
    if url.scheme().starts_with("socks") && url.port().is_none() {
        url.set_port(Some(SOCKS_PORT)).map_err(|()| error("names no host"))?;
    }
    Ok(url)
}

/// Scheme, host and port.
fn without_user(proxy: &Url) -> String {
    let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", proxy.scheme(), proxy.host_str().unwrap_or_default())
}

/// Whether a list of exemptions names the host. Entries are those of the client's library (domains with all below,
/// addresses, networks, `*`), and in addition `*.domain`, `host:port`, and blanks between entries.
fn is_exempt(list: &str, host: &Url) -> bool {
    let Ok(uri) = host.as_str().parse() else { return false };
    let port = host.port_or_known_default();
    let entries = list.split([',', ' ', '\t']).filter_map(|entry| without_port(entry, port));
    let entries = entries.map(|entry| entry.strip_prefix("*.").unwrap_or(entry)).collect::<Vec<_>>();
    let matcher = Matcher::builder().all("http://proxy.invalid").no(entries.join(",")).build();
    matcher.intercept(&uri).is_none()
}

/// An entry without its port; none if that is another port than the host's.
fn without_port(entry: &str, port: Option<u16>) -> Option<&str> {
    let (host, number) = match entry.rsplit_once(':') {
        // A bare IPv6 address has several colons, and none of them begins a port.
        Some((host, number)) if !host.contains(':') || host.ends_with(']') => (host, Some(number)),
        _ => (entry, None),
    };
    let fits = number.is_none_or(|number| number.parse().ok() == port);
    fits.then(|| host.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<ProxySettings, ProxyError> {
        ProxySettings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn in_force(variables: &[(&str, &str)]) -> String {
        settings(variables).unwrap().describe(&Url::parse("https://open.feishu.cn").unwrap())
    }

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        let all = ("ALL_PROXY", "socks5://10.0.0.1");
        assert_eq!(in_force(&[]), "none");
        assert_eq!(in_force(&[("HTTP_PROXY", "http://p:1")]), "none");
        assert_eq!(in_force(&[all]), "socks5://10.0.0.1:1080 (by ALL_PROXY)");
        assert_eq!(in_force(&[("HTTPS_PROXY", ""), all]), "socks5://10.0.0.1:1080 (by ALL_PROXY)");
        assert_eq!(in_force(&[("https_proxy", "p.test:3128"), all]), "http://p.test:3128 (by https_proxy)");
        assert_eq!(
            in_force(&[("HTTPS_PROXY", "http://u:hunter2@p.test:1/")]),
            "http://p.test:1 (by HTTPS_PROXY)"
        );
        for scheme in ["http", "https", "socks4", "socks4a", "socks5", "socks5h"] {
            let url = format!("{scheme}://p.test:9");
            assert_eq!(in_force(&[("ALL_PROXY", &url)]), format!("{url} (by ALL_PROXY)"));
        }
    }

    #[test]
    fn a_value_that_names_no_proxy_is_an_error_without_the_value() {
        for bad in [
            "\"http://hunter2\"",
            "'http://hunter2:1'",
            "http://hunter2:1 ",
            " http://hunter2:1",
            "http://hunter 2:1",
            "ftp://hunter2:1",
            "hunter2://p:1",
            "http://",
            "http://:3128",
            "socks5://",
            "socks5://:1080",
            "http://hunter2:port",
            "http://u:hunter2@",
            "://hunter2",
            "http://hunter2:1\n",
        ] {
            let Err(error) = settings(&[("https_proxy", bad)]) else { panic!("{bad:?} is taken") };
            let text = error.to_string();
            assert!(text.starts_with("https_proxy: ") && text.contains("socks5h://HOST:PORT"), "{text}");
            assert!(!text.contains("hunter"), "{text}");
        }
    }

    /// Promise: an entry that could exempt nothing is not passed over in silence.
    #[test]
    fn a_list_that_exempts_nothing_is_an_error() {
        for bad in ["\"*.feishu.cn\"", "'a'", "localhost;feishu.cn"] {
            let error = settings(&[("NO_PROXY", bad)]).err().map(|error| error.to_string());
            assert!(
                error.is_some_and(|text| text.starts_with("NO_PROXY: ") && text.contains("commas")),
                "{bad}"
            );
        }
        assert!(settings(&[("NO_PROXY", "localhost, *.feishu.cn 10.0.0.0/8,[::1]:443")]).is_ok());
    }

    #[test]
    fn exemptions_are_domains_addresses_and_what_is_at_a_port() {
        let is_exempt = |list: &str, url: &str| is_exempt(list, &Url::parse(url).unwrap());
        for list in [
            "feishu.cn",
            ".feishu.cn",
            "*.feishu.cn",
            "open.feishu.cn:443",
            "*.feishu.cn:443",
            "example.com, OPEN.feishu.cn",
            "example.com open.feishu.cn",
            "*",
        ] {
            assert!(is_exempt(list, "https://open.feishu.cn"), "{list}");
        }
        for list in
            ["", "ishu.cn", "*.ishu.cn", "open.feishu.cn:8443", "feishu.cn:x", "larksuite.com", "10.0.0.0/8"]
        {
            assert!(!is_exempt(list, "https://open.feishu.cn"), "{list}");
        }
        assert!(is_exempt("open.feishu.cn:8443", "https://open.feishu.cn:8443"));
        assert!(is_exempt("10.0.0.0/8", "https://10.1.2.3") && is_exempt("10.1.2.3:443", "https://10.1.2.3"));
        for list in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::/32"] {
            assert!(is_exempt(list, "https://[2001:db8::1]"), "{list}");
        }
        assert!(!is_exempt("[2001:db8::1]:8443", "https://[2001:db8::1]"));
    }
}
