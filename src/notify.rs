//! The edge towards the people: the trait every route implements, one file per route. A route tries once and says
//! what became of it; when to try again is the dispatcher's business.

pub mod heartbeat;
pub mod mail;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use self::mail::{Limits, MailError, MailRoute, MailServer};
use crate::domain::notification::{Notification, Route};

/// The ways of telling people that a plan has.
pub type Routes = BTreeMap<Route, Arc<dyn Notifier>>;

/// A future that borrows its notifier.
pub type SendFuture<'a> = Pin<Box<dyn Future<Output = Delivery> + Send + 'a>>;

/// A future that borrows its notifier and has nothing to say.
pub type RestFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One way of telling people.
pub trait Notifier: Send + Sync {
    /// Tries once to deliver. `late` is how long the notification has waited.
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a>;

    /// Nothing more is to be sent for now: lets go of what was kept open between two notifications.
    fn rest(&self) -> RestFuture<'_>;
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
    /// It will never work for this recipient; why.
    Permanent(String),
}

/// Builds the routes that are configured; nothing is connected yet.
///
/// # Errors
/// When the From header is no address, or TLS cannot be set up.
pub fn routes(mail: Option<&MailServer>) -> Result<Routes, MailError> {
    let mut routes = Routes::new();
    if let Some(server) = mail {
        let route: Arc<dyn Notifier> = Arc::new(MailRoute::new(server.clone(), Limits::default())?);
        routes.insert(Route::Mail, route);
    }
    Ok(routes)
}
