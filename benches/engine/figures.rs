//! Figures of several runs, and how they are printed.

use std::fmt;

/// The median of several runs, with the least and the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn new(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        Self { least: runs[0], median: runs[runs.len() / 2], most: runs[runs.len() - 1] }
    }
}

/// The median, and the least and the most in brackets, to the digits of the format.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most)
    }
}

/// A row that holds a goal against what was found.
pub(crate) fn judged(goal: &str, found: &str, is_met: bool) -> String {
    format!("| {goal} | {found} | {} |", if is_met { "met" } else { "MISSED" })
}
