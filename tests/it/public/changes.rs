//! What becomes of the page for customers when a door works again, and when the configuration is changed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::*;
use crate::{
    api::access::{certify, trusts},
    running::write_config,
};

/// A door that can be broken, and its address.
async fn door(serving: &mut JoinSet<()>) -> (Arc<AtomicBool>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    let answer = async move || match broken.load(Relaxed) {
        true => StatusCode::IM_A_TEAPOT,
        false => StatusCode::OK,
    };
    let pages = Router::new().route("/", get(answer));
    serving.spawn(async move { axum::serve(listener, pages).await.unwrap() });
    (is_broken, target)
}

fn config(target: &str, public: &str) -> String {
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n[public]\nlisten = \"127.0.0.1:0\"\n[defaults]\nevery = \"100ms\"\n\
         timeout = \"5s\"\nrecheck = \"off\"\ndark_after = {{ failures = 2, of = 3 }}\nup_after = {{ successes = 2 }}\n\
         [channel.hotline]\nkind = \"hotline\"\npublic = true\nprobe.look.http = {{ url = \"{target}\" }}\n\
         [channel.web-chat]\nkind = \"chat\"\n{public}probe.look.http = {{ url = \"{target}\" }}\n"
    )
}

async fn incidents(page: &str) -> Vec<Value> {
    let told: Value = ask(page, "/api/v2/incidents.json").await.1.parse().unwrap();
    told["incidents"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_outage_is_listed_once_from_its_beginning_to_its_end() {
    let mut serving = JoinSet::new();
    let (is_broken, target) = door(&mut serving).await;
    let running = Running::start(&config(&target, ""), &[]).await;
    let page = format!("http://{}", running.said_in("watching", "public"));
    is_broken.store(true, Relaxed);
    until("the outage is listed", async || incidents(&page).await.len() == 1).await;
    let id = incidents(&page).await[0]["id"].clone();
    is_broken.store(false, Relaxed);
    until("it is over", async || incidents(&page).await[0]["status"] == "resolved").await;
    let all = incidents(&page).await;
    assert_eq!((all.len(), &all[0]["id"]), (1, &id), "{all:?}");
    let (_, feed) = ask(&page, "/feed.atom").await;
    assert_eq!(feed.matches("<entry>").count(), 1, "{feed}");
    assert!(feed.contains("hotline works again"), "{feed}");
}

#[tokio::test]
async fn a_channel_that_is_public_no_more_is_gone_from_everywhere() {
    let mut serving = JoinSet::new();
    let (_, target) = door(&mut serving).await;
    let running = Running::start(&config(&target, "public = true\n"), &[]).await;
    let page = format!("http://{}", running.said_in("watching", "public"));
    let has = async |path: &str| ask(&page, path).await.1.contains("web-chat");
    let paths = ["/", "/api/v2/summary.json", "/api/v2/components.json"];
    for path in paths {
        assert!(has(path).await, "{path}");
    }
    assert_eq!(ask(&page, "/badge/web-chat.svg").await.0, StatusCode::OK);
    write_config(running.directory.path(), &config(&target, ""));
    until("it is gone", async || !has("/").await).await;
    for path in paths {
        assert!(!has(path).await, "{path}");
    }
    assert_eq!(ask(&page, "/badge/web-chat.svg").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_is_encrypted_where_the_other_one_is() {
    let mut serving = JoinSet::new();
    let (_, target) = door(&mut serving).await;
    let directory = tempfile::tempdir().unwrap();
    let certificate = certify(directory.path());
    let tls = "[monitor]\ntls = { certificate = \"certificate.pem\", key = \"key.pem\" }\n";
    write_config(directory.path(), &config(&target, "").replace("[monitor]\n", tls));
    let running = Running::start_in(directory, &[]).await;
    let port = running.said_in("watching", "public").rsplit(':').next().unwrap().to_owned();
    assert!(trusts(&certificate, &format!("https://localhost:{port}/")).await);
    assert!(reqwest::get(format!("http://127.0.0.1:{port}/")).await.is_err(), "not in the clear");
}
