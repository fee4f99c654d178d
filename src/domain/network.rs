//! Whether our own network works, judged by sentinels: things that must be reachable if it does. Sentinels are asked in
//! rounds. A round says what can be seen of the world; a run that failed counts only once a round that began after it
//! has found the network well, and only where no doubt falls on the time in which the run was made.
//!
//! Two things are told apart. While no address answers, nothing can be seen. While addresses answer and no name server
//! does, what is looked for by its name cannot be seen. The gateway only tells where the network is broken. Times are
//! moments on both clocks; this module never asks for one.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use crate::domain::{
    evaluation::Moment,
    outcome::{Failure, Reason, Stage, Verdict},
};

/// An address that takes longer than this has answered, and has shown that a packet was lost: the system repeats the
/// first packet of a connection after a second. So the network may not have worked when the round began.
pub const PROMPT: Duration = Duration::from_millis(900);

/// So long doubts are remembered: as long as the longest run.
const REMEMBERED: Duration = Duration::from_secs(45 * 60);

/// So many doubts are remembered; of more, the oldest two become one.
const DOUBTS_MAX: usize = 256;

/// What a sentinel stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A name that the name servers must know, or know not to exist.
    Resolver,
    /// The first station behind this machine.
    Gateway,
    /// Something far away.
    Address,
}

impl Kind {
    /// The word used as TOML key and in mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Gateway => "gateway",
            Self::Address => "address",
        }
    }
}

/// What a sentinel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answered within [`PROMPT`].
    Prompt,
    /// It answered later, or could not be asked for want of something on this machine: neither shows that all was well,
    /// nor that the network is lost.
    Late,
    /// It did not.
    None,
}

impl Answer {
    /// What an answer is that took so long.
    #[must_use]
    pub fn after(took: Duration) -> Self {
        if took <= PROMPT { Self::Prompt } else { Self::Late }
    }
}

/// Why nothing can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Not even the gateway answers.
    Link,
    /// The gateway answers, and nothing behind it.
    Line,
    /// Nothing answers, and no gateway is configured that would tell where it is broken.
    Network,
    /// Addresses answer, and no name server does.
    Names,
}

impl Cause {
    /// Every cause, the worst first.
    pub const ALL: [Self; 4] = [Self::Link, Self::Line, Self::Network, Self::Names];

    /// The word used in the store and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Line => "line",
            Self::Network => "network",
            Self::Names => "names",
        }
    }

    /// The cause for a word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// How much can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Everything, as far as our own network goes.
    Clear,
    /// Only what is known by its address.
    Nameless,
    /// Nothing.
    Blind,
}

/// A time without clear sight that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// When the first round began that found it.
    pub began: Moment,
    /// Why, as far as rounds have told.
    pub causes: BTreeSet<Cause>,
    /// Which sentinels did not answer in it, by their places.
    pub failed: BTreeSet<usize>,
}

/// What becomes of a run that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It counts.
    Counts,
    /// It does not: our own network may have been at fault.
    Doubted(Sight),
    /// No round has told yet.
    Waits,
}

/// Where a run broke, as far as our own network may have been at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broke {
    /// While a name was looked up.
    ByName,
    /// Anywhere else.
    Elsewhere,
}

impl Broke {
    /// Where a run broke for which our own network may be to blame: one that failed, or was too slow. None of others.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Option<Self> {
        let failure = match verdict {
            Verdict::Failed(failure) => failure,
            Verdict::Degraded(failure) if failure.reason.is_timeout() => failure,
            Verdict::Ok | Verdict::Degraded(_) | Verdict::Inconclusive(_) => return None,
        };
        Some(if is_of_name(failure) { Self::ByName } else { Self::Elsewhere })
    }
}

/// Whether a run broke while a name was looked up, its own or that of a part without which it does not work.
fn is_of_name(failure: &Failure) -> bool {
    use Reason::{DnsMalformed, DnsNxdomain, DnsServfail, DnsTimeout};
    let of_names = |reason| matches!(reason, DnsNxdomain | DnsServfail | DnsTimeout | DnsMalformed);
    failure.stage == Stage::Resolve || of_names(failure.reason) || failure.cause.is_some_and(of_names)
}

/// What all sentinels have shown so far.
#[derive(Clone, Debug)]
pub struct Network {
    kinds: Vec<Kind>,
    /// Sentinels that have been asked and have neither answered nor run out of time.
    asked: Vec<bool>,
    rounds: u64,
    round: Option<Round>,
    addresses: Side,
    names: Side,
    spell: Option<Spell>,
    cleared_at: Option<Moment>,
}

#[derive(Clone, Debug)]
struct Round {
    began: Moment,
    answers: Vec<Option<Answer>>,
}

