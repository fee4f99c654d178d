//! A page in `probes.toml`.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{CONFIG, Contacts, Entry, PAGE, PageProbe, SCRIPT, Script, contacts};
use crate::{
    clock::Clock,
    probe::{
        request::{settings::RequestSettings, single::Single},
        settings::{BuildContext, Built},
    },
    setting::{At, CssSelector, HttpUrl, MailAddress, Pattern, Problem, Refused, written_as_text},
};

/// A page as it is served, looked at without a browser: the entry, the script that makes it, words that say that nobody
/// is there, the contacts. At least one of these is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { http = { url = \"https://...\" }, entry = { css = \"#chat\" } }"
)]
pub struct PageSettings {
    /// How the page is asked for, and what is expected of the answer as a whole.
    http: RequestSettings,
    /// The entry: the button or link by which customers reach support.
    entry: Option<At<EntrySettings>>,
    /// The script that makes the entry, if the page is served without it. It must be on the page and load.
    script: Option<ScriptSettings>,
    /// The vendor's settings of the widget, asked for besides the page; its expectations may say `otherwise =
    /// "disabled"` or "closed".
    config: Option<RequestSettings>,
    /// What must not be said: by the entry, or anywhere on the page where no entry is looked for. Such as
    /// ['(?i)leave a message', '(?i)offline'].
    #[serde(default)]
    closed: Vec<Pattern>,
    /// The contacts that the page publishes, as they truly are.
    contacts: Option<At<ContactSettings>>,
}

/// The entry: known by a selector, by its text, or by both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { css = \"#chat-launcher\" } or { text = \"Chat with us\" }"
)]
pub struct EntrySettings {
    /// A CSS selector, such as "#chat-launcher".
    css: Option<At<CssSelector>>,
    /// A text that it has, in any case of letters. Without css, the element must be one that can be clicked.
    text: Option<At<String>>,
}

/// The script that makes the entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { src = \"widget.js\" }")]
pub struct ScriptSettings {
    /// A part of its address that no other script of the page has, such as "chat.example.com/widget".
    src: At<String>,
}

/// Contacts as they truly are. Each must be on the page, and nothing that differs from it by one character.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { phones = [\"+49 30 9018 2060\"] }")]
pub struct ContactSettings {
    /// Telephone numbers, best with a plus and the country: "+49 30 9018 2060". They are known in any notation.
    phones: Option<At<Vec<PhoneNumber>>>,
    /// Mail addresses.
    mails: Option<At<Vec<MailAddress>>>,
    /// Addresses that the page links to.
    urls: Option<At<Vec<HttpUrl>>>,
}

/// A telephone number.
#[derive(Debug)]
pub struct PhoneNumber(contacts::Phone);

impl PhoneNumber {
    fn parse(text: &str) -> Result<Self, Refused> {
        contacts::Phone::parse(text).map(Self).ok_or_else(|| {
            (
                format!("{text:?} is not a telephone number"),
                "write 3 to 15 digits as they are dialled, best with the country: \"+49 30 9018 2060\""
                    .to_owned(),
            )
        })
    }
}

written_as_text!(PhoneNumber, "a telephone number", "+49 30 9018 2060", {
    "type": "string",
    "pattern": "^\\+?[0-9 ()./-]{3,40}$",
    "description": "A telephone number, such as \"+49 30 9018 2060\"."
});

