//! `export-simulator --port P --scenario FILE`: a simulator until it is killed.
//!
//! Prints the base URL as one line on stdout once it listens; everything else goes to stderr.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    process::ExitCode,
    str::FromStr,
    thread,
};

use export_simulator::{Scenario, Simulator};

const USAGE: &str = "\
usage: export-simulator [--port PORT] [--scenario FILE] [--limits-times N] [--jobs-faster N] [--faults-percent P]

  --port PORT         port on 127.0.0.1; 0, the default, takes any free one
  --scenario FILE     what there is at the start; without it one app, and any document can be exported
  --limits-times N    every app may send N times as many requests
  --jobs-faster N     every job is N times as short
  --faults-percent P  that many requests of a hundred, at every endpoint, meet a fault that passes";

/// Exit code for arguments that make no sense.
const USAGE_ERROR: u8 = 2;

#[derive(Default)]
struct Arguments {
    port: Option<u16>,
    scenario: Option<String>,
    limits_times: Option<usize>,
    jobs_faster: Option<f64>,
    faults_percent: Option<f64>,
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
            "--port" => parsed.port = Some(number(&value()?, "a port", |_| true)?),
            "--scenario" => parsed.scenario = Some(value()?),
            "--limits-times" => {
                parsed.limits_times = Some(number(&value()?, "a whole number above 0", |times| *times > 0)?);
            }
            "--jobs-faster" => {
                parsed.jobs_faster = Some(number(&value()?, "a number above 0", |times| *times > 0.0)?);
            }
            "--faults-percent" => {
                let is_percent = |percent: &f64| (0.0..=100.0).contains(percent);
                parsed.faults_percent = Some(number(&value()?, "a number from 0 to 100", is_percent)?);
            }
            _ => return Err(format!("unknown argument {name:?}")),
        }
    }
    Ok(parsed)
}

fn number<T: FromStr>(text: &str, what: &str, fits: impl Fn(&T) -> bool) -> Result<T, String> {
    text.parse().ok().filter(fits).ok_or_else(|| format!("{text:?} is not {what}"))
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
    if let Some(times) = arguments.limits_times {
        scenario = scenario.with_limits_times(times);
    }
    if let Some(times) = arguments.jobs_faster {
        scenario = scenario.with_jobs_faster(times);
    }
    if let Some(percent) = arguments.faults_percent {
        scenario = scenario.with_passing_faults(percent / 100.0);
    }
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
        let stress =
            parsed(&["--limits-times", "10", "--jobs-faster", "2.5", "--faults-percent", "3"]).unwrap();
        let seen = (stress.limits_times, stress.jobs_faster, stress.faults_percent);
        assert_eq!(seen, (Some(10), Some(2.5), Some(3.0)));
        for odd in [
            &["--port"][..],
            &["--port", "x"],
            &["--port", "70000"],
            &["--limits-times", "0"],
            &["--jobs-faster", "-1"],
            &["--jobs-faster", "NaN"],
            &["--faults-percent", "101"],
            &["serve"],
        ] {
            assert!(parsed(odd).is_err(), "{odd:?}");
        }
    }
}
