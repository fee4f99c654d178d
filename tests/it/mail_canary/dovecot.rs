//! Dovecot as Debian ships it: mailboxes by IMAP, over TLS or STARTTLS, and LMTP by which a mail server delivers into
//! them.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use nix::unistd::{Group, User, geteuid};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{certificates::Certificates, running::until};

/// The password of every user.
pub const PASSWORD: &str = "a \"quoted\" pässword";

/// Its ports.
#[derive(Clone, Copy)]
struct Ports {
    imap: u16,
    imaps: u16,
    lmtp: u16,
}

/// A Dovecot at work.
pub struct Dovecot {
    place: TempDir,
    certificates: Certificates,
    ports: Ports,
    _child: Child,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Its configuration. As root it works as the user of its package, as anybody else as that one.
fn configuration(place: &Path, certificates: &Certificates, ports: Ports) -> String {
    let own = User::from_uid(geteuid()).unwrap().unwrap();
    let (user, as_whom) = match own.uid.is_root() {
        true => (User::from_name("dovecot").unwrap().expect("dovecot-core brings its user"), String::new()),
        false => {
            let (name, group) = (&own.name, Group::from_gid(own.gid).unwrap().unwrap().name);
            let lines = format!(
                "default_internal_user = {name}\ndefault_login_user = {name}\ndefault_internal_group = {group}\n"
            );
            (own, lines)
        }
    };
    let (certificate, key) = certificates.server();
    let Ports { imap, imaps, lmtp } = ports;
    format!(
        r#"{as_whom}base_dir = {place}/run
state_dir = {place}/run
log_path = {place}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{place}/%u
first_valid_uid = 1
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {place}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={place} allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"#,
        place = place.display(),
        certificate = certificate.display(),
        key = key.display(),
        uid = user.uid,
        gid = user.gid,
    )
}

impl Dovecot {
    /// Starts one, with the user `canary@example.com`.
    pub async fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let certificates = Certificates::for_name("127.0.0.1");
        let ports = Ports { imap: free_port(), imaps: free_port(), lmtp: free_port() };
        fs::write(place.path().join("users"), format!("canary@example.com:{PASSWORD}\n")).unwrap();
        let path = place.path().join("dovecot.conf");
        fs::write(&path, configuration(place.path(), &certificates, ports)).unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
        let child = Command::new("/usr/sbin/dovecot")
            .arg("-F")
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("dovecot is installed by tests/run");
        for port in [ports.imap, ports.imaps, ports.lmtp] {
            until("Dovecot listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        }
        Self { place, certificates, ports, _child: child }
    }

    /// The address of its mailboxes by TLS and by STARTTLS.
    pub fn addresses(&self) -> [String; 2] {
        let Ports { imap, imaps, .. } = self.ports;
        [format!("imaps://127.0.0.1:{imaps}"), format!("imap://127.0.0.1:{imap}")]
    }

    /// The authority that has signed its certificate, in PEM.
    pub fn root(&self) -> Vec<u8> {
        self.certificates.root().to_vec()
    }

    /// The transport by which Exim delivers into it.
    pub fn transport(&self) -> String {
        format!(
            "  driver = smtp\n  protocol = lmtp\n  hosts = 127.0.0.1\n  port = {}\n  allow_localhost\n",
            self.ports.lmtp
        )
    }

    /// What lies in the mailbox.
    pub fn mails(&self) -> Vec<String> {
        let folders = ["new", "cur"].map(|folder| self.place.path().join("canary@example.com").join(folder));
        let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}
