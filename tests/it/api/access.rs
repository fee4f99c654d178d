//! Who may read and command, over real networks and by TLS.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::process::Command;

use super::{TOKEN, client};
use crate::{
    blind::lab,
    running::{Running, Target, command, until, write_config},
};

/// A door that works.
fn door(target: &Target) -> String {
    format!(
        "[channel.chat]\nkind = \"chat\"\n[channel.chat.probe.door]\nevery = \"200ms\"\nhttp = {{ url = \"http://{}/\" }}\n",
        target.address
    )
}

async fn status(url: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let asks_for: Vec<_> =
        answer.headers().get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    (answer.status().as_u16(), (!asks_for.is_empty()).then(|| asks_for.join(" | ")))
}

/// In a network of its own, where this machine has an address that is not loopback.
#[tokio::test]
async fn reading_from_elsewhere_needs_a_token_but_for_health_and_links() {
    if !lab::is_inside() {
        return lab::enter("api::access::reading_from_elsewhere_needs_a_token_but_for_health_and_links");
    }
    for words in ["link set lo up", "addr add 10.79.0.2/32 dev lo"] {
        let done = std::process::Command::new("ip").args(words.split(' ')).status().unwrap();
        assert!(done.success(), "ip {words}");
    }
    let target = Target::start().await;
    let config = "[monitor]\nlisten = \"0.0.0.0:0\"\nbehind_proxy = true\n[api]\ntoken = { env = \"ROOT\" }\n"
        .to_owned()
        + &client("reader", "\"read\"", TOKEN)
        + &client("runner", "\"run\"", "runs-and-nothing-else") + &door(&target);
    let running = Running::start(&config, &[("ROOT", "the-root-token-of-this-test")]).await;
    let port = running.url.rsplit(':').next().unwrap();
    let (there, here) = (format!("http://10.79.0.2:{port}"), format!("http://127.0.0.1:{port}"));
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/", "/metrics", "/api/v1/channels", "/api/v1/openapi.json", "/nothing"] {
        let (denied, asks_for) = status(&format!("{there}{path}"), &[]).await;
        assert_eq!(denied, 401, "{path}");
        assert_eq!(
            asks_for.unwrap().contains("Basic"),
            !path.starts_with("/api"),
            "a browser asks for {path}"
        );
        for (authorization, expected) in [
            (&*bearer, if path == "/nothing" { 404 } else { 200 }),
            ("Bearer the-root-token-of-this-test", if path == "/nothing" { 404 } else { 200 }),
            ("Bearer guess", 401),
            ("Bearer runs-and-nothing-else", 403),
        ] {
            let headers = [("authorization", authorization), ("x-forwarded-for", "127.0.0.1")];
            assert_eq!(
                status(&format!("{there}{path}"), &headers).await.0,
                expected,
                "{path} {authorization}"
            );
        }
        let open = if path == "/nothing" { 404 } else { 200 };
        assert_eq!(status(&format!("{here}{path}"), &[]).await.0, open, "the proxy says who reads {path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&format!("{there}{path}"), &[]).await.0, 200, "{path}");
    }
    assert_eq!(status(&format!("{there}/acknowledge/x/y"), &[]).await.0, 403, "a wrong link is wrong");
    let forwarded = [("x-forwarded-for", "203.0.113.9"), ("host", "monitor.example.com")];
    assert_eq!(status(&format!("{here}/"), &forwarded).await.0, 200);
}

#[tokio::test]
async fn what_comes_by_way_of_this_machine_is_not_from_it_unless_a_proxy_was_stated() {
    let target = Target::start().await;
    let config = "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned()
        + &client("reader", "\"read\"", TOKEN)
        + &door(&target);
    let running = Running::start(&config, &[]).await;
    let bearer = format!("Bearer {TOKEN}");
    for headers in [[("x-forwarded-for", "203.0.113.9")], [("host", "rebound.example.com")]] {
        let (denied, asks_for) = status(&running.url, &headers).await;
        assert_eq!(denied, 401, "{headers:?}");
        assert!(asks_for.unwrap().contains("Basic"), "a browser asks for the password: {headers:?}");
        let with_token = [headers[0], ("authorization", &*bearer)];
        assert_eq!(status(&running.url, &with_token).await.0, 200, "{headers:?}");
    }
    assert_eq!(status(&running.url, &[]).await.0, 200);
    let other_site = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    for path in ["/", "/live", "/api/v1/channels"] {
        let asked = status(&format!("{}{path}", running.url), &other_site).await;
        assert_eq!(
            asked,
            (401, Some("Bearer".to_owned())),
            "no page of another site has a browser ask: {path}"
        );
    }
}

