//! `GET /open-apis/drive/v1/export_tasks/{ticket}?token=…`: the result of an export job.
//!
//! Mirrors the page "查询导出任务结果"; what that page leaves open follows the switches.

use serde::Serialize;

use crate::{
    answer::{Answer, Refusal},
    app::App,
    job::{Job, Phase},
    job_book::Held,
    switches::{Answers, RunningShape, SuccessShape},
    world::{Arrival, World},
};

/// `data.result`; what is none is left out.
#[derive(Serialize)]
struct ExportResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file_extension: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    doc_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_error_msg: Option<&'a str>,
    job_status: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Extra>,
}

/// Fields that no page knows.
#[derive(Serialize)]
struct Extra {
    unknown_to_all_pages: [u8; 2],
}

#[derive(Serialize)]
struct Envelope<'a> {
    code: i64,
    msg: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    result: ExportResult<'a>,
}

impl World {
    /// Answers a query for `ticket`; `token` is the document token that it named, if any.
    pub(crate) fn query(&mut self, arrival: &Arrival, ticket: &str, token: Option<&str>) -> Answer {
        let app_id = match self.admit(arrival) {
            Ok(app_id) => app_id,
            Err(refusal) => return refusal,
        };
        let answers = &self.switches.answers;
        let shapes = Shapes::new(answers, self.apps.get(&*app_id).map(|app| &app.settings));
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return self.refuse(arrival, Refusal::new(400, 1_069_904));
        };
        let mut held = self.jobs.of_ticket(ticket, &app_id);
        let age = held.as_mut().map(|held| held.age(arrival.now)).unwrap_or_default();
        let held = held.filter(|_| answers.forgotten_after.is_none_or(|limit| age < limit));
        let outcome = match &held {
            None => Some(answers.unknown_ticket),
            Some(held) if !held.is_created_by(&app_id, arrival.user.as_deref()) => {
                Some(answers.other_identity)
            }
            Some(held) if held.job.token != token => Some(answers.mismatched_token),
            Some(_) => None,
        };
        let refusal = outcome.and_then(|outcome| outcome.refusal(answers.deleted_status));
        let phase = match (&held, refusal) {
            (_, Some((status, code))) => Phase::Refused { status, code },
            (Some(held), None) => held.course.phase_at(age, answers.initialising),
            (None, None) => Phase::Processing,
        };
        match phase {
            Phase::Refused { status, code } => self.refuse(arrival, Refusal::new(status, code)),
            phase => Answer::json(200, 0, body(phase, held.as_deref(), shapes)),
        }
    }
}

/// The app's own shapes, else those of all.
#[derive(Clone, Copy)]
struct Shapes {
    running: RunningShape,
    success: SuccessShape,
}

impl Shapes {
    fn new(answers: &Answers, app: Option<&App>) -> Self {
        Self {
            running: app.and_then(|app| app.running).unwrap_or(answers.running),
            success: app.and_then(|app| app.success).unwrap_or(answers.success),
        }
    }
}

fn body(phase: Phase, held: Option<&Held>, shapes: Shapes) -> Vec<u8> {
    let job = held.map(|held| &held.job);
    match phase {
        Phase::Initialising => running(1, job, shapes.running),
        Phase::Processing | Phase::Refused { .. } => running(2, job, shapes.running),
        Phase::NoFileToken => write(described(job, 0, "")),
        Phase::Failed { job_status } => {
            write(described(job, job_status, job.map_or("", |job| job.job_error_msg.as_str())))
        }
        Phase::Succeeded => write(succeeded(job, shapes.success)),
    }
}

fn running(job_status: i64, job: Option<&Job>, shape: RunningShape) -> Vec<u8> {
    match shape {
        RunningShape::Full => write(described(job, job_status, "")),
        RunningShape::StatusOnly => write(status_only(job_status)),
        RunningShape::ZeroEmptyToken => write(ExportResult { file_token: Some(""), ..status_only(0) }),
        RunningShape::ZeroNoToken => write(status_only(0)),
        RunningShape::NoStatus => br#"{"code":0,"msg":"success","data":{"result":{}}}"#.to_vec(),
        RunningShape::NoResult => br#"{"code":0,"msg":"success","data":{}}"#.to_vec(),
        RunningShape::NullResult => br#"{"code":0,"msg":"success","data":{"result":null}}"#.to_vec(),
        RunningShape::NullData => br#"{"code":0,"msg":"success","data":null}"#.to_vec(),
        RunningShape::NoData => br#"{"code":0,"msg":"success"}"#.to_vec(),
    }
}

fn status_only<'a>(job_status: i64) -> ExportResult<'a> {
    ExportResult {
        file_extension: None,
        doc_type: None,
        file_name: None,
        file_token: None,
        file_size: None,
        job_error_msg: None,
        job_status,
        extra: None,
    }
}

/// Every field, those of the file empty.
fn described<'a>(job: Option<&'a Job>, job_status: i64, job_error_msg: &'a str) -> ExportResult<'a> {
    ExportResult {
        file_extension: Some(job.map_or("", |job| &job.file_extension)),
        doc_type: Some(job.map_or("", |job| &job.doc_type)),
        file_name: Some(""),
        file_token: Some(""),
        file_size: Some(0),
        job_error_msg: Some(job_error_msg),
        ..status_only(job_status)
    }
}

fn succeeded(job: Option<&Job>, shape: SuccessShape) -> ExportResult<'_> {
    let file_token = Some(job.map_or("", |job| job.file_token.as_str()));
    if shape == SuccessShape::Minimal {
        return ExportResult { file_token, ..status_only(0) };
    }
    ExportResult {
        file_name: job.map(|job| job.file_name.as_str()),
        file_token,
        file_size: job.filter(|job| !job.omit_file_size).map(|job| job.file_size),
        extra: (shape == SuccessShape::Extended).then_some(Extra { unknown_to_all_pages: [1, 2] }),
        ..described(job, 0, "success")
    }
}

fn write(result: ExportResult<'_>) -> Vec<u8> {
    // Only a map with odd keys or a failing writer can make this fail, and there is neither.
    let envelope = Envelope { code: 0, msg: "success", data: Data { result } };
    serde_json::to_vec(&envelope).unwrap_or_default()
}
