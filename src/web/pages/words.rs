//! What the pages say, in every language. A text is an array with one entry per language, so that a translation that is
//! missing does not compile; the words of a closed set are matched one by one.

mod public;
mod reasons;
mod sets;
mod texts;
mod times;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Language {
    En,
    Zh,
    Ru,
    Id,
}

/// One text in each language, in the order of [`Language::ALL`].
type Text = [&'static str; 4];

impl Language {
    pub(super) const ALL: [Self; 4] = [Self::En, Self::Zh, Self::Ru, Self::Id];

    /// How it is asked for in an address.
    pub(super) fn word(self) -> &'static str {
        self.of(["en", "zh", "ru", "id"])
    }

    /// Its tag, for the browser and whoever reads aloud.
    pub(in crate::web) fn tag(self) -> &'static str {
        self.of(["en-GB", "zh-Hans", "ru", "id"])
    }

    /// Its name for those who speak it.
    pub(super) fn name(self) -> &'static str {
        self.of(["English", "中文", "Русский", "Bahasa Indonesia"])
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }

    /// The one that is wanted most of those that there are; English where none is.
    pub(super) fn wanted(accept: &str) -> Self {
        let wishes = accept.split(',').filter_map(|wish| {
            let mut parts = wish.split(';').map(str::trim);
            let primary = parts.next()?.split('-').next()?.to_ascii_lowercase();
            // The tag of Indonesian before 1989, which some browsers still send.
            let language = Self::from_word(if primary == "in" { "id" } else { &primary })?;
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
            (weight > 0.0).then_some((language, weight))
        });
        // Of two that are wanted alike, the first.
        wishes.fold((Self::En, 0.0_f64), |best, wish| if wish.1 > best.1 { wish } else { best }).0
    }

    fn of(self, text: Text) -> &'static str {
        text[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_language_that_is_wanted_most_of_those_there_are() {
        for (accept, language) in [
            ("", Language::En),
            ("*", Language::En),
            ("fr-FR,fr;q=0.9", Language::En),
            ("zh-TW,zh;q=0.9,en-US;q=0.8", Language::Zh),
            ("de, ru;q=0.5, id;q=0.7", Language::Id),
            ("in-ID", Language::Id),
            ("RU-ru", Language::Ru),
            ("ru;q=0, id;q=0.1", Language::Id),
            ("ru;q=x, zh", Language::Zh),
            ("ru;q=NaN, ru;q=-1, ;;,,=", Language::En),
        ] {
            assert_eq!(Language::wanted(accept), language, "{accept}");
        }
    }
}
