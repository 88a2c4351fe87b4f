//! The alerts as shipped: that they are rules, speak of nothing that the watcher does not show, and fire when they
//! should.
//!
//! Whether an expression is one is promtool's to say. What it names is looked up here, in a real scrape.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::metrics::scripted;

const PREFIX: &str = "feishu_export_watcher_";

/// What Prometheus itself notes of every target.
const UP: &str = "up{job=\"feishu-export-watcher\"} 1\n";

/// Words of PromQL that stand where a metric could.
const FUNCTIONS: [&str; 7] =
    ["absent", "histogram_quantile", "increase", "min_over_time", "rate", "sum", "time"];
const OPERATORS: [&str; 3] = ["and", "or", "unless"];
const GROUPINGS: [&str; 4] = ["by", "ignoring", "on", "without"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    _lasts: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    summary: String,
    description: String,
}

/// Labels of each series, and the values that they have.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yml")
}

fn rules(text: &str) -> Vec<Rule> {
    let file: File = serde_saphyr::from_str(text).unwrap();
    assert!(file.groups.iter().all(|group| !group.name.is_empty()));
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn series(scrape: &str) -> Series {
    let mut all = Series::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.rsplit_once(' ').unwrap().0.split_once('{').unwrap_or((line, ""));
        let name = name.split(' ').next().unwrap();
        let known = all.entry(name.to_owned()).or_default();
        let pairs = labels.trim_end_matches('}').split_terminator("\",");
        for (label, value) in pairs.map(|pair| pair.split_once("=\"").unwrap()) {
            known.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
        }
    }
    all
}

/// What is wrong with an expression: names and values that no series has.
fn strangers(expression: &str, known: &Series) -> Vec<String> {
    let mut reading = Reading { rest: expression, known, labels: HashSet::new(), strangers: Vec::new() };
    while !reading.rest.is_empty() {
        reading.step();
    }
    reading.strangers
}

/// Reads an expression from left to right, as far as it takes to know what it names.
struct Reading<'a> {
    rest: &'a str,
    known: &'a Series,
    /// Labels of all series so far.
    labels: HashSet<&'a str>,
    strangers: Vec<String>,
}

