//! Reloading: by signal and by file, good and bad, under load.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use lamplighter::{config, daemon};
use nix::sys::signal::{Signal, raise};
use tokio::{net::TcpListener, runtime::Handle, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::running::{Running, Target, until};

/// Channels `door-0` to `door-N`, each tried ten times a second, the last one on a page that is always broken.
fn config(target: &Target, channels: usize) -> String {
    let mut text = "[monitor]\nlisten = \"127.0.0.1:0\"\n[defaults]\nevery = \"100ms\"\n".to_owned();
    for index in 0..=channels {
        let path = if index == channels { "broken".to_owned() } else { format!("door-{index}") };
        text += &format!(
            "[channel.{path}]\nkind = \"chat\"\ntitle = \"Door {index}\"\n\
             [channel.{path}.probe.door]\nhttp = {{ url = \"http://{}/{path}\" }}\n",
            target.address
        );
    }
    text
}

/// All lines of a metric, without the values.
fn values(metrics: &str, name: &str) -> Vec<String> {
    metrics.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_reloads_half_of_them_bad_lose_nothing_and_change_no_state() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("probes.toml");
    let good = config(&target, 8)
        .replace("[monitor]", &format!("[monitor]\nstore = {:?}", directory.path().join("l.db")));
    let smaller = good.replace("door-7", "door-9");
    let bad = good.replace("[defaults]", "[defautls]");
    fs::write(&path, &good).unwrap();
    let stop = CancellationToken::new();
    let running =
        daemon::start(&path, config::load(&path).unwrap(), Handle::current(), stop.clone()).await.unwrap();
    let metrics = || String::from_utf8(running.metrics().expose().flatten().collect()).unwrap();
    let since = |metrics: &str| {
        let mut lines = values(metrics, "support_channel_state_since_timestamp_seconds");
        lines.retain(|line| !line.contains("door-7") && !line.contains("door-9"));
        lines
    };
    until("eight are up and one is dark", async || {
        let metrics = metrics();
        values(&metrics, "support_channel_up").iter().filter(|line| line.ends_with(" 1")).count() == 8
            && metrics.contains("support_channel_up{channel=\"broken\"} 0")
    })
    .await;
    let judged = since(&metrics());
    // Of every turn of a probe that stays there is a run, or it is counted as skipped.
    let taken = || {
        let answered: Vec<u64> = (0..7).map(|door| target.answered_on(&format!("/door-{door}"))).collect();
        let skipped = values(&metrics(), "lamplighter_runs_skipped_total");
        let skipped = skipped.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
        (answered, skipped.sum::<u64>())
    };
    let (answered_before, skipped_before) = taken();
    let began = Instant::now();
    let reloaded = &running.metrics().instruments.reload_successful;
    for reload in 0..250 {
        fs::write(&path, &bad).unwrap();
        raise(Signal::SIGHUP).unwrap();
        until("the bad one is refused", async || reloaded.get() == 0).await;
        fs::write(&path, if reload % 2 == 0 { &smaller } else { &good }).unwrap();
        raise(Signal::SIGHUP).unwrap();
        until("the good one is in force", async || reloaded.get() == 1).await;
    }
    let then = metrics();
    assert_eq!(since(&then), judged, "no state has changed");
    assert_eq!(values(&then, "support_incidents_total{channel=\"broken\",severity=\"dark\"}").len(), 1);
    assert!(
        then.contains("support_incidents_total{channel=\"broken\",severity=\"dark\"} 1"),
        "one incident, not reset"
    );
    let turns = u64::try_from(began.elapsed().as_millis()).unwrap() / 100;
    let (answered, skipped) = taken();
    let skipped = skipped - skipped_before;
    for (door, (answered, before)) in answered.iter().zip(&answered_before).enumerate() {
        let runs = answered - before;
        // What is under way or late at either end is all that may be missing.
        let (least, most) = (turns - turns / 20, turns + 2);
        assert!(
            runs + skipped >= least && runs <= most,
            "door-{door}: {runs} runs and {skipped} skips in {turns} turns"
        );
    }
    println!("500 reloads over {turns} turns of each probe: {skipped} skips in all");
    stop.cancel();
    running.wait().await.unwrap();
    let store = rusqlite::Connection::open(directory.path().join("l.db")).unwrap();
    let recorded =
        "SELECT count(*) FROM outcome JOIN probe ON probe.id = outcome.probe WHERE probe.channel = ?";
    for door in 0..7 {
        let recorded: i64 = store.query_row(recorded, [format!("door-{door}")], |row| row.get(0)).unwrap();
        let lost = i64::try_from(target.answered_on(&format!("/door-{door}"))).unwrap() - recorded;
        assert!((0..=1).contains(&lost), "{lost} runs of door-{door} lost, where the end may cut off one");
    }
}

#[tokio::test]
async fn a_file_that_is_written_renamed_over_or_linked_anew_is_reloaded() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // As Kubernetes mounts a config map: probes.toml -> ..data/probes.toml, ..data -> ..1.
    for (version, channels) in [("..1", 1), ("..2", 2)] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("probes.toml"), config(&target, channels)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/probes.toml", at("probes.toml")).unwrap();
    let running = Running::start_in(directory, &[]).await;
    let at = |name: &str| running.directory.path().join(name);
    let shown = async |channels: f64| running.sum("support_channel_info").await == channels;
    assert!(shown(2.0).await);

    symlink("..2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    until("the link that was swapped", async || shown(3.0).await).await;

    fs::write(at("new"), config(&target, 3)).unwrap();
    fs::rename(at("new"), at("probes.toml")).unwrap();
    until("the file that was renamed over", async || shown(4.0).await).await;

    fs::write(at("probes.toml"), config(&target, 4)).unwrap();
    until("the file that was written", async || shown(5.0).await).await;
}

#[tokio::test]
async fn an_included_file_is_watched_and_so_is_the_directory_for_new_ones() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let teams = directory.path().join("channels");
    fs::create_dir(&teams).unwrap();
    let main = config(&target, 1);
    fs::write(directory.path().join("probes.toml"), format!("include = [\"channels/*.toml\"]\n{main}"))
        .unwrap();
    let one = |name: &str| {
        let (_, channel) = main.split_once("[channel.door-0]").unwrap();
        let channel = channel.split_once("[channel.").unwrap().0;
        format!(
            "[channel.{name}]{channel}[channel.{name}.probe.door]\nhttp = {{ url = \"http://{}/\" }}\n",
            target.address
        )
    };
    fs::write(teams.join("a.toml"), one("added-a")).unwrap();
    let running = Running::start_in(directory, &[]).await;
    assert_eq!(running.sum("support_channel_info").await, 3.0);
    fs::write(teams.join("b.toml"), one("added-b")).unwrap();
    until("the new file", async || running.sum("support_channel_info").await == 4.0).await;
    fs::write(teams.join("b.toml"), one("renamed-b")).unwrap();
    until("the changed file", async || {
        running.sum("support_channel_info{channel=\"renamed-b\"").await == 1.0
    })
    .await;
    fs::remove_file(teams.join("b.toml")).unwrap();
    until("the removed file", async || running.sum("support_channel_info").await == 3.0).await;
}

