//! The first words of what answered instead of the API: a login page, a firewall's notice, half a text. They are what
//! tells people what stands in between. Looks at the front of a body only, in one pass.

use super::api::Detail;
use super::body::Received;
use super::detail::{Front, REDIRECT, cut, hide, hide_in_front, without_torn_word};
use crate::domain::unsafe_for_terminal;

/// Characters of a page that are shown.
const WORDS_MAX: usize = 120;

/// Characters of a page that are looked at. Titles stand in the first few thousand, behind styles and scripts maybe.
const LOOKED_AT: usize = 16 * 1024;

/// Bytes in which a body is told from text.
const PROBE: usize = 1024;

/// Bytes of an entity at most, its end included.
const ENTITY_MAX: usize = 11;

/// Elements whose content is not shown.
const UNREAD: [&str; 2] = ["script", "style"];

/// Entities that pages write where they could write the character; numbers are decoded as well.
const ENTITIES: [(&str, char); 10] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("ndash", '–'),
    ("mdash", '—'),
    ("middot", '·'),
    ("hellip", '…'),
];

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
    if let Some(form) = binary_form(body) {
        return format!("answer is {form}");
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches(|first: char| first.is_whitespace() || first == '\u{feff}');
    let name = if text.starts_with('<') { "a web page" } else { "not the API's JSON" };
    // Before the markup is taken out, because a secret may look like some, and after, because it may be hidden in it.
    let words = match hide_in_front(text, LOOKED_AT, secrets) {
        Front::Whole(text) => title(&text).unwrap_or_else(|| words(&text)),
        Front::Part(text) => title(&text).unwrap_or_else(|| without_end(&words(&text), secrets)),
    };
    let words = cut(&hide(&words, secrets), WORDS_MAX, "…");
    if words.is_empty() { format!("answer is {name}") } else { format!("answer is {name}: {words}") }
}

/// Without what may be the first part of a secret, which is longer where it is written with entities.
fn without_end(words: &str, secrets: &[&str]) -> String {
    let torn = secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
    without_torn_word(&words[..words.floor_char_boundary(words.len().saturating_sub(torn))]).to_owned()
}

/// The form of a body that is no text.
fn binary_form(body: &[u8]) -> Option<&'static str> {
    match body {
        // No encoding was asked for.
        [0x1f, 0x8b, ..] => Some("compressed (gzip)"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed (zstd)"),
        _ => {
            let probe = &body[..body.len().min(PROBE)];
            let is_odd = |byte: &&u8| byte.is_ascii_control() && !b"\t\n\r\x0c\x1b".contains(byte);
            let odd = probe.iter().filter(is_odd).count();
            (odd * 10 > probe.len()).then_some("binary")
        }
    }
}

/// The title of a page, if it has one that is not empty and comes to an end.
fn title(text: &str) -> Option<String> {
    let mut rest = text.starts_with('<').then_some(text)?;
    while let Some((_, tag)) = rest.split_once('<') {
        if is_tag(tag, "title") {
            let (title, _) = tag.split_once('>')?.1.split_once('<')?;
            return Some(on_one_line(&without_entities(title))).filter(|title| !title.is_empty());
        }
        rest = tag;
    }
    None
}

/// What people read of a page; of what is no page, all of it.
fn words(text: &str) -> String {
    if text.starts_with('<') { on_one_line(&without_markup(text)) } else { on_one_line(text) }
}

/// Whether what follows a `<` is a tag of that name.
fn is_tag(tag: &str, name: &str) -> bool {
    let start = tag.get(..name.len());
    let ends = |next: char| next == '>' || next == '/' || next.is_whitespace();
    start.is_some_and(|start| start.eq_ignore_ascii_case(name)) && tag[name.len()..].starts_with(ends)
}

/// A page without tags, comments, and content that is not shown.
fn without_markup(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        plain.push_str(before);
        // Tags part words in most places where they stand.
        plain.push(' ');
        rest = match UNREAD.into_iter().find(|name| is_tag(tag, name)) {
            Some(name) => after_element(tag, name),
            None if tag.starts_with("!--") => tag.split_once("-->").map_or("", |(_, rest)| rest),
            None => tag.split_once('>').map_or("", |(_, rest)| rest),
        };
    }
    plain.push_str(rest);
    without_entities(&plain)
}

/// What follows the end of an element; nothing where it has none.
fn after_element<'t>(tag: &'t str, name: &str) -> &'t str {
    let mut rest = tag;
    while let Some((_, end)) = rest.split_once("</") {
        if is_tag(end, name) {
            return end.split_once('>').map_or("", |(_, rest)| rest);
        }
        rest = end;
    }
    ""
}

