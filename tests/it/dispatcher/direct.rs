//! What is sent past the outbox while the store takes nothing, and what becomes of it when the store works again.

use std::time::Duration;

use lamplighter::domain::incident::IncidentEvent;
use tokio::time::{Instant, sleep};

use super::{ANNA, BERT, HOUR, House, MINUTE, Mode, Played};
use crate::samples::notification;

impl House {
    /// Hands a notification over past the store.
    async fn hand_over(&self, incident: &str, event: IncidentEvent, recipient: &str) {
        let one = notification(incident, event, recipient, self.clock.now());
        self.direct.send(one).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_leaves_at_once_without_the_store_and_once() {
    let house = House::with(Played::default());
    sleep(Duration::from_secs(7)).await;
    // Nothing can be read or written.
    let other = rusqlite::Connection::open(&house.path).unwrap();
    other.execute_batch("ALTER TABLE outbox RENAME TO hidden").unwrap();
    let handed = Instant::now();
    for recipient in [ANNA, BERT, ANNA] {
        house.hand_over("i1", IncidentEvent::Opened, recipient).await;
    }
    sleep(MINUTE).await;
    let taken = house.server.taken();
    assert_eq!(taken.len(), 2, "a Message-ID is sent once");
    assert!(taken.iter().all(|(at, _, _)| *at - handed < Duration::from_secs(1)));

    other.execute_batch("ALTER TABLE hidden RENAME TO outbox").unwrap();
    house.tell("i1", IncidentEvent::Opened, &[ANNA, BERT]).await;
    sleep(MINUTE).await;
    assert_eq!(house.server.taken().len(), 2, "what was sent is marked and not sent again");
    assert_eq!(house.pending().await, 0);
    let answers: i64 = other
        .query_row(
            "SELECT count(*) FROM outbox WHERE status = 'delivered' AND answer = '250 ok'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(answers, 2);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_tried_again_in_order_while_it_is_in_memory() {
    let house = House::with(Played::default());
    house.server.set(Mode::Refuse);
    house.hand_over("i1", IncidentEvent::Opened, ANNA).await;
    house.hand_over("i1", IncidentEvent::Resolved, ANNA).await;
    sleep(HOUR).await;
    assert_eq!(house.server.taken().len(), 0);
    let connects = house.server.connects.lock().unwrap().clone();
    assert!((100..=130).contains(&connects.len()), "{} in an hour", connects.len());
    house.server.set(Mode::Up);
    sleep(MINUTE).await;
    let events: Vec<IncidentEvent> = house.server.taken().iter().map(|(_, mail, _)| mail.event).collect();
    assert_eq!(events, [IncidentEvent::Opened, IncidentEvent::Resolved]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_the_outbox_before_it_was_sent_is_sent_by_it_alone() {
    let house = House::with(Played::default());
    house.server.set(Mode::Later);
    house.hand_over("i1", IncidentEvent::Opened, ANNA).await;
    sleep(Duration::from_secs(2)).await;
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(Duration::from_secs(1)).await;
    house.server.set(Mode::Up);
    sleep(HOUR).await;
    assert_eq!(house.server.taken().len(), 1);
    assert_eq!(house.pending().await, 0);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_does_not_exist_is_given_up_and_marked_so() {
    let house = House::with(Played { unknown: vec![ANNA], ..Played::default() });
    house.hand_over("i1", IncidentEvent::Opened, ANNA).await;
    sleep(MINUTE).await;
    assert_eq!(house.counted("refused"), 1);
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(MINUTE).await;
    assert_eq!((house.counted("refused"), house.pending().await), (1, 0));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_holds_nothing_up() {
    let house = House::with(Played::default());
    sleep(Duration::from_secs(1)).await;
    let other = rusqlite::Connection::open(&house.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    house.hand_over("i1", IncidentEvent::Opened, ANNA).await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(house.server.taken().len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    house.end().await;
}
