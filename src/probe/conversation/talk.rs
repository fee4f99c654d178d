//! One conversation, held: turn after turn, until one fails or the last is done. Who waits knows what the wait means
//! when it is over: in a queue, called and not come, only a bot, or nothing at all.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    select,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Line, Message, Speaker, Transcript, Utterance,
    script::{Script, Turn},
    settings::From,
    signs::Meaning,
    taken_by,
};
use crate::{
    domain::{
        contact::Contact,
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage},
    },
    probe::{Check, asks::Asks, timeline::Timeline, transport::fault::Broken, walk::stopped},
};

/// A bot that has replied may be about to call a person; so long nothing else is said.
const SETTLES: Duration = Duration::from_secs(2);

/// A bot that has given the same reply so often, to different words, goes in a circle.
const SAME_REPLIES_MAX: u32 = 3;

/// More messages than this are no conversation.
pub const MESSAGES_MAX: u32 = 1_000;

/// So much of a conversation is kept.
const TRANSCRIPT_MAX: usize = 200;

/// What a conversation needs to know of the run that it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The stopwatch of the run.
    pub timeline: &'a Timeline,
    /// When the last turn must be over.
    pub limit: Instant,
    /// The wall clock's time, for the day on which people are asked.
    pub now: Timestamp,
    /// How often people may be asked.
    pub asks: &'a Asks,
    /// Cancelled when the run is to stop.
    pub stop: &'a CancellationToken,
}

/// What a conversation has shown.
#[derive(Debug)]
pub struct Record {
    /// How it ended.
    pub ended: Result<(), Broken>,
    /// The first thing over its budget.
    pub blemish: Option<Failure>,
    /// What became of each turn.
    pub checks: Vec<Check>,
    /// What was measured.
    pub contact: Contact,
    /// What was said.
    pub transcript: Transcript,
}

/// Holds a conversation over a line. It does not leave it: what is to be done for that, the line's owner knows.
pub async fn hold<L: Line>(script: &Script, line: &mut L, around: Circumstances<'_>) -> Record {
    let mut talk = Talk {
        script,
        line,
        around,
        opened: Instant::now(),
        spoke: None,
        said: 0,
        messages: 0,
        queued: None,
        last_reply: None,
        has_heard: false,
        record: Record {
            ended: Ok(()),
            blemish: None,
            checks: Vec::new(),
            contact: Contact::default(),
            transcript: Vec::new(),
        },
    };
    let ended = talk.hold().await;
    talk.record.ended = ended;
    talk.record
}

struct Talk<'c, L> {
    script: &'c Script,
    line: &'c mut L,
    around: Circumstances<'c>,
    opened: Instant,
    /// When something was said first.
    spoke: Option<Instant>,
    /// How often something was said.
    said: u16,
    messages: u32,
    /// Since when one waits in a queue.
    queued: Option<Instant>,
    /// The last reply of a bot, and how often it has come in a row, to different words.
    last_reply: Option<Repeated>,
    has_heard: bool,
    record: Record,
}

struct Repeated {
    text: String,
    count: u32,
    /// After how many of our own words it came.
    said: u16,
}

/// What a turn has heard so far.
#[derive(Default)]
struct Heard {
    /// What was said last that was not what is awaited.
    other: Option<String>,
    position: Option<u32>,
    is_queued: bool,
    is_called: bool,
    has_reply: bool,
}

