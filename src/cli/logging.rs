//! What is logged, and how it looks. `RUST_LOG` chooses; by default our own words from `info` on and other people's
//! from `warn` on. Libraries are never heard below `info`, whatever `RUST_LOG` says: at `debug` and `trace` they
//! print headers and commands, and with them secrets.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::cli::LogFormat;

const DEFAULT: &str = "warn,lamplighter=info";
const OURS: &str = "lamplighter";

/// Sends logs to standard error. A second call changes nothing.
///
/// # Errors
/// When `RUST_LOG` cannot be understood.
pub(crate) fn init(format: LogFormat) -> Result<(), String> {
    let wanted = match std::env::var_os("RUST_LOG").filter(|wanted| !wanted.is_empty()) {
        Some(wanted) => wanted.into_string().map_err(|_| "RUST_LOG is not UTF-8".to_owned())?,
        None => DEFAULT.to_owned(),
    };
    let chosen = EnvFilter::builder()
        .parse(&wanted)
        .map_err(|error| format!("RUST_LOG={wanted:?} cannot be understood: {error}"))?;
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => {
            let colours =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
            Box::new(tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(io::stderr))
        }
        LogFormat::Json => {
            Box::new(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr))
        }
    };
    let only_ours_in_detail = FilterFn::new(may_be_heard).with_max_level_hint(LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(chosen.and(only_ours_in_detail)));
    // Only tests that run several commands in one process come here twice.
    subscriber.try_init().ok();
    Ok(())
}

fn may_be_heard(event: &Metadata<'_>) -> bool {
    let target = event.target();
    let ours = target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    ours || *event.level() <= Level::INFO
}
