//! The canaries of a whole daemon: what is lost is told by the outbox, and keeps heartbeats back where there is no other way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::tz::TimeZone;
use lamplighter::{
    config::plan::{CanaryPlan, CanaryWay, Plan, Team},
    domain::{
        canary::{Daily, MailWay},
        notification::Notification,
    },
    notify::{Delivery, Notifier, SendFuture},
};

use super::{
    heartbeat::with_a_switch,
    stage::{Play, doors, pass, plan},
};

const MINUTE: u64 = 60;

/// A mail server that says this of each canary.
struct Server(Mutex<Delivery>);

impl Server {
    fn saying(delivery: Delivery) -> Arc<Self> {
        Arc::new(Self(Mutex::new(delivery)))
    }

    fn say(&self, delivery: Delivery) {
        *self.0.lock().unwrap() = delivery;
    }
}

fn taken() -> Delivery {
    Delivery::Accepted("250 taken".to_owned())
}

fn refused() -> Delivery {
    Delivery::Permanent("RCPT TO: the server said 550 no".to_owned())
}

impl Notifier for Server {
    fn send<'a>(&'a self, _: &'a Notification, _: Duration) -> SendFuture<'a> {
        let delivery = self.0.lock().unwrap().clone();
        Box::pin(async { delivery })
    }
}

fn flying(server: &Arc<Server>) -> Plan {
    let notifier: Arc<dyn Notifier> = Arc::clone(server) as _;
    let way = CanaryWay { host: "mail.example.com".to_owned(), notifier };
    let canary = CanaryPlan {
        to: "canary@example.com".to_owned(),
        daily: Daily { time: jiff::civil::time(9, 0, 0, 0), zone: TimeZone::UTC },
        within: Duration::from_secs(10 * MINUTE),
        ways: [(MailWay::First, way)].into(),
        mailbox: None,
    };
    let plain = plan(&doors(["chat"]), |_| {});
    with_a_switch(Plan { canary: Some(canary), ..plain })
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_told_by_the_outbox_and_keeps_heartbeats_back_where_there_is_no_other_way() {
    let withheld = |play: &Play| play.sum("lamplighter_heartbeat_withheld{reason=\"canary\"}");
    for (has_webhook, expected) in [(false, 1.0), (true, 0.0)] {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::saying(refused());
        let mut plan = flying(&server);
        if has_webhook {
            for team in plan.teams.values_mut() {
                *team = Team { webhooks: vec!["ops".to_owned()], ..team.clone() };
            }
        }
        let play = Play::start(plan, directory.path()).await;
        pass(3 * MINUTE).await;
        assert_eq!(withheld(&play), expected);
        assert_eq!(play.mailbox.subjects(), ["[MONITOR] fra-1: mail by [mail] is lost"]);
        server.say(taken());
        pass(12 * MINUTE).await;
        assert_eq!(withheld(&play), 0.0);
        assert!(play.mailbox.subjects()[1].contains("mail by [mail] arrives again"));
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_takes_nothing_a_loss_is_told_past_it_and_kept_when_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::saying(Delivery::Deferred("RCPT TO: the server said 451 later".to_owned()));
    let first = Play::start(flying(&server), directory.path()).await;
    pass(MINUTE).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE canary RENAME TO hidden").unwrap();
    server.say(refused());
    pass(MINUTE).await;
    let lost = "[MONITOR] fra-1: mail by [mail] is lost";
    assert_eq!(first.mailbox.subjects(), [lost]);
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO canary").unwrap();
    pass(2 * MINUTE).await;
    assert_eq!(first.mailbox.subjects(), [lost], "and once");
    let clock = first.clock;
    first.end().await;
    let second = Play::resume(flying(&server), directory.path(), Arc::default(), clock).await;
    pass(MINUTE).await;
    assert_eq!(second.metrics("lamplighter_canary_up{"), ["lamplighter_canary_up{route=\"mail\"} 0"]);
    assert_eq!(second.mailbox.subjects(), Vec::<String>::new());
    second.end().await;
}
