//! All windows together: which are under way, when that changes next, and what becomes of one by a command.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::maintenance::{
    Announced, LASTS_MAX, Occurrence, Planned, Scope, Standing, Stint, TEXT_CHARS_MAX, WindowId,
};

/// So many windows that were begun by command can be under way at once.
const STINTS_MAX: usize = 1_000;

/// Every window there is.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    planned: Arc<[Planned]>,
    stints: BTreeMap<WindowId, Stint>,
}

/// A window that is to begin now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// Which planned one; a new one without.
    pub id: Option<WindowId>,
    /// How long from now; as long as planned without.
    pub lasts: Option<Duration>,
    /// For which channels; of a planned one its own.
    pub scope: Scope,
    /// What is announced; of a planned one its own, if nothing is said.
    pub text: String,
}

/// Why a command is not carried out, in a sentence for whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// It does not fit what is under way.
    #[error("{0}")]
    Untimely(String),
    /// It could not be kept.
    #[error("{0}")]
    NotKept(String),
}

impl Calendar {
    /// What was kept over a restart.
    #[must_use]
    pub fn new(stints: Vec<Stint>) -> Self {
        let stints = stints.into_iter().map(|stint| (stint.id.clone(), stint)).collect();
        Self { planned: Arc::default(), stints }
    }

    /// Goes by other planned windows from now on.
    pub fn plan(&mut self, planned: Arc<[Planned]>) {
        self.planned = planned;
    }

    /// Takes what has been kept for its own.
    pub fn adopt(&mut self, stint: Stint) {
        self.stints.insert(stint.id.clone(), stint);
    }

    /// Lets go of what is over and stands for nothing to come.
    pub fn forget(&mut self, at: Timestamp) {
        self.stints.retain(|_, stint| stint.until > at || stint.covers.is_some());
    }

    /// The windows under way, then those that come, each by its beginning.
    #[must_use]
    pub fn announced(&self, at: Timestamp) -> Vec<Announced> {
        let begun = self.stints.values().filter(|stint| stint.from <= at && at < stint.until);
        let begun = begun.map(|stint| stint.clone().shown(at));
        let planned = self.planned.iter().flat_map(|planned| {
            let covered = self.covered(&planned.id);
            let current = planned.current(at, covered).map(|occurrence| (Standing::Active, occurrence));
            let next = planned.next(at, covered).map(|occurrence| (Standing::Planned, occurrence));
            current.into_iter().chain(next).map(|(standing, Occurrence { from, until })| Announced {
                id: planned.id.clone(),
                standing,
                from,
                until,
                scope: planned.scope.clone(),
                text: planned.text.clone(),
            })
        });
        let mut announced: Vec<Announced> = begun.chain(planned).collect();
        announced.sort_by(|a, b| (a.standing, a.from, &a.id).cmp(&(b.standing, b.from, &b.id)));
        announced
    }

    fn covered(&self, id: &WindowId) -> Option<Timestamp> {
        self.stints.get(id).and_then(|stint| stint.covers)
    }

