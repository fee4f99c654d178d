//! From what a step met to the failure that is told: what the customer meets, why as far as the browser has told, and the
//! evidence in one sentence.

use regex::Regex;

use super::step::Spot;
use crate::{
    domain::outcome::{Detail, Failure, Reason, Stage},
    probe::{
        chromium::{
            events::Log,
            look::{Obstacle, Seen},
            visit::{Crash, Looked},
        },
        expect::excerpt,
        transport::fault::Broken,
    },
};

/// Why a step has not come to what it waits for.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is none.
    Missing(String),
    /// It is there, and something stands in the way.
    InTheWay(Obstacle),
    /// It says that nobody is there.
    Closed(String),
    /// What is expected does not hold.
    Unmet(String),
    /// The page does not answer.
    Hung,
    /// The page has crashed.
    Crashed,
    /// It cannot be looked at, in the browser's words.
    Unseen(String),
}

/// What a step is about when it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    /// What has happened in the browser.
    pub(super) log: &'a Log,
    /// Whether something has been clicked that should have opened what is missing.
    pub(super) has_clicked: bool,
    /// How the page has crashed, if it has.
    pub(super) crash: Option<Crash>,
    /// What stands before the page instead of the service.
    pub(super) wall: Option<&'a str>,
}

impl Trouble {
    /// What a look has shown, unless nothing stands in the way.
    pub(super) fn of(looked: &Looked, spot: &Spot, closed: &[Regex]) -> Option<Self> {
        let (seen, words) = match looked {
            Looked::There(seen) => (seen, spot.words()),
            Looked::NoFrame { frame, seen } => {
                let words = spot.frames.get(*frame).map_or_else(String::new, |frame| frame.words());
                if seen.is_clear() {
                    return Some(Self::Missing(format!("{words} is no frame")));
                }
                (seen, words)
            }
        };
        Self::of_seen(seen, &words, closed)
    }

    fn of_seen(seen: &Seen, words: &str, closed: &[Regex]) -> Option<Self> {
        if seen.shown.is_none() {
            return Some(Self::Missing(format!("{words} is not on the page")));
        }
        if let Some(said) = said(closed, &seen.says) {
            return Some(Self::Closed(format!("{words} says {said:?}")));
        }
        seen.obstacle.clone().map(Self::InTheWay)
    }

    /// The failure that it is.
    pub(super) fn broken(self, around: Circumstances<'_>, closed: &[Regex]) -> Broken {
        let failed = |reason, cause, detail: String| {
            let detail = Detail::new(&detail);
            Broken::Failed(Failure { stage: Stage::Expect, step: None, reason, cause, detail })
        };
        if let Some(wall) = around.wall {
            return failed(Reason::BotWall, None, format!("instead of the service there is {wall}"));
        }
        if let Some(said) = around.log.dialogs.iter().find_map(|dialog| said(closed, dialog)) {
            return failed(Reason::Closed, None, format!("a dialog says {said:?}"));
        }
        match self {
            Self::Crashed if around.crash == Some(Crash::Killed) => {
                Broken::local("the page's process was killed on this machine")
            }
            Self::Crashed => {
                failed(Reason::Unresponsive, Some(Reason::BrowserCrash), "the page has crashed".to_owned())
            }
            Self::Hung => {
                let detail = "the page hangs: it has not answered".to_owned();
                failed(Reason::Unresponsive, Some(Reason::BrowserTimeout), detail)
            }
            Self::Unseen(why) => {
                let detail = format!("the page cannot be looked at: {why}");
                failed(Reason::Unresponsive, None, detail)
            }
            Self::Closed(detail) => failed(Reason::Closed, None, detail),
            Self::Unmet(detail) => failed(Reason::Content, None, detail),
            Self::InTheWay(Obstacle { reason: Reason::Obscured, why }) if around.has_clicked => {
                let (cause, because) = explanation(around.log);
                failed(Reason::Unresponsive, cause, format!("clicked, and {why}{because}"))
            }
            Self::InTheWay(Obstacle { reason, why }) => {
                let (cause, because) = if reason == Reason::Unresponsive {
                    explanation(around.log)
                } else {
                    (None, String::new())
                };
                failed(reason, cause, format!("{why}{because}"))
            }
            Self::Missing(what) => {
                let (cause, because) = explanation(around.log);
                match around.has_clicked {
                    true => failed(Reason::Unresponsive, cause, format!("clicked, and {what}{because}")),
                    false => failed(Reason::Missing, cause, format!("{what}{because}")),
                }
            }
        }
    }
}

fn said(closed: &[Regex], text: &str) -> Option<String> {
    closed.iter().find_map(|pattern| pattern.find(text)).map(|said| excerpt(said.as_str()))
}

/// What the browser has told that may be why: scripts first, for they make what is missing.
fn explanation(log: &Log) -> (Option<Reason>, String) {
    let failed = log.failures.iter().find(|failure| failure.is_script);
    if let Some(failure) = failed {
        return (Some(failure.reason), format!("; the script {} {}", failure.url, failure.why));
    }
    if let Some(url) = log.pending_script() {
        return (Some(Reason::TransferTimeout), format!("; the script {url} has not arrived"));
    }
    let failed = log.failures.last();
    let told = [
        failed.map(|failure| format!("; {} {}", failure.url, failure.why)),
        log.errors.first().map(|error| format!("; a script failed: {}", excerpt(error))),
        log.dialogs.first().map(|dialog| format!("; a dialog said {:?}", excerpt(dialog))),
    ];
    (failed.map(|failure| failure.reason), told.into_iter().flatten().collect())
}
