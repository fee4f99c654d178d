//! How the monitor itself fares, for the pages that show it.

use std::time::Duration;

use jiff::Timestamp;

/// Everything that people should know of the monitor before they believe it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// What waits to be told, by route.
    pub outbox: Vec<Waiting>,
    /// Why not one probe can look, as words; empty while they can.
    pub blind: Vec<String>,
    /// Whether the store refuses work.
    pub store_fails: bool,
    /// Whether the file was taken up when it changed last.
    pub reload_successful: bool,
    /// When the configuration that is worked by was taken up.
    pub reloaded_at: Option<Timestamp>,
    /// When the newest backup of the store was made.
    pub backup_at: Option<Timestamp>,
}

/// What waits on one route.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The word of the route.
    pub route: String,
    /// How many messages.
    pub pending: u64,
    /// For how long the oldest has waited; zero where none does.
    pub oldest: Duration,
}
