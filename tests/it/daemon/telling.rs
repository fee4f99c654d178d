//! Whom many outages at once are told, through a running daemon and a real store.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use lamplighter::{
    config::plan::{Dependency, Plan, ProbePlan},
    domain::{
        channel::{ChannelId, ChannelKind, TeamId},
        escalation::{Ladder, Step},
        evaluation::Quorum,
        hours::{Hours, read_daily},
        incident::IncidentId,
        notification::{Recipient, Route},
        urgency::Urgency,
    },
    store::explain::Archive,
};

use super::stage::{Door, Play, PlayedDoor, doors, pass, plan};

/// Doors of which all but the first depend on the first, which is no door.
pub fn behind_a_crm(doors: &BTreeMap<&str, Arc<PlayedDoor>>, except: &[&str]) -> Plan {
    let mut plan = plan(doors, |probe: &mut ProbePlan| probe.every = Duration::from_secs(30));
    let crm = ChannelId::new("crm");
    plan.dependencies.insert(crm.clone(), Dependency { title: "The CRM".to_owned() });
    for (id, channel) in &mut plan.channels {
        let channel = Arc::make_mut(channel);
        if *id == crm {
            channel.kind = ChannelKind::Dependency;
            channel.team = None;
        } else if !except.contains(&id.as_str()) {
            channel.depends_on.insert(crm.clone());
        }
    }
    plan
}

#[tokio::test(start_paused = true)]
async fn twenty_channels_that_fall_with_the_crm_are_one_mail_and_one_that_falls_for_itself_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut names: Vec<&str> = (0..20).map(|number| &*format!("door{number:02}").leak()).collect();
    names.extend(["crm", "other"]);
    let doors: BTreeMap<&str, _> = names.iter().map(|&name| (name, PlayedDoor::new())).collect();
    let play = Play::start(behind_a_crm(&doors, &["other"]), directory.path()).await;
    pass(120).await;
    let behind = || doors.iter().filter(|(name, _)| **name != "other").map(|(_, door)| door);
    behind().for_each(|door| door.set(Door::Fails));
    pass(300).await;
    let news = play.mailbox.news();
    assert_eq!(news.len(), 1, "{news:?}");
    let text = &play.mailbox.texts()[0];
    for name in names.iter().filter(|name| name.starts_with("door")) {
        assert_eq!(text.matches(&format!("\n  {name}")).count(), 1, "{name}: {text}");
    }
    assert!(text.contains("In common: The CRM (crm), which its own probes find broken\n"), "{text}");
    assert!(text.contains("Still works: other\n"), "{text}");
    doors["other"].set(Door::Fails);
    pass(120).await;
    assert_eq!(play.mailbox.news()[1..], ["opened other"]);
    doors.values().for_each(|door| door.set(Door::Works));
    pass(120).await;
    let news = play.mailbox.news();
    assert_eq!(news.len(), 4, "one end each: {news:?}");
    assert!(news[2..].contains(&"resolved other".to_owned()), "{news:?}");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_team_whose_door_falls_later_for_a_cause_that_others_know_is_told_at_once_and_the_others_not_again()
{
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["crm", "chat", "form", "portal"]);
    let mut plan = behind_a_crm(&doors, &[]);
    let desk = TeamId::new("desk");
    let mut team = plan.teams[&TeamId::new("oncall")].clone();
    team.mail = vec!["desk@example.com".to_owned()];
    plan.teams.insert(desk.clone(), team);
    Arc::make_mut(plan.channels.get_mut(&ChannelId::new("form")).unwrap()).team = Some(desk);
    let play = Play::start(plan, directory.path()).await;
    pass(120).await;
    ["crm", "chat"].iter().for_each(|door| doors[door].set(Door::Fails));
    pass(120).await;
    assert_eq!(play.mailbox.recipients(), ["oncall@example.com"]);
    ["form", "portal"].iter().for_each(|door| doors[door].set(Door::Fails));
    pass(100).await;
    assert_eq!(play.mailbox.recipients(), ["oncall@example.com", "desk@example.com"]);
    let text = play.mailbox.texts().pop().unwrap();
    assert!(text.contains("\n  form") && text.contains("\n  chat"), "{text}");
    pass(600).await;
    assert_eq!(play.mailbox.recipients().len(), 2, "the others have read that it would fall");
    doors.values().for_each(|door| door.set(Door::Works));
    pass(120).await;
    let mut told = play.mailbox.recipients()[2..].to_vec();
    told.sort();
    assert_eq!(told, ["desk@example.com", "oncall@example.com"]);
    play.end().await;
}

