//! Finds broken house rules in source texts, by their tokens.

use std::collections::BTreeSet;

use super::paths::{Within, paths_in};

/// A source file.
pub struct Source {
    /// Its path from the root of the project.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// All source files, and what they are checked by.
pub struct House {
    sources: Vec<Source>,
    dependencies: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

const GROUND: [&str; 4] = ["clock", "halt", "secret", "setting"];
const EDGES: [&str; 6] = ["probe", "store", "evidence", "notify", "metrics", "web"];
/// Dependencies that compute and do nothing else.
const DOMAIN_MAY: [&str; 9] =
    ["croner", "hdrhistogram", "jiff", "regex", "schemars", "serde", "serde_json", "sha2", "thiserror"];
const DOMAIN_MUST_NOT: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// Dependencies that belong to one room.
const ONLY_IN: [(&str, &[&str]); 10] = [
    ("rusqlite", &["store"]),
    ("lettre", &["notify", "setting"]),
    ("hyper", &["probe", "web", "notify"]),
    ("reqwest", &["probe"]),
    ("hickory_resolver", &["probe"]),
    ("prometheus", &["metrics"]),
    ("clap", &["cli", "main"]),
    ("sd_notify", &["daemon", "cli"]),
    ("nix", &["probe"]),
    ("command_fds", &["probe"]),
];
const SPAWNING: [&str; 4] = ["spawn", "spawn_local", "JoinSet", "LocalSet"];
const NAMES_BANNED: [&str; 10] =
    ["manager", "handler", "util", "utils", "common", "helper", "helpers", "misc", "generic", "mod"];
const LINES_MAX: usize = 500;

impl House {
    /// Takes the sources and the manifest, which tells a dependency from a module.
    pub fn new(sources: Vec<Source>, manifest: &str) -> Self {
        let manifest: toml::Table = manifest.parse().unwrap();
        let dependencies = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .map(|table| table.keys().map(|name| name.replace('-', "_")).collect())
            .unwrap_or_default();
        let is_kind = |source: &&Source| {
            source.path.starts_with("src/")
                && ["impl Probe for", "impl Notifier for"].iter().any(|kind| source.text.contains(kind))
        };
        let kinds = sources.iter().filter(is_kind).filter_map(|source| kind_of(&source.path)).collect();
        Self { sources, dependencies, kinds }
    }

    /// Every breach, as `path: what is wrong`.
    pub fn broken_rules(&self) -> Vec<String> {
        let mut broken = BTreeSet::new();
        for source in &self.sources {
            let mut found = Vec::new();
            found.extend(broken_form(source));
            if source.path.starts_with("src/") {
                found.extend(self.broken_arrows(source));
            }
            broken.extend(found.into_iter().map(|what| format!("{}: {what}", source.path)));
        }
        broken.into_iter().collect()
    }

    fn broken_arrows(&self, source: &Source) -> Vec<String> {
        let module = module_of(&source.path);
        let room =
            module.first().map_or(if source.path == "src/main.rs" { "main" } else { "lib" }, |room| room);
        let kind = kind_of(&source.path);
        let mut broken = Vec::new();
        for used in paths_in(&source.text, &module) {
            let segments: Vec<&str> = used.segments.iter().map(String::as_str).collect();
            match segments[..] {
                ["crate" | "lamplighter", ref inner @ ..] => {
                    broken.extend(broken_arrow(room, inner));
                    broken.extend(self.broken_kind(room, kind.as_deref(), inner));
                }
                [first, ..] if self.dependencies.contains(first) => {
                    broken.extend(broken_dependency(room, first));
                }
                _ => {}
            }
            broken.extend(broken_purity(room, &used.segments));
            let demo = source.path.starts_with("src/cli/demo");
            if used.within == Within::Code && room != "daemon" && !demo {
                broken.extend(spawning(&segments));
            }
        }
        broken
    }

    /// A kind is known to its registry, its own files, and nobody else in the same edge.
    fn broken_kind(&self, room: &str, own: Option<&str>, used: &[&str]) -> Option<String> {
        let [edge, name, ..] = used else { return None };
        let used_kind = format!("{edge}/{name}");
        let in_registry = own.is_none();
        (room == *edge && !in_registry && self.kinds.contains(&used_kind) && own != Some(&used_kind))
            .then(|| format!("knows the kind `{used_kind}`; what kinds share has a file of its own"))
    }
}

/// `probe/http` for `src/probe/http.rs` and everything below it; none for the registries: `src/probe.rs`, and
/// `src/probe/settings.rs` where the settings of all kinds meet.
fn kind_of(path: &str) -> Option<String> {
    match &module_of(path)[..] {
        [edge, registry] if edge == "probe" && registry == "settings" => None,
        [edge, kind, ..] if edge == "probe" || edge == "notify" => Some(format!("{edge}/{kind}")),
        _ => None,
    }
}

fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    if inner == "main" || inner == "lib" { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

fn broken_form(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    let name = source.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
    if NAMES_BANNED.contains(&name) {
        broken.push(format!("`{name}` is a name that says nothing"));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        broken.push(format!("{lines} lines, {LINES_MAX} at most"));
    }
    if !source.text.starts_with("//! ") {
        broken.push("does not begin by saying what it is for (`//!`)".to_owned());
    }
    broken
}

fn broken_arrow(room: &str, used: &[&str]) -> Option<String> {
    let used = *used.first()?;
    let lower: Vec<&str> = match room {
        "main" => vec!["cli"],
        "lib" => return None,
        "cli" => [&["daemon", "config", "domain"], &EDGES[..], &GROUND].concat(),
        "daemon" => [&["config", "domain"], &EDGES[..], &GROUND].concat(),
        "config" => [&["domain"], &EDGES[..], &GROUND].concat(),
        edge if EDGES.contains(&edge) => [&["domain"], &GROUND[..]].concat(),
        "domain" => vec![],
        ground if GROUND.contains(&ground) => GROUND.to_vec(),
        unknown => return Some(format!("`{unknown}` is not a room of the plan")),
    };
    (used != room && !lower.contains(&used)).then(|| format!("`{room}` must not know `{used}`"))
}

fn broken_dependency(room: &str, dependency: &str) -> Option<String> {
    if room == "domain" {
        return (!DOMAIN_MAY.contains(&dependency))
            .then(|| format!("`domain` is pure and must not know `{dependency}`"));
    }
    let (_, rooms) = ONLY_IN.iter().find(|(name, _)| *name == dependency)?;
    (!rooms.contains(&room)).then(|| format!("`{dependency}` belongs to {}", rooms.join(", ")))
}

fn broken_purity(room: &str, segments: &[String]) -> Option<String> {
    if room != "domain" {
        return None;
    }
    if let [.., clock, now] = segments
        && (clock == "Timestamp" || clock == "Zoned")
        && now == "now"
    {
        return Some("asks the time; in `domain` it is an argument".to_owned());
    }
    let path = segments.join("::");
    let banned =
        DOMAIN_MUST_NOT.iter().find(|&&banned| path == banned || path.starts_with(&format!("{banned}::")));
    banned.map(|banned| format!("`domain` is pure and must not know `{banned}`"))
}

fn spawning(segments: &[&str]) -> Option<String> {
    let last = segments.iter().find(|segment| SPAWNING.contains(segment))?;
    let of_tokio = segments.contains(&"tokio") || segments.contains(&"task") || *last == "JoinSet";
    of_tokio.then(|| format!("spawns (`{}`); only `daemon` does", segments.join("::")))
}
