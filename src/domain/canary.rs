//! The canary: a mail that goes out once a day by the real way, so that a way that has died is found before it is needed.
//! What is known of the canaries by one way, when the next one is due, and what its fate means. Pure: moments are
//! arguments, and spans are measured by who waits.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::incident::IncidentId;

/// After a canary was lost another one begins so soon.
pub const RETRY_EVERY: Duration = Duration::from_secs(10 * 60);

/// Two that are due by the day are at least so far apart, whatever the machine's clock does.
pub const APART_MIN: Duration = Duration::from_secs(60 * 60);

/// A clock that has been set back for so long is right now: before, it may jump to and fro.
pub const SET_BACK_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// By which mail server a canary goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailWay {
    /// That of `[mail]`, alone: what the fallback carried would prove nothing of it.
    #[serde(rename = "mail")]
    First,
    /// That of `[mail.fallback]`.
    Fallback,
}

impl MailWay {
    /// Both, the first one first.
    pub const ALL: [Self; 2] = [Self::First, Self::Fallback];

    /// The word used in metrics, columns and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "mail",
            Self::Fallback => "fallback",
        }
    }

    /// Its table in the configuration.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::First => "[mail]",
            Self::Fallback => "[mail.fallback]",
        }
    }
}

/// A time of the day on somebody's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// When.
    pub time: civil::Time,
    /// On whose clock. A time that this clock skips is when it goes on; of one that it shows twice the first counts.
    pub zone: TimeZone,
}

impl Daily {
    /// The latest day whose time has come.
    #[must_use]
    pub fn day(&self, now: Timestamp) -> civil::Date {
        let today = now.to_zoned(self.zone.clone()).date();
        let has_come = self.zone.to_timestamp(today.to_datetime(self.time)).is_ok_and(|at| at <= now);
        if has_come { today } else { today.saturating_sub(1.day()) }
    }
}

/// One canary that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// By what it is known, without angle brackets; a copy has the same.
    pub message_id: String,
    /// When it was begun.
    pub began_at: Timestamp,
    /// When the server took it; none before that.
    pub taken_at: Option<Timestamp>,
}

/// Canaries do not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// When the first one was begun that did not arrive.
    pub since: Timestamp,
    /// Why, as it was first found.
    pub why: String,
    /// As what it is told.
    pub incident: IncidentId,
}

/// What is known of the canaries by one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canaries {
    /// What tells them from those of other monitors that write to the same mailbox.
    pub flock: String,
    /// The latest day whose canary was begun.
    #[serde(default)]
    pub day: Option<civil::Date>,
    /// The one that is under way.
    #[serde(default)]
    pub flight: Option<Flight>,
    /// When the last one was begun.
    #[serde(default)]
    pub began_at: Option<Timestamp>,
    /// When the last one arrived that did.
    #[serde(default)]
    pub arrived_at: Option<Timestamp>,
    /// How long it took.
    #[serde(default)]
    pub travel: Option<Duration>,
    /// Since they do not arrive, and that has been told; none while they do.
    #[serde(default)]
    pub loss: Option<Loss>,
}

impl Canaries {
    /// None has been sent yet.
    #[must_use]
    pub fn new(flock: String) -> Self {
        Self { flock, day: None, flight: None, began_at: None, arrived_at: None, travel: None, loss: None }
    }

    /// Whether the canary of a day is due. The first one of all is due at once.
    #[must_use]
    pub fn is_due(&self, daily: &Daily, now: Timestamp) -> bool {
        self.flight.is_none() && self.day.is_none_or(|day| day < daily.day(now))
    }

    /// Whether the latest day is so far ahead that it can only be one of a clock that has been set back since.
    #[must_use]
    pub fn is_ahead(&self, daily: &Daily, now: Timestamp) -> bool {
        self.day.is_some_and(|day| day > daily.day(now).saturating_add(1.day()))
    }

    /// Takes the present day for the latest, so that the next one has its canary.
    pub fn follow_clock(&mut self, daily: &Daily, now: Timestamp) {
        self.day = Some(daily.day(now));
    }

    /// Begins one, which is that of the day too if that is due.
    pub fn begin(&mut self, by: MailWay, daily: &Daily, mail_host: &str, now: Timestamp) -> &Flight {
        self.day = self.day.max(Some(daily.day(now)));
        self.began_at = Some(now);
        let message_id = format!("{}{}@{mail_host}", self.mark(by), now.as_millisecond());
        self.flight.insert(Flight { message_id, began_at: now, taken_at: None })
    }

    /// What every Message-ID of these canaries begins with, and no other.
    #[must_use]
    pub fn mark(&self, by: MailWay) -> String {
        format!("canary.{}.{}.", self.flock, by.as_str())
    }

    /// The one under way has arrived. Gives the loss that is over with it.
    pub fn arrive(&mut self, travel: Duration, now: Timestamp) -> Option<Loss> {
        self.flight = None;
        self.arrived_at = Some(now);
        self.travel = Some(travel);
        self.loss.take()
    }

