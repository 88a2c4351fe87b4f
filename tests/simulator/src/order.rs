//! What a create request asks for. Mirrors the body on the page "创建导出任务".

use serde::Deserialize;

/// The body of a create request; what it leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(default)]
pub struct Order {
    /// The document to export.
    pub token: String,
    /// Its `type`: doc, docx, sheet, bitable, slides.
    #[serde(rename = "type")]
    pub doc_type: String,
    /// The format: docx, pdf, xlsx, csv, pptx, base.
    pub file_extension: String,
    /// The worksheet or table of a csv.
    pub sub_id: String,
}

impl Order {
    /// An order without `sub_id`.
    pub fn new(
        token: impl Into<String>,
        doc_type: impl Into<String>,
        file_extension: impl Into<String>,
    ) -> Self {
        Self {
            token: token.into(),
            doc_type: doc_type.into(),
            file_extension: file_extension.into(),
            sub_id: String::new(),
        }
    }
}
