//! The past of all channels, read from the store beside the daemon's own connection while somebody looks, and kept for a
//! minute: many who look cost no more than one.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{sync::Mutex, task::spawn_blocking, time::Instant};
use tracing::warn;

use crate::{
    domain::{channel::ChannelId, chronicle::Chronicle},
    store::{StoreError, explain::Archive},
};

/// So long what was read is shown.
const FRESH: Duration = Duration::from_secs(60);

/// The past of channels, by their ids.
pub(crate) type Chronicles = Arc<BTreeMap<ChannelId, Chronicle>>;

/// Reads them.
pub(crate) struct Chronicler {
    path: PathBuf,
    read: Mutex<Option<(Instant, Chronicles)>>,
}

impl Chronicler {
    /// Of the store at a path.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    /// The past of these channels, at most a minute old; a channel that is new meanwhile is not in it yet. Where the store
    /// cannot be read, what was read last, or nothing.
    pub(crate) async fn of(
        &self,
        channels: impl Iterator<Item = ChannelId>,
        time_zone: &TimeZone,
        now: Timestamp,
    ) -> Chronicles {
        // Whoever comes while it is read waits for it.
        let mut read = self.read.lock().await;
        if let Some((at, chronicles)) = &*read
            && at.elapsed() < FRESH
        {
            return Arc::clone(chronicles);
        }
        let (path, channels, time_zone) = (self.path.clone(), channels.collect(), time_zone.clone());
        let reading = spawn_blocking(move || read_all(path, channels, time_zone, now));
        let chronicles = match reading.await {
            Ok(Ok(chronicles)) => Arc::new(chronicles),
            Ok(Err(error)) => {
                warn!(%error, "the past of the channels could not be read");
                read.as_ref().map(|(_, before)| Arc::clone(before)).unwrap_or_default()
            }
            Err(lost) => {
                warn!(%lost, "the past of the channels was not read");
                Chronicles::default()
            }
        };
        *read = Some((Instant::now(), Arc::clone(&chronicles)));
        chronicles
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
    channels.into_iter().map(|channel| Ok((channel.clone(), chronicler.of(&channel)?))).collect()
}
