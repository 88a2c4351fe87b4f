//! Links to documents, as the address bar shows them: which document a link names, or why none that can be exported.
//! What a wiki node leads to is not known here, nor whether the document exists.

use std::fmt;

use thiserror::Error;
use url::Url;

use super::app::is_loopback;
use super::{DocumentToken, DocumentType, Platform, unsafe_for_terminal};

/// Bytes of a link at most.
pub const LINK_MAX: usize = 2_048;

/// Bytes of the id of a sheet or a table at most; real ones have 6 and 16 or so.
const SUB_ID_MAX: usize = 64;

/// Where documents open, also at names below, of a tenant (`acme.feishu.cn`) or of a region (`acme.sg.larksuite.com`).
/// Tenants of both platforms use `larkoffice.com`.
const SITES: [(&str, Option<Platform>); 3] = [
    ("feishu.cn", Some(Platform::Feishu)),
    ("larksuite.com", Some(Platform::Lark)),
    ("larkoffice.com", None),
];

/// What scripts write where they have no token.
const PLACEHOLDERS: [&str; 3] = ["null", "undefined", "none"];

/// What a link names: a document or a wiki node, and maybe one sheet or table of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The host in lower case, without port.
    pub host: Box<str>,
    /// The platform of that host; none at `larkoffice.com`, which both use, and where the host is this machine.
    pub platform: Option<Platform>,
    /// The kind of the document.
    pub kind: DocumentType,
    /// The token of the document, or of the wiki node: letters, digits, `-` and `_`, a letter or
    /// digit first.
    pub token: DocumentToken,
    /// The sheet or table that the link opens, 1 to 64 letters, digits, `-` and `_`: of a sheet, a base or a wiki node.
    pub sub_id: Option<Box<str>>,
}

/// Why a text is no link to a document that can be exported: what it is, and what to do. No message repeats any of the
/// text, which may hold a password, the secret of a webhook, or what drives a terminal.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum LinkError {
    /// More than [`LINK_MAX`] bytes.
    #[error("has more than {LINK_MAX} bytes; a link without what follows its `?` names the same document")]
    TooLong,
    /// A blank, a backslash, a control character or an invisible one.
    #[error("holds a blank, a backslash or an invisible character; expected one link and nothing else")]
    Character,
    /// It does not parse; most likely it has no scheme.
    #[error("not a link; copy the whole address of the open document, from https:// on")]
    NotALink,
    /// Neither http nor https.
    #[error("no link of a browser; open the document there and copy its address, from https:// on")]
    Scheme,
    /// A user name or password inside the link.
    #[error("must not carry a user name or password; copy the address of the open document")]
    UserInfo,
    /// A host where no documents of Feishu and Lark open.
    #[error(
        "its host is neither Feishu's nor Lark's; expected one below feishu.cn, larksuite.com or larkoffice.com"
    )]
    Host,
    /// A port, where the host is not this machine.
    #[error("must not name a port; copy the address of the open document")]
    Port,
    /// A folder of the drive.
    #[error("a folder, which is not exported as a whole; list its documents one by one")]
    Folder,
    /// A wiki space, or a workspace of bases.
    #[error("a whole wiki space or workspace, which is not exported as such; list its documents one by one")]
    Space,
    /// A file that was uploaded.
    #[error("an uploaded file, which is no export; download it from the drive")]
    File,
    /// A mind map.
    #[error("a mind map, which the API does not export; save it by hand")]
    MindNote,
    /// A whiteboard.
    #[error("a whiteboard, which the API does not export; list the document that holds it")]
    Board,
    /// Minutes of a meeting.
    #[error("minutes of a meeting, which the API does not export; save them by hand")]
    Minutes,
    /// A form, a view, a dashboard or a record of a base, shared by itself.
    #[error("a share link to a part of a base; list the base itself, whose link has /base/ in it")]
    Share,
    /// A link of a kind of document, without the document.
    #[error("names no document: its token is missing; open the document and copy its address")]
    NoToken,
    /// What stands in the token's place is none.
    #[error("what stands in the token's place is none: expected 1 to 64 letters and digits")]
    Token,
    /// Any other page.
    #[error(
        "a page that is no document; expected a link with /docx/, /docs/, /sheets/, /base/, /slides/ or /wiki/ in it"
    )]
    Page,
}