/// What is seen by one sort of sentinel.
#[derive(Clone, Debug)]
struct Side {
    kind: Kind,
    is_watched: bool,
    finding: Option<Finding>,
    /// Beginning of the last round whose finding is known.
    judged: Option<Duration>,
    /// Beginning of the last round that found all well.
    well: Duration,
    /// Since when there is doubt.
    doubted_from: Option<Duration>,
    doubts: VecDeque<(Duration, Duration)>,
}

/// What a round says of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Well,
    /// It works now, and may not have when the round began.
    Late,
    Lost,
}

/// An asking of one sentinel, to be told with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The sentinel's place.
    pub place: usize,
    round: u64,
}

impl Network {
    /// A network of which nothing is known, with sentinels of these kinds. Without any, every run counts.
    #[must_use]
    pub fn new(kinds: Vec<Kind>) -> Self {
        let side = |kind| Side::new(kind, kinds.contains(&kind));
        Self {
            addresses: side(Kind::Address),
            names: side(Kind::Resolver),
            asked: vec![false; kinds.len()],
            kinds,
            rounds: 0,
            round: None,
            spell: None,
            cleared_at: None,
        }
    }

    /// The kinds of its sentinels.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// When the latest round began.
    #[must_use]
    pub fn asked_at(&self) -> Option<Duration> {
        self.round.as_ref().map(|round| round.began.monotonic)
    }

    /// Whether another round may begin: the latest has told all that it can, or all that is well.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        let Some(round) = &self.round else { return true };
        let is_told = |side: &Side| !side.is_watched || side.judged == Some(round.began.monotonic);
        let is_well = self.addresses.finding == Some(Finding::Well);
        round.is_complete() || (is_well && is_told(&self.addresses) && is_told(&self.names))
    }

    /// Whether what was found last is worth another look soon.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.addresses.doubted_from.is_some() || self.names.doubted_from.is_some()
    }

    /// Begins a round; gives whom to ask. A sentinel that was asked before and is silent yet counts as silent.
    pub fn ask(&mut self, now: Moment) -> Vec<Question> {
        self.rounds += 1;
        let answers = self.asked.iter().map(|&is_asked| is_asked.then_some(Answer::None)).collect();
        self.round = Some(Round { began: now, answers });
        let round = self.rounds;
        let mut questions = Vec::new();
        for (place, is_asked) in self.asked.iter_mut().enumerate() {
            if !std::mem::replace(is_asked, true) {
                questions.push(Question { place, round });
            }
        }
        // Where all are silent from before, that is the finding.
        self.weigh(now);
        questions
    }

    /// Takes in what a sentinel did.
    pub fn hear(&mut self, question: Question, answer: Answer, now: Moment) {
        if let Some(is_asked) = self.asked.get_mut(question.place) {
            *is_asked = false;
        }
        if let Some(round) = self.round.as_mut().filter(|_| question.round == self.rounds) {
            round.answers[question.place] = Some(answer);
            self.weigh(now);
        }
    }

    /// How much can be seen, by the latest findings; none before the first.
    #[must_use]
    pub fn sight(&self) -> Option<Sight> {
        let lost = |side: &Side| side.finding == Some(Finding::Lost);
        let is_known = |side: &Side| !side.is_watched || side.finding.is_some();
        if lost(&self.addresses) {
            Some(Sight::Blind)
        } else if lost(&self.names) {
            Some(Sight::Nameless)
        } else {
            (is_known(&self.addresses) && is_known(&self.names)).then_some(Sight::Clear)
        }
    }

    /// The time without clear sight that is not over.
    #[must_use]
    pub fn spell(&self) -> Option<&Spell> {
        self.spell.as_ref()
    }

    /// When sight last became clear, or was found clear first.
    #[must_use]
    pub fn cleared_at(&self) -> Option<Moment> {
        self.cleared_at
    }

    /// What becomes of a run that broke there, and was made between these moments of the monotonic clock.
    #[must_use]
    pub fn ruling(&self, broke: Broke, began: Duration, ended: Duration) -> Ruling {
        match self.addresses.ruling(began, ended) {
            Ruling::Counts if broke == Broke::ByName => self.names.ruling(began, ended),
            ruling => ruling,
        }
    }

    fn weigh(&mut self, now: Moment) {
        let Some(round) = &self.round else { return };
        self.addresses.weigh(round, &self.kinds);
        self.names.weigh(round, &self.kinds);
        let sight = self.sight();
        if matches!(sight, Some(Sight::Nameless | Sight::Blind)) {
            let spell = self.spell.get_or_insert_with(|| Spell {
                began: round.began,
                causes: BTreeSet::new(),
                failed: BTreeSet::new(),
            });
            if round.is_complete() {
                spell.causes.insert(cause(round, &self.kinds, sight == Some(Sight::Blind)));
                let answers = round.answers.iter().enumerate();
                let silent = answers.filter(|(_, answer)| **answer == Some(Answer::None));
                spell.failed.extend(silent.map(|(place, _)| place));
            }
        } else if sight == Some(Sight::Clear) && (self.spell.is_some() || self.cleared_at.is_none()) {
            self.spell = None;
            self.cleared_at = Some(now);
        }
    }
}

