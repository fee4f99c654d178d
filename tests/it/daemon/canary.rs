//! The canaries of a whole daemon: what is lost is told by the outbox, and keeps heartbeats back where there is no other way.

use std::{
    fmt,
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

/// A mail server that takes canaries or refuses them.
#[derive(Default)]
struct Server {
    refuses: Mutex<bool>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Notifier for Server {
    fn send<'a>(&'a self, _: &'a Notification, _: Duration) -> SendFuture<'a> {
        let refuses = *self.refuses.lock().unwrap();
        Box::pin(async move {
            match refuses {
                true => Delivery::Permanent("RCPT TO: the server said 550 no".to_owned()),
                false => Delivery::Accepted("250 taken".to_owned()),
            }
        })
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
        let server = Arc::<Server>::default();
        *server.refuses.lock().unwrap() = true;
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
        *server.refuses.lock().unwrap() = false;
        pass(12 * MINUTE).await;
        assert_eq!(withheld(&play), 0.0);
        assert!(play.mailbox.subjects()[1].contains("mail by [mail] arrives again"));
        play.end().await;
    }
}
