//! `hook test`: prints what was called, how long that took, and the answer.

use std::io::{self, Write as _};

use feishu_export_watcher::HookTest;
use feishu_export_watcher::domain::escape;

use crate::args::HookTestArguments;
use crate::messages::{after_printing, fail, refuse};
use crate::{config_file, exit};

/// Sends a sample event to a hook; returns the exit code.
pub(crate) fn test(arguments: HookTestArguments) -> u8 {
    let HookTestArguments { config, name } = arguments;
    let Some(config) = config_file::find(config) else { return exit::CONFIG };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, exit::UNEXPECTED),
    };
    let tested = runtime.block_on(async {
        tokio::select! {
            tested = feishu_export_watcher::test_hook(&config, &name) => Some(tested),
            // A command is in a process group of its own, which no Ctrl-C reaches: it ends with the try.
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    // A name that is still being looked up, or a secret on a mount that hangs, is not waited for.
    runtime.shutdown_background();
    let Some(tested) = tested else { return exit::KILLED };
    match tested {
        Ok(test) => {
            let code = if test.answer.is_ok() { exit::FINE } else { exit::UNEXPECTED };
            after_printing(writeln!(io::stdout(), "{}", in_words(&test)), code)
        }
        Err(error) => refuse(&error, "nothing was called; correct this first"),
    }
}

/// "command /usr/local/bin/archive, file.saved: taken in 0.2 s".
fn in_words(test: &HookTest) -> String {
    let HookTest { called, event, took, answer } = test;
    let took = took.as_secs_f64();
    let text = match answer {
        Ok(()) => format!("{called}, {event}: taken in {took:.1} s"),
        Err(why) => format!("{called}, {event}: not taken, after {took:.1} s: {why}"),
    };
    escape(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Promise: it says what was called, how long that took and the answer.
    #[test]
    fn the_answer_is_in_words() {
        let test = |answer| HookTest {
            called: "command /bin/archive".to_owned(),
            event: "file.saved",
            took: Duration::from_millis(1_240),
            answer,
        };
        assert_eq!(in_words(&test(Ok(()))), "command /bin/archive, file.saved: taken in 1.2 s");
        assert_eq!(
            in_words(&test(Err("exit code 1: \u{1b}[2J".to_owned()))),
            "command /bin/archive, file.saved: not taken, after 1.2 s: exit code 1: \\u{1b}[2J"
        );
    }
}
