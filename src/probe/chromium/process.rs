//! One Chromium: found, started, and ended with all its processes and files.
//!
//! It leads a process group of its own, and its orphans are handed to us to wait for. So when a [`Process`] is dropped
//! none of it is left: no process, no zombie, no profile.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, killpg},
        wait::waitpid,
    },
    unistd::{Pid, geteuid},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::wire::{Lost, Pipes};

/// The names under which distributions install it.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/// It must take commands by then. A cold start from a slow disk takes seconds.
const START_MAX: Duration = Duration::from_secs(20);

/// How much of what it printed is quoted when it does not start.
const PRINTED_BYTES_MAX: u64 = 64 << 10;

/// What a page's scripts may hold in memory, in MiB, before its renderer is ended.
const SCRIPT_HEAP_MIB: u32 = 512;

/// Addresses that no page may lead to, however they are written: link-local ones and the metadata services of clouds.
const NEVER: [&str; 5] =
    ["169.254.*", "100.100.100.200", "192.0.0.192", "[fd00:ec2::254]", "metadata.google.internal"];

/// Nothing that talks to its maker, asks the user, or keeps a hidden page from running as a shown one.
const SWITCHES: [&str; 28] = [
    "--headless",
    "--no-startup-window",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-dev-shm-usage",
    // One process of three that a run would start.
    "--disable-features=SpareRendererForSitePerProcess",
    "--disable-hang-monitor",
    "--disable-prompt-on-repost",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--deny-permission-prompts",
    "--mute-audio",
    "--noerrdialogs",
    "--password-store=basic",
];

/// What it is told of our environment.
const KEPT: [&str; 3] = ["PATH", "LANG", "TZ"];

/// Where it is, if it is on this machine: at the path given, or under one of its usual names.
#[must_use]
pub fn find(executable: Option<&Path>) -> Option<PathBuf> {
    if let Some(executable) = executable {
        return executable.is_file().then(|| executable.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    NAMES.iter().find_map(|name| {
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
    })
}

/// A running Chromium. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its profile; thrown away with it.
    profile: Option<TempDir>,
    /// Our ends of its pipes. When they close, because we are gone in whatever way, it ends by itself.
    pub pipes: Arc<Pipes>,
    /// What it calls itself when it has a window.
    pub agent: Arc<str>,
}

impl Process {
    /// Starts one with an empty profile and waits until it takes commands.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn start(executable: &Path, is_sandboxed: bool) -> Result<Self, String> {
        let failed = |error: io::Error| format!("failed to start {}: {error}", executable.display());
        let profile = tempfile::Builder::new().prefix("lamplighter-chromium-").tempdir().map_err(failed)?;
        let printed = profile.path().join("printed");
        // A program without a subreaper above it leaves its orphans to process 1, which in a container waits for none.
        prctl::set_child_subreaper(true).map_err(|errno| failed(errno.into()))?;
        let (commands, ours_to_write) = io::pipe().map_err(failed)?;
        let (ours_to_read, answers) = io::pipe().map_err(failed)?;
        let pipes = Pipes::new(ours_to_write.into(), ours_to_read.into()).map_err(failed)?;
        let mut command = command(executable, is_sandboxed, profile.path());
        let ends = vec![
            FdMapping { parent_fd: commands.into(), child_fd: 3 },
            FdMapping { parent_fd: answers.into(), child_fd: 4 },
        ];
        command.fd_mappings(ends).map_err(|error| failed(io::Error::other(error)))?;
        command.stderr(File::create(&printed).map_err(failed)?);
        let child = command.spawn().map_err(failed)?;
        // It still holds the other ends of the pipes, as if there were somebody to answer.
        drop(command);
        let mut process = Self { child, profile: Some(profile), pipes, agent: "".into() };
        let why = match timeout(START_MAX, process.greet()).await {
            Ok(Ok(agent)) => {
                process.agent = agent;
                return Ok(process);
            }
            Ok(Err(_lost)) => "ended while it started",
            Err(_elapsed) => "did not take commands in time",
        };
        Err(format!("{} {why}{}", executable.display(), last_words(&printed)))
    }

    /// Has it tell of every tab that opens from now on, and what it calls itself.
    async fn greet(&self) -> Result<Arc<str>, Lost> {
        let mut wire = self.pipes.wire();
        let tabs = json!({ "discover": true, "filter": [{ "type": "page" }, { "exclude": true }] });
        wire.send(None, "Target.setDiscoverTargets", tabs).await?;
        let id = wire.send(None, "Browser.getVersion", json!({})).await?;
        loop {
            let answer = wire.receive().await?;
            if answer.id == Some(id) {
                let agent = answer.result["userAgent"].as_str().unwrap_or_default();
                // Pages turn away what calls itself headless, though they would serve the same browser with a window.
                return Ok(agent.replace("HeadlessChrome", "Chrome").into());
            }
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The process group of all its processes.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.child.id()
    }
}

/// The memory that all processes of a group hold together, in bytes: what they share is counted once.
#[must_use]
pub fn memory(group: u32) -> u64 {
    let Ok(all) = fs::read_dir("/proc") else { return 0 };
    let processes =
        all.flatten().map(|entry| entry.path()).filter(|process| group_of(process) == Some(group));
    processes.filter_map(|process| proportional_set_size(&process)).sum()
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kernel's own numbers of processes fit.
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        // A group that is gone has nothing to kill.
        let _gone = killpg(group, Signal::SIGKILL);
        while !matches!(waitpid(Pid::from_raw(-group.as_raw()), None), Err(errno) if errno != Errno::EINTR) {}
        if let Some(profile) = self.profile.take()
            && let Err(error) = profile.close()
        {
            tracing::warn!(%error, "failed to remove a browser's profile");
        }
    }
}

/// Whether it is sandboxed unless the settings say otherwise: it refuses to be where it runs as root.
#[must_use]
pub fn can_be_sandboxed() -> bool {
    !geteuid().is_root()
}

/// How it is started.
fn command(executable: &Path, is_sandboxed: bool, profile: &Path) -> Command {
    let mut command = Command::new(executable);
    command
        .args(SWITCHES)
        .arg(switch("--user-data-dir=", profile))
        .arg(format!("--js-flags=--max-old-space-size={SCRIPT_HEAP_MIB}"))
        .arg(format!("--host-resolver-rules={}", NEVER.map(|host| format!("MAP {host} ~NOTFOUND")).join(",")))
        .args((!is_sandboxed).then_some("--no-sandbox"))
        // What stands in our environment may be secret.
        .env_clear()
        .envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("HOME", profile)
        // What it forgets there goes with the profile.
        .env("TMPDIR", profile)
        .current_dir(profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0);
    command
}

fn switch(name: &str, value: &Path) -> OsString {
    let mut switch = OsString::from(name);
    switch.push::<&OsStr>(value.as_ref());
    switch
}

/// The last line that it printed, to be put behind why it does not run.
fn last_words(printed: &Path) -> String {
    let Ok(file) = File::open(printed) else { return String::new() };
    let text = io::read_to_string(io::Read::take(file, PRINTED_BYTES_MAX)).unwrap_or_default();
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map_or_else(String::new, |line| format!("; it said: {}", line.trim()))
}

/// The process group of a process, by its directory in /proc (proc_pid_stat(5), field 5).
fn group_of(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name before it may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

/// Its proportional set size in bytes (proc_pid_smaps(5)).
fn proportional_set_size(process: &Path) -> Option<u64> {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
