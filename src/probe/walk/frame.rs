//! A text or a JSON document with variables, for what is said over a connection that stays open.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Walk, blueprint::Blueprint, step::Wording, variables::Variables};
use crate::{
    probe::{
        request::draft::{Json, Place, Text},
        transport::fault::Broken,
    },
    secret::Secret,
    setting::{At, Problem},
};

/// Something that is sent: a text or a JSON document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { json = { type = \"message\", text = \"{text}\" } }"
)]
pub struct FrameSettings {
    /// A text, with variables.
    text: Option<At<String>>,
    /// A JSON document, written as TOML, with variables in its texts.
    json: Option<At<serde_json::Value>>,
}

/// Something that is sent, checked.
#[derive(Debug)]
pub enum Frame {
    /// A text.
    Text(Wording),
    /// A JSON document.
    Json(Json<Wording>),
}

impl Frame {
    fn fill(&self, variables: &Variables) -> Result<String, Broken> {
        match self {
            Self::Text(wording) => Ok(wording.filled(variables)?.as_str().to_owned()),
            Self::Json(json) => {
                let filled: Json<Text> = json.try_map(&mut |wording: &Wording| wording.filled(variables))?;
                Ok(filled.to_value().to_string())
            }
        }
    }
}

impl Blueprint<'_> {
    /// Draws something that is sent; what is wrong with it is a problem.
    pub fn frame(&mut self, settings: &At<FrameSettings>) -> Option<Frame> {
        match (&settings.text, &settings.json) {
            (Some(text), None) => Some(Frame::Text(self.written(&text.value, &text.span))),
            (None, Some(json)) => {
                let written = Json::written(json.value.clone(), &json.span);
                let worded = written.try_map(&mut |text: &Text| {
                    Ok::<_, std::convert::Infallible>(self.wording(text, Place::Elsewhere))
                });
                let Ok(worded) = worded;
                Some(Frame::Json(worded))
            }
            _ => {
                let problem: Problem = settings.problem("what is sent is a text or a JSON document");
                self.problems.push(problem.hint("write { text = \"{text}\" } or { json = { ... } }"));
                None
            }
        }
    }

    /// A text as the operator wrote it.
    pub fn written(&mut self, text: &str, span: &Range<usize>) -> Wording {
        let text = Text::written(Secret::new(text.to_owned()), false, span.clone());
        self.wording(&text, Place::Elsewhere)
    }
}

impl Walk<'_> {
    /// What is sent, with its variables filled in.
    ///
    /// # Errors
    /// A variable without a value, which is a bug of ours.
    pub fn fill(&self, frame: &Frame) -> Result<String, Broken> {
        frame.fill(&self.variables)
    }
}
