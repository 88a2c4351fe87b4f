//! `GET /open-apis/wiki/v2/spaces/get_node?token=…`: what a wiki node leads to.
//!
//! Mirrors the page "获取知识空间节点信息", without its `obj_type`. Every refusal of the endpoint comes with HTTP 400.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    seed,
    switches::Outcome,
    world::{Arrival, World},
};

/// Longest token that the page allows, in characters.
const LONGEST_TOKEN: usize = 999;

/// The sample moment of the page, for every time of a node: Unix seconds.
const SOME_TIME: &str = "1642402428";

/// A node of a wiki. Table `[[node]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its token.
    pub token: String,
    /// `obj_type`: what it leads to.
    #[serde(default = "docx", rename = "type")]
    pub obj_type: String,
    /// `obj_token`; empty for one derived from the token.
    #[serde(default)]
    pub obj_token: String,
    /// The token of the node that it is a shortcut to, whose object is answered.
    #[serde(default)]
    pub shortcut_to: Option<String>,
    /// `title`.
    #[serde(default = "title")]
    pub title: String,
    /// What a lookup is answered: `fine`, `not_found` (131005; so is `deleted`), `permission` (131006),
    /// `invalid_param` (131002), or any other code.
    #[serde(default)]
    pub access: Outcome,
    /// `auth_result` of the permission check with type `wiki`; without it, that of the object.
    #[serde(default)]
    pub may_export: Option<bool>,
}

fn docx() -> String {
    "docx".to_owned()
}

fn title() -> String {
    "title".to_owned()
}

impl Node {
    /// A node that leads to a docx document whose token is derived.
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            obj_type: docx(),
            obj_token: String::new(),
            shortcut_to: None,
            title: title(),
            access: Outcome::Fine,
            may_export: None,
        }
    }

    /// Says what it leads to.
    #[must_use]
    pub fn leads_to(mut self, obj_type: impl Into<String>, obj_token: impl Into<String>) -> Self {
        (self.obj_type, self.obj_token) = (obj_type.into(), obj_token.into());
        self
    }

    /// Makes it a shortcut to another node.
    #[must_use]
    pub fn shortcut_to(mut self, token: impl Into<String>) -> Self {
        self.shortcut_to = Some(token.into());
        self
    }

    /// Says what a lookup is answered.
    #[must_use]
    pub fn access(mut self, access: Outcome) -> Self {
        self.access = access;
        self
    }
}

/// All nodes: those with a script, and those that were asked for.
#[derive(Debug, Default)]
pub(crate) struct NodeBook(HashMap<String, Node>);

impl NodeBook {
    /// Adds a node, or replaces it.
    pub(crate) fn add(&mut self, mut node: Node) {
        if node.obj_token.is_empty() {
            // As long as the tokens of documents are.
            node.obj_token = format!("doxcn{:022x}", seed::mix(0, &node.token));
        }
        self.0.insert(node.token.clone(), node);
    }

    pub(crate) fn get(&self, token: &str) -> Option<&Node> {
        self.0.get(token)
    }

    /// The node of that token, made up where there is none.
    pub(crate) fn get_or_make(&mut self, token: &str) -> Option<&Node> {
        if !self.0.contains_key(token) {
            self.add(Node::new(token));
        }
        self.0.get(token)
    }
}

impl World {
    /// Answers a lookup of the node `token`.
    pub(crate) fn node(&mut self, arrival: &Arrival, token: Option<&str>) -> Answer {
        if let Err(refusal) = self.admit(arrival) {
            return refusal;
        }
        let fits = |token: &&str| !token.is_empty() && token.chars().count() <= LONGEST_TOKEN;
        let Some(token) = token.filter(fits) else {
            return self.refuse(arrival, Refusal::new(400, 131_002));
        };
        let unknown = self.switches.answers.unknown_node;
        let access = self.nodes.get(token).map_or(unknown, |node| node.access);
        if let Some((status, code)) = refusal_of(access) {
            return self.refuse(arrival, Refusal::new(status, code));
        }
        let Some(node) = self.nodes.get_or_make(token).cloned() else {
            return self.refuse(arrival, Refusal::new(400, 131_005));
        };
        let target = match &node.shortcut_to {
            Some(target) => self.nodes.get_or_make(target).unwrap_or(&node),
            None => &node,
        };
        let body = json!({"code": 0, "msg": "success", "data": {"node": described(&node, target)}});
        Answer::json(200, 0, body.to_string())
    }
}

fn refusal_of(access: Outcome) -> Option<(u16, i64)> {
    match access {
        Outcome::Fine => None,
        Outcome::InvalidParam => Some((400, 131_002)),
        Outcome::NotFound | Outcome::Deleted => Some((400, 131_005)),
        Outcome::Permission => Some((400, 131_006)),
        Outcome::Refused { status, code } => Some((status, code)),
    }
}

fn described(node: &Node, target: &Node) -> Value {
    const SPACE: &str = "6946843325487912356";
    json!({
        "space_id": SPACE,
        "node_token": node.token,
        "obj_token": target.obj_token,
        "obj_type": target.obj_type,
        "parent_node_token": "",
        "node_type": if node.shortcut_to.is_some() { "shortcut" } else { "origin" },
        "origin_node_token": target.token,
        "origin_space_id": SPACE,
        "has_child": false,
        "title": node.title,
        "obj_create_time": SOME_TIME,
        "obj_edit_time": SOME_TIME,
        "node_create_time": SOME_TIME,
        "creator": "ou_simulated",
        "owner": "ou_simulated",
    })
}
