//! Doors that come and go, judged and told through the pure domain step by step: how many mails there are, that a
//! fall which lasts is told in time, and that a restart changes nothing of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use lamplighter::domain::{
    case::Case,
    casebook::Casebook,
    channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
    decision::{Kept, decide},
    evaluation::{ChannelState, Moment, Quorum, Rules, State, Watched},
    flapping::{FALLS_KEPT, SUSTAINED_EVERY},
    incident::{Incident, IncidentEvent},
    notification::{Notification, Recipient},
    outcome::{Detail, Failure, Outcome, Reason, Stage, Verdict},
    shared::Shared,
};

use crate::neighbourhood::{Doorway, Neighbourhood, doorplate};

const HOUR: u64 = 3_600;

/// It is looked every so many seconds.
const STEP: u64 = 5;

/// How a door is looked at.
#[derive(Clone, Copy)]
struct Watch {
    every: u64,
    failures: u32,
    of: u32,
    successes: u32,
}

/// By the minute and a half, as by default; by the half minute; and every change at once.
const WATCHES: [Watch; 3] = [
    Watch { every: 30, failures: 3, of: 5, successes: 2 },
    Watch { every: 10, failures: 3, of: 3, successes: 2 },
    Watch { every: 5, failures: 1, of: 1, successes: 1 },
];

impl Watch {
    fn confirmation(self) -> u64 {
        self.every * u64::from(self.failures)
    }

    fn rules(self) -> Rules {
        Rules {
            dark_after: Quorum { count: self.failures, of: self.of },
            up_after: Quorum { count: self.successes, of: self.successes },
            alert_on_degraded: false,
            waiting: None,
        }
    }
}

/// One door of several, and what is told of it.
struct Seat {
    id: ChannelId,
    key: Arc<ProbeKey>,
    state: ChannelState,
    incident: Option<Incident>,
}

struct Play {
    watch: Watch,
    seats: Vec<Seat>,
    world: Neighbourhood,
    book: Casebook,
    /// Each mail with its second.
    mails: Vec<(u64, Notification)>,
    /// The second at which the channel was found dark, and found to work again.
    changes: Vec<(u64, State)>,
}

