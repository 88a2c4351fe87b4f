//! A folder in memory that outlives the processes which write to it. It can be full or closed, lose bodies, and end a
//! process at any step of a file's way.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ring::digest;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::fakes::FakeStore;
use crate::domain::*;
use crate::files::*;

/// How long the disk takes for half of anything.
const HALF: Duration = Duration::from_millis(5);

/// The folder, as one process sees it.
#[derive(Clone)]
pub(super) struct FakeFiles {
    disk: Arc<Mutex<Disk>>,
    store: FakeStore,
    /// The process, counted from the first.
    life: usize,
}

#[derive(Default)]
pub(super) struct Disk {
    temporary: BTreeMap<PathBuf, Temporary>,
    /// What lies under final names.
    pub(super) saved: BTreeMap<PathBuf, Vec<u8>>,
    /// Files of others, which are never touched.
    pub(super) foreign: BTreeMap<PathBuf, Vec<u8>>,
    /// There is no room.
    pub(super) full: bool,
    /// No file can be made or renamed; those that are open can be written.
    pub(super) closed: bool,
    /// The process ends when it next comes to that step.
    pub(super) doom: Option<Step>,
    /// Bodies that waited for their final names when they were lost.
    pub(super) lost: Vec<Vec<u8>>,
    /// What no engine may do, and this one did.
    pub(super) wrong: Vec<String>,
    pub(super) begun: usize,
    pub(super) placed: usize,
    died: Arc<Notify>,
    /// The process that runs.
    life: usize,
    made: usize,
}

/// A step on a file's way at which a process can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Begun,
    Received,
    Written,
    Placing,
    Renamed,
    Discarded,
    Swept,
}

/// A file that has no final name yet.
#[derive(Clone, Debug, Default)]
struct Temporary {
    content: Vec<u8>,
    is_whole: bool,
    life: usize,
    /// The final name that it was promised.
    path: PathBuf,
}

impl FakeFiles {
    /// An empty folder. Bodies get their final names only as the state file says.
    pub(super) fn new(store: &FakeStore) -> Self {
        Self { disk: Arc::default(), store: store.clone(), life: 0 }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.disk.lock().unwrap())
    }

    /// The folder as the next process sees it.
    pub(super) fn next_process(&self) -> Self {
        self.with(Disk::end_process);
        Self { life: self.with(|disk| disk.life), ..self.clone() }
    }

    /// The process that runs ends now: what it has under way stays as it is.
    pub(super) fn end_process(&self) {
        self.with(Disk::end_process);
    }

    /// Waits until a process ends by [`Disk::doom`].
    pub(super) async fn died(&self) {
        let died = self.with(|disk| Arc::clone(&disk.died));
        died.notified().await;
    }

    /// What lies under final names.
    pub(super) fn saved(&self) -> Vec<(String, Vec<u8>)> {
        let text = |(path, content): (&PathBuf, &Vec<u8>)| (path.display().to_string(), content.clone());
        self.with(|disk| disk.saved.iter().map(text).collect())
    }

    /// How many files have no final name.
    pub(super) fn temporary(&self) -> usize {
        self.with(|disk| disk.temporary.len())
    }

    /// Bodies that wait for their final names are gone.
    pub(super) fn lose(&self) {
        self.with(|disk| {
            let lost = disk.temporary.values().filter(|file| file.is_whole).map(|file| file.content.clone());
            let lost: Vec<_> = lost.collect();
            disk.lost.extend(lost);
            disk.temporary.retain(|_, file| !file.is_whole);
        });
    }

    /// Somebody has a file of that name.
    pub(super) fn put_foreign(&self, path: &str) {
        self.with(|disk| {
            if disk.is_free(Path::new(path)) {
                disk.foreign.insert(path.into(), b"somebody's".to_vec());
            }
        });
    }

    /// Half of the time that something takes. A process that has ended goes no further.
    async fn take_half(&self) {
        sleep(HALF).await;
        if self.with(|disk| disk.life != self.life) {
            std::future::pending().await
        }
    }

    async fn pass(&self, step: Step) {
        let is_doomed = self.with(|disk| {
            let is_doomed = disk.doom.take_if(|doom| *doom == step).is_some();
            if is_doomed {
                disk.end_process();
                disk.died.notify_one();
            }
            is_doomed
        });
        if is_doomed {
            std::future::pending().await
        }
    }

    /// The state file must know the name before the body gets it (design, section 4).
    fn check_placement(&self, placement: &Placement) {
        let is_known = |file: &FileRecord| {
            file.path.as_deref() == Some(&placement.path)
                && file.temporary.as_deref() == Some(&placement.temporary)
                && file.sha256 == Some(placement.sha256)
        };
        let rows = self.store.with(|kept| kept.rows.values().cloned().collect::<Vec<_>>());
        if !rows.iter().filter_map(|row| row.file.as_deref()).any(is_known) {
            self.with(|disk| disk.wrong.push(format!("placed though no row says so: {placement:?}")));
        }
    }
}

