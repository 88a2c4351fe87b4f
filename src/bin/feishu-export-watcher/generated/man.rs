//! Pages of the manual: one for the program and one a subcommand. What `--help` says at its end, under heads such as
//! "Examples:", becomes sections; what an installed watcher has beyond its arguments stands here.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::Arguments;
use crate::config_file::VARIABLE;

/// The section of the manual that holds programs.
const SECTION: &str = "1";

/// Where the unit has the program's files (README, "Running it").
const FILES: [(&str, &str); 6] = [
    (
        "/etc/feishu-export-watcher/watcher.toml",
        "The configuration of the service. Every key, with its default, is described in config/watcher.toml of the sources.",
    ),
    (
        "/etc/feishu-export-watcher/watchlist.toml",
        "The tickets to follow. A change is taken by itself, within seconds.",
    ),
    (
        "/etc/feishu-export-watcher/watchlist.d/*.toml",
        "More of them. A file that is added or removed is noticed by itself, too.",
    ),
    (
        "/etc/feishu-export-watcher/app_secret",
        "The app's secret, handed over by systemd when the service starts.",
    ),
    (
        "/var/lib/feishu-export-watcher/state.db",
        "What is known about every ticket, an SQLite database. The files beside it belong to it.",
    ),
    ("/etc/systemd/system/feishu-export-watcher.service", "The unit."),
];

/// What the program reads from its environment, beside what its arguments name.
const ENVIRONMENT: [(&str, &str); 7] = [
    (
        VARIABLE,
        "The configuration file where --config is left out. Without it that is watcher.toml in the folder in which the \
         program is started, else /etc/feishu-export-watcher/watcher.toml.",
    ),
    ("CREDENTIALS_DIRECTORY", "Where systemd puts the secrets that the configuration calls a credential."),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy between this machine and the API (http, https, socks4, socks4a, socks5 or socks5h), and the hosts that are reached without it. The first that is not empty counts; each may be written in small letters.",
    ),
    ("NO_COLOR", "If it is set and not empty, the log on a terminal has no colours."),
    ("NOTIFY_SOCKET", "Where the service manager is told how things stand (Type=notify)."),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "A file, or folders parted by colons, with certificates of authorities (PEM), which are trusted in place of the system's.",
    ),
    ("WATCHDOG_USEC, WATCHDOG_PID", "How often the service manager wants a sign of life."),
];

/// Pages of others that help.
const SEE_ALSO: &str = "journalctl(1), systemctl(1), systemd.service(5), jq(1)";

/// What `--help` says at its end, taken apart.
struct AfterHelp {
    /// Paragraphs before the first head.
    intro: String,
    /// Heads and the lines below each.
    sections: Vec<(String, Vec<String>)>,
}

/// Every page, with its path below `deploy/`.
pub(super) fn pages() -> impl Iterator<Item = (PathBuf, String)> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let subcommands: Vec<_> = program.get_subcommands().cloned().collect();
    let main = main_page(&program);
    let mut pages = vec![main];
    pages.extend(subcommands.iter().map(|command| page_of(command, &program)));
    pages.into_iter()
}

fn main_page(program: &Command) -> (PathBuf, String) {
    let names = program.get_subcommands().map(reference).collect::<Vec<_>>().join(", ");
    let own = after_help(program);
    let run = program.find_subcommand("run").map(after_help);
    let mut page = Page::begin(program, program, &own.intro);
    page.part(|man, out| man.render_subcommands_section(out));
    let of_run = run.into_iter().flat_map(|run| run.sections).filter(|(head, _)| head != "EXAMPLES");
    of_run.for_each(|(head, lines)| page.verbatim(&head, &lines));
    page.terms("ENVIRONMENT", &environment(program));
    page.terms("FILES", &FILES.map(|(term, text)| (term.to_owned(), text.to_owned())));
    own.sections.iter().for_each(|(head, lines)| page.verbatim(head, lines));
    page.text("SEE ALSO", &format!("{names}, {SEE_ALSO}"));
    page.end()
}

fn page_of(command: &Command, program: &Command) -> (PathBuf, String) {
    let own = after_help(command);
    let mut page = Page::begin(command, program, &own.intro);
    own.sections.iter().for_each(|(head, lines)| page.verbatim(head, lines));
    page.text("SEE ALSO", &reference(program));
    page.end()
}

