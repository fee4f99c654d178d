//! The tables of `probes.toml` as the operator writes them, except a probe's, which live beside the code that obeys
//! them. Every key has a description here and nowhere else: it is what editors show.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        canary::CanarySettings,
        clients::ClientSettings,
        dependencies::DependencySettings,
        endpoints::{AlertmanagerSettings, WebhookSettings},
        listening::TlsSettings,
        maintenance::MaintenanceSettings,
        public::PublicSettings,
        sentinels::SentinelSettings,
        severity::SeveritySettings,
        slo::SloSettings,
        smtp::SmtpUrl,
        team::TeamSettings,
        value::{Count, HolidayDate, Id, LabelName, LabelValue, Listen, TimeZone, Title},
        waiting::WaitingSettings,
    },
    domain::channel::ChannelKind,
    notify::heartbeat::HeartbeatSettings,
    probe::{chromium::ChromiumSettings, persona::PersonaSettings, settings::ProbeSettings},
    secret::SecretRef,
    setting::{At, ByteSize, HttpUrl, MailAddress, Span, SpanOrOff},
};

/// The whole file. It is read table by table; this type is what the JSON Schema is made from.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its fields are read one by one; together they are the schema")]
#[schemars(
    deny_unknown_fields,
    title = "probes.toml",
    description = "The configuration of Lamplighter: what to probe, how often, and whom to tell."
)]
pub struct FileSettings {
    /// Further files, relative to this one; `*`, `?` and `[a-z]` match as in a shell. They may hold teams, channels
    /// and includes of their own.
    #[schemars(default)]
    pub include: Vec<String>,
    /// The monitor itself.
    #[schemars(default)]
    pub monitor: MonitorSettings,
    /// The Chromium in which probes of the kind `browser` look.
    #[schemars(default)]
    pub browser: ChromiumSettings,
    /// How mail leaves.
    pub mail: Option<MailSettings>,
    /// A sign of life to a dead man's switch elsewhere.
    pub heartbeat: Option<HeartbeatSettings>,
    /// What must answer if our own network works.
    #[schemars(default)]
    pub sentinel: Vec<SentinelSettings>,
    /// Who may ask and command over HTTP.
    pub api: Option<ApiSettings>,
    /// The page for customers, on a listener of its own.
    pub public: Option<PublicSettings>,
    /// Webhooks that teams may be told by, by id: Slack, Teams, PagerDuty, a program of your own.
    #[schemars(default)]
    pub webhook: BTreeMap<Id, WebhookSettings>,
    /// Alertmanagers that teams may be told by, by id.
    #[schemars(default)]
    pub alertmanager: BTreeMap<Id, AlertmanagerSettings>,
    /// As whom probes run, by id: a new account, an old one.
    #[schemars(default)]
    pub persona: BTreeMap<Id, PersonaSettings>,
    /// The people who are told, by id.
    #[schemars(default)]
    pub team: BTreeMap<Id, TeamSettings>,
    /// What holds for every channel and probe that says nothing else.
    #[schemars(default)]
    pub defaults: DefaultSettings,
    /// What stands behind several channels, by id.
    #[schemars(default)]
    pub dependency: BTreeMap<Id, DependencySettings>,
    /// The channels, by id: the doors through which customers reach support.
    #[schemars(default)]
    pub channel: BTreeMap<Id, ChannelSettings>,
    /// Announced maintenance.
    #[schemars(default)]
    pub maintenance: Vec<MaintenanceSettings>,
}

/// The keys of [`FileSettings`]; a test holds them against the schema.
pub const TABLES: [&str; 16] = [
    "include",
    "monitor",
    "browser",
    "mail",
    "heartbeat",
    "webhook",
    "alertmanager",
    "api",
    "public",
    "sentinel",
    "persona",
    "team",
    "defaults",
    "dependency",
    "channel",
    "maintenance",
];

