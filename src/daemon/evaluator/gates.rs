//! Whether each channel is open: its hours and the windows of maintenance, looked up when one of them turns and not
//! before. Where the time of day jumps back, everything is looked up anew.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan};

use crate::{
    config::plan::{Channel, Plan},
    daemon::evaluator::roster::{Post, Roster},
    domain::{
        evaluation::{Moment, Opening},
        hours::Hours,
        maintenance::{Announced, Calendar, Stint},
    },
};

/// A turn is noticed within this time; a moment that is further back is no measure of when it was, since the time of day
/// has jumped.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// All windows, and when something turns next.
pub(crate) struct Gates {
    calendar: Calendar,
    /// The windows as they stand.
    announced: Arc<[Arc<Announced>]>,
    /// Everything holds from this moment on
    looked_at: Timestamp,
    /// until this one.
    turns_at: Timestamp,
    /// When the hours of a channel turn next.
    hours_turn_at: Timestamp,
    /// When a window turns next.
    windows_turn_at: Timestamp,
}

/// What is known of one channel's gate.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Its hours; none before the first look.
    hours: Option<Known>,
    /// The window that it is under, if it is under one.
    pub(crate) maintenance: Option<Arc<Announced>>,
}

/// What the hours of a channel say.
#[derive(Clone, Copy, Debug)]
struct Known {
    is_open: bool,
    /// When that turns, if it does within the next weeks.
    turns_at: Option<Timestamp>,
    /// It is looked up again at this moment at the latest.
    again_at: Timestamp,
}

impl Known {
    fn look_up(hours: &Hours, at: Timestamp) -> Self {
        let turns_at = hours.next_change(at);
        let tomorrow = at.saturating_add(24.hours()).unwrap_or(Timestamp::MAX);
        let again_at = turns_at.map_or(tomorrow, |turns_at| turns_at.min(tomorrow));
        Self { is_open: hours.is_open(at), turns_at, again_at }
    }

    fn always_open() -> Self {
        Self { is_open: true, turns_at: None, again_at: Timestamp::MAX }
    }
}

impl Gate {
    /// When it opens, if it is outside its hours and that is known.
    pub(crate) fn opens_at(&self) -> Option<Timestamp> {
        self.hours.filter(|hours| !hours.is_open).and_then(|hours| hours.turns_at)
    }

    /// Whether it is outside its hours.
    pub(crate) fn is_out_of_hours(&self) -> bool {
        self.hours.is_some_and(|hours| !hours.is_open)
    }

    /// The hours of the channel are others from now on.
    pub(crate) fn forget_hours(&mut self) {
        self.hours = None;
    }
}

impl Gates {
    /// What was kept over a restart.
    pub(crate) fn new(stints: Vec<Stint>) -> Self {
        Self {
            calendar: Calendar::new(stints),
            announced: Arc::default(),
            looked_at: Timestamp::MIN,
            turns_at: Timestamp::MIN,
            hours_turn_at: Timestamp::MIN,
            windows_turn_at: Timestamp::MIN,
        }
    }

    /// The windows that commands are about.
    pub(crate) fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The windows under way and those to come, as of the last look.
    pub(crate) fn announced(&self) -> &Arc<[Arc<Announced>]> {
        &self.announced
    }

    /// Goes by another plan; look anew afterwards.
    pub(crate) fn adopt_plan(&mut self, plan: &Plan) {
        self.calendar.plan(Arc::clone(&plan.maintenance));
        self.turns_at = Timestamp::MIN;
        self.windows_turn_at = Timestamp::MIN;
        self.hours_turn_at = Timestamp::MIN;
    }

    /// Takes over what a command has made of a window; look anew afterwards.
    pub(crate) fn adopt_stint(&mut self, stint: Stint) {
        self.calendar.adopt(stint);
        self.windows_turn_at = Timestamp::MIN;
        self.turns_at = Timestamp::MIN;
    }

    /// Tells every channel whether it is open, if that may have changed; whether it may.
    pub(crate) fn look(&mut self, roster: &mut Roster, now: Moment) -> bool {
        let at = now.wall;
        let jumped_back = at < self.looked_at;
        self.looked_at = at;
        if at < self.turns_at && !jumped_back {
            return false;
        }
        let windows_turned_at = self.windows_turn_at;
        let windows = at >= windows_turned_at || jumped_back;
        if windows {
            self.calendar.forget(at);
            self.announced = self.calendar.announced(at).into_iter().map(Arc::new).collect();
            let edges = self.announced.iter().map(|it| if it.is_active() { it.until } else { it.from });
            self.windows_turn_at = edges.min().unwrap_or(Timestamp::MAX);
        }
        let active: Vec<&Arc<Announced>> =
            self.announced.iter().filter(|window| window.is_active()).collect();
        self.hours_turn_at = Timestamp::MAX;
        for post in roster.posts_mut() {
            let maintenance = match windows {
                true => window_of(post, &active),
                false => post.gate.maintenance.clone(),
            };
            let before = post.gate.hours;
            let hours = match (&post.plan.hours, before) {
                (_, Some(known)) if at < known.again_at && !jumped_back => known,
                (Some(hours), _) => Known::look_up(hours, at),
                (None, _) => Known::always_open(),
            };
            let opening = match (hours.is_open, &maintenance) {
                (false, _) => Opening::OutOfHours,
                (true, Some(_)) => Opening::Maintenance,
                (true, None) => Opening::Open,
            };
            let turned_at = match before {
                None => at,
                Some(before) if before.is_open != hours.is_open => before.turns_at.unwrap_or(at),
                Some(_) => windows_turned_at,
            };
            post.state.attend(opening, noticed(turned_at, now));
            post.changed |= post.gate.maintenance != maintenance
                || before.is_none_or(|before| before.turns_at != hours.turns_at);
            post.gate = Gate { hours: Some(hours), maintenance };
            self.hours_turn_at = self.hours_turn_at.min(hours.again_at);
        }
        self.turns_at = self.hours_turn_at.min(self.windows_turn_at);
        true
    }
}

/// The window that lasts longest, of those that a channel is under.
fn window_of(post: &Post, active: &[&Arc<Announced>]) -> Option<Arc<Announced>> {
    let Channel { team, labels, .. } = &*post.plan;
    let over_it = active.iter().filter(|window| window.scope.holds(&post.id, team.as_ref(), labels));
    over_it.max_by_key(|window| window.until).map(|window| Arc::clone(window))
}

/// The moment of a turn that has been noticed now.
fn noticed(turned_at: Timestamp, now: Moment) -> Moment {
    let late = now.wall.duration_since(turned_at);
    match Duration::try_from(late) {
        Ok(late) if late <= NOTICED_WITHIN => {
            Moment { wall: turned_at, monotonic: now.monotonic.saturating_sub(late) }
        }
        _ => now,
    }
}
