//! Files on a disk: which are read, which are left out, and the problems that are reported.

use super::*;

const WATCHER: &str = "[apps.default]\nbase_url = 'https://open.feishu.cn'\napp_id = 'cli_a1'\n\
    app_secret = { file = 'secret' }\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(watchlist: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("watcher.toml", format!("watchlist = {watchlist}\n{WATCHER}"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn config(&self) -> Config {
        load(&self.path("watcher.toml")).unwrap().0
    }

    /// The tickets with their tokens, the names of rejected files, and the report.
    fn read(&self) -> Result<(Vec<String>, Vec<PathBuf>, String), String> {
        let strip = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
        match load_all(&self.path("watcher.toml"), now()) {
            Ok(Loaded { watch_list: list, problems, .. }) => {
                let names = |entry: &crate::domain::WatchEntry| {
                    let file = entry.source.strip_prefix(self.0.path()).unwrap().display();
                    format!("{}={} {file}", entry.key.id, entry.token)
                };
                let rejected =
                    list.rejected.iter().map(|path| path.strip_prefix(self.0.path()).unwrap().into());
                Ok((list.entries.iter().map(names).collect(), rejected.collect(), strip(lines(&problems))))
            }
            Err(error) => Err(strip(error.to_string())),
        }
    }
}

fn ticket(ticket: &str, token: &str) -> String {
    format!("[[ticket]]\nticket = '{ticket}'\ntoken = '{token}'\n")
}

#[test]
fn relative_paths_start_at_the_config_folder() {
    let folder = Folder::new("['list.toml', 'd/*.toml', '/abs/*.toml']");
    let config = folder.config();
    assert_eq!(config.state.path, folder.path("state.db"));
    assert_eq!(config.path.as_ref(), folder.path("watcher.toml"));
    assert_eq!(config.watchlist[0].kind, WatchSourceKind::File(folder.path("list.toml")));
    assert_eq!(config.watchlist[2].kind, WatchSourceKind::Glob("/abs/*.toml".into()));
}

#[test]
fn files_are_read_once_and_hidden_ones_not_at_all() {
    let folder = Folder::new("['d/*.toml', 'list.toml', './d/a.toml', 'none/*.toml']");
    folder.write("list.toml", ticket("1", "a"));
    folder.write("d/b.toml", ticket("3", "c"));
    folder.write("d/a.toml", ticket("2", "b"));
    folder.write("d/.#a.toml", "not read");
    folder.write("d/.a.toml.swp", "not read");
    fs::create_dir(folder.path("none")).unwrap();
    let (entries, rejected, report) = folder.read().unwrap();
    assert_eq!(entries, ["1=a list.toml", "2=b ./d/a.toml", "3=c d/b.toml"].map(|e| e.replace("./", "")));
    assert_eq!((rejected, report.as_str()), (vec![], ""));
}

#[test]
fn a_file_named_in_full_must_be_valid() {
    for (content, report) in [
        (None, "watcher.toml:1:14: error: watch list list.toml: no such file"),
        (Some(&b"a = \"\xff\""[..]), "list.toml:1:6: error: not UTF-8 from here on; save the file as UTF-8"),
        (Some(b"x = 1"), "list.toml:1:1: error: unknown key `x`; accepted here: ticket, document"),
    ] {
        let folder = Folder::new("['list.toml']");
        if let Some(content) = content {
            folder.write("list.toml", content);
        }
        assert_eq!(folder.read().unwrap_err(), report);
    }
    let folder = Folder::new("['list.toml']");
    fs::create_dir(folder.path("list.toml")).unwrap();
    let report = "watcher.toml:1:14: error: watch list list.toml: is a folder, not a file";
    assert_eq!(folder.read().unwrap_err(), report);
}

#[test]
fn a_bad_file_that_a_pattern_matched_is_left_out() {
    let folder = Folder::new("['d/*.toml']");
    folder.write("d/a.toml", ticket("1", "a") + "x = 1\n");
    folder.write("d/b.toml", ticket("1", "b"));
    fs::create_dir(folder.path("d/c.toml")).unwrap();
    let (entries, rejected, report) = folder.read().unwrap();
    assert_eq!(entries, ["1=b d/b.toml"]);
    assert_eq!(rejected, ["d/a.toml", "d/c.toml"].map(PathBuf::from));
    assert!(report.contains("d/a.toml:4:1: error: unknown key `x`"), "{report}");
    assert!(report.contains("d/c.toml: error: is a folder, not a file"), "{report}");
}

#[test]
fn in_a_conflict_the_later_file_gives_way() {
    let folder = Folder::new("['d/*.toml', 'list.toml']");
    folder.write("list.toml", ticket("1", "a"));
    folder.write("d/a.toml", ticket("2", "b") + &ticket("1", "other"));
    folder.write("d/b.toml", ticket("2", "c") + &ticket("1", "a"));
    let (entries, rejected, report) = folder.read().unwrap();
    assert_eq!(entries, ["1=a list.toml", "2=c d/b.toml"]);
    assert_eq!(rejected, [PathBuf::from("d/a.toml")]);
    assert!(
        report.contains("d/a.toml:4:1: error: ticket `1` stands already in list.toml with another"),
        "{report}"
    );
    assert!(report.contains("d/b.toml:4:1: warning: ticket `1` stands already in list.toml;"), "{report}");
}

