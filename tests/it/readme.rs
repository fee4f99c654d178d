//! The README does what it says: its commands are run in the order in which they stand there, its example is the file
//! they work by, and its links lead somewhere. Only names of servers are replaced, by servers on loopback ports.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The fenced blocks in one language, in their order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A folder in which the reader of the README works, and the servers that stand behind its names.
struct Desk {
    folder: tempfile::TempDir,
    listen: SocketAddr,
    inbox: Inbox,
    servers: JoinSet<()>,
}

impl Desk {
    async fn set_up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut servers = JoinSet::new();
        let shop = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (shop_at, smtp_at) = (shop.local_addr().unwrap(), smtp.local_addr().unwrap());
        servers.spawn(serve_launcher(shop));
        let inbox = Inbox::new(Clock::system());
        let receiver = inbox.clone();
        servers.spawn(async move { receiver.serve(smtp).await });
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let [example] = &blocks(&readme(), "toml")[..] else { panic!("the README has one example") };
        let mut local = example.clone();
        for (name, stand_in) in [
            ("127.0.0.1:9899", listen.to_string()),
            ("https://shop.example.com", format!("http://{shop_at}")),
            ("smtps://mail.example.com", format!("smtp+plain://{smtp_at}")),
            // A server on a loopback port asks for no password.
            ("username = \"lamplighter\"\n", String::new()),
            ("password = { env = \"SMTP_PASSWORD\" }\n", String::new()),
        ] {
            assert_eq!(local.matches(name).count(), 1, "{name} in {local}");
            local = local.replace(name, &stand_in);
        }
        fs::write(folder.path().join("first.toml"), local).unwrap();
        fs::write(folder.path().join("as-written.toml"), example).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lamplighter"), folder.path().join("bin/lamplighter"))
            .unwrap();
        Self { folder, listen, inbox, servers }
    }

    /// A line of the README in a shell that finds the program.
    fn shell(&self, line: &str) -> Command {
        let path = format!("{}:{}", self.folder.path().join("bin").display(), "/usr/bin:/bin");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec {line}")]).current_dir(self.folder.path()).env("PATH", path);
        command.env("SMTP_PASSWORD", "secret").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn output_of(&self, line: &str) -> String {
        let output = timeout(PATIENCE, self.shell(line).output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
        said
    }
}

async fn serve_launcher(listener: tokio::net::TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        if stream.read(&mut request).await.is_ok_and(|length| length == 0) {
            continue;
        }
        let body = "{\"enabled\": true}";
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        // A visitor that has gone is none of the shop's business.
        stream.write_all(answer.as_bytes()).await.ok();
    }
}

/// Ends a program as Ctrl-C does; it must end well.
async fn interrupt(mut child: Child) {
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

async fn page(url: &str) -> Option<String> {
    reqwest::get(url).await.ok()?.error_for_status().ok()?.text().await.ok()
}

async fn page_in_time(url: &str) -> String {
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    let asked = async {
        loop {
            turns.tick().await;
            if let Some(page) = page(url).await {
                return page;
            }
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("no answer from {url}"))
}

/// Starts the demo on a free port, as the README does on its own, and looks at its page.
async fn demo_shows_its_page(desk: &Desk) {
    let mut command = desk.shell("lamplighter demo --listen 127.0.0.1:0");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line =
            timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("an address before the end");
        if let Some(at) = line.find("http://") {
            break line[at..].split_whitespace().next().unwrap().to_owned();
        }
    };
    assert!(page_in_time(&url).await.contains("Lamplighter"));
    interrupt(child).await;
}

/// Without arguments the daemon runs by `probes.toml` of its folder. The servers in the shipped one do not exist, which
/// is no reason not to run; only the port is changed, since another test may have it.
async fn the_shipped_file_runs() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string(root().join("probes.toml")).unwrap();
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(shipped.matches("\"127.0.0.1:9899\"").count(), 1, "{shipped}");
    let here = shipped.replace("127.0.0.1:9899", &listen.to_string());
    fs::write(folder.path().join("probes.toml"), &here).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    for variable in here.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        command.env(variable, "secret");
    }
    let child = command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    page_in_time(&format!("http://{listen}/readyz")).await;
    interrupt(child).await;
}

#[tokio::test]
async fn every_command_of_the_readme_does_what_it_says() {
    let mut desk = Desk::set_up().await;
    let mut daemon: Option<Child> = None;
    let lines: Vec<String> = blocks(&readme(), "sh").concat().lines().map(str::to_owned).collect();
    for line in &lines {
        match line.as_str() {
            "cargo run --release -- demo" => demo_shows_its_page(&desk).await,
            "cargo run --release" => the_shipped_file_runs().await,
            // Building it once more would take minutes; what `--locked` needs is there, and the program is the one built.
            "cargo install --locked --path ." => assert!(root().join("Cargo.lock").exists()),
            "export SMTP_PASSWORD='the password of the mail server'" => {}
            "lamplighter check first.toml" => {
                assert!(desk.output_of(line).await.contains("first.toml is in order"));
                desk.output_of("lamplighter check as-written.toml").await;
            }
            "lamplighter probe --config first.toml web-chat" => {
                assert!(desk.output_of(line).await.contains("launcher"));
            }
            "lamplighter test-mail --config first.toml support-oncall" => {
                desk.output_of(line).await;
                assert_eq!(desk.inbox.mails()[0].envelope_to, ["oncall@example.com"]);
            }
            "lamplighter run --config first.toml" => {
                daemon = Some(desk.shell(line).spawn().unwrap());
                page_in_time(&format!("http://{}/readyz", desk.listen)).await;
            }
            "curl http://127.0.0.1:9899/metrics" => {
                let here = line.replace("127.0.0.1:9899", &desk.listen.to_string());
                assert!(desk.output_of(&here).await.contains("support_channel_info{"));
            }
            unknown => panic!("the README has a command that this test does not know: {unknown}"),
        }
    }
    interrupt(daemon.expect("the README starts the daemon")).await;
    desk.servers.shutdown().await;
}

#[test]
fn every_link_leads_to_a_file_that_is_there() {
    let mut pages: Vec<PathBuf> = ["README.md", "CHANGELOG.md"].map(|name| root().join(name)).to_vec();
    pages.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut broken = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") && !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
