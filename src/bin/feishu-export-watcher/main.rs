//! The program: arguments, log, signals and exit codes around the library.

#[expect(dead_code, unused_imports, reason = "no command calls it yet")]
mod log;
#[cfg_attr(not(test), expect(dead_code, reason = "no command calls it yet"))]
mod status_output;

fn main() {}
