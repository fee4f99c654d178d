//! One mail to several people: all of them stand in it, and one wrong address harms nobody else.

use std::time::Duration;

use lamplighter::{
    domain::{incident::IncidentEvent, notification::Notification},
    notify::{
        Delivery, Notifier,
        mail::{Limits, MailRoute, MailSecurity, MailServer},
    },
};
use mail_parser::MessageParser;

use crate::{
    samples::{notification, start},
    smtp_sink::{Protection, Sink},
};

const TOGETHER: &str = "Anna <anna@example.com>, bert@example.com; cc: lead@example.com";

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

fn mail() -> Notification {
    notification("i1", IncidentEvent::Opened, TOGETHER, start())
}

async fn send(route: &MailRoute) -> Delivery {
    route.send(&mail(), Duration::ZERO).await
}

#[tokio::test]
async fn one_mail_goes_to_all_of_them_and_says_so() {
    let sink = Sink::start(Protection::None).await;
    assert!(matches!(send(&route(&sink)).await, Delivery::Accepted(_)));
    let taken = sink.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, "anna@example.com, bert@example.com, lead@example.com");
    let mail = MessageParser::default().parse(&taken[0].data).unwrap();
    let names = |address: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        address.unwrap().iter().map(|one| one.address().unwrap().to_owned()).collect()
    };
    assert_eq!(names(mail.to()), ["anna@example.com", "bert@example.com"]);
    assert_eq!(names(mail.cc()), ["lead@example.com"]);
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test]
async fn a_wrong_address_among_several_harms_nobody_else_and_is_told() {
    let sink = Sink::start(Protection::None).await;
    sink.answer_recipient("bert@example.com", "550 5.1.1 no such user");
    let Delivery::Permanent(words) = send(&route(&sink)).await else { panic!() };
    assert_eq!(words, "not taken for bert@example.com: RCPT TO: the server said 550 5.1.1 no such user");
    assert_eq!(sink.taken()[0].to, "anna@example.com, lead@example.com");
}

#[tokio::test]
async fn who_has_a_mail_does_not_have_it_again_while_others_wait_for_it() {
    let sink = Sink::start(Protection::None).await;
    let route = route(&sink);
    sink.answer_recipient("lead@example.com", "451 4.7.1 later");
    for _ in 0..2 {
        assert!(matches!(send(&route).await, Delivery::Deferred(_)));
    }
    sink.answer_recipient("lead@example.com", "250 ok");
    assert!(matches!(send(&route).await, Delivery::Accepted(_)));
    let taken: Vec<_> = sink.taken().into_iter().map(|mail| (mail.to, mail.message_id)).collect();
    let [(first, id), (second, same_id)] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!(first, "anna@example.com, bert@example.com");
    assert_eq!(second, "lead@example.com");
    assert_eq!(id, same_id);
}

#[tokio::test]
async fn nobody_has_it_where_all_are_refused_and_the_connection_is_still_good() {
    let sink = Sink::start(Protection::None).await;
    let route = route(&sink);
    for who in ["anna", "bert", "lead"] {
        sink.answer_recipient(&format!("{who}@example.com"), "451 4.7.1 later");
    }
    assert!(matches!(send(&route).await, Delivery::Deferred(_)));
    let other = notification("i2", IncidentEvent::Opened, "carl@example.com", start());
    assert!(matches!(route.send(&other, Duration::ZERO).await, Delivery::Accepted(_)));
    assert_eq!(sink.taken().iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["carl@example.com"]);
    assert_eq!(sink.connects(), 1);
}
