//! `test-mail`: a real mail by the real route, to every recipient of a team, and what the server said to it. It goes
//! past the outbox: nothing is kept and nothing is tried again.

use std::{fmt::Write, time::Duration};

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
        channel::TeamId,
        incident::{IncidentEvent, IncidentId},
        notification::{Content, Notification, Route},
    },
    notify::{
        Delivery, Notifier,
        mail::{Limits, MailRoute, MailServer},
    },
};

/// Arguments of `test-mail`.
#[derive(Debug, clap::Args)]
pub struct TestMailArgs {
    /// The team to write to.
    pub team: String,
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
    let (server, team) = match addressed(&plan, &args.team) {
        Ok(found) => found,
        Err(why) => {
            eprintln!("{why}");
            return Exit::NotWell;
        }
    };
    let route = match MailRoute::new(server.clone(), Limits::default()) {
        Ok(route) => route,
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
    let answers = runtime.block_on(send(&route, server, &args.team, team, Clock::system().now()));
    let (report, exit) = tell(&answers);
    match print::bytes(report.as_bytes()) {
        Exit::Well => exit,
        failed => failed,
    }
}

/// The mail server and the team, or what the operator should do.
fn addressed<'a>(plan: &'a Plan, team: &str) -> Result<(&'a MailServer, &'a Team), String> {
    let Some((_, found)) = plan.teams.iter().find(|(id, _)| id.as_str() == team) else {
        return Err(unknown("team", team, plan.teams.keys().map(TeamId::as_str), str::to_owned));
    };
    if found.mail.is_empty() {
        return Err(format!("the team {team:?} has no recipient; add `mail = [\"...\"]` to [team.{team}]"));
    }
    let Some(server) = &plan.mail else {
        return Err("there is no mail server in the configuration; add a table [mail]".to_owned());
    };
    Ok((server, found))
}

async fn send(
    route: &MailRoute,
    server: &MailServer,
    team: &str,
    to: &Team,
    now: Timestamp,
) -> Vec<(String, Delivery)> {
    let mut answers = Vec::new();
    for (index, recipient) in to.mail.iter().enumerate() {
        let mail = test_mail(server, team, recipient, index, now);
        answers.push((recipient.clone(), route.send(&mail, Duration::ZERO).await));
    }
    route.rest().await;
    answers
}

/// A mail that cannot be taken for an outage.
fn test_mail(server: &MailServer, team: &str, recipient: &str, index: usize, now: Timestamp) -> Notification {
    let domain = server.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let minute = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    let line =
        format!("This is a test of the way by which the team {team} is told of an outage. Nothing is wrong.");
    Notification {
        incident: IncidentId("test".to_owned()),
        event: IncidentEvent::Opened,
        route: Route::Mail,
        recipient: recipient.to_owned(),
        message_id: format!("test.{}.{index}@{domain}", now.as_nanosecond()),
        in_reply_to: None,
        created_at: now,
        content: Content {
            subject: format!("[TEST] Lamplighter writes to {team}"),
            text: format!("{line}\nSent by lamplighter test-mail at {minute}.\n"),
            html: format!(
                "<!doctype html><p>{line}</p><p>Sent by <code>lamplighter test-mail</code> at {minute}.</p>\n"
            ),
            picture: None,
        },
    }
}

fn tell(answers: &[(String, Delivery)]) -> (String, Exit) {
    let mut report = String::new();
    let mut exit = Exit::Well;
    for (recipient, delivery) in answers {
        let (verdict, words, outcome) = match delivery {
            Delivery::Accepted(words) => ("taken", words, Exit::Well),
            Delivery::Permanent(words) => ("refused", words, Exit::NotWell),
            Delivery::Deferred(words) | Delivery::Transient(words) => ("not now", words, Exit::CouldNot),
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
