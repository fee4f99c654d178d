//! The kind `http` against servers that behave: what is sent, and what is made of the answer.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::domain::outcome::{PhaseKind, Reason, Stage, Verdict};
use tokio::io::AsyncWriteExt;

use crate::loopback::{Door, Server, build, certificates::Authority, look, no_names, read_request};

const OK_JSON: &str =
    r#"{"enabled": true, "agents": [{"online": true, "load": 3}, {"online": true, "load": 7}]}"#;

/// Answers every request with the same text and keeps the requests.
async fn answering(answer: String) -> (Server, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = requests.clone();
    let server = Server::start(move |mut stream| {
        let (answer, kept) = (answer.clone(), kept.clone());
        async move {
            let request = read_request(&mut stream).await;
            kept.lock().unwrap().push(request);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (server, requests)
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn verdict_of(answer: &str, settings: &str) -> Verdict {
    let (server, _) = answering(answer.to_owned()).await;
    let (outcome, checks) = look(&format!("url = 'http://{}/'\n{settings}", server.address)).await;
    server.stop().await;
    let all_held = checks.iter().all(|check| check.held == Some(true));
    assert_eq!(all_held, outcome.verdict == Verdict::Ok, "{settings}: {:?} {checks:?}", outcome.verdict);
    outcome.verdict
}

#[tokio::test]
async fn a_request_carries_what_the_operator_wrote() {
    let (server, requests) = answering(ok("", "hello")).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "t0ken\n").unwrap();
    std::fs::write(folder.path().join("invoice.txt"), "an invoice").unwrap();
    let settings = format!(
        r#"
        url = "http://{}/support?topic=refund"
        headers = {{ accept-language = "de", x-api-key = {{ file = "token" }} }}
        query = {{ name = "Zoë & co" }}
        cookies = {{ theme = "dark" }}
        bearer = {{ file = "token" }}
        [body.multipart]
        fields = {{ subject = "Refund" }}
        files = {{ invoice = {{ path = "invoice.txt", type = "text/plain" }} }}
        "#,
        server.address
    );
    let (outcome, _) =
        Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10)).look().await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let request = requests.lock().unwrap().remove(0);
    for part in [
        "POST /support?topic=refund&name=Zo%C3%AB+%26+co HTTP/1.1\r\n",
        "accept-language: de\r\n",
        "x-api-key: t0ken\r\n",
        "authorization: Bearer t0ken\r\n",
        "cookie: theme=dark\r\n",
        "accept-encoding: gzip, deflate, br, zstd\r\n",
        "user-agent: lamplighter/",
        "connection: close\r\n",
        "content-type: multipart/form-data; boundary=",
        "name=\"subject\"\r\n\r\nRefund\r\n",
        "name=\"invoice\"; filename=\"invoice.txt\"\r\nContent-Type: text/plain\r\n\r\nan invoice\r\n",
    ] {
        assert!(request.contains(part), "{part:?} is missing in\n{request}");
    }
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
}

#[tokio::test]
async fn each_kind_of_body_is_sent_in_its_own_form() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body"), "from a file").unwrap();
    std::fs::write(folder.path().join("password"), "s3cret").unwrap();
    for (body, content_type, sent) in [
        ("{ text = 'plain' }", None, "plain"),
        ("{ json = { topic = 'refund', n = 2 } }", Some("application/json"), r#"{"n":2,"topic":"refund"}"#),
        (
            "{ form = { q = 'a b', password = { file = 'password' } } }",
            Some("application/x-www-form-urlencoded"),
            "password=s3cret&q=a+b",
        ),
        ("{ file = 'body' }", None, "from a file"),
    ] {
        let (server, requests) = answering(ok("", "")).await;
        let settings = format!("url = 'http://{}/'\nbody = {body}", server.address);
        Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10)).look().await;
        let request = requests.lock().unwrap().remove(0);
        let (head, got) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST / HTTP/1.1"), "{head}");
        assert!(
            content_type.is_none_or(|wanted| head.contains(&format!("content-type: {wanted}"))),
            "{head}"
        );
        assert_eq!(got, sent);
    }
}

