//! From a dark door to the mail server and back into log and metrics, by the real program: what a refusal looks like,
//! and how the program ends while nothing answers it.

use std::{net::SocketAddr, path::Path, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    loopback::Server,
    running::{Running, Target, until},
    smtp_sink::{Fault, Protection, Sink, Step},
};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

/// A door that is always broken, and two people to tell.
fn config(target: &Target, sink: &Sink) -> String {
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n\
         [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
         [team.oncall]\nmail = [\"{ANNA}\", \"{BERT}\"]\n\
         [channel.chat]\nkind = \"chat\"\ntitle = \"Chat\"\nteam = \"oncall\"\n\
         [channel.chat.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"http://{}/broken\" }}\n",
        sink.port(),
        target.address
    )
}

async fn tries(running: &Running, result: &str) -> f64 {
    running.sum(&format!("lamplighter_notifications_total{{result=\"{result}\",route=\"mail\"}}")).await
}

/// Of how many notifications the store still has to tell.
fn pending(directory: &Path) -> u32 {
    let store = rusqlite::Connection::open(directory.join("lamplighter.db")).unwrap();
    store.query_row("SELECT count(*) FROM outbox WHERE status = 'pending'", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_refusal_of_one_recipient_is_final_for_him_alone_and_stands_in_log_and_metric() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    sink.answer_recipient(ANNA, "550 5.1.1 no such user");
    let running = Running::start(&config(&target, &sink), &[]).await;
    until("both have ended", async || {
        tries(&running, "refused").await == 1.0 && tries(&running, "delivered").await == 1.0
    })
    .await;
    until("the refusal is in the log", async || {
        running.has_event(&["\"ERROR\"", "gave up a notification", ANNA, "550 5.1.1 no such user"])
    })
    .await;
    assert_eq!(sink.taken().iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), [BERT]);
    until("both are marked", async || pending(running.directory.path()) == 0).await;
}

#[tokio::test]
async fn a_relay_that_is_closed_to_us_delays_the_mail_and_loses_none() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    let everybody = [ANNA, BERT];
    everybody.iter().for_each(|who| sink.answer_recipient(who, "554 5.7.1 relay access denied"));
    let running = Running::start(&config(&target, &sink), &[]).await;
    for who in everybody {
        until("it is in the log", async || {
            running.has_event(&["\"WARN\"", "is not taken yet", who, "554 5.7.1 relay access denied"])
        })
        .await;
    }
    until("it is counted", async || tries(&running, "postponed").await >= 2.0).await;
    assert_eq!(tries(&running, "refused").await, 0.0);
    until("it waits", async || running.sum("lamplighter_outbox_pending").await == 2.0).await;
    everybody.iter().for_each(|who| sink.answer_recipient(who, "250 ok"));
    until("both have it", async || sink.ids_count() == 2).await;
    until("nothing waits", async || running.sum("lamplighter_outbox_pending").await == 0.0).await;
}

#[tokio::test]
async fn sigterm_ends_it_in_time_while_a_door_hangs_and_the_mail_server_stalls() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    sink.fault(Step::Connect, Fault::Stall);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = Server::holding(listener.local_addr().unwrap(), listener);
    let mut running =
        Running::start(&(config(&target, &sink) + &door_that_hangs(hanging.address)), &[]).await;
    until("the mail server is asked", async || sink.connects() == 1).await;
    until("the door is tried", async || running.sum("lamplighter_runs_in_flight").await >= 1.0).await;
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    let status = running.ended().await;
    println!("ended {:.1} s after SIGTERM", asked.elapsed().as_secs_f64());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    assert_eq!(pending(running.directory.path()), 2, "what was not delivered is kept");
}

fn door_that_hangs(address: SocketAddr) -> String {
    format!(
        "[channel.hotline]\nkind = \"hotline\"\ntitle = \"Hotline\"\n\
         [channel.hotline.probe.door]\nevery = \"1s\"\ntimeout = \"60s\"\nhttp = {{ url = \"http://{address}/\" }}\n"
    )
}
