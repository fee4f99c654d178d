//! Which doors the running program offers to customers of one that does not open, as a shop's app asks for them.

use serde_json::Value;

use crate::running::{Running, Target, until};

/// A chat that is broken, beside doors that work: on the same host, on another that answers, on one of a broken CRM, and one
/// that is closed.
fn config(target: &Target) -> String {
    let port = target.address.port();
    let channel = |id: &str, more: &str, host: &str, path: &str| {
        format!(
            "[channel.{id}]\nkind = \"chat\"\ntitle = \"The {id}\"\n{more}\n\
             [channel.{id}.probe.door]\nevery = \"200ms\"\nhttp = {{ url = \"http://{host}:{port}/{path}\" }}\n"
        )
    };
    [
        "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
        format!(
            "[dependency.crm.probe.health]\nevery = \"200ms\"\nhttp = {{ url = \"http://127.0.0.9:{port}/broken\" }}\n"
        ),
        channel("chat", "", "127.0.0.1", "broken"),
        channel("beside", "", "127.0.0.1", "ok"),
        channel("form", "", "127.0.0.2", "ok"),
        channel("portal", "depends_on = [\"crm\"]", "127.0.0.3", "ok"),
        channel("closed", "hours = \"Mon 00:00-00:01 UTC\"\nholidays = []", "127.0.0.4", "ok"),
    ]
    .concat()
}

async fn ask(running: &Running, of: &str) -> Value {
    serde_json::from_str(&running.get(&format!("/api/v1/alternatives?for={of}")).await).unwrap()
}

#[tokio::test]
async fn customers_are_sent_only_to_doors_that_are_seen_to_open() {
    let target = Target::start_everywhere().await;
    let running = Running::start(&config(&target), &[]).await;
    until("the chat and the CRM are dark", async || {
        running.sum("support_channel_state{channel=\"chat\",state=\"dark\"}").await == 1.0
            && running.sum("support_channel_state{channel=\"crm\",state=\"dark\"}").await == 1.0
            && running.sum("support_channel_state{channel=\"form\",state=\"up\"}").await == 1.0
    })
    .await;
    let answer = ask(&running, "chat").await;
    assert_eq!((&answer["for"], &answer["state"]), (&"chat".into(), &"dark".into()));
    let offered: Vec<&str> =
        answer["alternatives"].as_array().unwrap().iter().map(|door| door["id"].as_str().unwrap()).collect();
    assert_eq!(offered, ["form"], "{answer}");
    let door = &answer["alternatives"][0];
    assert_eq!((&door["title"], &door["kind"]), (&"The form".into(), &"chat".into()));
    assert!(door["proven_at"].as_str().unwrap().ends_with('Z'), "{door}");
    for (language, words) in [
        ("en", "This way to our support does not work right now. You can reach us here: The form."),
        ("zh", "该客服渠道暂时无法使用。您可以通过以下方式联系我们：The form。"),
        ("ru", "Этот канал поддержки сейчас не работает. Вы можете связаться с нами здесь: The form."),
        ("id", "Saluran dukungan ini sedang tidak berfungsi. Anda dapat menghubungi kami di sini: The form."),
    ] {
        assert_eq!(answer["sentence"][language], words);
    }
    let unknown = ask(&running, "chatt").await;
    assert_eq!(unknown["error"], "there is no channel \"chatt\"; the page / lists them");
    let no_door = ask(&running, "crm").await;
    assert!(no_door["error"].as_str().unwrap().starts_with("there is no channel"), "{no_door}");
}
