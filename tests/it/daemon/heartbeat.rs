//! Heartbeats go out while the monitor does its work, and no longer: each way in which it may not, and back.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use lamplighter::{
    clock::Clock,
    config::plan::Plan,
    daemon::{Daemon, Parts},
    domain::outcome::Verdict,
    notify::{
        Routes,
        heartbeat::{Beat, BeatFuture, Heartbeat},
    },
    probe::{Probe, Report, RunFuture, timeline::Timeline},
    store::Store,
};
use tokio::{runtime::Builder, time::Instant};
use tokio_util::sync::CancellationToken;

use super::stage::{Door, Play, doors, pass, plan};

/// A dead man's switch that keeps when it was told.
#[derive(Default)]
struct Switch {
    beats: Mutex<Vec<Instant>>,
    refuses: Mutex<bool>,
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switch")
    }
}

impl Beat for Switch {
    fn send(&self) -> BeatFuture<'_> {
        Box::pin(async {
            if *self.refuses.lock().unwrap() {
                return Err("answered 500, expected 200 to 299".to_owned());
            }
            self.beats.lock().unwrap().push(Instant::now());
            Ok(())
        })
    }
}

impl Switch {
    /// How many beats came within so many seconds, passed now.
    async fn within(&self, secs: u64) -> usize {
        let before = self.beats.lock().unwrap().len();
        pass(secs).await;
        self.beats.lock().unwrap().len() - before
    }
}

const MINUTE: u64 = 60;

fn beating(plan: Plan, switch: &Arc<Switch>) -> Plan {
    let beat: Arc<dyn Beat> = Arc::clone(switch) as _;
    Plan { heartbeat: Some(Heartbeat { every: Duration::from_secs(MINUTE), beat }), ..plan }
}

/// A plan whose heartbeats go to a switch that nobody looks at.
pub fn with_a_switch(plan: Plan) -> Plan {
    beating(plan, &Arc::default())
}

/// Why they are withheld at present.
fn reasons(play: &Play) -> Vec<String> {
    let lines = play.metrics("lamplighter_heartbeat_withheld{reason=\"");
    let on = lines.iter().filter_map(|line| line.strip_suffix("\"} 1"));
    on.map(|line| line.rsplit_once('"').unwrap().1.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_goes_out_every_minute_and_soon_after_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (doors, switch) = (doors(["chat"]), Arc::new(Switch::default()));
    let play = Play::start(beating(plan(&doors, |_| {}), &switch), directory.path()).await;
    assert_eq!(switch.within(5).await, 1);
    doors["chat"].set(Door::Fails);
    assert_eq!(switch.within(10 * MINUTE).await, 10, "an outage of a channel is no ailment of the monitor");
    assert_eq!(play.sum("lamplighter_heartbeats_total{result=\"sent\"}"), 11.0);
    assert_eq!(reasons(&play), Vec::<String>::new());

    *switch.refuses.lock().unwrap() = true;
    assert_eq!(switch.within(MINUTE).await, 0);
    assert!(play.sum("lamplighter_heartbeats_total{result=\"failed\"}") > 0.0);
    *switch.refuses.lock().unwrap() = false;
    assert_eq!(switch.within(6).await, 1, "one that was not taken is sent again soon");

    play.daemon.adopt(plan(&doors, |_| {}));
    pass(1).await;
    assert_eq!(switch.within(10 * MINUTE).await, 0, "a plan without a switch");
    play.daemon.adopt(beating(plan(&doors, |_| {}), &switch));
    assert!(switch.within(MINUTE).await >= 1);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn none_goes_out_while_probes_are_not_heard_of() {
    let directory = tempfile::tempdir().unwrap();
    let (doors, switch) = (doors(["chat", "hotline"]), Arc::new(Switch::default()));
    let play = Play::start(beating(plan(&doors, |_| {}), &switch), directory.path()).await;
    pass(120).await;
    let without_runs = Plan { runs_max: 0, ..beating(plan(&doors, |_| {}), &switch) };
    play.daemon.adopt(without_runs);
    pass(MINUTE).await;
    assert_eq!(switch.within(10 * MINUTE).await, 0);
    assert_eq!(reasons(&play), ["probes"]);
    play.daemon.adopt(beating(plan(&doors, |_| {}), &switch));
    pass(MINUTE).await;
    assert_eq!(switch.within(5 * MINUTE).await, 5);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn none_goes_out_while_the_store_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (doors, switch) = (doors(["chat"]), Arc::new(Switch::default()));
    let play = Play::start(beating(plan(&doors, |_| {}), &switch), directory.path()).await;
    pass(120).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE outcome RENAME TO hidden").unwrap();
    pass(MINUTE).await;
    assert_eq!(switch.within(10 * MINUTE).await, 0);
    assert_eq!(reasons(&play), ["store"]);
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO outcome").unwrap();
    pass(MINUTE).await;
    assert_eq!(switch.within(5 * MINUTE).await, 5);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn none_goes_out_while_mails_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let (doors, switch) = (doors(["chat"]), Arc::new(Switch::default()));
    let play = Play::start(beating(plan(&doors, |_| {}), &switch), directory.path()).await;
    pass(120).await;
    for (stuck, reason) in [(Some(Duration::from_secs(3_600)), "dispatcher"), (None, "outbox")] {
        play.mailbox.set_stuck(true, stuck);
        doors["chat"].set(Door::Fails);
        // Three failed runs make it dark; from then on a mail is owed.
        pass(40 + MINUTE).await;
        assert_eq!(switch.within(10 * MINUTE).await, 0, "{reason}");
        assert_eq!(reasons(&play), [reason]);
        play.mailbox.set_stuck(false, None);
        pass(3_600).await;
        doors["chat"].set(Door::Works);
        pass(120).await;
        assert_eq!(switch.within(5 * MINUTE).await, 5, "{reason}");
    }
    assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat", "opened chat", "resolved chat"]);
    play.end().await;
}

/// A probe that holds its thread while it is told to.
struct Wedge(Arc<(Mutex<bool>, Condvar)>);

impl fmt::Debug for Wedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wedge")
    }
}

