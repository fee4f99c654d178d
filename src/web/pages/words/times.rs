//! Moments, spans and shares, as each language writes them.

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::Language;
use crate::domain::notification::tell;

const MONTHS: [[&str; 12]; 4] = [
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
    ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"],
    ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"],
];

/// From Monday on.
const WEEKDAYS: [[&str; 7]; 4] = [
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
    ["пн", "вт", "ср", "чт", "пт", "сб", "вс"],
    ["Sen", "Sel", "Rab", "Kam", "Jum", "Sab", "Min"],
];

/// Days, hours, minutes, seconds, milliseconds.
const UNITS: [[&str; 5]; 4] = [
    ["d", "h", "min", "s", "ms"],
    ["天", "小时", "分钟", "秒", "毫秒"],
    ["д", "ч", "мин", "с", "мс"],
    ["hr", "jam", "mnt", "dtk", "md"],
];

impl Language {
    /// `Thu 26 Nov 2026`.
    pub(in crate::web::pages) fn date(self, date: Date) -> String {
        let (year, day) = (date.year(), date.day());
        let month = MONTHS[self as usize][usize::try_from(date.month() - 1).unwrap_or_default()];
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
        let weekday = WEEKDAYS[self as usize][weekday];
        match self {
            Self::En => format!("{weekday} {day} {month} {year}"),
            Self::Zh => format!("{year}年{month}月{day}日 {weekday}"),
            Self::Ru | Self::Id => format!("{weekday}, {day} {month} {year}"),
        }
    }

    /// `26 Nov`: where there is no room for more.
    pub(in crate::web::pages) fn short_date(self, date: Date) -> String {
        let (number, day) = (date.month(), date.day());
        let month = MONTHS[self as usize][usize::try_from(number - 1).unwrap_or_default()];
        match self {
            Self::En => format!("{day} {month}"),
            Self::Zh => format!("{month}月{day}日"),
            Self::Ru => format!("{day:02}.{number:02}"),
            Self::Id => format!("{day:02}/{number:02}"),
        }
    }

    /// `14:05`.
    pub(in crate::web::pages) fn clock(self, at: Timestamp, zone: &TimeZone) -> String {
        let there = at.to_zoned(zone.clone());
        there.strftime(if self == Self::Id { "%H.%M" } else { "%H:%M" }).to_string()
    }

    /// `Thu 26 Nov 2026, 14:05:09 UTC`: in the time of the plan, which is named.
    pub(in crate::web::pages) fn moment(self, at: Timestamp, zone: &TimeZone) -> String {
        let there = at.to_zoned(zone.clone());
        let clock = there.strftime(if self == Self::Id { "%H.%M.%S" } else { "%H:%M:%S" });
        let comma = if self == Self::Zh { "" } else { "," };
        format!("{}{comma} {clock} {}", self.date(there.date()), tell::zone_name(at, zone))
    }

    /// How long something lasted: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`.
    pub(in crate::web::pages) fn span(self, span: Duration) -> String {
        let secs = span.as_secs();
        let [d, h, min, s, _] = UNITS[self as usize];
        let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
            0 => format!("{big} {big_unit}"),
            _ => format!("{big} {big_unit} {small} {small_unit}"),
        };
        match secs {
            0..60 => format!("{secs} {s}"),
            60..600 => two(secs / 60, min, secs % 60, s),
            600..3_600 => format!("{} {min}", secs / 60),
            3_600..86_400 => two(secs / 3_600, h, secs % 3_600 / 60, min),
            _ => two(secs / 86_400, d, secs % 86_400 / 3_600, h),
        }
    }

    /// How long a run took: `0.4 ms`, `212 ms`, `9.9 s`, `2 min 5 s`.
    pub(in crate::web::pages) fn took(self, took: Duration) -> String {
        let [.., s, ms] = UNITS[self as usize];
        let number = match took.as_micros() {
            0 => return format!("0 {ms}"),
            1..950 => format!("{:.1} {ms}", took.as_secs_f64() * 1e3),
            950..999_500 => format!("{:.0} {ms}", took.as_secs_f64() * 1e3),
            999_500..59_950_000 => format!("{:.1} {s}", took.as_secs_f64()),
            _ => return self.span(Duration::from_secs(took.as_secs_f64().round() as u64)),
        };
        self.decimal(number)
    }

    /// `99.95%`: never rounded up to all, nor down to none.
    pub(in crate::web::pages) fn share(self, ratio: f64) -> String {
        let percent = ratio.clamp(0.0, 1.0) * 100.0;
        let number = match percent {
            0.0 => "0".to_owned(),
            100.0 => "100".to_owned(),
            low if low < 0.01 => "<0.01".to_owned(),
            high if high > 99.99 => ">99.99".to_owned(),
            edge if !(1.0..=99.0).contains(&edge) => format!("{edge:.2}"),
            middle => format!("{middle:.1}"),
        };
        let space = if self == Self::Ru { "\u{a0}" } else { "" };
        self.decimal(format!("{number}{space}%"))
    }

    /// Where the language has a comma for the point.
    fn decimal(self, number: String) -> String {
        match self {
            Self::En | Self::Zh => number,
            Self::Ru | Self::Id => number.replace('.', ","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_writes_moments_spans_and_shares_its_own_way() {
        let at = "2026-05-03T14:05:09Z".parse().unwrap();
        let said = Language::ALL.map(|it| it.moment(at, &TimeZone::UTC));
        let right = [
            "Sun 3 May 2026, 14:05:09 UTC",
            "2026年5月3日 周日 14:05:09 UTC",
            "вс, 3 мая 2026, 14:05:09 UTC",
            "Min, 3 Mei 2026, 14.05.09 UTC",
        ];
        assert_eq!(said, right);
        let said = Language::ALL.map(|it| it.short_date("2026-05-03".parse().unwrap()));
        assert_eq!(said, ["3 May", "5月3日", "03.05", "03/05"]);
        let said = Language::ALL.map(|it| it.span(Duration::from_secs(7_500)));
        assert_eq!(said, ["2 h 5 min", "2 小时 5 分钟", "2 ч 5 мин", "2 jam 5 mnt"]);
        let said = Language::ALL.map(|it| it.took(Duration::from_millis(1_250)));
        assert_eq!(said, ["1.2 s", "1.2 秒", "1,2 с", "1,2 dtk"]);
        assert_eq!(Language::ALL.map(|it| it.share(0.9995)), ["99.95%", "99.95%", "99,95\u{a0}%", "99,95%"]);
    }

    #[test]
    fn a_share_that_is_not_all_of_it_is_never_told_as_all() {
        let said = [0.0, 0.000_01, 0.005, 0.5, 0.990_1, 0.999_94, 0.999_999, 1.0, 7.0]
            .map(|it| Language::En.share(it));
        assert_eq!(said, ["0%", "<0.01%", "0.50%", "50.0%", "99.01%", ">99.99%", ">99.99%", "100%", "100%"]);
    }
}
