//! The loss of our own network, as sentinels tell it: nobody hears of channels that cannot be seen, everybody hears once
//! that nothing was seen, and an outage that begins meanwhile is found.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use lamplighter::{
    config::plan::{NetworkPlan, Plan, SentinelPlan},
    domain::{
        evaluation::State,
        network::Kind,
        outcome::{Reason, Stage},
    },
    probe::{
        sentinel::{AskFuture, Sentinel},
        transport::fault::Broken,
    },
};
use tokio::time::sleep;

use super::stage::{Door, Play, PlayedDoor, clock, doors, pass, plan};

/// A sentinel that answers after ten milliseconds while it can be reached, and else is silent.
#[derive(Debug, Default)]
struct Played {
    is_lost: AtomicBool,
}

impl Sentinel for Played {
    fn ask(&self) -> AskFuture<'_> {
        Box::pin(async {
            if self.is_lost.load(Relaxed) {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_millis(10)).await;
            Ok::<(), Broken>(())
        })
    }

    fn target(&self) -> String {
        "192.0.2.7:443".to_owned()
    }
}

/// Sentinels of these kinds, and a plan with them.
fn guarded(
    doors: &BTreeMap<&str, Arc<PlayedDoor>>,
    kinds: &[(&str, Kind)],
    sentinels: &[Arc<Played>],
) -> Plan {
    let mut plan = plan(doors, |_| {});
    let sentinel = |((name, kind), played): (&(&str, Kind), &Arc<Played>)| SentinelPlan {
        name: (*name).to_owned(),
        kind: *kind,
        every: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        sentinel: Arc::clone(played) as Arc<dyn Sentinel>,
    };
    plan.network = NetworkPlan {
        sentinels: kinds.iter().zip(sentinels).map(sentinel).collect(),
        ..NetworkPlan::default()
    };
    for team in plan.teams.values_mut() {
        team.mail.push("lead@example.com".to_owned());
    }
    plan
}

const KINDS: [(&str, Kind); 3] =
    [("router", Kind::Gateway), ("far", Kind::Address), ("other", Kind::Address)];

fn three() -> [Arc<Played>; 3] {
    [(); 3].map(|()| Arc::default())
}

/// The network is lost to these sentinels, and with it to these doors.
fn lose(sentinels: &[Arc<Played>], doors: &BTreeMap<&str, Arc<PlayedDoor>>) {
    sentinels.iter().for_each(|sentinel| sentinel.is_lost.store(true, Relaxed));
    doors.values().for_each(|door| door.set(Door::Hangs));
}

fn find(sentinels: &[Arc<Played>], doors: &BTreeMap<&str, Arc<PlayedDoor>>) {
    sentinels.iter().for_each(|sentinel| sentinel.is_lost.store(false, Relaxed));
    doors.values().for_each(|door| door.set(Door::Works));
}

