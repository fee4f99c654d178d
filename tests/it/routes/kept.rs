//! What the outbox keeps for machines: whole facts, by endpoint, also where an earlier version has left none.

use lamplighter::{
    domain::{
        decision::Decision,
        evaluation::State,
        incident::{IncidentEvent, Told},
        notification::{Recipient, Route, Way},
    },
    store::Store,
};

use crate::{
    mails::situations::Situation,
    samples::{decision, start},
};

fn webhook(id: &str) -> Recipient {
    Recipient { route: Route::Webhook, address: id.to_owned() }
}

fn opened() -> Decision {
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
    store.commit(vec![opened.clone()]).await.unwrap();
    let now = opened.notifications[0].created_at;
    for notification in &opened.notifications {
        let way = Way::to(notification.route, &notification.recipient);
        let due = store.due(way.clone(), now, 10).await.unwrap();
        let kept: Vec<_> = due.iter().map(|due| &due.notification).collect();
        assert_eq!(kept, [notification], "{way}");
    }
    let ids: std::collections::BTreeSet<_> =
        opened.notifications.iter().map(|notification| &notification.message_id).collect();
    assert_eq!(ids.len(), 3, "the same id on two routes is two recipients");
}

#[tokio::test]
async fn what_an_earlier_version_has_left_is_told_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    let store = Store::open(&path).unwrap();
    let to = ["anna@example.com"];
    store.commit(vec![decision("web-chat", "i1", IncidentEvent::Opened, &to, start())]).await.unwrap();
    let earlier = rusqlite::Connection::open(&path).unwrap();
    earlier.execute("UPDATE outbox SET facts = NULL", []).unwrap();
    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    let facts = &due[0].notification.content.facts;
    assert_eq!((facts.incident.0.as_str(), facts.event), ("i1", IncidentEvent::Opened));
    assert_eq!(facts.channels, []);

    let told: Told = serde_json::from_str(r#"{"recipient":"anna@example.com","message_id":"i1@x"}"#).unwrap();
    assert_eq!(told.route, Route::Mail);
    assert!(told.is(&Recipient::mail("anna@example.com")) && !told.is(&webhook("anna@example.com")));
}

#[tokio::test]
async fn what_an_alertmanager_was_told_last_of_an_open_incident_stands_until_it_is_resolved() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
    let way = Way::to(Route::Alertmanager, "main");
    let opened = opened();
    let now = opened.notifications[0].created_at;
    store.commit(vec![opened.clone()]).await.unwrap();
    assert_eq!(store.standing("main", 10).await.unwrap(), [], "it has not been told yet");
    let due = store.due(way.clone(), now, 10).await.unwrap();
    store.delivered(due[0].id, now, "200".to_owned()).await.unwrap();
    let standing = store.standing("main", 10).await.unwrap();
    assert_eq!(standing, [due[0].notification.clone()]);
    assert_eq!(store.standing("another", 10).await.unwrap(), []);

    let resolved = Situation::chat().followed(opened.incident.as_ref().unwrap(), State::Up, 780);
    store.commit(vec![resolved]).await.unwrap();
    assert_eq!(store.standing("main", 10).await.unwrap(), []);
}
