//! How personas log in: whose session serves whom, and what is told of a login that fails.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::{Outcome, Verdict},
    },
    probe::{
        http,
        persona::{Persona, PersonaSettings},
        request::settings::RequestSettings,
        run::run,
        settings::BuildContext,
        timeline::Timeline,
    },
    secret::Redactor,
};
use tokio::{io::AsyncWriteExt, select};
use tokio_util::sync::CancellationToken;

use crate::loopback::{Ground, Server, read_request};

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("door") }
}

/// Gives what the configuration builds from.
fn within<T>(persona: Option<&Arc<Persona>>, build: impl FnOnce(&BuildContext<'_>) -> T) -> T {
    let ground = Ground::new(key(), Path::new("."));
    build(&BuildContext { persona, ..ground.context(Duration::from_secs(60)) })
}

fn persona(settings: &str) -> Arc<Persona> {
    let settings: PersonaSettings = toml::from_str(settings).unwrap();
    let (persona, _) = within(None, |context| settings.build("new", context)).unwrap();
    Arc::new(persona)
}

/// Looks once at an address as a persona.
async fn look_as(persona: &Arc<Persona>, url: &str) -> Outcome {
    let settings: RequestSettings = toml::from_str(&format!("url = {url:?}")).unwrap();
    let probe = within(Some(persona), |context| http::build(&settings, context)).unwrap().probe;
    let (stop, redactor) = (CancellationToken::new(), Redactor::default());
    let run = run(&*probe, Arc::new(key()), Duration::from_secs(60), Clock::system(), &redactor, &stop);
    run.await.expect("nobody stops it").outcome
}

/// A shop whose login is silent to the first who come, so many, and counts who come.
async fn shop(silent_to: usize) -> (Server, Arc<AtomicUsize>) {
    let logins = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&logins);
    let server = Server::start(move |mut stream| {
        let logins = Arc::clone(&logins);
        async move {
            let request = read_request(&mut stream).await;
            if request.starts_with("GET /login") && logins.fetch_add(1, Ordering::SeqCst) < silent_to {
                std::future::pending::<()>().await;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    (server, count)
}

fn logging_in(shop: &Server) -> Arc<Persona> {
    let address = shop.address;
    persona(&format!("login.steps = [{{ name = \"login\", http.url = \"http://{address}/login\" }}]"))
}

#[tokio::test]
async fn a_login_that_meets_silence_holds_up_no_other_run_of_the_persona() {
    let (shop, logins) = shop(1).await;
    let persona = logging_in(&shop);
    let url = format!("http://{}/", shop.address);
    let other = async {
        while logins.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        look_as(&persona, &url).await
    };
    select! {
        outcome = look_as(&persona, &url) => panic!("its login is never answered: {:?}", outcome.verdict),
        outcome = other => assert_eq!(outcome.verdict, Verdict::Ok),
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_is_given_up_after_a_minute_however_long_the_run_may_be() {
    let (shop, _) = shop(1).await;
    let persona = logging_in(&shop);
    let (timeline, stop) = (Timeline::start(), CancellationToken::new());
    let broken = persona.session(&timeline, &stop).await.unwrap_err().broken;
    let verdict = Verdict::from(broken);
    let failure = verdict.failure().unwrap();
    assert_eq!(failure.step.as_deref(), Some("login"));
    assert_eq!(failure.detail.as_str(), "not done within 60 s");
}

#[tokio::test]
async fn a_session_that_failed_serves_no_more_and_takes_no_newer_one_with_it() {
    let (shop, logins) = shop(0).await;
    let persona = logging_in(&shop);
    let (timeline, stop) = (Timeline::start(), CancellationToken::new());
    let old = persona.session(&timeline, &stop).await.unwrap();
    assert!(Arc::ptr_eq(&old, &persona.session(&timeline, &stop).await.unwrap()));
    old.distrust();
    let new = persona.session(&timeline, &stop).await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    old.distrust();
    assert!(Arc::ptr_eq(&new, &persona.session(&timeline, &stop).await.unwrap()));
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_a_login_has_captured_is_not_told_when_it_fails() {
    let form = "<input name=\"csrf\" value=\"tok-0123456789-abcdef\">";
    let shop = Server::start(move |mut stream| async move {
        read_request(&mut stream).await;
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}", form.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let base = format!("http://{}", shop.address);
    let persona = persona(&format!(
        r#"
[[login.steps]]
name = "form"
http.url = "{base}/form"
capture.csrf = {{ regex = 'value="([^"]+)"' }}
[[login.steps]]
name = "login"
http = {{ url = "{base}/login", body = {{ form = {{ csrf = "{{csrf}}" }} }}, expect = {{ body = [{{ contains = "Welcome" }}] }} }}
"#
    ));
    let outcome = look_as(&persona, &base).await;
    let detail = outcome.verdict.failure().unwrap().detail.as_str();
    assert!(detail.contains("{csrf}") && !detail.contains("tok-"), "{detail}");
}
