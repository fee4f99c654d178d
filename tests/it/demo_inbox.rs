//! The demo's mailbox, spoken to by a real mail client.

use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::MultiPart};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_mail_sent_by_lettre_lies_in_the_mailbox_with_both_its_parts() {
    let inbox = Inbox::new(Clock::system());
    let (listener, port) = listener().await;
    let mail = Message::builder()
        .from("Lamplighter <lamplighter@example.com>".parse().unwrap())
        .to("oncall@example.com".parse().unwrap())
        .subject("dark – hotline")
        .multipart(MultiPart::alternative_plain_html("one\n.\n..two\n".to_owned(), "<p>ä</p>".to_owned()))
        .unwrap();
    let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port).build();
    tokio::select! {
        () = inbox.serve(listener) => unreachable!("it serves until it is dropped"),
        sent = client.send(mail) => { sent.unwrap(); }
    }

    let mails = inbox.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].number, 1);
    assert_eq!(mails[0].envelope_from, "lamplighter@example.com");
    assert_eq!(mails[0].envelope_to, ["oncall@example.com"]);
    assert_eq!(mails[0].subject, "dark – hotline");
    assert_eq!(mails[0].text.replace("\r\n", "\n").trim_end(), "one\n.\n..two");
    assert_eq!(mails[0].html.as_deref().map(str::trim_end), Some("<p>ä</p>"));
    assert_eq!(mails[0].header("to"), Some("oncall@example.com"));
}

#[tokio::test]
async fn a_mail_cut_off_in_the_middle_leaves_nothing_behind() {
    let inbox = Inbox::new(Clock::system());
    let (listener, port) = listener().await;
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let half = b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: half\r\n";
        stream.write_all(half).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    };
    tokio::select! {
        () = inbox.serve(listener) => unreachable!("it serves until it is dropped"),
        said = talk => assert!(said.contains("354 "), "{said}"),
    }
    assert!(inbox.mails().is_empty());
}
