//! The past of all channels, read from the store beside the daemon's own connection while somebody looks, and kept for a
//! minute: many who look cost no more than one, and whoever goes away meanwhile has not had it read in vain.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tracing::{error, warn};

use crate::{
    domain::{channel::ChannelId, chronicle::Chronicle},
    store::{StoreError, explain::Archive},
};

/// So long what was read is shown.
pub(crate) const FRESH: Duration = Duration::from_secs(60);

/// What is older than this is shown only if it takes long to read it anew.
const OLD: Duration = Duration::from_secs(5 * 60);

/// So long is waited for what is read anew, before what is old is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// The past of channels, by their ids.
pub(crate) type Chronicles = Arc<BTreeMap<ChannelId, Chronicle>>;

/// Reads them.
#[derive(Debug)]
pub(crate) struct Chronicler {
    path: PathBuf,
    reading: Arc<Mutex<Reading>>,
    read: watch::Sender<Option<(Instant, Chronicles)>>,
}

#[derive(Debug, Default)]
struct Reading {
    is_under_way: bool,
    /// When the last one began.
    began_at: Option<Instant>,
}

impl Chronicler {
    /// Of the store at a path.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, reading: Arc::default(), read: watch::Sender::new(None) }
    }

    /// The past of these channels. Where it was read longer ago than `fresh`, it is read anew, and what was read last is given
    /// meanwhile; a channel that is new is not in it yet. Where the store cannot be read, what was read last, or nothing.
    pub(crate) async fn of(
        &self,
        channels: impl Iterator<Item = ChannelId>,
        time_zone: &TimeZone,
        now: Timestamp,
        fresh: Duration,
    ) -> Chronicles {
        let mut read = self.read.subscribe();
        if self.begin(fresh) {
            let (path, channels, time_zone) = (self.path.clone(), channels.collect(), time_zone.clone());
            let over = Over { reading: Arc::clone(&self.reading), read: self.read.clone() };
            spawn_blocking(move || over.with(read_all(path, channels, time_zone, now)));
        }
        let known = read.borrow_and_update().clone();
        match known {
            Some((at, chronicles)) if at.elapsed() < OLD => chronicles,
            Some((_, old)) => {
                timeout(PATIENCE, read.changed()).await.ok();
                read.borrow().as_ref().map_or(old, |(_, chronicles)| Arc::clone(chronicles))
            }
            None => match read.wait_for(Option::is_some).await {
                Ok(read) => read.as_ref().map(|(_, chronicles)| Arc::clone(chronicles)).unwrap_or_default(),
                Err(_) => Chronicles::default(),
            },
        }
    }

    /// Whether it is to be read now, by whoever asks.
    fn begin(&self, fresh: Duration) -> bool {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = reading.began_at.is_some_and(|at| at.elapsed() < fresh);
        let begins = !reading.is_under_way && !is_fresh;
        if begins {
            *reading = Reading { is_under_way: true, began_at: Some(Instant::now()) };
        }
        begins
    }
}

/// What is done when the reading is over, however it ends.
struct Over {
    reading: Arc<Mutex<Reading>>,
    read: watch::Sender<Option<(Instant, Chronicles)>>,
}

impl Over {
    fn with(self, result: Result<BTreeMap<ChannelId, Chronicle>, StoreError>) {
        match result {
            Ok(chronicles) => drop(self.read.send_replace(Some((Instant::now(), Arc::new(chronicles))))),
            Err(error) => warn!(%error, "the past of the channels could not be read"),
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        // Whoever waits for the first one has nothing then.
        self.read.send_if_modified(|read| {
            let is_first = read.is_none();
            read.get_or_insert_with(|| (Instant::now(), Chronicles::default()));
            is_first
        });
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).is_under_way = false;
    }
}

fn read_all(
    path: PathBuf,
    channels: Vec<ChannelId>,
    time_zone: TimeZone,
    now: Timestamp,
) -> Result<BTreeMap<ChannelId, Chronicle>, StoreError> {
    let archive = Archive::open(&path)?;
    let chronicler = archive.chronicler(now, time_zone)?;
    let all = channels.into_iter().map(|channel| Ok((channel.clone(), chronicler.of(&channel)?))).collect();
    if chronicler.unreadable() > 0 {
        let count = chronicler.unreadable();
        error!(count, "the store is damaged: runs or hours of runs could not be read and are shown nowhere");
    }
    all
}
