//! A report as a mail. It has an id of its own by its team and its period, so that it is sent once however often it is made.

use jiff::Timestamp;

use crate::domain::{
    channel::{Location, TeamId},
    incident::{IncidentEvent, IncidentId},
    notification::{Content, Letterhead, Notification, Recipient, Route, facts::Facts},
    report::{
        Report, html,
        period::{Every, Period},
        text, words,
    },
};

/// So many channels are in a mail at most: those that could be reached least.
pub const CHANNELS_MAX: usize = 50;

/// The report of a team on a period.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The report.
    pub report: &'a Report,
    /// Whose it is.
    pub team: &'a TeamId,
    /// How often it comes.
    pub every: Every,
    /// What it is about.
    pub period: Period,
    /// Where the monitor stands.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
}

impl Mail<'_> {
    /// By what the report of a team on a period is known.
    #[must_use]
    pub fn about(team: &TeamId, every: Every, period: Period) -> IncidentId {
        IncidentId(format!("{}-report-{}-{team}", period.until.strftime("%Y%m%dT%H%M%SZ"), every.as_str()))
    }

    /// A mail to each of these who reads mail, each once.
    #[must_use]
    pub fn to(&self, recipients: impl IntoIterator<Item = Recipient>, now: Timestamp) -> Vec<Notification> {
        let Self { report, team, every, period, location, letterhead } = self;
        let incident = Self::about(team, *every, *period);
        let event = IncidentEvent::Report;
        let content = Content {
            subject: words::subject(report),
            text: text::write(report),
            html: html::write(report),
            picture: None,
            facts: Facts {
                resolved_at: Some(now),
                location: location.as_str().to_owned(),
                link: letterhead.public_url.map(str::to_owned),
                ..Facts::unknown(incident, event, period.from)
            },
        };
        let reads_mail = |recipient: &Recipient| recipient.route == Route::Mail;
        content.to_each(recipients.into_iter().filter(reads_mail), letterhead.mail_host, now)
    }
}
