//! `test-mail`: a real mail by the real route, to every recipient of a team, and what the server said to it; a real
//! request to each of its webhooks and Alertmanagers, and another that ends what the first began. It goes past the outbox:
//! nothing is kept and nothing is tried again.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::{
    cli::{Exit, LogFormat, check::print_problems, logging, print, unknown},
    clock::Clock,
    config::{
        self,
        plan::{Plan, Team},
    },
    domain::{
        channel::{ChannelId, TeamId},
        evaluation::State,
        incident::{IncidentEvent, IncidentId, Severity},
        notification::{
            Content, Notification, Recipient, Route, Way,
            facts::{ChannelFacts, Facts},
        },
        urgency::Urgency,
    },
    notify::{
        self, Delivery, Notifier, RouteError, Routes,
        mail::{Limits, MailRoute, MailServer},
    },
};

/// Arguments of `test-mail`.
#[derive(Debug, clap::Args)]
pub struct TestMailArgs {
    /// The team to write to.
    pub team: String,
    /// Send mails by [mail.fallback] instead.
    #[arg(long)]
    pub fallback: bool,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
}

/// Sends the mails and says what the server answered: 0 if it took all of them, 1 if it refused one, 3 if none could
/// be tried or the answer may be another one later.
#[must_use]
pub fn execute(args: &TestMailArgs, log: LogFormat) -> Exit {
    if let Err(problem) = logging::init(log) {
        eprintln!("{problem}");
        return Exit::CouldNot;
    }
    let plan = match config::load(&args.config.config) {
        Ok(loaded) => loaded.plan,
        Err(problems) => {
            print_problems(&problems.report);
            return Exit::NotWell;
        }
    };
    let (server, team) = match addressed(&plan, args) {
        Ok(found) => found,
        Err(why) => {
            eprintln!("{why}");
            return Exit::NotWell;
        }
    };
    let routes = match routes(&plan, server) {
        Ok(routes) => routes,
        Err(error) => {
            eprintln!("{error}");
            return Exit::NotWell;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("failed to start the runtime: {error}");
            return Exit::CouldNot;
        }
    };
    let test = Test { team: &args.team, plan: &plan, server, now: Clock::system().now() };
    let answers = runtime.block_on(test.send(&routes, team));
    let (report, exit) = tell(&answers);
    match print::bytes(report.as_bytes()) {
        Exit::Well => exit,
        failed => failed,
    }
}

/// The mail server, if one is needed, and the team; or what the operator should do.
fn addressed<'a>(plan: &'a Plan, args: &TestMailArgs) -> Result<(Option<&'a MailServer>, &'a Team), String> {
    let team = &args.team;
    let Some((_, found)) = plan.teams.iter().find(|(id, _)| id.as_str() == team) else {
        return Err(unknown("team", team, plan.teams.keys().map(TeamId::as_str), str::to_owned));
    };
    if found.recipients().is_empty() {
        return Err(format!("the team {team:?} has no recipient; add `mail = [\"...\"]` to [team.{team}]"));
    }
    let server = match args.fallback {
        false => plan.mail.as_ref(),
        true => plan.endpoints.fallback.as_ref().map(|fallback| &fallback.server),
    };
    if server.is_none() && (args.fallback || !found.mail.is_empty()) {
        let table = if args.fallback { "[mail.fallback]" } else { "[mail]" };
        return Err(format!("there is no such mail server in the configuration; add a table {table}"));
    }
    Ok((server, found))
}

/// Every way by itself: mail by this server alone.
fn routes(plan: &Plan, server: Option<&MailServer>) -> Result<Routes, RouteError> {
    let mut routes = notify::routes(None, &plan.endpoints)?;
    if let Some(server) = server {
        let route = MailRoute::new(server.clone(), Limits::default())?;
        routes.insert(Route::Mail.into(), std::sync::Arc::new(route));
    }
    Ok(routes)
}

/// What is sent to everybody.
struct Test<'a> {
    team: &'a str,
    plan: &'a Plan,
    server: Option<&'a MailServer>,
    now: Timestamp,
}

