//! `[team.ID]`: people who are told, and by which ways.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use crate::{
    config::{
        channels::{Drafted, TeamSaid},
        escalation::{self, EscalationSettings},
        plan::Team,
        report::Report,
        tables::Tables,
        wording::in_backticks,
    },
    domain::{notification::recipient::Addressees, report::period::Every},
    setting::{At, MailAddress, Problem, SpanOrOff, closest, refuse, suggest},
};

/// `[team.ID]`: people who are told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { mail = [\"oncall@example.com\"] }")]
pub struct TeamSettings {
    /// Their mail addresses; each gets mails of its own. Or tables: one mail to several, with copies.
    #[serde(default)]
    pub mail: Vec<At<MailEntry>>,
    /// Webhooks that are told, by the ids of their tables.
    #[serde(default)]
    pub webhook: Vec<At<String>>,
    /// Alertmanagers that are told, by the ids of their tables.
    #[serde(default)]
    pub alertmanager: Vec<At<String>>,
    /// When they are told of nothing that can wait, such as "22:00-07:00 Europe/Berlin": outages whose severity is warning or
    /// info. Days can be named as in `hours`; without a time zone, that of `[monitor]`.
    pub quiet: Option<At<String>>,
    /// So long after they were told of an outage that lasts they are reminded, then after twice the span each time; or
    /// "off". Default "1h".
    pub remind_after: Option<At<SpanOrOff>>,
    /// So long after they were told of an outage that lasts they get a summary of it, if no step sends one; or "off".
    /// Default "24h".
    pub summary_after: Option<At<SpanOrOff>>,
    /// How often they get a report by mail on how their channels could be reached: "weekly", on Monday at 07:00, or "monthly",
    /// on the first at 07:00. Without, none.
    pub report: Option<At<ReportEvery>>,
    /// Who is told besides when nobody takes an outage in hand.
    #[serde(default)]
    pub escalation: Vec<EscalationSettings>,
}

impl TeamSettings {
    /// Mails that are to nobody.
    pub fn problems(&self) -> impl Iterator<Item = Problem> {
        let report = self.report.as_ref().filter(|_| self.mail.is_empty()).map(|report| {
            let problem = report.problem("a report goes by mail, and this team gets none");
            problem.hint("add mail = [\"team@example.com\"], or take report away")
        });
        let to_nobody = |entry: &At<MailEntry>| match &entry.value {
            MailEntry::Several(Together { to, .. }) if to.is_empty() => {
                let problem = to.problem("nobody stands in the To of this mail");
                Some(problem.hint("write at least one address, such as to = [\"oncall@example.com\"]"))
            }
            _ => None,
        };
        self.mail.iter().filter_map(to_nobody).chain(report)
    }

    /// The team, without its quiet hours.
    pub fn team(&self) -> Team {
        let ids = |ids: &[At<String>]| ids.iter().map(|id| id.value.clone()).collect();
        Team {
            mail: self.mail.iter().map(|entry| entry.value.addressees()).collect(),
            webhooks: ids(&self.webhook),
            alertmanagers: ids(&self.alertmanager),
            quiet: None,
            ladder: escalation::ladder(self),
            report: self.report.as_ref().map(|report| report.value.into()),
        }
    }
}

/// How often a report comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportEvery {
    /// Every Monday.
    Weekly,
    /// On the first of every month.
    Monthly,
}

impl From<ReportEvery> for Every {
    fn from(every: ReportEvery) -> Self {
        match every {
            ReportEvery::Weekly => Self::Week,
            ReportEvery::Monthly => Self::Month,
        }
    }
}

/// One mail: to one address, or to several.
#[derive(Clone, Debug)]
pub enum MailEntry {
    /// To one.
    One(MailAddress),
    /// To several, with copies.
    Several(Together),
}

/// One mail to several addresses.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// Who stands in its To; at least one.
    #[schemars(length(min = 1))]
    to: At<Vec<MailAddress>>,
    /// Who stands in its Cc.
    #[serde(default)]
    cc: Vec<MailAddress>,
}

impl MailEntry {
    /// Everybody in one text.
    fn addressees(&self) -> String {
        let texts = |addresses: &[MailAddress]| -> Vec<String> {
            addresses.iter().map(|address| address.0.to_string()).collect()
        };
        match self {
            Self::One(address) => address.0.to_string(),
            Self::Several(Together { to, cc }) => Addressees::write(&texts(to), &texts(cc)),
        }
    }
}

impl<'de> Deserialize<'de> for MailEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = MailEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mail address in quotes, such as \"oncall@example.com\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MailEntry, E> {
                let address = MailAddress::parse(text);
                address.map(MailEntry::One).map_err(|(message, help)| refuse(message, help))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<MailEntry, A::Error> {
                Together::deserialize(MapAccessDeserializer::new(map)).map(MailEntry::Several)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for MailEntry {
    fn schema_name() -> Cow<'static, str> {
        "MailEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<MailAddress>();
        let several = generator.subschema_for::<Together>();
        json_schema!({
            "description": "A mail address; or one mail to several, with copies.",
            "oneOf": [one, several]
        })
    }
}

/// Reports every team that is defined nowhere.
pub fn check(channels: &BTreeMap<String, Drafted>, tables: &Tables<'_>, report: &mut Report) {
    for drafted in channels.values() {
        if let TeamSaid::Id(team) = &drafted.team
            && let Some(problem) = unknown_team(team, tables)
        {
            report.error(drafted.file, problem);
        }
    }
}

/// A team that is defined nowhere. Where a file could not be read it may stand there, unless it looks like a slip.
fn unknown_team(team: &At<String>, tables: &Tables<'_>) -> Option<Problem> {
    if tables.teams.contains_key(&team.value)
        || (tables.incomplete && closest(team, tables.teams.keys()).is_none())
    {
        return None;
    }
    let known: Vec<&String> = tables.teams.keys().collect();
    let problem = team.problem(format!("there is no team {:?}", team.value));
    Some(match suggest(team, &known, in_backticks) {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("add a table [team.{}] with mail = [\"...\"]", team.value)),
    })
}
