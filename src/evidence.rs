//! The edge towards the evidence: a directory of bundles, one for each change of a channel's state into trouble or out of
//! it.
//!
//! A bundle is written whole, in a directory of its own, before anybody is told, and is never written again. Its manifest
//! has the SHA-256 of each file and of the manifest before it, so that what was changed, taken away or put in between
//! afterwards is found by [`verify`]. Old ones leave from the beginning, by age and by size.

pub mod exhibits;
mod manifest;
pub mod verify;

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use self::manifest::{File, Manifest, Previous, digest};

/// The file that says what a bundle holds.
pub const MANIFEST: &str = "manifest.json";

/// The file that names the newest bundle and the SHA-256 of its manifest, of which no other manifest speaks yet.
const HEAD: &str = "head.json";

/// A bundle under way has this before its name until it is whole.
const UNDER_WAY: &str = ".writing-";

/// How long and how much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePlan {
    /// The directory.
    pub directory: PathBuf,
    /// Older bundles leave.
    pub kept_for: Duration,
    /// The oldest leave while all of them are larger than this.
    pub bytes_max: u64,
}

impl EvidencePlan {
    /// So much as is kept where nothing else is said: 90 days, and 1 GiB.
    #[must_use]
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory, kept_for: Duration::from_secs(90 * 24 * 60 * 60), bytes_max: 1 << 30 }
    }
}

/// What a bundle is about.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its name, by which people speak of it.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// The incident it belongs to, if there is one.
    pub incident: Option<String>,
    /// When the channel's state changed.
    pub at: Timestamp,
    /// What is kept: the name of each file, and its content.
    pub files: Vec<(String, Arc<[u8]>)>,
}

/// Whether one waits until what is written cannot be lost any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk.
    OnDisk,
    /// The system writes it when it likes; a loss of power may take it.
    OnItsWay,
}

/// What cannot be done with the directory.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing} {}: {why}", path.display())]
pub struct EvidenceError {
    doing: &'static str,
    path: PathBuf,
    why: io::Error,
}

/// The bundles of a directory. It is its only writer.
#[derive(Debug)]
pub struct Archive {
    plan: EvidencePlan,
    /// Every bundle, oldest first, with its size.
    bundles: Vec<(String, u64)>,
    /// The number of the next one, and the one before it.
    next: u64,
    previous: Option<Previous>,
}

impl Archive {
    /// Opens a directory, which is made if there is none. What was not finished before is taken away. What is not as it
    /// was left stays so, for [`verify`] to find: the row goes on from the bundle that was the newest.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(plan: EvidencePlan) -> Result<Self, EvidenceError> {
        let directory = &plan.directory;
        // What customers were answered is for its owner alone.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|why| failed("make", directory, why))?;
        let mut bundles = Vec::new();
        for name in names(directory)? {
            let path = directory.join(&name);
            if name.starts_with(UNDER_WAY) {
                let taken = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                taken.map_err(|why| failed("take away", &path, why))?;
            } else if number_of(&name).is_some() && path.is_dir() {
                let size = size_of(&path).unwrap_or_default();
                bundles.push((name, size));
            }
        }
        let previous = newest(directory, &bundles);
        let numbers = bundles.iter().map(|(name, _)| name).chain(previous.iter().map(|it| &it.bundle));
        let next = numbers.filter_map(|name| number_of(name)).max().map_or(1, |number| number + 1);
        if let Some(previous) =
            previous.as_ref().filter(|newest| Previous::told(directory).as_ref() != Some(newest))
        {
            // The next bundle writes it as well.
            let _may_be_full = announce(directory, previous, Durability::OnDisk)
                .and_then(|()| settle_head(directory, Durability::OnDisk));
        }
        Ok(Self { plan, bundles, next, previous })
    }

    /// Keeps a bundle, if there is none of this name yet: the first is never overwritten.
    ///
    /// It is to be settled afterwards.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is there.
    pub fn keep(&mut self, bundle: &Bundle, durability: Durability) -> Result<(), EvidenceError> {
        if self.bundles.iter().any(|(name, _)| name_of(name) == bundle.name) {
            return Ok(());
        }
        let number = self.next;
        let directory = format!("{number:08}-{}", bundle.name);
        let manifest = Manifest {
            number,
            bundle: bundle.name.clone(),
            channel: bundle.channel.clone(),
            incident: bundle.incident.clone(),
            at: bundle.at,
            files: bundle.files.iter().map(|(name, bytes)| File::of(name, bytes)).collect(),
            previous: self.previous.clone(),
        };
        let written = manifest.to_bytes();
        let under_way = self.plan.directory.join(format!("{UNDER_WAY}{directory}"));
        let done = self.plan.directory.join(&directory);
        let here = Previous { bundle: directory.clone(), sha256: digest(&written) };
        // The head lies ready before the bundle has its name, so that who verifies meanwhile sees that one is under way.
        let result = write_all(&under_way, bundle, &written, durability)
            .and_then(|()| announce(&self.plan.directory, &here, durability))
            .and_then(|()| fs::rename(&under_way, &done).map_err(|why| failed("name", &done, why)));
        if let Err(error) = result {
            let _already_gone = fs::remove_dir_all(&under_way);
            let _not_announced = fs::remove_file(head_under_way(&self.plan.directory));
            return Err(error);
        }
        let size =
            bundle.files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>() + written.len() as u64;
        self.previous = Some(here);
        self.bundles.push((directory, size));
        self.next += 1;
        Ok(())
    }

    /// Makes the newest bundle the head, and takes away what is too old or too much.
    ///
    /// # Errors
    /// When the directory cannot be written to. What was kept is there all the same, and the next one tries again.
    pub fn settle(&mut self, durability: Durability, now: Timestamp) -> Result<(), EvidenceError> {
        if head_under_way(&self.plan.directory).exists() {
            settle_head(&self.plan.directory, durability)?;
        }
        self.clear(now)
    }

    /// Takes away what is too old or too much, from the beginning; the newest stays.
    fn clear(&mut self, now: Timestamp) -> Result<(), EvidenceError> {
        let oldest = now.checked_sub(self.plan.kept_for).unwrap_or(Timestamp::MIN);
        let oldest = oldest.strftime("%Y%m%dT%H%M%SZ").to_string();
        loop {
            let all: u64 = self.bundles.iter().map(|(_, size)| size).sum();
            let [(first, _), _, ..] = &self.bundles[..] else { return Ok(()) };
            let is_old = name_of(first) < oldest.as_str();
            if !is_old && all <= self.plan.bytes_max {
                return Ok(());
            }
            let path = self.plan.directory.join(first);
            // Half a bundle would be found as a broken one.
            let leaving = self.plan.directory.join(format!("{UNDER_WAY}{first}"));
            fs::rename(&path, &leaving).map_err(|why| failed("take away", &path, why))?;
            self.bundles.remove(0);
            fs::remove_dir_all(&leaving).map_err(|why| failed("take away", &leaving, why))?;
        }
    }
}

