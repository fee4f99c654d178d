//! What the canaries fly between: a mail server with a mailbox behind it, and the loop at work on a store.

use std::{path::Path, sync::Mutex};

use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::super::*;
use crate::{
    daemon::tests::plan,
    domain::{canary::Daily, channel::TeamId},
    notify::{
        Notifier, SendFuture,
        mail::mailbox::{LookFuture, Mailbox},
    },
};

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// What becomes of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives so many seconds after it was taken.
    Arrives(u64),
    /// It is taken and never arrives.
    Vanishes,
    /// The server takes none for now.
    PutOff,
    /// The server refuses it.
    Refused,
    /// The server says nothing.
    Hangs,
    /// It is taken, and its mailbox cannot be opened.
    LockedIn,
}

/// A mail server with a mailbox behind it.
pub(super) struct Aviary {
    pub(super) fate: Mutex<Fate>,
    pub(super) clock: Clock,
    /// Every try, by the machine's clock, with its Message-ID.
    pub(super) tries: Mutex<Vec<(Timestamp, String)>>,
    pub(super) taken: Mutex<BTreeMap<String, Instant>>,
}

impl std::fmt::Debug for Aviary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aviary")
    }
}

impl Aviary {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        let (fate, tries) = (Mutex::new(Fate::Arrives(0)), Mutex::default());
        Arc::new(Self { fate, clock, tries, taken: Mutex::default() })
    }

    pub(super) fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    pub(super) fn ids(&self) -> Vec<String> {
        let tries = self.tries.lock().unwrap();
        let mut ids: Vec<String> = tries.iter().map(|(_, id)| id.clone()).collect();
        ids.dedup();
        ids
    }

    /// When each canary was first tried, as a clock in Berlin shows it.
    pub(super) fn times(&self) -> Vec<String> {
        let tries = self.tries.lock().unwrap();
        let mut seen = Vec::new();
        let mut times = Vec::new();
        for (at, id) in tries.iter().filter(|(_, id)| !id.is_empty()) {
            if !seen.contains(id) {
                seen.push(id.clone());
                times.push(at.to_zoned(berlin()).strftime("%d %H:%M").to_string());
            }
        }
        times
    }
}

impl Notifier for Aviary {
    fn send<'a>(&'a self, mail: &'a Notification, _: Duration) -> SendFuture<'a> {
        Box::pin(async {
            self.tries.lock().unwrap().push((self.clock.now(), mail.message_id.clone()));
            let fate = self.fate.lock().unwrap().clone();
            match fate {
                Fate::Arrives(_) | Fate::Vanishes | Fate::LockedIn => {
                    self.taken.lock().unwrap().insert(mail.message_id.clone(), Instant::now());
                    Delivery::Accepted("250 taken".to_owned())
                }
                Fate::PutOff => {
                    Delivery::Deferred("mail.example.com:25: RCPT TO: the server said 451 later".to_owned())
                }
                Fate::Refused => {
                    Delivery::Permanent("mail.example.com:25: RCPT TO: the server said 550 no".to_owned())
                }
                Fate::Hangs => std::future::pending().await,
            }
        })
    }
}

impl Mailbox for Aviary {
    fn look<'a>(&'a self, wanted: &'a Wanted) -> LookFuture<'a> {
        Box::pin(async {
            let taken = self.taken.lock().unwrap().get(&wanted.message_id).copied();
            match *self.fate.lock().unwrap() {
                Fate::LockedIn => Err("mail.example.com:993: login: the server said NO wrong".to_owned()),
                Fate::Arrives(secs) => Ok(taken.is_some_and(|at| at.elapsed() >= Duration::from_secs(secs))),
                _ => Ok(false),
            }
        })
    }
}

