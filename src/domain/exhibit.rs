//! What a run leaves as evidence of what it met: texts and pictures, small, and without secrets.

use std::sync::Arc;

use crate::domain::{channel::ChannelId, evaluation::Transition};

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Its name, such as `answer`; a run has one of each.
    pub name: &'static str,
    /// What it is.
    pub medium: Medium,
    /// Its content; a text is UTF-8.
    pub bytes: Arc<[u8]>,
}

/// What an exhibit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Text.
    Text,
    /// A picture of what a window showed.
    Png,
    /// The same, small enough for a mail.
    Jpeg,
}

impl Medium {
    /// The ending of a file's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

impl Exhibit {
    /// A text. What a terminal would act on is no use to a reader, and is replaced.
    #[must_use]
    pub fn text(name: &'static str, text: &str) -> Self {
        let visible =
            |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
        let text: String = text.chars().map(visible).collect();
        Self { name, medium: Medium::Text, bytes: text.into_bytes().into() }
    }
}

/// The small picture of a window among these, if there is one.
#[must_use]
pub fn small_picture(exhibits: &[Exhibit]) -> Option<&[u8]> {
    exhibits.iter().find(|exhibit| exhibit.medium == Medium::Jpeg).map(|exhibit| &*exhibit.bytes)
}

/// The name of the bundle that a transition leaves: `20261126T101500Z-web-chat-dark`. The same transition, decided again
/// after a commit that failed, has the same name.
#[must_use]
pub fn bundle_name(channel: &ChannelId, transition: &Transition) -> String {
    format!("{}-{channel}-{}", transition.at.strftime("%Y%m%dT%H%M%SZ"), transition.to.as_str())
}