/// A plan whose team has the lead told after a quarter of an hour and a summary after four hours, with reminders from an
/// hour on.
pub(super) fn with_ladder(doors: &BTreeMap<&'static str, Arc<PlayedDoor>>) -> Plan {
    let mut plan = plan(doors, |probe: &mut ProbePlan| probe.every = Duration::from_secs(30));
    let after = |mins: u64| Duration::from_secs(60 * mins);
    let lead = Recipient { route: Route::Mail, address: "lead@example.com".to_owned() };
    for team in plan.teams.values_mut() {
        team.ladder = Ladder {
            remind_after: Some(after(60)),
            steps: vec![
                Step { after: after(15), to: vec![lead.clone()], is_summary: false },
                Step { after: after(240), to: Vec::new(), is_summary: true },
            ],
        };
    }
    plan
}

#[tokio::test(start_paused = true)]
async fn what_stays_dark_is_told_again_across_a_restart_until_it_works() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(with_ladder(&doors), directory.path()).await;
    pass(120).await;
    doors["chat"].set(Door::Fails);
    pass(120).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    pass(16 * 60).await;
    assert_eq!(play.mailbox.news()[1..], ["escalated chat"]);
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(with_ladder(&doors), directory.path(), mailbox, clock).await;
    pass(30 * 60).await;
    assert_eq!(play.mailbox.news().len(), 2, "nothing is told again because of a restart");
    pass(16 * 60).await;
    assert_eq!(play.mailbox.news()[2..], ["reminder chat", "reminder chat"], "the team and the lead");
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    // Nothing runs while the next reminder and the summary become due.
    pass(5 * 60 * 60).await;
    let play = Play::resume(with_ladder(&doors), directory.path(), mailbox, clock).await;
    pass(60).await;
    let mut news = play.mailbox.news().split_off(4);
    news.sort();
    assert_eq!(news, ["reminder chat", "summary chat"], "the lead and the team, one each");
    let texts = play.mailbox.texts();
    let words = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = texts.iter().map(words).collect();
    let summary = texts.iter().find(|text| text.contains("About this summary")).unwrap();
    assert!(summary.contains("told too, since nobody had acknowledged it: lead@example.com"), "{summary}");
    doors["chat"].set(Door::Works);
    pass(120).await;
    assert_eq!(play.mailbox.news()[6..], ["resolved chat", "resolved chat"]);
    play.end().await;
}

/// A plan whose team is quiet until this time, in which the outages of the help centre can wait.
fn with_quiet_hours(doors: &BTreeMap<&'static str, Arc<PlayedDoor>>, quiet: Option<&str>) -> Plan {
    let mut plan = plan(doors, |probe: &mut ProbePlan| probe.every = Duration::from_secs(30));
    let hours = |text| Arc::new(Hours::new(read_daily(text).unwrap().spans, Arc::default(), TimeZone::UTC));
    for team in plan.teams.values_mut() {
        team.quiet = quiet.map(hours);
    }
    for id in ["help", "form"] {
        let channel = Arc::make_mut(plan.channels.get_mut(&ChannelId::new(id)).unwrap());
        channel.urgencies.dark = Urgency::Warning;
    }
    plan
}

