//! Bodies on a real file system: names that are taken, folders that go away, what is swept.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::files::fixtures::ticket;
use crate::files::{Body, Transfer as _};

const NAME: &str = "{file_name}.{file_extension}";
const ID: &str = "1a2b";

struct Bench {
    folder: TempDir,
    files: LocalFolder,
}

impl Bench {
    fn new(template: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFolder::open(folder.path(), template.parse().unwrap(), 0o640, ID).unwrap();
        Self { folder, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names in the folder, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn receive(&self, title: &str, body: &[u8]) -> Body {
        let mut transfer = self.files.begin(&ticket(title, "pdf")).await.unwrap();
        transfer.write(Bytes::copy_from_slice(body)).await.unwrap();
        transfer.finish().await.unwrap()
    }

    async fn place(&self, body: &Body) -> Placed {
        self.files.place(body.placement.clone()).await.unwrap()
    }

    async fn save(&self, title: &str, body: &[u8]) -> PathBuf {
        let body = self.receive(title, body).await;
        assert_eq!(self.place(&body).await, Placed::Done);
        body.placement.path
    }
}

fn hash(bytes: &[u8]) -> Sha256 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(bytes);
    sha256(context)
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Promise: what arrived in pieces of any size lies under its name as it was sent, with the configured mode, its hash
/// is right, and no room beyond its end stays reserved.
#[tokio::test]
async fn a_body_is_saved_as_it_came() {
    let bench = Bench::new("{app}/{date}/{file_name}.{file_extension}");
    let body: Vec<u8> = (0..1_300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let mut record = ticket("report", "pdf");
    record.artefact.as_mut().unwrap().file_size = Some(50_000_000);
    let mut transfer = bench.files.begin(&record).await.unwrap();
    let (mut rest, mut length) = (&body[..], 1);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(length.min(rest.len()));
        transfer.write(Bytes::copy_from_slice(part)).await.unwrap();
        (rest, length) = (after, length * 3);
    }
    let received = transfer.finish().await.unwrap();
    assert_eq!((received.size, received.placement.sha256), (body.len() as u64, hash(&body)));
    let path = bench.path("default/2026-11-22/report.pdf");
    assert!(received.placement.path == path && !path.exists());
    assert_eq!(bench.place(&received).await, Placed::Done);
    assert_eq!(fs::read(&path).unwrap(), body);
    let found = fs::metadata(&path).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o640);
    assert!(found.blocks() * 512 < 3_000_000, "{}", found.blocks());
    assert!(!received.placement.temporary.exists());
}

/// Promise: a folder is made as `mkdir` makes one, whatever the mode of files, and hands its group down.
#[tokio::test]
async fn folders_follow_the_one_above() {
    let bench = Bench::new("{app}/{date}/{file_name}.{file_extension}");
    fs::create_dir(bench.path("plain")).unwrap();
    let plain = fs::metadata(bench.path("plain")).unwrap().mode();
    fs::set_permissions(bench.folder.path(), fs::Permissions::from_mode(0o2750)).unwrap();
    bench.save("report", b"ours").await;
    assert_eq!(fs::metadata(bench.folder.path()).unwrap().mode() & 0o7777, 0o2750);
    for folder in ["default", "default/2026-11-22"] {
        assert_eq!(fs::metadata(bench.path(folder)).unwrap().mode(), plain | 0o2000, "{folder}");
    }
}

/// Promise: an empty body is a file.
#[tokio::test]
async fn an_empty_body_is_saved() {
    let bench = Bench::new(NAME);
    let path = bench.save("empty", b"").await;
    assert_eq!(fs::read(path).unwrap(), b"");
}

/// Promise: while a body is received, only this user can read it, and a transfer that is given up leaves nothing.
#[tokio::test]
async fn a_dropped_transfer_leaves_nothing() {
    let bench = Bench::new(NAME);
    let mut transfer = bench.files.begin(&ticket("report", "pdf")).await.unwrap();
    transfer.write(Bytes::from(vec![7; 600_000])).await.unwrap();
    let [temporary] = &bench.names()[..] else { panic!("one file") };
    assert_eq!(fs::metadata(bench.path(temporary)).unwrap().mode() & 0o777, 0o600);
    drop(transfer);
    until(|| bench.names().is_empty()).await;
}

/// Promise: of two transfers with one title that end together, each gets a name.
#[tokio::test]
async fn one_title_makes_two_files() {
    let bench = Bench::new(NAME);
    let (one, two) = tokio::join!(bench.receive("report", b"one"), bench.receive("report", b"two"));
    assert_ne!(one.placement.path, two.placement.path);
    assert_eq!((bench.place(&two).await, bench.place(&one).await), (Placed::Done, Placed::Done));
    assert_eq!(bench.names(), ["report (2).pdf", "report.pdf"]);
    assert_eq!(fs::read(&one.placement.path).unwrap(), b"one");
}

/// Promise: whatever has the name already is left alone: a file, a folder, a link, one that leads nowhere, a name that
/// differs only in case.
#[tokio::test]
async fn what_is_there_stays() {
    let bench = Bench::new(NAME);
    fs::write(bench.path("a.pdf"), "mine").unwrap();
    fs::create_dir(bench.path("b.pdf")).unwrap();
    symlink(bench.path("a.pdf"), bench.path("c.pdf")).unwrap();
    symlink(bench.path("nowhere"), bench.path("d.pdf")).unwrap();
    fs::write(bench.path("É.PDF"), "mine").unwrap();
    for name in ["a", "b", "c", "d", "é"] {
        assert_eq!(bench.save(name, b"ours").await, bench.path(&format!("{name} (2).pdf")));
    }
    assert_eq!(bench.save("A", b"ours").await, bench.path("A (3).pdf"), "one given out before");
    assert_eq!(fs::read(bench.path("a.pdf")).unwrap(), b"mine");
    assert_eq!(fs::read(bench.path("É.PDF")).unwrap(), b"mine");
    assert!(!bench.path("nowhere").exists());
}

/// Promise: a name is free again once its file was moved away, or its body was given up.
#[tokio::test]
async fn a_name_becomes_free() {
    let bench = Bench::new(NAME);
    let path = bench.save("report", b"one").await;
    fs::remove_file(&path).unwrap();
    let given_up = bench.receive("report", b"two").await;
    assert_eq!(given_up.placement.path, path);
    fs::remove_file(given_up.placement.temporary).unwrap();
    assert_eq!(bench.save("report", b"three").await, path);
}

/// Promise: of a body that is not wanted nothing stays, its name goes to the next one, and to discard it again is nothing.
#[tokio::test]
async fn a_discarded_body_leaves_nothing() {
    let bench = Bench::new(NAME);
    let [unwanted, other] = [bench.receive("report", b"one").await, bench.receive("report", b"two").await];
    bench.files.discard(unwanted.placement.temporary.clone()).await;
    assert_eq!(bench.place(&other).await, Placed::Done);
    assert_eq!(bench.names(), ["report (2).pdf"]);
    assert_eq!(bench.save("report", b"three").await, unwanted.placement.path);
    bench.files.discard(unwanted.placement.temporary).await;
    assert_eq!(bench.names(), ["report (2).pdf", "report.pdf"]);
}

/// Promise: a file that takes the name at the last moment keeps it, and another free one is offered.
#[tokio::test]
async fn a_name_taken_late_is_not_overwritten() {
    let bench = Bench::new(NAME);
    let mut body = bench.receive("report", b"ours").await;
    fs::write(bench.path("report.pdf"), "mine").unwrap();
    let Placed::Taken(free) = bench.place(&body).await else { panic!("not taken") };
    assert_eq!(free, bench.path("report (2).pdf"));
    body.placement.path = free;
    assert_eq!(bench.place(&body).await, Placed::Done);
    assert_eq!(fs::read(bench.path("report.pdf")).unwrap(), b"mine");
}

/// Promise: the next process goes on wherever the one before ended, and never takes another's file for the body.
#[tokio::test]
async fn placing_is_resumed_at_each_step() {
    let bench = Bench::new(NAME);
    let body = bench.receive("report", b"ours").await;
    let Placement { temporary, path, .. } = &body.placement;
    fs::hard_link(temporary, path).unwrap();
    assert_eq!(bench.place(&body).await, Placed::Done, "linked, the temporary name not removed");
    assert_eq!(bench.names(), ["report.pdf"]);
    assert_eq!(bench.place(&body).await, Placed::Done, "renamed, not noted");
    fs::write(path, "mine").unwrap();
    assert_eq!(bench.place(&body).await, Placed::Lost, "another's file");
    fs::remove_file(path).unwrap();
    assert_eq!(bench.place(&body).await, Placed::Lost, "both gone");
    symlink(bench.path("elsewhere"), path).unwrap();
    fs::write(bench.path("elsewhere"), "ours").unwrap();
    assert_eq!(bench.place(&body).await, Placed::Lost, "a link is not the body");
}

/// Promise: while the folder is gone, a body in it is not given up.
#[tokio::test]
async fn a_folder_that_comes_back_still_has_the_body() {
    let bench = Bench::new("exports/{file_name}.{file_extension}");
    let root = bench.path("exports");
    let files = LocalFolder::open(&root, NAME.parse().unwrap(), 0o640, ID).unwrap();
    let mut transfer = files.begin(&ticket("report", "pdf")).await.unwrap();
    transfer.write(Bytes::from_static(b"ours")).await.unwrap();
    let body = transfer.finish().await.unwrap();
    fs::rename(&root, bench.path("away")).unwrap();
    let error = files.place(body.placement.clone()).await.unwrap_err();
    assert_eq!((error.kind, error.path), (ErrorKind::FolderUnwritable, root.join("report.pdf")));
    fs::rename(bench.path("away"), &root).unwrap();
    assert_eq!(files.place(body.placement).await.unwrap(), Placed::Done);
}

/// Promise: only temporary files of earlier processes with this state file are swept, in every folder that files go to,
/// and none that holds a whole body.
#[tokio::test]
async fn others_files_are_not_swept() {
    const TEMPLATE: &str = "{app}/{file_name}.{file_extension}";
    let bench = Bench::new(TEMPLATE);
    let kept = bench.receive("kept", b"whole").await.placement.temporary;
    let number = "0123456789abcdef";
    let stays = [
        format!("{PREFIX}other-{number}{SUFFIX}"),
        format!("{PREFIX}{ID}-x-{number}{SUFFIX}"),
        format!("{PREFIX}{ID}-{number}"),
        format!("{PREFIX}{ID}-.tmp"),
        "report.pdf".to_owned(),
    ];
    let goes = format!("{PREFIX}{ID}-{number}{SUFFIX}");
    let (deep, linked) = (bench.path("default/deep"), tempfile::tempdir().unwrap());
    fs::create_dir(&deep).unwrap();
    symlink(linked.path(), bench.path("link")).unwrap();
    for folder in [bench.folder.path(), &bench.path("default"), &deep, linked.path()] {
        stays.iter().chain([&goes]).for_each(|name| fs::write(folder.join(name), "").unwrap());
    }
    let next = LocalFolder::open(bench.folder.path(), TEMPLATE.parse().unwrap(), 0o640, ID).unwrap();
    let other_spelling = Path::new("/elsewhere").join(kept.file_name().unwrap());
    next.sweep(vec![other_spelling]).await;
    assert!(kept.exists());
    for (folder, is_swept) in
        [(bench.folder.path(), true), (&bench.path("default"), true), (&deep, false), (linked.path(), true)]
    {
        assert!(stays.iter().all(|name| folder.join(name).exists()), "{}", folder.display());
        assert_eq!(!folder.join(&goes).exists(), is_swept, "{}", folder.display());
    }
}

/// Promise: a transfer that begins before the sweep does is not disturbed by it; the next process sweeps what it left.
#[tokio::test]
async fn what_this_process_began_is_not_swept() {
    let bench = Bench::new(NAME);
    let mut transfer = bench.files.begin(&ticket("report", "pdf")).await.unwrap();
    transfer.write(Bytes::from_static(b"ours")).await.unwrap();
    bench.files.sweep(Vec::new()).await;
    let body = transfer.finish().await.unwrap();
    bench.files.sweep(Vec::new()).await;
    assert!(body.placement.temporary.exists());
    let next = LocalFolder::open(bench.folder.path(), NAME.parse().unwrap(), 0o640, ID).unwrap();
    next.sweep(Vec::new()).await;
    assert!(bench.names().is_empty());
}

/// Promise: a folder in which no file can be made is found at the start; where it can, nothing is left behind.
#[tokio::test]
async fn a_folder_is_tried_at_the_start() {
    let bench = Bench::new(NAME);
    assert!(bench.names().is_empty());
    let open = |path: &Path| LocalFolder::open(path, NAME.parse().unwrap(), 0o600, ID);
    open(&bench.path("a/b")).unwrap();
    fs::write(bench.path("file"), "").unwrap();
    let error = open(&bench.path("file/below")).unwrap_err();
    assert_eq!((error.kind, error.path), (ErrorKind::FolderUnwritable, bench.path("file/below")));
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(bench.path("a"), fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(open(&bench.path("a")).unwrap_err().kind, ErrorKind::FolderUnwritable);
        fs::set_permissions(bench.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Promise: a file where a folder is to be made is named: it is the user's to move.
#[tokio::test]
async fn what_is_in_the_way_of_a_folder_is_named() {
    let bench = Bench::new("{app}/{date}/{file_name}");
    let link = bench.path("default");
    for name in [bench.path("file"), bench.path("none")] {
        symlink(&name, &link).unwrap();
        fs::write(bench.path("file"), "mine").unwrap();
        let error = bench.files.begin(&ticket("report", "pdf")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::FolderUnwritable);
        assert_eq!(error.source.to_string(), format!("{} is no folder", link.display()));
        fs::remove_file(&link).unwrap();
    }
}

/// Promise: a body without end does not fill the disk.
#[tokio::test]
async fn an_endless_body_is_refused() {
    let bench = Bench::new(NAME);
    let mut transfer = bench.files.begin(&ticket("report", "pdf")).await.unwrap();
    transfer.pretend_received(16 << 30);
    let error = transfer.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(error.path, bench.path("report.pdf"), "not the temporary name, which says nothing");
}

/// Promise: no room and no quota have a kind of their own, other than a folder that can't be written.
#[test]
fn a_full_disk_is_no_unwritable_folder() {
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, ErrorKind::DiskFull),
        (io::ErrorKind::QuotaExceeded, ErrorKind::DiskFull),
        (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::FolderUnwritable),
    ] {
        assert_eq!(FileError::new(Path::new("/x"), kind.into()).kind, expected);
    }
}
