//! The highest rate that is kept, and what becomes of pages and mails when twice of it is asked.

use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

use crate::{
    ask,
    daemon::{Daemon, Lag, Metrics, Setup},
    load::{MEASURED, WARM_UP, daemon_at},
    nginx::{Nginx, free_address},
    table::{Row, Table},
};

/// The steps of the climb, in probes a second.
const CLIMB: [u32; 8] = [5_000, 7_500, 10_000, 12_500, 15_000, 20_000, 25_000, 35_000];

struct Sustained {
    answered_per_s: f64,
    within_50_ms: f64,
    skipped_per_s: f64,
}

fn measure(nginx: &Nginx, daemon: &Daemon, asked: u32) -> Sustained {
    ask::pause(WARM_UP);
    let (before, answered, began) = (daemon.metrics(), nginx.answered(), Instant::now());
    ask::pause(MEASURED);
    let (answered, took, after) = (nginx.answered() - answered, began.elapsed(), daemon.metrics());
    let lag = Lag { before: &before, after: &after };
    let skipped = |scrape: &Metrics| scrape.sum("lamplighter_runs_skipped_total", "");
    let found = Sustained {
        answered_per_s: answered as f64 / took.as_secs_f64(),
        within_50_ms: lag.share("0.05"),
        skipped_per_s: (skipped(&after) - skipped(&before)) / took.as_secs_f64(),
    };
    println!(
        "{asked}/s asked: {:.0}/s answered, {:.3} % begun within 50 ms, {:.0}/s skipped",
        found.answered_per_s,
        found.within_50_ms * 100.0,
        found.skipped_per_s
    );
    found
}

/// Climbs until a step is not done, then asks for twice of what was done.
pub fn figures(nginx: &Nginx, table: &mut Table) {
    let mut kept = 0.0;
    let mut capacity: f64 = 0.0;
    for asked in CLIMB {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon_at(nginx, "http", asked, "1s", folder.path());
        let found = measure(nginx, &daemon, asked);
        capacity = capacity.max(found.answered_per_s);
        let is_done = found.answered_per_s >= 0.99 * f64::from(asked);
        if is_done && found.within_50_ms >= 0.999 {
            kept = f64::from(asked);
        }
        if !is_done {
            break;
        }
    }
    table.row(Row::at_least(
        "sustained on 2 cores, 99.9 % begun within 50 ms of due",
        kept,
        "/s",
        5_000.0,
        10_000.0,
    ));
    overload(nginx, capacity, table);
}

/// One of the channels leads nowhere: its mail must come all the same.
fn overload(nginx: &Nginx, capacity: f64, table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let inbox = Inbox::new(Clock::system());
    let mut serving = JoinSet::new();
    let smtp = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let smtp_at = smtp.local_addr().unwrap();
    let receiver = inbox.clone();
    serving.spawn_on(async move { receiver.serve(smtp).await }, runtime.handle());

    let asked = (capacity * 2.0) as u32;
    let nowhere = free_address();
    let address = |number| if number == 0 { nowhere } else { nginx.http };
    let more = format!(
        "[mail]\nfrom = \"Lamplighter <lamplighter@example.com>\"\nsmtp = \"smtp+plain://{smtp_at}\"\n\
         [team.oncall]\nmail = [\"oncall@example.com\"]\n"
    );
    let setup = Setup {
        probes: asked,
        url: &|number| format!("http://{}/?{number}", address(number)),
        request: ", expect = { status = [200] }",
        channel: "team = \"oncall\"",
        more: &more,
        ..Setup::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&setup, folder.path());
    let found = measure(nginx, &daemon, asked);
    let began = Instant::now();
    ask::get(daemon.listen, "/healthz");
    let page = began.elapsed();
    ask::until("the mail about the dark channel has come", || !inbox.mails().is_empty());
    let share = found.answered_per_s / capacity * 100.0;
    table.row(Row::at_least("capacity kept when twice of it is asked", share, "%", 95.0, 95.0).detail(format!(
        "{asked}/s asked, {:.0}/s done of {capacity:.0}/s, {:.0}/s counted as skipped; health answered in {} ms, \
         {} mail about the one dark channel",
        found.answered_per_s,
        found.skipped_per_s,
        page.as_millis(),
        inbox.mails().len()
    )));
}
