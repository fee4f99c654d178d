//! The mail route against Exim as Debian ships it, with TLS and a login. Exim serves one session on a socket that it
//! is given, as under inetd, so that it needs neither a port of its own nor root, and delivers before it ends.

use std::{
    fs::{self, Permissions},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
    process::Stdio,
    time::Duration,
};

use lamplighter::{
    domain::{incident::IncidentEvent, notification::Notification},
    notify::{
        Delivery, Notifier,
        mail::{Limits, MailRoute, MailSecurity, MailServer},
    },
    secret::Secret,
};
use mail_parser::MessageParser;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

use crate::{
    certificates::Certificates,
    samples::{notification, start},
};

/// The password of the user `lamplighter`.
pub const PASSWORD: &str = "correct horse battery";

/// Everything into one maildir.
const KEEP: &str = "  driver = appendfile
  maildir_format
  directory = {place}/mail
  create_directory
";

/// Exim's configuration: TLS, login required, one unknown recipient, one whose mails vanish, everything else by this
/// transport.
fn configuration(place: &Path, certificates: &Certificates, transport: &str) -> String {
    let place = place.display();
    let transport = transport.replace("{place}", &place.to_string());
    let (certificate, key) = certificates.server();
    format!(
        r#"
keep_environment =
spool_directory = {place}/spool
log_file_path = {place}/log-%s
primary_hostname = mail.test
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = recipient
acl_smtp_data = content
begin acl
recipient:
  deny   !authenticated = *
         message = log in first
  deny   local_parts = nobody
         message = no such user
  accept
content:
  accept
begin routers
vanish:
  driver = redirect
  local_parts = hole
  data = :blackhole:
keep:
  driver = accept
  transport = keep
begin transports
keep:
{transport}
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{lamplighter}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"#,
        certificate = certificate.display(),
        key = key.display(),
    )
}

/// A mail server that is real.
pub struct Exim {
    place: TempDir,
    certificates: Certificates,
    listener: TcpListener,
}

impl Exim {
    async fn set_up() -> Self {
        Self::delivering(KEEP).await
    }

    /// One that delivers by this transport.
    pub async fn delivering(transport: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let certificates = Certificates::for_name("127.0.0.1");
        let path = place.path().join("exim.conf");
        fs::write(&path, configuration(place.path(), &certificates, transport)).unwrap();
        // As root, Exim works as a user of its own, who must get at its files.
        let (certificate, key) = certificates.server();
        for open in [place.path(), certificate.parent().unwrap()] {
            fs::set_permissions(open, Permissions::from_mode(0o777)).unwrap();
        }
        fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { place, certificates, listener }
    }

    fn route(&self, security: MailSecurity, password: &str) -> MailRoute {
        let server = MailServer {
            from: "Lamplighter <lamplighter@example.com>".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            security,
            credentials: Some(("lamplighter".to_owned(), Secret::new(password.to_owned()))),
            root_ca: Some(self.certificates.root()),
        };
        let minute = Duration::from_secs(60);
        MailRoute::new(server, Limits { connect: minute, command: minute, whole: minute }).unwrap()
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The authority that has signed its certificate, in PEM.
    pub fn root(&self) -> Vec<u8> {
        self.certificates.root().to_vec()
    }

    /// Serves one session to its end.
    pub async fn serve(&self, security: MailSecurity) {
        let (socket, _) = self.listener.accept().await.unwrap();
        let socket = socket.into_std().unwrap();
        socket.set_nonblocking(false).unwrap();
        let socket = OwnedFd::from(socket);
        let mut exim = Command::new("/usr/sbin/exim4");
        exim.arg("-C").arg(self.place.path().join("exim.conf")).args(["-bs", "-odf"]);
        if security == MailSecurity::Tls {
            exim.arg("-tls-on-connect");
        }
        exim.stdin(Stdio::from(socket.try_clone().unwrap())).stdout(Stdio::from(socket)).kill_on_drop(true);
        // The command keeps the socket for another start; it must go, or the client never sees the end.
        let mut child = exim.spawn().expect("exim4 is installed by tests/run");
        drop(exim);
        child.wait().await.unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log-main")).unwrap_or_default()
    }

    fn mails(&self) -> Vec<Vec<u8>> {
        let mut files: Vec<_> =
            fs::read_dir(self.place.path().join("mail/new")).unwrap().map(|entry| entry.unwrap()).collect();
        files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
        files.iter().map(|file| fs::read(file.path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn exim_takes_an_incident_by_tls_and_by_starttls_and_refuses_one_recipient() {
    for security in [MailSecurity::Tls, MailSecurity::StartTls] {
        let exim = Exim::set_up().await;
        let route = exim.route(security, PASSWORD);
        let mut opened = notification("i1", IncidentEvent::Opened, "anna@example.com", start());
        opened.content.subject = "[DARK] Chat-Knopf, Größe \u{1f525}, \r\nBcc: eve@example.org".to_owned();
        opened.content.text = format!("Der Chat-Knopf geht nicht.\n.\n{}\n", "lang ".repeat(400));
        let unknown = notification("i1", IncidentEvent::Opened, "nobody@example.com", start());
        let resolved = notification("i1", IncidentEvent::Resolved, "anna@example.com", start());
        let talk = async {
            let send = async |notification: &Notification| route.send(notification, Duration::ZERO).await;
            let answers = [send(&opened).await, send(&unknown).await, send(&resolved).await];
            route.rest().await;
            answers
        };
        let (answers, ()) = tokio::join!(talk, exim.serve(security));
        assert!(matches!(&answers[0], Delivery::Accepted(words) if words.contains("OK id=")), "{answers:?}");
        assert!(matches!(&answers[1], Delivery::Permanent(words) if words.contains("no such user")));
        assert!(matches!(&answers[2], Delivery::Accepted(_)), "{answers:?}");
        println!("{security:?}: {answers:?}");

        let mails = exim.mails();
        assert_eq!(mails.len(), 2, "{}", exim.log());
        let first = MessageParser::default().parse(&mails[0]).unwrap();
        assert_eq!(first.message_id(), Some(opened.message_id.as_str()));
        assert_eq!(first.subject(), Some("[DARK] Chat-Knopf, Größe \u{1f525}, Bcc: eve@example.org"));
        assert!(first.header_raw("Bcc").is_none());
        assert_eq!(first.body_text(0).unwrap().replace("\r\n", "\n"), opened.content.text);
        let second = MessageParser::default().parse(&mails[1]).unwrap();
        let thread = format!("<{}>", opened.message_id);
        assert_eq!(second.header_raw("References").map(str::trim), Some(thread.as_str()));
    }
}

#[tokio::test]
async fn exim_refuses_a_wrong_password_and_the_mail_waits() {
    let exim = Exim::set_up().await;
    let route = exim.route(MailSecurity::StartTls, "wrong");
    let opened = notification("i1", IncidentEvent::Opened, "anna@example.com", start());
    let (delivery, ()) =
        tokio::join!(route.send(&opened, Duration::ZERO), exim.serve(MailSecurity::StartTls));
    let Delivery::Transient(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.contains("login: the server said 535"), "{words}");
}
