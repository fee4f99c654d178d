//! The second mail server: used when the first does not take mails for a while, and only then.

use std::time::Duration;

use lamplighter::{
    domain::{
        canary::MailWay,
        incident::IncidentEvent,
        notification::{Notification, facts::CanaryFacts},
    },
    notify::{
        Delivery, Notifier,
        mail::{Limits, MailRoute, MailSecurity, MailServer, fallback::MailWays},
    },
};

use crate::{
    samples::{notification, start},
    smtp_sink::{Fault, Protection, Sink, Step},
};

const AFTER: Duration = Duration::from_secs(120);

fn route(sink: &Sink) -> MailRoute {
    let server = MailServer {
        from: "lamplighter@example.com".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: sink.port(),
        security: MailSecurity::Plain,
        credentials: None,
        root_ca: None,
    };
    MailRoute::new(server, Limits::default()).unwrap()
}

async fn servers() -> (Sink, Sink, MailWays) {
    let (first, second) = (Sink::start(Protection::None).await, Sink::start(Protection::None).await);
    let ways = MailWays::new(route(&first), route(&second), AFTER);
    (first, second, ways)
}

fn mail(incident: &str) -> Notification {
    notification(incident, IncidentEvent::Opened, "anna@example.com", start())
}

#[tokio::test]
async fn a_mail_goes_by_the_first_server_as_long_as_it_works() {
    let (first, second, ways) = servers().await;
    for late in [Duration::ZERO, AFTER, AFTER * 10] {
        assert!(matches!(ways.send(&mail("i1"), late).await, Delivery::Accepted(_)));
    }
    assert_eq!((first.taken_count(), second.connects()), (3, 0));
}

#[tokio::test]
async fn a_mail_goes_by_the_second_server_once_the_first_has_not_taken_it_for_long_enough() {
    let (first, second, ways) = servers().await;
    first.fault(Step::Connect, Fault::Close);
    let almost = AFTER - Duration::from_millis(1);
    assert!(matches!(ways.send(&mail("i1"), almost).await, Delivery::Transient(_)));
    assert_eq!(second.connects(), 0, "the first is given its time");
    let Delivery::Accepted(words) = ways.send(&mail("i1"), AFTER).await else { panic!() };
    assert_eq!(words, "250 2.0.0 taken (by the fallback)");
    assert_eq!(second.taken()[0].message_id, mail("i1").message_id, "a copy could be recognised");
    assert_eq!(first.connects(), 1, "a server that is known to be down is left alone for a while");
    assert_eq!(ways.second_way_after(), Some(AFTER));
}

#[tokio::test]
async fn a_mail_that_only_one_server_puts_off_goes_by_the_other() {
    let (first, second, ways) = servers().await;
    first.answer_recipient("anna@example.com", "451 4.7.1 later");
    assert!(matches!(ways.send(&mail("i1"), Duration::ZERO).await, Delivery::Deferred(_)));
    assert!(matches!(ways.send(&mail("i1"), AFTER).await, Delivery::Accepted(_)));
    assert_eq!((first.taken_count(), second.taken_count()), (0, 1));
}

#[tokio::test]
async fn whom_the_first_server_refuses_for_good_is_not_tried_by_the_second() {
    let (first, second, ways) = servers().await;
    first.answer_recipient("anna@example.com", "550 5.1.1 no such user");
    assert!(matches!(ways.send(&mail("i1"), AFTER).await, Delivery::Permanent(_)));
    assert_eq!(second.connects(), 0);
}

#[tokio::test]
async fn whom_only_the_second_server_refuses_is_still_tried_by_the_first() {
    let (first, second, ways) = servers().await;
    first.fault(Step::Connect, Fault::Close);
    second.answer_recipient("anna@example.com", "550 5.1.1 no such user here");
    let Delivery::Deferred(words) = ways.send(&mail("i1"), AFTER).await else { panic!() };
    assert!(words.contains("; fallback ") && words.contains("no such user here"), "{words}");
}

#[tokio::test]
async fn two_servers_that_are_down_are_a_route_that_is_down() {
    let (first, second, ways) = servers().await;
    first.fault(Step::Connect, Fault::Close);
    second.fault(Step::Connect, Fault::say("421 closing"));
    let Delivery::Transient(words) = ways.send(&mail("i1"), AFTER).await else { panic!() };
    assert!(words.contains("; fallback ") && words.contains("421 closing"), "{words}");
    first.mend();
    // While it is known to be down it is left alone; the mail waits for either.
    assert!(matches!(ways.send(&mail("i1"), AFTER).await, Delivery::Transient(_)));
    second.mend();
    assert!(matches!(ways.send(&mail("i1"), AFTER).await, Delivery::Accepted(_)));
    assert_eq!((first.taken_count(), second.taken_count()), (0, 1));
}

/// The mail that says that mails by a server are lost.
fn lost(by: MailWay) -> Notification {
    let mut mail = notification("i1", IncidentEvent::Canary, "anna@example.com", start());
    mail.content.facts.canary = Some(CanaryFacts { by, why: "it is not in its mailbox".to_owned() });
    mail
}

#[tokio::test]
async fn that_mails_by_the_first_server_are_lost_goes_by_the_second_though_the_first_would_take_it() {
    let (first, second, ways) = servers().await;
    let Delivery::Accepted(words) = ways.send(&lost(MailWay::First), Duration::ZERO).await else { panic!() };
    assert_eq!(words, "250 2.0.0 taken (by the fallback)");
    assert_eq!((first.connects(), second.taken_count()), (0, 1));
    assert!(matches!(ways.send(&lost(MailWay::Fallback), Duration::ZERO).await, Delivery::Accepted(_)));
    assert_eq!(
        (first.taken_count(), second.taken_count()),
        (1, 1),
        "what is lost by the second goes by the first"
    );
    let mut back = lost(MailWay::First);
    back.content.facts.resolved_at = Some(start());
    assert!(matches!(ways.send(&back, Duration::ZERO).await, Delivery::Accepted(_)));
    assert_eq!((first.taken_count(), second.taken_count()), (2, 1));
}

#[tokio::test]
async fn that_mails_by_the_first_server_are_lost_waits_for_the_second_and_goes_by_the_first_in_the_end() {
    let (first, second, ways) = servers().await;
    second.fault(Step::Connect, Fault::Close);
    assert!(matches!(
        ways.send(&lost(MailWay::First), Duration::from_secs(899)).await,
        Delivery::Deferred(_)
    ));
    assert_eq!(first.connects(), 0);
    assert!(matches!(
        ways.send(&lost(MailWay::First), Duration::from_secs(900)).await,
        Delivery::Accepted(_)
    ));
    assert_eq!(first.taken_count(), 1);
}