impl<L: Line> Talk<'_, L> {
    async fn hold(&mut self) -> Result<(), Broken> {
        let script = self.script;
        for turn in &script.turns {
            self.around.timeline.enter_step(turn.name.clone());
            self.around.timeline.begin(PhaseKind::Wait);
            let began = Instant::now();
            let taken = self.take(turn, began).await;
            self.around.timeline.end();
            let seen = match &taken {
                Ok(seen) => seen.clone(),
                Err(Broken::Failed(failure)) => failure.detail.as_str().to_owned(),
                Err(Broken::Inconclusive(why)) => why.detail.as_str().to_owned(),
            };
            let held = match &taken {
                Ok(_) => Some(true),
                Err(Broken::Failed(_)) => Some(false),
                Err(Broken::Inconclusive(_)) => None,
            };
            self.record.checks.push(Check {
                step: Some(turn.name.clone()),
                expectation: turn.words().into(),
                held,
                seen: Detail::new(&seen),
            });
            if let Err(mut broken) = taken {
                if let Broken::Failed(failure) = &mut broken {
                    failure.step = Some(turn.name.clone());
                }
                return Err(broken);
            }
            self.mind_lateness(turn, began.elapsed());
        }
        Ok(())
    }

    /// Takes one turn; gives what was heard.
    async fn take(&mut self, turn: &Turn, began: Instant) -> Result<String, Broken> {
        if turn.from == From::Person {
            if !self.around.asks.take(self.around.now) {
                return Err(self.capped());
            }
            self.record.contact.person_asked = true;
        }
        let until = self.around.limit.min(began + turn.within);
        if let Some(text) = &turn.say {
            self.say(text, until).await?;
        }
        let mut again = turn.again.iter();
        let mut heard = Heard::default();
        loop {
            // Only who has had a reply says something again, and not to who waits in a queue.
            let is_next =
                heard.has_reply && !heard.is_queued && !heard.is_called && !again.as_slice().is_empty();
            let next = if is_next { until.min(Instant::now() + SETTLES) } else { until };
            let Some(message) = self.hear(next).await? else {
                if next < until {
                    let text = again.next().expect("there is one, or none would be next");
                    self.say(text, until).await?;
                    heard.has_reply = false;
                    continue;
                }
                return Err(self.unanswered(turn, &heard, began.elapsed()));
            };
            if let Some(seen) = self.weigh(turn, &message, &mut heard, began)? {
                return Ok(seen);
            }
        }
    }

    async fn say(&mut self, text: &str, until: Instant) -> Result<(), Broken> {
        let saying = taken_by(self.around.limit, self.line.say(text, until));
        select! {
            biased;
            () = self.around.stop.cancelled() => return Err(stopped()),
            said = saying => said?,
        }
        self.spoke.get_or_insert_with(Instant::now);
        self.said = self.said.saturating_add(1);
        self.write_down(Speaker::Customer, text);
        Ok(())
    }

    /// The next message; none when the time is up.
    async fn hear(&mut self, until: Instant) -> Result<Option<Message>, Broken> {
        let hearing = timeout_at(self.around.limit, self.line.hear(until));
        let heard = select! {
            biased;
            () = self.around.stop.cancelled() => return Err(stopped()),
            heard = hearing => heard.unwrap_or(Ok(None))?,
        };
        let Some(message) = heard else { return Ok(None) };
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            let detail = format_args!("more than {MESSAGES_MAX} messages");
            return Err(Broken::failed(Stage::Transfer, Reason::Protocol, detail));
        }
        Ok(Some(message))
    }

    /// What a message means for the turn under way: what was seen, if the turn is done.
    fn weigh(
        &mut self,
        turn: &Turn,
        message: &Message,
        heard: &mut Heard,
        began: Instant,
    ) -> Result<Option<String>, Broken> {
        let meaning = self.script.signs.meaning(message);
        if meaning == Meaning::Own {
            return Ok(None);
        }
        let shown = message.shown();
        self.write_down(speaker(meaning), &shown);
        match meaning {
            Meaning::Own | Meaning::Nothing => return Ok(None),
            Meaning::Busy => return Err(Broken::failed(Stage::Expect, Reason::Busy, quoted(&shown))),
            Meaning::Closed => return Err(Broken::failed(Stage::Expect, Reason::Closed, quoted(&shown))),
            Meaning::Person => self.person_comes(turn, began),
            Meaning::Queue(position) => {
                self.queued.get_or_insert_with(Instant::now);
                heard.is_queued = true;
                heard.position = position.or(heard.position);
                let first = &mut self.record.contact.queue_position;
                *first = first.or(position);
            }
            Meaning::Handover => heard.is_called = true,
            Meaning::Bot => {
                self.bot_replies(&shown)?;
                heard.has_reply = true;
            }
        }
        self.has_heard = true;
        let is_whom = match turn.from {
            From::Anyone => matches!(meaning, Meaning::Person | Meaning::Bot | Meaning::Handover),
            From::Queue => matches!(meaning, Meaning::Person | Meaning::Queue(_)),
            From::Person => meaning == Meaning::Person,
        };
        if is_whom && turn.expect.as_ref().is_none_or(|sign| sign.is_in(message)) {
            return Ok(Some(shown));
        }
        heard.other = Some(shown);
        Ok(None)
    }

    /// A person is there: from now on the clock of people stands.
    fn person_comes(&mut self, turn: &Turn, began: Instant) {
        let contact = &mut self.record.contact;
        if contact.person.is_some() {
            return;
        }
        let now = Instant::now();
        let asked = if turn.from == From::Anyone { self.spoke.unwrap_or(self.opened) } else { began };
        contact.person = Some(now - asked);
        contact.queued = self.queued.map(|since| now - since);
        contact.steps = Some(self.said);
    }

    fn bot_replies(&mut self, text: &str) -> Result<(), Broken> {
        let since = self.spoke.unwrap_or(self.opened);
        self.record.contact.bot.get_or_insert_with(|| since.elapsed());
        let text = text.trim();
        let said = self.said;
        match &mut self.last_reply {
            // Several parts of one reply may be alike.
            Some(last) if last.text == text && last.said < said => {
                last.count += 1;
                last.said = said;
                if last.count >= SAME_REPLIES_MAX {
                    let detail = format!("the same reply {SAME_REPLIES_MAX} times: {}", quoted(text));
                    return Err(Broken::failed(Stage::Expect, Reason::BotOnly, detail));
                }
            }
            Some(last) if last.text == text => {}
            last => *last = Some(Repeated { text: text.to_owned(), count: 1, said }),
        }
        Ok(())
    }

    /// What it means that nobody has come, or that nothing was said that was awaited.
    fn unanswered(&mut self, turn: &Turn, heard: &Heard, waited: Duration) -> Broken {
        let now = Instant::now();
        let contact = &mut self.record.contact;
        contact.queued = contact.queued.or(self.queued.map(|since| now - since));
        let waited = format!("{:.1} s", waited.as_secs_f64());
        let last = heard.other.as_deref().map(quoted);
        let (reason, detail) = if !self.has_heard {
            (Reason::Silent, format!("nothing was said in {waited}"))
        } else if turn.from == From::Anyone {
            match (&turn.expect, last) {
                (Some(sign), Some(last)) => {
                    (Reason::Content, format!("expected {} within {waited}, heard {last}", sign.words()))
                }
                _ => (Reason::Silent, format!("no reply in {waited}")),
            }
        } else if heard.is_queued {
            let place = heard.position.map(|place| format!(" at place {place}")).unwrap_or_default();
            (Reason::QueueTimeout, format!("still in the queue{place} after {waited}"))
        } else if heard.is_called {
            (Reason::NoAnswer, format!("a person was called and did not come in {waited}"))
        } else if let Some(last) = last {
            (Reason::BotOnly, format!("no person in {waited}, only {last}"))
        } else {
            (Reason::NoAnswer, format!("nobody answered in {waited}"))
        };
        contact.waited_in_vain =
            turn.from == From::Person && matches!(reason, Reason::QueueTimeout | Reason::NoAnswer);
        Broken::failed(Stage::Wait, reason, detail)
    }

    fn mind_lateness(&mut self, turn: &Turn, took: Duration) {
        let Some(budget) = turn.late_after.filter(|budget| took > *budget) else { return };
        self.record.contact.waited_in_vain |= turn.from == From::Person;
        let (took, budget) = (took.as_secs_f64(), budget.as_secs_f64());
        let detail = format!("answered after {took:.1} s, later than the budget of {budget} s");
        self.record.blemish.get_or_insert(Failure {
            stage: Stage::Wait,
            step: Some(turn.name.clone()),
            reason: Reason::Late,
            cause: None,
            detail: Detail::new(&detail),
        });
    }

    fn capped(&self) -> Broken {
        let most = self.around.asks.most();
        let detail = format!("people have been asked {most} times today, and are not disturbed more often");
        Broken::Inconclusive(Inconclusive {
            reason: InconclusiveReason::Capped,
            detail: Detail::new(&detail),
        })
    }

    fn write_down(&mut self, speaker: Speaker, text: &str) {
        if self.record.transcript.len() < TRANSCRIPT_MAX {
            let at = self.around.timeline.elapsed();
            self.record.transcript.push(Utterance { at, speaker, text: Detail::new(text) });
        }
    }
}

fn speaker(meaning: Meaning) -> Speaker {
    match meaning {
        Meaning::Own => Speaker::Customer,
        Meaning::Person => Speaker::Person,
        Meaning::Bot => Speaker::Bot,
        Meaning::Busy | Meaning::Closed | Meaning::Queue(_) | Meaning::Handover | Meaning::Nothing => {
            Speaker::Service
        }
    }
}

fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 160;
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let ellipsis = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{cut}{ellipsis}\"")
}

impl Turn {
    /// What is expected, in words.
    fn words(&self) -> String {
        let whom = match self.from {
            From::Anyone => "a reply",
            From::Queue => "a place in the queue",
            From::Person => "a person",
        };
        match &self.expect {
            Some(sign) => format!("{whom}: {}", sign.words()),
            None => whom.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
