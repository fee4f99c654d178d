//! What a page may do to us. Each run ends in time, whatever the page does, and what it has made is gone when its run is.
//! This prints the table:
//!
//! ```sh
//! cargo nextest run --no-capture -E 'test(hostile_pages)' | grep '^hostile/'
//! ```

use std::{collections::BTreeSet, time::Duration};

use lamplighter::domain::outcome::Verdict;
use tokio::time::Instant;

use super::{
    PATIENT, expected, look,
    processes::Seen,
    site::{Page, Site},
    words,
};
use crate::{loopback::browser, running::until};

/// The deadline of a run.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How far beyond it a run may go on a machine that the page keeps busy.
const OVERSHOOT_MAX: Duration = Duration::from_secs(2);
/// Renderers that may be there without a run: Chromium keeps a spare one for the next page.
const SPARE_RENDERERS: usize = 2;

#[tokio::test]
async fn hostile_pages_end_in_time_and_leave_nothing_behind() {
    let (site, chromium) = (Site::open().await, browser());
    let plain = Page::named("healthy/plain").settings(&site);
    let pages = Page::all("hostile");
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for page in pages {
        let began = Instant::now();
        let ended = look(&page.settings(&site), TIMEOUT, &chromium).await;
        let took = began.elapsed();
        let (got, detail) = words(&ended.outcome.verdict);
        let running = Seen::all();
        let before: usize = running.iter().map(|browser| browser.processes().len()).sum();
        seen.extend(running);
        let after = look(&plain, PATIENT, &chromium).await;
        seen.extend(Seen::all());
        let is_at_rest = async || {
            let browsers = Seen::all();
            browsers.len() <= 1 && browsers.iter().all(|browser| browser.renderers().len() <= SPARE_RENDERERS)
        };
        until("renderers are gone", is_at_rest).await;
        let left: usize = Seen::all().iter().map(|browser| browser.processes().len()).sum();
        let seconds = took.as_secs_f64();
        let detail: String = detail.chars().take(100).collect();
        println!(
            "{:<28} {seconds:>4.1} s  processes {before:>3} then {left:>2}  {got:<32} {detail}",
            page.name
        );
        if took > TIMEOUT + OVERSHOOT_MAX {
            wrong.push(format!("{} took {took:?}", page.name));
        }
        if after.outcome.verdict != Verdict::Ok {
            wrong.push(format!("after {}: {:?}", page.name, after.outcome.verdict));
        }
        let is_told = page.reason.is_none() || got == expected(&page);
        let is_ours = got.contains("internal") || (page.name.ends_with("replaced-functions") && got != "ok");
        if !is_told || is_ours {
            wrong.push(format!("{}: {got}: {detail}", page.name));
        }
    }
    drop(chromium);
    let remains: Vec<String> = seen.iter().flat_map(Seen::remains).collect();
    assert!(remains.is_empty(), "{remains:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