fn without_entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        plain.push_str(before);
        // Longer ones are none, and are not looked for.
        let end = entity.bytes().take(ENTITY_MAX).position(|byte| byte == b';');
        let decoded = end.and_then(|end| Some((decode(&entity[..end])?, &entity[end + 1..])));
        let (character, after) = decoded.unwrap_or(('&', entity));
        plain.push(character);
        rest = after;
    }
    plain + rest
}

fn decode(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        return ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

/// Words between single blanks, without what deceives on a screen, bytes that were no text as one mark.
fn on_one_line(text: &str) -> String {
    let is_shown = |character: &char| !unsafe_for_terminal(*character) || character.is_whitespace();
    let text: String = text.chars().filter(is_shown).collect();
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    while line.contains("\u{fffd}\u{fffd}") {
        line = line.replace("\u{fffd}\u{fffd}", "\u{fffd}");
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::feishu::body::BODY_MAX;
    use crate::feishu::detail::TOKEN_MAX;

    const SECRET: &str = "s3cr3t-of-the-app";

    fn described(body: impl AsRef<[u8]>) -> String {
        describe(body.as_ref(), &[SECRET])
    }

    /// Promise: people read what stands in between, in its own words.
    #[test]
    fn the_first_words_of_a_page_are_shown() {
        for (body, expected) in [
            ("<html><head><TITLE\n lang=zh>\n 登录 &#8211; Wi&#x2d;Fi</TITLE>", "a web page: 登录 – Wi-Fi"),
            ("\u{feff} <!DOCTYPE html><h1>403 Forbidden</h1><hr>nginx", "a web page: 403 Forbidden nginx"),
            (
                "<head><title> </title><style>b{}</style></head><body><!-- a > b --><script>x('<b>')</script>\
                 Sign&nbsp;in &lt;here&gt; &amp;amp; &bogus; &",
                "a web page: Sign in <here> &amp; &bogus; &",
            ),
            ("<titles>no</titles>", "a web page: no"),
            ("<script>alert(1)", "a web page"),
            ("404 page not found\n", "not the API's JSON: 404 page not found"),
            ("{\"message\":\n \"no route\"}", "not the API's JSON: {\"message\": \"no route\"}"),
            ("a\u{202e}b\u{7}c\u{200b}d\x1b[31me\u{2028}f", "not the API's JSON: abcd[31me f"),
        ] {
            assert_eq!(described(body), format!("answer is {expected}"), "{body}");
        }
        assert_eq!(described(b"<title>\xb5\xff\xfe ok</title>"), "answer is a web page: \u{fffd} ok");
        let long = described(format!("<title>{}</title>", "登".repeat(500)));
        assert_eq!(long, format!("answer is a web page: {}…", "登".repeat(WORDS_MAX)));
    }

    /// Promise: what is no text is named, not shown.
    #[test]
    fn what_is_no_text_is_named() {
        for (body, expected) in [
            (&b"\x1f\x8b\x08\0\0\0\0\0"[..], "answer is compressed (gzip)"),
            (b"\x28\xb5\x2f\xfd\x04\0", "answer is compressed (zstd)"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0", "answer is binary"),
        ] {
            assert_eq!(described(body), expected);
        }
    }

    /// Promise 7: no secret and no access token is put together from a page, and none is cut in two.
    #[test]
    fn no_secret_comes_out_of_a_page() {
        let token = "t-caecc734c2e3328a62489fe0648c4b98779515d3";
        let escaped: String = SECRET.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        let spread: String = SECRET.chars().flat_map(|c| [c, '\u{200b}']).collect();
        let secrets = [SECRET, "<s3cr3t>"];
        let window = 4 * LOOKED_AT + TOKEN_MAX + 2 * SECRET.len();
        for hidden in [SECRET, &escaped, &spread, token, "<s3cr3t>"] {
            let fronts = (0..150).step_by(9).map(|back| "<b>".repeat(window / 3 - back) + "<i>");
            for front in fronts.chain([String::new(), "x".repeat(WORDS_MAX - 12) + " "]) {
                for body in [format!("<p>{front}{hidden}</p>"), format!("{front}<title>{hidden}</title>")] {
                    let shown = describe(body.as_bytes(), &secrets);
                    assert!(!shown.contains("s3c") && !shown.contains("t-ca"), "{shown}");
                }
            }
        }
        let large = format!("<title>Sign in</title>{}", "<p>x".repeat(window));
        assert_eq!(described(large), "answer is a web page: Sign in");
    }

    /// Promise: a hostile page of the largest size costs no time.
    #[test]
    fn a_hostile_page_is_soon_read() {
        let begin = Instant::now();
        for piece in ["<", "<title", "<!--", "<script></", "&", "&#", "&#x41;", "\u{202e}", "<p>", "\u{fffd}"]
        {
            let body = format!("<{}", piece.repeat(BODY_MAX / piece.len() - 1));
            assert!(described(body).chars().count() < 160, "{piece}");
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
