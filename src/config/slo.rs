//! What a channel promises, as the operator writes it.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    domain::slo::{Slo, USUAL_WINDOW, WHOLE_PPM},
    setting::{At, Problem, Span, refuse},
};

/// The shortest window: over less, every outage is the whole of it.
const WINDOW_MIN: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest window.
const WINDOW_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// What one part in a million is in per cent.
const PPM_PER_PERCENT: f64 = 10_000.0;

/// What the channel promises: in how much of its open time it works, over which window.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { availability = 99.9, window = \"30d\" }")]
pub struct SloSettings {
    /// In how many per cent of the time in which it is open it works, above 1 and below 100, such as 99.9.
    availability: Percent,
    /// Over which time, "1d" to "90d". Default "30d".
    window: Option<At<Span>>,
}

/// A share in parts of a million, written in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Percent(u32);

impl SloSettings {
    /// Checks the promise; what is wrong is added to `problems`.
    pub fn check(&self, problems: &mut Vec<Problem>) -> Slo {
        let window = self.window.as_ref().map_or(USUAL_WINDOW, |window| window.0);
        if let Some(written) = self.window.as_ref().filter(|_| !(WINDOW_MIN..=WINDOW_MAX).contains(&window)) {
            let problem = written.problem("the window of an slo is from one day to 90 days long");
            problems.push(problem.hint("write \"30d\", or \"7d\", \"28d\", \"90d\""));
        }
        Slo { availability_ppm: self.availability.0, window }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Percent;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of per cent, such as 99.9")
            }

            fn visit_f64<E: de::Error>(self, percent: f64) -> Result<Percent, E> {
                if percent > 0.0 && percent <= 1.0 {
                    let meant = (percent * 100.0 * PPM_PER_PERCENT).round() / PPM_PER_PERCENT;
                    let message = format_args!("an availability of {percent} per cent is hardly meant");
                    return Err(match meant {
                        100.0 => refuse(message, "it is written in per cent, such as 99.9"),
                        _ => refuse(message, format_args!("write {meant}, if it is a share")),
                    });
                }
                let ppm = (percent * PPM_PER_PERCENT).round();
                match ppm > 0.0 && ppm < f64::from(WHOLE_PPM) {
                    true => Ok(Percent(ppm as u32)),
                    false => Err(refuse(
                        format_args!("{percent} is not an availability above 0 and below 100 per cent"),
                        "write such as 99.9, which leaves 43 minutes in 30 days; at most 99.9999",
                    )),
                }
            }

            fn visit_i64<E: de::Error>(self, percent: i64) -> Result<Percent, E> {
                self.visit_f64(percent as f64)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Per cent, above 1 and below 100.",
            "type": "number",
            "exclusiveMinimum": 1,
            "exclusiveMaximum": 100
        })
    }
}