impl PageSettings {
    /// Checks the whole probe.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(at: &At<Self>, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let page = at.http.single(context, &mut problems, &mut warnings);
        let config = at.config.as_ref().map(|config| config.single(context, &mut problems, &mut warnings));
        let entry = at.entry.as_ref().and_then(|entry| {
            entry.value.build().or_else(|| {
                let problem = entry.problem("it does not say how the entry is known");
                problems
                    .push(problem.hint("write css = \"#chat-launcher\", text = \"Chat with us\", or both"));
                None
            })
        });
        if let Some(script) = at.script.as_ref().filter(|script| script.src.trim().is_empty()) {
            let problem = script.src.problem("every script has this in its address");
            problems.push(problem.hint("write a part that no other script has, such as \"widget.js\""));
        }
        for nothing in at.contacts.iter().flat_map(|contacts| contacts.value.empty(&contacts.span)) {
            let problem = Problem::at(nothing, "it names no contact");
            problems.push(problem.hint("write phones = [\"+49 30 9018 2060\"], mails or urls"));
        }
        if at.looks_for_nothing() {
            let problem = at.problem("nothing is looked for on this page");
            problems.push(problem.hint(
                "add entry = { css = \"#chat-launcher\" }, script, config, closed or contacts; for a request alone write http",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // What could not be built is a problem.
        let (Some(page), Ok(config)) = (page, config.map(|config| config.ok_or(())).transpose()) else {
            return Err(problems);
        };
        Ok(at.assemble(context, page, config, entry, warnings))
    }

    fn looks_for_nothing(&self) -> bool {
        self.entry.is_none()
            && self.script.is_none()
            && self.config.is_none()
            && self.closed.is_empty()
            && self.contacts.is_none()
    }

    fn assemble(
        &self,
        context: &BuildContext<'_>,
        page: Single,
        config: Option<Single>,
        entry: Option<Entry>,
        warnings: Vec<Problem>,
    ) -> Built {
        let asked = std::iter::once(&page).chain(&config);
        let hosts: BTreeSet<Arc<str>> = asked.filter_map(Single::host).collect();
        let steps = [Some(PAGE), self.script.as_ref().map(|_| SCRIPT), config.as_ref().map(|_| CONFIG)];
        let phases = match steps {
            [_, None, None] => page.phases(),
            steps => steps.into_iter().flatten().map(Into::into).collect(),
        };
        let script = self.script.as_ref().map(|script| Script { src: script.src.value.clone() });
        let closed = self.closed.iter().map(|pattern| pattern.0.clone()).collect();
        let contacts = self.contacts.as_ref().map(|contacts| contacts.contacts()).unwrap_or_default();
        let transport = Arc::clone(context.transport);
        let probe = PageProbe {
            transport,
            clock: Clock::system(),
            page,
            config,
            entry,
            script,
            closed,
            contacts,
            persona: context.persona.cloned(),
        };
        Built { hosts: hosts.into_iter().collect(), phases, warnings, ..Built::of(Arc::new(probe)) }
    }
}

impl EntrySettings {
    fn build(&self) -> Option<Entry> {
        let text = self.text.as_ref().map(|text| text.trim()).filter(|text| !text.is_empty());
        Entry::new(self.css.as_ref().map(|css| &css.value.0), text)
    }
}

impl ContactSettings {
    /// Where nothing is named: lists without an entry, or the whole if there is none.
    fn empty(&self, whole: &Range<usize>) -> Vec<Range<usize>> {
        let lists = [
            self.phones.as_ref().map(|phones| (&phones.span, phones.is_empty())),
            self.mails.as_ref().map(|mails| (&mails.span, mails.is_empty())),
            self.urls.as_ref().map(|urls| (&urls.span, urls.is_empty())),
        ];
        if lists.iter().all(Option::is_none) {
            return vec![whole.clone()];
        }
        lists.into_iter().flatten().filter(|(_, is_empty)| *is_empty).map(|(span, _)| span.clone()).collect()
    }

    fn contacts(&self) -> Contacts {
        Contacts {
            phones: self
                .phones
                .iter()
                .flat_map(|phones| &phones.value)
                .map(|phone| phone.0.clone())
                .collect(),
            mails: self
                .mails
                .iter()
                .flat_map(|mails| &mails.value)
                .map(|mail| mail.0.email.to_string())
                .collect(),
            urls: self.urls.iter().flat_map(|urls| &urls.value).map(|url| url.0.clone()).collect(),
        }
    }
}
