//! `export-simulator --port P --scenario FILE`: a simulator until it is killed.
//!
//! Prints the base URL as one line on stdout once it listens; everything else goes to stderr.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    process::ExitCode,
    thread,
};

use export_simulator::{Scenario, Simulator};

const USAGE: &str = "usage: export-simulator [--port PORT] [--scenario FILE]";

/// Exit code for arguments that make no sense.
const USAGE_ERROR: u8 = 2;

#[derive(Default)]
struct Arguments {
    port: Option<u16>,
    scenario: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        // Help that can't be written has no other place.
        let _ = writeln!(io::stdout(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let parsed = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            eprintln!("export-simulator: {problem}\n{USAGE}");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match run(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("export-simulator: failed to {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--port" => {
                let port = value()?;
                parsed.port = Some(port.parse().map_err(|_| format!("{port:?} is not a port"))?);
            }
            "--scenario" => parsed.scenario = Some(value()?),
            _ => return Err(format!("unknown argument {name:?}")),
        }
    }
    Ok(parsed)
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut scenario = match &arguments.scenario {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|cause| format!("read {path}: {cause}"))?;
            Scenario::from_toml(&text)?
        }
        None => Scenario::default(),
    };
    scenario.port = arguments.port.unwrap_or(scenario.port);
    let simulator = Simulator::spawn(scenario)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", simulator.base_url())
        .and_then(|()| stdout.flush())
        .map_err(|cause| format!("say where: {cause}"))?;
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Arguments, String> {
        parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let arguments = parsed(&["--scenario", "a.toml", "--port", "8080"]).unwrap();
        assert_eq!((arguments.port, arguments.scenario.as_deref()), (Some(8080), Some("a.toml")));
        assert!(parsed(&[]).unwrap().port.is_none());
        for odd in [&["--port"][..], &["--port", "x"], &["--port", "70000"], &["serve"]] {
            assert!(parsed(odd).is_err(), "{odd:?}");
        }
    }
}
