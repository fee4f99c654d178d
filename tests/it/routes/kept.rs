//! What the outbox keeps for machines: whole facts, by endpoint, also where an earlier version has left none.

use lamplighter::{
    domain::{
        case::Told,
        evaluation::State,
        incident::IncidentEvent,
        notification::{Recipient, Route, Way},
    },
    store::Store,
};

use crate::{
    mails::situations::{Situation, Story},
    samples::{commit, decision, start},
};

fn webhook(id: &str) -> Recipient {
    Recipient { route: Route::Webhook, address: id.to_owned() }
}

fn opened() -> Story {
    let recipients = vec![
        webhook("main"),
        Recipient { route: Route::Alertmanager, address: "main".to_owned() },
        webhook("other"),
    ];
    Situation { recipients, ..Situation::chat() }.opened(State::Dark)
}

#[tokio::test]
async fn each_endpoint_has_its_own_part_of_the_outbox_with_all_facts() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
    let opened = opened();
    opened.commit(&store).await;
    let now = opened.announcement.notifications[0].created_at;
    for notification in &opened.announcement.notifications {
        let way = Way::to(notification.route, &notification.recipient);
        let due = store.due(way.clone(), now, 10).await.unwrap();
        let kept: Vec<_> = due.iter().map(|due| &due.notification).collect();
        assert_eq!(kept, [notification], "{way}");
    }
    let ids: std::collections::BTreeSet<_> =
        opened.announcement.notifications.iter().map(|notification| &notification.message_id).collect();
    assert_eq!(ids.len(), 3, "the same id on two routes is two recipients");
}

#[tokio::test]
async fn what_an_earlier_version_has_left_is_told_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    let store = Store::open(&path).unwrap();
    let to = ["anna@example.com"];
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &to).await.unwrap();
    let earlier = rusqlite::Connection::open(&path).unwrap();
    earlier.execute("UPDATE outbox SET facts = NULL", []).unwrap();
    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    let facts = &due[0].notification.content.facts;
    assert_eq!((facts.incident.0.as_str(), facts.event), ("i1", IncidentEvent::Opened));
    assert_eq!(facts.channels, []);

    let told: Told = serde_json::from_str(r#"{"recipient":"anna@example.com","message_id":"i1@x"}"#).unwrap();
    assert_eq!(told.route, Route::Mail);
    assert_eq!(told.recipient(), Recipient::mail("anna@example.com"));
}

#[tokio::test]
async fn what_an_alertmanager_was_told_last_of_an_open_incident_stands_until_it_is_resolved() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
    let way = Way::to(Route::Alertmanager, "main");
    let opened = opened();
    let now = opened.announcement.notifications[0].created_at;
    opened.commit(&store).await;
    assert_eq!(store.standing("main", 10).await.unwrap(), [], "it has not been told yet");
    let due = store.due(way.clone(), now, 10).await.unwrap();
    store.delivered(due[0].id, now, "200".to_owned()).await.unwrap();
    let standing = store.standing("main", 10).await.unwrap();
    assert_eq!(standing, [due[0].notification.clone()]);
    assert_eq!(store.standing("another", 10).await.unwrap(), []);

    let resolved = Situation::chat().followed(&opened, State::Up, 780);
    resolved.commit(&store).await;
    assert_eq!(store.standing("main", 10).await.unwrap(), []);
}
