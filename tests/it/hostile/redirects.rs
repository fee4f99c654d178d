//! Redirects to nowhere, in circles, and to where no probe goes.

use lamplighter::domain::outcome::{Reason, Stage};
use tokio::io::AsyncWriteExt;

use super::{Case, Expected, LONG, Server, Target, run_all};
use crate::loopback::{certificates::Authority, read_request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_cannot_send_us_where_no_probe_goes() {
    run_all(|folder| Box::pin(cases(folder))).await;
}

async fn cases(folder: std::path::PathBuf) -> Vec<Case> {
    let blocked = Expected::Failed(Stage::Wait, Reason::RedirectBlocked);
    let policy = Expected::Failed(Stage::Connect, Reason::PolicyBlocked);
    let mut cases = Vec::new();
    for (location, expected) in [
        ("/", Expected::Failed(Stage::Wait, Reason::RedirectLoop)),
        ("file:///etc/passwd", blocked),
        ("javascript:alert(1)", blocked),
        ("ftp://ftp.example.com/", blocked),
        ("data:text/html,hello", blocked),
        ("http://probe:secret@127.0.0.1/", blocked),
        ("http://[broken/", blocked),
        ("http://169.254.169.254/latest/meta-data/", policy),
        ("http://[::ffff:169.254.169.254]/", policy),
        ("http://2852039166/", policy),
        ("http://0xa9fea9fe/", policy),
        ("http://169.254.43518/", policy),
        ("http://[fd00:ec2::254]/", policy),
        ("http://[fe80::1]/", policy),
        ("http://0.0.0.0/", policy),
        ("http://10.0.0.1/", policy),
        ("http://192.168.1.1/", policy),
        ("http://127.0.0.2/", policy),
        ("http://[::ffff:127.0.0.2]/", policy),
        (
            "http://localhost.localdomain.127.0.0.2.invalid./",
            Expected::Failed(Stage::Resolve, Reason::DnsMalformed),
        ),
    ] {
        let name = format!("redirect to {location}");
        cases.push(Case::serves(&name, LONG, expected, "", move |stream| to(stream, location)).await);
    }
    let allowed = Expected::Failed(Stage::Connect, Reason::ConnectRefused);
    let settings = "allow_private = true";
    cases.push(
        Case::serves("redirect to 127.0.0.2, allowed", LONG, allowed, settings, |stream| {
            to(stream, "http://127.0.0.2:1/")
        })
        .await,
    );
    let still = "redirect to 169.254.169.254, private allowed";
    cases.push(
        Case::serves(still, LONG, policy, settings, |stream| to(stream, "http://169.254.169.254/")).await,
    );
    let limit = Expected::Failed(Stage::Wait, Reason::RedirectLimit);
    cases.push(Case::serves("a chain without end", LONG, limit, "", ever_on).await);
    cases.push(Case::serves("a chain without end, 20 allowed", LONG, limit, "redirects = 20", ever_on).await);
    cases.push(Case::serves("a circle that sets a new cookie each time", LONG, limit, "", new_cookie).await);
    cases.push(from_https_to_http(&folder).await);
    cases.push(secret_body(&folder).await);
    cases
}

async fn to(mut stream: tokio::net::TcpStream, location: &str) {
    read_request(&mut stream).await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn ever_on(mut stream: tokio::net::TcpStream) {
    let request = read_request(&mut stream).await;
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {path}a\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn new_cookie(mut stream: tokio::net::TcpStream) {
    let request = read_request(&mut stream).await;
    let n = request.split("n=").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: /\r\nset-cookie: n={}\r\ncontent-length: 0\r\n\r\n", n + 1);
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn from_https_to_http(folder: &std::path::Path) -> Case {
    let authority = Authority::new();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let acceptor = authority.sign(&["127.0.0.1"], |_| {}).acceptor(&[]);
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            read_request(&mut stream).await;
            let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let settings = format!("url = 'https://{}/'\ntls = {{ root_ca = 'ca.pem' }}", server.address);
    let blocked = Expected::Failed(Stage::Wait, Reason::RedirectBlocked);
    Case::of("redirect from https to http", LONG, blocked, settings, Target::Server(server)).in_folder(folder)
}

async fn secret_body(folder: &std::path::Path) -> Case {
    std::fs::write(folder.join("password"), "s3cret").unwrap();
    let settings = "body = { form = { password = { file = 'password' } } }";
    let blocked = Expected::Failed(Stage::Wait, Reason::RedirectBlocked);
    let elsewhere = |mut stream| async move {
        read_request(&mut stream).await;
        let answer = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
    };
    let name = "a secret in the body, sent on to another origin";
    Case::serves(name, LONG, blocked, settings, elsewhere).await.in_folder(folder)
}
