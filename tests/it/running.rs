//! The real binary at work on a configuration, and a target for it to probe.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Nothing here takes longer than this, on whatever machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// The daemon in a process of its own.
pub struct Running {
    pub directory: TempDir,
    /// `http://address` of its pages.
    pub url: String,
    child: Child,
    log: watch::Receiver<Vec<serde_json::Value>>,
    _reading: JoinSet<()>,
}

impl Running {
    /// Starts it on a configuration, and waits until it says that it is watching. `{dir}` in the text is the
    /// directory in which everything lies.
    pub async fn start(config: &str, environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_config(directory.path(), config);
        Self::start_in(directory, environment).await
    }

    /// Starts it in a directory where its configuration lies.
    pub async fn start_in(directory: TempDir, environment: &[(&str, &str)]) -> Self {
        let mut command = command(directory.path());
        command.args(["run", "--log-format", "json"]).envs(environment.iter().copied());
        Self::start_by(command, directory).await
    }

    /// Starts it by a command that becomes it.
    pub async fn start_by(mut command: Command, directory: TempDir) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (heard, mut log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let event =
                    serde_json::from_str(&line).unwrap_or_else(|_| serde_json::json!({ "message": line }));
                heard.send_modify(|log| log.push(event));
            }
        });
        let watching = |log: &Vec<serde_json::Value>| log.iter().any(|event| event["message"] == "watching");
        let began = timeout(PATIENCE, log.wait_for(watching)).await.is_ok_and(|heard| heard.is_ok());
        let events = log.borrow().clone();
        assert!(began, "it never began: {events:#?}");
        let event = events.iter().find(|event| event["message"] == "watching").unwrap();
        let url = format!("http://{}", event["listen"].as_str().unwrap());
        Self { directory, url, child, log, _reading: reading }
    }

    pub fn config(&self) -> PathBuf {
        self.directory.path().join("probes.toml")
    }

    /// Whether it has logged an event whose text contains these words.
    pub fn has_said(&self, words: &str) -> bool {
        self.log.borrow().iter().any(|event| event.to_string().contains(words))
    }

    /// Whether it has logged one event that contains all of these words.
    pub fn has_event(&self, words: &[&str]) -> bool {
        let texts = self.log.borrow().iter().map(ToString::to_string).collect::<Vec<_>>();
        texts.iter().any(|text| words.iter().all(|word| text.contains(word)))
    }

    /// What stands in a field of the first event with this message.
    pub fn said_in(&self, message: &str, field: &str) -> String {
        let log = self.log.borrow();
        let event = log.iter().find(|event| event["message"] == message).unwrap();
        event[field].as_str().unwrap().to_owned()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.borrow().iter().map(|event| format!("{event}\n")).collect()
    }

    /// An event of this level from a library whose name begins so.
    pub fn has_said_at(&self, level: &str, library: &str) -> Option<serde_json::Value> {
        let said = |event: &&serde_json::Value| {
            event["level"] == level
                && event["target"].as_str().is_some_and(|target| target.starts_with(library))
        };
        self.log.borrow().iter().find(said).cloned()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }

    pub async fn get(&self, path: &str) -> String {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap().text().await.unwrap()
    }

    /// The sum of all series that begin with `start`.
    pub async fn sum(&self, start: &str) -> f64 {
        let metrics = self.get("/metrics").await;
        let chosen = metrics.lines().filter(|line| line.starts_with(start));
        chosen.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }
}

/// The binary, to be run in a directory, with nothing of our own environment that it would heed.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.current_dir(directory).env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command.kill_on_drop(true);
    command
}

pub fn write_config(directory: &Path, text: &str) {
    std::fs::write(directory.join("probes.toml"), text).unwrap();
}

/// Asks for a page from one address more often than is let, without waiting for answers; gives the first that puts it off.
pub async fn put_off(url: &str, from: [u8; 4], path: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let (mut read, mut write) = socket.connect(address).await.unwrap().into_split();
    let requests = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").repeat(2_000);
    let asking = async {
        write.write_all(requests.as_bytes()).await.ok();
        std::future::pending::<()>().await;
    };
    let hearing = async {
        let (mut heard, mut bytes) = (String::new(), [0; 16_384]);
        loop {
            let count = read.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it is put off before the connection ends");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            let Some((_, put_off)) = heard.split_once("HTTP/1.1 429") else { continue };
            // It is whole when the next answer begins.
            if let Some((whole, _)) = put_off.split_once("HTTP/1.1 ") {
                return whole.to_owned();
            }
        }
    };
    tokio::select! {
        () = asking => unreachable!("it goes on until it is answered"),
        answer = hearing => answer,
    }
}

/// A server that answers every request with 200, except on `/broken`, and on `/frail` once it breaks, and counts.
pub struct Target {
    pub address: SocketAddr,
    told: Arc<Told>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    answered: AtomicU64,
    is_frail_broken: AtomicBool,
    paths: Mutex<Vec<(String, u64)>>,
}

impl Target {
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0").await
    }

    /// On every address of the loopback network, so that there are several hosts.
    pub async fn start_everywhere() -> Self {
        Self::start_on("0.0.0.0:0").await
    }

    async fn start_on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Told::default());
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&told);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, told, _serving: serving }
    }

    /// From now on `/frail` is broken.
    pub fn break_frail(&self) {
        self.told.is_frail_broken.store(true, Relaxed);
    }

    /// How many requests have been answered in all.
    pub fn answered(&self) -> u64 {
        self.told.answered.load(Relaxed)
    }

    /// How many requests for a path have been answered.
    pub fn answered_on(&self, path: &str) -> u64 {
        self.told.paths.lock().unwrap().iter().find(|(known, _)| known == path).map_or(0, |(_, count)| *count)
    }
}

async fn answer(mut stream: TcpStream, told: Arc<Told>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut piece = [0; 1_024];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    let is_broken = path == "/broken" || (path == "/frail" && told.is_frail_broken.load(Relaxed));
    let status = if is_broken { 500 } else { 200 };
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    told.answered.fetch_add(1, Relaxed);
    {
        let mut paths = told.paths.lock().unwrap();
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, count)) => *count += 1,
            None => paths.push((path, 1)),
        }
    }
    stream.write_all(answer.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}
