//! Figures under an even load: processor time, system calls, lag, memory, the page of metrics. All probers share one
//! nginx, and processor time is divided by the answers that nginx has counted.

use std::{fs, path::Path, process::Command, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    ask,
    blackbox::Blackbox,
    daemon::{Daemon, Lag, Setup},
    hour,
    nginx::Nginx,
    probers::Prober,
    process::Process,
    table::{Row, Table},
};

/// How long a prober runs before it is measured, and how long it is measured.
pub const WARM_UP: Duration = Duration::from_secs(4);
pub const MEASURED: Duration = Duration::from_secs(10);
const RATE: u32 = 1_000;

struct PerProbe {
    us: f64,
    rate: f64,
}

/// Processor time per answer that nginx counts, once things have settled.
fn per_probe(nginx: &Nginx, mut cpu: impl FnMut() -> Duration) -> PerProbe {
    ask::pause(WARM_UP);
    let (cpu_before, answered_before, began) = (cpu(), nginx.answered(), Instant::now());
    ask::pause(MEASURED);
    let (cpu_after, answered_after, took) = (cpu(), nginx.answered(), began.elapsed());
    let answered = (answered_after - answered_before) as f64;
    PerProbe {
        us: (cpu_after - cpu_before).as_secs_f64() * 1e6 / answered,
        rate: answered / took.as_secs_f64(),
    }
}

fn of_prober(prober: Prober, nginx: &Nginx) -> PerProbe {
    let folder = tempfile::tempdir().unwrap();
    let target = if prober == Prober::HyperHttps { nginx.https } else { nginx.http };
    let mut process = prober.start(target, RATE, &nginx.root_ca, folder.path());
    per_probe(nginx, || process.cpu())
}

fn of_daemon(nginx: &Nginx, scheme: &str) -> PerProbe {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon_at(nginx, scheme, RATE, "1s", folder.path());
    per_probe(nginx, || daemon.process.cpu())
}

fn of_blackbox(nginx: &Nginx, scheme: &str) -> PerProbe {
    let folder = tempfile::tempdir().unwrap();
    let mut blackbox = Blackbox::start(nginx, scheme, RATE, folder.path());
    per_probe(nginx, || blackbox.cpu())
}

/// Lamplighter with so many probes on nginx.
pub fn daemon_at(nginx: &Nginx, scheme: &str, probes: u32, every: &str, folder: &Path) -> Daemon {
    let root_ca = format!(", tls = {{ root_ca = \"{}\" }}", nginx.root_ca.display());
    let (target, request) =
        if scheme == "https" { (nginx.https, root_ca.as_str()) } else { (nginx.http, "") };
    let expect = ", expect = { status = [200] }";
    let setup = Setup {
        probes,
        every,
        url: &|number| format!("{scheme}://{target}/?{number}"),
        request: &format!("{expect}{request}"),
        ..Setup::default()
    };
    let daemon = Daemon::start(&setup, folder);
    // The first verdicts are a burst of commits of their own.
    ask::until("every channel has been judged", || {
        // A page with many probes is work for both sides: it is asked for seldom.
        ask::pause(Duration::from_millis(500) + Duration::from_micros(500) * probes);
        daemon.metrics().sum("support_channel_up", "") >= f64::from(probes) * 0.999
    });
    daemon
}

