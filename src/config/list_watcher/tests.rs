//! Files that change between scans, in the ways in which they change in the field.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::load::{Loaded, load_all};
use super::*;

const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// A folder with a configuration, and the watcher of its lists.
struct Bench {
    folder: TempDir,
    config: Config,
    list_watcher: ListWatcher,
    /// Files that pending tickets come from; none if they are unknown.
    pending: Option<HashSet<PathBuf>>,
    /// Whether the last news kept every ticket.
    keeps_all: bool,
}

impl Bench {
    /// The files are there before the start.
    fn new(watchlist: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("watcher.toml");
        let app =
            "[apps.a]\nbase_url = 'https://open.feishu.cn'\napp_id = 'cli_a1'\napp_secret = { file = 's' }\n";
        fs::write(&path, format!("watchlist = {watchlist}\n{app}")).unwrap();
        let Loaded { config, list_watcher, .. } = load_all(&path, NOW).unwrap();
        let mut bench =
            Self { folder, config, list_watcher, pending: Some(HashSet::new()), keeps_all: false };
        assert!(bench.scan().is_none(), "nothing changed");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn scan(&mut self) -> Option<News> {
        self.scan_with(ReloadMode::WhenQuiet)
    }

    fn scan_with(&mut self, mode: ReloadMode) -> Option<News> {
        let news = self.list_watcher.scan(&self.config, mode, NOW, || self.pending.clone())?;
        self.keeps_all = news.kept.all;
        let short = |path: &Path| path.strip_prefix(self.folder.path()).unwrap().display().to_string();
        let mut kept: Vec<_> = news.kept.files.iter().map(|path| short(path)).collect();
        kept.sort();
        let rejected = news.rejected.iter().map(|path| short(path)).collect();
        let tickets = news.lists.into_list().entries.iter().map(|entry| entry.key.id.to_string()).collect();
        Some(News { tickets, kept, rejected, problems: news.problems.len() })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct News {
    tickets: Vec<String>,
    kept: Vec<String>,
    rejected: Vec<String>,
    problems: usize,
}

/// News without anything bad.
fn news(tickets: &[&str]) -> Option<News> {
    let tickets = tickets.iter().map(ToString::to_string).collect();
    Some(News { tickets, kept: Vec::new(), rejected: Vec::new(), problems: 0 })
}

fn tickets(tickets: &[&str]) -> String {
    tickets.iter().map(|ticket| format!("[[ticket]]\nticket = '{ticket}'\ntoken = 'doc{ticket}'\n")).collect()
}

/// A change is taken once it has been quiet for a look, and once only.
#[test]
fn a_change_is_taken_when_it_is_quiet() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1"]))]);
    bench.write("list.toml", &tickets(&["1", "2"]));
    assert_eq!(bench.scan(), None, "it may not be complete");
    bench.write("list.toml", &tickets(&["1", "2", "3"]));
    assert_eq!(bench.scan(), None, "it was not");
    assert_eq!(bench.scan(), news(&["1", "2", "3"]));
    for _ in 0..3 {
        assert_eq!(bench.scan(), None);
    }
    bench.write("d/more.toml", &tickets(&["4"]));
    assert_eq!((bench.scan(), bench.scan()), (None, news(&["1", "2", "3", "4"])));
    fs::remove_file(bench.path("d/more.toml")).unwrap();
    assert_eq!((bench.scan(), bench.scan(), bench.scan()), (None, news(&["1", "2", "3"]), None));
}

#[test]
fn at_once_waits_for_nothing_and_reports_everything() {
    let mut bench = Bench::new("['list.toml']", &[("list.toml", &tickets(&["1"]))]);
    assert_eq!(bench.scan_with(ReloadMode::AtOnce), news(&["1"]));
    bench.write("list.toml", &tickets(&["2"]));
    assert_eq!(bench.scan_with(ReloadMode::AtOnce), news(&["2"]));
    bench.write("list.toml", "rubbish");
    for _ in 0..2 {
        let news = bench.scan_with(ReloadMode::AtOnce).unwrap();
        assert_eq!((news.kept.len(), news.rejected.len(), news.problems), (1, 1, 1));
    }
}

/// Promise 5: files that are dropped without rest are loaded all the same; nothing is removed before they rest.
#[test]
fn what_never_rests_is_loaded_without_removing_anything() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1", "2"]))]);
    bench.write("list.toml", &tickets(&["1"]));
    let mut loads = Vec::new();
    for number in 3..9 {
        bench.write(&format!("d/{number}.toml"), &tickets(&[&number.to_string()]));
        loads.extend(bench.scan().map(|news| (number, news.tickets.len(), bench.keeps_all)));
    }
    assert_eq!(loads, [(5, 4, true), (8, 7, true)]);
    assert_eq!(bench.scan().map(|news| (news.tickets.len(), bench.keeps_all)), Some((7, false)));
    assert_eq!((bench.scan(), bench.scan()), (None, None));
}

/// Promise: lists that never rest do not hold back removals for ever: in the end only files that change keep what they
/// listed.
#[test]
fn what_never_rests_removes_in_the_end() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1", "2"]))]);
    bench.write("list.toml", &tickets(&["1"]));
    let mut loads = Vec::new();
    for number in 3..15 {
        bench.write(&format!("d/{number}.toml"), &tickets(&[&number.to_string()]));
        loads.extend(bench.scan().map(|news| (bench.keeps_all, news.kept)));
    }
    assert!(loads[..3].iter().all(|(keeps_all, _)| *keeps_all), "{loads:?}");
    assert_eq!(loads[3..], [(false, vec!["d/14.toml".to_owned()])]);
}

