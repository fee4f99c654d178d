//! The edge towards the people: the trait every route implements, one file per route.

use std::{future::Future, pin::Pin, time::Duration};

use crate::domain::notification::Notification;

/// A future that borrows its notifier.
pub type SendFuture<'a> = Pin<Box<dyn Future<Output = Delivery> + Send + 'a>>;

/// One way of telling people.
pub trait Notifier: Send + Sync {
    /// Tries once to deliver. `late` is how long the notification has waited, zero on the first try.
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a>;
}

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The other side has taken responsibility; its own words.
    Accepted(String),
    /// It may work later; why it did not now.
    Transient(String),
    /// It will never work for this recipient; why.
    Permanent(String),
}
