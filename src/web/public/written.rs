//! What was written of a view, for as long as that is shown: however many ask, each of it is written once, so that a crowd
//! of customers takes no time from whoever judges the channels and tells of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use crate::domain::public::PublicView;

/// The latest view, and what was written of it.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Option<Shelf>>);

#[derive(Debug)]
struct Shelf {
    view: Arc<PublicView>,
    texts: HashMap<&'static str, Bytes>,
}

impl Written {
    /// One text of a view, by its name.
    pub(super) fn of(
        &self,
        view: &Arc<PublicView>,
        name: &'static str,
        write: impl FnOnce() -> String,
    ) -> Bytes {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.as_ref().is_some_and(|shelf| !Arc::ptr_eq(&shelf.view, view)) {
            *shelf = None;
        }
        let shelf = shelf.get_or_insert_with(|| Shelf { view: Arc::clone(view), texts: HashMap::new() });
        shelf.texts.entry(name).or_insert_with(|| Bytes::from(write())).clone()
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::*;
    use crate::domain::outcome::Detail;

    #[test]
    fn each_text_of_a_view_is_written_once_and_of_another_view_anew() {
        let view = || {
            Arc::new(PublicView {
                title: Detail::new("Support"),
                url: None,
                at: Timestamp::UNIX_EPOCH,
                time_zone: TimeZone::UTC,
                doors: Vec::new(),
                maintenance: Vec::new(),
            })
        };
        let (written, one, other) = (Written::default(), view(), view());
        let mut count = 0;
        let mut ask = |view, name| {
            let text = written.of(view, name, || {
                count += 1;
                format!("{name} {count}")
            });
            String::from_utf8(text.to_vec()).unwrap()
        };
        for (view, name, expected) in [
            (&one, "page", "page 1"),
            (&one, "feed", "feed 2"),
            (&one, "page", "page 1"),
            (&other, "page", "page 3"),
            (&other, "page", "page 3"),
            (&one, "feed", "feed 4"),
        ] {
            assert_eq!(ask(view, name), expected);
        }
    }
}