#[tokio::test(start_paused = true)]
async fn what_can_wait_is_told_in_one_letter_after_the_quiet_hours_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "help", "form"]);
    let plan = || with_quiet_hours(&doors, Some("22:00-05:00"));
    let play = Play::start(plan(), directory.path()).await;
    pass(120).await;
    doors.values().for_each(|door| door.set(Door::Fails));
    pass(300).await;
    assert_eq!(play.mailbox.news(), ["opened chat"], "it is 03:11");
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(plan(), directory.path(), mailbox, clock).await;
    doors["chat"].set(Door::Works);
    doors["form"].set(Door::Works);
    pass(600).await;
    assert_eq!(play.mailbox.news()[1..], ["resolved chat"]);
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(plan(), directory.path(), mailbox, clock).await;
    pass(90 * 60).await;
    assert_eq!(play.mailbox.news().len(), 2, "it is 04:51");
    pass(15 * 60).await;
    assert_eq!(play.mailbox.news()[2..], ["held quiet-hours"], "it is 05:06");
    let letter = play.mailbox.texts().pop().unwrap();
    assert!(letter.starts_with("DARK after quiet hours: 1 still stands, 1 came and went\n"), "{letter}");
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(plan(), directory.path(), mailbox, clock).await;
    pass(30 * 60).await;
    doors["help"].set(Door::Works);
    pass(120).await;
    assert_eq!(play.mailbox.news()[3..], ["resolved help"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_held_is_told_at_once_by_a_plan_without_quiet_hours() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["help", "form"]);
    let play = Play::start(with_quiet_hours(&doors, Some("22:00-05:00")), directory.path()).await;
    pass(120).await;
    doors["help"].set(Door::Fails);
    pass(300).await;
    assert!(play.mailbox.news().is_empty());
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(with_quiet_hours(&doors, None), directory.path(), mailbox, clock).await;
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["held quiet-hours"]);
    play.end().await;
    let archive = Archive::open(&directory.path().join("play.db")).unwrap();
    let id = IncidentId(archive.ids().unwrap().into_iter().find(|id| id.contains("-help-")).unwrap());
    let letters = archive.record(&id, 0).unwrap().unwrap().letters;
    let told: Vec<_> = letters.iter().map(|letter| (&*letter.event, &*letter.recipient)).collect();
    assert_eq!(told, [("held", "oncall@example.com")], "whoever asks is told that the letter was about it");
}

/// So many doors fall; `LAMPLIGHTER_DOORS=1000` for the figures.
#[expect(clippy::disallowed_methods, reason = "a switch of the test, not a setting")]
fn many() -> usize {
    std::env::var("LAMPLIGHTER_DOORS")
        .map_or(100, |text| text.parse().expect("LAMPLIGHTER_DOORS is a number"))
}

/// How doors are looked at, and how long it takes to find that one is dark.
#[derive(Clone, Copy)]
enum Looking {
    /// Every half minute, three of five.
    Plainly,
    /// As by default: every half minute, four of seven, again after 4 s.
    AsByDefault,
}

impl Looking {
    fn plan(self, doors: &BTreeMap<&str, Arc<PlayedDoor>>) -> Plan {
        let recheck = match self {
            Self::Plainly => None,
            Self::AsByDefault => Some(Duration::from_secs(4)),
        };
        let mut plan = plan(doors, |probe| (probe.every, probe.recheck) = (Duration::from_secs(30), recheck));
        if recheck.is_some() {
            for channel in plan.channels.values_mut() {
                Arc::make_mut(channel).rules.dark_after = Quorum { count: 4, of: 7 };
            }
        }
        plan
    }

    fn confirmed_within(self) -> Duration {
        Duration::from_secs(match self {
            Self::Plainly => 90,
            Self::AsByDefault => 30 + 12,
        })
    }
}

