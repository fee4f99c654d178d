//! The browser that all probes share: one Chromium, started when the first run needs it, each run in a context of its
//! own that is empty at its beginning and gone at its end. A few runs at once are let in; after so many runs, or when
//! it has grown too large, the next run starts another and the old one ends with the last that uses it.
//!
//! What is wrong with the browser itself is never evidence against a channel.

pub mod events;
pub mod look;
mod process;
pub mod visit;
mod wire;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use self::{process::Process, wire::Wire};
use crate::{
    probe::transport::fault::Broken,
    setting::{At, ByteSize, Problem},
};

/// Runs at once where nothing else is said: each keeps about a processor busy.
const RUNS_MAX: usize = 2;
/// More would need more memory than they are worth.
const RUNS_MAX_MAX: u64 = 64;
/// Runs after which a browser is replaced where nothing else is said.
const RECYCLE_AFTER: u32 = 200;
/// Memory over which a browser is replaced where nothing else is said.
const MEMORY_MAX: u64 = 1 << 30;
/// How many runs pass from one look at its memory to the next: a look costs tens of milliseconds.
const MEMORY_EVERY: u32 = 5;

/// What is told where there is none.
const NO_BROWSER: &str = "there is no Chromium on this machine";

/// `[browser]`: the Chromium in which probes of the kind `browser` look.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [browser]")]
pub struct ChromiumSettings {
    /// The program. Default: the first of chromium, chromium-browser, google-chrome-stable, google-chrome and chrome
    /// in the PATH.
    pub executable: Option<At<PathBuf>>,
    /// At most so many runs at once; others wait, and their time begins when it is their turn. Default 2.
    pub runs_max: Option<At<u64>>,
    /// Another browser is started after so many runs. Default 200.
    pub recycle_after: Option<At<u64>>,
    /// Another browser is started when the processes of this one hold more memory. Default "1GiB".
    pub memory_max: Option<At<ByteSize>>,
    /// Whether pages are kept in Chromium's sandbox. Default true, but false for root, as whom Chromium has none.
    pub sandbox: Option<bool>,
}

/// The browser that all probes share.
#[derive(Debug)]
pub struct Chromium {
    executable: Option<PathBuf>,
    is_sandboxed: bool,
    recycle_after: u32,
    memory_max: u64,
    /// Lets so many runs in at once.
    pub turns: Arc<Semaphore>,
    current: Mutex<Option<Arc<Running>>>,
}

/// A browser in use.
#[derive(Debug)]
pub struct Running {
    process: std::sync::Mutex<Process>,
    /// How many runs it has seen begin.
    runs: AtomicU32,
    /// It is not to be used again.
    is_spent: AtomicBool,
}

impl Chromium {
    /// The browser that the settings describe. Nothing is started.
    #[must_use]
    pub fn new(settings: &ChromiumSettings, problems: &mut Vec<Problem>) -> Arc<Self> {
        let mut number = |setting: &Option<At<u64>>, otherwise: u64, most: u64| {
            let Some(value) = setting else { return otherwise };
            if !(1..=most).contains(&value.value) {
                let problem = value.problem(format!("{} is not a number from 1 to {most}", value.value));
                problems.push(problem.hint(format!("write such a number, or leave it out for {otherwise}")));
                return otherwise;
            }
            value.value
        };
        let runs_max = number(&settings.runs_max, RUNS_MAX as u64, RUNS_MAX_MAX);
        let recycle_after = number(&settings.recycle_after, RECYCLE_AFTER.into(), u32::MAX.into());
        let wanted = settings.executable.as_ref();
        let executable = process::find(wanted.map(|wanted| wanted.value.as_path()));
        if let (Some(wanted), None) = (wanted, &executable) {
            let problem = wanted.problem(format!("there is no program {}", wanted.display()));
            problems.push(problem.hint("write the path of Chromium, or leave it out to have it found"));
        }
        Arc::new(Self {
            executable,
            is_sandboxed: settings.sandbox.unwrap_or_else(process::can_be_sandboxed),
            recycle_after: u32::try_from(recycle_after).unwrap_or(u32::MAX),
            memory_max: settings.memory_max.as_ref().map_or(MEMORY_MAX, |size| size.0),
            turns: Arc::new(Semaphore::new(usize::try_from(runs_max).unwrap_or(RUNS_MAX))),
            current: Mutex::default(),
        })
    }

    /// Whether there is a program to start.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.executable.is_some()
    }

    /// A browser for one more run: the one that runs, or another.
    ///
    /// # Errors
    /// That this machine has none, or that it does not start.
    pub async fn running(&self) -> Result<Arc<Running>, Broken> {
        let mut current = self.current.lock().await;
        if let Some(running) = &*current
            && running.takes_another(self).await
        {
            return Ok(Arc::clone(running));
        }
        if let Some(before) = current.take() {
            release(before).await;
        }
        let executable = self.executable.as_ref().ok_or_else(|| {
            Broken::local(format_args!("{NO_BROWSER}; install the Debian package chromium"))
        })?;
        let process = Process::start(executable, self.is_sandboxed).await.map_err(Broken::local)?;
        let running = Arc::new(Running {
            process: std::sync::Mutex::new(process),
            runs: AtomicU32::new(1),
            is_spent: AtomicBool::new(false),
        });
        *current = Some(Arc::clone(&running));
        Ok(running)
    }
}

impl Running {
    /// Counts a run in, unless another browser should be had for it.
    async fn takes_another(&self, shared: &Chromium) -> bool {
        let runs = self.runs.fetch_add(1, Relaxed);
        let is_spent = self.is_spent.load(Relaxed) || runs >= shared.recycle_after;
        if is_spent || !self.lock().is_running() {
            return false;
        }
        if !runs.is_multiple_of(MEMORY_EVERY) {
            return true;
        }
        let group = self.lock().group();
        let memory = tokio::task::spawn_blocking(move || process::memory(group)).await;
        memory.is_ok_and(|memory| memory <= shared.memory_max)
    }

    /// It is not to be used for another run: it has not done what it was told.
    pub fn spend(&self) {
        self.is_spent.store(true, Relaxed);
    }

    /// A connection for one more run.
    fn wire(&self) -> Wire {
        self.lock().pipes.wire()
    }

    /// What it calls itself when it has a window.
    fn agent(&self) -> Arc<str> {
        Arc::clone(&self.lock().agent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Lets go of a browser. If nobody else uses it, it ends; that takes tens of milliseconds, and not on the threads on
/// which other probes are measured.
pub async fn release(running: Arc<Running>) {
    if let Some(last) = Arc::into_inner(running) {
        // It ends at the latest when the task is dropped.
        let _ended = tokio::task::spawn_blocking(move || drop(last)).await;
    }
}

/// What `check` says where there is no browser.
#[must_use]
pub fn not_installed(span: std::ops::Range<usize>) -> Problem {
    let problem = Problem::at(span, NO_BROWSER);
    problem.hint("install the Debian package chromium; until then its runs are inconclusive")
}
