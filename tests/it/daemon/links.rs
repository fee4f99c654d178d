//! The links by which incidents are acknowledged, through a running daemon: what leaves has one, and whoever presses the
//! button ends what would have followed.

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Body, http::Request};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use lamplighter::{config::plan::Plan, secret::Secret};

use super::{
    stage::{Door, Play, PlayedDoor, doors, pass},
    telling::with_ladder,
};

const TOKEN: &str = "a-token-of-some-length";
const URL: &str = "https://lamplighter.example.com/";

fn with_links(
    doors: &BTreeMap<&'static str, Arc<PlayedDoor>>,
    token: Option<&str>,
    url: Option<&str>,
) -> Plan {
    let mut plan = with_ladder(doors);
    plan.api_token = token.map(|token| Secret::new(token.to_owned()));
    plan.public_url = url.map(str::to_owned);
    plan
}

/// Presses the button behind a link; the status of the page that follows.
async fn press(play: &Play, link: &str, by: &str) -> u16 {
    let path = format!("/{}", link.strip_prefix(URL).unwrap());
    let request = Request::post(path).body(Body::from(format!("by={by}"))).unwrap();
    let pages = TowerToHyperService::new(play.daemon.router());
    pages.call(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn who_presses_the_button_ends_what_would_have_followed_for_that_incident_alone() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let plan = || with_links(&doors, Some(TOKEN), Some(URL));
    let play = Play::start(plan(), directory.path()).await;
    pass(120).await;
    doors["chat"].set(Door::Fails);
    pass(120).await;
    let first = play.mailbox.links().pop().unwrap().expect("it has a link");
    assert_eq!(press(&play, &first, "Anna").await, 200);
    assert_eq!(press(&play, &first, "Bert").await, 409);
    pass(5 * 60 * 60).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    pass(2 * 60 * 60).await;
    let play = Play::resume(plan(), directory.path(), mailbox, clock).await;
    assert_eq!(press(&play, &first, "Bert").await, 409, "it is known after a restart");
    doors["hotline"].set(Door::Fails);
    pass(18 * 60).await;
    assert_eq!(play.mailbox.news()[1..], ["opened hotline", "escalated hotline"]);
    doors.values().for_each(|door| door.set(Door::Works));
    pass(120).await;
    assert_eq!(press(&play, &first, "Bert").await, 410);
    let told = play.mailbox.news().len();
    doors["chat"].set(Door::Fails);
    pass(18 * 60).await;
    assert_eq!(play.mailbox.news()[told..], ["opened chat", "escalated chat"], "a new one begins anew");
    let second = play.mailbox.links().pop().unwrap().expect("and has a link of its own");
    assert_ne!(first, second);
    assert_eq!(press(&play, &first, "Bert").await, 410);
    assert_eq!(press(&play, &second, "Bert").await, 200);
    let told = play.mailbox.news().len();
    pass(2 * 60 * 60).await;
    assert_eq!(play.mailbox.news()[told..], [""; 0]);
    let texts = play.mailbox.texts();
    assert!(texts.iter().any(|text| text.contains("Acknowledged by Anna at ")), "{texts:?}");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_lasts_leaves_with_a_link_that_nothing_keeps_and_that_is_the_same_after_a_restart() {
    let (token, url) = (Some(TOKEN), Some(URL));
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(with_links(&doors, token, url), directory.path()).await;
    pass(120).await;
    doors["chat"].set(Door::Fails);
    pass(120).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let links = mailbox.links();
    let first = links[0].clone().expect("the mail about the outage has a link");
    assert!(mailbox.texts()[0].contains(&format!("\nAcknowledge this incident\n  {first}\n")));
    for file in std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let kept = std::fs::read(&file).unwrap_or_default();
        let holds = kept.windows(12).any(|window| window == b"/acknowledge");
        assert!(!holds, "{}", file.display());
    }
    let play = Play::resume(with_links(&doors, token, url), directory.path(), mailbox, clock).await;
    pass(16 * 60).await;
    assert_eq!(play.mailbox.links()[1], Some(first.clone()), "the escalation");
    play.daemon.adopt(with_links(&doors, Some("another-token"), url));
    pass(60 * 60).await;
    let reminders = play.mailbox.links().split_off(2);
    assert!(
        reminders.len() == 2 && reminders.iter().all(|link| link.is_some() && *link != Some(first.clone()))
    );
    for (token, url) in [(None, url), (token, None)] {
        let before = play.mailbox.links().len();
        play.daemon.adopt(with_links(&doors, token, url));
        pass(3 * 60 * 60).await;
        let later = play.mailbox.links().split_off(before);
        assert!(!later.is_empty() && later.iter().all(Option::is_none), "{later:?}");
    }
    play.daemon.adopt(with_links(&doors, token, url));
    let before = play.mailbox.links().len();
    doors["chat"].set(Door::Works);
    pass(120).await;
    assert_eq!(play.mailbox.links().split_off(before), [None, None], "it is over");
    play.end().await;
}