#[test]
fn both_files_are_checked_in_one_run() {
    let folder = Folder::new("['list.toml']");
    folder.write("list.toml", "x = 1");
    let text = fs::read_to_string(folder.path("watcher.toml")).unwrap();
    folder.write("watcher.toml", text + "colour = 1\n");
    let ConfigError(problems) = load_all(&folder.path("watcher.toml"), now()).unwrap_err();
    let report = lines(&problems);
    assert!(report.contains("watcher.toml:6:1: error: unknown key"), "{report}");
    assert!(report.contains("list.toml:1:1: error: unknown key `x`"), "{report}");
}

#[test]
fn a_watcher_file_that_cannot_be_read_says_so() {
    let folder = Folder::new("[]");
    let error = load(&folder.path("none.toml")).unwrap_err().to_string();
    assert!(error.ends_with("none.toml: error: no such file"), "{error}");
    assert!(load(Path::new("")).is_err());
}

#[test]
fn a_long_list_is_read_in_parts() {
    let folder = Folder::new("['list.toml']");
    let token = "docbcZVGtv1papC6jAVGiyabcef";
    let mut text: String = (0..10_000).map(|number| ticket(&number.to_string(), token)).collect();
    folder.write("list.toml", &text);
    assert_eq!(folder.read().unwrap().0.len(), 10_000);
    text += &ticket("9999", "other");
    text += &ticket("5", token);
    folder.write("list.toml", &text);
    let report = folder.read().unwrap_err();
    assert!(
        report.contains("list.toml:30001:1: error: ticket `9999` stands already in line 29998"),
        "{report}"
    );
    assert!(report.contains("list.toml:30004:1: warning: ticket `5` stands already in line 16;"), "{report}");
}

#[test]
fn secrets_are_looked_at_but_never_shown() {
    let folder = Folder::new("['list.toml']");
    let report =
        || lines(&check_secrets(&folder.config())).replace(&format!("{}/", folder.0.path().display()), "");
    let place = "watcher.toml:5:14: error: app_secret of app `default`: file secret: ";
    assert_eq!(report(), format!("{place}no such file\n"));
    for (content, message) in [
        ("\n", "is empty"),
        ("CANARY CANARY", "is not one line of letters, digits and signs without blanks"),
        ("CANARY\nCANARY\n", "is not one line of letters, digits and signs without blanks"),
        ("'CANARY'", "stands in quotes; leave them out"),
    ] {
        folder.write("secret", content);
        make_private(&folder.path("secret"));
        assert_eq!(report(), format!("{place}{message}\n"));
    }
    folder.write("secret", " CANARY \r\n");
    assert_eq!(report(), "");
}

#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("['list.toml']");
    folder.write("secret", "CANARY");
    fs::set_permissions(folder.path("secret"), fs::Permissions::from_mode(0o640)).unwrap();
    let problems = check_secrets(&folder.config());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
    assert!(problems[0].message.contains("(mode 640)"), "{}", problems[0]);
}

/// Promise: a folder in the place of a secret is an error, without advice that would take away the right to enter it.
#[test]
fn a_folder_is_no_secret_and_keeps_its_mode() {
    let folder = Folder::new("['list.toml']");
    fs::create_dir(folder.path("secret")).unwrap();
    let problems = check_secrets(&folder.config());
    let [only] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(only.is_error() && only.message.contains("is a folder, not a file"), "{only}");
}

#[test]
fn sources_are_shared_by_the_entries_of_a_file() {
    let folder = Folder::new("['list.toml']");
    folder.write("list.toml", ticket("1", "a") + &ticket("2", "b"));
    let list = load_all(&folder.path("watcher.toml"), now()).unwrap().watch_list;
    assert!(Arc::ptr_eq(&list.entries[0].source, &list.entries[1].source));
}

/// Promise: that a file of certificates is none is said with its place when it is read, not by the first connection.
#[test]
fn a_ca_file_is_read_with_the_configuration() {
    const CERTIFICATE: &str = include_str!("../../feishu/testdata/ca.pem");
    const KEY: &str = include_str!("../../feishu/testdata/ca.key");
    let folder = Folder::new("['list.toml']");
    folder.write("list.toml", "");
    let text = fs::read_to_string(folder.path("watcher.toml")).unwrap();
    folder.write("watcher.toml", format!("{text}ca_file = 'ca.pem'\n"));
    folder.write("ca.pem", CERTIFICATE.repeat(2));
    let ca_file = folder.config().apps.remove(0).ca_file.unwrap();
    assert_eq!((ca_file.path, ca_file.certificates.len()), (folder.path("ca.pem"), 2));
    let broken = CERTIFICATE.replace("MII", "AAA");
    let torn = CERTIFICATE.replace("-----END", "-----AND");
    for (content, expected) in [
        ("", "holds no certificate; expected PEM"),
        ("\u{30}\u{82}\u{1}", "holds no certificate; expected PEM"),
        (KEY, "holds no certificate; expected PEM"),
        (&broken, "holds a certificate that is broken"),
        (&torn, "is not valid PEM"),
    ] {
        folder.write("ca.pem", content);
        let report = folder.read().unwrap_err();
        assert!(report.starts_with(&format!("watcher.toml:6:11: error: `ca_file`: {expected}")), "{report}");
    }
    fs::remove_file(folder.path("ca.pem")).unwrap();
    let report = folder.read().unwrap_err();
    assert!(report.starts_with("watcher.toml:6:11: error: `ca_file`: "), "{report}");
    fs::create_dir(folder.path("ca.pem")).unwrap();
    assert!(folder.read().unwrap_err().contains("`ca_file`: is a folder, not a file"));
}
