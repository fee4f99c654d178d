//! The demo as a process of its own, in a temporary directory of its own.

use std::{path::PathBuf, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

pub(crate) struct Demo {
    child: Child,
    /// Held open, so that the demo can go on printing.
    _printed: Lines<BufReader<ChildStdout>>,
    directory: TempDir,
    client: reqwest::Client,
    pub(crate) address: String,
}

impl Demo {
    /// Starts it on a free port and waits until it has said where it is. It finds no Chromium.
    pub(crate) async fn start() -> Self {
        Self::start_with("/nowhere").await
    }

    /// The same where it finds Chromium.
    pub(crate) async fn start_with_chromium() -> Self {
        Self::start_with("/usr/bin:/bin").await
    }

    async fn start_with(path: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lamplighter"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", directory.path())
            .env("PATH", path)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = printed.next_line().await.unwrap().expect("the demo ended before it said where it is");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].trim_end_matches('/').to_owned();
            }
        };
        Self { child, _printed: printed, directory, client: reqwest::Client::new(), address }
    }

    /// The configuration that its daemon works by.
    pub(crate) fn config(&self) -> PathBuf {
        let mut folders =
            std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        let folder = folders.find(|path| path.to_string_lossy().contains("lamplighter-demo-"));
        folder.expect("the demo keeps its files in a directory of its own").join("probes.toml")
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) {
        let answer = self.client.post(format!("{}{path}", self.address)).json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path} {body}");
    }

    pub(crate) async fn post_refused(&self, path: &str, body: &Value) -> Value {
        let answer = self.client.post(format!("{}{path}", self.address)).json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
        answer.json().await.unwrap()
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn stop_and_leave_nothing_behind(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await;
        assert!(ended.expect("it ends within 15 s").unwrap().success());
        let left: Vec<_> = std::fs::read_dir(self.directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