impl Test<'_> {
    async fn send(&self, routes: &Routes, team: &Team) -> Vec<(String, Delivery)> {
        let mut answers = Vec::new();
        for (index, recipient) in team.recipients().iter().enumerate() {
            let way = match recipient.route {
                Route::Mail => Way::from(Route::Mail),
                route => Way::to(route, &recipient.address),
            };
            // A plan that was loaded has every endpoint that a team names.
            let Some(route) = routes.get(&way) else { continue };
            answers.push((recipient.to_string(), self.tell(&**route, recipient, index, false).await));
            if recipient.route != Route::Mail {
                let end = self.tell(&**route, recipient, index, true).await;
                answers.push((format!("{recipient}, end of the test"), end));
            }
        }
        if let Some(route) = routes.get(&Way::from(Route::Mail)) {
            route.rest().await;
        }
        answers
    }

    async fn tell(
        &self,
        route: &dyn Notifier,
        recipient: &Recipient,
        index: usize,
        is_over: bool,
    ) -> Delivery {
        route.send(&self.notification(recipient, index, is_over), Duration::ZERO).await
    }

    /// A message that cannot be taken for an outage.
    fn notification(&self, recipient: &Recipient, index: usize, is_over: bool) -> Notification {
        let Self { team, now, .. } = *self;
        let from = self.server.map_or("localhost", |server| server.from.as_str());
        let domain = from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
        let minute = now.strftime("%Y-%m-%d %H:%M:%S UTC");
        let line = format!(
            "This is a test of the way by which the team {team} is told of an outage. Nothing is wrong."
        );
        let over = if is_over { "over: " } else { "" };
        let event = if is_over { IncidentEvent::Resolved } else { IncidentEvent::Opened };
        Notification {
            incident: IncidentId(format!("test-{}", now.as_nanosecond())),
            event,
            route: recipient.route,
            recipient: recipient.address.clone(),
            message_id: format!("test.{}.{}.{index}@{domain}", now.as_nanosecond(), event.as_str()),
            in_reply_to: None,
            created_at: now,
            content: Content {
                subject: format!("[TEST] {over}Lamplighter writes to {team}"),
                text: format!("{line}\nSent by lamplighter test-mail at {minute}.\n"),
                html: format!(
                    "<!doctype html><p>{line}</p><p>Sent by <code>lamplighter test-mail</code> at {minute}.</p>\n"
                ),
                picture: None,
                facts: self.facts(event),
            },
        }
    }

    fn facts(&self, event: IncidentEvent) -> Facts {
        let is_over = event == IncidentEvent::Resolved;
        let channel = ChannelFacts {
            id: ChannelId::new("test"),
            title: "Test".to_owned(),
            kind: None,
            team: Some(self.team.to_owned()),
            labels: BTreeMap::new(),
            reason: None,
            customers: "nothing is wrong; this is a test".to_owned(),
            detail: None,
            since: self.now,
        };
        Facts {
            state: if is_over { State::Up } else { State::Degraded },
            severity: Some(Urgency::Warning),
            worst: Some(Severity::Degraded),
            channels: vec![channel],
            resolved_at: is_over.then_some(self.now),
            location: self.plan.boot.location.as_str().to_owned(),
            link: self.plan.public_url.clone(),
            ..Facts::unknown(IncidentId(format!("test-{}", self.now.as_nanosecond())), event, self.now)
        }
    }
}

fn tell(answers: &[(String, Delivery)]) -> (String, Exit) {
    let mut report = String::new();
    let mut exit = Exit::Well;
    for (recipient, delivery) in answers {
        let (verdict, words, outcome) = match delivery {
            Delivery::Accepted(words) => ("taken", words, Exit::Well),
            Delivery::Permanent(words) => ("refused", words, Exit::NotWell),
            Delivery::Deferred(words) | Delivery::Transient(words) | Delivery::Busy(words, _) => {
                ("not now", words, Exit::CouldNot)
            }
        };
        writeln!(report, "{verdict:8} {recipient}: {words}").expect("writing to a string cannot fail");
        if exit != Exit::NotWell && outcome != Exit::Well {
            exit = outcome;
        }
    }
    (report, exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_weighs_more_than_a_server_that_is_away() {
        let taken = Delivery::Accepted("250 ok".to_owned());
        let away = Delivery::Transient("connection refused".to_owned());
        let refused = Delivery::Permanent("550 no such user".to_owned());
        let table = [
            (vec![&taken, &taken], Exit::Well),
            (vec![&taken, &away], Exit::CouldNot),
            (vec![&away, &refused], Exit::NotWell),
            (vec![&refused, &away, &taken], Exit::NotWell),
        ];
        for (deliveries, expected) in table {
            let answers: Vec<_> =
                deliveries.into_iter().map(|one| ("anna@example.com".to_owned(), one.clone())).collect();
            assert_eq!(tell(&answers).1, expected, "{answers:?}");
        }
    }
}