/// How many mails have come within ten minutes when many doors fall, one after the other within so many seconds; after how
/// long the first came; and how many told that all of them work again.
async fn storm(looking: Looking, within_s: u64) -> (usize, Duration, usize) {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<&str> = (0..many()).map(|number| &*format!("door{number:04}").leak()).collect();
    let doors: BTreeMap<&str, _> = names.iter().map(|&name| (name, PlayedDoor::new())).collect();
    let play = Play::start(looking.plan(&doors), directory.path()).await;
    pass(60).await;
    let began = tokio::time::Instant::now();
    let mut first = None;
    for (index, name) in names.iter().enumerate() {
        let falls_at = Duration::from_secs(within_s) * index as u32 / names.len() as u32;
        while began.elapsed() < falls_at {
            pass(1).await;
            first = first.or_else(|| (!play.mailbox.news().is_empty()).then(|| began.elapsed()));
        }
        doors[name].set(Door::Fails);
    }
    while began.elapsed() < Duration::from_secs(600) {
        pass(1).await;
        first = first.or_else(|| (!play.mailbox.news().is_empty()).then(|| began.elapsed()));
    }
    let within_ten_minutes = play.mailbox.news().len();
    pass(660).await;
    let fallen = play.mailbox.texts();
    for name in &names {
        assert!(fallen.iter().any(|text| text.contains(*name)), "{name} is named nowhere");
    }
    doors.values().for_each(|door| door.set(Door::Works));
    pass(420).await;
    let recovered = play.mailbox.news().len() - fallen.len();
    play.end().await;
    println!(
        "storm/{} doors within {within_s} s: {within_ten_minutes} mails in ten minutes, the first after {:.0} s, {} in all, \
         {recovered} of the recovery",
        names.len(),
        first.unwrap().as_secs_f64(),
        fallen.len()
    );
    (within_ten_minutes, first.unwrap(), recovered)
}

#[tokio::test(start_paused = true)]
async fn a_mass_of_channels_that_fall_at_once_are_three_mails_at_most() {
    for looking in [Looking::Plainly, Looking::AsByDefault] {
        let (mails, first, recovered) = storm(looking, 0).await;
        assert!(mails <= 3 && recovered <= 3, "{mails}, {recovered}");
        assert!(first <= looking.confirmed_within() + Duration::from_secs(30), "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mass_of_channels_that_fall_within_ten_minutes_are_three_mails_at_most() {
    for looking in [Looking::Plainly, Looking::AsByDefault] {
        let (mails, first, recovered) = storm(looking, 600).await;
        assert!(mails <= 3 && recovered <= 3, "{mails}, {recovered}");
        assert!(first <= looking.confirmed_within() + Duration::from_secs(30), "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_outage_is_told_in_the_second_in_which_it_is_confirmed() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    doors["chat"].set(Door::Fails);
    while play.state("chat") != lamplighter::domain::evaluation::State::Dark {
        pass(1).await;
    }
    pass(1).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_door_that_comes_and_goes_is_told_as_that_and_when_it_stays_dark_after_one_more_confirmation() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(60).await;
    for _ in 0..2 {
        doors["chat"].set(Door::Fails);
        pass(60).await;
        doors["chat"].set(Door::Works);
        pass(60).await;
    }
    doors["chat"].set(Door::Fails);
    while play.state("chat") != lamplighter::domain::evaluation::State::Dark {
        pass(1).await;
    }
    pass(1).await;
    let mut news = vec!["opened chat", "resolved chat", "opened chat", "resolved chat", "flapping chat"];
    assert_eq!(play.mailbox.news(), news);
    let rules = &plan(&doors, |_| {}).channels[&ChannelId::new("chat")].rules;
    let confirmation = 10 * u64::from(rules.dark_after.count);
    pass(confirmation - 5).await;
    assert_eq!(play.mailbox.news(), news);
    pass(6).await;
    news.push("sustained chat");
    assert_eq!(play.mailbox.news(), news);
    play.end().await;
}