#[tokio::test]
async fn no_cache_keeps_and_nobody_guesses_what_says_nothing_of_its_own() {
    let target = Target::start().await;
    let config = "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned()
        + &client("runner", "\"run\"", TOKEN)
        + &door(&target);
    let running = Running::start(&config, &[]).await;
    let asking = reqwest::Client::new();
    let get = |path: &str| asking.get(format!("{}{path}", running.url));
    let here = async |path: &str| get(path).send().await.unwrap();
    let elsewhere = |path: &str| get(path).header("host", "elsewhere.example.com");
    let is_reserved = |answer: &reqwest::Response, status: u16| {
        assert_eq!(answer.status(), status, "{}", answer.url());
        let said = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(said("cache-control"), Some("no-store"), "{} {status}", answer.url());
        assert_eq!(said("x-content-type-options"), Some("nosniff"), "{} {status}", answer.url());
    };
    for path in ["/api/v1/channels", "/metrics"] {
        is_reserved(&here(path).await, 200);
        is_reserved(&elsewhere(path).send().await.unwrap(), 401);
        is_reserved(&elsewhere(path).bearer_auth(TOKEN).send().await.unwrap(), 403);
    }
    is_reserved(&here("/nothing").await, 404);
    assert_eq!(here("/").await.headers()["cache-control"], "no-cache", "a page says so itself");
    let mut put_off = None;
    for _ in 0..10_000 {
        let answer = here("/healthz").await;
        if answer.status() == 429 {
            put_off = Some(answer);
            break;
        }
    }
    is_reserved(&put_off.expect("whoever asks without end is put off"), 429);
}

#[tokio::test]
async fn a_client_that_is_taken_out_of_the_configuration_is_heard_no_more_and_a_new_one_at_once() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let rest = "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned() + &door(&target);
    write_config(directory.path(), &(client("old", "\"run\"", TOKEN) + &rest));
    let running = Running::start_in(directory, &[]).await;
    let run = async |token: &str| {
        let url = format!("{}/api/v1/probes/chat/door/run", running.url);
        reqwest::Client::new().post(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    // It may be running in its turn.
    until("the client runs the probe", async || run(TOKEN).await == 200).await;
    let other = "lamplighter_of-who-comes-after";
    assert_eq!(run(other).await, 401);

    let reloaded = async || running.sum("lamplighter_config_last_reload_success_timestamp_seconds").await;
    let before = reloaded().await;
    write_config(running.directory.path(), &(client("new", "\"run\"", other) + &rest));
    until("it is reloaded", async || reloaded().await > before).await;
    assert_eq!(run(TOKEN).await, 401);
    until("the other one runs it", async || run(other).await == 200).await;
}

/// Writes a certificate with its key; gives the certificate.
pub(crate) fn certify(directory: &Path) -> String {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("key.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("certificate.pem"), cert.pem()).unwrap();
    cert.pem()
}

/// Whether a page is there for whoever trusts this certificate alone.
pub(crate) async fn trusts(pem: &str, url: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root.pem");
    std::fs::write(&root, pem).unwrap();
    let asked =
        Command::new("curl").args(["-sS", "--fail", "--cacert"]).arg(root).arg(url).output().await.unwrap();
    asked.status.success()
}

#[tokio::test]
async fn an_encrypted_page_takes_another_certificate_over_and_keeps_a_good_one_instead_of_a_bad_one() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let first = certify(directory.path());
    std::fs::write(directory.path().join("token"), TOKEN).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    write_config(
        directory.path(),
        &(format!(
            "[monitor]\nlisten = \"{free}\"\ntls = {{ certificate = \"certificate.pem\", key = \"key.pem\" }}\n"
        ) + "[api]\ntoken = { file = \"token\" }\n"
            + &door(&target)),
    );
    let running = Running::start_in(directory, &[]).await;
    let here = running.directory.path().to_owned();
    let url = format!("https://localhost:{}/healthz", free.port());
    assert!(trusts(&first, &url).await);
    let in_the_clear = reqwest::get(format!("http://{free}/healthz")).await;
    assert!(in_the_clear.is_err(), "{in_the_clear:?}");
    let told = command(&here).args(["maintenance", "start", "--for", "1h"]).output().await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));

    std::fs::write(here.join("certificate.pem"), "not a certificate").unwrap();
    until("the bad one is refused", async || running.has_said("the file holds no certificate")).await;
    assert!(trusts(&first, &url).await, "the good one stays");
    let second = certify(&here);
    until("the other one is shown", async || trusts(&second, &url).await).await;
    assert!(!trusts(&first, &url).await);
}