impl<'a> Reading<'a> {
    fn step(&mut self) {
        let first = self.rest.chars().next().unwrap();
        if first.is_ascii_digit() {
            self.take(|c| c.is_ascii_alphanumeric() || c == '.');
        } else if first == '[' {
            self.take(|c| c != ']');
        } else if is_of_name(first) {
            self.name();
        } else {
            assert!(" \n]()<>=!+-*/,".contains(first), "{first:?} is not understood: {}", self.rest);
            self.rest = &self.rest[1..];
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn name(&mut self) {
        let name = self.take(is_of_name);
        if GROUPINGS.contains(&name) {
            self.grouping();
        } else if let Some(labels) = self.known.get(name) {
            self.labels.extend(labels.keys().map(String::as_str));
            self.matchers(name, labels);
        } else if !FUNCTIONS.contains(&name) && !OPERATORS.contains(&name) {
            self.strangers.push(name.to_owned());
        }
    }

    /// Labels in parentheses. They may be those of what stands behind.
    fn grouping(&mut self) {
        self.take(|c| c == ' ' || c == '(');
        let inside = self.take(|c| c != ')');
        let all: HashSet<_> = self.known.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
        let strange = inside.split(',').map(str::trim).filter(|label| !all.contains(label));
        self.strangers.extend(strange.map(str::to_owned));
    }

    /// `{label="value", label!~"one|another"}`
    fn matchers(&mut self, name: &str, labels: &BTreeMap<String, BTreeSet<String>>) {
        let Some(rest) = self.rest.strip_prefix('{') else { return };
        let (inside, rest) = rest.split_once('}').unwrap();
        self.rest = rest;
        for matcher in inside.split(',') {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            let has = |value: &str| labels.get(label.trim()).is_some_and(|values| values.contains(value));
            let strange = value.split('|').filter(|value| !has(value));
            self.strangers.extend(strange.map(|value| format!("{name}{{{label}={value}}}")));
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The words of a text that look like a metric of ours.
fn ours(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_of_name(c)).filter(|word| word.starts_with(PREFIX))
}

/// Promise: whatever an alert names is there, so that none is silent for ever; each says what is wrong and what to
/// do.
#[test]
fn alerts_name_only_what_is_there() {
    let text = std::fs::read_to_string(shipped()).unwrap();
    let scrape = scripted().scrape + UP;
    let known = series(&scrape);
    for name in ours(&text) {
        assert!(known.contains_key(name), "{name} is in no scrape");
    }
    let rules = rules(&text);
    let names: HashSet<_> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(names.len(), rules.len(), "each name once");
    for Rule { alert, expr, labels, annotations, .. } in &rules {
        assert_eq!(strangers(expr, &known), [""; 0], "{alert}");
        assert!(["critical", "warning"].contains(&labels["severity"].as_str()), "{alert}");
        assert!(annotations.summary.len() < 100 && annotations.description.len() > 100, "{alert}");
        let said = format!("{} {}", annotations.summary, annotations.description);
        for label in said.split("$labels.").skip(1).map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap())
        {
            let has = |name: &str| known.get(name).is_some_and(|labels| labels.contains_key(label));
            assert!(expr.split(|c| !is_of_name(c)).any(has), "{alert} has no label {label}");
        }
    }
}

/// Promise: the test above sees what is misspelt.
#[test]
fn misspelt_names_are_seen() {
    let known = series("polls_total{app=\"a\",result=\"pending\"} 1\nlag_bucket{le=\"0.5\"} 2\nturned 3\n");
    for good in [
        "polls_total > 0 and ignoring (result) turned == 1",
        "rate(polls_total{result=\"pending\"}[5m]) < 0.5 or time() - turned > 30",
        "histogram_quantile(0.5, sum by (app, le) (rate(lag_bucket[1h]))) > 1e3",
        "absent(polls_total{result!~\"pending\",app=\"a\"})",
    ] {
        assert_eq!(strangers(good, &known), [""; 0], "{good}");
    }
    for (bad, what) in [
        ("poll_total > 0", "poll_total"),
        ("rate(polls_totall[5m])", "polls_totall"),
        ("polls_total{result=\"pendign\"}", "polls_total{result=pendign}"),
        ("polls_total{results=\"pending\"}", "polls_total{results=pending}"),
        ("polls_total{result!~\"pending|faield\"}", "polls_total{result=faield}"),
        ("sum by (apps) (polls_total)", "apps"),
        ("turned unles polls_total", "unles"),
        ("rates(turned[5m])", "rates"),
    ] {
        assert_eq!(strangers(bad, &known), [what], "{bad}");
    }
}

/// Runs promtool; says so where there is none, which in CI is a failure.
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "promtool: {error}");
            println!("left out: there is no promtool ({error})");
            return;
        }
    };
    // It may have seen enough before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&said));
}

/// Promise: Prometheus takes the rules as they are shipped.
#[test]
fn promtool_takes_the_rules() {
    promtool(&["check", "rules", shipped().to_str().unwrap()], "");
}

/// Promise: names and texts of the metrics are as Prometheus wants them.
#[test]
fn promtool_finds_nothing_in_a_scrape() {
    promtool(&["check", "metrics"], &scripted().scrape);
}

/// Promise: every alert fires when it should, and none when all is well.
#[test]
fn alerts_fire_when_they_should() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watcher/alerts_fire.yml");
    let text = std::fs::read_to_string(&scenarios).unwrap();
    for Rule { alert, .. } in rules(&std::fs::read_to_string(shipped()).unwrap()) {
        assert!(text.contains(&format!("alertname=\"{alert}\"")), "{alert} has no scenario");
    }
    promtool(&["test", "rules", scenarios.to_str().unwrap()], "");
}
