//! The demo, end to end: the real program, the real daemon in it, and real Chromium in front.

mod browser;
pub(crate) mod process;

use std::time::Duration;

use serde_json::{Value, json};

use self::process::Demo;

/// How long anything may take that takes seconds on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to break, how, and with which reason the channel goes dark.
const BREAKS: [(&str, &str, &str); 3] =
    [("web-chat", "grey", "disabled"), ("hotline", "busy", "busy"), ("ticket-form", "drop", "lost")];

/// Asks until the answer is there; never forever.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let asking = async {
        loop {
            pace.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    let Ok(answer) = tokio::time::timeout(PATIENCE, asking).await else {
        panic!("not within {PATIENCE:?}: {what}")
    };
    answer
}

async fn state_of(demo: &Demo, channel: &str) -> Value {
    let state = demo.get("/demo/state.json").await;
    let channels = state["channels"].as_array().unwrap();
    channels
        .iter()
        .find(|found| found["id"] == channel)
        .unwrap_or_else(|| panic!("no {channel} in {state}"))
        .clone()
}

async fn until_state(demo: &Demo, channel: &str, state: &str) -> Value {
    let what = format!("{channel} is {state}");
    eventually(&what, async || Some(state_of(demo, channel).await).filter(|view| view["state"] == state))
        .await
}

