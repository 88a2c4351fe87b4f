//! A queue together with the form its lines have, and the notes that the writing threads leave about
//! the log itself.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

use super::format::Format;
use super::queue::Queue;
use super::record::Record;
use crate::domain::escape;

/// Where records go to reach one sink.
pub(super) struct Outlet {
    pub(super) queue: Arc<Queue>,
    form: Format,
}

impl Outlet {
    pub(super) fn new(queue: Arc<Queue>, form: Format) -> Self {
        Self { queue, form }
    }

    fn push(&self, record: &Record) {
        let line = self.form.line(record);
        self.queue.push(line.into(), record.class());
    }
}

/// Every sink there is.
pub(super) struct Outlets {
    pub(super) stdout: Arc<Outlet>,
    pub(super) file: Option<Arc<Outlet>>,
}

impl Outlets {
    pub(super) fn push(&self, record: &Record) {
        for outlet in self.file.iter().chain([&self.stdout]) {
            outlet.push(record);
        }
    }
}

/// The threads end once nobody can log any more.
impl Drop for Outlets {
    fn drop(&mut self) {
        self.stdout.queue.close();
        if let Some(file) = &self.file {
            file.queue.close();
        }
    }
}

/// How a writing thread speaks about its sink.
pub(super) struct Notes {
    name: String,
    own: Arc<Outlet>,
    other: Option<Arc<Outlet>>,
    last_resort: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Notes {
    pub(super) fn new(
        name: String,
        own: &Arc<Outlet>,
        other: Option<&Arc<Outlet>>,
        last_resort: &Arc<Mutex<Box<dyn Write + Send>>>,
    ) -> Self {
        Self {
            name,
            own: Arc::clone(own),
            other: other.map(Arc::clone),
            last_resort: Arc::clone(last_resort),
        }
    }

    /// What people call the sink.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Says something through the sink itself, in its turn.
    pub(super) fn to_own(&self, level: Level, message: String) {
        self.own.push(&Record::about_the_log(level, message));
    }

    /// Says through the other sink, or else on standard error, what this one can't take.
    pub(super) fn to_other(&self, level: Level, message: String) {
        if let Some(other) = &self.other {
            other.push(&Record::about_the_log(level, message));
        } else {
            let mut out = self.last_resort.lock().unwrap_or_else(PoisonError::into_inner);
            // There is nobody left to tell.
            let _ = writeln!(out, "{}", escape(&message));
        }
    }
}
