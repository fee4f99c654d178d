//! The mails about several channels at once: twenty doors behind one CRM, two on one host, a storm.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lamplighter::domain::{
    casebook::{Announcement, Casebook, GATHER_FOR},
    channel::{ChannelId, ChannelKind, TeamId},
    decision::{Kept, decide},
    evaluation::{Evidence, Moment, Quorum, Rules, State, Transition},
    incident::Incident,
    notification::{Content, Recipient},
    outcome::{Failure, Reason, Stage},
    shared::Shared,
};

use super::situations::{began, failure};
use crate::neighbourhood::{Doorway, Neighbourhood, doorplate};

/// Doors, and what happens to them one after the other.
struct Play {
    world: Neighbourhood,
    book: Casebook,
    standing: BTreeMap<ChannelId, Incident>,
}

impl Play {
    fn new(doors: &[(&str, ChannelKind, &[Shared])]) -> Self {
        let doorway = |kind, on: &[Shared]| Doorway {
            title: "A door".to_owned(),
            kind,
            team: TeamId::new("oncall"),
            labels: BTreeMap::new(),
            stands_on: on.iter().cloned().collect::<BTreeSet<_>>(),
            state: State::Up,
            is_suspect: false,
        };
        let doors = doors.iter().map(|&(id, kind, on)| (ChannelId::new(id), doorway(kind, on))).collect();
        let teams = BTreeMap::from([(TeamId::new("oncall"), vec![Recipient::mail("oncall@example.com")])]);
        let world = Neighbourhood { doors, teams, ..Neighbourhood::default() };
        Self { world, book: Casebook::default(), standing: BTreeMap::new() }
    }

    /// A channel comes into a state so many seconds after the beginning, for a reason.
    fn becomes(&mut self, id: &str, to: State, after: u64, failure: &Failure) {
        let channel = ChannelId::new(id);
        let since = began() + Duration::from_secs(after);
        let evidence = Evidence {
            probe: None,
            agreeing: 3,
            of: 5,
            failure: Some(failure.clone()),
            phases: Vec::new(),
            recent: Vec::new(),
        };
        let at = since + Duration::from_secs(10);
        let transition = Transition { from: State::Up, to, at, since, evidence };
        let rules = Rules {
            dark_after: Quorum { count: 3, of: 5 },
            up_after: Quorum { count: 2, of: 2 },
            alert_on_degraded: false,
            waiting: None,
        };
        let door = self.world.doors.get_mut(&channel).unwrap();
        door.state = to;
        let bundle = Some(format!("20261121T020422Z-{id}-{}", to.as_str()));
        let kept = Kept { door: doorplate("A door", door.kind), bundle, picture: None };
        let decision = decide(&channel, &rules, self.standing.get(&channel), &transition, kept, at);
        let incident = decision.incident.unwrap();
        match incident.resolved_at {
            Some(_) => self.standing.remove(&channel),
            None => self.standing.insert(channel, incident),
        };
        let moment = Moment { wall: at, monotonic: Duration::from_secs(after + 10) };
        self.book.take(decision.happening.unwrap(), moment);
    }

    /// What is told so many seconds after the beginning.
    fn told(&mut self, after: u64) -> Content {
        let announcement = self.settle(after).unwrap();
        announcement.notifications[0].content.clone()
    }

    fn settle(&mut self, after: u64) -> Option<Announcement> {
        let spent = Duration::from_secs(after);
        let now = Moment { wall: began() + spent, monotonic: spent };
        let announcement = self.book.settle(&self.world, now)?;
        self.book.adopt(&announcement, now);
        Some(announcement)
    }
}

fn slow() -> Failure {
    failure(Stage::Wait, None, Reason::FirstByteTimeout, None, "no answer within 10 s")
}

fn broken() -> Failure {
    failure(Stage::Expect, None, Reason::Status, None, "answered 503, expected 200 to 399")
}

/// Every golden mail by its file's name.
pub fn mails() -> BTreeMap<&'static str, Content> {
    let mut mails = BTreeMap::new();
    behind_the_crm(&mut mails);
    on_one_host(&mut mails);
    storm(&mut mails);
    flapping(&mut mails);
    flapping_together(&mut mails);
    mails
}

fn behind_the_crm(mails: &mut BTreeMap<&'static str, Content>) {
    use ChannelKind::{Bot, Chat, Help, Hotline, Ticket};
    let crm = ChannelId::new("crm");
    let on = |host: &str| [Shared::Dependency(ChannelId::new("crm")), Shared::Host(host.into())];
    let names: Vec<String> = (1..=20).map(|number| format!("door-{number:02}")).collect();
    let shares: Vec<[Shared; 2]> = names.iter().map(|name| on(&format!("{name}.example.com"))).collect();
    let kinds = [Chat, Hotline, Ticket, Help, Bot];
    let mut doors: Vec<(&str, ChannelKind, &[Shared])> = names
        .iter()
        .zip(&shares)
        .enumerate()
        .map(|(index, (name, shares))| (name.as_str(), kinds[index % 5], shares.as_slice()))
        .collect();
    doors.push(("social", ChannelKind::Social, &[]));
    doors.push(("support-mail", ChannelKind::Mail, &[]));
    let mut play = Play::new(&doors);
    play.world.dependencies.insert(crm, Some(true));
    for (index, name) in names.iter().take(17).enumerate() {
        let failure = if index % 3 == 0 { slow() } else { broken() };
        play.becomes(name, State::Dark, index as u64, &failure);
    }
    mails.insert("group-behind-a-dependency", play.told(40));
    play.becomes("door-18", State::Dark, 60, &broken());
    assert!(play.settle(80).unwrap().notifications.is_empty(), "they have read that it would fall");
    for name in names.iter().take(18) {
        play.becomes(name, State::Up, 900, &broken());
    }
    mails.insert("group-is-over", play.told(930));
}

