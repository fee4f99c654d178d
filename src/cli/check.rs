//! `check`: every problem of a configuration at once, or a summary of what it will do.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::Path,
};

use crate::{
    cli::Exit,
    config::{
        self, Loaded,
        plan::{Plan, ProbePlan},
        report::{Paint, Report},
    },
    domain::notification::Recipient,
    notify::mail::{MailSecurity, MailServer},
};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "probes.toml")]
    pub file: std::path::PathBuf,
}

/// Checks the file: problems and warnings go to standard error, the summary to standard output.
#[must_use]
pub fn execute(args: &CheckArgs) -> Exit {
    match config::load(&args.file) {
        Ok(Loaded { plan, warnings, .. }) => {
            if warnings.warnings() > 0 {
                anstream::eprintln!("{}\n", warnings.render(Paint::Coloured));
            }
            anstream::print!("{}", Summary { file: &args.file, plan: &plan, warnings: &warnings });
            Exit::Well
        }
        Err(problems) => {
            print_problems(&problems.report);
            Exit::NotWell
        }
    }
}

/// Prints a report and how many problems it has, as every command does that cannot go on without a configuration.
pub(crate) fn print_problems(report: &Report) {
    let count = report.errors();
    let noun = if count == 1 { "problem" } else { "problems" };
    anstream::eprintln!("{}\n\n{count} {noun} found", report.render(Paint::Coloured));
}

/// What a configuration will do.
struct Summary<'a> {
    file: &'a Path,
    plan: &'a Plan,
    warnings: &'a Report,
}

impl Summary<'_> {
    fn probes(&self) -> impl Iterator<Item = &ProbePlan> {
        self.plan.channels.values().flat_map(|channel| channel.probes.values()).map(|probe| &**probe)
    }

    fn runs_per_minute(&self) -> f64 {
        self.probes().map(|probe| 60.0 / probe.every.as_secs_f64()).sum()
    }

    fn mail(&self) -> String {
        match &self.plan.mail {
            Some(server) => described(server),
            None => "none".to_owned(),
        }
    }

    /// A line for each team: whom it tells about what.
    fn told(&self) -> Vec<String> {
        let line = |(id, team): (_, &config::plan::Team)| {
            let about: Vec<&str> = self
                .plan
                .channels
                .iter()
                .filter(|(_, channel)| channel.team.as_ref() == Some(id))
                .map(|(channel, _)| channel.as_str())
                .collect();
            let whom: Vec<String> = team.recipients().iter().map(Recipient::to_string).collect();
            let whom = if whom.is_empty() { "nobody".to_owned() } else { whom.join(", ") };
            let about = if about.is_empty() { "no channel".to_owned() } else { about.join(", ") };
            format!("{id}: {whom} (about {about})")
        };
        self.plan.teams.iter().map(line).collect()
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let warnings = match self.warnings.warnings() {
            0 => String::new(),
            1 => ", with 1 warning".to_owned(),
            count => format!(", with {count} warnings"),
        };
        writeln!(f, "{} is in order{warnings}.\n", self.file.display())?;
        let kinds = tally(plan.channels.values().map(|channel| channel.kind.as_str()));
        writeln!(f, "  channels      {} ({kinds})", plan.channels.len())?;
        writeln!(
            f,
            "  probes        {} ({})",
            self.probes().count(),
            tally(self.probes().map(|probe| probe.kind))
        )?;
        writeln!(
            f,
            "  runs          {} a minute, from {}",
            rounded(self.runs_per_minute()),
            plan.boot.location
        )?;
        writeln!(f, "  time series   {}", config::plan::series(plan.channels.len(), self.probes()))?;
        writeln!(f, "  metrics       http://{}/metrics", plan.boot.listen)?;
        writeln!(f, "  store         {}", plan.boot.store.display())?;
        writeln!(f, "  mail server   {}", self.mail())?;
        if let Some(fallback) = &plan.endpoints.fallback {
            let after = fallback.after.as_secs();
            writeln!(f, "  fallback      {}, after {after} s", described(&fallback.server))?;
        }
        for (at, line) in self.told().iter().enumerate() {
            writeln!(f, "  {}  {line}", if at == 0 { "told        " } else { "            " })?;
        }
        Ok(())
    }
}

/// A mail server in a line.
fn described(mail: &MailServer) -> String {
    let protection = match mail.security {
        MailSecurity::Tls => "TLS",
        MailSecurity::StartTls => "STARTTLS",
        MailSecurity::Plain => "in the clear, on this machine",
    };
    format!("{}, port {}, {protection}, from {}", mail.host, mail.port, mail.from)
}

/// How often each word occurs: `2 chat, 1 ticket`.
fn tally<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0_usize) += 1);
    let mut text = String::new();
    for (at, (word, count)) in counts.iter().enumerate() {
        let joint = if at == 0 { "" } else { ", " };
        let _infallible = write!(text, "{joint}{count} {word}");
    }
    text
}

/// A rate with a decimal only where it matters.
fn rounded(rate: f64) -> String {
    if rate >= 10.0 || (rate - rate.round()).abs() < 0.05 {
        format!("{rate:.0}")
    } else {
        format!("{rate:.1}")
    }
}
