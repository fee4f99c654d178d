//! Whether the bundles of a directory are as they were written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    EvidenceError, HEAD, MANIFEST, UNDER_WAY,
    manifest::{File, Manifest, Previous, digest},
    names, number_of,
};

/// So often a directory is looked at that does not rest, with such a pause.
const LOOKS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many bundles.
    pub bundles: usize,
    /// How many files in them, manifests included.
    pub files: usize,
    /// What is not as it was written, with where.
    pub faults: Vec<(PathBuf, String)>,
}

/// The directory of each bundle, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>, EvidenceError> {
    let bundles = names(directory)?.into_iter().filter(|name| number_of(name).is_some());
    Ok(bundles.map(|name| directory.join(name)).collect())
}

/// Looks at every bundle. The oldest may have lost those before it, which is how they leave; from there on the row must
/// be without a gap. A directory in which a daemon is writing is looked at again before it is called broken, with
/// pauses; so this is nothing for a thread that has other work.
///
/// # Errors
/// When the directory cannot be read.
pub fn verify(directory: &Path) -> Result<Verified, EvidenceError> {
    let mut looks = 1;
    loop {
        let before = (names(directory)?, Previous::told(directory));
        let verified = look(directory, &before.0, before.1.as_ref());
        let after = (names(directory)?, Previous::told(directory));
        let is_at_rest = before == after && !before.0.iter().any(|name| name.starts_with(UNDER_WAY));
        if verified.faults.is_empty() || is_at_rest || looks == LOOKS_MAX {
            return Ok(verified);
        }
        looks += 1;
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the command that asks has a thread of its own")]
fn pause() {
    thread::sleep(PAUSE);
}

fn look(directory: &Path, names: &[String], told: Option<&Previous>) -> Verified {
    let mut verified = Verified::default();
    let mut before: Option<(u64, Previous)> = None;
    for name in names {
        let path = directory.join(name);
        let Some(number) = number_of(name) else {
            if name != HEAD && !name.starts_with(UNDER_WAY) {
                verified.fault(&path, "is no bundle");
            }
            continue;
        };
        verified.bundles += 1;
        if let Some((last, _)) = before.as_ref().filter(|(last, _)| last + 1 != number) {
            verified.fault(&path, format!("follows number {last}: what was between them is gone"));
        }
        before = verified.bundle(&path, number, before.map(|(_, previous)| previous)).map(|it| (number, it));
    }
    let newest = before.map(|(_, newest)| newest);
    if told != newest.as_ref() {
        verified.fault(&directory.join(HEAD), "does not name the newest bundle as that is now");
    }
    verified
}

impl Verified {
    fn fault(&mut self, path: &Path, what: impl Into<String>) {
        self.faults.push((path.to_owned(), what.into()));
    }

    /// Looks at one bundle; gives what the next one must name.
    fn bundle(&mut self, path: &Path, number: u64, before: Option<Previous>) -> Option<Previous> {
        let place = path.join(MANIFEST);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.fault(&place, format!("cannot be read: {error}"));
                return None;
            }
        };
        self.files += 1;
        let bundle = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let here = Previous { bundle: bundle.clone(), sha256: digest(&bytes) };
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.fault(&place, format!("is no manifest: {error}"));
                return Some(here);
            }
        };
        if manifest.number != number || bundle != format!("{number:08}-{}", manifest.bundle) {
            self.fault(path, "has another name than its manifest says");
        }
        if let Some(before) = before.filter(|before| manifest.previous.as_ref() != Some(before)) {
            self.fault(&place, format!("does not go with the manifest of {} as that is now", before.bundle));
        }
        for file in &manifest.files {
            self.file(&path.join(&file.name), file);
        }
        let known: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        for name in names(path).unwrap_or_default() {
            if name != MANIFEST && !known.contains(name.as_str()) {
                self.fault(&path.join(name), "is not in the manifest");
            }
        }
        Some(here)
    }

    fn file(&mut self, path: &Path, file: &File) {
        match fs::read(path) {
            Ok(bytes) if digest(&bytes) == file.sha256 => self.files += 1,
            Ok(bytes) if bytes.len() as u64 == file.bytes => self.fault(path, "was changed"),
            Ok(bytes) => {
                self.fault(path, format!("was changed: {} bytes in place of {}", bytes.len(), file.bytes))
            }
            Err(error) => self.fault(path, format!("cannot be read: {error}")),
        }
    }
}