impl Wedge {
    fn set(&self, holds: bool) {
        *self.0.0.lock().unwrap() = holds;
        self.0.1.notify_all();
    }
}

impl Probe for Wedge {
    fn run<'a>(&'a self, _: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(async {
            let (holds, changed) = &*self.0;
            drop(changed.wait_while(holds.lock().unwrap(), |holds| *holds).unwrap());
            Report::without_answer(Verdict::Ok)
        })
    }
}

/// On clocks that run: a thread that is held cannot be waited for by one that is paused.
#[tokio::test]
async fn none_goes_out_while_a_loop_is_wedged() {
    let directory = tempfile::tempdir().unwrap();
    let (wedge, switch) = (Arc::new(Wedge(Arc::default())), Arc::new(Switch::default()));
    let wedged = Arc::clone(&wedge);
    let plan = plan(&doors(["chat"]), |probe| {
        (probe.every, probe.probe) = (Duration::from_secs(1), Arc::clone(&wedged) as Arc<dyn Probe>);
    });
    let beat: Arc<dyn Beat> = Arc::clone(&switch) as _;
    let plan = Plan { heartbeat: Some(Heartbeat { every: Duration::from_millis(500), beat }), ..plan };
    let probing = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = Store::open(&directory.path().join("play.db")).unwrap();
    let parts = Parts {
        plan: Arc::new(plan),
        remembered: store.load().await.unwrap(),
        store,
        evidence: None,
        routes: Routes::new(),
        clock: Clock::system(),
        probing: probing.handle().clone(),
    };
    let stop = CancellationToken::new();
    let daemon = Daemon::start(parts, stop.clone());
    assert!(switch.within(3).await >= 2);
    wedge.set(true);
    // A second to the next run, ten until the loop counts as standing still, and one to spare.
    pass(12).await;
    assert_eq!(switch.within(2).await, 0, "wedged");
    wedge.set(false);
    assert!(switch.within(3).await >= 2, "it turns again");
    stop.cancel();
    daemon.wait().await.unwrap();
    probing.shutdown_background();
}
