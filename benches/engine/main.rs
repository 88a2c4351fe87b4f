//! What the whole watcher can do: polls a second beside a bare loop, files beside curl, what many tickets cost, how soon
//! exports are found beside hooks that fail, and what the page costs. Real processes on this machine, over loopback.
//!
//! `cargo bench --bench engine` prints it all; `… -- polls`, `files`, `scale`, `hooks` or `page` one part. `BENCH_ROUNDS` sets how often
//! everything is measured (5). `benches/README.md` has the method and what came of it.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that can not be set up has nothing to say")]

mod bare_loop;
mod daemon;
mod figures;
mod files;
mod hooks;
mod page;
mod scale;
mod server;
mod throughput;

use std::io;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [argument, rest @ ..] = &arguments[..]
        && argument == bare_loop::ARGUMENT
    {
        bare_loop::main(rest);
        return Ok(());
    }
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    // Cargo itself passes `--bench`.
    let parts: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| *named == part);
    println!("{rounds} rounds; medians, with the least and the most in brackets");
    if wanted("polls") {
        throughput::measure(rounds)?;
    }
    if wanted("files") {
        files::measure(rounds)?;
    }
    if wanted("scale") {
        scale::measure(rounds)?;
    }
    if wanted("hooks") {
        hooks::measure(rounds)?;
    }
    if wanted("page") {
        page::measure(rounds)?;
    }
    Ok(())
}
