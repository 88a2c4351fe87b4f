//! The kinds of documents, the formats of files, and which kind is exported in which format.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// A kind of document, as the API names it (create export task, parameter `type`; get node, `obj_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DocumentType {
    /// A document of the old kind.
    Doc,
    /// A document.
    Docx,
    /// A spreadsheet.
    Sheet,
    /// A base.
    Bitable,
    /// A presentation.
    Slides,
    /// A node of a wiki, which leads to a document of another kind.
    Wiki,
}

impl DocumentType {
    /// Every kind.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind in the API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The formats in which it is exported. Those of a wiki node are known once the node is resolved; until then all
    /// are possible.
    ///
    /// Create export task and its guide list them; what slides allow, and `base`, stand in the official CLI only.
    #[must_use]
    pub const fn formats(self) -> &'static [Format] {
        match self {
            Self::Doc | Self::Docx => &[Format::Docx, Format::Pdf],
            Self::Sheet => &[Format::Xlsx, Format::Csv],
            Self::Bitable => &[Format::Xlsx, Format::Csv, Format::Base],
            Self::Slides => &[Format::Pptx, Format::Pdf],
            Self::Wiki => Format::ALL,
        }
    }

    /// Whether it is exported in that format.
    #[must_use]
    pub fn allows(self, format: Format) -> bool {
        self.formats().contains(&format)
    }
}

/// A format of exported files, as the API names it (create export task, parameter `file_extension`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Format {
    /// Word.
    Docx,
    /// PDF.
    Pdf,
    /// Excel.
    Xlsx,
    /// One sheet or table as text.
    Csv,
    /// PowerPoint.
    Pptx,
    /// A base that can be imported again.
    Base,
}

impl Format {
    /// Every format.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The format in the API's word, which is also the extension of the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::near_miss;
    use super::*;

    /// Promise: kinds and formats bear the API's words, and a misspelt one is near the one that is meant.
    #[test]
    fn words_are_those_of_the_api() {
        let kinds: Vec<_> = DocumentType::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(kinds, ["doc", "docx", "sheet", "bitable", "slides", "wiki"]);
        let formats: Vec<_> = Format::ALL.iter().map(|format| format.as_str()).collect();
        assert_eq!(formats, ["docx", "pdf", "xlsx", "csv", "pptx", "base"]);
        for kind in DocumentType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(*format));
        }
        assert!("PDF".parse::<Format>().is_err() && "sheets".parse::<DocumentType>().is_err());
        assert_eq!(near_miss("sheets", DocumentType::VARIANTS.iter().map(Into::into)), Some("sheet"));
        assert_eq!(near_miss("PDF", Format::VARIANTS.iter().map(Into::into)), Some("pdf"));
    }

    /// Promise: the pairs of kind and format are those that the API takes.
    #[test]
    fn formats_fit_the_kind() {
        for (kind, formats) in [
            (DocumentType::Doc, "docx pdf"),
            (DocumentType::Docx, "docx pdf"),
            (DocumentType::Sheet, "xlsx csv"),
            (DocumentType::Bitable, "xlsx csv base"),
            (DocumentType::Slides, "pdf pptx"),
            (DocumentType::Wiki, "docx pdf xlsx csv pptx base"),
        ] {
            let allowed = Format::ALL.iter().filter(|format| kind.allows(**format));
            let allowed: Vec<_> = allowed.map(|format| format.as_str()).collect();
            assert_eq!(allowed.join(" "), formats, "{kind}");
        }
    }
}
