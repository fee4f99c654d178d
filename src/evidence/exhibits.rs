//! Reads bundles for who looks at them. A bundle is found by its name among those that lie there, and a file by its name
//! in the bundle's manifest: what somebody asks for never becomes a part of a path.

use std::{fs, path::Path};

use jiff::Timestamp;

use super::{EvidenceError, MANIFEST, failed, manifest::Manifest, name_of, names, number_of};

/// The largest file that is read, in bytes; a run leaves none so large.
const BYTES_MAX: u64 = 32 << 20;

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its name.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// When the channel's state changed.
    pub at: Timestamp,
    /// The names of its files.
    pub files: Vec<String>,
}

/// The bundles of these names that there are, in the order of the row.
///
/// # Errors
/// When the directory cannot be read.
pub fn named(directory: &Path, wanted: &[&str]) -> Result<Vec<Contents>, EvidenceError> {
    let rows = rows(directory)?;
    let found = rows.iter().filter(|row| wanted.contains(&name_of(row)));
    Ok(found.filter_map(|row| contents(directory, row)).collect())
}

/// The latest bundles of a channel, latest first, at most so many.
///
/// # Errors
/// When the directory cannot be read.
pub fn of_channel(directory: &Path, channel: &str, at_most: usize) -> Result<Vec<Contents>, EvidenceError> {
    let rows = rows(directory)?;
    let of_it = rows.iter().rev().filter(|row| is_of(name_of(row), channel));
    Ok(of_it.filter_map(|row| contents(directory, row)).take(at_most).collect())
}

/// A file of a bundle; none where there is no such bundle, or no such file in its manifest.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(directory: &Path, bundle: &str, file: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
    let rows = rows(directory)?;
    let Some(row) = rows.iter().find(|row| name_of(row) == bundle) else { return Ok(None) };
    let Some(found) = contents(directory, row) else { return Ok(None) };
    let Some(file) = found.files.iter().find(|name| *name == file).filter(|name| is_plain(name)) else {
        return Ok(None);
    };
    let path = directory.join(row).join(file);
    // No link is followed, wherever it has come from.
    let is_ours = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX);
    if !is_ours {
        return Ok(None);
    }
    fs::read(&path).map(Some).map_err(|why| failed("read", &path, why))
}

/// `20261126T101500Z-web-chat-dark`: the channel stands between the moment and the state.
fn is_of(bundle: &str, channel: &str) -> bool {
    let behind_moment = bundle.split_once('-').map(|(_, rest)| rest);
    behind_moment.and_then(|rest| rest.rsplit_once('-')).is_some_and(|(found, _)| found == channel)
}

/// A manifest that was changed names what it likes.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_@".contains(&byte))
}

fn rows(directory: &Path) -> Result<Vec<String>, EvidenceError> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    Ok(names(directory)?.into_iter().filter(|name| number_of(name).is_some()).collect())
}

/// What is in a bundle; none where its manifest cannot be read, or it has just left.
fn contents(directory: &Path, row: &str) -> Option<Contents> {
    let manifest = fs::read(directory.join(row).join(MANIFEST)).ok()?;
    let Manifest { bundle, channel, at, files, .. } = serde_json::from_slice(&manifest).ok()?;
    let files = files.into_iter().map(|file| file.name).collect();
    Some(Contents { name: bundle, channel, at, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Archive, Bundle, Durability, EvidencePlan};

    fn kept(directory: &Path) {
        let mut archive = Archive::open(EvidencePlan::in_directory(directory.to_owned())).unwrap();
        for (minute, channel) in [(1, "chat"), (2, "chat-2"), (3, "chat")] {
            let bundle = Bundle {
                name: format!("20261126T10{minute:02}00Z-{channel}-dark"),
                channel: channel.to_owned(),
                incident: None,
                at: "2026-11-26T10:00:00Z".parse().unwrap(),
                files: vec![("latest-answer.txt".to_owned(), (*b"<script>").into())],
            };
            archive.keep(&bundle, Durability::OnItsWay).unwrap();
        }
    }

    #[test]
    fn bundles_are_found_by_their_channel_and_by_their_name() {
        let directory = tempfile::tempdir().unwrap();
        kept(directory.path());
        let names = |found: Vec<Contents>| found.into_iter().map(|it| it.name).collect::<Vec<_>>();
        let of_chat = of_channel(directory.path(), "chat", 9).unwrap();
        assert_eq!(of_chat[0].files, ["latest-answer.txt"]);
        assert_eq!(names(of_chat), ["20261126T100300Z-chat-dark", "20261126T100100Z-chat-dark"]);
        assert_eq!(of_channel(directory.path(), "chat", 1).unwrap().len(), 1);
        let wanted = ["20261126T100200Z-chat-2-dark", "20261126T100900Z-chat-dark"];
        assert_eq!(names(named(directory.path(), &wanted).unwrap()), ["20261126T100200Z-chat-2-dark"]);
        assert_eq!(of_channel(&directory.path().join("none"), "chat", 9).unwrap(), []);
    }

    #[test]
    fn only_what_the_manifest_of_a_bundle_names_is_read() {
        let directory = tempfile::tempdir().unwrap();
        kept(directory.path());
        let bundle = "20261126T100100Z-chat-dark";
        let asked = |bundle: &str, file: &str| read(directory.path(), bundle, file).unwrap();
        assert_eq!(asked(bundle, "latest-answer.txt").as_deref(), Some(&b"<script>"[..]));
        let row = directory.path().join(format!("00000001-{bundle}"));
        fs::write(row.join("planted.txt"), "x").unwrap();
        for (bundle, file) in [
            (bundle, "planted.txt"),
            (bundle, "manifest.json"),
            (bundle, "../head.json"),
            (bundle, "/etc/hostname"),
            (bundle, ""),
            ("", "latest-answer.txt"),
            ("..", "head.json"),
            ("00000001-20261126T100100Z-chat-dark", "latest-answer.txt"),
        ] {
            assert_eq!(asked(bundle, file), None, "{bundle} {file}");
        }
        let file = row.join("latest-answer.txt");
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert_eq!(asked(bundle, "latest-answer.txt"), None, "a link is not followed");
        let manifest = row.join(MANIFEST);
        let changed = fs::read_to_string(&manifest).unwrap().replace("latest-answer.txt", "../head.json");
        fs::write(&manifest, changed).unwrap();
        assert_eq!(asked(bundle, "../head.json"), None, "nor a manifest that was changed");
    }
}
