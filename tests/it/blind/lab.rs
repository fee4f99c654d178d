//! Two networks of the kernel's, joined by a cable: in one the monitor, in the other all that is outside. A second cable
//! leads to the monitor's pages and nowhere else. No packet leaves the machine; the addresses are those reserved for
//! documentation.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use hickory_resolver::proto::op::{Message, ResponseCode};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, UdpSocket},
    process::{Child, Command as AsyncCommand},
    task::JoinSet,
};

use crate::{
    api::client,
    loopback::{
        Server,
        dns::{addresses, answer_to},
        read_request,
    },
    running::until,
};

/// Set for whoever is inside.
const INSIDE: &str = "LAMPLIGHTER_LAB";

const GATEWAY: &str = "10.77.0.1";
const SHOP: &str = "198.51.100.10";
const NAME_SERVER: &str = "203.0.113.53";
/// All that is far away, on the outside's own loopback.
const FAR: [&str; 4] = [SHOP, NAME_SERVER, "192.0.2.7", "198.51.100.7"];
const PAGES: &str = "10.78.0.2:9899";
/// By what they are read.
const TOKEN: &str = "lamplighter_reads-from-the-desk";

/// Whether this process is in networks of its own.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs a test again as the owner of networks of its own.
pub fn enter(test: &str) {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--kill-child", "--fork"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("unshare, of the package util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", output.status);
    assert!(said.contains("test result: ok. 1 passed"), "no test is called {test}");
}

/// A way to lose the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The cable is pulled.
    Link,
    /// The default route is gone.
    Route,
    /// Every packet is lost on the way to the gateway.
    Packets,
    /// The gateway is there, and nothing behind it.
    Line,
    /// The name server is silent.
    SilentNames,
    /// The name server fails.
    FailingNames,
}

impl Loss {
    pub const ALL: [Self; 6] =
        [Self::Link, Self::Route, Self::Packets, Self::Line, Self::SilentNames, Self::FailingNames];

    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link-down",
            Self::Route => "default-route-gone",
            Self::Packets => "all-packets-lost",
            Self::Line => "line-behind-gateway",
            Self::SilentNames => "resolver-dead",
            Self::FailingNames => "resolver-servfail",
        }
    }

    /// As what it is to be known.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Link | Self::Packets => "link",
            Self::Route | Self::Line => "line",
            Self::SilentNames | Self::FailingNames => "names",
        }
    }

    pub fn is_of_names(self) -> bool {
        matches!(self, Self::SilentNames | Self::FailingNames)
    }
}

/// A mail in the outbox.
#[derive(Debug)]
pub struct Mail {
    pub incident: String,
    pub event: String,
}

impl Mail {
    pub fn is_of(&self, door: &str) -> bool {
        self.incident.contains(&format!("-{door}-"))
    }

    pub fn opens(&self, door: &str) -> bool {
        self.event == "opened" && self.is_of(door)
    }

    pub fn is_of_a_door(&self) -> bool {
        self.event != "blind"
    }
}

/// The channel of a door.
pub fn door(number: usize) -> String {
    format!("door-{number}")
}

/// What the name server does.
const ANSWERS: u8 = 0;
const IS_SILENT: u8 = 1;
const FAILS: u8 = 2;

/// The networks and all that is in them.
pub struct Lab {
    directory: TempDir,
    /// The network of the monitor lasts as long as this process.
    inner: std::process::Child,
    names: Arc<AtomicU8>,
    broken: Arc<Mutex<Vec<String>>>,
    pages: reqwest::Client,
    _monitor: Child,
    _shop: Server,
    _serving: JoinSet<()>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.inner.kill().ok();
        self.inner.wait().ok();
    }
}

fn run(program: &str, words: &str) {
    let output = Command::new(program).args(words.split(' ')).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}, of the package iproute2 or util-linux: {error}"));
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// In the network outside.
fn outside(words: &str) {
    run("ip", words);
}

