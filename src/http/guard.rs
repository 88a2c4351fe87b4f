//! Which requests are answered. A page in a browser on this machine can send requests to loopback, and by a host name of
//! its own that it points there (DNS rebinding) read the answers, too. Such a request carries that name, so
//! a server that listens on loopback answers only those that address it by a name of loopback.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::{Request, Version};

/// Whether the server at `listen` answers this request.
pub(super) fn may_ask<B>(request: &Request<B>, listen: SocketAddr) -> bool {
    if !is_loopback(listen.ip()) {
        // The names by which it can be reached are the operator's choice; there may be many.
        return true;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let by_header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(names_loopback),
        // HTTP/1.0 knows no such header, and browsers do not speak it.
        (None, None) => request.version() <= Version::HTTP_10,
        _ => false,
    };
    by_header && request.uri().authority().is_none_or(|authority| names_loopback(authority.as_str()))
}

/// With or without a port, and with nothing else around it.
fn names_loopback(host: &str) -> bool {
    let is_address = |text: &str| text.parse().is_ok_and(|address: SocketAddr| is_loopback(address.ip()));
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_localhost = name.eq_ignore_ascii_case("localhost") && port.parse::<u16>().is_ok();
    is_localhost || is_address(host) || is_address(&format!("{host}:0"))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    fn allowed(version: Version, uri: &str, hosts: &[&str]) -> bool {
        may_ask(&request(version, uri, hosts), "127.0.0.1:9464".parse().unwrap())
    }

    /// Promise: a page that points its own name to loopback reads nothing.
    #[test]
    fn only_names_of_loopback_are_answered() {
        let http = Version::HTTP_11;
        for host in ["localhost", "LocalHost:9464", "127.0.0.1", "127.8.9.10:80", "[::1]:9464", "[::1]"] {
            assert!(allowed(http, "/status", &[host]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil@localhost",
            "0.0.0.0:9464",
            "192.168.0.1",
            "2130706433",
            "",
            ":9464",
            "[::2]",
            "[::1]evil.example",
            "localhost:80@localhost",
            "::1",
            "a b",
            "é",
        ] {
            assert!(!allowed(http, "/status", &[host]), "{host}");
        }
        assert!(!allowed(http, "/status", &[]), "HTTP/1.1 demands a host");
        assert!(allowed(Version::HTTP_10, "/status", &[]));
        assert!(!allowed(Version::HTTP_10, "/status", &["evil.example"]));
        assert!(!allowed(http, "/status", &["localhost", "evil.example"]));
        assert!(!allowed(http, "http://evil.example/status", &["localhost"]));
        assert!(!allowed(http, "[::1]evil.example", &["localhost"]));
        assert!(allowed(http, "http://localhost:9464/status", &["localhost"]));
    }

    /// Promise: a server that was made reachable is reached by any name.
    #[test]
    fn a_remote_server_has_any_name() {
        let asked = request(Version::HTTP_11, "/livez", &["watcher.default.svc"]);
        assert!(may_ask(&asked, "0.0.0.0:9464".parse().unwrap()));
        assert!(!may_ask(&asked, "[::1]:9464".parse().unwrap()));
        assert!(!may_ask(&asked, "[::ffff:127.0.0.1]:9464".parse().unwrap()));
    }
}
