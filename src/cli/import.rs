//! `import`: makes a `probes.toml` of what another monitor works by, and says at its top what did not carry over.
//!
//! What is stricter here than there is carried over and said; what cannot be watched here is left out and said. Keys
//! that nobody has asked for are found by what is left of a table when it has been read ([`document::Table::rest`]), so
//! nothing is lost in silence. Secrets do not come into the file: each gets a file of its own beside it.

mod blackbox;
mod document;
mod draft;
mod expectation;
mod fields;
mod gatus;
mod kuma;
mod page;
mod request;
mod told;

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{
    cli::{Exit, check, import::draft::Draft},
    config,
};

/// The directory of the secrets, beside the file that refers to them.
const SECRETS: &str = "secrets";

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// What is imported from.
    #[command(subcommand)]
    pub from: Origin,
    /// The file to write. Secrets are written into the directory `secrets` beside it. Nothing that is there is overwritten.
    #[arg(long, value_name = "FILE", default_value = "probes.toml", global = true)]
    pub output: PathBuf,
}

/// Another monitor, and where its configuration lies.
#[derive(Debug, clap::Subcommand)]
pub enum Origin {
    /// From the modules of blackbox_exporter, and the targets that Prometheus has for them.
    Blackbox {
        /// The configuration of blackbox_exporter, such as blackbox.yml.
        modules: PathBuf,
        /// The configuration of Prometheus, such as prometheus.yml.
        prometheus: PathBuf,
    },
    /// From the configuration of Gatus.
    Gatus {
        /// The configuration, such as config.yaml.
        file: PathBuf,
    },
    /// From a backup of Uptime Kuma 1, as JSON.
    UptimeKuma {
        /// The backup, such as Uptime_Kuma_Backup.json.
        file: PathBuf,
    },
}

impl Origin {
    /// Its name for people.
    fn name(&self) -> &'static str {
        match self {
            Self::Blackbox { .. } => "blackbox_exporter",
            Self::Gatus { .. } => "Gatus",
            Self::UptimeKuma { .. } => "Uptime Kuma",
        }
    }

    fn read(&self) -> anyhow::Result<Draft> {
        match self {
            Self::Blackbox { modules, prometheus } => blackbox::read(modules, prometheus),
            Self::Gatus { file } => gatus::read(&document::yaml(file)?),
            Self::UptimeKuma { file } => kuma::read(&document::json(file)?),
        }
    }
}

/// Writes the configuration and its secrets, and checks it as `check` does.
#[must_use]
pub fn execute(args: &ImportArgs) -> Exit {
    let imported = args.from.read().and_then(|mut draft| {
        if draft.channels.is_empty() {
            eprint!("{}", page::left(&draft, ""));
            bail!("nothing of {} can be watched here, so nothing was written", args.from.name());
        }
        let file = page::file(args.from.name(), &draft);
        draft.keep_what_is_named_in(&file);
        write(&args.output, &file, &draft)?;
        Ok(draft)
    });
    match imported {
        Ok(draft) => tell(&args.output, &draft),
        Err(error) => {
            eprintln!("failed to import: {error:#}");
            Exit::CouldNot
        }
    }
}

fn write(output: &Path, file: &str, draft: &Draft) -> anyhow::Result<()> {
    let directory = output.parent().unwrap_or(Path::new("")).join(SECRETS);
    let taken = draft.secrets.keys().map(|name| directory.join(name)).find(|path| path.exists());
    if let Some(taken) = taken.or_else(|| output.exists().then(|| output.to_owned())) {
        bail!("{} is there already; move it away, or name another file by --output", taken.display());
    }
    if !draft.secrets.is_empty() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.with_context(|| format!("failed to make {}", directory.display()))?;
    }
    for (name, secret) in &draft.secrets {
        put(&directory.join(name), secret.expose(), 0o600)?;
    }
    put(output, file, 0o644)
}

fn put(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("failed to write {}", path.display()))
}

/// Says what has become of it, and checks it.
fn tell(output: &Path, draft: &Draft) -> Exit {
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let shown = output.display();
    eprintln!("{shown}: {}", counted(draft.channels.len(), "channel", "channels"));
    if !draft.secrets.is_empty() {
        let count = counted(draft.secrets.len(), "secret lies", "secrets lie");
        eprintln!("{count} in {}", output.with_file_name(SECRETS).display());
    }
    if !draft.variables.is_empty() {
        let names: Vec<&str> = draft.variables.iter().map(String::as_str).collect();
        eprintln!("in the environment it needs {}", names.join(", "));
    }
    if !draft.left.is_empty() {
        let count = counted(draft.left.len(), "thing did", "things did");
        eprintln!("{count} not carry over as it was; the list is at the top of {shown}");
    }
    match config::load(output) {
        Err(problems) => {
            check::print_problems(&problems.report);
            Exit::NotWell
        }
        Ok(_) if draft.left.is_empty() => Exit::Well,
        Ok(_) => Exit::NotWell,
    }
}