impl Link {
    /// Reads a link of the address bar. Query and fragment may follow, and blanks stand around it. Of http and https
    /// either will do, as nothing is sent there. A host that is this machine may have a port.
    ///
    /// # Errors
    /// Says what the text is instead, and what to do.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let url = parse_url(text)?;
        let platform = platform(&url)?;
        let path: Vec<_> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let (kind, segment) = named(&path)?;
        let (token, inside) = parted(kind, segment)?;
        Ok(Self {
            host: url.host_str().unwrap_or_default().into(),
            platform,
            kind,
            token: read_token(token)?,
            sub_id: inside.map(Into::into).or_else(|| opened(&url, kind)),
        })
    }

    /// Whether it leads to this machine, as those of a simulator do.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.to_string()).is_ok_and(|url| is_loopback(&url))
    }
}

/// The shortest link that names the same.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segment, key) = match self.kind {
            DocumentType::Doc => ("docs", ""),
            DocumentType::Docx => ("docx", ""),
            DocumentType::Sheet => ("sheets", "sheet"),
            DocumentType::Bitable => ("base", "table"),
            DocumentType::Slides => ("slides", ""),
            DocumentType::Wiki => {
                ("wiki", if self.sub_id.as_deref().is_some_and(is_table) { "table" } else { "sheet" })
            }
        };
        write!(f, "https://{}/{segment}/{}", self.host, self.token)?;
        self.sub_id.as_deref().map_or(Ok(()), |id| write!(f, "?{key}={id}"))
    }
}

fn parse_url(text: &str) -> Result<Url, LinkError> {
    if text.len() > LINK_MAX {
        return Err(LinkError::TooLong);
    }
    let text = text.trim();
    // The library leaves some of them out and turns a backslash into a slash.
    if text.contains(|c: char| c.is_whitespace() || c == '\\' || unsafe_for_terminal(c)) {
        return Err(LinkError::Character);
    }
    let url = Url::parse(text).map_err(|_| LinkError::NotALink)?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(LinkError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LinkError::UserInfo);
    }
    Ok(url)
}

/// The platform of a host where documents open.
fn platform(url: &Url) -> Result<Option<Platform>, LinkError> {
    if is_loopback(url) {
        return Ok(None);
    }
    let host = url.host_str().unwrap_or_default();
    let is_at =
        |site: &str| host.strip_suffix(site).is_some_and(|below| below.is_empty() || below.ends_with('.'));
    let (_, platform) = SITES.into_iter().find(|(site, _)| is_at(site)).ok_or(LinkError::Host)?;
    if url.port().is_some() { Err(LinkError::Port) } else { Ok(platform) }
}

/// The kind of document that a path names, and the segment with its token. Old links have `space` in front, those
/// of the drive `drive`.
fn named<'p>(path: &[&'p str]) -> Result<(DocumentType, &'p str), LinkError> {
    let path = match path {
        ["space" | "drive", rest @ ..] => rest,
        whole => whole,
    };
    let kind = match path {
        ["wiki", "space" | "settings", ..] | ["base", "workspace", ..] => return Err(LinkError::Space),
        // What follows is the secret of a webhook.
        ["base", "automation", ..] => return Err(LinkError::Page),
        ["doc" | "docs", ..] => DocumentType::Doc,
        ["docx", ..] => DocumentType::Docx,
        ["sheet" | "sheets", ..] => DocumentType::Sheet,
        ["base" | "bitable", ..] => DocumentType::Bitable,
        ["slides", ..] => DocumentType::Slides,
        ["wiki", ..] => DocumentType::Wiki,
        ["folder", ..] => return Err(LinkError::Folder),
        ["file", ..] => return Err(LinkError::File),
        ["mindnote" | "mindnotes", ..] => return Err(LinkError::MindNote),
        ["board", ..] => return Err(LinkError::Board),
        ["minutes", ..] => return Err(LinkError::Minutes),
        ["share" | "record", ..] => return Err(LinkError::Share),
        _ => return Err(LinkError::Page),
    };
    let segment = path.get(1).copied().ok_or(LinkError::NoToken)?;
    Ok((kind, segment))
}