/// An editor writes a new file and renames it over the old one, which may be gone for a moment.
#[test]
fn a_file_that_is_replaced_is_never_taken_for_gone() {
    let mut bench = Bench::new("['d/*.toml']", &[("d/a.toml", &tickets(&["1"]))]);
    fs::remove_file(bench.path("d/a.toml")).unwrap();
    assert_eq!(bench.scan(), None, "gone for a moment");
    bench.write("d/.new", &tickets(&["2"]));
    fs::rename(bench.path("d/.new"), bench.path("d/a.toml")).unwrap();
    assert_eq!((bench.scan(), bench.scan()), (None, news(&["2"])));
}

/// Kubernetes mounts a ConfigMap as links into a folder that is itself a link, and swaps that.
#[test]
fn a_swapped_link_is_a_change() {
    let mut bench = Bench::new("['map/*.toml']", &[]);
    for (version, list) in [("..1", &["1"]), ("..2", &["2"])] {
        fs::create_dir_all(bench.path("map").join(version)).unwrap();
        bench.write(&format!("map/{version}/list.toml"), &tickets(list));
    }
    let old = SystemTime::now() - Duration::from_secs(3600);
    for version in ["..1", "..2"] {
        let file = fs::File::open(bench.path("map").join(version).join("list.toml")).unwrap();
        file.set_modified(old).unwrap();
    }
    symlink("..1", bench.path("map/..data")).unwrap();
    symlink("..data/list.toml", bench.path("map/list.toml")).unwrap();
    assert_eq!((bench.scan(), bench.scan(), bench.scan()), (None, news(&["1"]), None));
    symlink("..2", bench.path("map/..tmp")).unwrap();
    fs::rename(bench.path("map/..tmp"), bench.path("map/..data")).unwrap();
    fs::remove_dir_all(bench.path("map/..1")).unwrap();
    assert_eq!((bench.scan(), bench.scan(), bench.scan()), (None, news(&["2"]), None));
}

/// A bad file keeps what it listed, is said once, and the others go on.
#[test]
fn a_bad_file_is_kept_and_reported_once() {
    let lists = [("list.toml", &*tickets(&["1"])), ("d/a.toml", &tickets(&["2"]))];
    for bad in ["list.toml", "d/a.toml"] {
        let mut bench = Bench::new("['list.toml', 'd/*.toml']", &lists);
        let other = if bad == "list.toml" { "2" } else { "1" };
        bench.write(bad, "[[ticket]]\nticket = '7");
        assert_eq!(bench.scan(), None);
        let found = bench.scan().unwrap();
        assert_eq!((found.tickets, found.problems), (vec![other.to_owned()], 1));
        assert_eq!((found.kept, found.rejected), (vec![bad.to_owned()], vec![bad.to_owned()]));
        bench.write("d/b.toml", &tickets(&["3"]));
        assert_eq!(bench.scan(), None);
        let found = bench.scan().unwrap();
        assert_eq!((found.problems, found.rejected.len()), (0, 0), "said already");
        assert_eq!(found.kept, [bad], "and still bad");
        bench.write(bad, &tickets(&["4"]));
        assert_eq!(bench.scan(), None);
        assert_eq!(bench.scan().unwrap().kept, Vec::<String>::new());
    }
}

/// A file named in full that is gone, and one that is no text, are bad files like any other.
#[test]
fn what_cannot_be_read_is_kept() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1"]))]);
    fs::remove_file(bench.path("list.toml")).unwrap();
    fs::write(bench.path("d/binary.toml"), b"\xff\xfe\x00").unwrap();
    fs::create_dir(bench.path("d/folder.toml")).unwrap();
    assert_eq!(bench.scan(), None);
    let found = bench.scan().unwrap();
    assert_eq!(found.kept, ["d/binary.toml", "d/folder.toml", "list.toml"]);
    assert_eq!((found.rejected.len(), found.problems, found.tickets.len()), (3, 3, 0));
    assert_eq!((bench.scan(), bench.scan()), (None, None));
}

