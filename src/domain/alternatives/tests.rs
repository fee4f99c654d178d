//! Every combination of what a door may be, against whether it may be offered.

use super::*;
use crate::domain::outcome::{Detail, Reason, Stage};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A door as it is put together for a test.
#[derive(Clone)]
struct Door {
    id: ChannelId,
    kind: ChannelKind,
    state: State,
    is_open: bool,
    standing: Standing,
    failure: Option<Failure>,
}

impl Door {
    fn working(id: &str) -> Self {
        let standing = Standing {
            proven_at: Some(NOW),
            proven_until: Some(NOW + Duration::from_secs(60)),
            answers_in: Some(Duration::from_secs(2)),
            stands_on: BTreeSet::from([Shared::Host(format!("{id}.example.com").into())]),
        };
        let (id, kind) = (ChannelId::new(id), ChannelKind::Chat);
        Self { id, kind, state: State::Up, is_open: true, standing, failure: None }
    }

    fn on(mut self, shared: Shared) -> Self {
        self.standing.stands_on.insert(shared);
        self
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            title: self.id.as_str(),
            kind: self.kind,
            state: self.state,
            is_open: self.is_open,
            standing: &self.standing,
            failure: self.failure.as_ref(),
        }
    }
}

fn crm() -> Shared {
    Shared::Dependency(ChannelId::new("crm"))
}

fn offered(doors: &[Door], of: &str) -> Vec<String> {
    let candidates: Vec<Candidate<'_>> = doors.iter().map(Door::candidate).collect();
    offers(&candidates, &ChannelId::new(of), NOW).iter().map(|offer| offer.id.to_string()).collect()
}

#[test]
fn a_door_is_offered_only_if_it_fails_none_of_the_conditions() {
    let dark = Door { state: State::Dark, ..Door::working("chat").on(crm()) };
    let mut offers = 0;
    for state in State::ALL {
        for is_open in [true, false] {
            for proven in [Some(1), Some(0), Some(-1), None] {
                for shares in [None, Some(crm()), Some(Shared::Host("chat.example.com".into()))] {
                    let mut other = Door { state, is_open, ..Door::working("form") };
                    other.standing.proven_until =
                        proven.map(|secs| NOW + jiff::SignedDuration::from_secs(secs));
                    other.standing.stands_on.extend(shares.clone());
                    let may = state == State::Up
                        && is_open
                        && proven.is_some_and(|secs| secs >= 0)
                        && shares.is_none();
                    let is_offered = !offered(&[dark.clone(), other], "chat").is_empty();
                    assert_eq!(is_offered, may, "{state:?} {is_open} {proven:?} {shares:?}");
                    offers += usize::from(is_offered);
                }
            }
        }
    }
    assert_eq!(offers, 2);
}

#[test]
fn what_depends_on_something_that_is_found_broken_is_never_offered() {
    let chat = Door { state: State::Dark, ..Door::working("chat") };
    let form = Door::working("form").on(crm());
    let mut broken = Door { kind: ChannelKind::Dependency, state: State::Dark, ..Door::working("crm") };
    broken.standing.stands_on = BTreeSet::from([crm()]);
    assert_eq!(offered(&[chat.clone(), form.clone()], "chat"), ["form"]);
    assert_eq!(offered(&[chat.clone(), form.clone(), broken.clone()], "chat"), Vec::<String>::new());
    let works = Door { state: State::Up, ..broken };
    assert_eq!(offered(&[chat, form, works], "chat"), ["form"], "the dependency itself is no door");
}

#[test]
fn an_address_or_a_certificate_in_common_keeps_a_door_out_only_if_it_may_be_what_broke() {
    let address = Shared::Address("192.0.2.7".into());
    let certificate = Shared::Certificate("AB:CD".into());
    for (reason, expected) in [
        (Reason::Disabled, vec!["form", "hotline"]),
        (Reason::ConnectTimeout, vec!["hotline"]),
        (Reason::CertificateExpired, vec![]),
    ] {
        let detail = Detail::default();
        let failure = Failure { stage: Stage::Expect, step: None, reason, cause: None, detail };
        let chat = Door { state: State::Dark, failure: Some(failure), ..Door::working("chat") };
        let doors = [
            chat.on(address.clone()).on(certificate.clone()),
            Door::working("form").on(address.clone()),
            Door::working("hotline").on(certificate.clone()),
        ];
        assert_eq!(offered(&doors, "chat"), expected, "{reason}");
    }
}

#[test]
fn the_door_that_answers_soonest_comes_first_and_one_that_was_never_measured_last() {
    let answering = |id: &str, secs: Option<u64>| {
        let mut door = Door::working(id);
        door.standing.answers_in = secs.map(Duration::from_secs);
        door
    };
    let doors =
        [answering("a", None), answering("b", Some(9)), answering("c", Some(3)), answering("d", Some(3))];
    assert_eq!(offered(&doors, "chat"), ["c", "d", "b", "a"]);
}

#[test]
fn of_a_door_that_works_the_others_are_told_too() {
    let doors = [Door::working("chat").on(crm()), Door::working("form").on(crm())];
    assert_eq!(offered(&doors, "chat"), ["form"], "nothing that they share has failed");
}

#[test]
fn every_language_names_every_door() {
    let candidates = [Door::working("form"), Door::working("hotline")];
    let candidates: Vec<Candidate<'_>> = candidates.iter().map(Door::candidate).collect();
    let sentence = Sentence::of(&offers(&candidates, &ChannelId::new("chat"), NOW));
    for words in [&sentence.en, &sentence.zh, &sentence.ru, &sentence.id] {
        assert!(words.contains("form") && words.contains("hotline"), "{words}");
    }
    let none = Sentence::of(&[]);
    assert!(none.en.starts_with("Our support cannot be reached"), "{}", none.en);
}