/// The token before `_` and the id behind it, as the blocks of a document name a sheet or a table inside it.
fn parted(kind: DocumentType, segment: &str) -> Result<(&str, Option<&str>), LinkError> {
    match (kind, segment.split_once('_')) {
        (DocumentType::Sheet, Some((token, id))) if is_sub_id(id) => Ok((token, Some(id))),
        (DocumentType::Bitable, Some((token, id))) if is_sub_id(id) && is_table(id) => Ok((token, Some(id))),
        (DocumentType::Sheet | DocumentType::Bitable, Some(_)) => Err(LinkError::Token),
        _ => Ok((segment, None)),
    }
}

/// Every known token has letters and digits only; but those of wiki nodes are opaque, and others may become so.
fn read_token(text: &str) -> Result<DocumentToken, LinkError> {
    if PLACEHOLDERS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Err(LinkError::NoToken);
    }
    let is_good = is_plain(text) && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    Some(text).filter(|_| is_good).and_then(DocumentToken::parse).ok_or(LinkError::Token)
}

/// The sheet or table that the query names. `table` may also name a dashboard (`blk…`) or a page, which are no tables.
fn opened(url: &Url, kind: DocumentType) -> Option<Box<str>> {
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let sheet = || value("sheet").filter(|id| is_sub_id(id));
    let table = || value("table").filter(|id| is_sub_id(id) && is_table(id));
    let id = match kind {
        DocumentType::Sheet => sheet(),
        DocumentType::Bitable => table(),
        DocumentType::Wiki => table().or_else(sheet),
        DocumentType::Doc | DocumentType::Docx | DocumentType::Slides => None,
    };
    id.map(Into::into)
}

fn is_sub_id(text: &str) -> bool {
    text.len() <= SUB_ID_MAX && is_plain(text)
}

