//! `lamplighter probe` as a process: what it prints, and with which exit code it ends.

use std::process::{Output, Stdio};

use lamplighter::{
    cli::demo::support_centre::{
        SupportCentre,
        fault::{Door, Fault},
    },
    secret::Secret,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command, task::JoinSet};

/// A support centre and a configuration with two probes of its chat.
struct Desk {
    support: SupportCentre,
    directory: TempDir,
    _served: JoinSet<()>,
}

impl Desk {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let support = SupportCentre::open(Secret::new("agents".to_owned()));
        let routes = support.routes();
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let directory = TempDir::new().unwrap();
        let probes = format!(
            "[channel.web-chat]\nkind = \"chat\"\n\
             [channel.web-chat.probe.launcher]\n\
             http = {{ url = \"{base}/chat/launcher.json\", expect = {{ json = [\
             {{ path = \"$.enabled\", equals = true, otherwise = \"disabled\" }}] }} }}\n\
             [channel.web-chat.probe.shop]\nhttp = {{ url = \"{base}/\" }}\n"
        );
        std::fs::write(directory.path().join("probes.toml"), probes).unwrap();
        Self { support, directory, _served: served }
    }

    async fn probe(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_lamplighter"))
            .arg("probe")
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_well_ends_with_0_and_shows_every_probe() {
    let desk = Desk::open().await;
    let (code, sheet, said) = desk.probe(&["web-chat"]).await;
    assert_eq!((code, said.as_str()), (Some(0), ""), "{sheet}");
    for line in ["web-chat/launcher  ok  in ", "web-chat/shop  ok  in ", "✓ JSON $.enabled is true  saw true"]
    {
        assert!(sheet.contains(line), "{line} in\n{sheet}");
    }
    assert!(!sheet.contains('\u{1b}'), "no colours where there is no terminal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_fails_ends_with_1_and_says_why() {
    let desk = Desk::open().await;
    desk.support.break_door(Door::WebChat, Fault::Grey);
    let (code, sheet, _) = desk.probe(&["web-chat/launcher"]).await;
    assert_eq!(code, Some(1), "{sheet}");
    for line in ["disabled (stage expect, cause content)", "✗ JSON $.enabled is true  saw false"] {
        assert!(sheet.contains(line), "{line} in\n{sheet}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_has_the_words_of_the_closed_sets_and_base_units() {
    let desk = Desk::open().await;
    desk.support.break_door(Door::WebChat, Fault::Grey);
    let (code, json, _) = desk.probe(&["web-chat/launcher", "--json"]).await;
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&json).unwrap();
    let run = &json["runs"][0];
    assert_eq!((&run["channel"], &run["probe"]), (&"web-chat".into(), &"launcher".into()));
    assert_eq!((&run["outcome"], &run["failure"]["reason"]), (&"failed".into(), &"disabled".into()));
    assert!(run["duration_seconds"].as_f64().unwrap() > 0.0);
    assert!(run["phases"].as_array().unwrap().iter().any(|phase| phase["phase"] == "wait"));
    assert!(run["checks"].as_array().unwrap().iter().any(|check| check["held"] == false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_is_not_there_ends_with_3_and_the_nearest_one() {
    let desk = Desk::open().await;
    for (target, nearest) in
        [("webchat", "did you mean web-chat?"), ("web-chat/shpo", "did you mean web-chat/shop?")]
    {
        let (code, sheet, said) = desk.probe(&[target]).await;
        assert_eq!((code, sheet.as_str()), (Some(3), ""));
        assert!(said.contains(nearest), "{said}");
    }
    let (code, _, said) = desk.probe(&["web-chat", "--config", "nothing.toml"]).await;
    assert_eq!(code, Some(1), "{said}");
}