/// The mails about a channel whose subject has a word.
async fn mails_with(demo: &Demo, channel: &str, word: &str) -> Vec<Value> {
    let title = state_of(demo, channel).await["title"].as_str().unwrap().to_owned();
    let mails = demo.get("/demo/mails.json").await;
    let has = |mail: &&Value, text: &str| mail["subject"].as_str().unwrap().to_lowercase().contains(text);
    let title = title.to_lowercase();
    mails.as_array().unwrap().iter().filter(|mail| has(mail, &title) && has(mail, word)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_door_can_be_broken_and_mended_by_script_and_the_mails_arrive() {
    let demo = Demo::start().await;
    for (channel, _, _) in BREAKS {
        until_state(&demo, channel, "up").await;
    }
    for (channel, how, reason) in BREAKS {
        demo.post("/demo/break", &json!({ "channel": channel, "how": how })).await;
        let view = until_state(&demo, channel, "dark").await;
        assert_eq!(view["failure"]["reason"], reason, "{view}");
        assert_eq!(view["fault"], how);
    }
    for (channel, _, _) in BREAKS {
        let what = format!("the mail about {channel}");
        let outage =
            eventually(&what, async || mails_with(&demo, channel, "dark").await.into_iter().next()).await;
        assert!(outage["text"].as_str().unwrap().len() > 100 && outage["html"].as_str().unwrap().len() > 100);
        demo.post("/demo/mend", &json!({ "channel": channel })).await;
    }
    for (channel, _, _) in BREAKS {
        until_state(&demo, channel, "up").await;
        let what = format!("the recovery mail about {channel}");
        eventually(&what, async || mails_with(&demo, channel, "up").await.into_iter().next()).await;
    }
    let metrics = demo.text("/metrics").await;
    assert!(metrics.contains("support_channel_up{channel=\"hotline\"} 1"), "{metrics}");
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_shows_slowness_errors_and_silence_for_what_they_are() {
    let demo = Demo::start().await;
    for (how, state, reason) in
        [("slow", "degraded", "too_slow"), ("500", "dark", "status"), ("hang", "dark", "first_byte_timeout")]
    {
        for (channel, _, _) in BREAKS {
            demo.post("/demo/break", &json!({ "channel": channel, "how": how })).await;
        }
        for (channel, _, _) in BREAKS {
            let what = format!("{channel} is {state} by {reason}");
            let is_so = |view: &Value| view["state"] == state && view["failure"]["reason"] == reason;
            eventually(&what, async || Some(state_of(&demo, channel).await).filter(is_so)).await;
        }
    }
    demo.post("/demo/break", &json!({ "channel": "hotline", "how": "queue" })).await;
    let queued = |view: &Value| view["failure"]["reason"] == "queue_timeout";
    eventually("the queue", async || Some(state_of(&demo, "hotline").await).filter(queued)).await;
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_refuses_new_accounts_queues_without_end_and_has_a_bot_without_a_way_out() {
    let demo = Demo::start().await;
    until_state(&demo, "web-chat", "up").await;
    demo.post("/demo/break", &json!({ "channel": "web-chat", "how": "refuse" })).await;
    let view = until_state(&demo, "web-chat", "degraded").await;
    assert_eq!(view["failure"]["reason"], "restricted", "{view}");
    assert!(
        view["failure"]["detail"].as_str().unwrap().starts_with("only new-account, while guest is served")
    );
    for (how, reason) in [("queue", "queue_timeout"), ("loop", "bot_only")] {
        demo.post("/demo/break", &json!({ "channel": "web-chat", "how": how })).await;
        let is_so = |view: &Value| view["state"] == "dark" && view["failure"]["reason"] == reason;
        eventually(reason, async || Some(state_of(&demo, "web-chat").await).filter(is_so)).await;
    }
    demo.post("/demo/mend", &json!({ "channel": "web-chat" })).await;
    until_state(&demo, "web-chat", "up").await;
    let metrics = demo.text("/metrics").await;
    assert!(metrics.contains(
        "support_first_response_seconds_count{channel=\"web-chat\",probe=\"person\",responder=\"person\"}"
    ));
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test]
async fn without_chromium_the_demo_says_what_it_skips() {
    let demo = Demo::start().await;
    let state = demo.get("/demo/state.json").await;
    let skipped = state["skipped"].as_str().expect("it skips something");
    assert!(skipped.contains("\"cover\"") && skipped.contains("apt-get install chromium"), "{skipped}");
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_is_looked_at_in_a_browser_and_the_mail_shows_what_covers_the_button() {
    let demo = Demo::start_with_chromium().await;
    assert_eq!(demo.get("/demo/state.json").await["skipped"], Value::Null);
    until_state(&demo, "web-chat", "up").await;
    demo.post("/demo/break", &json!({ "channel": "web-chat", "how": "cover" })).await;
    let view = until_state(&demo, "web-chat", "dark").await;
    assert_eq!(view["failure"]["reason"], "obscured", "{view}");
    let detail = view["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("the consent banner <div id=\"cookies\">"), "{detail}");
    let mail =
        eventually("the mail", async || mails_with(&demo, "web-chat", "dark").await.into_iter().next()).await;
    assert!(mail["html"].as_str().unwrap().contains("src=\"data:image/jpeg;base64,"), "{}", mail["html"]);
    demo.post("/demo/break", &json!({ "channel": "web-chat", "how": "far" })).await;
    let is_far = |view: &Value| view["state"] == "degraded" && view["failure"]["reason"] == "too_many_steps";
    let what = "a person five steps away";
    eventually(what, async || Some(state_of(&demo, "web-chat").await).filter(is_far)).await;
    let metrics = demo.text("/metrics").await;
    assert!(
        metrics.contains("support_steps_to_person{channel=\"web-chat\",probe=\"customer\"} 5"),
        "{metrics}"
    );
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test]
async fn the_lines_of_the_page_on_the_demo_can_be_typed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/demo.md")).unwrap();
    let lines: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    curl ")).collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let demo = Demo::start().await;
    for line in lines {
        let line = line.replace("http://127.0.0.1:9898", &demo.address);
        let typed = format!("curl --silent --show-error --fail {line}");
        let output = tokio::process::Command::new("bash").args(["-c", &typed]).output().await.unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{line}");
        if line.contains("/demo/break") {
            assert_eq!(state_of(&demo, "hotline").await["fault"], "hang");
        }
    }
    assert_eq!(state_of(&demo, "hotline").await["fault"], Value::Null, "the last line but one mends it");
    demo.stop_and_leave_nothing_behind().await;
}

#[tokio::test]
async fn a_switch_that_is_not_there_is_refused_with_those_that_are() {
    let demo = Demo::start().await;
    let refused = demo.post_refused("/demo/break", &json!({ "channel": "web-chat", "how": "drop" })).await;
    assert_eq!(
        refused,
        json!({ "error": "web-chat can be broken by: grey, cover, far, refuse, queue, loop, hang, 500, slow" })
    );
    let refused = demo.post_refused("/demo/break", &json!({ "channel": "fax", "how": "hang" })).await;
    assert!(refused["error"].as_str().unwrap().contains("`web-chat`"), "{refused}");
    demo.stop_and_leave_nothing_behind().await;
}