/// `began ended causes` of every time without sight, the moments in seconds of the day.
fn kept(directory: &Path) -> Vec<(i64, Option<i64>, String)> {
    let store = rusqlite::Connection::open(directory.join("play.db")).unwrap();
    let mut rows = store.prepare("SELECT began_at, ended_at, causes FROM blindness").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

const BLIND: &str = "lamplighter_blind{cause=\"own_network\"}";

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_channels_while_our_own_network_is_lost_and_all_hear_once_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    assert_eq!(play.metrics("lamplighter_sentinel_up").len(), 3);
    assert_eq!((play.sum("lamplighter_sentinel_up"), play.sum(BLIND)), (3.0, 0.0));
    lose(&sentinels, &doors);
    pass(8).await;
    assert_eq!((play.sum("lamplighter_sentinel_up"), play.sum(BLIND)), (0.0, 1.0), "from the first round on");
    assert_eq!(play.state("chat"), State::Up, "it is unknown once nothing was heard for long enough");
    pass(60).await;
    assert_eq!([play.state("chat"), play.state("hotline")], [State::Unknown; 2]);
    assert_eq!(play.sum("support_probe_failures_total"), 0.0);
    pass(232).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    find(&sentinels, &doors);
    pass(3).await;
    assert_eq!(play.sum(BLIND), 0.0, "at the first round that is well");
    assert_eq!(play.mailbox.news(), ["blind monitor", "blind monitor"], "one mail to each");
    let text = &play.mailbox.texts()[0];
    assert!(text.contains("not even the gateway answered"), "{text}");
    assert!(text.contains("chat, hotline"), "{text}");
    pass(60).await;
    assert_eq!([play.state("chat"), play.state("hotline")], [State::Up; 2]);
    let mailbox = Arc::clone(&play.mailbox);
    play.end().await;
    assert_eq!(mailbox.news().len(), 2);
    let rows = kept(directory.path());
    let [(began, Some(ended), causes)] = &rows[..] else { panic!("{rows:?}") };
    assert!((295_000..310_000).contains(&(ended - began)) && causes == "link", "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn that_sight_is_back_is_told_while_the_store_takes_nothing_and_not_again_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE blindness RENAME TO hidden").unwrap();
    lose(&sentinels, &doors);
    pass(300).await;
    find(&sentinels, &doors);
    pass(30).await;
    let told = |news: Vec<String>| news.into_iter().filter(|news| news == "blind monitor").count();
    assert_eq!(told(play.mailbox.news()), 2, "one mail to each: {:?}", play.mailbox.news());
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO blindness").unwrap();
    pass(30).await;
    assert_eq!(told(play.mailbox.news()), 2);
    let count = |query| saboteur.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM outbox WHERE event = 'blind' AND status = 'delivered'"), 2);
    assert_eq!(kept(directory.path()).len(), 1);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_begins_while_nothing_is_seen_is_found_when_sight_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    lose(&sentinels, &doors);
    pass(100).await;
    find(&sentinels, &doors);
    doors["chat"].set(Door::Fails);
    // An interval, and two more to confirm it.
    pass(32).await;
    assert_eq!(play.state("chat"), State::Dark);
    assert_eq!(play.mailbox.news(), ["opened chat"; 2], "and of so short a time nobody hears");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_dark_before_stays_so_and_its_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    doors["chat"].set(Door::Fails);
    pass(40).await;
    assert_eq!(play.mailbox.news(), ["opened chat"; 2]);
    lose(&sentinels, &doors);
    pass(300).await;
    assert_eq!(play.state("chat"), State::Unknown);
    find(&sentinels, &doors);
    pass(40).await;
    let mut news = play.mailbox.news();
    news.sort();
    assert_eq!(
        news,
        ["blind monitor", "blind monitor", "opened chat", "opened chat", "resolved chat", "resolved chat"]
    );
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_forget_that_nothing_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let plan = || guarded(&doors, &KINDS, &sentinels);
    let play = Play::start(plan(), directory.path()).await;
    pass(30).await;
    lose(&sentinels, &doors);
    pass(90).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    assert!(matches!(kept(directory.path())[..], [(_, None, _)]));
    let play = Play::resume(plan(), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(90).await;
    assert_eq!(mailbox.news(), Vec::<String>::new());
    find(&sentinels, &doors);
    pass(10).await;
    play.end().await;
    assert_eq!(mailbox.news(), ["blind monitor"; 2]);
    assert!(mailbox.texts()[0].contains("Lasted          3 min"), "{}", mailbox.texts()[0]);
    let rows = kept(directory.path());
    assert!(matches!(rows[..], [(_, Some(_), _)]), "it is one time, not two: {rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_that_fails_alone_hides_no_outage() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    for lost in [&sentinels[..1], &sentinels[..2]] {
        lost.iter().for_each(|sentinel| sentinel.is_lost.store(true, Relaxed));
        doors["chat"].set(Door::Fails);
        pass(35).await;
        assert_eq!((play.state("chat"), play.sum(BLIND)), (State::Dark, 0.0));
        doors["chat"].set(Door::Works);
        pass(30).await;
    }
    assert_eq!(play.mailbox.news().len(), 8, "two outages and their ends, to two people");
    assert_eq!(play.sum("support_probe_runs_total{channel=\"chat\",probe=\"door\",location=\"fra-1\",outcome=\"inconclusive\"}"), 0.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_name_servers_only_what_is_looked_for_by_name_is_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let sentinels = three();
    let kinds = [("names", Kind::Resolver), ("far", Kind::Address), ("other", Kind::Address)];
    let play = Play::start(guarded(&doors, &kinds, &sentinels), directory.path()).await;
    pass(30).await;
    sentinels[0].is_lost.store(true, Relaxed);
    doors["chat"].set(Door::Breaks(Stage::Resolve, Reason::DnsTimeout));
    doors["hotline"].set(Door::Fails);
    pass(200).await;
    assert_eq!([play.state("chat"), play.state("hotline")], [State::Unknown, State::Dark]);
    assert_eq!(play.sum(BLIND), 0.0, "what has an address is seen");
    find(&sentinels, &doors);
    pass(40).await;
    let mut news = play.mailbox.news();
    news.dedup();
    assert_eq!(news, ["opened hotline", "blind monitor", "resolved hotline"]);
    assert!(play.mailbox.texts()[2].contains("no name server answered"), "{:?}", play.mailbox.texts());
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn sentinels_that_are_taken_out_vanish_and_hold_back_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    sentinels.iter().for_each(|sentinel| sentinel.is_lost.store(true, Relaxed));
    doors["chat"].set(Door::Fails);
    pass(60).await;
    assert_eq!((play.state("chat"), play.sum(BLIND)), (State::Unknown, 1.0));
    play.daemon.adopt(plan(&doors, |_| {}));
    pass(35).await;
    assert_eq!(play.metrics("lamplighter_sentinel_up"), Vec::<String>::new());
    assert_eq!((play.state("chat"), play.sum(BLIND)), (State::Dark, 0.0));
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn runs_that_wait_for_the_sentinels_hold_up_no_end_and_give_no_outcome_then() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    let last = *doors["chat"].starts().last().unwrap();
    tokio::time::sleep_until(last + Duration::from_secs(5)).await;
    let runs = play.sum("support_probe_runs_total");
    sentinels.iter().for_each(|sentinel| sentinel.is_lost.store(true, Relaxed));
    doors["chat"].set(Door::Fails);
    tokio::time::sleep_until(last + Duration::from_millis(10_500)).await;
    assert_eq!(doors["chat"].starts().len() as f64, runs + 1.0, "it has been tried, and waits");
    assert_eq!(play.sum("support_probe_runs_total"), runs);
    let began = tokio::time::Instant::now();
    play.end().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    let store = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    let stored: f64 = store.query_row("SELECT count(*) FROM outcome", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, runs);
}

#[tokio::test(start_paused = true)]
async fn the_monitor_that_begins_without_a_network_says_so_when_it_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    lose(&sentinels, &doors);
    let play =
        Play::resume(guarded(&doors, &KINDS, &sentinels), directory.path(), Arc::default(), clock()).await;
    pass(300).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    find(&sentinels, &doors);
    pass(30).await;
    assert_eq!(play.mailbox.news(), ["blind monitor"; 2]);
    assert!(play.mailbox.texts()[0].contains("Not watched: chat\n"), "{}", play.mailbox.texts()[0]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_time_without_sight_is_over_when_nobody_looks_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let play = Play::start(guarded(&doors, &KINDS, &sentinels), directory.path()).await;
    pass(30).await;
    lose(&sentinels, &doors);
    pass(90).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    doors["chat"].set(Door::Works);
    let play = Play::resume(plan(&doors, |_| {}), directory.path(), mailbox, clock).await;
    pass(5).await;
    play.end().await;
    assert!(matches!(kept(directory.path())[..], [(_, Some(_), _)]));
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_name_servers_that_no_channel_needs() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let sentinels = three();
    let kinds = [("names", Kind::Resolver), ("far", Kind::Address), ("other", Kind::Address)];
    let play = Play::start(guarded(&doors, &kinds, &sentinels), directory.path()).await;
    pass(30).await;
    sentinels[0].is_lost.store(true, Relaxed);
    pass(300).await;
    assert_eq!(play.sum("lamplighter_sentinel_up{sentinel=\"names\"}"), 0.0);
    sentinels[0].is_lost.store(false, Relaxed);
    pass(30).await;
    assert_eq!((play.mailbox.news(), play.state("chat")), (Vec::new(), State::Up));
    play.end().await;
    let rows = kept(directory.path());
    assert!(matches!(&rows[..], [(_, Some(_), causes)] if causes == "names"), "{rows:?}");
}
