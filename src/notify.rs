//! The edge towards the people: the trait every route implements, one file per route. A route tries once and says
//! what became of it; when to try again is the dispatcher's business.

pub mod alertmanager;
pub mod heartbeat;
pub mod mail;
pub mod post;
pub mod webhook;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use self::{
    alertmanager::{Alertmanager, AlertmanagerRoute},
    mail::{
        Limits, MailError, MailRoute, MailServer,
        fallback::{Fallback, MailWays},
    },
    post::PostError,
    webhook::{Template, Webhook, WebhookRoute},
};
use crate::{
    clock::Clock,
    domain::notification::{Notification, Recipient, Route, Way},
    secret::{Redactor, Secret},
};

/// The ways of telling people that a plan has.
pub type Routes = BTreeMap<Way, Arc<dyn Notifier>>;

/// A future that borrows its notifier.
pub type SendFuture<'a> = Pin<Box<dyn Future<Output = Delivery> + Send + 'a>>;

/// A future that borrows its notifier and has nothing to say.
pub type RestFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One way of telling people.
pub trait Notifier: Send + Sync {
    /// Tries once to deliver. `late` is how long the notification has waited.
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a>;

    /// Nothing more is to be sent for now: lets go of what was kept open between two notifications.
    fn rest(&self) -> RestFuture<'_> {
        Box::pin(async {})
    }

    /// From this age on a notification has a second way: it is worth a try at that moment, whatever was tried before.
    fn second_way_after(&self) -> Option<Duration> {
        None
    }

    /// Whether the other side forgets what it was told, so that what is still true must be said again and again.
    fn forgets(&self) -> bool {
        false
    }
}

/// What became of one try. Whatever quotes the other side is one escaped line without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The other side has taken responsibility; its own words.
    Accepted(String),
    /// The other side works and will not take this notification yet; why.
    Deferred(String),
    /// The route does not work at present, for this notification or any other; why.
    Transient(String),
    /// The other side takes nothing for as long as it says; why.
    Busy(String, Duration),
    /// It will never work for this recipient; why.
    Permanent(String),
}

impl Delivery {
    /// The same without the signature of the link in a notification, which the other side may have repeated.
    fn without_link(self, notification: &Notification) -> Self {
        let link = notification.content.facts.acknowledge.as_deref();
        let Some((_, signature)) = link.and_then(|link| link.rsplit_once('/')) else { return self };
        let redactor = Redactor::new([&Secret::new(signature.to_owned())]);
        let clean = |words: String| redactor.redact(&words).into_owned();
        match self {
            Self::Accepted(words) => Self::Accepted(clean(words)),
            Self::Deferred(words) => Self::Deferred(clean(words)),
            Self::Transient(words) => Self::Transient(clean(words)),
            Self::Busy(words, rest) => Self::Busy(clean(words), rest),
            Self::Permanent(words) => Self::Permanent(clean(words)),
        }
    }
}

/// The endpoints besides the mail server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The mail server that is used while the first does not work.
    pub fallback: Option<Fallback>,
    /// Webhooks, by id.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Alertmanagers, by id.
    pub alertmanagers: BTreeMap<String, Alertmanager>,
}

impl Endpoints {
    /// Whether a recipient keeps an alert, or an incident of its own, for each of ours until it hears of the end.
    #[must_use]
    pub fn keeps_alerts(&self, recipient: &Recipient) -> bool {
        match recipient.route {
            Route::Mail => false,
            Route::Alertmanager => true,
            Route::Webhook => self
                .webhooks
                .get(&recipient.address)
                .is_some_and(|webhook| webhook.template == Template::Pagerduty),
        }
    }
}

/// Why the routes cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Mail cannot leave.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Requests cannot.
    #[error(transparent)]
    Post(#[from] PostError),
}

/// Builds the routes that are configured; nothing is connected yet.
///
/// # Errors
/// When a From header is no address, or TLS cannot be set up.
pub fn routes(mail: Option<&MailServer>, endpoints: &Endpoints) -> Result<Routes, RouteError> {
    let mut routes = Routes::new();
    if let Some(server) = mail {
        let first = MailRoute::new(server.clone(), Limits::default())?;
        let route: Arc<dyn Notifier> = match &endpoints.fallback {
            None => Arc::new(first),
            Some(Fallback { server, after }) => {
                let second = MailRoute::new(server.clone(), Limits::default())?;
                Arc::new(MailWays::new(first, second, *after))
            }
        };
        routes.insert(Route::Mail.into(), route);
    }
    for (id, webhook) in &endpoints.webhooks {
        let route = WebhookRoute::new(webhook.clone(), post::Limits::default(), Clock::system())?;
        routes.insert(Way::to(Route::Webhook, id), Arc::new(route));
    }
    for (id, alertmanager) in &endpoints.alertmanagers {
        let route = AlertmanagerRoute::new(alertmanager.clone(), post::Limits::default(), Clock::system())?;
        routes.insert(Way::to(Route::Alertmanager, id), Arc::new(route));
    }
    Ok(routes)
}