impl Lab {
    /// Builds the networks, starts so many doors and a monitor that watches them.
    pub async fn build(doors: usize) -> Self {
        let mut inner = Command::new("unshare");
        inner.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let inner = inner.spawn().unwrap();
        let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let pid = inner.id().to_string();
        until("the monitor has a network", async || network(&pid) != network("self")).await;
        let directory = tempfile::tempdir().unwrap();
        let names = Arc::new(AtomicU8::new(ANSWERS));
        let broken = Arc::default();
        lay_cables(&pid);
        let shop = shop(Arc::clone(&broken)).await;
        let mut serving = JoinSet::new();
        let socket = UdpSocket::bind((NAME_SERVER, 53)).await.unwrap();
        serving.spawn(serve_names(socket, Arc::clone(&names)));
        fs::write(directory.path().join("probes.toml"), configuration(doors)).unwrap();
        let monitor = start_monitor(&pid, directory.path());
        let pages = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let lab = Self {
            directory,
            inner,
            names,
            broken,
            pages,
            _monitor: monitor,
            _shop: shop,
            _serving: serving,
        };
        until("the monitor watches", async || lab.metrics().await.is_some()).await;
        lab
    }

    /// In the network of the monitor.
    fn inside(&self, words: &str) {
        run("nsenter", &format!("--net=/proc/{}/ns/net ip {words}", self.inner.id()));
    }

    pub fn lose(&self, loss: Loss) {
        match loss {
            Loss::Link => outside("link set cable down"),
            Loss::Route => self.inside("route del default"),
            // Whoever has this address is not there.
            Loss::Packets => {
                self.inside("neigh replace 10.77.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent");
            }
            Loss::Line => FAR.iter().for_each(|far| outside(&format!("addr del {far}/32 dev lo"))),
            Loss::SilentNames => self.names.store(IS_SILENT, Relaxed),
            Loss::FailingNames => self.names.store(FAILS, Relaxed),
        }
    }

    pub fn find(&self, loss: Loss) {
        match loss {
            Loss::Link => outside("link set cable up"),
            Loss::Route => self.inside("route add default via 10.77.0.1"),
            Loss::Packets => self.inside("neigh del 10.77.0.1 dev eth0"),
            Loss::Line => FAR.iter().for_each(|far| outside(&format!("addr add {far}/32 dev lo"))),
            Loss::SilentNames | Loss::FailingNames => self.names.store(ANSWERS, Relaxed),
        }
    }

    pub fn break_door(&self, number: usize) {
        self.broken.lock().unwrap().push(format!("/{}", door(number)));
    }

    pub fn mend_door(&self, number: usize) {
        self.broken.lock().unwrap().retain(|path| *path != format!("/{}", door(number)));
    }

    async fn metrics(&self) -> Option<String> {
        let answer =
            self.pages.get(format!("http://{PAGES}/metrics")).bearer_auth(TOKEN).send().await.ok()?;
        answer.text().await.ok()
    }

