//! What a bundle says of itself.

use std::{fs, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EvidenceError, HEAD, MANIFEST, failed};

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Its place in the row, counted from 1.
    pub(super) number: u64,
    pub(super) bundle: String,
    pub(super) channel: String,
    pub(super) incident: Option<String>,
    pub(super) at: Timestamp,
    pub(super) files: Vec<File>,
    /// The one before it; none for the first.
    pub(super) previous: Option<Previous>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The bundle before: its directory, and the SHA-256 of its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) bundle: String,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("texts and numbers are always JSON");
        bytes.push(b'\n');
        bytes
    }
}

impl File {
    pub(super) fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, sha256: digest(bytes) }
    }
}

impl Previous {
    pub(super) fn read(directory: &Path, bundle: &str) -> Result<Self, EvidenceError> {
        let path = directory.join(bundle).join(MANIFEST);
        let bytes = fs::read(&path).map_err(|why| failed("read", &path, why))?;
        Ok(Self { bundle: bundle.to_owned(), sha256: digest(&bytes) })
    }

    /// What the head names; none if there is no head that can be read.
    pub(super) fn told(directory: &Path) -> Option<Self> {
        fs::read(directory.join(HEAD)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }
}

/// A SHA-256 in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
