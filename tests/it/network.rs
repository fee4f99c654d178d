//! The way of a probe of the kind `http`: over which family and which HTTP it goes, what it says of the host, how far
//! it follows, and what it says where there is no way.

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::domain::outcome::{Outcome, Reason, Stage, Verdict};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

use crate::loopback::{Door, Server, build, certificates::Authority, look, no_names, read_request};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// What servers were asked, in the order in which it came.
type Requests = Arc<Mutex<Vec<String>>>;

/// Answers as `answer` says to the path that is asked for, and keeps the requests.
async fn answering(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> (Server, Requests) {
    let requests = Requests::default();
    let kept = requests.clone();
    let server = Server::start(move |mut stream| {
        let (answer, kept) = (answer.clone(), kept.clone());
        async move {
            let request = read_request(&mut stream).await;
            let answer = answer(request.split(' ').nth(1).unwrap());
            kept.lock().unwrap().push(request);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (server, requests)
}

fn moved(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

/// Where a run broke and why; none if it did not.
fn broken(outcome: &Outcome) -> Option<(Stage, Reason)> {
    outcome.verdict.failure().map(|failure| (failure.stage, failure.reason))
}

#[tokio::test]
async fn an_address_without_a_way_to_it_is_unreachable() {
    // The system connects to no broadcast address, and sends nothing there.
    let (outcome, _) = look("url = 'http://127.255.255.255:9/'").await;
    assert_eq!(broken(&outcome), Some((Stage::Connect, Reason::ConnectUnreachable)));
}

/// The program in a network of its own, in which there is nothing, not even a way to itself.
#[test]
fn a_machine_without_a_network_blames_no_channel_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let probes = "[monitor]\nresolver = [\"192.0.2.53:53\"]\n[channel.web-chat]\nkind = \"chat\"\n\
                  probe.address.http = { url = \"http://192.0.2.1/\" }\n\
                  probe.name.http = { url = \"https://shop.example.com/\" }\n";
    std::fs::write(folder.path().join("probes.toml"), probes).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", env!("CARGO_BIN_EXE_lamplighter")])
        .args(["probe", "web-chat", "--json"])
        .current_dir(folder.path())
        .output()
        .expect("unshare, of the package util-linux");
    let said = String::from_utf8_lossy(&output.stderr);
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let runs = json["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{json:#}");
    for run in runs {
        assert_eq!(run["outcome"], "inconclusive", "{run:#}");
        assert_eq!(run["inconclusive"]["reason"], "own_network", "{run:#}");
    }
}

#[tokio::test]
async fn a_family_is_kept_to() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let _server = Server::on(listener, |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
    });
    let (outcome, _) = look(&format!("url = 'http://localhost:{port}/'\nfamily = 'ipv6'")).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let (server, _) = answering(|_| HELLO.to_owned()).await;
    let port = server.address.port();
    for (family, expected) in
        [("ipv4", None), ("ipv6", Some((Stage::Connect, Reason::ConnectRefused))), ("any", None)]
    {
        let (outcome, _) = look(&format!("url = 'http://localhost:{port}/'\nfamily = '{family}'")).await;
        assert_eq!(broken(&outcome), expected, "{family}");
    }
}

#[tokio::test]
async fn as_many_redirects_are_followed_as_are_allowed() {
    for (hops, redirects, expected) in [
        (2, 2, None),
        (3, 2, Some((Stage::Wait, Reason::RedirectLimit))),
        (1, 1, None),
        (2, 1, Some((Stage::Wait, Reason::RedirectLimit))),
        (5, 5, None),
    ] {
        let (server, requests) = answering(move |path| match path.len() - 1 {
            done if done == hops => HELLO.to_owned(),
            _ => moved(&format!("{path}a")),
        })
        .await;
        let settings = format!("url = 'http://{}/'\nredirects = {redirects}", server.address);
        let (outcome, _) = look(&settings).await;
        assert_eq!(broken(&outcome), expected, "{hops} hops, {redirects} allowed");
        assert_eq!(requests.lock().unwrap().len(), 1 + redirects, "{hops} hops, {redirects} allowed");
    }
}

#[tokio::test]
async fn a_page_that_leads_to_itself_is_asked_once() {
    let (server, requests) = answering(|_| moved("/")).await;
    let (outcome, _) = look(&format!("url = 'http://{}/'", server.address)).await;
    assert_eq!(broken(&outcome), Some((Stage::Wait, Reason::RedirectLoop)));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_of_the_operators_own_stays_at_its_origin() {
    let (elsewhere, elsewhere_asked) = answering(|_| HELLO.to_owned()).await;
    let away = format!("http://{}/", elsewhere.address);
    let (server, asked) = answering(move |path| moved(if path == "/" { "/again" } else { &away })).await;
    let settings = format!("url = 'http://{}/'\nheaders = {{ host = 'shop.example.com' }}", server.address);
    let (outcome, _) = look(&settings).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|request| request.contains("host: shop.example.com\r\n")), "{asked:?}");
    let request = &elsewhere_asked.lock().unwrap()[0];
    assert!(request.contains(&format!("host: {}\r\n", elsewhere.address)), "{request}");
}

#[test]
fn a_host_that_none_can_be_is_refused() {
    let settings = "url = 'http://127.0.0.1/'\nheaders = { host = 'shop example' }";
    let problems = build(settings, Path::new("."), &no_names()).unwrap_err();
    assert!(problems[0].message.contains("must name a host"), "{problems:?}");
}

#[tokio::test]
async fn the_version_asked_for_is_spoken_and_the_host_is_said_in_it() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let acceptor = authority.sign(&["127.0.0.1"], |_| {}).acceptor(&["h2", "http/1.1"]);
    let spoken: Arc<Mutex<Vec<(&str, String)>>> = Arc::default();
    let kept = spoken.clone();
    let server = Server::start(move |stream| {
        let (acceptor, kept) = (acceptor.clone(), kept.clone());
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            let said = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => ("h2", host_over_http2(stream).await),
                _ => ("http/1.1", host_over_http1(stream).await),
            };
            kept.lock().unwrap().push(said);
        }
    })
    .await;
    for (version, wire) in [("1.1", "http/1.1"), ("2", "h2"), ("auto", "h2")] {
        let settings = format!(
            "url = 'https://{}/'\nversion = '{version}'\ntls = {{ root_ca = 'ca.pem' }}\n\
             headers = {{ host = 'shop.example.com' }}",
            server.address
        );
        let door = Door::with(&settings, folder.path(), &no_names(), Duration::from_secs(10));
        let (outcome, _) = door.look().await;
        assert_eq!(outcome.verdict, Verdict::Ok, "{version}");
        crate::running::until("the server is done", async || !spoken.lock().unwrap().is_empty()).await;
        assert_eq!(spoken.lock().unwrap().pop(), Some((wire, "shop.example.com".to_owned())), "{version}");
    }
}

async fn host_over_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = read_request(&mut stream).await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

async fn host_over_http2(stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut said = String::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert!(request.headers().get("host").is_none(), "{request:?}");
        said = request.uri().authority().unwrap().to_string();
        respond.send_response(http::Response::new(()), true).unwrap();
    }
    said
}
