//! Questions on a terminal and lines of standard input: bounded, and not shown where they are typed and secret. What an
//! answer may be is decided elsewhere.

use std::io::{self, IsTerminal as _, Stdin, Write as _};

use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

/// Bytes of a line at most.
pub(crate) const LINE_MAX: usize = 64 * 1024;

// What the keys send in place of which the terminal does nothing while a line is hidden.
const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// A line without its end. Its memory is cleared when it is dropped.
pub(crate) type Line = Zeroizing<Vec<u8>>;

/// Why there is no line.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    /// The input ended before it.
    #[error("nothing was written: the input ended before an answer")]
    Ended,
    /// Control-C.
    #[error("nothing was written: interrupted")]
    Interrupted,
    /// It is no answer to any question.
    #[error("nothing was written: the line is longer than {} KiB", LINE_MAX >> 10)]
    TooLong,
    /// The input can't be read, or the terminal not be set.
    #[error("nothing was written: standard input can't be read")]
    Failed(#[from] io::Error),
}

/// Whether standard input is a terminal, where questions can be answered.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The next line. The last one may lack its end.
pub(crate) fn read_line() -> Result<Line, InputError> {
    let stdin = io::stdin();
    collect(|| next_byte(&stdin), false)
}

/// The answer to a question, which the terminal shows while it is typed.
pub(crate) fn ask_line(question: &str) -> Result<Line, InputError> {
    prompt(question);
    // A line that is not ended leaves the cursor behind the question.
    read_line().inspect_err(|_| prompt("\n"))
}

/// The answer to a question, typed unseen.
pub(crate) fn ask_hidden_line(question: &str) -> Result<Line, InputError> {
    // Before the question: what is typed as soon as it stands there is its answer.
    let hidden = Hidden::begin(io::stdin())?;
    prompt(question);
    let line = collect(|| next_byte(&hidden.stdin), true);
    prompt("\n");
    line
}

/// Where stderr can't be written, the question can still be answered.
fn prompt(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// One byte at a time, so that no buffer keeps a copy and nothing behind the line is taken.
fn next_byte(stdin: &Stdin) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        return match rustix::io::read(stdin, &mut byte) {
            Err(Errno::INTR) => continue,
            Ok(0) => Ok(None),
            read => Ok(read.map(|_| Some(byte[0]))?),
        };
    }
}

/// A line out of bytes; of keys, where the terminal does not edit it.
fn collect(mut next: impl FnMut() -> io::Result<Option<u8>>, from_keys: bool) -> Result<Line, InputError> {
    // Room for all of it at once, so that growing leaves no copies behind.
    let mut line = Line::new(Vec::with_capacity(LINE_MAX));
    loop {
        match next()? {
            Some(b'\n') => return Ok(line),
            None if line.is_empty() || from_keys => return Err(InputError::Ended),
            None => return Ok(line),
            Some(b'\r') if from_keys => return Ok(line),
            Some(CONTROL_C) if from_keys => return Err(InputError::Interrupted),
            Some(CONTROL_D) if from_keys && line.is_empty() => return Err(InputError::Ended),
            Some(BACKSPACE | DELETE) if from_keys => drop(line.pop()),
            Some(CONTROL_U) if from_keys => line.clear(),
            Some(_) if line.len() == LINE_MAX => return Err(InputError::TooLong),
            Some(byte) => line.push(byte),
        }
    }
}

/// A terminal that hands over keys and shows none of them, until this is dropped. Control-C is a key as well: a process
/// that it ended would leave the terminal without echo.
struct Hidden {
    stdin: Stdin,
    before: Termios,
}

impl Hidden {
    fn begin(stdin: Stdin) -> io::Result<Self> {
        let before = tcgetattr(&stdin)?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        unseen.special_codes[SpecialCodeIndex::VMIN] = 1;
        unseen.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question is not its answer.
        tcsetattr(&stdin, OptionalActions::Flush, &unseen)?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs none of it.
        let _ = tcsetattr(&self.stdin, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect_all(bytes: &[u8], from_keys: bool) -> Result<String, String> {
        let mut bytes = bytes.iter().copied();
        let line = collect(|| Ok(bytes.next()), from_keys).map_err(|error| format!("{error:?}"))?;
        Ok(String::from_utf8(line.to_vec()).unwrap())
    }

    /// Promise: a line ends where it ends, is bounded, and the usual keys do what they do in a shown line.
    #[test]
    fn a_line_is_collected() {
        let long = [b'x'; LINE_MAX + 1];
        for (bytes, from_keys, line) in [
            (&b"a\nb"[..], false, Ok("a")),
            (b"a\r\n", false, Ok("a\r")),
            (b"a", false, Ok("a")),
            (b"\n", false, Ok("")),
            (b"", false, Err("Ended")),
            (&long, false, Err("TooLong")),
            (&long[1..], false, Ok(std::str::from_utf8(&long[1..]).unwrap())),
            (b"a\rb", true, Ok("a")),
            (b"\x7fax\x7f\x08bc\x08\x04\n", true, Ok("b\x04")),
            (b"ab\x15c\n", true, Ok("c")),
            (b"ab\x03", true, Err("Interrupted")),
            (b"\x04", true, Err("Ended")),
            (b"ab", true, Err("Ended")),
        ] {
            assert_eq!(collect_all(bytes, from_keys), line.map(str::to_owned).map_err(str::to_owned));
        }
    }
}