/// A folder that can't be looked into for a while takes no ticket away.
#[test]
fn files_of_a_folder_that_cannot_be_entered_are_kept() {
    let mut bench = Bench::new("['d/*.toml']", &[("d/a.toml", &tickets(&["1"]))]);
    // Stands in for a folder without permission, which root has everywhere: a name longer than any may be.
    let pattern = bench.path(&"n".repeat(300)).join("*.toml");
    let WatchSourceKind::Glob(source) = &mut bench.config.watchlist[0].kind else { panic!("no pattern") };
    *source = pattern.to_str().unwrap().to_owned();
    let file = pattern.with_file_name("a.toml");
    let file_like = bench.list_watcher.loaded.0[&bench.path("d/a.toml")].clone();
    bench.list_watcher.loaded.0 = BTreeMap::from([(file.clone(), file_like)]);
    assert_eq!(bench.scan(), None);
    let found = bench.scan().unwrap();
    assert_eq!((found.problems, found.tickets.len()), (1, 0));
    let short = file.strip_prefix(bench.folder.path()).unwrap().display().to_string();
    assert!(found.kept.contains(&short));
    assert_eq!((bench.scan(), bench.scan()), (None, None));
    assert!(bench.scan_with(ReloadMode::AtOnce).unwrap().kept.contains(&short), "there may be something");
}

/// A way in which the folder of a pattern stops listing anything, and the message about it.
type Loss = (&'static str, fn(&Path), &'static str);

const LOSSES: [Loss; 4] = [
    ("moved away", |d| fs::rename(d, d.with_extension("away")).unwrap(), "/d: no such folder"),
    (
        "a file in its place",
        |d| (fs::remove_dir_all(d).unwrap(), fs::write(d, "").unwrap()).1,
        "/d: is not a folder",
    ),
    (
        "a dangling link",
        |d| (fs::remove_dir_all(d).unwrap(), symlink("none", d).unwrap()).1,
        "/d: is a link to nothing",
    ),
    ("emptied", |d| fs::remove_file(d.join("a.toml")).unwrap(), "matches no file any more"),
];

/// A bench with ticket 1 in a list of its own and 2 in a folder, and the messages about a pattern.
fn with_a_folder() -> Bench {
    let mut bench = Bench::new(
        "['list.toml', 'd/*.toml']",
        &[("list.toml", &tickets(&["1"])), ("d/a.toml", &tickets(&["2"]))],
    );
    bench.pending = Some(HashSet::from([bench.path("d/a.toml")]));
    bench
}

/// Puts back what a loss took.
fn restore(bench: &Bench) {
    let folder = bench.path("d");
    let _ = fs::remove_file(&folder);
    let _ = fs::create_dir(&folder);
    bench.write("d/a.toml", &tickets(&["2", "3"]));
}

/// Promise 6: a folder that lists nothing any more takes no pending ticket away; that is said once, until it matches
/// again.
#[test]
fn a_folder_that_vanishes_takes_nothing_away() {
    for (how, lose, reason) in LOSSES {
        let mut bench = with_a_folder();
        lose(&bench.path("d"));
        assert_eq!(bench.scan(), None, "{how}: it may be back in a moment");
        let found = bench.scan().unwrap();
        assert_eq!((found.tickets, found.problems), (vec!["1".to_owned()], 1), "{how}");
        assert!(found.kept.contains(&"d/a.toml".to_owned()), "{how}: {:?}", found.kept);
        assert!(
            bench.list_watcher.reported.iter().any(|line| line.contains(reason)),
            "{how}: {:?}",
            bench.list_watcher.reported
        );
        assert_eq!((bench.scan(), bench.scan()), (None, None), "{how}: said once");
        bench.write("list.toml", &tickets(&["1", "5"]));
        assert_eq!(bench.scan(), None);
        let found = bench.scan().unwrap();
        assert_eq!(
            (found.problems, found.kept.contains(&"d/a.toml".to_owned())),
            (0, true),
            "{how}: others go on"
        );
        restore(&bench);
        assert_eq!((bench.scan(), bench.scan()), (None, news(&["1", "5", "2", "3"])), "{how}");
    }
}