/// CPU per probe, ours beside the others, on HTTP and HTTPS.
pub fn cpu(nginx: &Nginx, table: &mut Table) {
    let [raw, hyper, _] = [
        ("raw connect, GET, close, HTTP", Prober::Raw),
        ("bare hyper, HTTP", Prober::HyperHttp),
        ("reqwest, one client, no pool, HTTP", Prober::Reqwest),
    ]
    .map(|(name, prober)| {
        let other = of_prober(prober, nginx);
        table.beside(name, other.us, other.rate);
        other.us
    });
    for scheme in ["http", "https"] {
        let other = of_blackbox(nginx, scheme);
        table.beside(&format!("blackbox_exporter with Prometheus, {scheme}"), other.us, other.rate);
    }
    let hyper_https = of_prober(Prober::HyperHttps, nginx);
    table.beside("bare rustls + hyper, HTTPS", hyper_https.us, hyper_https.rate);
    let ours_https = of_daemon(nginx, "https");
    table.beside("Lamplighter, HTTPS", ours_https.us, ours_https.rate);
    let ours = of_daemon(nginx, "http");
    table.beside("Lamplighter, HTTP", ours.us, ours.rate);
    table.row(
        Row::at_most("CPU per HTTP probe, everything included", ours.us, "us", 110.0, 70.0).detail(format!(
            "{:.2} x the raw prober, {:.2} x bare hyper",
            ours.us / raw,
            ours.us / hyper
        )),
    );
    table.row(
        Row::at_most(
            "CPU per HTTPS probe against bare rustls + hyper",
            ours_https.us / hyper_https.us,
            "x",
            1.35,
            1.15,
        )
        .detail(format!("{:.0} us to {:.0} us", ours_https.us, hyper_https.us)),
    );
}

/// System calls per probe, counted by strace while the daemon runs as ever.
pub fn system_calls(nginx: &Nginx, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon_at(nginx, "http", RATE, "1s", folder.path());
    ask::pause(WARM_UP);
    let counts = folder.path().join("calls");
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-p", &daemon.process.id().to_string(), "-o"]).arg(&counts);
    let strace = Process::start(command, folder.path());
    ask::pause(Duration::from_secs(2));
    let before = nginx.answered();
    let began = Instant::now();
    ask::pause(MEASURED);
    let answered = nginx.answered() - before;
    let traced = began.elapsed() + Duration::from_secs(2);
    strace.stop(Signal::SIGINT);
    let summary = fs::read_to_string(&counts).unwrap();
    let total = summary.lines().last().and_then(|line| line.split_whitespace().nth(3)).unwrap();
    // The first two seconds are traced and not counted by nginx; the rate is the same throughout.
    let probes = answered as f64 * traced.as_secs_f64() / (traced - Duration::from_secs(2)).as_secs_f64();
    println!("{}", summary.lines().take(14).collect::<Vec<_>>().join("\n"));
    let per_probe = total.parse::<f64>().unwrap() / probes;
    table.row(Row::at_most("system calls per HTTP probe", per_probe, "", 14.0, 10.0));
}

/// Scheduler lag at 1,000 probes a second.
pub fn lag(nginx: &Nginx, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon_at(nginx, "http", RATE, "1s", folder.path());
    ask::pause(WARM_UP);
    let before = daemon.metrics();
    ask::pause(MEASURED);
    let after = daemon.metrics();
    let lag = Lag { before: &before, after: &after };
    table.row(
        Row::at_most("scheduler lag p99, 1,000 probes at 1 s", lag.p99_bound() * 1e3, "ms", 5.0, 2.0)
            .detail(format!("upper bound of its bucket; {:.2} % within 2 ms", lag.share("0.002") * 100.0)),
    );
}

/// Memory and the page of metrics with 10,000 probes.
pub fn many_probes(nginx: &Nginx, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon_at(nginx, "http", 10_000, "10s", folder.path());
    ask::pause(Duration::from_secs(60));
    let memory = daemon.process.memory() as f64 / 1e6;
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let began = Instant::now();
            let page = ask::get(daemon.listen, "/metrics");
            assert!(page.len() > 1_000_000, "{} bytes", page.len());
            ask::pause(Duration::from_millis(1_200));
            (began.elapsed() - Duration::from_millis(1_200)).as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let scraped = daemon.process.memory() as f64 / 1e6;
    let hour = hour::beyond_a_minute() / 1e6;
    table.row(
        Row::at_most("memory, 10,000 probes, windows of an hour full", scraped + hour, "MB", 120.0, 60.0)
            .detail(format!(
                "{memory:.0} MB after a minute, {scraped:.0} MB after 15 scrapes, {hour:.0} MB the hour"
            )),
    );
    table.row(
        Row::at_most("/metrics at 10,000 probes, median of 15", times[times.len() / 2], "ms", 150.0, 50.0)
            .detail(format!("from request to last byte; worst {:.0} ms", times[times.len() - 1])),
    );
}
