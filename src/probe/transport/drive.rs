//! Drives a connection and the talk over it in one task, so that dropping the run drops everything: no connection is
//! ever left to a task of its own. Also the one place that notices a transfer which crawls.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

use super::meter::Meter;

/// A transfer may be as slow as it likes for so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// After that, it must have made so many bytes a second from its beginning.
const BYTES_PER_SECOND_MIN: u32 = 100;

/// The transfer was slower than [`BYTES_PER_SECOND_MIN`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crawls {
    /// Bytes read.
    pub(super) bytes: u64,
    /// In this time.
    pub(super) elapsed: Duration,
}

/// Runs the connection until the talk over it is over.
pub(super) async fn drive<T>(
    connection: impl Future,
    talk: impl Future<Output = T>,
    meter: &Meter,
) -> Result<T, Crawls> {
    let mut connection = pin!(connection);
    let mut talk = pin!(talk);
    let mut open = true;
    let mut pace = Pace { meter, timer: None };
    poll_fn(|cx| {
        // The connection goes first for what has come in and once more for what the talk wants sent: one turn of the
        // task is enough for either.
        open = open && connection.as_mut().poll(cx).is_pending();
        if let Poll::Ready(end) = talk.as_mut().poll(cx) {
            return Poll::Ready(Ok(end));
        }
        open = open && connection.as_mut().poll(cx).is_pending();
        pace.poll(cx).map(Err)
    })
    .await
}

/// Watches the speed of a transfer. The timer exists only once an answer has begun and has not come in one piece.
struct Pace<'a> {
    meter: &'a Meter,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Crawls> {
        while let Some((began, bytes)) = self.meter.progress() {
            let until = began + allowance(bytes);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until && timer.is_elapsed() {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
            if Instant::now() >= until {
                return Poll::Ready(Crawls { bytes, elapsed: began.elapsed() });
            }
        }
        Poll::Pending
    }
}

/// How long a transfer of so many bytes may take.
fn allowance(bytes: u64) -> Duration {
    PATIENCE.max(Duration::from_secs(bytes) / BYTES_PER_SECOND_MIN)
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executor that HTTP/2 asks for: its tasks wait here until [`Tasks::run_with`] polls them, in the task of the run.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.lock().push(Box::pin(task));
    }
}

impl Tasks {
    /// Polls the connection and every task it has handed over.
    pub(super) async fn run_with(self, connection: impl Future) {
        let mut connection = pin!(connection);
        let mut running = FuturesUnordered::new();
        let mut open = true;
        poll_fn(|cx| {
            loop {
                open = open && connection.as_mut().poll(cx).is_pending();
                while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {}
                let handed_over = std::mem::take(&mut *self.lock());
                if handed_over.is_empty() {
                    break;
                }
                running.extend(handed_over);
            }
            if !open && running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
