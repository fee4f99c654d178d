//! `acknowledge`: says that somebody has taken an incident in hand, through the running daemon.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{ConfigArgs, Exit, call, print},
    domain::outcome::Detail,
};

/// Arguments of `acknowledge`.
#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    /// The incident, as its mails name it.
    pub incident: String,
    /// Who has taken it in hand; the mails that follow say so.
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Which configuration the daemon works by.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Tells the daemon, and prints what it answers: 0 if it did so, 1 if it refused, 3 if it could not be asked.
#[must_use]
pub fn execute(args: &AcknowledgeArgs) -> Exit {
    let plan = match call::plan(&args.config.config) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let address = call::reached_at(plan.boot.listen);
    let body = json!({ "incident": args.incident, "by": args.by }).to_string();
    match call::call(&plan, "/api/v1/acknowledgements", Some(&body)) {
        Ok(answer) => tell(answer.status, &answer.body),
        Err(error) => {
            eprintln!(
                "failed to ask the daemon at {address}: {error}; it must be running by this configuration"
            );
            Exit::CouldNot
        }
    }
}

fn tell(status: u16, body: &[u8]) -> Exit {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = |key: &str| Detail::new(said[key].as_str().unwrap_or("it says nothing more")).to_string();
    if (200..300).contains(&status) {
        let line = format!(
            "{} is acknowledged by {}; nobody is reminded of it, and nobody else is told, until it is over\n",
            word("incident"),
            word("by")
        );
        return print::bytes(line.as_bytes());
    }
    eprintln!("refused with status {status}: {}", word("error"));
    if status >= 500 { Exit::CouldNot } else { Exit::NotWell }
}
