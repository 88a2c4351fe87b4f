//! The process that has a store in use.

use std::fmt;

/// The process that has the state file in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; none if it has not written that down.
    pub process: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "process {process}"),
            None => f.write_str("which has not written its process id"),
        }
    }
}