/// Where it is broken, by a round that is over.
fn cause(round: &Round, kinds: &[Kind], is_blind: bool) -> Cause {
    if !is_blind {
        return Cause::Names;
    }
    let gateways = || round.of(Kind::Gateway, kinds);
    if gateways().any(|answer| answer.is_some_and(|answer| answer != Answer::None)) {
        Cause::Line
    } else if gateways().next().is_some() {
        Cause::Link
    } else {
        Cause::Network
    }
}

impl Round {
    fn is_complete(&self) -> bool {
        self.answers.iter().all(Option::is_some)
    }

    fn of<'r>(&'r self, kind: Kind, kinds: &'r [Kind]) -> impl Iterator<Item = Option<Answer>> + 'r {
        let of_kind = std::iter::zip(&self.answers, kinds).filter(move |(_, of)| **of == kind);
        of_kind.map(|(answer, _)| *answer)
    }

    /// What it says by now of a kind of sentinel; none while it may still say better.
    fn finding(&self, kind: Kind, kinds: &[Kind]) -> Option<Finding> {
        let answers = || self.of(kind, kinds);
        // A name server that is slow every time is slow for customers too; only the first packet of a connection is
        // repeated after so exact a time that it tells a loss.
        let is_well = |answer: Option<Answer>| match kind {
            Kind::Resolver => matches!(answer, Some(Answer::Prompt | Answer::Late)),
            Kind::Address | Kind::Gateway => answer == Some(Answer::Prompt),
        };
        if answers().any(is_well) {
            Some(Finding::Well)
        } else if answers().any(|answer| answer.is_none()) {
            None
        } else if answers().any(|answer| answer == Some(Answer::Late)) {
            Some(Finding::Late)
        } else {
            Some(Finding::Lost)
        }
    }
}

impl Side {
    fn new(kind: Kind, is_watched: bool) -> Self {
        Self {
            kind,
            is_watched,
            finding: None,
            judged: None,
            well: Duration::ZERO,
            doubted_from: None,
            doubts: VecDeque::new(),
        }
    }

    fn weigh(&mut self, round: &Round, kinds: &[Kind]) {
        let began = round.began.monotonic;
        if !self.is_watched || self.judged == Some(began) {
            return;
        }
        let Some(finding) = round.finding(self.kind, kinds) else { return };
        self.finding = Some(finding);
        self.judged = Some(began);
        if finding != Finding::Well {
            // Nobody knows when after the last good round it began.
            self.doubted_from.get_or_insert(self.well);
            return;
        }
        self.well = began;
        if let Some(from) = self.doubted_from.take() {
            self.doubts.push_back((from, began));
        }
        while self.doubts.front().is_some_and(|(_, until)| *until + REMEMBERED < began) {
            self.doubts.pop_front();
        }
        if self.doubts.len() > DOUBTS_MAX
            && let (Some((from, _)), Some(second)) = (self.doubts.pop_front(), self.doubts.front_mut())
        {
            second.0 = from;
        }
    }

    fn ruling(&self, began: Duration, ended: Duration) -> Ruling {
        if !self.is_watched {
            return Ruling::Counts;
        }
        let doubted =
            Ruling::Doubted(if self.kind == Kind::Address { Sight::Blind } else { Sight::Nameless });
        let is_past = self.doubts.iter().any(|(from, until)| *from <= ended && began <= *until);
        match self.judged {
            _ if is_past => doubted,
            Some(judged) if judged >= ended => {
                if self.doubted_from.is_some_and(|from| from <= ended) {
                    doubted
                } else {
                    Ruling::Counts
                }
            }
            // It is lost already, and a better finding would not mend that.
            _ if self.doubted_from.is_some_and(|from| from <= ended) => doubted,
            _ => Ruling::Waits,
        }
    }
}

/// From when to when there was no clear sight, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blindness {
    /// When it began.
    pub began_at: Timestamp,
    /// Why.
    pub causes: BTreeSet<Cause>,
    /// The sentinels that did not answer, as people are told of them: `far (address)`.
    pub sentinels: BTreeSet<String>,
}

impl Blindness {
    /// Its worst cause, once a round has told one.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.causes.first().copied()
    }
}

#[cfg(test)]
mod tests;
