//! What must hold of who may ask the server. The fuzzer's target takes this file and the guard by path, because no
//! library holds them; the tests replay its inputs.
//!
//! An input is the head of a request as on the wire: method, target and version, then a header a line. Every header
//! counts as a `Host`, whatever its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Version};

use super::guard::may_ask;

/// Holds the answer to a request of any bytes to what is promised of the server on loopback.
pub(super) fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(request) = read(&mut lines) else { return };
    let listens = |address: [u8; 4]| SocketAddr::from((address, 9464));
    assert!(may_ask(&request, listens([0, 0, 0, 0])), "a server that was made reachable");
    let asked = may_ask(&request, listens([127, 0, 0, 1]));
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    let is_here = match hosts[..] {
        [] => request.version() <= Version::HTTP_10,
        [host] => str::from_utf8(host.as_bytes()).is_ok_and(names_this_machine),
        _ => false,
    };
    let target = request.uri().authority();
    let is_here = is_here && target.is_none_or(|target| names_this_machine(target.as_str()));
    assert!(!asked || is_here, "{request:?} was answered");
    let is_usual_host = |host: &&HeaderValue| host.to_str().is_ok_and(is_usual);
    let is_usual = hosts.iter().all(is_usual_host) && target.is_none_or(|target| is_usual(target.as_str()));
    assert!(asked || !is_here || !is_usual, "{request:?} was not answered");
}

fn read<'b>(lines: &mut impl Iterator<Item = &'b [u8]>) -> Option<Request<()>> {
    let mut words = str::from_utf8(lines.next()?).ok()?.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let version = if words.next() == Some("HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request = Request::builder().method(method).uri(target).version(version);
    for line in lines.take_while(|line| !line.is_empty()) {
        let value = line.iter().position(|byte| *byte == b':').map(|colon| line[colon + 1..].trim_ascii())?;
        request = request.header(HOST, HeaderValue::from_bytes(value).ok()?);
    }
    request.body(()).ok()
}

/// Whether a host, with or without a port, is this machine and nobody else can have it.
fn names_this_machine(text: &str) -> bool {
    let (host, port) = parted(text);
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| !port.contains('@'));
    let is_here = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.octets()[0] == 127,
        Ok(IpAddr::V6(address)) => {
            let mapped = address.to_ipv4_mapped().is_some_and(|address: Ipv4Addr| address.octets()[0] == 127);
            address == Ipv6Addr::LOCALHOST || mapped
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    has_port && is_here
}

/// A host without its brackets, and what follows it.
fn parted(text: &str) -> (&str, &str) {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    }
}

/// Whether a browser could have sent it.
fn is_usual(text: &str) -> bool {
    let (host, port) = parted(text);
    let is_bracketed = text.starts_with('[');
    let is_host = is_bracketed == host.parse::<Ipv6Addr>().is_ok();
    let digits = port.strip_prefix(':').unwrap_or("80");
    let has_port = digits.parse::<u16>().is_ok() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_host && has_port && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:".contains(&byte))
}
