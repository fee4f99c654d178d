//! The demo's support centre, over real sockets.

use std::{future::Future, time::Duration};

use lamplighter::{
    cli::demo::support_centre::{
        SupportCentre,
        fault::{Door, Fault},
    },
    secret::Secret,
};
use reqwest::{Client, StatusCode, header::SET_COOKIE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const AGENT: &str = "agents-only";

/// Opens a support centre, and does `visit` while it is served.
async fn visit<F: Future<Output = ()>>(visit: impl FnOnce(SupportCentre, Client, String) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let centre = SupportCentre::open(Secret::new(AGENT.to_owned()));
    let routes = centre.routes();
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => unreachable!("{served:?}"),
        () = visit(centre, client, base) => {}
    }
}

async fn json_of(client: &Client, url: &str) -> Value {
    client.get(url).bearer_auth(AGENT).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_launcher_is_enabled_until_it_is_made_grey() {
    visit(async |centre, client, base| {
        let launcher = format!("{base}/chat/launcher.json");
        assert_eq!(json_of(&client, &launcher).await["enabled"], json!(true));
        centre.break_door(Door::WebChat, Fault::Grey);
        assert_eq!(json_of(&client, &launcher).await["enabled"], json!(false));
        centre.mend(Door::WebChat);
        assert_eq!(json_of(&client, &launcher).await["enabled"], json!(true));
    })
    .await;
}

#[tokio::test]
async fn a_ticket_needs_the_forms_cookie_and_token_and_arrives_at_the_agents_side() {
    visit(async |centre, client, base| {
        let form = client.get(format!("{base}/tickets/new")).send().await.unwrap();
        let cookie = form.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let page = form.text().await.unwrap();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

        let post = || client.post(format!("{base}/tickets"));
        let fields = [("csrf", csrf.as_str()), ("subject", "hello & goodbye")];
        assert_eq!(post().form(&fields).send().await.unwrap().status(), StatusCode::FORBIDDEN);
        let taken = post().form(&fields).header("cookie", cookie).send().await.unwrap();
        assert_eq!(taken.status(), StatusCode::SEE_OTHER);

        let search = format!("{base}/agents/tickets?subject=hello+%26+goodbye");
        let id = loop {
            let found = json_of(&client, &search).await;
            if let Some(id) = found["tickets"][0]["id"].as_u64() {
                break id;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(centre.tickets(), 1);
        assert_eq!(client.get(&search).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let gone =
            client.delete(format!("{base}/agents/tickets/{id}")).bearer_auth(AGENT).send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        assert_eq!(centre.tickets(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_callback_can_be_asked_for_watched_and_cancelled() {
    visit(async |centre, client, base| {
        let asked = client.post(format!("{base}/hotline/callbacks")).json(&json!({ "number": "+49 30 1" }));
        let asked: Value = asked.send().await.unwrap().json().await.unwrap();
        let callback = format!("{base}/hotline/callbacks/{}", asked["id"]);
        centre.break_door(Door::Hotline, Fault::Queue);
        assert_eq!(json_of(&client, &callback).await["status"], json!("queued"));
        centre.break_door(Door::Hotline, Fault::Busy);
        assert_eq!(json_of(&client, &callback).await["status"], json!("busy"));
        centre.mend(Door::Hotline);
        while json_of(&client, &callback).await["status"] != json!("ringing") {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.delete(&callback).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(client.get(&callback).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn a_broken_door_answers_500_or_hangs_until_it_is_mended() {
    visit(async |centre, client, base| {
        let form = format!("{base}/tickets/new");
        centre.break_door(Door::TicketForm, Fault::Error);
        assert_eq!(client.get(&form).send().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        centre.break_door(Door::TicketForm, Fault::Hang);
        let hangs = client.get(&form).timeout(Duration::from_millis(200)).send().await;
        assert!(hangs.unwrap_err().is_timeout());
        let (answer, ()) = tokio::join!(client.get(&form).send(), async { centre.mend(Door::TicketForm) });
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
        assert_eq!(centre.fault(Door::Hotline), None);
    })
    .await;
}
