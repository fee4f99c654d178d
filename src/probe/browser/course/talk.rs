//! A conversation in a chat on the page: one writes into its field and reads what appears.

use std::{collections::VecDeque, time::Duration};

use serde_json::Value;
use serde_json_path::JsonPath;
use tokio::time::{Instant, timeout_at};

use super::{Course, End, looks::Looks, of_hitch};
use crate::{
    clock::Clock,
    probe::{
        browser::step::{Spot, Talk},
        chromium::{
            look::Aim,
            visit::{Hitch, Looked},
        },
        conversation::{Circumstances, Line, Message, Record, hold},
        transport::fault::Broken,
    },
};

/// A page that is asked for its messages has this time to answer; one that has not answered for so long hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The chat on the page as a line.
struct PageLine<'c, 'b> {
    course: &'c mut Course<'b>,
    talk: &'b Talk,
    text_at: JsonPath,
    heard: VecDeque<Message>,
    /// What each message said at the last look, and whether that has been heard.
    known: Vec<(String, bool)>,
    /// What we have said, as the page shows it.
    said: Vec<String>,
    /// How the page has failed.
    end: Option<End>,
}

impl<'b> Course<'b> {
    /// Holds the conversation, and leaves it.
    pub(super) async fn talk(&mut self, talk: &'b Talk) -> Result<String, End> {
        let limit = self.limit;
        let (timeline, now) = (self.timeline, Clock::system().now());
        let around = Circumstances { timeline, limit, now, asks: &talk.asks, stop: self.stop };
        let mut line = PageLine {
            course: self,
            talk,
            text_at: JsonPath::parse("$.text").expect("a constant path"),
            heard: VecDeque::new(),
            known: Vec::new(),
            said: Vec::new(),
            end: None,
        };
        let Record { ended, blemish, checks, contact, transcript } =
            hold(&talk.script, &mut line, around).await;
        let end = line.end.take();
        self.has_clicked = true;
        self.blemish = self.blemish.take().or(blemish);
        self.checks.extend(checks);
        self.transcript.extend(transcript);
        let before = self.actions;
        self.contact = Some(contact);
        match contact.steps {
            Some(said) => self.reach_person_after(before.saturating_add(said)),
            None => self.actions = before,
        }
        if let (Some(leave), None) = (&talk.leave, &end) {
            self.leave(leave).await;
        }
        match (ended, end) {
            (_, Some(end)) => Err(end),
            (Err(broken), None) => Err(End::Broken(broken)),
            (Ok(()), None) => Ok(String::new()),
        }
    }

    /// Says good-bye. Whether the page takes it says nothing about what came before.
    async fn leave(&mut self, spot: &Spot) {
        const WITHIN: Duration = Duration::from_millis(700);
        let until = self.limit.max(Instant::now() + WITHIN / 2).min(Instant::now() + WITHIN);
        let looked = Looks::until(until).look(&mut self.visit, spot, Aim::Click).await;
        if let Ok(Some(Looked::There(seen))) = looked
            && seen.is_clear()
        {
            let _gone = self.click(spot, &seen, until).await;
        }
    }
}

impl PageLine<'_, '_> {
    /// Keeps how the page has failed; what the conversation gets in its place is never told.
    fn ends(&mut self, end: End) -> Broken {
        self.end = Some(end);
        Broken::local("the page has failed")
    }

    async fn write(&mut self, text: &str, until: Instant) -> Result<(), End> {
        self.course.write(&self.talk.into, text, until).await?;
        match &self.talk.send {
            Some(send) => {
                let seen = self.course.look_until(send, Aim::Click, until).await?;
                self.course.click(send, &seen, until).await
            }
            None => {
                let pressing = self.course.visit.press("Enter", 13, "\r");
                Course::done(timeout_at(until, pressing).await)
            }
        }
    }

    /// Looks once at what stands there. A message counts once it has stayed the same for two looks: many are written
    /// letter by letter.
    async fn look(&mut self) -> Result<(), End> {
        let spot = &self.talk.messages;
        let asking = self.course.visit.messages(&spot.frames, &spot.target);
        let shown: Vec<Value> = match timeout_at(Instant::now() + ANSWERS_WITHIN, asking).await {
            Ok(Ok(shown)) => shown,
            // The page may be on its way to another.
            Ok(Err(Hitch::Refused(_))) => return Ok(()),
            Ok(Err(hitch)) => return Err(of_hitch(hitch)),
            Err(_) => return Err(self.course.hung().await),
        };
        for (at, json) in shown.into_iter().enumerate() {
            let text = json["text"].as_str().unwrap_or_default().trim().to_owned();
            match self.known.get_mut(at) {
                Some((known, was_heard)) if *known == text => {
                    let is_ours = self.said.contains(&text);
                    if !*was_heard && !text.is_empty() && !is_ours {
                        self.heard.push_back(Message::of_json(json, &self.text_at));
                    }
                    *was_heard = true;
                }
                Some(known) => *known = (text, false),
                None => self.known.push((text, false)),
            }
        }
        Ok(())
    }
}

impl Line for PageLine<'_, '_> {
    async fn say(&mut self, text: &str, until: Instant) -> Result<(), Broken> {
        self.said.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        self.write(text, until).await.map_err(|end| self.ends(end))
    }

    async fn hear(&mut self, until: Instant) -> Result<Option<Message>, Broken> {
        let mut looks = Looks::until(until);
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Ok(Some(message));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            if let Err(end) = self.look().await {
                return Err(self.ends(end));
            }
            if self.heard.is_empty()
                && let Err(end) = looks.pause(&mut self.course.visit).await
            {
                return Err(self.ends(end));
            }
        }
    }
}
