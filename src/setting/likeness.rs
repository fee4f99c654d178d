//! Which word was probably meant: the one place that says so, for keys, ids, variables and arguments alike.

/// Below this likeness two words have nothing to do with each other; found by trying typos on our own keys.
const LIKENESS_MIN: f64 = 0.75;

/// So many known words are listed before the list is cut.
const LISTED_MAX: usize = 16;

/// The known word that was probably meant.
pub fn closest<'k, K: AsRef<str> + ?Sized + 'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k K>,
) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    let likeness = |known: &str| {
        let known = known.replace('-', "_");
        let slip = strsim::damerau_levenshtein(&word, &known) == 1 && known.len() > 2;
        let part = known.starts_with(&word) || word.starts_with(&known);
        strsim::jaro_winkler(&word, &known) + if slip { 0.2 } else { 0.0 } + if part { 0.1 } else { 0.0 }
    };
    let ranked = known.into_iter().map(|known| (known.as_ref(), likeness(known.as_ref())));
    let likely = ranked.filter(|(_, likeness)| *likeness >= LIKENESS_MIN);
    likely.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(known, _)| known)
}

/// Says what was probably meant, or what there is, each word as `written` writes it. None if there is nothing.
pub fn suggest<K: AsRef<str>>(word: &str, known: &[K], written: impl Fn(&str) -> String) -> Option<String> {
    if let Some(meant) = closest(word, known) {
        return Some(format!("did you mean {}?", written(meant)));
    }
    let mut list: Vec<String> = known.iter().take(LISTED_MAX).map(|known| written(known.as_ref())).collect();
    if known.len() > LISTED_MAX {
        list.push("...".to_owned());
    }
    (!list.is_empty()).then(|| format!("known here: {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_leads_to_the_key_that_was_meant() {
        let known =
            ["every", "timeout", "recheck", "http", "journey", "dark_after", "up_after", "alert_on_degraded"];
        for (typo, meant) in [
            ("tmeout", "timeout"),
            ("Timeout", "timeout"),
            ("time-out", "timeout"),
            ("evry", "every"),
            ("htpp", "http"),
            ("https", "http"),
            ("jurney", "journey"),
            ("dark-after", "dark_after"),
            ("re_check", "recheck"),
            ("alert_degraded", "alert_on_degraded"),
            ("up_aftr", "up_after"),
        ] {
            assert_eq!(closest(typo, &known), Some(meant), "{typo}");
        }
        for stranger in ["interval", "x", "colour", "url"] {
            assert_eq!(closest(stranger, &known), None, "{stranger}");
        }
    }

    #[test]
    fn a_word_like_none_is_met_with_those_there_are_and_a_long_list_is_cut() {
        let written = |word: &str| format!("<{word}>");
        assert_eq!(suggest("hotlin", &["hotline", "web-chat"], written).unwrap(), "did you mean <hotline>?");
        assert_eq!(
            suggest("mail", &["hotline", "web-chat"], written).unwrap(),
            "known here: <hotline>, <web-chat>"
        );
        let many: Vec<String> = (0..20).map(|number| format!("{number}{number}")).collect();
        assert!(suggest("x", &many, written).unwrap().ends_with("<1515>, ..."));
        assert_eq!(suggest::<&str>("x", &[], written), None);
    }
}
