//! `GET /open-apis/drive/v1/permissions/{token}/members/auth?type=…&action=…`: may the caller do that to a document?
//!
//! Mirrors the page "判断当前用户是否有某权限"; only `export` follows a script, all else is allowed.

use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    switches::Outcome,
    world::{Arrival, World},
};

const TYPES: [&str; 9] = ["doc", "sheet", "file", "wiki", "bitable", "docx", "mindnote", "minutes", "slides"];

const ACTIONS: [&str; 8] = ["view", "edit", "share", "comment", "export", "copy", "print", "manage_public"];

impl World {
    /// Answers whether the caller may do `action` to the document or wiki node `token` of that type.
    pub(crate) fn permission(
        &mut self,
        arrival: &Arrival,
        token: &str,
        doc_type: Option<&str>,
        action: Option<&str>,
    ) -> Answer {
        if let Err(refusal) = self.admit(arrival) {
            return refusal;
        }
        let known_type = doc_type.filter(|given| TYPES.contains(given));
        let known_action = action.filter(|given| ACTIONS.contains(given));
        let (Some(doc_type), Some(action)) = (known_type, known_action) else {
            return self.refuse(arrival, Refusal::new(400, 1_063_001));
        };
        let may = match doc_type {
            "wiki" => self.may_export_node(token),
            _ => self.may_export(token, doc_type),
        };
        match may {
            Some(may) => {
                let body =
                    json!({"code": 0, "msg": "Success", "data": {"auth_result": may || action != "export"}});
                Answer::json(200, 0, body.to_string())
            }
            None => self.refuse(arrival, Refusal::new(400, 1_063_001)),
        }
    }

    /// None where there is no such document.
    fn may_export(&self, token: &str, doc_type: &str) -> Option<bool> {
        match self.documents.access(token, doc_type, self.switches.answers.unknown_document) {
            Outcome::NotFound | Outcome::Deleted | Outcome::InvalidParam => None,
            access => Some(self.documents.may_export(token).unwrap_or(access == Outcome::Fine)),
        }
    }

    fn may_export_node(&mut self, token: &str) -> Option<bool> {
        let unknown = self.switches.answers.unknown_node;
        let access = self.nodes.get(token).map_or(unknown, |node| node.access);
        if access != Outcome::Fine {
            return (access == Outcome::Permission).then_some(false);
        }
        let node = self.nodes.get_or_make(token)?.clone();
        node.may_export.or_else(|| self.may_export(&node.obj_token, &node.obj_type))
    }
}
