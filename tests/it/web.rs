//! The pages over a real socket: what they say, what `promtool` says of them, and what a bad client can do.

use std::{collections::BTreeMap, process::Stdio, sync::Arc, time::Duration};

use bytes::Bytes;
use lamplighter::{
    domain::{
        channel::ProbeKey,
        command::Command as Order,
        incident::IncidentId,
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        snapshot::Snapshot,
    },
    metrics::{FAMILIES, Family, Kind},
    secret::Secret,
    web::{
        AnswerFuture, ChroniclesFuture, IncidentFuture, KeptFuture, RunFuture, Source, access::Access, router,
    },
};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use crate::{
    chat::service::{Act, Service},
    daemon::stage::{Play, doors, plan},
    loopback::{Server, certificates::Authority, read_request},
    running::{Running, Target, until, write_config},
    smtp_sink::{Protection, Sink},
};

/// A daemon whose one door is tried at once and often, and the address of its pages.
async fn served(directory: &std::path::Path) -> (Play, String) {
    let doors = doors(["chat"]);
    doors["chat"].takes(Duration::ZERO);
    let mut plan = plan(&doors, |probe| {
        probe.every = Duration::from_millis(50);
        probe.phases = ["resolve", "connect"].map(Into::into).into();
    });
    let chat = Arc::make_mut(plan.channels.first_entry().unwrap().into_mut());
    chat.title = "Chat \"24/7\" \\o/".to_owned();
    chat.labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let mut play = Play::start(plan, directory).await;
    play.daemon.serve(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    let address = play.daemon.listen().unwrap();
    let url = format!("http://{address}");
    // What a first run has seen is shown when the store has it, and disks are slow at times.
    until("the door is up", async || {
        reqwest::get(&url).await.unwrap().text().await.unwrap().contains("<li class=\"door up\">")
    })
    .await;
    (play, url)
}

#[tokio::test]
async fn every_page_answers_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let (play, url) = served(directory.path()).await;
    let client = reqwest::Client::new();
    for (method, path, status, words) in [
        ("GET", "/", 200, "<a href=\"channel/chat\"><bdi>Chat &quot;24/7&quot; \\o/</bdi></a>"),
        ("GET", "/channel/chat", 200, "Chat &quot;24/7&quot; \\o/</bdi></h1>"),
        ("GET", "/channel/none", 404, "There is nothing here"),
        ("GET", "/incident/none", 404, "There is nothing here"),
        ("GET", "/evidence/none/none", 404, "no such evidence"),
        ("GET", "/assets/none", 404, "no such file"),
        (
            "GET",
            "/metrics",
            200,
            "support_channel_info{channel=\"chat\",kind=\"chat\",title=\"Chat \\\"24/7\\\" \\\\o/\"",
        ),
        ("GET", "/healthz", 200, "ok"),
        ("GET", "/readyz", 200, "ok"),
        ("GET", "/nothing", 404, "see /"),
        ("POST", "/metrics", 405, ""),
    ] {
        let request = client.request(method.parse().unwrap(), format!("{url}{path}")).body("unread");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap(), "{method} {path}");
        assert!(answer.text().await.unwrap().contains(words), "{method} {path}");
    }
    play.end().await;
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let (play, url) = served(directory.path()).await;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool is in the Debian package prometheus");
    let metrics = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).await.unwrap();
    drop(stdin);
    let said = promtool.wait_with_output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.trim().is_empty(), "{words}");
    play.end().await;
}

/// Mail by a server on this port, and a canary.
fn canary(port: u16) -> String {
    format!(
        "[mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\n\
         [mail.canary]\nto = \"canary@example.com\"\n"
    )
}