/// SIGHUP confirms that a folder lists nothing, for as long as it does.
#[test]
fn sighup_confirms_that_nothing_is_listed() {
    for (how, lose, _) in LOSSES {
        let mut bench = with_a_folder();
        lose(&bench.path("d"));
        assert!(bench.scan().is_none() && bench.scan().is_some());
        assert_eq!(bench.scan_with(ReloadMode::AtOnce), news(&["1"]), "{how}");
        assert_eq!((bench.scan(), bench.scan()), (None, None), "{how}");
        restore(&bench);
        assert_eq!((bench.scan(), bench.scan()), (None, news(&["1", "2", "3"])), "{how}");
        fs::remove_file(bench.path("d/a.toml")).unwrap();
        assert_eq!(bench.scan(), None);
        assert_eq!(bench.scan().unwrap().problems, 1, "{how}: a new loss is a new question");
    }
}

/// A script that takes the last file out of a folder once its tickets are done causes no rejection.
#[test]
fn a_folder_without_pending_tickets_may_be_emptied() {
    let mut bench = with_a_folder();
    bench.pending = Some(HashSet::from([bench.path("list.toml")]));
    fs::remove_file(bench.path("d/a.toml")).unwrap();
    assert_eq!((bench.scan(), bench.scan(), bench.scan()), (None, news(&["1"]), None));
    let mut bench = with_a_folder();
    bench.pending = None;
    fs::remove_file(bench.path("d/a.toml")).unwrap();
    assert_eq!(bench.scan(), None);
    assert_eq!(bench.scan().unwrap().problems, 1, "where that is unknown, nothing is taken away");
}

/// Promise 6: at a start the same is known from the tickets that are pending.
#[test]
fn a_folder_that_is_not_there_at_the_start_is_recalled() {
    for (how, lose, reason) in LOSSES {
        let mut bench = with_a_folder();
        let pending = bench.pending.clone().unwrap();
        lose(&bench.path("d"));
        let Loaded { config, mut list_watcher, problems, .. } =
            load_all(&bench.path("watcher.toml"), NOW).unwrap();
        let Recalled { files, problems: more, rejected_patterns } =
            list_watcher.recall(&config, || Some(pending.clone()));
        assert_eq!((files, rejected_patterns), (vec![bench.path("d/a.toml")], 1), "{how}");
        let said: Vec<_> = problems.iter().chain(&more).filter(|problem| problem.is_error()).collect();
        assert!(said.len() == 1 && said[0].message.contains(reason), "{how}: {said:?}");
        (bench.config, bench.list_watcher) = (config, list_watcher);
        assert_eq!((bench.scan(), bench.scan()), (None, None), "{how}: said already");
        restore(&bench);
        assert_eq!((bench.scan(), bench.scan()), (None, news(&["1", "2", "3"])), "{how}");
    }
    // An empty folder of which nothing is pending is valid, and the state file is not asked about a full one.
    let bench = with_a_folder();
    let recall = |pending: &dyn Fn() -> Option<HashSet<PathBuf>>| {
        let Loaded { config, mut list_watcher, .. } = load_all(&bench.path("watcher.toml"), NOW).unwrap();
        list_watcher.recall(&config, pending)
    };
    assert_eq!(recall(&|| panic!("asked")).rejected_patterns, 0);
    fs::remove_file(bench.path("d/a.toml")).unwrap();
    assert_eq!(recall(&|| Some(HashSet::from([bench.path("list.toml")]))).rejected_patterns, 0);
}

/// Promise 6: a ticket that is moved from one file to another is never taken for gone, in whichever order the
/// files are seen to change.
#[test]
fn a_ticket_that_moves_is_never_gone() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1", "2"]))]);
    bench.write("list.toml", &tickets(&["1"]));
    assert_eq!(bench.scan(), None);
    bench.write("d/a.toml", &tickets(&["2"]));
    assert_eq!((bench.scan(), bench.scan()), (None, news(&["1", "2"])));
    assert!(!bench.keeps_all);
}

/// Promise 6: the state file is not even opened by a link in its place: SQLite's locks on it would be gone.
#[test]
fn the_state_file_is_no_watch_list() {
    let mut bench = Bench::new("['list.toml', 'd/*.toml']", &[("list.toml", &tickets(&["1"]))]);
    for suffix in ["", "-wal", "-shm"] {
        bench.write(&format!("state.db{suffix}"), "# no problem by itself");
    }
    symlink("../state.db", bench.path("d/a.toml")).unwrap();
    symlink("../state.db-wal", bench.path("d/b.toml")).unwrap();
    let found = bench.scan_with(ReloadMode::AtOnce).unwrap();
    assert_eq!((found.rejected.len(), found.problems), (2, 2));
    assert!(
        bench.list_watcher.reported.iter().all(|line| line.contains("is the state file, or belongs to it"))
    );
}