impl Disk {
    /// Transfers of the process leave their files as they are.
    fn end_process(&mut self) {
        self.life += 1;
    }

    fn is_free(&self, path: &Path) -> bool {
        !self.saved.contains_key(path) && !self.foreign.contains_key(path)
    }

    fn check_room(&self, path: &Path) -> Result<(), FileError> {
        let error = || Err(FileError::new(path, io::ErrorKind::StorageFull.into()));
        if self.full { error() } else { Ok(()) }
    }

    fn check_folder(&self, path: &Path) -> Result<(), FileError> {
        let error = || Err(FileError::new(path, io::ErrorKind::PermissionDenied.into()));
        if self.closed { error() } else { Ok(()) }
    }

    /// A name that no file has, and that none of this process's bodies is to get.
    fn free_name(&self, wanted: &Path) -> PathBuf {
        let stem = wanted.with_extension("").display().to_string();
        let extension = wanted.extension().unwrap_or_default().display();
        let more = (2..).map(|number| format!("{stem} ({number}).{extension}").into());
        let is_promised =
            |name: &PathBuf| self.temporary.values().any(|file| file.life == self.life && file.path == *name);
        let mut names = [wanted.to_path_buf()].into_iter().chain(more);
        names.find(|name| self.is_free(name) && !is_promised(name)).unwrap()
    }

    /// A whole body gets its final name, if that is free.
    fn place(&mut self, Placement { temporary, path, sha256 }: &Placement) -> Placed {
        let Some(file) = self.temporary.get(temporary).cloned() else {
            let is_there = self.saved.get(path).is_some_and(|content| hash(content) == *sha256);
            return if is_there { Placed::Done } else { Placed::Lost };
        };
        if !file.is_whole || hash(&file.content) != *sha256 {
            self.wrong.push(format!("{} is not whole, or not that body", temporary.display()));
        }
        if !self.is_free(path) {
            return Placed::Taken(self.free_name(path));
        }
        self.temporary.remove(temporary);
        self.saved.insert(path.clone(), file.content);
        self.placed += 1;
        Placed::Done
    }
}

impl Files for FakeFiles {
    type Transfer = FakeTransfer;

    async fn begin(&self, ticket: &TicketRecord) -> Result<FakeTransfer, FileError> {
        self.take_half().await;
        let artefact = ticket.artefact.as_deref().unwrap();
        let title = artefact.file_name.as_deref().unwrap_or("untitled");
        let target = Path::new("/files").join(format!("{title}.docx"));
        let path = self.with(|disk| {
            disk.check_folder(&target)?;
            disk.check_room(&target)?;
            disk.made += 1;
            disk.begun += 1;
            let path = PathBuf::from(format!("/files/.{}.tmp", disk.made));
            let file = Temporary { life: self.life, ..Temporary::default() };
            disk.temporary.insert(path.clone(), file);
            Ok(path)
        })?;
        let transfer = FakeTransfer { files: self.clone(), temporary: path, target, keeps: false };
        self.pass(Step::Begun).await;
        self.take_half().await;
        Ok(transfer)
    }

    async fn place(&self, placement: Placement) -> Result<Placed, FileError> {
        self.check_placement(&placement);
        self.pass(Step::Placing).await;
        self.take_half().await;
        let placed = self.with(|disk| {
            disk.check_folder(&placement.path)?;
            Ok(disk.place(&placement))
        });
        self.pass(Step::Renamed).await;
        self.take_half().await;
        placed
    }

    async fn discard(&self, temporary: PathBuf) {
        self.take_half().await;
        self.with(|disk| disk.temporary.remove(&temporary));
        self.pass(Step::Discarded).await;
        self.take_half().await;
    }

    async fn sweep(&self, keep: Vec<PathBuf>) {
        self.take_half().await;
        self.with(|disk| {
            let is_swept = |path: &PathBuf, life| life != self.life && !keep.contains(path);
            disk.temporary.retain(|path, file| !is_swept(path, file.life));
        });
        self.pass(Step::Swept).await;
        self.take_half().await;
    }
}

/// A body on its way.
pub(super) struct FakeTransfer {
    files: FakeFiles,
    temporary: PathBuf,
    target: PathBuf,
    keeps: bool,
}

impl FakeTransfer {
    fn check_room(&self) -> Result<(), FileError> {
        self.files.with(|disk| disk.check_room(&self.temporary))
    }
}

impl Transfer for FakeTransfer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileError> {
        self.files.pass(Step::Received).await;
        self.check_room()?;
        self.files.with(|disk| {
            if let Some(file) = disk.temporary.get_mut(&self.temporary) {
                file.content.extend_from_slice(&bytes);
            }
        });
        Ok(())
    }

    async fn finish(mut self) -> Result<Body, FileError> {
        self.files.take_half().await;
        self.check_room()?;
        let body = self.files.with(|disk| {
            let path = disk.free_name(&self.target);
            let file = disk.temporary.get_mut(&self.temporary).unwrap();
            (file.is_whole, file.path) = (true, path.clone());
            let (size, sha256) = (file.content.len() as u64, hash(&file.content));
            Body { placement: Placement { temporary: self.temporary.clone(), path, sha256 }, size }
        });
        self.files.pass(Step::Written).await;
        self.files.take_half().await;
        self.keeps = true;
        Ok(body)
    }
}

