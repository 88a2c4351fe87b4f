//! The program: arguments, log, signals and exit codes around the library.

fn main() {}