/// The variables that arguments name, then the others.
fn environment(program: &Command) -> Vec<(String, String)> {
    let arguments = program.get_subcommands().flat_map(Command::get_arguments);
    let named = arguments.filter_map(|argument| {
        let (variable, option) = (argument.get_env()?.to_str()?, argument.get_long()?);
        Some((variable.to_owned(), format!("The same as --{option}, which wins.")))
    });
    let others = ENVIRONMENT.map(|(term, text)| (term.to_owned(), text.to_owned()));
    named.chain(others).collect()
}

/// The page's name and section, as other pages refer to it.
fn reference(command: &Command) -> String {
    format!("{}({SECTION})", page_name(command))
}

fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Takes apart what `--help` says at its end: a line that begins at the margin and ends with a colon is a head.
fn after_help(command: &Command) -> AfterHelp {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut intro = Vec::new();
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_suffix(':'), sections.last_mut()) {
            (Some(head), _) if head.starts_with(char::is_uppercase) => {
                sections.push((section_name(head), Vec::new()));
            }
            (_, Some((_, lines))) => lines.push(line.to_owned()),
            (_, None) => intro.push(line),
        }
    }
    for (_, lines) in &mut sections {
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
    }
    AfterHelp { intro: intro.join("\n"), sections }
}

/// The name that a section of that kind has in every manual.
fn section_name(head: &str) -> String {
    match head {
        "Exit codes" => "EXIT STATUS".to_owned(),
        _ => head.to_uppercase(),
    }
}

/// A page that is being written.
struct Page {
    file: PathBuf,
    man: Man,
    text: String,
}

impl Page {
    /// Writes what every page begins with, up to its options.
    fn begin(command: &Command, program: &Command, intro: &str) -> Self {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").to_owned();
        let version = program.get_version().unwrap_or_default();
        let man = Man::new(command.clone().override_usage(usage))
            .section(SECTION)
            // What is empty has to be quoted, or what follows it moves up.
            .date("\"\"")
            .source(format!("{} {version}", program.get_name()));
        let file = Path::new("man").join(man.get_filename());
        let mut page = Self { file, man, text: Roff::new().render() };
        page.part(|man, out| man.render_title(out));
        // Names and options are there to be copied: none is parted at the end of a line.
        page.push(&Roff::new().control("nh", []).control("ad", ["l"]).render());
        page.part(|man, out| man.render_name_section(out));
        page.part(|man, out| man.render_synopsis_section(out));
        let about = command.get_long_about().or_else(|| command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        page.text("DESCRIPTION", &format!("{}.\n\n{intro}", about.trim_end_matches('.')));
        page.part(|man, out| man.render_options_section(out));
        page
    }

    /// Adds a section that the library knows how to write.
    fn part(&mut self, render: impl FnOnce(&Man, &mut dyn std::io::Write) -> std::io::Result<()>) {
        let mut part = Vec::new();
        render(&self.man, &mut part).unwrap();
        self.push(&String::from_utf8(part).unwrap());
    }

    /// Adds a section whose lines stay as they are.
    fn verbatim(&mut self, head: &str, lines: &[String]) {
        let mut roff = Roff::new();
        roff.control("SH", [head]).control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        self.push(&roff.control("fi", []).render());
    }

    /// Adds a section of terms, each with its explanation.
    fn terms(&mut self, head: &str, terms: &[(String, String)]) {
        let mut roff = Roff::new();
        roff.control("SH", [head]);
        for (term, text) in terms {
            roff.control("TP", []).text([bold(term)]).text([roman(text)]);
        }
        self.push(&roff.render());
    }

    /// Adds a section of paragraphs, with an empty line between them.
    fn text(&mut self, head: &str, text: &str) {
        let mut roff = Roff::new();
        roff.control("SH", [head]);
        for line in text.trim().lines() {
            if line.is_empty() {
                roff.control("PP", []);
            } else {
                roff.text([roman(line)]);
            }
        }
        self.push(&roff.render());
    }

    /// What is written by itself begins with definitions that a page needs once.
    fn push(&mut self, part: &str) {
        self.text += part.trim_start_matches(&Roff::new().render());
    }

    fn end(self) -> (PathBuf, String) {
        (self.file, self.text)
    }
}