#[tokio::test]
async fn what_only_a_restart_can_change_refuses_the_whole_reload_and_is_named() {
    let target = Target::start().await;
    let running = Running::start(&config(&target, 1), &[]).await;
    let successful = "lamplighter_config_last_reload_successful";
    let changes = [
        ("`location`", "[monitor]", "[monitor]\nlocation = \"elsewhere\""),
        ("`listen`", "127.0.0.1:0", "127.0.0.1:1"),
        ("`store`", "[monitor]", "[monitor]\nstore = \"other.db\""),
        ("`location`, `store`", "[monitor]", "[monitor]\nlocation = \"elsewhere\"\nstore = \"other.db\""),
    ];
    for (named, present, wanted) in changes {
        fs::write(running.config(), config(&target, 2).replace(present, wanted)).unwrap();
        running.signal(Signal::SIGHUP);
        let words = format!("refused to reload: {named} under [monitor] changed, which takes a restart");
        until("the refusal", async || running.has_said(&words)).await;
        assert_eq!(running.sum(successful).await, 0.0, "{named}");
        assert_eq!(running.sum("support_channel_info").await, 2.0, "nothing of it is in force");
    }
    fs::write(running.config(), config(&target, 2)).unwrap();
    running.signal(Signal::SIGHUP);
    until("the next one", async || running.sum(successful).await == 1.0).await;
    until("what it brings", async || running.sum("support_channel_info").await == 3.0).await;
}

