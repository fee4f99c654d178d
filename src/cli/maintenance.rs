//! `maintenance`: begins, extends, ends and lists windows of announced maintenance, through the running daemon.

use std::fmt::Write;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::{
    cli::{ConfigArgs, Exit, call, print},
    domain::{
        channel::is_id,
        maintenance::{Announced, Scope, Standing},
        outcome::Detail,
    },
};

/// Arguments of `maintenance`.
#[derive(Debug, Args)]
pub struct MaintenanceArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Begin a window now: a new one, or one of the configuration early.
    Start(StartArgs),
    /// Make the window under way last longer.
    Extend(ExtendArgs),
    /// End the window under way now.
    End(EndArgs),
    /// List the windows under way and those to come.
    List(ConfigArgs),
}

/// Arguments of `maintenance start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The window of the configuration that begins early; without, a new one begins.
    pub window: Option<String>,
    /// How long it lasts from now on; that of the configuration can do without.
    #[arg(long = "for", value_name = "SPAN", required_unless_present = "window")]
    pub lasts: Option<String>,
    /// For this channel; can be given more than once. Without channels, teams and labels it is for all.
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Vec<String>,
    /// For the channels of this team; can be given more than once.
    #[arg(long, value_name = "TEAM")]
    pub team: Vec<String>,
    /// For the channels with this label; of more than one each must be there.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// What is announced.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Which configuration the daemon works by.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Arguments of `maintenance extend`.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// The window.
    pub window: String,
    /// By how much.
    #[arg(long = "for", value_name = "SPAN")]
    pub by: String,
    /// Which configuration the daemon works by.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Arguments of `maintenance end`.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// The window.
    pub window: String,
    /// Which configuration the daemon works by.
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write a name and a value, such as product=shop")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Tells the daemon, and prints what it answers: 0 if it did so, 1 if it refused, 3 if it could not be asked.
#[must_use]
pub fn execute(args: &MaintenanceArgs) -> Exit {
    let told = match &args.what {
        What::Start(start) => {
            let path = "/api/v1/maintenance".to_owned();
            call::plan(&start.config.config).map(|plan| (plan, path, Some(begin(start))))
        }
        What::Extend(ExtendArgs { window, by, config }) => {
            let path = format!("/api/v1/maintenance/{}/extend", in_path(window));
            call::plan(&config.config).map(|plan| (plan, path, Some(json!({ "for": by }))))
        }
        What::End(EndArgs { window, config }) => {
            let path = format!("/api/v1/maintenance/{}/end", in_path(window));
            call::plan(&config.config).map(|plan| (plan, path, Some(json!({}))))
        }
        What::List(config) => {
            call::plan(&config.config).map(|plan| (plan, "/api/v1/maintenance".to_owned(), None))
        }
    };
    let (plan, path, body) = match told {
        Ok(told) => told,
        Err(exit) => return exit,
    };
    let address = call::reached_at(plan.boot.listen);
    let body = body.map(|body| body.to_string());
    match call::call(&plan, &path, body.as_deref()) {
        Ok(answer) => tell(answer.status, &answer.body, &plan.time_zone),
        Err(error) => {
            eprintln!(
                "failed to ask the daemon at {address}: {error}; it must be running by this configuration"
            );
            Exit::CouldNot
        }
    }
}

/// An id as it stands in a path; what is none is refused by the daemon, in its words.
fn in_path(window: &str) -> &str {
    if is_id(window) { window } else { "%20" }
}

fn begin(args: &StartArgs) -> Value {
    let mut body = Map::new();
    let mut say = |key: &str, value: Value| body.insert(key.to_owned(), value);
    if let Some(window) = &args.window {
        say("id", json!(window));
    }
    if let Some(lasts) = &args.lasts {
        say("for", json!(lasts));
    }
    say("channels", json!(args.channel));
    say("teams", json!(args.team));
    say("labels", args.label.iter().map(|(name, value)| (name.clone(), json!(value))).collect());
    say("text", json!(args.text.as_deref().unwrap_or_default()));
    Value::Object(body)
}

/// Prints an answer.
fn tell(status: u16, body: &[u8], zone: &TimeZone) -> Exit {
    if (200..300).contains(&status) {
        return match windows(body) {
            Some(windows) => print::bytes(listed(&windows, zone).as_bytes()),
            None => {
                eprintln!("the daemon answered what this version does not understand");
                Exit::CouldNot
            }
        };
    }
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let sentence = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or("it says nothing more");
    eprintln!("refused with status {status}: {}", Detail::new(sentence));
    if status >= 500 { Exit::CouldNot } else { Exit::NotWell }
}

/// The one window or the list of windows that was answered.
fn windows(body: &[u8]) -> Option<Vec<Announced>> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    match answer.get_mut("maintenance") {
        Some(list) => serde_json::from_value(list.take()).ok(),
        None => serde_json::from_value(answer).ok().map(|window| vec![window]),
    }
}

fn listed(windows: &[Announced], zone: &TimeZone) -> String {
    if windows.is_empty() {
        return "no maintenance is under way or planned\n".to_owned();
    }
    let mut list = String::new();
    for window in windows {
        let shown =
            |at: jiff::Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        let when = match window.standing {
            Standing::Active => format!("under way until {}", shown(window.until)),
            Standing::Over => format!("ended {}", shown(window.until)),
            Standing::Planned => format!("from {} until {}", shown(window.from), shown(window.until)),
        };
        let text =
            if window.text.is_empty() { String::new() } else { format!(": {}", Detail::new(&window.text)) };
        writeln!(list, "{} {when}, for {}{text}", window.id, concerned(&window.scope))
            .expect("writing to a string cannot fail");
    }
    list
}

fn concerned(scope: &Scope) -> String {
    let channels = scope.channels.iter().map(ToString::to_string);
    let teams = scope.teams.iter().map(|team| format!("the team {team}"));
    let labels: Vec<String> = scope.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = (!labels.is_empty()).then(|| labels.join(" with "));
    let all: Vec<String> = channels.chain(teams).chain(labels).collect();
    if all.is_empty() { "all channels".to_owned() } else { all.join(", ") }
}
