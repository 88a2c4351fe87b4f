//! Why a front door could not do its work, and which class of trouble that is.

use thiserror::Error;
use tokio::task::JoinError;

use crate::config::ConfigError;
use crate::feishu::ClientError;
use crate::files::FileError;
use crate::http::ListenError;
use crate::log::LogError;
use crate::store::{StoreError, StoreErrorKind};

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub enum CommandError {
    /// An app or a ticket that was named is unknown, ambiguous or not watched: its name, the reason and advice.
    #[error("{0}")]
    Usage(String),
    /// Configuration or watch lists are invalid, can't be read, or leave nothing to watch.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state file can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files can't be saved.
    #[error("no file can be saved in the folder of downloads")]
    Files(#[from] FileError),
    /// There is no way to send requests.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server's address can't be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The log can't be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Two metrics have one name: a defect of this program.
    #[error(transparent)]
    Meters(#[from] prometheus::Error),
    /// A task panicked: a defect of this program.
    #[error("a task of the start broke off")]
    Task(#[from] JoinError),
}

/// Errors that a script can distinguish, by these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Everything without a class of its own.
    Unexpected = 1,
    /// The command line asks for something that is not there.
    Usage = 2,
    /// Another watcher holds the state file.
    InUse = 12,
    /// The state file can't be read or written (EX_IOERR of sysexits.h).
    StateFile = 74,
    /// Configuration, watch lists or environment are invalid (EX_CONFIG).
    Config = 78,
}

impl CommandError {
    /// The class of the error.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            // The directives of the log in the configuration were checked when that was loaded.
            Self::Usage(_) | Self::Log(LogError::Directives(..)) => ErrorClass::Usage,
            Self::Config(_)
            | Self::Files(_)
            | Self::Client(ClientError::Network(_))
            | Self::Log(LogError::File(..)) => ErrorClass::Config,
            Self::Store(StoreError { kind: StoreErrorKind::InUse(_), .. }) => ErrorClass::InUse,
            Self::Store(_) => ErrorClass::StateFile,
            Self::Client(_) | Self::Listen(_) | Self::Log(_) | Self::Meters(_) | Self::Task(_) => {
                ErrorClass::Unexpected
            }
        }
    }
}