fn is_table(id: &str) -> bool {
    id.starts_with("tbl")
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const TOKEN: &str = "DoxcnAbCdEfGhIjKlMnOpQrStUv";

    /// Promise: every form that the address bar shows names its document, and the sheet or table that it opens.
    #[test]
    fn links_of_the_address_bar_are_read() {
        let (feishu, lark) = (Some(Platform::Feishu), Some(Platform::Lark));
        for (link, platform, shortest) in [
            ("https://acme.feishu.cn/docx/T", feishu, "https://acme.feishu.cn/docx/T"),
            ("http://ACME.Feishu.CN:80/docx/T/", feishu, "https://acme.feishu.cn/docx/T"),
            ("https://feishu.cn/docx/T?from=from_copylink", feishu, "https://feishu.cn/docx/T"),
            (" https://www.larksuite.com/docs/T#heading-周报\n", lark, "https://www.larksuite.com/docs/T"),
            ("https://acme.sg.larksuite.com/doc/T?x=1#doxcn", lark, "https://acme.sg.larksuite.com/docs/T"),
            ("https://acme.feishu.cn/space/doc/T#", feishu, "https://acme.feishu.cn/docs/T"),
            ("https://acme.feishu.cn/space/sheet/T#dd8e91", feishu, "https://acme.feishu.cn/sheets/T"),
            (
                "https://a.feishu.cn/sheets/T?sheet=0b1e2f",
                feishu,
                "https://a.feishu.cn/sheets/T?sheet=0b1e2f",
            ),
            ("https://a.feishu.cn/sheet/T/?a=b&sheet=x#y", feishu, "https://a.feishu.cn/sheets/T?sheet=x"),
            ("https://a.feishu.cn/sheets/T?sheet=&table=tblA", feishu, "https://a.feishu.cn/sheets/T"),
            ("https://a.feishu.cn/sheets/T_0b1e2f", feishu, "https://a.feishu.cn/sheets/T?sheet=0b1e2f"),
            ("https://a.feishu.cn/sheets/T?sheet=%2F%1B", feishu, "https://a.feishu.cn/sheets/T"),
            (
                "https://a.larkoffice.com/base/T?table=tblA&view=vewB",
                None,
                "https://a.larkoffice.com/base/T?table=tblA",
            ),
            (
                "https://a.feishu.cn/space/bitable/T?amp=&table=tblA",
                feishu,
                "https://a.feishu.cn/base/T?table=tblA",
            ),
            ("https://a.feishu.cn/bitable/T_tblA", feishu, "https://a.feishu.cn/base/T?table=tblA"),
            ("https://a.feishu.cn/base/T?table=blkA", feishu, "https://a.feishu.cn/base/T"),
            ("https://a.sg.larkoffice.com/wiki/T", None, "https://a.sg.larkoffice.com/wiki/T"),
            ("https://a.feishu.cn/wiki/T?sheet=0b1e2f", feishu, "https://a.feishu.cn/wiki/T?sheet=0b1e2f"),
            (
                "https://a.feishu.cn/wiki/T?table=tblA&view=vewB",
                feishu,
                "https://a.feishu.cn/wiki/T?table=tblA",
            ),
            ("https://a.jp.larksuite.com/slides/T?slide_id=p", lark, "https://a.jp.larksuite.com/slides/T"),
            ("https://a.feishu.cn/docx/T?sheet=x&table=tblA", feishu, "https://a.feishu.cn/docx/T"),
            ("http://127.0.0.1:8080/docx/T", None, "https://127.0.0.1/docx/T"),
            ("http://localhost:1/wiki/T", None, "https://localhost/wiki/T"),
            ("http://[::1]:1/base/T", None, "https://[::1]/base/T"),
        ] {
            let read =
                Link::parse(&link.replace('T', TOKEN)).map_err(|error| format!("{link}: {error}")).unwrap();
            assert_eq!((read.to_string(), read.platform), (shortest.replace('T', TOKEN), platform), "{link}");
            assert_eq!(read.token.as_str(), TOKEN);
            assert_eq!(
                read.is_loopback(),
                ["127.0.0.1", "localhost", "[::1]"].contains(&&*read.host),
                "{link}"
            );
        }
    }

    /// Promise: what can't be exported is refused for what it is, and nothing that only looks like a link is taken.
    #[test]
    fn what_is_no_document_is_named() {
        use LinkError as E;
        for (link, why) in [
            ("", E::NotALink),
            ("DoxcnAbCdEf", E::NotALink),
            ("acme.feishu.cn/docx/T", E::NotALink),
            ("https://", E::NotALink),
            ("https://acme.feishu.cn:x/docx/T", E::NotALink),
            ("「周报」 https://acme.feishu.cn/docx/T", E::Character),
            ("https://acme.feishu.cn\\docx\\T", E::Character),
            ("https://acme.feishu.cn/docx/T\u{1b}[31m", E::Character),
            ("https://acme.feishu.cn/docx/T\u{202e}", E::Character),
            ("lark://acme.feishu.cn/docx/T", E::Scheme),
            ("javascript:alert(1)//acme.feishu.cn/docx/T", E::Scheme),
            ("https://user:pw@acme.feishu.cn/docx/T", E::UserInfo),
            ("https://acme.feishu.cn@evil.example/docx/T", E::UserInfo),
            ("https://evilfeishu.cn/docx/T", E::Host),
            ("https://acme.feishu.cn.evil.example/docx/T", E::Host),
            ("https://evil.example/https://acme.feishu.cn/docx/T", E::Host),
            ("https://acme.feishu.com/docx/T", E::Host),
            ("http://10.0.0.1/docx/T", E::Host),
            ("https://acme.feishu.cn:8443/docx/T", E::Port),
            ("https://acme.feishu.cn/drive/folder/T", E::Folder),
            ("https://acme.feishu.cn/space/folder/T", E::Folder),
            ("https://acme.feishu.cn/folder/T", E::Folder),
            ("https://acme.feishu.cn/wiki/space/7467382510423506963", E::Space),
            ("https://acme.feishu.cn/wiki/settings/7075377271827264924", E::Space),
            ("https://acme.feishu.cn/base/workspace/T", E::Space),
            ("https://acme.feishu.cn/file/T", E::File),
            ("https://acme.larksuite.com/drive/file/T?from=space", E::File),
            ("https://acme.feishu.cn/mindnotes/T#outline", E::MindNote),
            ("https://acme.feishu.cn/board/T", E::Board),
            ("https://acme.feishu.cn/minutes/T", E::Minutes),
            ("https://acme.feishu.cn/share/base/form/T", E::Share),
            ("https://acme.feishu.cn/share/base/view/T", E::Share),
            ("https://acme.feishu.cn/record/T", E::Share),
            ("https://acme.feishu.cn/docx/", E::NoToken),
            ("https://acme.feishu.cn/wiki?table=tblA", E::NoToken),
            ("https://acme.feishu.cn/sheets/undefined_0b1e2f", E::NoToken),
            ("https://acme.feishu.cn/docx/None", E::NoToken),
            ("https://acme.feishu.cn/docx/${TOKEN}", E::Token),
            ("https://acme.feishu.cn/docx/<token>", E::Token),
            ("https://acme.feishu.cn/docx/T%2F..", E::Token),
            ("https://acme.feishu.cn/sheets/_0b1e2f", E::Token),
            ("https://acme.feishu.cn/base/T_0b1e2f", E::Token),
            ("https://acme.feishu.cn/wiki/_", E::Token),
            ("https://acme.feishu.cn/docx/TTT", E::Token),
            ("https://acme.feishu.cn", E::Page),
            ("https://acme.feishu.cn/drive/home/", E::Page),
            ("https://acme.feishu.cn/drive/me", E::Page),
            ("https://acme.feishu.cn/base/automation/webhook/event/T", E::Page),
            ("https://acme.feishu.cn/space/api/box/stream/download/authcode/?code=T", E::Page),
            ("https://applink.feishu.cn/client/docs/open?url=x", E::Page),
            ("https://open.feishu.cn/document/home/index", E::Page),
            ("https://acme.feishu.cn/docx/../x/docx/T", E::Page),
        ] {
            assert_eq!(Link::parse(&link.replace('T', TOKEN)), Err(why), "{link}");
        }
        let filled = |length: usize| format!("{:x<length$}", format!("https://acme.feishu.cn/docx/{TOKEN}?"));
        assert!(Link::parse(&filled(LINK_MAX)).is_ok());
        assert_eq!(Link::parse(&filled(LINK_MAX + 1)), Err(LinkError::TooLong));
    }

    /// Texts of the pieces of which links are made; about a third are links to documents.
    fn link_like() -> impl Strategy<Value = String> {
        let start = select(vec![
            "https://acme.feishu.cn/",
            "http://a.sg.larksuite.com/space/",
            "https://larkoffice.com/",
            "http://127.0.0.1:8080/",
            "HTTPS://[::1]/",
            "https://x@feishu.cn/",
        ]);
        let kind =
            select(vec!["docx/", "docs/", "sheets/", "base/", "bitable/", "wiki/", "slides/", "file/"]);
        let token = select(vec![TOKEN, "T", "T_tblA", "T_0b1e2f", "T_", "_", "null_x", ""]);
        let query = select(vec!["", "?sheet=", "?table=", "?a=b&table=tbl", "?table=tblA&sheet=", "#", "/"]);
        let piece = select(vec![
            "a", "tbl", "blk", "_", "-", "..", "%2f", "%5F", "+", "?", "&sheet=x", "#", "周报", "\\", "@",
            " ", "\u{202e}", "\0",
        ]);
        (start, kind, token, query, vec(piece, 0..4)).prop_map(|(start, kind, token, query, rest)| {
            format!("{start}{kind}{token}{query}{}", rest.concat())
        })
    }

    proptest! {
        /// Promise: no text makes the parser panic; a link that is taken has a token fit for the API, and its shortest
        /// form names the same.
        #[test]
        fn any_text_is_refused_or_names_one_document(text in prop_oneof![any::<String>(), link_like(), link_like()]) {
            if let Ok(link) = Link::parse(&text) {
                prop_assert_eq!(DocumentToken::parse(link.token.as_str()), Some(link.token));
                prop_assert!(is_plain(link.token.as_str()) && link.sub_id.as_deref().is_none_or(is_sub_id));
                prop_assert_eq!(Link::parse(&link.to_string()), Ok(link));
            }
        }
    }
}
