//! The first words of what answered instead of the API: a login page, a firewall's notice, half an answer. By them
//! people find out what stands in between. This is no HTML parser: tags are taken out, and entities stay as written.

use super::api::Detail;
use super::body::Received;
use super::detail::{REDIRECT, cut, hide, hide_exactly};
use crate::domain::unsafe_for_terminal;

/// Characters of a page that are shown.
const WORDS_MAX: usize = 120;

/// What is not shown of a page: how it begins behind the `<`, and how it ends.
const UNREAD: [(&str, &str); 3] = [("!--", "-->"), ("script", "</script>"), ("style", "</style>")];

/// Puts into the message what a body is that is no answer of the API, and its first words.
pub(super) fn quote(detail: Detail, received: &Received, secrets: &[&str]) -> Detail {
    let Some(body) = received.whole().filter(|body| !body.trim_ascii().is_empty()) else {
        return detail;
    };
    let quoted = describe(body, secrets);
    let message = match received.status {
        300..=399 => format!("{REDIRECT}; {quoted}"),
        _ => quoted,
    };
    Detail { message: Some(message.into()), ..detail }
}

/// What a body is, and its first words without secrets.
fn describe(body: &[u8], secrets: &[&str]) -> String {
    if body.contains(&0) {
        return "answer is binary".to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches(|first: char| first.is_whitespace() || first == '\u{feff}');
    // Before the markup is taken out, because a secret may look like some, and after, because it may be hidden in it.
    let hidden = hide_exactly(text, secrets);
    let (name, words) = match text.starts_with('<') {
        true => ("a web page", without_markup(&hidden)),
        false => ("not the API's JSON", hidden),
    };
    let words = cut(&hide(&on_one_line(&words), secrets), WORDS_MAX, "…");
    if words.is_empty() { format!("answer is {name}") } else { format!("answer is {name}: {words}") }
}

/// A page without tags, comments, scripts and styles.
fn without_markup(page: &str) -> String {
    let mut plain = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        plain.push_str(before);
        // Tags part words in most places where they stand.
        plain.push(' ');
        let starts = |start: &str| tag.get(..start.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(start));
        let end = UNREAD.into_iter().find(|(start, _)| starts(start)).map_or(">", |(_, end)| end);
        rest = after(tag, end);
    }
    plain + rest
}

/// What follows an end, in whatever case that is written; nothing where it does not come.
fn after<'t>(text: &'t str, end: &str) -> &'t str {
    let mut places = text.match_indices(&end[..1]).map(|(place, _)| &text[place..]);
    let is_end = |found: &&str| found.get(..end.len()).is_some_and(|found| found.eq_ignore_ascii_case(end));
    places.find(is_end).map_or("", |found| &found[end.len()..])
}

/// The first words between single blanks, without characters that are unsafe for a terminal. No word is cut, as it may
/// be a secret.
fn on_one_line(text: &str) -> String {
    let shown = |word: &str| word.replace(unsafe_for_terminal, "");
    let words = text.split_whitespace().map(shown).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::body::BODY_MAX;

    const SECRET: &str = "s3cr3t-of-the-app";

    fn described(body: impl AsRef<[u8]>) -> String {
        describe(body.as_ref(), &[SECRET])
    }

    /// Promise: people read what stands in between, in its own words.
    #[test]
    fn the_first_words_of_a_page_are_shown() {
        for (body, expected) in [
            ("<html><head><TITLE\n lang=zh>\n 登录 – Wi-Fi</TITLE>", "a web page: 登录 – Wi-Fi"),
            ("\u{feff} <!DOCTYPE html><h1>403 Forbidden</h1><hr>nginx", "a web page: 403 Forbidden nginx"),
            (
                "<head><title> </title><STYLE>b{}</Style></head><body><!-- a > b --><script>x('<b>')</script>\
                 Sign in <b>here</b> &amp; there",
                "a web page: Sign in here &amp; there",
            ),
            ("<script>alert(1)", "a web page"),
            ("404 page not found\n", "not the API's JSON: 404 page not found"),
            ("{\"message\":\n \"no route\"}", "not the API's JSON: {\"message\": \"no route\"}"),
            ("a\u{202e}b\u{7}c\u{200b}d\x1b[31me\u{2028}f", "not the API's JSON: abcd[31me f"),
        ] {
            assert_eq!(described(body), format!("answer is {expected}"), "{body}");
        }
        assert_eq!(described(b"<title>\xb5 ok</title>"), "answer is a web page: \u{fffd} ok");
        let long = described(format!("<title>{}</title>", "登".repeat(500)));
        assert_eq!(long, format!("answer is a web page: {}…", "登".repeat(WORDS_MAX)));
    }

    /// Promise: what is no text is named, not shown.
    #[test]
    fn what_is_no_text_is_named() {
        for body in [&b"\x1f\x8b\x08\0\0\0\0\0"[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0"] {
            assert_eq!(described(body), "answer is binary");
        }
    }

    /// Promise 7: no secret and no access token is put together from a page, and none is cut in two.
    #[test]
    fn no_secret_comes_out_of_a_page() {
        let token = "t-caecc734c2e3328a62489fe0648c4b98779515d3";
        let spread: String = SECRET.chars().flat_map(|c| [c, '\u{200b}']).collect();
        let secrets = [SECRET, "<s3cr3t>"];
        for hidden in [SECRET, &spread, token, "<s3cr3t>"] {
            for before in 0..WORDS_MAX {
                let body = format!("<p>{} {hidden}</p>", "x".repeat(before));
                let shown = describe(body.as_bytes(), &secrets);
                assert!(!shown.contains("s3c") && !shown.contains("t-ca"), "{shown}");
            }
        }
    }

    /// Promise: of a hostile page of the largest size no more is shown than of any other.
    #[test]
    fn a_hostile_page_is_shown_in_few_words() {
        for piece in [
            "<",
            "<title",
            "<!--",
            "<script></",
            "<style></style>",
            "&",
            "\u{202e}",
            "<p>",
            "\u{fffd}",
            "t-1",
        ] {
            let body = format!("<{}", piece.repeat(BODY_MAX / piece.len() - 1));
            assert!(described(body).chars().count() < 160, "{piece}");
        }
    }
}
