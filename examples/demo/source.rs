//! How an export is listed: by the link of a document or of a wiki node, or by the ticket of a job that others started.

/// What an entry of the demo's watch list names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A document of the kind that has this format.
    Document(&'static str),
    /// A wiki node that leads to a document, as PDF.
    WikiNode,
    /// The ticket of a job that others started.
    Ticket,
}

/// The first ticket of a job that others started; it has the number of its entry in it.
const FIRST_TICKET: u64 = 6_933_093_124_755_412_001;

impl Source {
    /// The token that the entry of that number names.
    pub(crate) fn token(self, number: usize) -> String {
        match self {
            Self::WikiNode => format!("wikcnDemoDemoDemoDemoDemo{number:02}"),
            _ => self.object_token(number),
        }
    }

    /// The token of the document that is exported.
    pub(crate) fn object_token(self, number: usize) -> String {
        format!("doxcnDemoDemoDemoDemoDemo{number:02}")
    }

    /// The ticket of the entry of that number, where it is listed by one.
    pub(crate) fn ticket(number: usize) -> String {
        (FIRST_TICKET + number as u64).to_string()
    }

    /// The entry of that number, as a user would write it.
    pub(crate) fn entry(self, number: usize, label: &str) -> String {
        let token = self.token(number);
        let link = |path: &str, format: &str| {
            format!(
                "[[document]]\nurl = \"https://demo.feishu.cn/{path}/{token}\"\nformat = \"{format}\"\nlabel = \"{label}\"\n\n"
            )
        };
        match self {
            Self::Document(format @ "xlsx") => link("sheets", format),
            Self::Document(format @ "csv") => {
                link("sheets", format).replacen(&token, &format!("{token}?sheet=0b1e2f"), 1)
            }
            Self::Document(format @ "pptx") => link("slides", format),
            Self::Document(format) => link("docx", format),
            Self::WikiNode => link("wiki", "pdf"),
            Self::Ticket => {
                let ticket = Self::ticket(number);
                format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"{token}\"\nlabel = \"{label}\"\n\n")
            }
        }
    }
}
