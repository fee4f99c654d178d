//! What several channels stand on without anybody having declared it, found by the real program on its way to them: the
//! address behind several names, and the certificate that several hosts present.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use mail_parser::MessageParser;
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::watch};

use crate::{
    loopback::{
        Server,
        certificates::self_signed,
        dns::{NameServer, addresses},
        read_request,
    },
    running::{Running, until},
    smtp_sink::{Protection, Sink},
};

/// Lets two doors fail so that neither is judged before the other has begun to look bad.
struct Fall {
    has_failed: [watch::Sender<bool>; 2],
}

impl Fall {
    fn new() -> Arc<Self> {
        Arc::new(Self { has_failed: std::array::from_fn(|_| watch::channel(false).0) })
    }

    /// The first fails once the second has; the second again once the first has.
    async fn turn(&self, door: usize) {
        if door == 0 || *self.has_failed[1].borrow() {
            let mut other = self.has_failed[1 - door].subscribe();
            other.wait_for(|failed| *failed).await.unwrap();
        }
        self.has_failed[door].send_replace(true);
    }
}

/// Two channels on hosts of different names.
fn config(names: &NameServer, sink: &Sink, probe: impl Fn(&str) -> String) -> String {
    let channel = |id: &str| {
        format!(
            "[channel.{id}]\nkind = \"chat\"\ntitle = \"The {id}\"\nteam = \"oncall\"\n\
             [channel.{id}.probe.door]\nevery = \"100ms\"\nhttp = {}\n",
            probe(id)
        )
    };
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\nresolver = [\"{}\"]\n\
         [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
         [team.oncall]\nmail = [\"anna@example.com\"]\n{}{}",
        names.address,
        sink.port(),
        channel("chat"),
        channel("form"),
    )
}

/// Whether both channels are in a state.
async fn are_both(running: &Running, state: &str) -> bool {
    let mut both = true;
    for id in ["chat", "form"] {
        let sample = format!("support_channel_state{{channel=\"{id}\",state=\"{state}\"}}");
        both &= running.sum(&sample).await == 1.0;
    }
    both
}

/// The only mail that comes until both are told to be dark.
async fn only_mail(sink: &Sink, running: &Running) -> String {
    until("both are told to be dark", async || are_both(running, "dark").await && sink.taken_count() > 0)
        .await;
    let taken = sink.taken();
    let message = MessageParser::default().parse(&taken[0].data).unwrap();
    let text = message.body_text(0).unwrap().into_owned();
    assert_eq!(taken.len(), 1, "{text}");
    assert!(text.contains("\n  chat") && text.contains("\n  form"), "{text}");
    text
}

#[tokio::test]
async fn doors_of_different_names_that_fall_with_the_address_behind_them_are_one_mail() {
    let names = NameServer::start(|question| Some(addresses(question, &[Ipv4Addr::LOCALHOST]))).await;
    let (is_broken, fall) = (Arc::new(AtomicBool::new(false)), Fall::new());
    let door = {
        let is_broken = Arc::clone(&is_broken);
        Server::start(move |mut stream| {
            let (is_broken, fall) = (Arc::clone(&is_broken), Arc::clone(&fall));
            async move {
                let request = read_request(&mut stream).await;
                let mut status = 200;
                if is_broken.load(Relaxed) {
                    fall.turn(usize::from(request.contains("form.test"))).await;
                    status = 503;
                }
                let answer =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        })
        .await
    };
    let sink = Sink::start(Protection::None).await;
    let port = door.address.port();
    let text = config(&names, &sink, |id| format!("{{ url = \"http://{id}.test:{port}/\" }}"));
    let running = Running::start(&text, &[]).await;
    until("both are up", async || are_both(&running, "up").await).await;
    is_broken.store(true, Relaxed);
    let text = only_mail(&sink, &running).await;
    assert!(text.contains("In common: the address 127.0.0.1"), "{text}");
}

#[tokio::test]
async fn hosts_that_present_the_same_bad_certificate_are_one_mail() {
    let names = NameServer::start(|question| {
        let host = if question.queries[0].name().to_string().starts_with("form") { 3 } else { 2 };
        Some(addresses(question, &[Ipv4Addr::new(127, 0, 0, host)]))
    })
    .await;
    let fall = Fall::new();
    let signed = self_signed(&["chat.test", "form.test"]);
    let acceptor = signed.acceptor(&["http/1.1"]);
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let door = Server::on(listener, move |stream| {
        let (acceptor, fall) = (acceptor.clone(), Arc::clone(&fall));
        async move {
            let is_form = stream.local_addr().unwrap().ip() == Ipv4Addr::new(127, 0, 0, 3);
            fall.turn(usize::from(is_form)).await;
            acceptor.accept(stream).await.ok();
        }
    });
    let sink = Sink::start(Protection::None).await;
    let port = door.address.port();
    let text = config(&names, &sink, |id| format!("{{ url = \"https://{id}.test:{port}/\" }}"));
    let running = Running::start(&text, &[]).await;
    let text = only_mail(&sink, &running).await;
    let digest = Sha256::digest(signed.certificate.der());
    let fingerprint: Vec<String> = digest[..8].iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(text.contains(&format!("In common: the certificate {}", fingerprint.join(":"))), "{text}");
}
