//! Lamplighter itself: the program that ships, on a configuration written for the measurement.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ask, nginx::free_address, process::Process};

/// A running daemon.
pub struct Daemon {
    /// The process.
    pub process: Process,
    /// Where it answers.
    pub listen: SocketAddr,
    /// Its database.
    pub store: PathBuf,
}

/// A file of the configuration has at most 4 MiB.
const CHANNELS_PER_FILE: usize = 5_000;

/// What is put into the configuration.
pub struct Setup<'a> {
    /// How many channels, each with one probe.
    pub probes: u32,
    /// The interval of each.
    pub every: &'a str,
    /// The table of the probe, without its url: `http = { url = "...", <this> }`.
    pub url: &'a dyn Fn(u32) -> String,
    /// More keys of the request.
    pub request: &'a str,
    /// More keys of each channel.
    pub channel: &'a str,
    /// More keys of each probe.
    pub probe: &'a str,
    /// More tables.
    pub more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            probes: 1,
            every: "1s",
            url: &|_| "http://127.0.0.1:1/".to_owned(),
            request: "",
            channel: "",
            probe: "",
            more: "",
        }
    }
}

impl Setup<'_> {
    /// Writes the configuration into a folder; gives the file and the address that the daemon will listen on.
    pub fn write(&self, folder: &Path) -> (PathBuf, SocketAddr) {
        let listen = free_address();
        let text = format!(
            "include = [\"channels-*.toml\"]\n[monitor]\nlocation = \"bench\"\nlisten = \"{listen}\"\nstore = \"{}\"\nruns_max = 4096\n\
             runs_per_host_max = 4096\n{}\n[defaults]\nevery = \"{}\"\n",
            folder.join("lamplighter.db").display(),
            self.more,
            self.every
        );
        let file = folder.join("probes.toml");
        fs::write(&file, text).unwrap();
        for first in (0..self.probes).step_by(CHANNELS_PER_FILE) {
            let numbers = first..self.probes.min(first + CHANNELS_PER_FILE as u32);
            fs::write(folder.join(format!("channels-{first}.toml")), self.channels(numbers)).unwrap();
        }
        (file, listen)
    }

    fn channels(&self, numbers: Range<u32>) -> String {
        let mut text = String::new();
        for number in numbers {
            write!(
                text,
                "[channel.c{number}]\nkind = \"chat\"\ntitle = \"Channel {number}\"\n{}\n[channel.c{number}.probe.p]\n{}\n\
                 http = {{ url = \"{}\"{} }}\n",
                self.channel,
                self.probe,
                (self.url)(number),
                self.request
            )
            .expect("writing to memory cannot fail");
        }
        text
    }
}

/// The program that ships.
pub fn command(configuration: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.arg("run").arg("--config").arg(configuration);
    command
}

impl Daemon {
    /// Starts it and waits until it is ready.
    pub fn start(setup: &Setup<'_>, folder: &Path) -> Self {
        let (file, listen) = setup.write(folder);
        let process = Process::start(command(&file), folder);
        let daemon = Self { process, listen, store: folder.join("lamplighter.db") };
        ask::until("the daemon is ready", || ask::try_get(listen, "/readyz").is_ok());
        daemon
    }

    /// What its metrics say now.
    pub fn metrics(&self) -> Metrics {
        Metrics::read(&ask::get(self.listen, "/metrics"))
    }
}

/// The values of one scrape, by series as written.
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        Self(pairs.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect())
    }

    /// Sum over the series of a metric whose labels contain a text.
    pub fn sum(&self, metric: &str, labels: &str) -> f64 {
        let of_metric = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(metric));
        of_metric.filter(|(series, _)| series.contains(labels)).map(|(_, value)| value).sum()
    }
}

/// How late runs began between two scrapes.
pub struct Lag<'a> {
    /// The earlier scrape.
    pub before: &'a Metrics,
    /// The later one.
    pub after: &'a Metrics,
}

impl Lag<'_> {
    /// Runs begun.
    pub fn runs(&self) -> f64 {
        self.within("+Inf")
    }

    /// The share begun within a bound of the histogram, in seconds as written there.
    pub fn share(&self, bound: &str) -> f64 {
        self.within(bound) / self.runs()
    }

    /// Upper bound in seconds of the bucket in which the 99th percentile lies.
    pub fn p99_bound(&self) -> f64 {
        let bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
        bounds.into_iter().find(|bound| self.share(&bound.to_string()) >= 0.99).unwrap_or(f64::INFINITY)
    }

    fn within(&self, bound: &str) -> f64 {
        let labels = format!("le=\"{bound}\"");
        let count = |scrape: &Metrics| scrape.sum("lamplighter_scheduler_lag_seconds_bucket", &labels);
        count(self.after) - count(self.before)
    }
}
