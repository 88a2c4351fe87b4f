//! `[server]`: where health, status and metrics are served. `/status` shows file tokens, so an address that other
//! machines can reach needs a second key. A probe needs the address alone: a mistake elsewhere must not make a watcher
//! that runs look ill.

use std::net::SocketAddr;

use super::section::{Field, Section};
use super::settings::ServerConfig;

pub(super) const SERVER_KEYS: &[&str] = &["listen", "allow_remote"];

const ADDRESS: &str =
    "an IP address and a port from 1 to 65535, such as \"127.0.0.1:9464\" or \"[::1]:9464\"";

/// What `[server]` says.
pub(super) struct ServerSection {
    /// The address, if a line that could be parsed names one, whether or not it may be served there.
    pub(super) listen: Option<SocketAddr>,
    /// The server, if there is such a section. The outer option is none where that has an error.
    pub(super) config: Option<Option<ServerConfig>>,
}

/// Reads the section, if the file has it. No default is filled in: a server is there only where a file asks
/// for it.
pub(super) fn read(root: &Section<'_>) -> ServerSection {
    let Some(field) = root.field("server") else {
        return ServerSection { listen: None, config: Some(None) };
    };
    let Some(section) = field.table(SERVER_KEYS) else {
        return ServerSection { listen: None, config: None };
    };
    let named = section.field("listen").filter(|_| section.holds("listen"));
    let listen = named.and_then(|field| field.value.as_str()?.parse().ok());
    ServerSection { listen, config: read_section(&section).map(Some) }
}

fn read_section(section: &Section<'_>) -> Option<ServerConfig> {
    let allowed = section.optional("allow_remote", |field| {
        field.value.as_bool().or_else(|| field.unexpected("true or false"))
    });
    let missing = || format!("`listen` is missing; expected {ADDRESS}, or leave the whole section out");
    let listen = section.field("listen").or_else(|| section.missing(&["listen"], missing));
    let listen = read_address(&listen?, allowed.map(|allowed| allowed == Some(true)))?;
    Some(ServerConfig { listen })
}

/// `allowed` is unknown where it is itself in error, which is report enough.
fn read_address(field: &Field<'_>, allowed: Option<bool>) -> Option<SocketAddr> {
    let text = field.text(ADDRESS)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        return field.unfit(&format!("{ADDRESS}; host names are not taken"));
    };
    if address.port() == 0 {
        return field.unfit("a port from 1 to 65535: with port 0 the system picks one that no probe knows");
    }
    if !allowed? && !address.ip().to_canonical().is_loopback() {
        return field.error(|| {
            "`listen`: other machines may reach this address, and /status shows file tokens; \
             use a loopback address such as \"127.0.0.1:9464\", or say allow_remote = true"
                .to_owned()
        });
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::super::watcher;

    const REST: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"s\" }\n";

    fn check(section: &str) -> Result<Option<String>, Vec<String>> {
        let text = format!("watchlist = [\"l\"]\n{section}\n{REST}");
        let reading = watcher::check(&std::path::Path::new("f").into(), &text);
        let problems: Vec<_> = reading.problems.iter().map(ToString::to_string).collect();
        match reading.config {
            Some(config) => Ok(config.server.map(|server| server.listen.to_string())),
            None => Err(problems),
        }
    }

    /// Promise: what is no address is refused by what is wrong with it.
    #[test]
    fn each_slip_in_an_address_is_named() {
        for (address, expected) in [
            ("127.0.0.1:99999", "a port from 1 to 65535"),
            ("[::1]:65536", "a port from 1 to 65535"),
            ("127.0.0.1:0", "with port 0 the system picks one that no probe knows"),
            ("localhost:9464", "host names are not taken"),
            ("localhost:99999", "host names are not taken"),
            ("127.0.0.1", "expected an IP address and a port"),
            ("127.0.0.1:", "expected an IP address and a port"),
            ("::1:99999", "expected an IP address and a port"),
            ("9464", "expected an IP address and a port"),
        ] {
            let refused = check(&format!("[server]\nlisten = \"{address}\"")).unwrap_err();
            let [only] = refused.as_slice() else { panic!("{refused:?}") };
            assert!(only.contains(expected), "{address}: {only}");
        }
    }

    /// Promise: whatever else is wrong with a file, the address that it names is known; none is guessed.
    #[test]
    fn mistakes_elsewhere_leave_the_address_known() {
        let listen = |text: &str| watcher::check(&std::path::Path::new("f").into(), text).listen;
        let good = format!("watchlist = [\"l\"]\n[server]\nlisten = \"127.0.0.1:9464\"\n{REST}");
        let expected = "127.0.0.1:9464".parse().ok();
        assert_eq!(listen(&good), expected);
        for (right, wrong) in [
            ("base_url", "base_ulr"),
            ("https", "ftp"),
            ("watchlist", "watch list"),
            ("\"cli_a\"", "\"cli_a"),
            ("[server]", "[server]\nallow_remote = 7"),
            ("[server]", "[server]\nnew_key = 7"),
            ("[apps.a]", "[poll]\njitter = 7\n[apps.a"),
        ] {
            let bad = good.replace(right, wrong);
            assert!(watcher::check(&std::path::Path::new("f").into(), &bad).config.is_none(), "{bad}");
            assert_eq!(listen(&bad), expected, "{bad}");
        }
        let remote = good.replace("127.0.0.1", "192.168.0.7");
        assert_eq!(listen(&remote), "192.168.0.7:9464".parse().ok(), "asking is allowed");
        for (right, wrong) in [
            ("listen", "listne"),
            ("[server]", "[sever]"),
            ("listen = ", "listen "),
            ("9464\"", "9464"),
            ("\"127.0.0.1:9464\"", "9464"),
            ("127.0.0.1", "localhost"),
        ] {
            let bad = good.replace(right, wrong);
            assert_eq!(listen(&bad), None, "{bad}");
        }
    }

    /// Promise: off when absent; otherwise every address that other machines can't reach, and the others only
    /// if allowed.
    #[test]
    fn addresses_are_taken() {
        assert_eq!(check(""), Ok(None));
        for address in ["127.0.0.1:9464", "127.9.9.9:1", "[::1]:65535", "[::ffff:127.0.0.1]:80"] {
            for more in ["", "allow_remote = false", "allow_remote = true"] {
                let taken = check(&format!("[server]\nlisten = \"{address}\"\n{more}"));
                assert_eq!(taken, Ok(Some(address.to_owned())), "{more}");
            }
        }
        for address in ["0.0.0.0:9464", "[::]:9464", "192.168.0.7:9464", "[2001:db8::1]:9464"] {
            for more in ["", "allow_remote = false"] {
                let refused = check(&format!("[server]\n{more}\nlisten = \"{address}\"")).unwrap_err();
                let [only] = refused.as_slice() else { panic!("{refused:?}") };
                assert!(
                    only.starts_with("f:4:10: error: ") && only.contains("allow_remote = true"),
                    "{only}"
                );
                assert!(!only.contains(address), "no value of the file is repeated: {only}");
            }
            let taken = check(&format!("server = {{ listen = \"{address}\", allow_remote = true }}"));
            assert_eq!(taken, Ok(Some(address.to_owned())));
        }
    }
}
