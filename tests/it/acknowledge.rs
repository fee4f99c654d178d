//! Taking an incident in hand by command, with the real program on both sides.

use std::{net::TcpListener, path::Path};

use mail_parser::MessageParser;
use nix::sys::signal::Signal;

use crate::{
    running::{Running, Target, command, until, write_config},
    smtp_sink::{Protection, Sink},
};

/// A door that is broken, and a token for commands; the pages are on a port that the commands find in the file.
fn configure(directory: &Path, target: &Target, sink: &Sink, path: &str) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(directory.join("token"), "a-token-of-some-length").unwrap();
    write_config(
        directory,
        &format!(
            "[monitor]\nlisten = \"{free}\"\ntime_zone = \"UTC\"\n[api]\ntoken = {{ file = \"token\" }}\n\
             [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
             [team.oncall]\nmail = [\"anna@example.com\"]\n\
             [channel.chat]\nkind = \"chat\"\nteam = \"oncall\"\n[channel.chat.probe.door]\nevery = \"100ms\"\n\
             http = {{ url = \"http://{}{path}\" }}\n",
            sink.port(),
            target.address
        ),
    );
}

/// `lamplighter acknowledge ...`: its exit code, what it printed, and what it complained of.
async fn acknowledge(directory: &Path, incident: &str, by: &str) -> (i32, String, String) {
    let output = command(directory).args(["acknowledge", incident, "--by", by]).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The text of the latest mail.
fn latest(sink: &Sink) -> String {
    let mail = sink.taken().pop().unwrap();
    MessageParser::default().parse(&mail.data).unwrap().body_text(0).unwrap().replace("\r\n", "\n")
}

#[tokio::test]
async fn who_has_taken_an_incident_in_hand_stands_in_the_mails_that_follow_also_after_a_restart() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &target, &sink, "/broken");
    let mut running = Running::start_in(directory, &[]).await;
    until("the mail about the outage", async || sink.ids_count() == 1).await;
    let mail = latest(&sink);
    let incident = mail.lines().find_map(|line| line.trim().strip_prefix("Incident ")).unwrap().to_owned();
    let here = running.directory.path().to_owned();

    let (code, said, complaint) = acknowledge(&here, &incident, "Anna <night shift>").await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    let expected = format!("{incident} is acknowledged by Anna <night shift>; nobody is reminded of it, ");
    assert!(said.starts_with(&expected), "{said}");
    let (code, _, again) = acknowledge(&here, &incident, "Bert").await;
    let expected = "refused with status 409: it was acknowledged by Anna <night shift> at ";
    assert!(code == 1 && again.starts_with(expected), "{again}");
    let (code, _, unknown) = acknowledge(&here, "20200101T000000Z-chat-0000", "Anna").await;
    assert_eq!(
        (code, unknown.as_str()),
        (1, "refused with status 404: no incident 20200101T000000Z-chat-0000 is open\n")
    );

    running.signal(Signal::SIGTERM);
    running.ended().await;
    let Running { directory, .. } = running;
    configure(directory.path(), &target, &sink, "/works");
    let _running = Running::start_in(directory, &[]).await;
    until("the mail about the recovery", async || sink.ids_count() == 2).await;
    let mail = latest(&sink);
    assert!(mail.contains("Acknowledged by Anna <night shift> at "), "{mail}");
}
