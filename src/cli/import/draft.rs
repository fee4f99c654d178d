//! What has been gathered from another monitor, on its way into a `probes.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    time::Duration,
};

use crate::{
    cli::import::{
        SECRETS,
        document::{Table, reads_as, scalar},
        expectation::Expectation,
        fields::{Fields, quoted},
        told::Told,
    },
    config::value::{LabelName, LabelValue, TITLE_CHARS_MAX},
    domain::{
        channel::{ChannelKind, ID_LEN_MAX},
        outcome::{Detail, needs_escape},
    },
    probe::settings::{EVERY_MAX, EVERY_MIN, TIMEOUT_MAX},
    secret::Secret,
};

/// Where in the other configuration something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// A place by its kind and its name there; none is needed where there is only one of its kind.
    pub fn new(kind: &str, name: &str) -> Self {
        match name {
            "" => Self(kind.to_owned()),
            name => Self(format!("{kind} \"{}\"", Detail::new(name))),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything gathered so far.
#[derive(Debug, Default)]
pub struct Draft {
    /// The channels, in their order there.
    pub channels: Vec<Channel>,
    /// What did not carry over as it was, in words for the operator, safe to be shown.
    pub left: Vec<String>,
    /// The secrets by the names of their files.
    pub secrets: BTreeMap<String, Secret>,
    /// The environment variables it refers to.
    pub variables: BTreeSet<String>,
    /// Whether texts there have environment variables in them, as `$NAME` or `${NAME}`.
    has_variables: bool,
    /// Who is told, and by what.
    pub told: Told,
    /// Windows of maintenance.
    pub maintenance: Vec<Fields>,
    ids: BTreeSet<String>,
}

/// A channel with its one probe.
#[derive(Debug)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// What sort of door it seems to be.
    pub kind: ChannelKind,
    /// Its title, team and rules.
    pub fields: Fields,
    /// When its probe runs, and the request.
    pub probe: Fields,
}

/// A channel as another monitor describes it.
#[derive(Debug, Default)]
pub struct Door {
    /// Its name for people.
    pub name: String,
    /// The team that is told.
    pub team: Option<String>,
    /// How many failures in a row make it dark, if that is said.
    pub failures: Option<u32>,
    /// How many successes in a row make it up again, if that is said.
    pub successes: Option<u32>,
    /// Labels for its metrics.
    pub labels: BTreeMap<String, String>,
    /// How often it is looked at.
    pub every: Option<Duration>,
    /// How long a look may take.
    pub timeout: Option<Duration>,
    /// How soon it is looked at again after a failure.
    pub recheck: Option<Duration>,
    /// What is asked.
    pub request: Fields,
    /// What is expected of the answer.
    pub expect: Expectation,
}

impl Draft {
    /// Nothing yet, of a monitor whose texts have environment variables in them.
    pub fn with_variables() -> Self {
        Self { has_variables: true, ..Self::default() }
    }

    /// Says that something did not carry over as it was.
    pub fn leave(&mut self, place: &Place, why: impl Display) {
        self.left.push(Detail::new(&format!("{place}: {why}")).as_str().to_owned());
    }

    /// Keeps a secret out of the file; gives the reference to it. The place says whose it is.
    pub fn secret(&mut self, place: &str, value: &str) -> String {
        if let Some(name) = self.variable(value) {
            self.variables.insert(name.to_owned());
            return format!("{{ env = {} }}", quoted(name));
        }
        let literal = self.literal(value).unwrap_or_else(|| {
            let why = "it has an environment variable within it; write what it stands for into its file";
            self.leave(&Place::new("the secret", &slug(place)), why);
            value.to_owned()
        });
        let name = (1..).map(|number| numbered(&slug(place), number));
        let name = name.into_iter().find(|name| !self.secrets.contains_key(name));
        let name = name.expect("numbers do not run out");
        let reference = format!("{{ file = {} }}", quoted(&format!("{}/{name}", SECRETS)));
        self.secrets.insert(name, Secret::new(literal));
        reference
    }

    /// The variable that a whole text stands for.
    pub fn variable<'t>(&self, text: &'t str) -> Option<&'t str> {
        let name = text.strip_prefix('$').filter(|_| self.has_variables)?;
        let name = name.strip_prefix('{').map_or(Some(name), |rest| rest.strip_suffix('}'))?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        (is_name && !name.is_empty()).then_some(name)
    }

    /// A text as it is meant; none where a variable is in it.
    pub fn literal(&self, text: &str) -> Option<String> {
        if !self.has_variables {
            return Some(text.to_owned());
        }
        // A dollar that means itself is written twice.
        let begins_one =
            |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '{');
        let mut parts = text.split("$$");
        let is_literal = parts.all(|part| !part.split('$').skip(1).any(begins_one));
        is_literal.then(|| text.replace("$$", "$"))
    }

    /// Forgets the secrets and variables of what has turned out not to carry over.
    pub fn keep_what_is_named_in(&mut self, file: &str) {
        self.secrets.retain(|name, _| file.contains(&quoted(&format!("{SECRETS}/{name}"))));
        self.variables.retain(|name| file.contains(&format!("{{ env = {} }}", quoted(name))));
    }

    /// An id that nothing has yet.
    pub fn id(&mut self, name: &str) -> String {
        let slug = slug(name);
        let id = (1..).map(|number| numbered(&slug, number)).find(|id| !self.ids.contains(id));
        let id = id.expect("numbers do not run out");
        self.ids.insert(id.clone());
        id
    }

    /// Adds a channel.
    pub fn add(&mut self, place: &Place, door: Door) {
        let id = self.id(&door.name);
        let title: String = door.name.chars().filter(|c| !needs_escape(*c)).take(TITLE_CHARS_MAX).collect();
        let mut fields = Fields::new();
        if title.trim() != id && !title.trim().is_empty() {
            fields.text("title", title.trim());
        }
        if let Some(team) = &door.team {
            fields.text("team", team);
        }
        let rule = |word: &str, count: u32| format!("{{ {word} = {} }}", count.clamp(1, 64));
        if let Some(count) = door.failures {
            fields.raw("dark_after", rule("failures", count));
        }
        if let Some(count) = door.successes {
            fields.raw("up_after", rule("successes", count));
        }
        let timeout = door.timeout.map(|timeout| timeout.clamp(Duration::from_millis(1), TIMEOUT_MAX));
        if door.timeout > timeout {
            self.leave(
                place,
                format_args!("its timeout is {} s, the longest there is", TIMEOUT_MAX.as_secs()),
            );
        }
        let deadline = timeout.unwrap_or(Duration::from_secs(10));
        if door.expect.degrades(deadline) {
            fields.raw("alert_on_degraded", true);
        }
        let mut labels = Fields::new();
        for (name, value) in &door.labels {
            labels.text(name, value);
        }
        fields.table("labels", &labels);

        let mut probe = Fields::new();
        let every = door.every.map(|every| every.clamp(EVERY_MIN, EVERY_MAX));
        for (key, span) in [("every", every), ("timeout", timeout), ("recheck", door.recheck)] {
            span.map(|span| probe.span(key, span));
        }
        let kind = kind(&door.name);
        let mut request = door.request;
        request.table("expect", &door.expect.fields(deadline));
        probe.raw("http", request);
        self.channels.push(Channel { id, kind, fields, probe });
    }
}

