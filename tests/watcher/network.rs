//! The way to a remote host: the proxies and authorities that environment and configuration name are shown by `check`,
//! and what can't be used is refused by name before anything starts.

use std::process::Output;

use crate::harness::Bench;
use crate::outputs::{stderr, stdout};

/// Where nothing listens: no test talks to the real host.
const NOTHING_LISTENS: &str = "http://127.0.0.1:9";

/// A bench whose one app is remote.
fn remote_bench() -> Bench {
    let bench = Bench::new();
    bench.list("watchlist.toml", [("70", "doc70")]);
    let local = bench.sim.base_url().to_owned();
    bench.reconfigure(&local, "https://open.feishu.cn");
    bench
}

/// What a command prints under an environment without proxies and certificates but these.
fn output(bench: &Bench, command: &str, variables: &[(&str, &str)]) -> Output {
    let mut call = bench.command(command, &[]);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        call.env_remove(name);
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        call.env_remove(name);
    }
    call.envs(variables.iter().copied()).output()
}

/// Both refuse with 78 and the variable's name, and repeat nothing of what may be a password.
fn assert_refused(bench: &Bench, variables: &[(&str, &str)], expected: &str) {
    let check = output(bench, "check", variables);
    let line = format!("environment: error: {expected}");
    assert!(stdout(&check).contains(&line), "no {line:?} in\n{}", stdout(&check));
    let run = output(bench, "run", variables);
    let line = format!("error: {expected}");
    assert!(stderr(&run).contains(&line), "no {line:?} in\n{}", stderr(&run));
    for output in [&check, &run] {
        assert_eq!(output.status.code(), Some(78));
        assert!(!(stdout(output) + &stderr(output)).contains("hunter2"));
    }
    assert!(!bench.path("state.db").exists(), "nothing was started");
}

/// Promise: a proxy that can't be used is not passed over in silence.
#[test]
fn a_variable_that_names_no_proxy_is_refused() {
    let bench = remote_bench();
    for (name, value, why) in [
        ("HTTPS_PROXY", "\"http://u:hunter2@p:1\"", "holds a quote, a blank"),
        ("https_proxy", "http://u:hunter2@p:1 ", "holds a quote, a blank"),
        ("ALL_PROXY", "gopher://u:hunter2@p:1", "has an unknown scheme"),
        ("all_proxy", "socks5://u:hunter2@", "is not a URL"),
    ] {
        assert_refused(&bench, &[(name, value)], &format!("{name}: {why}"));
    }
    // An app on this machine is reached without any, and so is everything where the first variable is good.
    let local = Bench::new();
    local.list("watchlist.toml", [("70", "doc70")]);
    assert_eq!(output(&local, "check", &[("HTTPS_PROXY", "\"")]).status.code(), Some(0));
    let good = [("HTTPS_PROXY", NOTHING_LISTENS), ("ALL_PROXY", "\"")];
    assert_eq!(output(&bench, "check", &good).status.code(), Some(0));
}

/// Promise: which way an app's requests go can be seen before one is sent, without the proxy's password.
#[test]
fn check_shows_the_proxy_of_each_app() {
    let bench = remote_bench();
    let text = bench.read("watcher.toml");
    let lark = "[apps.lark]\nbase_url = \"https://open.larksuite.com\"\napp_id = \"cli_b\"\n\
        app_secret = { file = \"app_secret\" }\n";
    bench.write("watcher.toml", &format!("{text}\n{lark}"));
    bench.write("watchlist.toml", "[[ticket]]\nticket = \"70\"\ntoken = \"doc70\"\napp = \"lark\"\n");
    let proxies = |variables: &[(&str, &str)]| {
        let check = output(&bench, "check", variables);
        assert!(!stdout(&check).contains("hunter2"), "{}", stdout(&check));
        let said = stdout(&check);
        said.lines()
            .filter_map(|line| line.strip_prefix("  proxy        "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(proxies(&[]), ["none", "none"]);
    let socks = "socks5h://u:hunter2@127.0.0.1:9";
    let shown = "socks5h://127.0.0.1:9 (by ALL_PROXY)";
    assert_eq!(proxies(&[("ALL_PROXY", socks)]), [shown, shown]);
    for exempt in ["*.larksuite.com", "open.larksuite.com:443", "larksuite.com"] {
        assert_eq!(proxies(&[("ALL_PROXY", socks), ("NO_PROXY", exempt)]), [shown, "none (by NO_PROXY)"]);
    }
}

/// Promise: a variable that leaves no authority to trust is refused by name, rather than every server.
#[test]
fn a_variable_that_leads_to_no_certificate_is_refused() {
    let bench = remote_bench();
    bench.write("empty.pem", "");
    std::fs::create_dir(bench.path("folder")).unwrap();
    let at = |name: &str| bench.path(name).display().to_string();
    let (empty, folder, missing) = (at("empty.pem"), at("folder"), at("missing"));
    for (name, value, why) in [
        ("SSL_CERT_FILE", "", "is empty"),
        ("SSL_CERT_FILE", &*missing, "failed to read PEM from file: No such file or directory"),
        ("SSL_CERT_FILE", &*folder, "failed to read PEM from file: Is a directory"),
        ("SSL_CERT_FILE", &*empty, "holds no certificate"),
        ("SSL_CERT_DIR", "", "is empty"),
        ("SSL_CERT_DIR", &*folder, "holds no certificate"),
        ("SSL_CERT_DIR", &*missing, "opening directory: No such file or directory"),
    ] {
        assert_refused(&bench, &[(name, value)], &format!("{name}: {why}"));
    }
    let local = Bench::new();
    local.list("watchlist.toml", [("70", "doc70")]);
    assert_eq!(output(&local, "check", &[("SSL_CERT_FILE", "")]).status.code(), Some(0));
}

/// Promise: which authorities an app's host is trusted by can be seen before a request is sent.
#[test]
fn check_shows_the_trust_store_of_each_app() {
    let bench = remote_bench();
    let certificate = include_str!("../../src/feishu/testdata/ca.pem");
    bench.write("ca.pem", certificate);
    bench.write("own.pem", certificate);
    let at = |name: &str| bench.path(name).display().to_string();
    let said = stdout(&output(&bench, "check", &[("SSL_CERT_FILE", &at("ca.pem"))]));
    assert!(said.contains(&format!("\n  trust store  SSL_CERT_FILE {} (1)\n", at("ca.pem"))), "{said}");
    bench.reconfigure("app_id = ", "ca_file = \"own.pem\"\napp_id = ");
    let said = stdout(&output(&bench, "check", &[("SSL_CERT_FILE", &at("ca.pem"))]));
    let both =
        format!("\n  trust store  SSL_CERT_FILE {} (1) and ca_file {} (1)\n", at("ca.pem"), at("own.pem"));
    assert!(said.contains(&both), "{said}");
}
