//! A thousand channels that fall, at once and one by one, and come back: how many mails one recipient gets, after how
//! long the first, whether each channel is named, and what that costs in processor time and memory. Everything is at its
//! default, the program is the one that ships, the mails come by SMTP.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
    task::JoinSet,
    time::Instant,
};

use crate::{
    ask,
    daemon::{Daemon, Setup},
    nginx::Nginx,
    table::{Row, Table},
};

const CHANNELS: u32 = 1_000;
const WINDOW: Duration = Duration::from_secs(600);

/// The share of a core is that of so many seconds.
const SPELL_SECS: usize = 10;

/// At defaults a fall is confirmed within 30 s until the next turn and three rechecks of 4 s; a mail may take 30 s more.
const FIRST_MAX_SECS: f64 = 30.0 + 12.0 + 30.0;

/// The mails of the first ten minutes, as one recipient counts them.
const MAILS_MAX: f64 = 3.0;

/// Doors at addresses of their own that can be broken, and the mailbox of whoever is told.
struct Street {
    broken: Arc<[AtomicBool]>,
    inbox: Inbox,
    daemon: Daemon,
    _serving: JoinSet<()>,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// What was told of a fall or a recovery within ten minutes, and what that took.
struct Told {
    mails: usize,
    first_after: Duration,
    named: usize,
    /// The largest share of a core over [`SPELL_SECS`].
    cores: f64,
    /// In bytes.
    memory: u64,
}

/// A fall and a recovery at once.
pub fn at_once(_: &Nginx, table: &mut Table) {
    figures(table, Duration::ZERO, "at once");
}

/// The same one by one.
pub fn one_by_one(_: &Nginx, table: &mut Table) {
    figures(table, WINDOW, "within 10 min");
}

fn figures(table: &mut Table, within: Duration, words: &str) {
    let mut street = Street::open();
    let fall = street.turn(true, within);
    report(table, &format!("1,000 channels fall {words}"), &fall);
    let first = fall.first_after.as_secs_f64();
    let figure = format!("1,000 channels fall {words}, first mail after");
    table.row(Row::at_most(&figure, first, "s", FIRST_MAX_SECS, FIRST_MAX_SECS));
    let recovery = street.turn(false, within);
    report(table, &format!("1,000 channels recover {words}"), &recovery);
    let all = [fall, recovery];
    let cores = all.iter().map(|told| told.cores).fold(0.0, f64::max);
    let memory = all.iter().map(|told| told.memory).max().unwrap_or(0) as f64 / 1e6;
    let figure = format!("1,000 channels {words}, processor");
    let row = Row::at_most(&figure, cores, "cores", 1.0, 0.5);
    table.row(row.detail(format!("the worst {SPELL_SECS} s")));
    let figure = format!("1,000 channels {words}, resident memory at most");
    table.row(Row::at_most(&figure, memory, "MB", 200.0, 100.0));
}

fn report(table: &mut Table, what: &str, told: &Told) {
    let Told { mails, named, cores, memory, .. } = told;
    let memory = *memory as f64 / 1e6;
    let detail = format!("{named} channels named in them; at most {cores:.2} cores and {memory:.0} MB");
    let figure = format!("{what}, mails in 10 min");
    table.row(Row::at_most(&figure, *mails as f64, "", MAILS_MAX, MAILS_MAX).detail(detail));
}

/// The address of a door.
fn address(number: u32) -> IpAddr {
    let [_, _, high, low] = number.to_be_bytes();
    IpAddr::from([127, 1, high, low])
}

impl Street {
    /// Opens all doors, and waits until each is seen to be up.
    fn open() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let broken: Arc<[AtomicBool]> = (0..CHANNELS).map(|_| AtomicBool::new(false)).collect();
        let inbox = Inbox::new(Clock::system());
        let mut serving = JoinSet::new();
        let (doors_at, smtp_at) = runtime.block_on(async {
            let doors = TcpListener::bind("0.0.0.0:0").await.unwrap();
            let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addresses = (doors.local_addr().unwrap(), smtp.local_addr().unwrap());
            let receiver = inbox.clone();
            serving.spawn(async move { receiver.serve(smtp).await });
            serving.spawn(serve(doors, Arc::clone(&broken)));
            addresses
        });
        let folder = tempfile::tempdir().unwrap();
        let more = format!(
            "[mail]\nfrom = \"Lamplighter <lamplighter@example.com>\"\nsmtp = \"smtp+plain://{smtp_at}\"\n\
             [team.oncall]\nmail = [\"oncall@example.com\"]\n"
        );
        let setup = Setup {
            probes: CHANNELS,
            every: "30s",
            url: &|number| format!("http://{}/", SocketAddr::new(address(number), doors_at.port())),
            channel: "team = \"oncall\"",
            more: &more,
            ..Setup::default()
        };
        let daemon = Daemon::start(&setup, folder.path());
        ask::until("all channels are up", || {
            ask::pause(Duration::from_secs(1));
            daemon.metrics().sum("support_channel_state", "state=\"up\"") >= f64::from(CHANNELS)
        });
        Self { broken, inbox, daemon, _serving: serving, _runtime: runtime, _folder: folder }
    }

