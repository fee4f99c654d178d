//! What is kept of a page on which a step has failed.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Course;
use crate::{
    domain::exhibit::{Exhibit, Medium},
    probe::chromium::events::Log,
};

/// All of it takes no longer.
const WITHIN: Duration = Duration::from_millis(700);

/// So much of what the browser has told is kept, in lines of each sort.
const LINES_MAX: usize = 40;

impl Course<'_> {
    /// Keeps the page around what was looked at last, and what the window shows, with that outlined: large, and small for a
    /// mail. What does not come in time is not kept.
    pub(super) async fn exhibit(&mut self) {
        let until = Instant::now() + WITHIN;
        if let Ok(Ok(markup)) = timeout_at(until, self.visit.outline()).await
            && !markup.is_empty()
        {
            self.exhibits.push(Exhibit::text("page", &markup));
        }
        if self.has_told_secret {
            return;
        }
        if let Ok(Ok(bytes)) = timeout_at(until, self.visit.small_picture()).await {
            self.exhibits.push(Exhibit { name: "small", medium: Medium::Jpeg, bytes: bytes.to_vec().into() });
        }
        if let Ok(Ok(bytes)) = timeout_at(until, self.visit.picture()).await {
            self.exhibits.push(Exhibit { name: "screen", medium: Medium::Png, bytes: bytes.to_vec().into() });
        }
    }
}

/// What the browser has told of scripts, requests and dialogs.
pub(super) fn told_by(log: &Log) -> Option<Exhibit> {
    let errors = log.errors.iter().map(|error| format!("script: {error}"));
    let failures = log
        .failures
        .iter()
        .map(|failure| format!("request: {} {} ({})", failure.url, failure.why, failure.reason));
    let dialogs = log.dialogs.iter().map(|dialog| format!("dialog: {dialog}"));
    let lines: Vec<String> = errors
        .take(LINES_MAX)
        .chain(failures.take(LINES_MAX))
        .chain(dialogs.take(LINES_MAX))
        .map(|line| line.replace(|c: char| c.is_control(), " "))
        .collect();
    (!lines.is_empty()).then(|| Exhibit::text("console", &(lines.join("\n") + "\n")))
}
