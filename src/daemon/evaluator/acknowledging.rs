//! Acknowledgements from outside, one after the other: each is kept in the store like anything else that is told of a case,
//! and only then answered.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::domain::{
    casebook::{Announcement, Casebook},
    command::{self, Answer},
    evaluation::Moment,
    incident::IncidentId,
    maintenance::Refusal,
};

/// So many wait at most while the store takes nothing: whoever has a link can ask again and again.
const WAITING_MAX: usize = 64;

/// Those that wait, and the one that is being kept.
#[derive(Default)]
pub(crate) struct Acknowledging {
    waiting: VecDeque<Asked>,
    under_way: Option<(oneshot::Sender<command::Result>, Answer)>,
}

struct Asked {
    incident: IncidentId,
    by: String,
    answer: oneshot::Sender<command::Result>,
}

impl Acknowledging {
    /// Somebody has taken an incident in hand.
    pub(crate) fn ask(&mut self, incident: IncidentId, by: String, answer: oneshot::Sender<command::Result>) {
        if self.waiting.len() >= WAITING_MAX {
            let why = "too many acknowledgements wait for the store already".to_owned();
            return reply(answer, Err(Refusal::NotKept(why)));
        }
        self.waiting.push_back(Asked { incident, by, answer });
    }

    /// What is to be kept next; what can never be is refused at once.
    pub(crate) fn next(&mut self, casebook: &Casebook, now: Moment) -> Option<Announcement> {
        while let Some(Asked { incident, by, answer }) = self.waiting.pop_front() {
            if let Some(announcement) = casebook.acknowledge(&incident, &by, now) {
                let case = announcement.cases.first().map_or(incident, |case| case.id.clone());
                self.under_way = Some((answer, Answer::Acknowledged { incident: case, by, at: now.wall }));
                return Some(announcement);
            }
            reply(answer, Err(refusal(casebook, &incident)));
        }
        None
    }

    /// What was being kept has been, or the store has refused it; why.
    pub(crate) fn conclude(&mut self, refused: Option<String>) {
        if let Some((answer, acknowledged)) = self.under_way.take() {
            let kept = refused.map_or(Ok(acknowledged), |why| Err(Refusal::NotKept(why)));
            reply(answer, kept);
        }
    }
}

/// Why an incident cannot be acknowledged.
fn refusal(casebook: &Casebook, incident: &IncidentId) -> Refusal {
    match casebook.case_of(incident).and_then(|case| case.ascent.acknowledged.as_ref()) {
        Some(known) => Refusal::Untimely(format!("it was acknowledged by {} at {}", known.by, known.at)),
        None => Refusal::Unknown(format!("no incident {} is open", incident.0)),
    }
}

/// Whoever asked may have gone away meanwhile; what was done is done.
fn reply(answer: oneshot::Sender<command::Result>, what: command::Result) {
    drop(answer.send(what));
}
