//! `GET /open-apis/drive/v1/export_tasks/file/{file_token}/download`: the artefact, ten minutes long.
//!
//! Mirrors the page "下载导出文件".

use crate::{
    answer::{Answer, Payload, Refusal},
    export_file::ExportFile,
    job::Job,
    switches::{Disposition, Download},
    world::{Arrival, World},
};

impl World {
    /// Answers a download; `range` is the value of that header.
    pub(crate) fn download(&mut self, arrival: &Arrival, file_token: &str, range: Option<&str>) -> Answer {
        let app_id = match self.admit(arrival) {
            Ok(app_id) => app_id,
            Err(refusal) => return refusal,
        };
        let rules = self.switches.download;
        let gone = Refusal::new(rules.gone_status, rules.gone_code);
        let Some(held) = self.jobs.of_file(file_token) else {
            return self.refuse(arrival, gone);
        };
        if !held.is_created_by(&app_id, arrival.user.as_deref()) {
            let answers = &self.switches.answers;
            if let Some((status, code)) = answers.other_identity.refusal(answers.deleted_status) {
                return self.refuse(arrival, Refusal::new(status, code));
            }
        }
        let since_end = held.course.artefact_from().and_then(|end| held.age(arrival.now).checked_sub(end));
        match since_end {
            Some(since_end) if since_end < rules.lifetime => file(&held.job, &rules, range),
            _ => self.refuse(arrival, gone),
        }
    }
}

fn file(job: &Job, rules: &Download, range: Option<&str>) -> Answer {
    let file = Box::new(ExportFile::new(job, rules.cap));
    let size = file.size();
    let part = range.filter(|_| rules.range).and_then(|range| parse_range(range, size));
    let (from, bytes) = part.unwrap_or((0, size));
    let mut answer = Answer::plain(200, "application/octet-stream", Vec::new());
    answer.payload = Payload::File { file, from, bytes, content_length: rules.content_length };
    if part.is_some() {
        answer.status = 206;
        answer = answer.with_header("Content-Range", format!("bytes {from}-{}/{size}", from + bytes - 1));
    }
    match rules.disposition {
        Disposition::Absent => answer,
        Disposition::Filename => {
            let name = format!("attachment; filename=\"{}.{}\"", job.file_name, job.file_extension);
            answer.with_header("Content-Disposition", name)
        }
        Disposition::Extended => {
            let name = percent_encode(&format!("{}.{}", job.file_name, job.file_extension));
            answer.with_header("Content-Disposition", format!("attachment; filename*=UTF-8''{name}"))
        }
    }
}

/// First byte and length of `bytes=a-b` or `bytes=a-`, if that part exists.
fn parse_range(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let last = size.checked_sub(1)?;
    let to = if to.is_empty() { last } else { to.parse::<u64>().ok()?.min(last) };
    (from <= to).then(|| (from, to - from + 1))
}

fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(parse_range("bytes=0-9", 100), Some((0, 10)));
        assert_eq!(parse_range("bytes=90-", 100), Some((90, 10)));
        assert_eq!(parse_range("bytes=90-500", 100), Some((90, 10)));
        for odd in ["bytes=100-", "bytes=5-4", "bytes=-5", "lines=1-2", "bytes=0-"] {
            assert_eq!(parse_range(odd, if odd == "bytes=0-" { 0 } else { 100 }), None, "{odd}");
        }
    }

    #[test]
    fn names_are_encoded_for_the_extended_form() {
        assert_eq!(percent_encode("周报 1.pdf"), "%E5%91%A8%E6%8A%A5%201.pdf");
    }
}