pub(super) fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A plan with canaries at nine in Berlin, by these.
pub(super) fn flying(ways: &[(MailWay, &Arc<Aviary>)], has_mailbox: bool) -> Plan {
    let way = |(by, aviary): &(MailWay, &Arc<Aviary>)| {
        let notifier: Arc<dyn Notifier> = Arc::clone(*aviary) as _;
        (*by, CanaryWay { host: "mail.example.com".to_owned(), notifier })
    };
    let mailbox: Arc<dyn Mailbox> = Arc::clone(ways[0].1) as _;
    let canary = CanaryPlan {
        to: "canary@example.com".to_owned(),
        daily: Daily { time: jiff::civil::time(9, 0, 0, 0), zone: berlin() },
        within: Duration::from_secs(10 * MINUTE),
        ways: ways.iter().map(way).collect(),
        mailbox: has_mailbox.then_some(mailbox),
    };
    let team = Team { mail: vec!["oncall@example.com".to_owned()], ..Team::default() };
    let teams = BTreeMap::from([(TeamId::new("oncall"), team)]);
    Plan { canary: Some(canary), time_zone: berlin(), teams, ..plan() }
}

pub(super) fn clock_at(text: &str) -> Clock {
    Clock::following(text.parse().unwrap())
}

pub(super) async fn pass(secs: u64) {
    sleep(Duration::from_secs(secs)).await;
}

/// The loop at work, with a store.
pub(super) struct Loft {
    pub(super) plans: watch::Sender<Arc<Plan>>,
    pub(super) network: watch::Sender<Network>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Store,
    _direct: mpsc::Receiver<Notification>,
    pub(super) stop: CancellationToken,
    pub(super) running: JoinSet<()>,
    pub(super) told: Mutex<Vec<Notification>>,
}

impl Loft {
    pub(super) async fn open(plan: Plan, directory: &Path, clock: Clock) -> Self {
        let store = Store::open(&directory.join("loft.db")).unwrap();
        let plans = watch::Sender::new(Arc::new(plan));
        let (metrics, network) = (Arc::new(Metrics::new()), watch::Sender::new(Network::new(Vec::new())));
        let (direct_in, direct) = mpsc::channel(100);
        let connections = Connections {
            plans: plans.subscribe(),
            remembered: store.load().await.unwrap().canaries,
            network: network.subscribe(),
            store: store.clone(),
            direct: direct_in,
            outbox: Arc::default(),
            vitals: Arc::default(),
            metrics: Arc::clone(&metrics),
            clock,
        };
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        running.spawn(run(connections, stop.clone()));
        Self { plans, network, metrics, store, _direct: direct, stop, running, told: Mutex::default() }
    }

    pub(super) async fn close(mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
        // What the loop last asked of the store may still be under way.
        self.store.load().await.unwrap();
    }

    /// The subjects of all that is told, in order.
    pub(super) async fn subjects(&self) -> Vec<String> {
        self.told().await.into_iter().map(|mail| mail.content.subject).collect()
    }

    /// All that is told, in order. It is marked as sent, since what is told later waits for it.
    pub(super) async fn told(&self) -> Vec<Notification> {
        let far = "2050-01-01T00:00:00Z".parse().unwrap();
        loop {
            let due = self.store.due(Route::Mail, far, 10).await.unwrap();
            if due.is_empty() {
                return self.told.lock().unwrap().clone();
            }
            for one in due {
                self.store.delivered(one.id, far, "250 kept".to_owned()).await.unwrap();
                self.told.lock().unwrap().push(one.notification);
            }
        }
    }

    /// The labels and values of a metric.
    pub(super) fn lines(&self, metric: &str) -> Vec<String> {
        let text: Vec<u8> = self.metrics.expose().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        text.lines().filter_map(|line| line.strip_prefix(metric)).map(str::to_owned).collect()
    }

    /// The value of the only series of a metric.
    pub(super) fn value(&self, metric: &str) -> f64 {
        self.lines(metric)[0].rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    pub(super) fn up(&self) -> Vec<String> {
        self.lines("lamplighter_canary_up")
    }
}

pub(super) fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}
