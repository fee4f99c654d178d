//! One look at an element: what is looked for, and what was seen. The looking itself is a script
//! (`src/probe/chromium/look.js`) that runs beside the page's own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::outcome::Reason;

/// The script.
pub(super) const SCRIPT: &str = include_str!("look.js");

/// How an element is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A CSS selector; open and closed shadow roots are searched too.
    pub css: Option<Arc<str>>,
    /// A text that it has, in any case of letters. Without a selector, the innermost element that has it.
    pub text: Option<Arc<str>>,
}

impl Target {
    /// In words, for a person.
    #[must_use]
    pub fn words(&self) -> String {
        match (&self.css, &self.text) {
            (Some(css), Some(text)) => format!("{css} that says {text:?}"),
            (Some(css), None) => css.to_string(),
            (None, text) => format!("something that says {:?}", text.as_deref().unwrap_or_default()),
        }
    }
}

/// For what it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// To be clicked: nothing may stand in the way.
    Click,
    /// To be written into, after a click.
    Fill,
    /// To be there, whatever stands in the way.
    Find,
    /// To be seen.
    See,
    /// To be used: seen, and not empty.
    Use,
    /// To be entered.
    Frame,
}

/// What the script is asked.
#[derive(Debug, Serialize)]
pub(super) struct Wanted<'a> {
    pub(super) act: &'static str,
    pub(super) aim: Aim,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) css: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attribute: Option<&'a str>,
}

/// What stands in the way of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Obstacle {
    /// What the customer meets.
    pub reason: Reason,
    /// What is in the way; the page's own words, not escaped.
    pub why: String,
}

/// What was seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// How many elements match.
    pub count: usize,
    /// Whether the page, with all that it needs at once, has loaded.
    pub is_complete: bool,
    /// Whether it is the browser's own page, in place of one that could not be loaded.
    pub is_failed: bool,
    /// The tag of the one that was looked at; none if there is none.
    pub shown: Option<String>,
    /// What it says.
    pub says: String,
    /// What stands in the way.
    pub obstacle: Option<Obstacle>,
    /// The attribute that was asked for.
    pub attribute: Option<String>,
    /// The middle of it, from the left of the window, in CSS pixels.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// Whether it is a frame.
    pub is_frame: bool,
}

impl Seen {
    /// Whether it is there and nothing stands in the way.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.shown.is_some() && self.obstacle.is_none()
    }
}