#[tokio::test]
async fn every_problem_of_a_refused_file_is_logged_with_its_place() {
    let target = Target::start().await;
    let running = Running::start(&config(&target, 1), &[]).await;
    fs::write(running.config(), config(&target, 1).replace("kind = \"chat\"", "kind = \"caht\"")).unwrap();
    running.signal(Signal::SIGHUP);
    until("the refusal", async || running.has_said("the present one stays in force")).await;
    assert!(running.has_said("probes.toml:6:8: ") && running.has_said("probes.toml:11:8: "));
}

/// A mail server that hangs up on everybody, and counts.
struct Closed {
    port: u16,
    calls: Arc<AtomicUsize>,
    _answering: JoinSet<()>,
}

impl Closed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&calls);
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Relaxed);
                drop(stream);
            }
        });
        Self { port, calls, _answering: answering }
    }

    fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }
}

#[tokio::test]
async fn a_reload_hastens_no_mail_unless_the_mail_server_is_another() {
    let (target, first, second) = (Target::start().await, Closed::start().await, Closed::start().await);
    // Each of them has a mail that is due: only the back-off of the route keeps them from being tried at once.
    let recipients: Vec<String> = (0..30).map(|number| format!("oncall-{number}@example.com")).collect();
    let text = |server: &Closed, title: &str| {
        let mail = format!(
            "[mail]\nfrom = \"lamp@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
             [team.oncall]\nmail = {recipients:?}\n",
            server.port
        );
        let channel = config(&target, 0).replace("Door 0", title);
        mail + &channel.replace("kind = \"chat\"", "kind = \"chat\"\nteam = \"oncall\"")
    };
    let running = Running::start(&text(&first, "Door"), &[]).await;
    until("the first try", async || first.calls() > 0).await;
    for reload in 0..20 {
        let title = format!("Door {reload}");
        fs::write(running.config(), text(&first, &title)).unwrap();
        running.signal(Signal::SIGHUP);
        until("the reload", async || running.get("/metrics").await.contains(&format!("{title:?}"))).await;
    }
    assert!(first.calls() < 10, "{} tries with 20 reloads", first.calls());
    fs::write(running.config(), text(&second, "Door")).unwrap();
    running.signal(Signal::SIGHUP);
    until("a try with the other server", async || second.calls() > 0).await;
}

#[tokio::test]
async fn a_channel_that_is_taken_out_while_its_incident_is_open_is_warned_of() {
    let target = Target::start().await;
    let with = config(&target, 1);
    let running = Running::start(&with, &[]).await;
    until("the outage", async || running.sum("support_incident_open{channel=\"broken\"").await == 1.0).await;
    let (without, _) = with.split_once("[channel.broken]").unwrap();
    fs::write(running.config(), without).unwrap();
    running.signal(Signal::SIGHUP);
    let warned = "a channel with an open incident is not in the configuration";
    until("the warning", async || running.has_said(warned)).await;
    assert!(running.has_said("-broken-"), "the incident is named");
}
