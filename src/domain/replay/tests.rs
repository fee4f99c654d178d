//! Histories of a few runs by several rules.

use super::{
    compare::{Fate, Pair, compare},
    *,
};
use jiff::civil::Weekday;

use crate::domain::{
    channel::{ProbeKey, ProbeName},
    evaluation::Quorum,
    hours::WeeklySpan,
    maintenance::{Scope, WindowId},
    notification::Route,
    outcome::{Detail, Failure, Reason, Stage as At},
};

const EVERY: u64 = 30;

fn rules(failures: u32, of: u32) -> Rules {
    Rules {
        dark_after: Quorum { count: failures, of },
        up_after: Quorum { count: 2, of: 2 },
        alert_on_degraded: false,
        waiting: None,
    }
}

fn key(channel: &str) -> Arc<ProbeKey> {
    Arc::new(ProbeKey { channel: ChannelId::new(channel), probe: ProbeName::new("button") })
}

fn scene(channels: &[&str], rules: &Rules) -> Scene {
    let oncall = TeamId::new("oncall");
    let entrance = |channel: &&str| {
        let entrance = Entrance {
            labels: BTreeMap::new(),
            confirmation: Duration::from_secs(90),
            title: (*channel).to_owned(),
            kind: ChannelKind::Chat,
            team: Some(oncall.clone()),
            depends_on: BTreeSet::from([ChannelId::new("crm")]),
            hosts: BTreeSet::new(),
            hours: None,
            rules: rules.clone(),
            urgencies: Urgencies::default(),
            probes: vec![Watched { key: key(channel), silence: Duration::from_secs(100), fingerprint: 1 }],
        };
        (ChannelId::new(channel), entrance)
    };
    let somebody = Recipient { route: Route::Mail, address: "anna@example.com".to_owned() };
    Scene {
        ladders: BTreeMap::new(),
        quiet: BTreeMap::new(),
        alerts: BTreeSet::new(),
        entrances: channels.iter().map(entrance).collect(),
        recipients: BTreeMap::from([(oncall, vec![somebody])]),
        dependencies: BTreeMap::from([(ChannelId::new("crm"), "CRM".to_owned())]),
        maintenance: Arc::default(),
        stints: Vec::new(),
        location: Location::new("fra-1"),
    }
}

/// A run every half minute, `o`k or `f`ailed; none where there is a space.
fn history(channel: &str, letters: &str) -> Vec<Outcome> {
    let failure = || Failure {
        stage: At::Expect,
        step: None,
        reason: Reason::Missing,
        cause: None,
        detail: Detail::default(),
    };
    let turns = letters.chars().zip(0_u64..).filter(|(letter, _)| *letter != ' ');
    turns
        .map(|(letter, turn)| Outcome {
            probe: key(channel),
            started_at: Timestamp::UNIX_EPOCH + Duration::from_secs(turn * EVERY),
            duration: Duration::from_secs(1),
            verdict: if letter == 'f' { Verdict::Failed(failure()) } else { Verdict::Ok },
            phases: Vec::new(),
            certificate_expires_at: None,
            contact: None,
            met: Vec::new(),
        })
        .collect()
}

fn replay(scene: Scene, outcomes: &[Outcome]) -> Replayed {
    let mut replay = Replay::new(scene, &[], Timestamp::UNIX_EPOCH);
    outcomes.iter().for_each(|outcome| replay.record(outcome));
    replay.finish()
}

fn by(rules: &Rules, letters: &str) -> Vec<Incident> {
    replay(scene(&["web-chat"], rules), &history("web-chat", letters)).incidents
}

fn fates(pairs: &[Pair]) -> Vec<Fate> {
    pairs.iter().map(Pair::fate).collect()
}

#[test]
fn the_same_rules_give_the_same_again() {
    let letters = "ooooofffffoooofoooooofffooo";
    let one = by(&rules(3, 5), letters);
    assert_eq!(one.len(), 2);
    assert_eq!(one, by(&rules(3, 5), letters));
    assert_eq!(fates(&compare(one.clone(), one)), [Fate::Same, Fate::Same]);
}

#[test]
fn stricter_rules_bring_an_incident_and_move_another() {
    let letters = "oooooffoooooooofffffoooo";
    let pairs = compare(by(&rules(3, 5), letters), by(&rules(2, 3), letters));
    assert_eq!(fates(&pairs), [Fate::Came, Fate::Moved]);
    let (old, new) = (pairs[1].old.as_ref().unwrap(), pairs[1].new.as_ref().unwrap());
    assert_eq!(old.confirmed_at.duration_since(new.confirmed_at).as_secs(), 30);
    assert_eq!(old.resolved_at, new.resolved_at);
}

