//! Looking at one thing again and again, until it is as it should be or the step's time is up.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{ANSWER_WITHIN, Course, End, of_hitch};
use crate::{
    domain::outcome::Reason,
    probe::{
        browser::{step::Spot, trouble::Trouble},
        chromium::{
            events::Log,
            look::{Aim, Seen, Target},
            visit::{Hitch, Looked, Visit},
        },
        transport::fault::Broken,
    },
};

/// From one look to the next: the shortest time, and the longest, to which it grows.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(40);
const LOOK_EVERY_MAX: Duration = Duration::from_millis(200);

/// A page that has not answered for so long hangs. On a busy machine a look takes hundreds of milliseconds.
const HANGS_AFTER: Duration = Duration::from_secs(2);

/// A customer sees a page for so long before using it, if it goes on loading all the time.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// How far, in pixels, an element may have moved between two looks and still be where it was.
const STILL: f64 = 1.0;

/// Whether a run goes on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
}

/// A row of looks at one thing.
pub(super) struct Looks {
    until: Instant,
    every: Duration,
    count: u32,
    last: Option<Trouble>,
    /// When the page has last answered.
    answered_at: Option<Instant>,
}

impl Looks {
    pub(super) fn until(until: Instant) -> Self {
        Self { until, every: LOOK_EVERY, count: 0, last: None, answered_at: None }
    }

    pub(super) async fn look(
        &mut self,
        visit: &mut Visit,
        spot: &Spot,
        aim: Aim,
    ) -> Result<Option<Looked>, End> {
        self.look_for(visit, spot, aim, None).await
    }

    /// Looks once; none if the page changed under it, or did not answer in time.
    pub(super) async fn look_for(
        &mut self,
        visit: &mut Visit,
        spot: &Spot,
        aim: Aim,
        attribute: Option<&str>,
    ) -> Result<Option<Looked>, End> {
        self.count += 1;
        let looking = visit.look(&spot.frames, &spot.target, aim, attribute);
        let asked_until = self.until.max(Instant::now() + ANSWER_WITHIN);
        let Ok(ended) = timeout_at(asked_until, looking).await else { return Ok(None) };
        self.answered_at = Some(Instant::now());
        match ended {
            Ok(looked) => Ok(Some(looked)),
            Err(Hitch::Refused(why)) if why.contains("is not a valid selector") => Err(End::Broken(
                Broken::local(format_args!("the browser does not know this selector: {why}")),
            )),
            Err(Hitch::Refused(why)) => {
                self.last = Some(Trouble::Unseen(why));
                Ok(None)
            }
            Err(hitch) => Err(of_hitch(hitch)),
        }
    }

    /// Whether the page has answered lately: if not, what was seen before says nothing.
    pub(super) fn is_answered(&self) -> bool {
        self.answered_at.is_some_and(|at| at.elapsed() < HANGS_AFTER)
    }

    /// What stood in the way at the last look that was answered lately.
    fn trouble(&mut self) -> Option<Trouble> {
        if self.is_answered() { self.last.take() } else { None }
    }

    /// Lets the page go on for a while.
    pub(super) async fn pause(&mut self, visit: &mut Visit) -> Result<(), End> {
        visit.linger(self.until.min(Instant::now() + self.every)).await.map_err(of_hitch)?;
        self.every = (self.every * 5 / 4).min(LOOK_EVERY_MAX);
        Ok(())
    }
}