/// One that is given up leaves nothing, unless its process ended.
impl Drop for FakeTransfer {
    fn drop(&mut self) {
        let life = self.files.life;
        self.files.with(|disk| {
            if !self.keeps && disk.life == life {
                disk.temporary.remove(&self.temporary);
            }
        });
    }
}

/// The body's hash.
pub(super) fn hash(content: &[u8]) -> Sha256 {
    Sha256(digest::digest(&digest::SHA256, content).as_ref().try_into().unwrap())
}

/// A completed ticket whose row names that body, as it must before the body is placed.
fn known(store: &FakeStore, body: &Body) {
    let entry = super::fakes::entry("default", "1");
    let Placement { temporary, path, sha256 } = body.placement.clone();
    let file = FileRecord {
        path: Some(path.into()),
        temporary: Some(temporary.into()),
        sha256: Some(sha256),
        ..FileRecord::new()
    };
    let row = TicketRecord { file: Some(Box::new(file)), ..TicketRecord::new(entry, super::fakes::START) };
    store.with(|kept| kept.rows.insert(row.entry.key.clone(), row));
}

async fn begin(files: &FakeFiles) -> FakeTransfer {
    let entry = super::fakes::entry("default", "1");
    let artefact = Some(Box::new(Artefact::default()));
    let ticket = TicketRecord { artefact, ..TicketRecord::new(entry, super::fakes::START) };
    files.begin(&ticket).await.unwrap()
}

async fn receive(files: &FakeFiles) -> Body {
    let mut transfer = begin(files).await;
    transfer.write(Bytes::from_static(b"body")).await.unwrap();
    transfer.finish().await.unwrap()
}

/// Promise: the stand-in does what a folder has to do: it replaces nothing, finds out how far an earlier call came, and
/// says if a body is lost.
#[tokio::test(start_paused = true)]
async fn the_folder_in_memory_replaces_nothing() {
    let store = FakeStore::default();
    let files = FakeFiles::new(&store).next_process();
    files.put_foreign("/files/untitled.docx");
    let mut body = receive(&files).await;
    assert_eq!(body.placement.path, Path::new("/files/untitled (2).docx"));
    files.put_foreign("/files/untitled (2).docx");
    known(&store, &body);
    let Ok(Placed::Taken(free)) = files.place(body.placement.clone()).await else {
        panic!("the name is taken")
    };
    body.placement.path = free.clone();
    known(&store, &body);
    files.with(|disk| disk.closed = true);
    assert_eq!(files.place(body.placement.clone()).await.unwrap_err().kind, ErrorKind::FolderUnwritable);
    files.with(|disk| disk.closed = false);
    for _ in 0..2 {
        assert_eq!(files.place(body.placement.clone()).await.unwrap(), Placed::Done);
    }
    assert_eq!(files.saved(), [(free.display().to_string(), b"body".to_vec())]);
    let lost = receive(&files).await;
    files.lose();
    known(&store, &lost);
    assert_eq!(files.place(lost.placement).await.unwrap(), Placed::Lost);
    assert_eq!(files.with(|disk| disk.wrong.clone()), Vec::<String>::new());
}

/// Promise: a transfer that is given up leaves nothing; one whose process died leaves its file, which the next one
/// sweeps unless it is to be kept.
#[tokio::test(start_paused = true)]
async fn the_folder_in_memory_outlives_its_processes() {
    let store = FakeStore::default();
    let files = FakeFiles::new(&store).next_process();
    drop(begin(&files).await);
    assert_eq!(files.temporary(), 0);
    let (cut_off, whole) = (begin(&files).await, receive(&files).await);
    files.end_process();
    drop(cut_off);
    assert_eq!(files.temporary(), 2);
    let next = files.next_process();
    next.sweep(vec![whole.placement.temporary.clone()]).await;
    known(&store, &whole);
    assert_eq!(next.place(whole.placement).await.unwrap(), Placed::Done);
    assert_eq!((next.temporary(), next.with(|disk| disk.wrong.len())), (0, 0));
}

/// Promise: a full disk takes no byte, and a process dies where it is asked to.
#[tokio::test(start_paused = true)]
async fn the_folder_in_memory_fails_as_asked() {
    let files = FakeFiles::new(&FakeStore::default()).next_process();
    let mut transfer = begin(&files).await;
    files.with(|disk| disk.full = true);
    let bytes = Bytes::from_static(b"body");
    assert_eq!(transfer.write(bytes).await.unwrap_err().kind, ErrorKind::DiskFull);
    files.with(|disk| (disk.full, disk.doom) = (false, Some(Step::Written)));
    tokio::select! {
        _ = transfer.finish() => panic!("the process goes on"),
        () = files.died() => {}
    }
    assert_eq!(files.temporary(), 1);
}
