//! Trouble with the store, said once when it begins and once when it ends, whoever meets it: a store that refuses, and
//! one that does not answer.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tracing::{error, info, warn};

use crate::{metrics::instruments::Level, store::StoreError};

/// Work that takes longer than this is in trouble. Longer than the store itself waits for somebody who reads along:
/// after that it refuses.
const STALLED_AFTER: Duration = Duration::from_secs(6);

/// What the store was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Commit a verdict with its mails.
    Verdict,
    /// Append to the history.
    History,
}

impl Work {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdicts and their mails wait until it recovers",
            Self::History => "the history waits until it recovers",
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symptom {
    NoAnswer,
    Refusal,
}

/// Which work the store does not do at present.
#[derive(Debug)]
pub(crate) struct Trouble {
    known: Mutex<BTreeMap<Work, Symptom>>,
    gauge: Level,
    failing: watch::Sender<Option<Failing>>,
}

/// A store that does not do all of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// Since when.
    pub(crate) since: Instant,
    /// What it said when it began, or that it said nothing.
    pub(crate) why: String,
}

impl Trouble {
    /// No trouble yet. `gauge` is 1 while there is any.
    pub(crate) fn new(gauge: Level) -> Self {
        gauge.set(0);
        Self { known: Mutex::default(), gauge, failing: watch::Sender::new(None) }
    }

    /// Whether there is trouble, and since when; a change of it wakes the receiver.
    pub(crate) fn failing(&self) -> watch::Receiver<Option<Failing>> {
        self.failing.subscribe()
    }

    fn show(&self, known: &BTreeMap<Work, Symptom>, why: impl FnOnce() -> String) {
        self.gauge.set(i64::from(!known.is_empty()));
        self.failing.send_if_modified(|failing| {
            if known.is_empty() != failing.is_none() {
                *failing = (!known.is_empty()).then(|| Failing { since: Instant::now(), why: why() });
                return true;
            }
            false
        });
    }

    /// Waits for a piece of work, however long it takes, and notes how it goes.
    pub(crate) async fn attend<T>(
        &self,
        work: Work,
        doing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut doing = pin!(doing);
        let result = match timeout(STALLED_AFTER, &mut doing).await {
            Ok(result) => result,
            Err(_) => {
                self.note_stall(work);
                doing.await
            }
        };
        self.note_end(work, result.as_ref().err());
        result
    }

    fn note_stall(&self, work: Work) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(work).or_insert_with(|| {
            warn!("the store has not answered for {} s; {}", STALLED_AFTER.as_secs(), work.as_str());
            Symptom::NoAnswer
        });
        self.show(&known, || format!("it has not answered for {} s", STALLED_AFTER.as_secs()));
    }

    fn note_end(&self, work: Work, error: Option<&StoreError>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => {
                if known.insert(work, Symptom::Refusal) != Some(Symptom::Refusal) {
                    error!(%error, "{}", work.as_str());
                }
            }
            None => {
                if known.remove(&work).is_some() {
                    info!("the store works again");
                }
            }
        }
        self.show(&known, || error.map(ToString::to_string).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn refusal() -> StoreError {
        StoreError::Full { doing: "commit a decision", path: "lamplighter.db".into() }
    }

    /// Work that ends so after so many seconds, and what the gauge shows at the end of every second meanwhile.
    async fn seen(trouble: &Trouble, secs: u64, end: Result<(), StoreError>) -> Vec<i64> {
        let work = async {
            sleep(Duration::from_secs(secs)).await;
            end
        };
        let attending = trouble.attend(Work::Verdict, work);
        let began = Instant::now();
        let watching = async {
            let mut seen = Vec::new();
            while began.elapsed() < Duration::from_secs(secs) {
                sleep(Duration::from_millis(999)).await;
                seen.push(trouble.gauge.get());
                sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        tokio::join!(attending, watching).1
    }

    fn trouble() -> Trouble {
        Trouble::new(Level::new("degraded", "in a test").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_shows_until_it_does() {
        let trouble = trouble();
        assert_eq!(seen(&trouble, 5, Ok(())).await, [0; 5]);
        assert_eq!(seen(&trouble, 9, Ok(())).await, [0, 0, 0, 0, 0, 0, 1, 1, 1]);
        assert_eq!(trouble.gauge.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_refuses_shows_until_it_takes_the_same_work() {
        let trouble = trouble();
        seen(&trouble, 8, Err(refusal())).await;
        assert_eq!(trouble.gauge.get(), 1);
        trouble.attend(Work::History, async { Ok(()) }).await.unwrap();
        assert_eq!(trouble.gauge.get(), 1, "other work says nothing of this one");
        trouble.attend(Work::Verdict, async { Ok(()) }).await.unwrap();
        assert_eq!(trouble.gauge.get(), 0);
    }
}
