//! `init`: asks for what a first configuration needs, has it written and checked, and names the next commands.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use feishu_export_watcher::domain::{
    BaseUrl, BaseUrlError, SecretFault, SecretPurpose, secret_text, with_causes,
};
use feishu_export_watcher::{AppId, AppIdError, FirstConfig, InitError, InitPlan};
use secrecy::SecretString;
use thiserror::Error;

use crate::args::{InitArguments, Platform};
use crate::check::check_file;
use crate::config_file::{HERE, command, is_found};
use crate::exit;
use crate::input::{InputError, LINE_MAX, Line, ask_hidden_line, ask_line, is_terminal, read_line};
use crate::messages::{eprint_escaped, eprint_folded};

/// Why nothing was written. No message repeats an answer: it may be the secret in the wrong place.
#[derive(Debug, Error)]
enum Refusal {
    #[error("stdin is no terminal, so nothing is asked; give {0}")]
    Unasked(String),
    #[error("--base-url: {0}")]
    BaseUrl(BaseUrlError),
    #[error("--app-id: {0}")]
    AppId(AppIdError),
    #[error("the app secret on the first line of stdin {0}")]
    Stdin(SecretFault),
    #[error("the app secret in {path} {1}", path = .0.display())]
    SecretFile(PathBuf, SecretFault),
    #[error("{} is longer than {} KiB", .0.display(), LINE_MAX >> 10)]
    TooLong(PathBuf),
    #[error("failed to read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Init(#[from] InitError),
}

impl Refusal {
    fn code(&self) -> u8 {
        match self {
            Self::Init(error) => error.class() as u8,
            Self::Input(InputError::Interrupted) => exit::KILLED,
            Self::Input(InputError::Failed(_)) => exit::UNEXPECTED,
            _ => exit::USAGE,
        }
    }
}

/// Writes a first configuration and checks it; returns the exit code.
pub(crate) fn init(arguments: InitArguments) -> u8 {
    let config = arguments.config.clone().unwrap_or_else(|| HERE.into());
    // As it stands in messages of other folders; a folder that is gone has no path.
    let config = std::path::absolute(&config).unwrap_or(config);
    match write_files(&config, arguments) {
        Ok(()) => conclude(&config),
        Err(error) => {
            eprint_folded(&format!("error: {}", with_causes(&error)));
            error.code()
        }
    }
}

/// Nothing is asked before it is known that the answers can be used.
fn write_files(config: &Path, arguments: InitArguments) -> Result<(), Refusal> {
    let InitArguments { platform, base_url, app_id, secret_file, .. } = arguments;
    let plan = InitPlan::new(config)?;
    let base_url = platform.map(host).or(base_url.as_deref()).map(BaseUrl::parse);
    let base_url = base_url.transpose().map_err(Refusal::BaseUrl)?;
    let app_id = app_id.as_deref().map(AppId::parse).transpose().map_err(Refusal::AppId)?;
    let secret = secret_file.map(secret_of_file).transpose()?;
    let is_asked = is_terminal();
    if !is_asked {
        refuse_to_ask(base_url.is_none(), app_id.is_none())?;
    }
    let first = FirstConfig {
        base_url: base_url.map_or_else(|| ask(PLATFORM, ask_line, to_base_url), Ok)?,
        app_id: app_id.map_or_else(|| ask(APP_ID, ask_line, to_app_id), Ok)?,
        secret: match secret {
            Some(secret) => secret,
            None if is_asked => ask(SECRET, ask_hidden_line, to_secret)?,
            None => secret_of_stdin()?,
        },
    };
    plan.write(&first)?;
    let rows = plan.paths().iter().map(|path| format!("\n  {}", path.display()));
    eprint_escaped(&format!("written:{}", rows.collect::<String>()));
    Ok(())
}

fn refuse_to_ask(lacks_host: bool, lacks_app_id: bool) -> Result<(), Refusal> {
    let lacking = [(lacks_host, "--platform or --base-url"), (lacks_app_id, "--app-id")];
    let flags: Vec<_> = lacking.iter().filter(|(lacks, _)| *lacks).map(|(_, flag)| *flag).collect();
    if flags.is_empty() { Ok(()) } else { Err(Refusal::Unasked(flags.join(", and "))) }
}

/// The written configuration as `check` sees it, and what to do next.
fn conclude(config: &Path) -> u8 {
    let code = check_file(config, true);
    let option = (!is_found(config)).then_some(config);
    if code == exit::FINE {
        let [add, run] = ["add URL --format pdf", "run --until-done"].map(|name| command(name, option));
        eprint_escaped(&format!("next, list documents and have them saved:\n  {add}\n  {run}"));
    } else {
        eprint_escaped(&format!("next, correct this and check again:\n  {}", command("check", option)));
    }
    code
}

const PLATFORM: &str = "platform, feishu or lark: ";
const APP_ID: &str = "app id, as the developer console shows it (cli_...): ";
const SECRET: &str = "app secret (it is not shown): ";

/// Asks until the answer can be used, or none comes.
fn ask<T>(
    question: &str,
    read: impl Fn(&str) -> Result<Line, InputError>,
    take: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, Refusal> {
    loop {
        match take(&read(question)?) {
            Ok(answer) => return Ok(answer),
            Err(message) => eprint_folded(&message),
        }
    }
}

fn to_base_url(answer: &[u8]) -> Result<BaseUrl, String> {
    let answer = answer.trim_ascii().to_ascii_lowercase();
    let platform = match &answer[..] {
        b"feishu" => Platform::Feishu,
        b"lark" => Platform::Lark,
        _ => return Err("feishu (open.feishu.cn) or lark (open.larksuite.com)?".to_owned()),
    };
    BaseUrl::parse(host(platform)).map_err(|error| error.to_string())
}

fn to_app_id(answer: &[u8]) -> Result<AppId, String> {
    let answer = std::str::from_utf8(answer.trim_ascii()).unwrap_or_default();
    AppId::parse(answer).map_err(|error| error.to_string())
}

fn to_secret(answer: &[u8]) -> Result<SecretString, String> {
    secret_of(answer).map_err(|fault| format!("the app secret {fault}"))
}

fn secret_of(bytes: &[u8]) -> Result<SecretString, SecretFault> {
    secret_text(bytes, SecretPurpose::AppSecret).map(SecretString::from)
}

fn secret_of_stdin() -> Result<SecretString, Refusal> {
    match read_line() {
        Err(InputError::Ended) => Err(Refusal::Stdin(SecretFault::Empty)),
        line => secret_of(&line?).map_err(Refusal::Stdin),
    }
}

/// The secret in any file that can be read, a pipe of the shell included.
fn secret_of_file(path: PathBuf) -> Result<SecretString, Refusal> {
    // Room for all of it at once, so that growing leaves no copies behind.
    let mut bytes = Line::new(Vec::with_capacity(LINE_MAX + 1));
    let file = File::open(&path);
    match file.and_then(|file| file.take(LINE_MAX as u64 + 1).read_to_end(&mut bytes)) {
        Err(error) => Err(Refusal::Unreadable(path, error)),
        Ok(length) if length > LINE_MAX => Err(Refusal::TooLong(path)),
        Ok(_) => secret_of(&bytes).map_err(|fault| Refusal::SecretFile(path, fault)),
    }
}

const fn host(platform: Platform) -> &'static str {
    match platform {
        Platform::Feishu => "https://open.feishu.cn",
        Platform::Lark => "https://open.larksuite.com",
    }
}
