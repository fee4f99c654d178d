//! Says to open pages that the picture has changed; they fetch themselves anew then. A change of a state is said at once,
//! anything else, such as the end of a run, once in a while: a page costs more to draw than to look at. A page that finds
//! no place here reloads itself by the clock.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{Stream, StreamExt, unfold};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use crate::{
    domain::snapshot::Snapshot,
    web::{Context, EndFuture},
};

/// So many pages are told at once; each holds one of the connections that there are.
pub(in crate::web) const PLACES: usize = 16;
/// Between two changes that are said there is at least so much time.
const APART: Duration = Duration::from_secs(1);
/// What is no change of a state is said no more often than this.
const CALMLY: Duration = Duration::from_secs(10);
/// So often something is sent where nothing changes, so that whoever is gone is noticed.
const KEPT_ALIVE: Duration = Duration::from_secs(15);
/// A page that has lost its stream comes back after this.
const AGAIN: Duration = Duration::from_secs(2);

/// The stream of one page.
pub(super) async fn serve(State(context): State<Context>) -> Response {
    let Ok(place) = Arc::clone(&context.watchers).try_acquire_owned() else {
        let sentence = "so many pages are told of changes already; this one reloads itself\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], sentence).into_response();
    };
    let told = changes(context.source.snapshots(), context.source.ending(), place);
    let hello = futures_util::stream::iter([Event::default().retry(AGAIN).comment("at work")]);
    let events = hello.chain(told.map(|()| Event::default().event("changed").data("picture")));
    let kept_alive = KeepAlive::new().interval(KEPT_ALIVE);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(kept_alive).into_response()
}

struct Watching {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    ending: EndFuture,
    /// The states as they were said last.
    states: u64,
    said_at: Option<Instant>,
    /// Given back with the stream.
    _place: OwnedSemaphorePermit,
}

/// An item for each change that is said; ends when the daemon does.
fn changes(
    snapshots: watch::Receiver<Arc<Snapshot>>,
    ending: EndFuture,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = ()> {
    let states = states(&snapshots.borrow());
    let watching = Watching { snapshots, ending, states, said_at: None, _place: place };
    unfold(watching, |mut watching| async move { watching.next().await.then_some(((), watching)) })
}

impl Watching {
    /// Waits until something is to be said; false when it is over.
    async fn next(&mut self) -> bool {
        let mut has_changed = false;
        loop {
            let now = states(&self.snapshots.borrow_and_update());
            let pause = if now == self.states { CALMLY } else { APART };
            has_changed |= now != self.states;
            let due = self.said_at.map_or_else(Instant::now, |said_at| said_at + pause);
            tokio::select! {
                biased;
                () = &mut self.ending => return false,
                () = sleep_until(due), if has_changed => {
                    self.states = now;
                    self.said_at = Some(Instant::now());
                    return true;
                }
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => has_changed = true,
                    Err(_) => return false,
                },
            }
        }
    }
}

/// What must be seen at once: the same number as long as every channel is in the same state.
fn states(snapshot: &Snapshot) -> u64 {
    let mut hasher = DefaultHasher::new();
    for view in &snapshot.channels {
        (view.id.as_str(), view.state, view.since, &view.incident).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use tokio::{sync::Semaphore, time::sleep};

    use super::*;
    use crate::domain::{
        alternatives::Standing,
        channel::{ChannelId, ChannelKind},
        evaluation::State as Judged,
        snapshot::ChannelView,
    };

    fn picture(state: Judged) -> Arc<Snapshot> {
        let view = ChannelView {
            id: ChannelId::new("chat"),
            title: "Chat".to_owned(),
            kind: ChannelKind::Chat,
            state,
            since: "2026-01-31T02:59:59Z".parse().unwrap(),
            incident: None,
            opens_at: None,
            maintenance: None,
            standing: Standing::default(),
            failure: None,
            probes: Vec::new(),
        };
        Arc::new(Snapshot { channels: vec![Arc::new(view)], ..Snapshot::default() })
    }

    /// After how many seconds each change is said, of pictures that come after so many seconds.
    async fn said(pictures: &[(u64, Judged)], over_after: u64) -> Vec<u64> {
        let sender = watch::Sender::new(picture(Judged::Up));
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let over = Box::pin(sleep(Duration::from_secs(over_after)));
        let stream = changes(sender.subscribe(), over, place);
        let began = Instant::now();
        let drawing = async {
            for (after, state) in pictures {
                sleep_until(began + Duration::from_secs(*after)).await;
                sender.send_replace(picture(*state));
            }
        };
        let listening = stream.map(|()| began.elapsed().as_secs()).collect::<Vec<_>>();
        tokio::join!(drawing, listening).1
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_a_state_is_said_at_once_and_anything_else_in_a_while() {
        let pictures = [
            (5, Judged::Up),
            (6, Judged::Up),
            (7, Judged::Dark),
            (8, Judged::Dark),
            (30, Judged::Dark),
            (31, Judged::Up),
        ];
        assert_eq!(said(&pictures, 60).await, [5, 7, 17, 30, 31]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_daemon_does() {
        assert_eq!(said(&[(5, Judged::Dark)], 4).await, Vec::<u64>::new());
    }
}
