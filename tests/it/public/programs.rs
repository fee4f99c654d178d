//! What programs for status pages are told of every condition, and of what is over, under way or yet to come.

use super::*;

/// A page with one door in each of these conditions.
fn with(conditions: &[Condition]) -> PublicView {
    let mut all = view("Chat");
    let door = all.doors.remove(0);
    all.doors = (1..)
        .zip(conditions)
        .map(|(number, condition)| PublicDoor {
            id: ChannelId::new(&format!("door-{number}")),
            condition: *condition,
            outages: Vec::new(),
            ..door.clone()
        })
        .collect();
    all
}

async fn told(view: PublicView, path: &str) -> Value {
    let serving = serving(view).await;
    ask(&serving.base, &format!("/api/v2/{path}.json")).await.1.parse().unwrap()
}

#[tokio::test]
async fn each_condition_has_its_word_and_the_worst_is_that_of_the_whole() {
    use Condition::{Closed, Dark, Degraded, Maintenance, Unknown, Up};
    for (conditions, words, indicator) in [
        (&[Up, Closed, Unknown][..], &["operational", "operational", "operational"][..], "none"),
        (&[Up, Maintenance], &["operational", "under_maintenance"], "maintenance"),
        (
            &[Up, Degraded, Maintenance],
            &["operational", "degraded_performance", "under_maintenance"],
            "minor",
        ),
        (&[Dark, Degraded], &["major_outage", "degraded_performance"], "major"),
        (&[Dark, Dark], &["major_outage", "major_outage"], "critical"),
        (&[], &[], "none"),
    ] {
        let summary = told(with(conditions), "summary").await;
        let components = summary["components"].as_array().unwrap();
        let found: Vec<_> = components.iter().map(|it| it["status"].as_str().unwrap()).collect();
        assert_eq!(
            (found, &summary["status"]["indicator"]),
            (words.to_vec(), &Value::from(indicator)),
            "{conditions:?}"
        );
    }
    let components = told(with(&[Closed, Unknown]), "components").await;
    let described =
        [0, 1].map(|place| components["components"][place]["description"].as_str().unwrap().to_owned());
    assert_eq!(described, ["Closed outside its hours.", "Not known at present."]);
}

#[tokio::test]
async fn what_is_over_is_resolved_and_only_what_works_is_said_to_work() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let outage = |from: &str, end: Option<(&str, Condition)>| Outage {
        from: at(from),
        end: end.map(|(end, into)| OutageEnd { at: at(end), into }),
        severity: Severity::Dark,
        worst_from: at(from),
    };
    let mut view = with(&[Condition::Dark]);
    view.doors[0].outages = vec![
        outage("2026-11-01T10:00:00Z", Some(("2026-11-01T11:00:00Z", Condition::Up))),
        outage("2026-11-02T10:00:00Z", Some(("2026-11-02T11:00:00Z", Condition::Closed))),
        outage("2026-11-03T10:00:00Z", Some(("2026-11-03T11:00:00Z", Condition::Maintenance))),
        outage("2026-11-21T11:00:00Z", None),
    ];
    let all = told(view.clone(), "incidents").await;
    let all: Vec<_> = all["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["status"].as_str().unwrap(), it["incident_updates"][0]["body"].as_str().unwrap()))
        .collect();
    let instead = "Chat does not work. It is known and worked on. Chat";
    assert_eq!(
        all,
        [
            ("investigating", instead),
            ("resolved", "Chat is under maintenance, after 1 h."),
            ("resolved", "Chat is closed, after 1 h."),
            ("resolved", "Chat works again, after 1 h."),
        ]
    );
    let unresolved = told(view.clone(), "incidents/unresolved").await;
    let started = unresolved["incidents"].as_array().unwrap().iter().map(|it| &it["started_at"]);
    assert_eq!(started.collect::<Vec<_>>(), ["2026-11-21T11:00:00Z"]);
    let (_, feed) = ask(&serving(view).await.base, "/feed.atom").await;
    for title in ["Chat does not work", "Chat is under maintenance", "Chat is closed", "Chat works again"] {
        assert_eq!(feed.matches(&format!("<title>{title}</title>")).count(), 1, "{title}: {feed}");
    }
}

#[tokio::test]
async fn maintenance_is_under_way_or_to_come_and_was_announced_whenever_that_is_asked() {
    let mut view = view("Chat");
    let planned = view.maintenance[0].clone();
    let active = PublicWindow {
        id: "now".to_owned(),
        from: "2026-11-21T11:30:00Z".parse().unwrap(),
        is_active: true,
        ..planned.clone()
    };
    view.maintenance.insert(0, active);
    for (path, expected) in [
        ("scheduled-maintenances", vec![("in_progress", "11:30"), ("scheduled", "02:00")]),
        ("scheduled-maintenances/active", vec![("in_progress", "11:30")]),
        ("scheduled-maintenances/upcoming", vec![("scheduled", "02:00")]),
    ] {
        let windows = told(view.clone(), path).await;
        let windows: Vec<_> = windows["scheduled_maintenances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["status"].as_str().unwrap(), &it["scheduled_for"].as_str().unwrap()[11..16]))
            .collect();
        assert_eq!(windows, expected, "{path}");
    }
    let entries = async |view: &PublicView| ask(&serving(view.clone()).await.base, "/feed.atom").await.1;
    let before = entries(&view).await;
    view.at += Duration::from_secs(60);
    assert_eq!(entries(&view).await, before, "nothing is announced twice");
    view.at = planned.from - Duration::from_secs(8 * 24 * 60 * 60);
    view.doors[0].outages.clear();
    assert!(!entries(&view).await.contains("<entry>"), "nothing is announced more than a week ahead");
}