    /// The sum of all series that begin with `start`.
    pub async fn sum(&self, start: &str) -> f64 {
        let metrics = self.metrics().await.expect("the second cable is never pulled");
        let chosen = metrics.lines().filter(|line| line.starts_with(start));
        chosen.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// How many doors are in a state.
    pub async fn doors_in(&self, state: &str) -> usize {
        let metrics = self.metrics().await.expect("the second cable is never pulled");
        let is_meant = |line: &&str| {
            line.starts_with("support_channel_state{") && line.ends_with(&format!("state=\"{state}\"}} 1"))
        };
        metrics.lines().filter(is_meant).count()
    }

    fn store(&self) -> rusqlite::Connection {
        let store = rusqlite::Connection::open(self.directory.path().join("lab.db")).unwrap();
        store.busy_timeout(Duration::from_secs(5)).unwrap();
        store
    }

    /// All mails that have ever been put into the outbox.
    pub fn mails(&self) -> Vec<Mail> {
        let store = self.store();
        let mut rows = store.prepare("SELECT incident, event FROM outbox ORDER BY id").unwrap();
        let mail = |row: &rusqlite::Row<'_>| Ok(Mail { incident: row.get(0)?, event: row.get(1)? });
        rows.query_map([], mail).unwrap().map(Result::unwrap).collect()
    }

    /// The worst cause of the last time without sight; as it begins and ends, a round may find only a part of it.
    pub fn last_cause(&self) -> String {
        let last = "SELECT causes FROM blindness WHERE ended_at IS NOT NULL ORDER BY began_at DESC LIMIT 1";
        let causes: String = self.store().query_row(last, [], |row| row.get(0)).unwrap();
        causes.split(", ").next().unwrap().to_owned()
    }
}

fn lay_cables(pid: &str) {
    let inside = |words: &str| run("nsenter", &format!("--net=/proc/{pid}/ns/net ip {words}"));
    outside("link set lo up");
    inside("link set lo up");
    for (ours, theirs, net) in [("cable", "eth0", "10.77.0"), ("desk", "eth1", "10.78.0")] {
        outside(&format!("link add {ours} type veth peer name {theirs} netns {pid}"));
        outside(&format!("addr add {net}.1/24 dev {ours}"));
        outside(&format!("link set {ours} up"));
        inside(&format!("addr add {net}.2/24 dev {theirs}"));
        inside(&format!("link set {theirs} up"));
    }
    inside(&format!("route add default via {GATEWAY}"));
    FAR.iter().for_each(|far| outside(&format!("addr add {far}/32 dev lo")));
}

/// Every door answers at its path, with 503 while it is broken.
async fn shop(broken: Arc<Mutex<Vec<String>>>) -> Server {
    let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
    Server::on(listener, move |mut stream| {
        let broken = Arc::clone(&broken);
        async move {
            let request = read_request(&mut stream).await;
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let status = if broken.lock().unwrap().contains(&path) { 503 } else { 200 };
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            // Whoever has lost the network has gone without a word.
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
}

async fn serve_names(socket: UdpSocket, does: Arc<AtomicU8>) {
    let mut buffer = [0; 512];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
        let question = Message::from_vec(&buffer[..len]).unwrap();
        let packet = match does.load(Relaxed) {
            IS_SILENT => continue,
            FAILS => answer_to(&question, ResponseCode::ServFail).to_vec().unwrap(),
            _ => addresses(&question, &[SHOP.parse::<std::net::IpAddr>().unwrap()]),
        };
        // There may be no way back.
        socket.send_to(&packet, from).await.ok();
    }
}

fn configuration(doors: usize) -> String {
    let mut text = format!(
        "[monitor]\nlisten = \"{PAGES}\"\nstore = \"lab.db\"\nresolver = [\"{NAME_SERVER}:53\"]\n\
         runs_per_host_max = 1000\nblind_mail_after = \"1s\"\nbehind_proxy = true\n\
         {}\
         [mail]\nfrom = \"monitor@example.com\"\nsmtp = \"smtp+plain://localhost:1\"\n\
         [team.oncall]\nmail = [\"oncall@example.com\"]\n\
         [defaults]\nevery = \"600ms\"\ntimeout = \"500ms\"\n",
        client("desk", "\"read\"", TOKEN)
    );
    for (name, asked) in [
        ("names", "resolver = \"example.test\"".to_owned()),
        ("router", format!("gateway = \"{GATEWAY}:53\"")),
        ("far", format!("address = \"{}:443\"", FAR[2])),
        ("other", format!("address = \"{}:443\"", FAR[3])),
    ] {
        text +=
            &format!("[[sentinel]]\nname = \"{name}\"\n{asked}\nevery = \"500ms\"\ntimeout = \"400ms\"\n");
    }
    for number in 0..doors {
        let door = door(number);
        let host = if number % 2 == 0 { format!("{door}.shop.test") } else { SHOP.to_owned() };
        text += &format!(
            "[channel.{door}]\nkind = \"chat\"\nteam = \"oncall\"\n\
             probe.door.http = {{ url = \"http://{host}:8080/{door}\", expect = {{ status = [200] }} }}\n"
        );
    }
    text
}

fn start_monitor(pid: &str, directory: &Path) -> Child {
    let log = fs::File::create(directory.join("log")).unwrap();
    AsyncCommand::new("nsenter")
        .arg(format!("--net=/proc/{pid}/ns/net"))
        .args([env!("CARGO_BIN_EXE_lamplighter"), "run"])
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("nsenter, of the package util-linux")
}
