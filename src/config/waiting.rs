//! How long customers may wait for a person, and how often in vain.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    config::value::Count,
    domain::{contact::Usual, evaluation::Waiting},
    setting::{At, Problem, Span, refuse},
};

/// The window over which it is counted how often customers wait in vain, where nothing is said and it holds enough runs.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// The longest window.
const WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// So many runs must have been made in the window where nothing is said.
const RUNS_MIN: u32 = 4;

/// How long customers may wait for a person, and how often in vain. One slow answer is no alarm; too many in a while are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { industry = \"ecommerce\" }")]
pub struct WaitingSettings {
    /// The lines that are typical of an industry, from published figures of complaints about customer service:
    /// "ecommerce" (192 s, 42 %), "games" (348 s, 67 %) or "bank" (116 s, 18 %). The keys below take their place.
    industry: Option<Industry>,
    /// A person who answers later than this is late.
    first_response: Option<At<Span>>,
    /// The share of runs, from 0 to 1, that may wait in vain: for a person who is late, or does not come. With more, the
    /// channel is degraded, and people are told unless alert_on_degraded says otherwise; it is dark when all do.
    timeout_ratio: Option<At<Ratio>>,
    /// Over which time that is counted, at most "24h". Without, "1h", or as long as it takes until the probe that asks for
    /// people least often has made runs_min runs.
    window: Option<At<Span>>,
    /// How many runs there must be in the window, at least; 4 without.
    runs_min: Option<At<Count>>,
}

/// An industry, with the lines that are typical of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Industry {
    /// Shops.
    Ecommerce,
    /// Games.
    Games,
    /// Banks and wallets.
    Bank,
}

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub f64);

/// The rules of waiting, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRules {
    /// A person who answers later is late.
    pub first_response: Duration,
    /// How often one may wait in vain.
    pub rule: Waiting,
}

impl Industry {
    /// The typical time to a first reply, and the typical share of waits in vain: figures published about complaints, as
    /// lines to compare with and not as aims.
    #[must_use]
    pub fn lines(self) -> (Duration, Ratio) {
        let line = match self {
            Self::Ecommerce => Usual::SHOPS,
            Self::Games => Usual::GAMES,
            Self::Bank => Usual::BANKS,
        };
        (line.first_response, Ratio(line.vain_ratio))
    }
}

impl WaitingSettings {
    /// Checks the rules; what is wrong is added to `problems`.
    pub fn check(settings: &At<Self>, problems: &mut Vec<Problem>) -> Option<WaitingRules> {
        let lines = settings.industry.map(Industry::lines);
        let first_response =
            settings.first_response.as_ref().map(|span| span.0).or(lines.map(|lines| lines.0));
        let ratio = settings.timeout_ratio.as_ref().map(|ratio| ratio.value).or(lines.map(|lines| lines.1));
        let (Some(first_response), Some(Ratio(ratio))) = (first_response, ratio) else {
            let problem =
                settings.problem("it is not said how long, or how often in vain, customers may wait");
            problems.push(problem.hint(
                "add industry = \"ecommerce\", \"games\" or \"bank\", or both first_response and timeout_ratio",
            ));
            return None;
        };
        let window = settings.window.as_ref().map_or(WINDOW, |window| window.0);
        if let Some(window) = settings.window.as_ref().filter(|window| window.0 > WINDOW_MAX) {
            let problem = window.problem(format!("a window is at most {} long", Span(WINDOW_MAX)));
            problems.push(problem.hint("write \"1h\", or more up to \"24h\""));
        }
        let runs_min = settings.runs_min.as_ref().map_or(RUNS_MIN, |count| count.0);
        // Counted in thousandths, so that equal rules are equal.
        let timeouts_permille = (ratio * 1_000.0).round() as u16;
        Some(WaitingRules { first_response, rule: Waiting { timeouts_permille, window, runs_min } })
    }

    /// Fits the window to the probe that asks for people least often, every `slowest`: one that cannot hold enough waits
    /// would never say anything. Gives what is wrong if it does not fit.
    pub fn fit(settings: &At<Self>, rule: &mut Waiting, slowest: Duration) -> Option<Problem> {
        let needed = slowest.saturating_mul(rule.runs_min);
        if needed <= rule.window || rule.window > WINDOW_MAX {
            return None;
        }
        if settings.window.is_none() && needed <= WINDOW_MAX {
            rule.window = needed;
            return None;
        }
        let (window, runs_min) = (settings.window.as_ref(), settings.runs_min.as_ref());
        let span = window.map(|window| &window.span).or(runs_min.map(|count| &count.span));
        let longest = window.map_or(WINDOW_MAX, |window| window.0);
        let (held, every) = (Span(longest), Span(slowest));
        let problem = Problem::at(
            span.unwrap_or(&settings.span).clone(),
            format!("a window of {held} does not hold {} runs, one every {every}", rule.runs_min),
        );
        Some(problem.hint(match longest.as_secs() / slowest.as_secs().max(1) {
            _ if needed <= WINDOW_MAX => format!("write window = \"{}\", or leave it out", Span(needed)),
            0 => format!("ask for people more often than every {every}"),
            fitting => format!("write runs_min = {fitting}, or ask for people more often"),
        }))
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Ratio;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a share from 0 to 1, such as 0.42")
            }

            fn visit_f64<E: de::Error>(self, ratio: f64) -> Result<Ratio, E> {
                match (0.001..=1.0).contains(&ratio) {
                    true => Ok(Ratio(ratio)),
                    false => Err(refuse(
                        format_args!("{ratio} is not a share above 0, up to 1"),
                        "write such as 0.42 for 42 of 100",
                    )),
                }
            }

            fn visit_i64<E: de::Error>(self, ratio: i64) -> Result<Ratio, E> {
                self.visit_f64(ratio as f64)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share above 0, up to 1.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1
        })
    }
}
