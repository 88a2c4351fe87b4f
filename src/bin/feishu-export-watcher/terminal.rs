//! The abilities of standard output and standard error, as far as text for people depends on them.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use terminal_size::{Width, terminal_size_of};

/// A stream as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Whether it is a terminal at all.
    pub(crate) is_terminal: bool,
    /// Columns of that, if they are known; elsewhere lines may have any length.
    pub(crate) width: Option<usize>,
    /// Whether it shows colours and its user wants them.
    pub(crate) colour: bool,
}

impl Screen {
    /// A file, a pipe, or anything else that is no terminal.
    pub(crate) const NONE: Self = Self { is_terminal: false, width: None, colour: false };

    /// Standard output.
    pub(crate) fn from_stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Standard error.
    pub(crate) fn from_stderr() -> Self {
        Self::new(io::stderr())
    }

    fn new(stream: impl IsTerminal + AsFd) -> Self {
        if !stream.is_terminal() {
            return Self::NONE;
        }
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let is_plain = set("NO_COLOR").is_some() || set("TERM").is_none_or(|term| term == "dumb");
        let width = terminal_size_of(stream).map(|(Width(columns), _)| usize::from(columns));
        Self { is_terminal: true, width: width.filter(|columns| *columns > 0), colour: !is_plain }
    }
}