#[tokio::test]
async fn an_answer_is_judged_by_every_expectation() {
    let answer = ok("content-type: application/json\r\nx-queue: 3\r\n", OK_JSON);
    for (expect, reason) in [
        ("status = [200]", None),
        ("status = ['2xx', 404]", None),
        ("status = [204, '300-399']", Some(Reason::Status)),
        ("status = { any_of = [503], otherwise = 'closed' }", Some(Reason::Closed)),
        ("headers = [{ name = 'content-type', contains = 'json' }]", None),
        ("headers = [{ name = 'x-queue' }, { name = 'x-none', present = false }]", None),
        ("headers = [{ name = 'x-queue', equals = '4', otherwise = 'busy' }]", Some(Reason::Busy)),
        ("headers = [{ name = 'x-queue', matches = '^[0-9]+$' }]", None),
        ("body = [{ contains = 'enabled' }, { not_contains = 'offline' }, { matches = 'load.: \\d' }]", None),
        ("body = [{ not_contains = 'enabled' }]", Some(Reason::Content)),
        ("json = [{ path = '$.enabled', equals = true, otherwise = 'disabled' }]", None),
        ("json = [{ path = '$.enabled', equals = false, otherwise = 'disabled' }]", Some(Reason::Disabled)),
        ("json = [{ path = '$.agents[*].load', greater = 2, less = 8 }]", None),
        ("json = [{ path = '$.agents[*].load', greater = 3 }]", Some(Reason::Content)),
        ("json = [{ path = '$.agents[?@.online == true]', exists = true }]", None),
        ("json = [{ path = '$.closed', exists = false }]", None),
        ("json = [{ path = '$.closed', equals = false }]", Some(Reason::Content)),
        ("json = [{ path = '$.agents[0].load', equals = 3.0 }]", None),
        ("json = [{ path = '$.agents[0].load', matches = '^3$' }]", None),
        ("size = { min = 10, max = '1KiB' }", None),
        ("size = { max = 10 }", Some(Reason::Content)),
        ("size = { min = '1KiB', otherwise = 'missing' }", Some(Reason::Missing)),
    ] {
        let verdict = verdict_of(&answer, &format!("expect = {{ {expect} }}")).await;
        assert_eq!(verdict.failure().map(|failure| failure.reason), reason, "{expect}: {verdict:?}");
        if let Some(failure) = verdict.failure() {
            assert_eq!(failure.stage, Stage::Expect);
            assert_eq!(failure.cause.is_some(), expect.contains("otherwise"), "{expect}");
        }
    }
}

#[tokio::test]
async fn the_first_expectation_that_breaks_is_the_failure_and_all_are_told() {
    let (server, _) = answering(ok("", "sorry")).await;
    let settings = format!(
        "url = 'http://{}/'\nexpect = {{ body = [{{ contains = 'chat', otherwise = 'missing' }}], \
         size = {{ min = '1KiB' }}, time = {{ max = '9s' }} }}",
        server.address
    );
    let (outcome, checks) = look(&settings).await;
    let failure = outcome.verdict.failure().unwrap();
    assert_eq!((failure.reason, failure.cause), (Reason::Missing, Some(Reason::Content)));
    assert_eq!(failure.detail.as_str(), "expected body that contains \"chat\", saw sorry");
    let told: Vec<_> = checks
        .iter()
        .map(|check| (&*check.expectation, check.held == Some(true), check.seen.as_str()))
        .collect();
    assert_eq!(
        told[..3],
        [
            ("status 200 to 399", true, "200 OK"),
            ("body that contains \"chat\"", false, "sorry"),
            ("body of at least 1 KiB", false, "5 bytes"),
        ]
    );
    assert!(told[3].1, "{told:?}");
}

#[tokio::test]
async fn a_slow_answer_is_degraded_and_not_dark() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        // How slow the target is.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(ok("", "x").as_bytes()).await.unwrap();
    })
    .await;
    for (otherwise, reason, cause) in
        [("", Reason::TooSlow, None), (", otherwise = 'late'", Reason::Late, Some(Reason::TooSlow))]
    {
        let expect = format!("expect = {{ time = {{ max = '10ms'{otherwise} }} }}");
        let (outcome, _) = look(&format!("url = 'http://{}/'\n{expect}", server.address)).await;
        let Verdict::Degraded(failure) = &outcome.verdict else { panic!("{:?}", outcome.verdict) };
        assert_eq!((failure.reason, failure.cause), (reason, cause));
    }
}