/// `[monitor]`: the monitor itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [monitor]")]
pub struct MonitorSettings {
    /// The place this monitor looks from; a label of every probe's metrics. Only a restart changes it. Default "local".
    pub location: Option<Id>,
    /// Address and port of the pages: `/`, `/metrics`, `/healthz` and `/readyz`. Beyond this machine it takes a token to
    /// read by, and `tls` or `behind_proxy`. Only a restart changes it. Default "127.0.0.1:9899".
    pub listen: Option<At<Listen>>,
    /// By what the pages are encrypted. Files that change are read anew; whether there is any takes a restart.
    pub tls: Option<At<TlsSettings>>,
    /// Whether a proxy stands before the pages, which encrypts, and says who may read. Default false.
    pub behind_proxy: Option<bool>,
    /// The database file. Only a restart changes it. Default "lamplighter.db".
    pub store: Option<PathBuf>,
    /// The directory in which the evidence of each outage is kept. Only a restart changes it. Default: that of the store,
    /// with the ending "evidence": "lamplighter.evidence".
    pub evidence: Option<PathBuf>,
    /// How long evidence is kept. Only a restart changes it. Default "90d".
    pub evidence_kept: Option<Span>,
    /// How large all of it may grow; the oldest leaves first. Only a restart changes it. Default "1GiB".
    pub evidence_max: Option<ByteSize>,
    /// The address under which people reach this monitor, for links in mails. Without it mails have no links.
    pub public_url: Option<HttpUrl>,
    /// The time zone in which mails tell the time, such as "Europe/Berlin". Default: that of this machine.
    pub time_zone: Option<TimeZone>,
    /// At most so many runs at once. Default 1000.
    pub runs_max: Option<Count>,
    /// At most so many runs at once against one host. Default 20.
    pub runs_per_host_max: Option<Count>,
    /// DNS servers to ask instead of those of this machine, each with its port, such as "10.0.0.53:53".
    pub resolver: Option<At<Vec<Listen>>>,
    /// A time in which the network of this monitor was lost is told of by mail, when it is over, if it was as long as this.
    /// Default "2m".
    pub blind_mail_after: Option<Span>,
    /// `check` warns if the configuration makes more time series than this. Default 100000.
    pub series_max: Option<Count>,
}

/// `[mail]`: how mail leaves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [mail]")]
#[schemars(extend("required" = ["from", "smtp"]))]
pub struct MailSettings {
    /// The sender, such as "Lamplighter <lamplighter@example.com>".
    pub from: Option<MailAddress>,
    /// The mail server: "smtps://host" for TLS, "smtp://host" for STARTTLS (required), "smtp+plain://localhost" for
    /// neither, only to this machine. A port may follow the host.
    pub smtp: Option<At<SmtpUrl>>,
    /// The user name, if the server wants one.
    pub username: Option<At<String>>,
    /// Where the password lies.
    pub password: Option<At<SecretRef>>,
    /// A PEM file with further root certificates to trust for the mail server.
    pub root_ca: Option<At<PathBuf>>,
    /// Another mail server, by which mails leave while the first does not work.
    pub fallback: Option<At<FallbackSettings>>,
    /// What the mail server depends on: ids of [dependency.ID]. `check` warns where a team is told by nothing that does not
    /// fall with its channels.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
    /// A mail that goes out once a day, so that a way of mails that has died is found before it is needed.
    pub canary: Option<At<CanarySettings>>,
}

/// `[api]`: who may ask and command over HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [api]")]
pub struct ApiSettings {
    /// Where the token lies that may do everything, and signs the links in mails. Without it there are no links.
    pub token: Option<At<SecretRef>>,
    /// Clients with tokens of their own.
    #[serde(default)]
    pub client: Vec<ClientSettings>,
}

/// `[mail.fallback]`: how mail leaves while the first server does not work.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [mail.fallback]")]
#[schemars(extend("required" = ["smtp"]))]
pub struct FallbackSettings {
    /// The sender. Default: that of `[mail]`.
    pub from: Option<MailAddress>,
    /// The mail server, as in `[mail]`.
    pub smtp: Option<At<SmtpUrl>>,
    /// The user name, if the server wants one.
    pub username: Option<At<String>>,
    /// Where the password lies.
    pub password: Option<At<SecretRef>>,
    /// A PEM file with further root certificates to trust for the mail server.
    pub root_ca: Option<At<PathBuf>>,
    /// For how long the first server must have taken nothing, or not this mail, before this one is used. Default "2m".
    pub after: Option<Span>,
    /// What it depends on, as in `[mail]`.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
}

