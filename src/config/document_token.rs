//! The token of a document in a watch list: what may be one, and what people paste in its place.

use super::problem::shown;
use super::section::Field;
use crate::domain::{DOCUMENT_TOKEN_MAX, DocumentToken};

pub(super) const TOKEN: &str = "the source document's token, 1 to 64 letters and digits in quotes";

/// Characters of every token that was ever seen.
const USUAL_LENGTH: usize = 27;

/// Characters that a token before `_` may have, where the id of a sheet or a table follows.
const LENGTHS: std::ops::RangeInclusive<usize> = 22..=USUAL_LENGTH + 1;

/// What stands before the token in a document's URL.
const KINDS: [&str; 9] = ["docx", "docs", "doc", "sheets", "base", "bitable", "slides", "mindnotes", "file"];

/// Reads the token of a document.
pub(super) fn read(field: &Field<'_>) -> Option<DocumentToken> {
    let text = field.text(TOKEN)?;
    if let Some(mistake) = mistake(text) {
        return field.error(|| format!("`token`{mistake}"));
    }
    let is_good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token = DocumentToken::parse(text).filter(|_| is_good).or_else(|| field.unfit(TOKEN))?;
    if text.len() > USUAL_LENGTH {
        let length = text.len();
        field.warning(|| {
            format!("`token` has {length} characters; all known ones have {USUAL_LENGTH} at most")
        });
    }
    Some(token)
}

/// Whether a text is what a script or an example writes where it has no value.
pub(super) fn is_placeholder(text: &str) -> bool {
    let is_nothing = ["null", "undefined", "none"].iter().any(|word| text.eq_ignore_ascii_case(word));
    is_nothing || text.starts_with('$') || (text.starts_with('<') && text.ends_with('>'))
}

/// What a text is instead of a token, to go on after the key's name.
fn mistake(text: &str) -> Option<String> {
    let length = text.chars().count();
    if is_placeholder(text) {
        Some(format!(" is a placeholder; expected {TOKEN}"))
    } else if text.contains(['/', '?', '#']) {
        Some(format!(": expected the document's token, not its URL; {}", token_in_url(text)))
    } else if let Some(token) = before_sheet(text) {
        Some(format!(
            ": that is a sheet or a table inside a document, whose token is the part before `_`: {}",
            shown(token)
        ))
    } else {
        (length > DOCUMENT_TOKEN_MAX).then(|| format!(" has {length} characters; expected {TOKEN}"))
    }
}

/// Where the token stands in a URL, or in its end.
fn token_in_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let after = |is_kind: &dyn Fn(&str) -> bool| {
        parts.windows(2).find(|pair| is_kind(pair[0])).map(|pair| shown(pair[1]))
    };
    let is_whole = !path.contains('/');
    match (after(&|part| part == "wiki"), after(&|part| KINDS.contains(&part))) {
        (Some(node), _) => format!(
            "{node} in it is the token of a wiki node, which must first be resolved to its document's \
            (wiki/v2/spaces/get_node)"
        ),
        (None, Some(token)) => format!("the token in it is {token}"),
        (None, None) if is_whole && !path.is_empty() => format!("the token in it is {}", shown(path)),
        (None, None) => "it is what follows the last `/`, up to a `?`".to_owned(),
    }
}

/// The token of a spreadsheet or a base that is followed by `_` and the id of a sheet or a table, as the blocks of a
/// document name it.
fn before_sheet(text: &str) -> Option<&str> {
    let (token, id) = text.split_once('_')?;
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_both = LENGTHS.contains(&token.len()) && is_plain(token) && is_plain(id);
    (is_both && text.len() > USUAL_LENGTH).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "docbcZVGtv1papC6jAVGiyabcef";

    /// Promise: what people paste in place of a token is named, and so is the token in it.
    #[test]
    fn what_is_no_token_is_named() {
        let url = ": expected the document's token, not its URL; ";
        let token = format!("{url}the token in it is `{GOOD}`");
        let node = format!("{url}`{GOOD}` in it is the token of a wiki node, which must first");
        let inside = format!("part before `_`: `{GOOD}`");
        for (text, expected) in [
            (format!("https://acme.feishu.cn/docx/{GOOD}"), &token),
            (format!("https://acme.larksuite.com/sheets/{GOOD}?sheet=0b1e2f#x"), &token),
            (format!("acme.feishu.cn/base/{GOOD}/"), &token),
            (format!("{GOOD}?from=x"), &token),
            (format!("https://acme.feishu.cn/wiki/{GOOD}?table=t"), &node),
            (
                "https://acme.feishu.cn/drive/home/".to_owned(),
                &format!("{url}it is what follows the last `/`"),
            ),
            (format!("{GOOD}_0b1e2f"), &inside),
            (format!("{GOOD}_tblAbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEf"), &inside),
            ("x".repeat(65), &" has 65 characters; expected the source".to_owned()),
        ] {
            let found = mistake(&text).unwrap_or_default();
            assert!(found.contains(expected.as_str()), "{text}: {found}");
        }
        for placeholder in ["<token>", "<>", "$TOKEN", "${TOKEN}", "null", "undefined", "None"] {
            assert!(mistake(placeholder).is_some_and(|found| found.contains("placeholder")), "{placeholder}");
        }
        for good in [GOOD, "doc", "d_1", "doc_bcZVGtv1papC6jAVGiyabc", "nullable", &"x".repeat(64)] {
            assert_eq!(mistake(good), None, "{good}");
        }
    }
}