impl Course<'_> {
    /// What can be used: clear of obstacles, at rest, on a page that has settled. None if it is not there and need not
    /// be.
    pub(super) async fn clear(
        &mut self,
        spot: &Spot,
        aim: Aim,
        need: Need,
        until: Instant,
    ) -> Result<Option<Seen>, End> {
        let settled_at = until.min(Instant::now() + SETTLE_MAX);
        let mut before: Option<(f64, f64)> = None;
        let mut looks = Looks::until(until);
        loop {
            let looked = looks.look(&mut self.visit, spot, aim).await?;
            let trouble = looked.as_ref().and_then(|looked| Trouble::of(looked, spot, &self.probe.closed));
            let is_settled = |seen: &Seen, log: &Log| {
                (seen.is_complete && !log.is_loading()) || Instant::now() >= settled_at
            };
            match (looked, trouble) {
                (Some(Looked::There(seen)), None) => {
                    let point = (seen.x, seen.y);
                    let is_still = before
                        .is_some_and(|(x, y)| (x - point.0).abs() < STILL && (y - point.1).abs() < STILL);
                    before = Some(point);
                    // What goes on moving is clicked where it is, as people do.
                    let is_at_rest = is_still || Instant::now() >= settled_at;
                    if is_at_rest && is_settled(&seen, &self.visit.log) {
                        return Ok(Some(seen));
                    }
                    looks.last = None;
                }
                (Some(Looked::There(seen) | Looked::NoFrame { seen, .. }), Some(trouble)) => {
                    let is_absent = matches!(&trouble, Trouble::Missing(_))
                        || matches!(&trouble, Trouble::InTheWay(obstacle) if obstacle.reason == Reason::Obscured);
                    if need == Need::May && is_absent && looks.count > 2 && is_settled(&seen, &self.visit.log)
                    {
                        return Ok(None);
                    }
                    before = None;
                    looks.last = Some(trouble);
                    if need == Need::Must && is_absent {
                        self.make_up_for(until).await?;
                    }
                }
                _ => before = None,
            }
            if Instant::now() >= until {
                return match looks.trouble() {
                    _ if need == Need::May => Ok(None),
                    Some(trouble) => Err(trouble.into()),
                    None => Err(self.hung().await),
                };
            }
            looks.pause(&mut self.visit).await?;
        }
    }

    /// Clicks what was not there when its turn came, and need not have been, and is there now: a banner that comes
    /// late.
    async fn make_up_for(&mut self, until: Instant) -> Result<(), End> {
        for at in 0..self.skipped.len() {
            let spot = self.skipped[at];
            let looked = Looks::until(until).look(&mut self.visit, spot, Aim::Click).await?;
            if let Some(Looked::There(seen)) = looked
                && seen.is_clear()
            {
                self.skipped.remove(at);
                return self.click(spot, &seen, until).await;
            }
        }
        Ok(())
    }

    /// Waits until the page has loaded what it shows, or has had its time for that.
    pub(super) async fn settle(&mut self, until: Instant) -> Result<(), End> {
        let page = Spot { frames: Vec::new(), target: Target { css: Some("html".into()), text: None } };
        let mut looks = Looks::until(until.min(Instant::now() + SETTLE_MAX));
        while Instant::now() < looks.until {
            let looked = looks.look(&mut self.visit, &page, Aim::See).await?;
            if let Some(Looked::There(seen)) = looked
                && seen.is_complete
                && !self.visit.log.is_loading()
            {
                break;
            }
            looks.pause(&mut self.visit).await?;
        }
        Ok(())
    }

    /// Looks until it is as it should be.
    pub(super) async fn look_until(&mut self, spot: &Spot, aim: Aim, until: Instant) -> Result<Seen, End> {
        let mut looks = Looks::until(until);
        loop {
            let looked = looks.look(&mut self.visit, spot, aim).await?;
            let trouble = looked.as_ref().and_then(|looked| Trouble::of(looked, spot, &self.probe.closed));
            match (looked, trouble) {
                (Some(Looked::There(seen)), None) => return Ok(seen),
                // What says that it is closed may say so only until it has connected.
                (_, Some(trouble)) => looks.last = Some(trouble),
                _ => {}
            }
            if Instant::now() >= until {
                return match looks.trouble() {
                    Some(trouble) => Err(trouble.into()),
                    None => Err(self.hung().await),
                };
            }
            looks.pause(&mut self.visit).await?;
        }
    }
}
