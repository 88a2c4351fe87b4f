//! A body on its way to a temporary file. One block is written and hashed while the next is received.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ring::digest;
use rustix::fs::{FallocateFlags, fallocate};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::disk::blocking;
use super::free_names::FreeNames;
use super::{Body, FileError, Placement, Transfer};
use crate::crash_points::CrashPoint;
use crate::domain::Sha256;

/// Bytes that are written at once. A transfer holds two blocks.
const BLOCK: usize = 64 * 1024;

/// Bytes of a body at most: a server that never ends one must not fill the disk.
const BODY_MAX: u64 = 16 << 30;

/// Bytes that are reserved at most: a wrong size must not take the room of other files.
const RESERVED_MAX: u64 = 1 << 30;

/// A transfer to a folder of this machine.
#[derive(Debug)]
pub struct LocalTransfer {
    temporary: Temporary,
    /// The final name if it is free.
    target: PathBuf,
    mode: u32,
    names: Arc<FreeNames>,
    /// Received and not written.
    block: Vec<u8>,
    received: u64,
    /// What the blocks before are appended to, once they are; none after a failure.
    writing: Option<JoinHandle<io::Result<Appender>>>,
}

impl LocalTransfer {
    /// Goes on with an empty temporary file beside `target`. Room for `size` bytes is reserved if possible.
    pub(super) fn new(
        file: File,
        temporary: Temporary,
        target: PathBuf,
        size: u64,
        mode: u32,
        names: Arc<FreeNames>,
    ) -> Self {
        let hash = digest::Context::new(&digest::SHA256);
        let appender = Appender { file, hash, size: 0, spare: Vec::with_capacity(BLOCK) };
        let writing = Some(spawn_blocking(move || {
            appender.reserve(size.min(RESERVED_MAX));
            Ok(appender)
        }));
        Self { temporary, target, mode, names, block: Vec::with_capacity(BLOCK), received: 0, writing }
    }

    /// As if so many bytes had come.
    #[cfg(test)]
    pub(super) fn pretend_received(&mut self, bytes: u64) {
        self.received = bytes;
    }

    /// Waits until the blocks before are written.
    async fn appender(&mut self) -> io::Result<Appender> {
        let Some(writing) = &mut self.writing else {
            return Err(io::Error::other("an earlier part could not be written"));
        };
        let written = writing.await;
        self.writing = None;
        written?
    }

    async fn receive(&mut self, mut bytes: Bytes) -> io::Result<()> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > BODY_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 16 GiB were sent"));
        }
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(&part);
            if self.block.len() == BLOCK {
                let mut appender = self.appender().await?;
                let block = mem::replace(&mut self.block, mem::take(&mut appender.spare));
                self.writing = Some(spawn_blocking(move || appender.append(block)));
            }
        }
        Ok(())
    }
}

impl Transfer for LocalTransfer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileError> {
        self.receive(bytes).await.map_err(|source| FileError::new(&self.target, source))
    }

    async fn finish(mut self) -> Result<Body, FileError> {
        let appender = self.appender().await.map_err(|source| FileError::new(&self.target, source))?;
        let (temporary, target) = (self.temporary.0.clone(), self.target.clone());
        let (block, mode, names) = (mem::take(&mut self.block), self.mode, Arc::clone(&self.names));
        let body = blocking(&self.target, move || {
            let appender = appender.append(block)?;
            CrashPoint::BodyWritten.pass();
            let (sha256, size) = appender.finish(mode)?;
            CrashPoint::BodySynced.pass();
            let path = names.give(&target, &temporary)?;
            Ok(Body { placement: Placement { temporary, path, sha256 }, size })
        });
        let body = body.await?;
        self.temporary.keep();
        Ok(body)
    }
}

/// What blocks are appended to.
#[derive(derive_more::Debug)]
struct Appender {
    file: File,
    #[debug(skip)]
    hash: digest::Context,
    size: u64,
    /// Empty; it is filled next.
    spare: Vec<u8>,
}

impl Appender {
    /// A file system that can't reserve room does without.
    fn reserve(&self, size: u64) {
        if size > 0 && fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size).is_err() {
            // Where there is too little room, a part may have been reserved.
            let _ = self.file.set_len(0);
        }
    }

    fn append(mut self, mut block: Vec<u8>) -> io::Result<Self> {
        self.file.write_all(&block)?;
        self.hash.update(&block);
        self.size += block.len() as u64;
        block.clear();
        self.spare = block;
        Ok(self)
    }

    /// Syncs the file and returns hash and size.
    fn finish(self, mode: u32) -> io::Result<(Sha256, u64)> {
        // What was reserved beyond the end is given back.
        self.file.set_len(self.size)?;
        match self.file.set_permissions(Permissions::from_mode(mode)) {
            // Its owner is refused only where the file system knows no modes.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            set => set?,
        }
        self.file.sync_all()?;
        Ok((sha256(self.hash), self.size))
    }
}

/// The hash of all that was fed to the context.
pub(super) fn sha256(context: digest::Context) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Sha256(bytes)
}

/// A temporary file, removed when dropped.
#[derive(Debug)]
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    /// The file stays.
    fn keep(&mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        let doomed = Doomed(mem::take(&mut self.0));
        // To remove gigabytes takes a while. A runtime that ends drops the task instead, and with it the file.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(doomed))),
            Err(_) => drop(doomed),
        }
    }
}

/// A file that is removed at once when dropped. One that can't be is swept by the next process.
struct Doomed(PathBuf);

impl Drop for Doomed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