#[tokio::test]
async fn refused_credentials_have_a_reason_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "s3cret").unwrap();
    for (status, basic, reason) in [
        ("401 Unauthorized", "basic = { user = 'probe', password = { file = 'password' } }", Reason::Auth),
        ("403 Forbidden", "basic = { user = 'probe', password = { file = 'password' } }", Reason::Auth),
        ("401 Unauthorized", "", Reason::Status),
    ] {
        let (server, requests) = answering(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
        let settings = format!("url = 'http://{}/'\n{basic}", server.address);
        let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
        let (outcome, _) = door.look().await;
        assert_eq!(outcome.verdict.failure().unwrap().reason, reason, "{status} {basic}");
        let sent = requests.lock().unwrap()[0].contains("authorization: Basic cHJvYmU6czNjcmV0\r\n");
        assert_eq!(sent, !basic.is_empty());
    }
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_timed() {
    let server = Server::start(|mut stream| async move {
        let request = read_request(&mut stream).await;
        let answer = if request.starts_with("GET /form ") {
            // The cookie set on the way is what lets the customer in.
            assert!(request.contains("cookie: session=1\r\n"), "{request}");
            ok("", "a form")
        } else {
            assert!(request.starts_with("POST / "), "{request}");
            "HTTP/1.1 303 See Other\r\nlocation: /form\r\nset-cookie: session=1\r\ncontent-length: 0\r\n\r\n"
                .to_owned()
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let (outcome, _) = look(&format!("url = 'http://{}/'\nbody = {{ text = 'x' }}", server.address)).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let phases: Vec<_> = outcome.phases.iter().map(|phase| (phase.hop, phase.kind)).collect();
    let each = [PhaseKind::Connect, PhaseKind::Send, PhaseKind::Wait, PhaseKind::Transfer];
    let expected: Vec<_> = [0, 1].into_iter().flat_map(|hop| each.map(|kind| (hop, kind))).collect();
    assert_eq!(phases, expected);
    let whole: Duration = outcome.phases.iter().map(|phase| phase.duration).sum();
    assert!(whole <= outcome.duration, "{whole:?} of {:?}", outcome.duration);
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_the_answer() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n";
    let verdict = verdict_of(answer, "redirects = false\nexpect = { status = [302] }").await;
    assert_eq!(verdict, Verdict::Ok);
}

#[tokio::test]
async fn what_is_meant_for_one_origin_does_not_reach_another() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "canary-key").unwrap();
    let (other, requests) = answering(ok("", "")).await;
    let moved =
        format!("HTTP/1.1 307 Moved\r\nlocation: http://{}/\r\nset-cookie: s=1\r\n\r\n", other.address);
    let (server, _) = answering(moved).await;
    let settings = format!(
        "url = 'http://{}/'\nheaders = {{ x-key = {{ file = 'key' }}, x-plain = 'plain' }}\nbearer = {{ file = 'key' }}\n\
         cookies = {{ c = {{ file = 'key' }} }}\nquery = {{ q = {{ file = 'key' }} }}",
        server.address
    );
    let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
    let (outcome, _) = door.look().await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let request = requests.lock().unwrap().remove(0);
    assert!(request.contains("x-plain: plain") && !request.contains("canary"), "{request}");
}

#[tokio::test]
async fn https_is_spoken_in_either_version_and_the_certificate_is_read() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let signed = authority.sign(&["localhost"], |params| params.not_after = rcgen::date_time_ymd(2095, 1, 2));
    for (alpn, version) in [("http/1.1", "auto"), ("h2", "auto"), ("h2", "2")] {
        let acceptor = signed.acceptor(&[alpn]);
        let server = Server::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                if alpn == "h2" {
                    return answer_http2(stream).await;
                }
                read_request(&mut stream).await;
                stream.write_all(ok("", "hello").as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        let settings = format!(
            "url = 'https://localhost:{}/'\nversion = '{version}'\nfamily = 'ipv4'\ntls = {{ root_ca = 'ca.pem' }}\n\
             expect = {{ body = [{{ contains = 'hello' }}], certificate = {{ days_min = 30 }} }}",
            server.address.port()
        );
        let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
        let (outcome, checks) = door.look().await;
        assert_eq!(outcome.verdict, Verdict::Ok, "{alpn} {version} {checks:?}");
        assert_eq!(outcome.certificate_expires_at, Some("2095-01-02T00:00:00Z".parse().unwrap()));
        let phases: Vec<_> = outcome.phases.iter().map(|phase| phase.kind).collect();
        use PhaseKind::{Connect, Resolve, Send, Tls, Transfer, Wait};
        assert_eq!(phases, [Resolve, Connect, Tls, Send, Wait, Transfer]);
        server.stop().await;
    }
}

async fn answer_http2(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert!(
            request.headers().get("host").is_none() && request.uri().authority().is_some(),
            "{request:?}"
        );
        let mut body = respond.send_response(http::Response::new(()), false).unwrap();
        body.send_data("hello".into(), true).unwrap();
    }
}

#[tokio::test]
async fn a_certificate_about_to_expire_is_degraded() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let soon = std::time::Duration::from_secs(9 * 24 * 3600 + 3600);
    let not_after = lamplighter::clock::Clock::system().now() + soon;
    let date = not_after.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (year, month, day) = (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
    let signed =
        authority.sign(&["127.0.0.1"], |params| params.not_after = rcgen::date_time_ymd(year, month, day));
    let acceptor = signed.acceptor(&[]);
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(ok("", "").as_bytes()).await.unwrap();
        }
    })
    .await;
    let expired = Reason::CertificateExpired;
    for (certificate, told) in [
        ("days_min = 14", Some((expired, None))),
        ("days_min = 14, otherwise = 'restricted'", Some((Reason::Restricted, Some(expired)))),
        ("days_min = 3", None),
    ] {
        let settings = format!(
            "url = 'https://{}/'\ntls = {{ root_ca = 'ca.pem' }}\nexpect = {{ certificate = {{ {certificate} }} }}",
            server.address
        );
        let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
        let (outcome, checks) = door.look().await;
        let seen = outcome.verdict.failure().map(|failure| (failure.reason, failure.cause));
        assert_eq!(seen, told, "{checks:?}");
        assert_eq!(matches!(outcome.verdict, Verdict::Degraded(_)), told.is_some());
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let client = authority.sign(&["probe.example"], |_| {});
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("client.pem"), client.certificate.pem()).unwrap();
    std::fs::write(folder.path().join("client.key"), client.key.serialize_pem()).unwrap();
    let acceptor = authority.acceptor_of_known_clients(&authority.sign(&["127.0.0.1"], |_| {}));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            stream.write_all(ok("", "").as_bytes()).await.unwrap();
        }
    })
    .await;
    for (client, reason) in [
        (", client_certificate = 'client.pem', client_key = { file = 'client.key' }", None),
        ("", Some(Reason::TlsHandshake)),
    ] {
        let settings = format!("url = 'https://{}/'\ntls = {{ root_ca = 'ca.pem'{client} }}", server.address);
        let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
        let (outcome, _) = door.look().await;
        assert_eq!(outcome.verdict.failure().map(|failure| failure.reason), reason, "{:?}", outcome.verdict);
    }
}

#[test]
fn everything_wrong_with_a_request_is_told_at_once() {
    let problems = build(
        r#"
        url = "https://shop.example.com/"
        headers = { x-key = { file = "/nonexistent/key" } }
        limits = { body_bytes = "1GiB", inflated_ratio = 0 }
        body = { text = "a", form = { b = "c" } }
        [tls]
        client_certificate = "/nonexistent/client.pem"
        [expect]
        body = [{ contains = "a", not_contains = "b" }]
        json = [{ path = "$.a" }]
        size = { min = 10, max = 5 }
        "#,
        Path::new("."),
        &no_names(),
    )
    .unwrap_err();
    let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for part in [
        "failed to read the secret",
        "outside the bounds",
        "a body is one thing",
        "/nonexistent/client.pem",
        "needs its private key",
        "in exactly one way",
        "does not say what is expected at the path",
        "at least min and at most max",
    ] {
        assert!(told.iter().any(|message| message.contains(part)), "{part:?} is not told in {told:#?}");
    }
    assert!(problems.iter().all(|problem| problem.span.is_some() && problem.hint.is_some()), "{problems:#?}");
}