/// Labels, as far as they can be labels here.
pub fn labels(mut named: Table, place: &Place, draft: &mut Draft) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in named.members() {
        let Some(value) = scalar(&value) else { continue };
        if reads_as::<LabelName>(&name) && reads_as::<LabelValue>(&value) {
            labels.insert(name, value);
        } else {
            draft.leave(place, format_args!("its label {name:?} cannot be one here"));
        }
    }
    labels
}

/// An id made of a name; not yet of one that no other has.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(ID_LEN_MAX);
    match slug.trim_end_matches('-') {
        "" => "unnamed".to_owned(),
        slug => slug.to_owned(),
    }
}

fn numbered(slug: &str, number: u32) -> String {
    if number == 1 {
        return slug.to_owned();
    }
    let end = format!("-{number}");
    let room = ID_LEN_MAX - end.len();
    format!("{}{end}", slug.get(..room).unwrap_or(slug).trim_end_matches('-'))
}

/// What sort of door it seems to be by its name. Where that says nothing, part of the help centre.
fn kind(name: &str) -> ChannelKind {
    let name = name.to_lowercase();
    let words = [
        (ChannelKind::Bot, &["bot", "assistant"][..]),
        (ChannelKind::Chat, &["chat", "messenger", "widget"]),
        (ChannelKind::Hotline, &["hotline", "phone", "voice", "sip", "callback", "call-back", "ivr"]),
        (ChannelKind::Mail, &["mailbox", "email", "e-mail"]),
        (ChannelKind::Ticket, &["ticket", "form", "contact", "desk", "case"]),
        (ChannelKind::Social, &["social", "facebook", "instagram", "whatsapp", "telegram"]),
    ];
    let found = words.into_iter().find(|(_, words)| words.iter().any(|word| name.contains(word)));
    found.map_or(ChannelKind::Help, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_valid_and_differ_whatever_the_names_are() {
        let mut draft = Draft::default();
        let long = "x".repeat(200);
        let ids: Vec<String> =
            ["Shop / Chat", "shop chat", "", "ü", &long, &long].map(|name| draft.id(name)).to_vec();
        assert_eq!(ids[..4], ["shop-chat", "shop-chat-2", "unnamed", "unnamed-2"]);
        assert!(ids.iter().all(|id| crate::domain::channel::is_id(id)), "{ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn a_secret_that_is_a_variable_stays_one() {
        let mut draft = Draft::with_variables();
        assert_eq!(draft.secret("api password", "${API_PASSWORD}"), "{ env = \"API_PASSWORD\" }");
        assert_eq!(draft.secret("api password", "$API_PASSWORD"), "{ env = \"API_PASSWORD\" }");
        assert_eq!(draft.secret("api password", "hu$$h"), "{ file = \"secrets/api-password\" }");
        assert_eq!(draft.secrets["api-password"].expose(), "hu$h");
        assert_eq!(draft.left, Vec::<String>::new());
        assert_eq!(draft.secret("api password", "of ${NAME}"), "{ file = \"secrets/api-password-2\" }");
        assert_eq!(draft.left.len(), 1, "{:?}", draft.left);
    }

    #[test]
    fn a_dollar_means_itself_where_there_are_no_variables() {
        let mut draft = Draft::default();
        assert_eq!(draft.secret("password", "${API_PASSWORD}"), "{ file = \"secrets/password\" }");
        assert_eq!(draft.secrets["password"].expose(), "${API_PASSWORD}");
    }
}
