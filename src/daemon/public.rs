//! What everybody may see of the daemon. However many ask, it is looked at once in two seconds.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    daemon::{chronicle, face::Face},
    domain::public::PublicView,
    web::{
        self,
        public::{PublicSource, ViewFuture},
    },
};

/// So long what was seen is shown.
const FRESH: Duration = Duration::from_secs(2);

/// So long the past is shown that does not know yet of an outage.
const FRESH_IN_OUTAGE: Duration = Duration::from_secs(5);

/// So long is waited for the past where none is known; the present is shown without it then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The face that everybody may see.
pub(crate) struct PublicFace(Arc<Inner>);

struct Inner {
    face: Face,
    seen: Mutex<Option<(Instant, Option<Arc<PublicView>>)>>,
}

impl PublicFace {
    /// The public side of a face.
    pub(crate) fn new(face: Face) -> Self {
        Self(Arc::new(Inner { face, seen: Mutex::default() }))
    }
}

impl PublicSource for PublicFace {
    fn view(&self) -> ViewFuture {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            // Whoever comes while it is looked at waits for it.
            let mut seen = inner.seen.lock().await;
            if let Some((at, view)) = &*seen
                && at.elapsed() < FRESH
            {
                return view.clone();
            }
            let view = look(&inner.face).await.map(Arc::new);
            *seen = Some((Instant::now(), view.clone()));
            view
        })
    }
}

async fn look(face: &Face) -> Option<PublicView> {
    let plan = Arc::clone(&face.plans.borrow());
    let page = plan.public_page()?;
    let snapshot = web::drawn_by(face).await;
    let view = async |fresh| {
        let chronicles = timeout(PATIENCE, face.past(fresh)).await.unwrap_or_default();
        page.view(&snapshot, &chronicles, &plan.time_zone, face.clock.now())
    };
    let view_now = view(chronicle::FRESH).await;
    // An outage is listed as soon as the past knows of it.
    Some(if view_now.is_ahead_of_its_past() { view(FRESH_IN_OUTAGE).await } else { view_now })
}