fn moment(second: u64) -> Moment {
    let origin: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
    let monotonic = Duration::from_secs(second);
    Moment { wall: origin + monotonic, monotonic }
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

impl Play {
    fn new(watch: Watch, doors: &[&str]) -> Self {
        let seat = |id: &&str| {
            let id = ChannelId::new(id);
            let key = Arc::new(ProbeKey { channel: id.clone(), probe: ProbeName::new("launcher") });
            let mut seat = Seat { id, key, state: ChannelState::new(moment(0).wall), incident: None };
            seat.watch(watch, moment(0));
            seat
        };
        let seats: Vec<Seat> = doors.iter().map(seat).collect();
        let doorway = |_: &Seat| Doorway {
            title: "A door".to_owned(),
            labels: BTreeMap::new(),
            kind: ChannelKind::Chat,
            team: TeamId::new("oncall"),
            stands_on: BTreeSet::from([Shared::Host("shop.example.com".into())]),
            state: State::Up,
            is_suspect: false,
        };
        let world = Neighbourhood {
            doors: seats.iter().map(|seat| (seat.id.clone(), doorway(seat))).collect(),
            teams: BTreeMap::from([(TeamId::new("oncall"), vec![Recipient::mail("oncall@example.com")])]),
            confirmation: Duration::from_secs(watch.confirmation()),
            ..Neighbourhood::default()
        };
        Self { watch, seats, world, book: Casebook::default(), mails: Vec::new(), changes: Vec::new() }
    }

    /// Step by step until `to`; `fails` says of a door whether it does.
    fn run(&mut self, from: u64, to: u64, fails: impl Fn(&str, u64) -> bool) {
        for second in (from..to).step_by(STEP as usize) {
            let now = moment(second);
            if second.is_multiple_of(self.watch.every) {
                self.look(now, second, &fails);
            }
            while let Some(announcement) = self.book.settle(&self.world, now) {
                self.book.adopt(&announcement, now);
                self.mails.extend(announcement.notifications.into_iter().map(|mail| (second, mail)));
            }
        }
    }

    fn look(&mut self, now: Moment, second: u64, fails: &impl Fn(&str, u64) -> bool) {
        let rules = self.watch.rules();
        for seat in &mut self.seats {
            let failed = fails(seat.id.as_str(), second);
            seat.state.record(&outcome(Arc::clone(&seat.key), failed, now), &rules, now.monotonic);
            while let Some(transition) = seat.state.judge(&rules, now) {
                let kept = Kept { door: doorplate("A door", ChannelKind::Chat), bundle: None, picture: None };
                let decision = decide(&seat.id, &rules, seat.incident.as_ref(), &transition, kept, now.wall);
                self.changes.push((second, decision.state));
                seat.state.adopt(decision.state, decision.since);
                seat.incident = decision.incident.filter(|incident| incident.resolved_at.is_none());
                decision.happening.into_iter().for_each(|happening| self.book.take(happening, now));
            }
            let door = self.world.doors.get_mut(&seat.id).unwrap();
            (door.state, door.is_suspect) = (seat.state.outlook(), seat.state.is_suspect());
        }
    }

    /// The daemon is killed and started again.
    fn restart(&mut self, second: u64) {
        let now = moment(second);
        let cases: Vec<Case> = through_json(&self.book.cases().cloned().collect());
        self.book = Casebook::restore(cases, Vec::new(), now);
        for seat in &mut self.seats {
            let outage = seat.incident.as_ref().map(Incident::outage);
            seat.state = ChannelState::restore(seat.state.state(), seat.state.since(), outage);
            seat.watch(self.watch, now);
        }
    }

    /// `second event` of every mail.
    fn told(&self) -> Vec<(u64, IncidentEvent)> {
        self.mails.iter().map(|(second, mail)| (*second, mail.event)).collect()
    }

    fn count(&self, event: IncidentEvent) -> usize {
        self.mails.iter().filter(|(_, mail)| mail.event == event).count()
    }

    /// The most mails within any hour.
    fn worst_hour(&self) -> usize {
        self.worst_hour_from(0)
    }

    /// The most mails within any hour that begins at a second or later.
    fn worst_hour_from(&self, second: u64) -> usize {
        let within = |&(from, _): &(u64, IncidentEvent)| {
            self.told().iter().filter(|(at, _)| (from..from + HOUR).contains(at)).count()
        };
        self.told().iter().filter(|(at, _)| *at >= second).map(within).max().unwrap_or_default()
    }

    /// When people were told that it flaps.
    fn flaps_from(&self) -> u64 {
        let told = self.told().into_iter().find(|(_, event)| *event == IncidentEvent::Flapping);
        told.map_or(0, |(second, _)| second)
    }

    fn case(&self) -> &Case {
        self.book.cases().next().unwrap()
    }
}

impl Seat {
    fn watch(&mut self, watch: Watch, now: Moment) {
        let silence = Duration::from_secs(3 * watch.every + 10);
        let watched = Watched { key: Arc::clone(&self.key), silence, fingerprint: 1 };
        self.state.watch(vec![watched], now.monotonic);
    }
}

fn outcome(key: Arc<ProbeKey>, failed: bool, ended: Moment) -> Outcome {
    let duration = Duration::from_millis(500);
    let failure = Failure {
        stage: Stage::Expect,
        step: None,
        reason: Reason::Disabled,
        cause: None,
        detail: Detail::new("the button is grey"),
    };
    Outcome {
        probe: key,
        started_at: ended.wall - duration,
        duration,
        verdict: if failed { Verdict::Failed(failure) } else { Verdict::Ok },
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    }
}

/// Whether a wave that is up for `half` seconds and down for as long is down.
fn is_down(half: u64, second: u64) -> bool {
    (second / half) % 2 == 1
}

#[test]
fn a_day_of_square_waves_of_any_length_is_six_mails_an_hour_at_most() {
    use IncidentEvent::{Digest, Flapping, Opened, Resolved, Steady, Sustained};
    let mut worst = 0;
    for watch in WATCHES {
        for half in [10, 30, 60, 120, 180, 300, 420, 540, 600] {
            let mut play = Play::new(watch, &["web-chat"]);
            play.run(0, 24 * HOUR, |_, second| is_down(half, second));
            let [opened, resolved, flapping, digest, sustained, steady] =
                [Opened, Resolved, Flapping, Digest, Sustained, Steady].map(|event| play.count(event));
            println!(
                "flap/every {} s, {} of {}, waves of {half} s: {} changes, {} mails, {} in the worst hour \
                 (opened {opened}, resolved {resolved}, flapping {flapping}, digest {digest}, sustained {sustained}, \
                 steady {steady})",
                watch.every,
                watch.failures,
                watch.of,
                play.changes.len(),
                play.mails.len(),
                play.worst_hour(),
            );
            worst = worst.max(play.worst_hour());
            assert!(play.worst_hour() <= 6, "{half}: {:?}", play.told());
            assert!(flapping <= 1 && steady == 0, "it flaps all day without a break: {:?}", play.told());
            let dark = play.changes.iter().filter(|(_, state)| *state == State::Dark).count();
            assert!(dark < 3 || flapping == 1, "{half}: {dark} falls are flapping");
        }
    }
    println!("flap/worst hour of all: {worst} mails");
}

/// Which of three doors that stand on one thing fails when, as the wave does: all at once, or each some seconds later.
fn late_by(door: &str, apart: u64) -> u64 {
    let place = DOORS.iter().position(|name| *name == door).unwrap() as u64;
    place * apart
}

const DOORS: [&str; 3] = ["help", "ticket", "web-chat"];

#[test]
fn several_channels_that_flap_for_one_cause_are_told_no_more_often_than_one() {
    let mut worst = 0;
    for watch in WATCHES {
        // Less apart than a wave lasts: of doors that are never dark together each has outages of its own.
        let waves = [10, 60, 180, 420, 600];
        for (half, apart) in waves.into_iter().flat_map(|half| [(half, 0), (half, 20), (half, half / 2)]) {
            let mut play = Play::new(watch, &DOORS);
            play.run(0, 4 * HOUR, |door, second| {
                second.checked_sub(late_by(door, apart)).is_some_and(|second| is_down(half, second))
            });
            println!(
                "flap/every {} s, {} of {}, three doors, waves of {half} s, {apart} s apart: {} changes, {} mails, \
                 {} in the worst hour",
                watch.every,
                watch.failures,
                watch.of,
                play.changes.len(),
                play.mails.len(),
                play.worst_hour(),
            );
            worst = worst.max(play.worst_hour());
            // Falls that spread on their way are several mails each, before the third begins the flapping.
            let counts_from = if apart == 0 { 0 } else { play.flaps_from() };
            assert!(play.worst_hour_from(counts_from) <= 6, "{half} {apart}: {:?}", play.told());
        }
    }
    println!("flap/worst hour of several: {worst} mails");
}

#[test]
fn several_that_flap_are_told_as_one_at_the_start_in_digests_and_at_the_end() {
    let mut play = Play::new(WATCHES[1], &DOORS);
    play.run(0, 3 * HOUR, |_, second| six_waves(second));
    use IncidentEvent::{Digest, Flapping, Opened, Resolved, Steady, Sustained};
    let events: Vec<IncidentEvent> = play.told().into_iter().map(|(_, event)| event).collect();
    assert_eq!(
        events,
        [Opened, Resolved, Opened, Resolved, Flapping, Sustained, Digest, Steady],
        "{:?}",
        play.told()
    );
    assert_eq!(play.book.cases().count(), 0);
    let end = &play.mails.last().unwrap().1.content.text;
    assert!(end.contains("In all: it fell 6 times, dark for 12 min\n"), "{end}");
    for door in DOORS {
        assert!(end.contains(&format!("\n  {door} ")), "{door}: {end}");
    }
}

#[test]
fn several_that_flap_flap_on_after_a_restart_and_one_that_stays_dark_is_told() {
    let waves = |_: &str, second: u64| second < HOUR && is_down(180, second);
    let mut play = Play::new(WATCHES[1], &DOORS);
    play.run(0, 1_000, waves);
    play.restart(1_000);
    // One stays dark from the last wave on.
    play.run(1_000, 4 * HOUR, |door, second| {
        waves(door, second) || (door == "ticket" && second >= HOUR - 180)
    });
    assert_eq!(play.count(IncidentEvent::Flapping), 1, "{:?}", play.told());
    let (_, last) = play.mails.last().unwrap();
    assert_eq!(last.event, IncidentEvent::Steady, "{:?}", play.told());
    assert!(last.content.subject.starts_with("[DARK] "), "{}", last.content.subject);
    assert!(last.content.text.contains("do not get through: ticket\n"), "{}", last.content.text);
    assert!(play.worst_hour() <= 6, "{:?}", play.told());
    play.run(4 * HOUR, 4 * HOUR + 60, |_, _| false);
    assert_eq!(play.mails.last().unwrap().1.event, IncidentEvent::Resolved);
    assert_eq!(play.book.cases().count(), 0);
}

/// Six waves of two minutes, which are flapping from the third on.
fn six_waves(second: u64) -> bool {
    second < 24 * 60 && is_down(120, second)
}

#[test]
fn flapping_is_told_at_its_start_in_digests_and_at_its_end_and_the_next_outage_is_told_as_ever() {
    let mut play = Play::new(WATCHES[1], &["web-chat"]);
    play.run(0, 3 * HOUR, |_, second| six_waves(second) || (2 * HOUR..2 * HOUR + 300).contains(&second));
    use IncidentEvent::{Digest, Flapping, Opened, Resolved, Steady, Sustained};
    let events: Vec<IncidentEvent> = play.told().into_iter().map(|(_, event)| event).collect();
    assert_eq!(
        events,
        [Opened, Resolved, Opened, Resolved, Flapping, Sustained, Digest, Steady, Opened, Resolved],
        "{:?}",
        play.told()
    );
    assert_eq!(play.book.cases().count(), 0);
    let of_flapping = || play.mails.iter().map(|(_, mail)| mail).filter(|mail| mail.event != Opened);
    let thread: Vec<&Notification> = of_flapping().skip(2).take(4).collect();
    assert!(thread.iter().all(|mail| mail.incident == thread[0].incident));
    let replies = |mail: &&Notification| mail.in_reply_to.as_ref() == Some(&thread[0].message_id);
    assert!(thread[0].in_reply_to.is_none() && thread[1..].iter().all(replies));
    let ids: BTreeSet<&String> = play.mails.iter().map(|(_, mail)| &mail.message_id).collect();
    assert_eq!(ids.len(), play.mails.len());
    let end = &thread[3].content.text;
    assert!(end.contains("In all: it fell 6 times, dark for 12 min\n"), "{end}");
}

#[test]
fn an_outage_and_two_that_are_hours_apart_are_told_one_by_one() {
    let mut play = Play::new(WATCHES[2], &["web-chat"]);
    play.run(0, 12 * HOUR, |_, second| second >= HOUR && second % (3 * HOUR) < 20);
    use IncidentEvent::{Opened, Resolved};
    let events: Vec<IncidentEvent> = play.told().into_iter().map(|(_, event)| event).collect();
    assert_eq!(events, [Opened, Resolved, Opened, Resolved, Opened, Resolved]);
}

#[test]
fn a_fall_that_lasts_is_told_within_one_more_confirmation_and_stays_an_outage_when_the_flapping_is_over() {
    for watch in WATCHES {
        // Waves too short to be told as lasting, then dark for two hours from 70 minutes on: the mails of the beginning are an
        // hour old then.
        let half = watch.confirmation() + 30;
        let lasts = HOUR + 600..3 * HOUR + 600;
        let mut play = Play::new(watch, &["web-chat"]);
        play.run(0, 4 * HOUR, |_, second| {
            lasts.contains(&second) || (second < lasts.start - 2 * half && is_down(half, second))
        });
        let (dark_at, _) =
            *play.changes.iter().find(|(at, state)| *at >= lasts.start && *state == State::Dark).unwrap();
        let told: Vec<_> = play.told().into_iter().filter(|(at, _)| *at > lasts.start).collect();
        let (sustained_at, _) = *told.iter().find(|(_, event)| *event == IncidentEvent::Sustained).unwrap();
        let earlier = play.told().into_iter().filter(|(_, event)| *event == IncidentEvent::Sustained);
        let before = earlier.map(|(at, _)| at).filter(|at| *at < lasts.start).max();
        let bound = before.map_or(0, |at| at + SUSTAINED_EVERY.as_secs());
        assert!(sustained_at <= (dark_at + watch.confirmation()).max(bound), "{:?}", play.told());
        let events: Vec<IncidentEvent> = told.iter().map(|(_, event)| *event).collect();
        assert_eq!(events.iter().filter(|event| **event == IncidentEvent::Sustained).count(), 1);
        // It is not flapping any more, and dark: its recovery is told at once.
        let ends = &events[events.len() - 2..];
        assert_eq!(ends, [IncidentEvent::Steady, IncidentEvent::Resolved], "{:?}", play.told());
        let (_, steady) = play.mails.iter().find(|(_, mail)| mail.event == IncidentEvent::Steady).unwrap();
        assert!(steady.content.subject.starts_with("[DARK] web-chat"), "{}", steady.content.subject);
        let (resolved_at, _) = *play.told().last().unwrap();
        assert!(resolved_at < lasts.end + 120, "{resolved_at}");
        assert_eq!(play.book.cases().count(), 0);
    }
}

#[test]
fn a_flapping_channel_flaps_on_after_a_restart_and_its_digest_and_its_end_still_come() {
    let waves = |_: &str, second: u64| second < 4 * HOUR && is_down(180, second);
    let mut undisturbed = Play::new(WATCHES[1], &["web-chat"]);
    undisturbed.run(0, 6 * HOUR, waves);
    let mut play = Play::new(WATCHES[1], &["web-chat"]);
    let mut from = 0;
    // One in the light, one in the dark, each within a digest's time of the one before.
    for restart in [HOUR, HOUR + 1_000, HOUR + 2_000, 2 * HOUR + 500, 3 * HOUR + 700] {
        play.run(from, restart, waves);
        play.restart(restart);
        from = restart;
    }
    play.run(from, 6 * HOUR, waves);
    for event in [IncidentEvent::Opened, IncidentEvent::Flapping, IncidentEvent::Steady] {
        assert_eq!(play.count(event), undisturbed.count(event), "{event:?}: {:?}", play.told());
    }
    let digests = [play.count(IncidentEvent::Digest), undisturbed.count(IncidentEvent::Digest)];
    assert!(digests[0].abs_diff(digests[1]) <= 1, "{digests:?}");
    assert!(play.worst_hour() <= 6, "{:?}", play.told());
}

#[test]
fn a_case_that_flaps_for_days_does_not_grow() {
    let mut play = Play::new(WATCHES[2], &["web-chat"]);
    play.run(0, 24 * HOUR, |_, second| is_down(30, second));
    let case = play.case();
    assert_eq!(case.members.len(), FALLS_KEPT);
    let falls = case.flapping.as_ref().unwrap().total.falls;
    assert_eq!(falls as usize, play.changes.iter().filter(|(_, state)| *state == State::Dark).count());
    assert!(serde_json::to_string(case).unwrap().len() < 64 * 1024);
}

#[test]
fn another_door_that_falls_while_one_flaps_has_a_case_of_its_own() {
    let mut play = Play::new(WATCHES[1], &["ticket", "web-chat"]);
    let fails = |door: &str, second: u64| match door {
        "ticket" => second >= HOUR + 600,
        _ => is_down(120, second),
    };
    play.run(0, 2 * HOUR, fails);
    let tells_ticket = |(_, mail): &&(u64, Notification)| mail.content.subject.contains("ticket");
    let told: Vec<_> = play.mails.iter().filter(tells_ticket).collect();
    assert_eq!(told.len(), 1);
    let (at, mail) = told[0];
    assert_eq!(mail.event, IncidentEvent::Opened);
    // Confirmed after 20 s; it stands on what the other stands on, and waits for that as a first outage does.
    assert!(*at <= HOUR + 600 + 20 + 30, "{at}");
    assert_eq!(play.count(IncidentEvent::Flapping), 1);
}