    /// The one under way has not arrived. Gives the loss that begins with it, to be told; none if one lasts already.
    pub fn lose(&mut self, by: MailWay, why: &str) -> Option<&Loss> {
        let since = self.flight.take()?.began_at;
        if self.loss.is_some() {
            return None;
        }
        let end = match by {
            MailWay::First => "",
            MailWay::Fallback => "-fallback",
        };
        let incident = IncidentId(format!("{}-monitor-canary{end}", since.strftime("%Y%m%dT%H%M%SZ")));
        Some(self.loss.insert(Loss { since, why: why.to_owned(), incident }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(time: &str, zone: &str) -> Daily {
        Daily { time: time.parse().unwrap(), zone: TimeZone::get(zone).unwrap() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_its_time_on_the_clock_of_its_zone() {
        let nine = daily("09:00", "Europe/Berlin");
        for (now, day) in [
            ("2026-11-26T07:59:59Z", "2026-11-25"),
            ("2026-11-26T08:00:00Z", "2026-11-26"),
            ("2026-11-26T23:30:00Z", "2026-11-26"),
            ("2026-07-01T07:00:00Z", "2026-07-01"),
        ] {
            assert_eq!(nine.day(at(now)).to_string(), day, "{now}");
        }
        // The clock goes from 02:00 to 03:00 on 29 March, and shows 02:30 twice on 25 October.
        let night = daily("02:30", "Europe/Berlin");
        for (now, day) in [
            ("2026-03-29T01:29:59Z", "2026-03-28"),
            ("2026-03-29T01:30:00Z", "2026-03-29"),
            ("2026-10-25T00:29:59Z", "2026-10-24"),
            ("2026-10-25T00:30:00Z", "2026-10-25"),
            ("2026-10-25T01:30:00Z", "2026-10-25"),
        ] {
            assert_eq!(night.day(at(now)).to_string(), day, "{now}");
        }
    }

    /// However often it is looked, and whatever the zone does with its clock, each day has one.
    #[test]
    fn each_day_of_two_years_has_one_canary_in_every_zone() {
        for zone in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"] {
            for time in ["00:00", "00:30", "02:30", "03:00", "23:59"] {
                let daily = daily(time, zone);
                let mut canaries = Canaries::new("f".to_owned());
                let mut now = at("2025-01-01T12:00:00Z");
                let mut days = Vec::new();
                while now < at("2027-01-01T12:00:00Z") {
                    assert!(!canaries.is_ahead(&daily, now));
                    if canaries.is_due(&daily, now) {
                        canaries.begin(MailWay::First, &daily, "example.com", now);
                        canaries.arrive(Duration::ZERO, now);
                        days.push(canaries.day.unwrap());
                    }
                    now += Duration::from_secs(61 * 60);
                }
                let first = days[0];
                let expected: Vec<civil::Date> =
                    (0..).map(|n| first + i64::from(n).days()).take(days.len()).collect();
                assert_eq!(days, expected, "{time} {zone}");
                assert!((730..=731).contains(&days.len()), "{} days: {time} {zone}", days.len());
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_after_it_was_years_ahead_ends_no_canaries_for_good() {
        let daily = daily("09:00", "UTC");
        let mut canaries = Canaries::new("f".to_owned());
        canaries.begin(MailWay::First, &daily, "example.com", at("2036-11-26T10:00:00Z"));
        canaries.arrive(Duration::ZERO, at("2036-11-26T10:00:01Z"));
        let now = at("2026-11-26T10:01:00Z");
        assert!(canaries.is_ahead(&daily, now));
        canaries.follow_clock(&daily, now);
        assert!(!canaries.is_due(&daily, now));
        assert!(canaries.is_due(&daily, at("2026-11-27T09:00:00Z")));
    }

    #[test]
    fn a_loss_begins_once_and_ends_with_the_next_that_arrives() {
        let daily = daily("09:00", "UTC");
        let mut canaries = Canaries::new("f".to_owned());
        let began = at("2026-11-26T09:00:00Z");
        canaries.begin(MailWay::First, &daily, "example.com", began);
        let loss = canaries.lose(MailWay::First, "it did not arrive").cloned().unwrap();
        assert_eq!((loss.since, loss.incident.0.as_str()), (began, "20261126T090000Z-monitor-canary"));
        canaries.begin(MailWay::First, &daily, "example.com", began + RETRY_EVERY);
        assert_eq!(canaries.lose(MailWay::First, "refused"), None);
        canaries.begin(MailWay::First, &daily, "example.com", began + 2 * RETRY_EVERY);
        assert_eq!(canaries.arrive(Duration::from_secs(3), began + 2 * RETRY_EVERY), Some(loss));
        assert_eq!(canaries.loss, None);
    }

    #[test]
    fn what_an_earlier_version_has_kept_can_be_read() {
        let kept: Canaries = serde_json::from_str(r#"{"flock":"5c1e"}"#).unwrap();
        assert_eq!(kept, Canaries::new("5c1e".to_owned()));
    }
}