#[tokio::test]
async fn a_daemon_at_work_has_a_sample_of_every_metric_there_is() {
    let authority = Authority::new();
    let acceptor = authority.sign(&["127.0.0.1"], |_| {}).acceptor(&[]);
    let shop = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok();
            stream.shutdown().await.ok();
        }
    })
    .await;
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    let says = vec![vec![Act::Say(json!({ "text": "Hello" }))], vec![Act::Say(json!({ "agent": "Kim" }))]];
    let chat = Service::open(says).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
    let door = |channel: &str, http: String| {
        format!(
            "[channel.{channel}]\nkind = \"chat\"\ntitle = \"A door\"\n\
             [channel.{channel}.probe.door]\nevery = \"100ms\"\nhttp = {{ {http} }}\n"
        )
    };
    let config = "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned()
        + &format!("[[sentinel]]\nname = \"near\"\naddress = \"{}\"\n", target.address)
        + &canary(sink.port())
        + &door("shop", format!("url = \"https://{}/\", tls = {{ root_ca = \"ca.pem\" }}", shop.address))
        + &door("broken", format!("url = \"http://{}/broken\"", target.address))
        + &format!(
            "[channel.shop.probe.person]\nevery = \"500ms\"\n[channel.shop.probe.person.chat]\nwebsocket = {{ http = {{ url = \"{}/socket\" }}, say = {{ json = {{ text = \"{{text}}\" }} }}, first = [{{ json = {{ type = \"hello\" }} }}] }}\n\
             text = \"$.text\"\nsteps = [{{ name = \"hello\" }}, {{ name = \"person\", say = \"human please\", from = \"person\" }}]\n\
             signs = {{ person = [{{ json = \"$.agent\" }}] }}\n",
            chat.base
        );
    write_config(directory.path(), &config);
    let running = Running::start_in(directory, &[]).await;
    until("the outage and the working door", async || {
        let up =
            async |channel: &str| running.sum(&format!("support_channel_up{{channel=\"{channel}\"}}")).await;
        up("shop").await == 1.0
            && running.sum("support_incident_open").await == 1.0
            && up("broken").await == 0.0
    })
    .await;
    until("a sample of every family", async || {
        let metrics = running.get("/metrics").await;
        let has_sample = |family: &Family| {
            let name = match family.kind {
                Kind::Histogram => format!("{}_count", family.name),
                Kind::Counter | Kind::Gauge => family.name.to_owned(),
            };
            metrics
                .lines()
                .any(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        };
        let missing: Vec<&str> =
            FAMILIES.iter().filter(|family| !has_sample(family)).map(|family| family.name).collect();
        println!("without a sample: {missing:?}");
        missing.is_empty()
    })
    .await;
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let directory = tempfile::tempdir().unwrap();
    let (play, url) = served(directory.path()).await;
    let address = play.daemon.listen().unwrap();
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HT").await.unwrap();
        idle.push(stream);
    }
    let answer = timeout(Duration::from_secs(5), reqwest::get(format!("{url}/healthz"))).await;
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::OK);
    play.end().await;
    let mut left = Vec::new();
    assert_eq!(
        idle[0].read_to_end(&mut left).await.unwrap_or(0),
        0,
        "the end of the daemon ends its clients too"
    );
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (play, _) = served(directory.path()).await;
    let mut stream = TcpStream::connect(play.daemon.listen().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nx: ").await.unwrap();
    let mut answer = Vec::new();
    let (mut reading, mut writing) = stream.split();
    let flood = async { while writing.write_all(&[b'a'; 4_096]).await.is_ok() {} };
    let answered = timeout(Duration::from_secs(5), async {
        tokio::select! {
            _ = reading.read_to_end(&mut answer) => {}
            () = flood => {}
        }
    });
    answered.await.expect("it is refused long before the time for headers is over");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    play.end().await;
}

/// What the pages are told, by a daemon that is not there.
struct Told {
    snapshots: watch::Sender<Arc<Snapshot>>,
    alive: Result<(), String>,
    ready: Result<(), String>,
}

impl Source for Told {
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        Box::new(std::iter::empty())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    fn alive(&self) -> Result<(), String> {
        self.alive.clone()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn token(&self) -> Option<Secret> {
        None
    }

    fn command(&self, command: Order) -> AnswerFuture {
        panic!("nobody can give a command here: {command:?}")
    }

    fn incident(&self, incident: IncidentId) -> IncidentFuture {
        panic!("nobody has a link here: {incident}")
    }

    fn chronicles(&self) -> ChroniclesFuture {
        Box::pin(async { Arc::default() })
    }

    fn outcomes(&self, inquiry: OutcomeInquiry) -> KeptFuture<Outcomes> {
        panic!("there is no history here: {inquiry:?}")
    }

    fn incidents(&self, inquiry: IncidentInquiry) -> KeptFuture<Incidents> {
        panic!("there is no history here: {inquiry:?}")
    }

    fn story(&self, incident: IncidentId) -> KeptFuture<Option<Story>> {
        panic!("there is no history here: {incident}")
    }

    fn access(&self) -> Arc<Access> {
        Arc::default()
    }

    fn run(&self, probe: ProbeKey) -> RunFuture {
        panic!("there is no probe here: {probe}")
    }
}

/// Serves the pages of what is told, and asks for one.
async fn ask(told: Told, path: &str) -> (StatusCode, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router(Arc::new(told))).await.unwrap() });
    let answer = reqwest::get(url).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn health_says_what_is_wrong_with_a_status_that_a_machine_heeds() {
    let told = |alive, ready| Told { snapshots: watch::Sender::default(), alive, ready };
    let stands_still = || Err("the scheduler has stood still for 11 s".to_owned());
    let starting = || Err("starting".to_owned());
    let unavailable = |words: &str| (StatusCode::SERVICE_UNAVAILABLE, words.to_owned());
    let well = (StatusCode::OK, "ok\n".to_owned());
    assert_eq!(
        ask(told(stands_still(), Ok(())), "/healthz").await,
        unavailable("the scheduler has stood still for 11 s\n")
    );
    assert_eq!(ask(told(Ok(()), starting()), "/healthz").await, well);
    assert_eq!(ask(told(Ok(()), starting()), "/readyz").await, unavailable("starting\n"));
    assert_eq!(ask(told(Ok(()), Ok(())), "/readyz").await, well);
}