/// `[defaults]`: what holds for every channel and probe that says nothing else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [defaults]")]
pub struct DefaultSettings {
    /// How often a probe runs: "100ms" to "1d". Default "30s".
    pub every: Option<At<Span>>,
    /// The deadline of one run, at most "120s". Default "10s".
    pub timeout: Option<At<Span>>,
    /// How soon a failed run is followed by another, or "off". Default "4s", where that is sooner than the next turn
    /// and the probe asks for no people.
    pub recheck: Option<At<SpanOrOff>>,
    /// When failures make a channel dark. Default: 4 of 7 runs.
    pub dark_after: Option<DarkAfter>,
    /// When successes make it up again. Default: 2 runs in a row.
    pub up_after: Option<UpAfter>,
    /// How urgent outages are.
    pub severity: Option<SeveritySettings>,
    /// When channels are open, such as "Mon-Fri 08:00-20:00, Sat 10:00-16:00 Europe/Berlin". Default: always.
    pub hours: Option<At<String>>,
    /// Days on which channels that have hours do not open, such as ["2026-12-25"].
    pub holidays: Option<At<Vec<HolidayDate>>>,
    /// How often probes run while their channel is outside its hours, if that is more rarely. Default: as always.
    pub every_closed: Option<At<Span>>,
}

/// `[channel.ID]`: one door through which customers reach support.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [channel.web-chat]")]
#[schemars(extend("required" = ["kind", "probe"]))]
pub struct ChannelSettings {
    /// What sort of door it is.
    pub kind: Option<ChannelKind>,
    /// Its title in mails and on pages. Default: its id.
    pub title: Option<Title>,
    /// The team that is told when it goes dark.
    pub team: Option<At<String>>,
    /// What it depends on: ids of [dependency.ID]. Channels that fall with one of these are told in one mail.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
    /// When failures make it dark.
    pub dark_after: Option<DarkAfter>,
    /// When successes make it up again.
    pub up_after: Option<UpAfter>,
    /// Whether people are told when it is merely degraded: slow, a certificate about to expire. Default false; true where
    /// `waiting` is set.
    pub alert_on_degraded: Option<bool>,
    /// How urgent its outages are: what webhooks, PagerDuty and Alertmanagers get as the severity, and whether a team is told
    /// in its quiet hours.
    pub severity: Option<SeveritySettings>,
    /// When it is open, such as "Mon-Fri 08:00-20:00, Sat 10:00-16:00 Europe/Berlin". Without a time zone, that of
    /// `[monitor]`. Outside of it the channel is closed, and nobody is told of anything.
    pub hours: Option<At<String>>,
    /// Days on which it does not open, such as ["2026-12-25"].
    pub holidays: Option<At<Vec<HolidayDate>>>,
    /// How often its probes run outside its hours, if that is more rarely.
    pub every_closed: Option<At<Span>>,
    /// How long customers may wait for a person, and how often in vain. It holds for probes that ask for one.
    pub waiting: Option<At<WaitingSettings>>,
    /// What it promises, such as { availability = 99.9, window = "30d" }: `lamplighter rules` makes alerts of it for
    /// Prometheus. Time in which it is closed or unknown does not count.
    pub slo: Option<SloSettings>,
    /// Whether everybody may know how it is, on the page of `[public]`: its title, its state, since when and how it was, and
    /// announced maintenance. Default false.
    #[serde(default)]
    pub public: bool,
    /// Labels of your own for `support_channel_info`, for joins in PromQL.
    #[serde(default)]
    pub labels: BTreeMap<LabelName, LabelValue>,
    /// Its probes, by name; at least one.
    // Boxed, because a map of one keeps room for eleven.
    #[serde(default)]
    pub probe: BTreeMap<Id, Box<ProbeSettings>>,
}

/// When failures make a channel dark: so many of so many runs of one probe.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { failures = 3, of = 5 }")]
pub struct DarkAfter {
    /// How many runs must have failed.
    pub failures: At<Count>,
    /// Among how many of the latest runs, at most 64. Default: as many as must have failed, so all in a row.
    pub of: Option<At<Count>>,
}

/// When successes make a channel up again: so many of so many runs of every probe.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { successes = 2 }")]
pub struct UpAfter {
    /// How many runs must have succeeded.
    pub successes: At<Count>,
    /// Among how many of the latest runs, at most 64. Default: as many as must have succeeded, so all in a row.
    pub of: Option<At<Count>>,
}