#[test]
fn laxer_rules_let_an_incident_go() {
    let letters = "ooooofffoooooofffffffffooo";
    let pairs = compare(by(&rules(3, 5), letters), by(&rules(5, 5), letters));
    assert_eq!(fates(&pairs), [Fate::Gone, Fate::Moved]);
}

#[test]
fn a_silence_in_an_outage_neither_ends_it_nor_opens_another() {
    let incidents = by(&rules(3, 5), "ooooffff                    ffffooo");
    assert_eq!(incidents.len(), 1);
    assert!(incidents[0].resolved_at.is_some());
}

/// A window of so many seconds on both ends, begun by command.
fn stint(from: i64, until: i64) -> Stint {
    let at = |second| Timestamp::from_second(second).unwrap();
    Stint {
        id: WindowId::new("move"),
        from: at(from),
        until: at(until),
        scope: Scope::default(),
        text: String::new(),
        covers: None,
    }
}

#[test]
fn outside_its_hours_a_channel_has_no_outage_and_one_that_outlives_them_begins_with_the_opening() {
    let letters = "oooooffffffffffffffffffffffff";
    let span = WeeklySpan { day: Weekday::Thursday, from: 5, until: 24 * 60 };
    let hours = Hours::new(vec![span], Arc::default(), TimeZone::UTC);
    let mut scene = scene(&["web-chat"], &rules(3, 5));
    for entrance in scene.entrances.values_mut() {
        entrance.hours = Some(Arc::new(hours.clone()));
    }
    // The first of January 1970 was a Thursday; at five minutes past midnight it opens.
    let incidents = replay(scene, &history("web-chat", letters)).incidents;
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].began_at.as_second(), 300);
    assert_eq!(incidents[0].confirmed_at.as_second(), 361);
}

#[test]
fn under_maintenance_nothing_opens_and_what_outlives_it_opens_at_its_end() {
    let letters = "oooooffffffoooooffffffffff";
    let mut scene = scene(&["web-chat"], &rules(3, 5));
    scene.stints = vec![stint(100, 600)];
    let incidents = replay(scene.clone(), &history("web-chat", letters)).incidents;
    assert_eq!(incidents.iter().map(|it| it.confirmed_at.as_second()).collect::<Vec<_>>(), [600]);
    scene.stints = vec![stint(100, 500)];
    let incidents = replay(scene, &history("web-chat", letters)).incidents;
    assert_eq!(incidents.iter().map(|it| it.confirmed_at.as_second()).collect::<Vec<_>>(), [541]);
}

#[test]
fn an_incident_that_was_open_at_the_beginning_is_not_opened_again() {
    let standing = by(&rules(3, 5), "ooofff");
    let mut replay = Replay::new(scene(&["web-chat"], &rules(3, 5)), &standing, Timestamp::UNIX_EPOCH);
    history("web-chat", "ffffffooo").iter().for_each(|outcome| replay.record(outcome));
    let incidents = replay.finish().incidents;
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].id, standing[0].id);
    assert!(incidents[0].resolved_at.is_some());
}

#[test]
fn channels_that_fall_with_what_they_depend_on_are_told_in_one_mail() {
    let channels = ["web-chat", "hotline", "tickets"];
    let mut outcomes: Vec<Outcome> =
        channels.iter().flat_map(|channel| history(channel, "oooofffffffffffooo")).collect();
    outcomes.sort_by_key(|outcome| outcome.started_at);
    let replayed = replay(scene(&channels, &rules(3, 5)), &outcomes);
    assert_eq!(replayed.incidents.len(), 3);
    assert_eq!(replayed.mails.len(), 1, "one case: {:?}", replayed.mails);
    let mails: u64 = replayed.mails.values().sum();
    assert!((2..=3).contains(&mails), "the fall, the rise, and at most one between: {mails}");
}

#[test]
fn runs_of_probes_that_the_rules_do_not_know_are_counted_and_left_out() {
    let replayed = replay(scene(&["web-chat"], &rules(3, 5)), &history("hotline", "fffff"));
    assert_eq!((replayed.runs, replayed.left_out, replayed.incidents.len()), (0, 5, 0));
}
