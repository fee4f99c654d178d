//! Who is told by another monitor, and by what.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cli::import::{
        draft::{Draft, Place, slug},
        fields::{Fields, quoted},
        page::table,
    },
    setting::{MailAddress, is_loopback},
};

/// The mail server, the ways that teams are told by, and the teams.
#[derive(Debug, Default)]
pub struct Told {
    mail: Option<(MailServer, Fields)>,
    webhooks: BTreeMap<String, Fields>,
    alertmanagers: BTreeMap<String, Fields>,
    ways: BTreeMap<String, Way>,
    teams: BTreeMap<String, BTreeSet<String>>,
}

/// A mail server as another monitor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// The sender.
    pub from: String,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS from the first byte.
    pub tls: bool,
    /// User name and password, if it wants them.
    pub login: Option<(String, String)>,
}

/// A way to tell somebody.
#[derive(Debug)]
enum Way {
    Mail(Vec<String>),
    Webhook,
    Alertmanager,
}

impl Told {
    /// Its tables in the file.
    pub fn tables(&self) -> String {
        let mut page = String::new();
        if let Some((_, mail)) = &self.mail {
            table(&mut page, "mail", &mail.lines());
        }
        for (kind, of_kind) in [("webhook", &self.webhooks), ("alertmanager", &self.alertmanagers)] {
            for (id, fields) in of_kind {
                table(&mut page, &format!("{kind}.{id}"), &fields.lines());
            }
        }
        for (id, ways) in &self.teams {
            table(&mut page, &format!("team.{id}"), &self.team(ways).lines());
        }
        page
    }

    fn team(&self, ways: &BTreeSet<String>) -> Fields {
        let (mut mail, mut webhooks, mut alertmanagers) = (Vec::new(), Vec::new(), Vec::new());
        for id in ways {
            match &self.ways[id] {
                Way::Mail(addresses) => mail.extend(addresses.iter().map(|address| quoted(address))),
                Way::Webhook => webhooks.push(quoted(id)),
                Way::Alertmanager => alertmanagers.push(quoted(id)),
            }
        }
        let mut fields = Fields::new();
        fields.list("mail", mail).list("webhook", webhooks).list("alertmanager", alertmanagers).clone()
    }

    /// The team that is told by these ways, as far as they carried over.
    pub fn team_by<'w>(&mut self, ways: impl IntoIterator<Item = &'w str>) -> Option<String> {
        let ways: BTreeSet<String> =
            ways.into_iter().filter(|id| self.ways.contains_key(*id)).map(str::to_owned).collect();
        if ways.is_empty() {
            return None;
        }
        let named = ways.iter().cloned().collect::<Vec<_>>().join("-");
        let id = slug(&named);
        self.teams.entry(id.clone()).or_insert(ways);
        Some(id)
    }
}

impl Draft {
    /// Adds a way to tell people by mail. There is one mail server; a way by another does not carry over.
    pub fn tell_by_mail(&mut self, id: &str, place: &Place, server: &MailServer, to: &[String]) {
        let addresses: Vec<String> = to.iter().map(|address| address.trim().to_owned()).collect();
        let wrong =
            addresses.iter().chain([&server.from]).find(|address| MailAddress::parse(address).is_err());
        if let Some(wrong) = wrong {
            return self
                .leave(place, format_args!("{wrong:?} is not a mail address here, so nobody is told by it"));
        }
        if addresses.is_empty() {
            return self.leave(place, "it names no address, so nobody is told by it");
        }
        match &self.told.mail {
            Some((first, _)) if first != server => {
                return self
                    .leave(place, "there is one mail server, and this is another; its people are not told");
            }
            Some(_) => {}
            None => {
                let Some(fields) = self.mail_server(place, server) else {
                    return self
                        .leave(place, "its host is not the name of a mail server, so nobody is told by it");
                };
                self.told.mail = Some((server.clone(), fields));
            }
        }
        self.told.ways.insert(id.to_owned(), Way::Mail(addresses));
    }

    fn mail_server(&mut self, place: &Place, server: &MailServer) -> Option<Fields> {
        let MailServer { from, host, port, tls, login } = server;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return None;
        }
        let scheme = match tls {
            true => "smtps",
            false if is_loopback(host) => "smtp+plain",
            false => "smtp",
        };
        if scheme == "smtp" {
            self.leave(place, "mails leave by STARTTLS or not at all, which was no condition there; see by `lamplighter test-mail` whether the server has it");
        }
        let mut fields = Fields::new();
        fields.text("from", from).text("smtp", &format!("{scheme}://{host}:{port}"));
        if let Some((user, password)) = login {
            let password = self.secret("smtp-password", password);
            fields.text("username", user).raw("password", password);
        }
        Some(fields)
    }

    /// Adds a webhook, whose address is a secret, by the template that its service reads.
    pub fn tell_by_webhook(&mut self, id: &str, template: &str, url: &str) {
        let url = self.secret(&format!("{id}-url"), url);
        let fields = Fields::new().raw("url", url).text("template", template).clone();
        self.told.webhooks.insert(id.to_owned(), fields);
        self.told.ways.insert(id.to_owned(), Way::Webhook);
    }

    /// Adds a service of PagerDuty, by its integration key, and by where it takes events if that is not the usual address.
    pub fn tell_by_pagerduty(&mut self, id: &str, key: &str, url: Option<&str>) {
        let key = self.secret(&format!("{id}-key"), key);
        let mut fields = Fields::new();
        if let Some(url) = url {
            fields.raw("url", self.secret(&format!("{id}-url"), url));
        }
        fields.text("template", "pagerduty").raw("routing_key", key);
        self.told.webhooks.insert(id.to_owned(), fields);
        self.told.ways.insert(id.to_owned(), Way::Webhook);
    }

    /// Adds an Alertmanager.
    pub fn tell_by_alertmanager(&mut self, id: &str, url: &str) {
        self.told.alertmanagers.insert(id.to_owned(), Fields::new().text("url", url).clone());
        self.told.ways.insert(id.to_owned(), Way::Alertmanager);
    }
}