    /// Breaks or mends all doors within a span, and looks at what is told in ten minutes; then until all is told.
    fn turn(&mut self, breaks: bool, within: Duration) -> Told {
        let before = self.inbox.newest();
        let (began, began_at) = (Instant::now(), Clock::system().now());
        let mut spent = vec![self.daemon.process.cpu()];
        let mut told = Told { mails: 0, first_after: WINDOW, named: 0, cores: 0.0, memory: 0 };
        let mut turned = 0;
        while began.elapsed() < WINDOW {
            let due = match within.is_zero() {
                true => CHANNELS as usize,
                false => (began.elapsed().div_duration_f64(within) * f64::from(CHANNELS)) as usize,
            };
            let next = &self.broken[turned..due.min(self.broken.len())];
            next.iter().for_each(|door| door.store(breaks, Relaxed));
            turned += next.len();
            ask::pause(Duration::from_secs(1));
            spent.push(self.daemon.process.cpu());
            if let Some(earlier) = spent.len().checked_sub(1 + SPELL_SECS) {
                let share = (spent[spent.len() - 1] - spent[earlier]).as_secs_f64() / SPELL_SECS as f64;
                told.cores = told.cores.max(share);
            }
            told.memory = told.memory.max(self.daemon.process.memory());
        }
        self.broken.iter().for_each(|door| door.store(breaks, Relaxed));
        let state = if breaks { "state=\"dark\"" } else { "state=\"up\"" };
        ask::until("all channels are judged", || {
            ask::pause(Duration::from_secs(1));
            self.daemon.metrics().sum("support_channel_state", state) >= f64::from(CHANNELS)
        });
        // The last of them may be gathered for five minutes.
        let settled = Instant::now();
        while settled.elapsed() < Duration::from_secs(330) && self.named_since(before) < CHANNELS as usize {
            ask::pause(Duration::from_secs(1));
        }
        let mails = self.inbox.mails();
        let since = mails.iter().filter(|mail| mail.number > before);
        let arrivals: Vec<Duration> =
            since.map(|mail| mail.received_at.duration_since(began_at).unsigned_abs()).collect();
        told.mails = arrivals.iter().filter(|after| **after <= WINDOW).count();
        told.first_after = arrivals.first().copied().unwrap_or(WINDOW);
        told.named = self.named_since(before);
        told
    }

    /// How many channels the mails after one name.
    fn named_since(&self, before: u64) -> usize {
        let mails = self.inbox.mails();
        let since = mails.iter().filter(|mail| mail.number > before);
        let words = since.flat_map(|mail| mail.text.split(|c: char| !c.is_alphanumeric()));
        let named: BTreeSet<&str> = words.collect();
        (0..CHANNELS).filter(|number| named.contains(format!("c{number}").as_str())).count()
    }
}

/// Serves every door: which one is asked is told by the address.
async fn serve(listener: TcpListener, broken: Arc<[AtomicBool]>) {
    let mut visits = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let broken = Arc::clone(&broken);
        visits.spawn(async move {
            let IpAddr::V4(at) = stream.local_addr().ok()?.ip() else { return None };
            let [_, _, high, low] = at.octets();
            let is_broken = broken.get(usize::from(u16::from_be_bytes([high, low])))?.load(Relaxed);
            let mut request = [0; 4096];
            if stream.read(&mut request).await.ok()? == 0 {
                return None;
            }
            let answer: &[u8] = match is_broken {
                false => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n",
                true => b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            };
            stream.write_all(answer).await.ok()
        });
        while visits.try_join_next().is_some() {}
    }
}
