//! Which doors customers can be sent to while one does not open, and the sentence that says so in their language. A door
//! is offered only if it has been seen to open just now; nobody is sent from one closed door to another.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{
    channel::{ChannelId, ChannelKind},
    evaluation::State,
    outcome::Failure,
    shared::Shared,
};

/// What a door's probes have seen of it lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the run began that the oldest of its probes' last successes was; none where a probe has none, or its last run
    /// failed.
    pub proven_at: Option<Timestamp>,
    /// Until when that proves anything: two intervals after it.
    pub proven_until: Option<Timestamp>,
    /// How long a customer waits for an answer, as measured: a person's, where a probe talks to one, otherwise half of the
    /// runs of the last hour were answered within it.
    pub answers_in: Option<Duration>,
    /// What it stands on.
    pub stands_on: BTreeSet<Shared>,
}

impl Standing {
    /// Whether it has been seen to work within two intervals.
    #[must_use]
    pub fn is_proven(&self, now: Timestamp) -> bool {
        self.proven_until.is_some_and(|until| until >= now)
    }

    /// By this doors are ordered: the one that answers soonest first, those that were never measured last.
    #[must_use]
    pub fn order(&self) -> (bool, Option<Duration>) {
        (self.answers_in.is_none(), self.answers_in)
    }
}

/// A door as it is looked at here.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a ChannelId,
    /// Its title for people.
    pub title: &'a str,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Its judged state.
    pub state: State,
    /// Whether it is within its hours and not under maintenance.
    pub is_open: bool,
    /// What its probes have seen.
    pub standing: &'a Standing,
    /// What is wrong with it, if it is not up.
    pub failure: Option<&'a Failure>,
}

/// A door that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Offer {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// How long a customer waits for an answer there, in seconds; none where it was not measured.
    pub answers_in_seconds: Option<f64>,
    /// When it was last seen to work.
    pub proven_at: Timestamp,
}

/// The doors to which customers of one can be sent: proven within two intervals, up, open, on nothing that may have failed
/// with it or is known to have failed; the one that answers soonest first.
///
/// What may have failed is everything that the door in question stands on and that can cause what is wrong with it, unless
/// it is up, and every dependency whose own probes find it dark.
#[must_use]
pub fn offers(all: &[Candidate<'_>], of: &ChannelId, now: Timestamp) -> Vec<Offer> {
    let mut lost: BTreeSet<&Shared> = BTreeSet::new();
    for candidate in all {
        let is_down = candidate.state != State::Up && candidate.id == of;
        let is_broken = candidate.kind == ChannelKind::Dependency && candidate.state == State::Dark;
        if is_down || is_broken {
            let stands_on = &candidate.standing.stands_on;
            lost.extend(stands_on.iter().filter(|shared| shared.can_cause(candidate.failure)));
        }
    }
    let is_offered = |candidate: &&Candidate<'_>| {
        candidate.id != of
            && candidate.kind != ChannelKind::Dependency
            && candidate.state == State::Up
            && candidate.is_open
            && candidate.standing.is_proven(now)
            && candidate.standing.stands_on.iter().all(|shared| !lost.contains(shared))
    };
    let mut offered: Vec<&Candidate<'_>> = all.iter().filter(is_offered).collect();
    offered.sort_by_key(|candidate| (candidate.standing.order(), candidate.id));
    let offer = |candidate: &Candidate<'_>| {
        Some(Offer {
            id: candidate.id.clone(),
            title: candidate.title.to_owned(),
            kind: candidate.kind,
            answers_in_seconds: candidate.standing.answers_in.map(|span| span.as_secs_f64()),
            proven_at: candidate.standing.proven_at?,
        })
    };
    offered.into_iter().filter_map(offer).collect()
}

/// A sentence for customers, in four languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sentence {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
    /// Russian.
    pub ru: String,
    /// Indonesian.
    pub id: String,
}

impl Sentence {
    /// What customers are told who cannot get through: by which doors they can, or that it is known and worked on.
    #[must_use]
    pub fn of(offers: &[Offer]) -> Self {
        if offers.is_empty() {
            return Self {
                en: "Our support cannot be reached right now. We know about it and are working on it.".to_owned(),
                zh: "目前无法联系到客服。我们已获知此问题，正在处理中。".to_owned(),
                ru: "Сейчас связаться с поддержкой невозможно. Мы знаем об этом и уже работаем над решением.".to_owned(),
                id: "Layanan dukungan kami sedang tidak dapat dihubungi. Kami sudah mengetahuinya dan sedang menanganinya."
                    .to_owned(),
            };
        }
        let titles: Vec<&str> = offers.iter().map(|offer| offer.title.as_str()).collect();
        let (listed, chinese) = (titles.join(", "), titles.join("、"));
        Self {
            en: format!("This way to our support does not work right now. You can reach us here: {listed}."),
            zh: format!("该客服渠道暂时无法使用。您可以通过以下方式联系我们：{chinese}。"),
            ru: format!(
                "Этот канал поддержки сейчас не работает. Вы можете связаться с нами здесь: {listed}."
            ),
            id: format!(
                "Saluran dukungan ini sedang tidak berfungsi. Anda dapat menghubungi kami di sini: {listed}."
            ),
        }
    }
}

#[cfg(test)]
mod tests;