fn on_one_host(mails: &mut BTreeMap<&'static str, Content>) {
    use ChannelKind::{Chat, Help, Ticket};
    let host = [Shared::Host("shop.example.com".into())];
    let mut play = Play::new(&[
        ("web-chat", Chat, &host),
        ("ticket", Ticket, &host),
        ("help", Help, &host),
        ("support-mail", ChannelKind::Mail, &[]),
    ]);
    play.becomes("web-chat", State::Dark, 0, &slow());
    play.becomes("ticket", State::Dark, 2, &slow());
    mails.insert("group-on-one-host", play.told(12));
    play.becomes("help", State::Dark, 60, &broken());
    assert!(play.settle(80).unwrap().notifications.is_empty(), "it is gathered");
    let later = 12 + GATHER_FOR.as_secs();
    assert!(play.settle(later - 1).is_none());
    mails.insert("group-spreads", play.told(later));
    play.becomes("web-chat", State::Up, 600, &slow());
    assert!(play.settle(620).unwrap().notifications.is_empty(), "the others may follow");
    mails.insert("group-eases", play.told(640 + GATHER_FOR.as_secs()));
}

/// A chat that comes and goes, stays away for once, and is steady in the end: well, or dark.
fn flapping(mails: &mut BTreeMap<&'static str, Content>) {
    let begin = || {
        let mut play = Play::new(&[
            ("web-chat", ChannelKind::Chat, &[]),
            ("ticket", ChannelKind::Ticket, &[]),
            ("support-mail", ChannelKind::Mail, &[]),
        ]);
        let mut told = Vec::new();
        for fall in 0..10 {
            for (to, at) in [(State::Dark, 240 * fall), (State::Up, 240 * fall + 90)] {
                play.becomes("web-chat", to, at, &slow());
                told.extend(play.settle(at + 10).unwrap().notifications);
            }
        }
        (play, told.pop().unwrap().content)
    };
    let (mut play, mail) = begin();
    mails.insert("flapping", mail);
    mails.insert("flapping-digest", play.told(2_290));
    play.becomes("web-chat", State::Dark, 3_700, &broken());
    mails.insert("flapping-lasts", play.told(3_800));
    play.becomes("web-chat", State::Up, 4_000, &broken());
    mails.insert("flapping-is-over", play.told(6_600));
    let (mut play, _) = begin();
    play.becomes("web-chat", State::Dark, 3_700, &broken());
    mails.insert("flapping-is-over-and-dark", play.told(6_300));
}

/// Doors of a CRM that come and go with it, stay away for once, and are steady in the end.
fn flapping_together(mails: &mut BTreeMap<&'static str, Content>) {
    let crm = [Shared::Dependency(ChannelId::new("crm"))];
    let mut play = Play::new(&[
        ("web-chat", ChannelKind::Chat, &crm),
        ("ticket", ChannelKind::Ticket, &crm),
        ("hotline", ChannelKind::Hotline, &crm),
        ("support-mail", ChannelKind::Mail, &[]),
    ]);
    play.world.dependencies.insert(ChannelId::new("crm"), None);
    let names = ["web-chat", "ticket", "hotline"];
    let mut told = Vec::new();
    for fall in 0..10 {
        for (to, at) in [(State::Dark, 240 * fall), (State::Up, 240 * fall + 90)] {
            names.iter().for_each(|name| play.becomes(name, to, at, &broken()));
            told.extend(play.settle(at + 10).unwrap().notifications);
        }
    }
    mails.insert("flapping-together", told.pop().unwrap().content);
    mails.insert("flapping-together-digest", play.told(2_290));
    names[..2].iter().for_each(|name| play.becomes(name, State::Dark, 3_700, &slow()));
    mails.insert("flapping-together-lasts", play.told(3_800));
    names[..2].iter().for_each(|name| play.becomes(name, State::Up, 4_000, &slow()));
    mails.insert("flapping-together-is-over", play.told(6_600));
}

fn storm(mails: &mut BTreeMap<&'static str, Content>) {
    let names: Vec<String> = (0..1_000).map(|number| format!("door-{number:04}")).collect();
    let doors: Vec<_> =
        names.iter().map(|name| (name.as_str(), ChannelKind::Chat, &[] as &[Shared])).collect();
    let mut play = Play::new(&doors);
    names.iter().for_each(|name| play.becomes(name, State::Dark, 0, &slow()));
    let mail = play.told(10);
    for name in &names {
        assert!(mail.text.contains(&format!("\n  {name}  ")), "{name}");
    }
    let table = mail.text.find("door-0008").unwrap();
    let rest = mail.text.rfind("door-0999").unwrap();
    let text = format!("{}...\n  {}", &mail.text[..table], &mail.text[rest..]);
    mails.insert("group-of-a-thousand", Content { text, ..mail });
}
