//! What the page for customers says besides.

use super::Language;
use crate::domain::{incident::Severity, ledger::Condition};

impl Language {
    /// How a channel is, for customers.
    pub(in crate::web::pages) fn condition(self, condition: Condition) -> &'static str {
        self.of(match condition {
            Condition::Up => ["works", "正常", "работает", "berfungsi"],
            Condition::Degraded => [
                "slow, or for some only",
                "缓慢或仅部分可用",
                "работает медленно или не у всех",
                "lambat, atau hanya bagi sebagian",
            ],
            Condition::Dark => ["does not work", "无法使用", "не работает", "tidak berfungsi"],
            Condition::Closed => ["closed", "非服务时间", "закрыт", "tutup"],
            Condition::Maintenance => {
                ["under maintenance", "维护中", "на обслуживании", "dalam pemeliharaan"]
            }
            Condition::Unknown | Condition::Gone => ["not known", "未知", "неизвестно", "tidak diketahui"],
        })
    }

    /// The whole in one sentence. That support can be reached is said only if some channel is known to work.
    pub(in crate::web::pages) fn all_in_all(self, conditions: &[Condition]) -> &'static str {
        let is_any = |condition| conditions.contains(&condition);
        let is_closed =
            |condition: &Condition| matches!(condition, Condition::Closed | Condition::Maintenance);
        self.of(if is_any(Condition::Dark) {
            [
                "Some ways to our support do not work.",
                "部分客服渠道无法使用。",
                "Некоторые каналы поддержки не работают.",
                "Beberapa saluran dukungan kami tidak berfungsi.",
            ]
        } else if is_any(Condition::Degraded) {
            [
                "Some ways to our support are slow.",
                "部分客服渠道响应缓慢。",
                "Некоторые каналы поддержки работают медленно.",
                "Beberapa saluran dukungan kami lambat.",
            ]
        } else if is_any(Condition::Up) {
            [
                "Our support can be reached.",
                "可以联系到客服。",
                "С поддержкой можно связаться.",
                "Layanan dukungan kami dapat dihubungi.",
            ]
        } else if !conditions.is_empty() && conditions.iter().all(is_closed) {
            [
                "Our support is closed at present.",
                "当前为非服务时间或维护时间。",
                "Поддержка сейчас закрыта.",
                "Layanan dukungan sedang tutup.",
            ]
        } else {
            [
                "We cannot tell at present.",
                "目前无法判断客服渠道的状态。",
                "Сейчас состояние каналов поддержки неизвестно.",
                "Status saluran dukungan saat ini tidak diketahui.",
            ]
        })
    }

    /// Between a condition and its span: `works for 2 h`. Where the words have a comma of their own, one stands before the
    /// span too.
    pub(in crate::web::pages) fn for_so_long(self, condition: Condition) -> &'static str {
        self.of(match condition {
            Condition::Degraded => [", for", " 已持续", ", уже", ", selama"],
            _ => [" for", " 已持续", " уже", " selama"],
        })
    }

    /// How a channel was in an outage that is over.
    pub(in crate::web::pages) fn was(self, severity: Severity) -> &'static str {
        self.of(match severity {
            Severity::Degraded => [
                "was slow, or for some only",
                "缓慢或仅部分可用",
                "работало медленно или не у всех",
                "lambat, atau hanya bagi sebagian",
            ],
            Severity::Dark => ["did not work", "无法使用", "не работало", "tidak berfungsi"],
        })
    }

    pub(in crate::web::pages) fn opens_again(self) -> &'static str {
        self.of(["Opens", "下次开放：", "Откроется", "Buka kembali"])
    }

    pub(in crate::web::pages) fn past_outages(self) -> &'static str {
        self.of(["Past outages", "过往故障", "Прошлые сбои", "Gangguan sebelumnya"])
    }

    pub(in crate::web::pages) fn no_outage(self) -> &'static str {
        self.of([
            "None in the last 90 days.",
            "近 90 天内没有故障。",
            "За последние 90 дней не было.",
            "Tidak ada dalam 90 hari terakhir.",
        ])
    }

    pub(in crate::web::pages) fn feed(self) -> &'static str {
        self.of(["Feed", "订阅", "Лента", "Umpan"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn support_is_said_to_be_within_reach_only_if_a_channel_is_known_to_work() {
        use Condition::*;
        let (unknown, closed) = ("We cannot tell at present.", "Our support is closed at present.");
        for (conditions, expected) in [
            (&[][..], unknown),
            (&[Unknown], unknown),
            (&[Closed, Unknown], unknown),
            (&[Gone, Maintenance], unknown),
            (&[Closed], closed),
            (&[Closed, Maintenance], closed),
            (&[Unknown, Closed, Up], "Our support can be reached."),
            (&[Up, Degraded, Unknown], "Some ways to our support are slow."),
            (&[Degraded, Dark, Up], "Some ways to our support do not work."),
        ] {
            assert_eq!(Language::En.all_in_all(conditions), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_span_is_set_off_where_the_words_before_it_have_a_comma_of_their_own() {
        let said = |language: Language, condition| {
            format!("{}{} 2", language.condition(condition), language.for_so_long(condition))
        };
        assert_eq!(said(Language::En, Condition::Up), "works for 2");
        assert_eq!(said(Language::En, Condition::Degraded), "slow, or for some only, for 2");
        assert_eq!(said(Language::Ru, Condition::Degraded), "работает медленно или не у всех, уже 2");
        assert_eq!(said(Language::Zh, Condition::Degraded), "缓慢或仅部分可用 已持续 2");
    }
}
