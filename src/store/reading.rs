//! Questions of people and programs about what is kept. They are answered from connections of their own, beside the one by
//! which verdicts are committed: few at once, each for a bounded time, so that whoever asks much waits for himself alone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rusqlite::{ErrorCode, InterruptHandle};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};

use super::{Store, StoreError, explain::Archive};

/// So many questions are answered at once.
const READERS_MAX: usize = 2;
/// A question is answered within this time, the wait for a turn included, or not at all.
const WITHIN: Duration = Duration::from_secs(2);
/// How often a question is interrupted whose time is over: between two statements it does not hear.
const INTERRUPT_EVERY: Duration = Duration::from_millis(20);

/// The turns of those who ask.
#[derive(Debug)]
pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS_MAX)))
    }
}

/// Interrupts what is being looked for when nobody waits for it any more.
struct Waiting(InterruptHandle);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Store {
    /// Answers a question from a connection of its own. `doing` completes "failed to ...".
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + WITHIN;
        let slow = || StoreError::TooSlow { doing };
        let turns = Arc::clone(&self.0.readers.0);
        let turn = timeout_at(deadline, turns.acquire_owned()).await.map_err(|_| slow())?;
        let turn = turn.map_err(|_| StoreError::NoAnswer)?;
        let path: PathBuf = self.path().to_owned();
        let opening = spawn_blocking(move || Archive::open(&path).map(|archive| (archive, turn)));
        let (archive, turn) =
            timeout_at(deadline, opening).await.map_err(|_| slow())?.map_err(|_| StoreError::NoAnswer)??;
        let waiting = Waiting(archive.connection.get_interrupt_handle());
        let mut looking = spawn_blocking(move || {
            let found = work(&archive);
            drop((archive, turn));
            found
        });
        let found = match timeout_at(deadline, &mut looking).await {
            Ok(found) => found,
            Err(_) => loop {
                waiting.0.interrupt();
                tokio::select! {
                    found = &mut looking => break found,
                    () = sleep(INTERRUPT_EVERY) => {}
                }
            },
        };
        match found {
            Ok(Err(error)) if is_interruption(&error) => Err(slow()),
            Ok(found) => found,
            // A bug of ours broke it, and is in the log; whoever asked hears that there is no answer.
            Err(_) => Err(StoreError::NoAnswer),
        }
    }
}

fn is_interruption(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { source, .. }
        if source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    async fn ask(store: &Store, query: &'static str) -> Result<i64, StoreError> {
        let count = move |archive: &Archive| {
            archive.read("count", |connection| connection.query_row(query, [], |row| row.get(0)))
        };
        store.ask("count", count).await
    }

    #[tokio::test]
    async fn a_question_without_end_is_given_up_and_so_is_one_that_finds_no_turn_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
        let began = Instant::now();
        let (one, other, third) =
            tokio::join!(ask(&store, ENDLESS), ask(&store, ENDLESS), ask(&store, "SELECT 1"));
        for slow in [one, other, third] {
            assert!(matches!(slow, Err(StoreError::TooSlow { .. })), "{slow:?}");
        }
        assert!(began.elapsed() < 3 * WITHIN);
        assert_eq!(ask(&store, "SELECT 7").await.unwrap(), 7);
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_his_turn_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
        for _ in 0..2 * READERS_MAX {
            let asked = tokio::time::timeout(WITHIN / 4, ask(&store, ENDLESS)).await;
            assert!(asked.is_err(), "it was under way");
        }
        assert_eq!(ask(&store, "SELECT 7").await.unwrap(), 7);
    }
}