fn write_all(
    directory: &Path,
    bundle: &Bundle,
    manifest: &[u8],
    durability: Durability,
) -> Result<(), EvidenceError> {
    fs::create_dir(directory).map_err(|why| failed("make", directory, why))?;
    let manifest = (MANIFEST, manifest);
    let files = bundle.files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).chain([manifest]);
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::write(&path, bytes).map_err(|why| failed("write", &path, why))?;
        sync(&path, durability)?;
    }
    sync(directory, durability)
}

/// The bundle from which the row goes on. It is the newest that lies there, unless the head names one that is gone or
/// was changed: then that one, so that it is missed.
fn newest(directory: &Path, bundles: &[(String, u64)]) -> Option<Previous> {
    let found = bundles.iter().rev().find_map(|(name, _)| Previous::read(directory, name).ok());
    let told = Previous::told(directory);
    let is_there = |told: &Previous| Previous::read(directory, &told.bundle).is_ok_and(|here| here == *told);
    match told {
        Some(told) if !is_there(&told) => Some(told),
        _ => found,
    }
}

fn head_under_way(directory: &Path) -> PathBuf {
    directory.join(format!("{UNDER_WAY}{HEAD}"))
}

/// Lays the head ready.
fn announce(directory: &Path, newest: &Previous, durability: Durability) -> Result<(), EvidenceError> {
    let path = head_under_way(directory);
    let bytes = serde_json::to_vec(newest).expect("texts are always JSON");
    fs::write(&path, bytes).map_err(|why| failed("write", &path, why))?;
    sync(&path, durability)
}

/// Makes the head that lies ready the one that counts.
fn settle_head(directory: &Path, durability: Durability) -> Result<(), EvidenceError> {
    let path = directory.join(HEAD);
    sync(directory, durability)?;
    fs::rename(head_under_way(directory), &path).map_err(|why| failed("write", &path, why))
}

/// Waits until it is on the disk, if that is wanted.
fn sync(path: &Path, durability: Durability) -> Result<(), EvidenceError> {
    if durability == Durability::OnItsWay {
        return Ok(());
    }
    let file = fs::File::open(path).map_err(|why| failed("open", path, why))?;
    file.sync_all().map_err(|why| failed("write", path, why))
}

/// What lies in a directory, in the order of its names.
fn names(directory: &Path) -> Result<Vec<String>, EvidenceError> {
    let entries = fs::read_dir(directory).map_err(|why| failed("read", directory, why))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| failed("read", directory, why))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn size_of(bundle: &Path) -> Result<u64, EvidenceError> {
    let sizes = names(bundle)?.into_iter().map(|name| {
        let path = bundle.join(name);
        fs::metadata(&path).map(|found| found.len()).map_err(|why| failed("read", &path, why))
    });
    sizes.sum()
}

/// `00000042-20261126T101500Z-web-chat-dark`: the number before the first dash.
fn number_of(directory: &str) -> Option<u64> {
    let (number, _) = directory.split_once('-')?;
    (number.len() == 8).then(|| number.parse().ok()).flatten()
}

fn name_of(directory: &str) -> &str {
    directory.split_once('-').map_or(directory, |(_, name)| name)
}

fn failed(doing: &'static str, path: &Path, why: io::Error) -> EvidenceError {
    EvidenceError { doing, path: path.to_owned(), why }
}

#[cfg(test)]
mod tests;
