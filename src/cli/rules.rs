//! `rules`: rules for Prometheus that follow from what the channels of a configuration promise.

use crate::{
    cli::{ConfigArgs, Exit, check::print_problems, print},
    config::{self, Loaded},
    metrics::rules::of_slos,
};

/// Prints the rules of every channel that has an `slo`.
#[must_use]
pub fn execute(args: &ConfigArgs) -> Exit {
    let Loaded { plan, .. } = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            print_problems(&problems.report);
            return Exit::NotWell;
        }
    };
    let promising = plan.channels.iter().filter_map(|(id, channel)| Some((id.as_str(), channel.slo?)));
    let source = args.config.file_name().unwrap_or_default().to_string_lossy();
    print::bytes(of_slos(promising, &source).as_bytes())
}