    /// What a window becomes that begins now.
    ///
    /// # Errors
    /// When it is under way already, or makes no sense.
    pub fn begin(&self, begin: Begin, at: Timestamp) -> Result<Stint, Refusal> {
        let text = begin.text.trim().to_owned();
        if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            let why = format!("the text must be one line of at most {TEXT_CHARS_MAX} characters");
            return Err(Refusal::Senseless(why));
        }
        let Some(id) = begin.id else {
            let Some(lasts) = begin.lasts else {
                return Err(Refusal::Senseless("say for how long, such as for 1h".to_owned()));
            };
            let under_way = self.stints.values().filter(|stint| at < stint.until).count();
            if under_way >= STINTS_MAX {
                let why = format!("{STINTS_MAX} windows are under way, the most there can be; end some");
                return Err(Refusal::Untimely(why));
            }
            let Occurrence { from, until } = Occurrence::lasting(at, sensible(lasts)?);
            let id = self.new_id(at, &begin.scope, &text);
            return Ok(Stint { id, from, until, scope: begin.scope, text, covers: None });
        };
        let planned = self.planned(&id)?;
        if self.active(&id, at).is_some() {
            return Err(Refusal::Untimely(format!("{id} is under way already; extend it or end it")));
        }
        if begin.scope != Scope::default() {
            let why = format!("{id} says itself for which channels it is; leave them out");
            return Err(Refusal::Senseless(why));
        }
        let next = planned.next(at, self.covered(&id));
        let length = |occurrence: Occurrence| occurrence.until.duration_since(occurrence.from).unsigned_abs();
        let lasts = match (begin.lasts, next) {
            (Some(lasts), _) => sensible(lasts)?,
            (None, Some(next)) => length(next),
            (None, None) => return Err(Refusal::Senseless(format!("{id} is over; say for how long"))),
        };
        let Occurrence { from, until } = Occurrence::lasting(at, lasts);
        let text = if text.is_empty() { planned.text.clone() } else { text };
        let covers = next.map_or(at, |next| next.from);
        Ok(Stint { id, from, until, scope: planned.scope.clone(), text, covers: Some(covers) })
    }

    /// What the window under way becomes that lasts longer.
    ///
    /// # Errors
    /// When it is not under way, or would last too long.
    pub fn extend(&self, id: &WindowId, by: Duration, at: Timestamp) -> Result<Stint, Refusal> {
        let stint = self.under_way(id, at)?;
        let lasts = stint.until.duration_since(stint.from).unsigned_abs().saturating_add(by);
        let Occurrence { until, .. } = Occurrence::lasting(stint.from, sensible(lasts)?);
        Ok(Stint { until, ..stint })
    }

    /// What the window under way becomes that ends now.
    ///
    /// # Errors
    /// When it is not under way.
    pub fn end(&self, id: &WindowId, at: Timestamp) -> Result<Stint, Refusal> {
        Ok(Stint { until: at, ..self.under_way(id, at)? })
    }

    fn planned(&self, id: &WindowId) -> Result<&Planned, Refusal> {
        let planned = self.planned.iter().find(|planned| planned.id == *id);
        planned.ok_or_else(|| Refusal::Unknown(format!("there is no window {id} in the configuration")))
    }

    fn active(&self, id: &WindowId, at: Timestamp) -> Option<Stint> {
        let stint = self.stints.get(id).filter(|stint| stint.from <= at && at < stint.until);
        stint.cloned().or_else(|| {
            let planned = self.planned.iter().find(|planned| planned.id == *id)?;
            let Occurrence { from, until } = planned.current(at, self.covered(id))?;
            let (scope, text) = (planned.scope.clone(), planned.text.clone());
            Some(Stint { id: id.clone(), from, until, scope, text, covers: Some(from) })
        })
    }

    fn under_way(&self, id: &WindowId, at: Timestamp) -> Result<Stint, Refusal> {
        let is_known = self.stints.contains_key(id) || self.planned.iter().any(|planned| planned.id == *id);
        self.active(id, at).ok_or_else(|| match is_known {
            true => Refusal::Untimely(format!("{id} is not under way")),
            false => Refusal::Unknown(format!("there is no window {id}")),
        })
    }

    /// `20261126-030000-3f9c`: the second at which it begins, and what keeps apart those that begin within one.
    fn new_id(&self, at: Timestamp, scope: &Scope, text: &str) -> WindowId {
        let second = at.strftime("%Y%m%d-%H%M%S").to_string();
        let exact = format!("{} {scope:?} {text}", at.as_nanosecond());
        let digest = Sha256::digest(exact);
        let ids =
            digest.windows(2).map(|two| WindowId::new(&format!("{second}-{:02x}{:02x}", two[0], two[1])));
        let mut free = ids.filter(|id| !self.stints.contains_key(id));
        free.next().unwrap_or_else(|| WindowId::new(&second))
    }
}

/// A window lasts some time, and comes to an end.
fn sensible(lasts: Duration) -> Result<Duration, Refusal> {
    if lasts.is_zero() || lasts > LASTS_MAX {
        return Err(Refusal::Senseless("a window lasts more than nothing and at most 31 days".to_owned()));
    }
    Ok(lasts)
}
