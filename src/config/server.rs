//! `[server]`: where health, status and metrics are served. `/status` shows file tokens, so what other machines could
//! reach has to be asked for twice.

use std::net::SocketAddr;

use super::section::{Field, Section};
use super::settings::ServerConfig;

pub(super) const SERVER_KEYS: &[&str] = &["listen", "allow_remote"];

const ADDRESS: &str = "an IP address and a port, such as \"127.0.0.1:9464\" or \"[::1]:9464\"";

/// What could be made of `[server]`.
pub(super) enum ServerReading {
    /// There is no such section.
    Absent,
    /// It is not in order, which is reported.
    Bad,
    Good(ServerConfig),
}

/// Reads the section, if the file has it. No default is filled in: a server is there only where a file asks
/// for it.
pub(super) fn read(root: &Section<'_>) -> ServerReading {
    let Some(field) = root.field("server") else {
        return ServerReading::Absent;
    };
    let config = field.table(SERVER_KEYS).and_then(|section| read_section(&section));
    config.map_or(ServerReading::Bad, ServerReading::Good)
}

fn read_section(section: &Section<'_>) -> Option<ServerConfig> {
    section.finish();
    let allowed = match section.field("allow_remote") {
        Some(field) => field.truth("true or false"),
        None => Some(false),
    };
    let listen = section.field("listen");
    if listen.is_none() {
        section.missing(&["listen"], || {
            format!("`listen` is missing; expected {ADDRESS}, or leave the whole section out")
        });
    }
    let listen = read_address(&listen?, allowed)?;
    Some(ServerConfig { listen })
}

/// `allowed` is unknown where it is itself in error, which is report enough.
fn read_address(field: &Field<'_>, allowed: Option<bool>) -> Option<SocketAddr> {
    let Ok(address) = field.text(ADDRESS)?.parse::<SocketAddr>() else {
        return field.unfit(&format!("{ADDRESS}; host names are not taken"));
    };
    if address.port() == 0 {
        return field.unfit("a port from 1 to 65535: with port 0 nobody would know where to ask");
    }
    if !allowed? && !address.ip().to_canonical().is_loopback() {
        field.error(|| {
            "`listen`: other machines may reach this address, and /status shows file tokens; \
             use a loopback address such as \"127.0.0.1:9464\", or say allow_remote = true"
                .to_owned()
        });
        return None;
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
