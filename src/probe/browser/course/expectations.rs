//! What a step expects of the page, looked at until all of it holds.

use tokio::time::Instant;

use super::{Course, End, looks::Looks, of_hitch};
use crate::probe::{
    browser::{
        step::{Element, Expectation},
        trouble::Trouble,
    },
    chromium::{look::Aim, visit::Looked},
    expect::excerpt,
};

impl Course<'_> {
    pub(super) async fn expect(&mut self, expectation: &Expectation, until: Instant) -> Result<String, End> {
        if expectation.no_errors {
            // A script that has not run has not failed.
            self.settle(until).await?;
        }
        let mut looks = Looks::until(until);
        let mut last = None;
        loop {
            match self.unmet(expectation, &mut looks).await? {
                None => return Ok(String::new()),
                // A single look that is not answered does not make a page that hangs.
                Some(Trouble::Hung) if last.is_some() && looks.is_answered() => {}
                Some(trouble) => last = Some(trouble),
            }
            if Instant::now() >= until {
                return Err(last.unwrap_or(Trouble::Hung).into());
            }
            looks.pause(&mut self.visit).await?;
        }
    }

    /// The first thing that does not hold.
    async fn unmet(&mut self, expectation: &Expectation, looks: &mut Looks) -> Result<Option<Trouble>, End> {
        if let Some(element) = &expectation.element
            && let Some(trouble) = self.unmet_element(element, looks).await?
        {
            return Ok(Some(trouble));
        }
        if let Some(pattern) = &expectation.url {
            let url = self.visit.address().await.map_err(of_hitch)?;
            if !pattern.is_match(&url) {
                return Ok(Some(Trouble::Unmet(format!(
                    "the page is at {}, not at {pattern}",
                    excerpt(&url)
                ))));
            }
        }
        let log = &self.visit.log;
        if let (true, Some(error)) = (expectation.no_errors, log.errors.first()) {
            return Ok(Some(Trouble::Unmet(format!("a script failed: {}", excerpt(error)))));
        }
        if let Some((pattern, status)) = &expectation.request {
            let is_right =
                |answered: u16| status.map_or((200..400).contains(&answered), |status| status == answered);
            let mut asked = log.answers.iter().filter(|(url, _)| pattern.is_match(url));
            if !asked.clone().any(|(_, answered)| is_right(*answered)) {
                let seen = asked.next_back().map_or_else(
                    || "was not made or not answered".to_owned(),
                    |(_, answered)| format!("was answered {answered}"),
                );
                return Ok(Some(Trouble::Unmet(format!("the request to {pattern} {seen}"))));
            }
        }
        Ok(None)
    }

    async fn unmet_element(&mut self, element: &Element, looks: &mut Looks) -> Result<Option<Trouble>, End> {
        let attribute = element.attribute.as_ref().map(|(name, _)| &**name);
        let looked = looks.look_for(&mut self.visit, &element.spot, Aim::See, attribute).await?;
        let Some(looked) = looked else { return Ok(Some(Trouble::Hung)) };
        let words = element.spot.words();
        if element.is_hidden {
            let is_seen = matches!(&looked, Looked::There(seen) if seen.is_clear());
            return Ok(is_seen.then(|| Trouble::Unmet(format!("{words} is seen, and should not be"))));
        }
        if let (Looked::There(seen), Some(count)) = (&looked, element.count) {
            let found = seen.count;
            return Ok((found != count)
                .then(|| Trouble::Unmet(format!("{words} is there {found} times, not {count}"))));
        }
        if let Some(trouble) = Trouble::of(&looked, &element.spot, &[]) {
            return Ok(Some(trouble));
        }
        let Looked::There(seen) = looked else { return Ok(None) };
        if let Some(pattern) = element.matches.as_ref().filter(|pattern| !pattern.is_match(&seen.says)) {
            let detail = format!("{words} says {:?}, which does not match {pattern}", excerpt(&seen.says));
            return Ok(Some(Trouble::Unmet(detail)));
        }
        if let Some(said) = element.not_matches.as_ref().and_then(|pattern| pattern.find(&seen.says)) {
            return Ok(Some(Trouble::Unmet(format!("{words} says {:?}", excerpt(said.as_str())))));
        }
        if let Some((name, pattern)) = &element.attribute {
            let value = seen.attribute.unwrap_or_default();
            if !pattern.is_match(&value) {
                let detail =
                    format!("{words} has {name}={:?}, which does not match {pattern}", excerpt(&value));
                return Ok(Some(Trouble::Unmet(detail)));
            }
        }
        Ok(None)
    }
}
