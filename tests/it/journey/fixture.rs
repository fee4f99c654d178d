//! Targets on loopback ports, and journeys built from TOML and run against them as the daemon runs them.

use std::{path::Path, sync::Arc, time::Duration};

use axum::Router;
use lamplighter::{
    cli::demo::support_centre::SupportCentre,
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::Outcome,
    },
    probe::{
        Check,
        journey::JourneySettings,
        run,
        settings::{BuildContext, Built},
        transport::{Transport, resolve::Resolver},
    },
    secret::{Redactor, Secret},
    setting::Problem,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::loopback::Ground;

pub(super) const AGENTS_SECRET: &str = "agents-canary-5f1e";

/// A target, and a directory with the file `agents-secret` for the journeys against it.
pub(super) struct Served {
    pub(super) base: String,
    directory: TempDir,
    _served: JoinSet<()>,
}

impl Served {
    pub(super) async fn open(routes: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("agents-secret"), AGENTS_SECRET).unwrap();
        Self { base, directory, _served: served }
    }

    /// Runs a journey once; `CENTRE` in it stands for the target's address.
    pub(super) async fn run(&self, journey: &str, timeout: Duration) -> (Outcome, Vec<Check>) {
        self.run_until(&CancellationToken::new(), journey, timeout).await.expect("nobody stops it")
    }

    /// Runs a journey once, unless it is told to stop.
    pub(super) async fn run_until(
        &self,
        stop: &CancellationToken,
        journey: &str,
        timeout: Duration,
    ) -> Option<(Outcome, Vec<Check>)> {
        let journey = journey.replace("CENTRE", &self.base);
        let built = build(&journey, timeout, self.directory.path()).unwrap_or_else(|problems| {
            panic!(
                "{}",
                problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n")
            )
        });
        let redactor = Redactor::new(&[Secret::new(AGENTS_SECRET.to_owned())]);
        run::run(&*built.probe, Arc::new(key()), timeout, Clock::system(), &redactor, stop)
            .await
            .map(|ended| (ended.outcome, ended.checks))
    }
}

/// The demo's support centre as a target.
pub(super) struct Centre {
    pub(super) support: SupportCentre,
    pub(super) served: Served,
}

impl Centre {
    pub(super) async fn open() -> Self {
        let support = SupportCentre::open(Secret::new(AGENTS_SECRET.to_owned()));
        let served = Served::open(support.routes()).await;
        Self { support, served }
    }

    pub(super) async fn run(&self, journey: &str, timeout: Duration) -> (Outcome, Vec<Check>) {
        self.served.run(journey, timeout).await
    }

    /// The subjects on the agents' side.
    pub(super) async fn subjects(&self) -> Vec<String> {
        let url = format!("{}/agents/tickets", self.served.base);
        let answer = reqwest::Client::new().get(url).bearer_auth(AGENTS_SECRET).send().await.unwrap();
        let tickets: serde_json::Value = answer.json().await.unwrap();
        let subject = |ticket: &serde_json::Value| ticket["subject"].as_str().unwrap().to_owned();
        tickets["tickets"].as_array().unwrap().iter().map(subject).collect()
    }
}

/// Builds a journey as the configuration does.
pub(super) fn build(journey: &str, timeout: Duration, directory: &Path) -> Result<Built, Vec<Problem>> {
    let settings: JourneySettings = toml::from_str(journey).unwrap_or_else(|error| panic!("{error}"));
    let (ground, transport) = (Ground::new(key(), directory), Transport::new(Resolver::system()));
    settings.build(&BuildContext { transport: &transport, ..ground.context(timeout) })
}

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("ticket-form"), probe: ProbeName::new("submit") }
}
