//! Bundles are kept once, in a row, and what is done to them afterwards is found.

use super::{verify::verify, *};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The bundles of a directory.
fn bundles(evidence: &Path) -> Vec<String> {
    names(evidence).unwrap().into_iter().filter(|name| name != HEAD).collect()
}

fn plan(directory: &Path) -> EvidencePlan {
    EvidencePlan { directory: directory.join("evidence"), kept_for: 90 * DAY, bytes_max: 1 << 20 }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn bundle(name: &str, text: &str) -> Bundle {
    let files = vec![
        ("first-answer.txt".to_owned(), text.as_bytes().into()),
        ("first-screen.png".to_owned(), [0x89, b'P', 0, 255][..].into()),
    ];
    let (channel, incident) = ("web-chat".to_owned(), Some("20260131T120000Z-web-chat-1f3a".to_owned()));
    Bundle { name: name.to_owned(), channel, incident, at: at("2026-01-31T12:00:00Z"), files }
}

fn keep(archive: &mut Archive, name: &str, text: &str, now: &str) {
    archive.keep(&bundle(name, text), Durability::OnDisk).unwrap();
    archive.settle(Durability::OnDisk, at(now)).unwrap();
}

fn archive(directory: &Path, names: &[&str]) -> Archive {
    let mut archive = Archive::open(plan(directory)).unwrap();
    for name in names {
        keep(&mut archive, name, "a body of an answer", "2026-01-31T12:00:00Z");
    }
    archive
}

const THREE: [&str; 3] =
    ["20260131T100000Z-web-chat-dark", "20260131T110000Z-hotline-dark", "20260131T120000Z-web-chat-up"];

#[test]
fn bundles_stand_in_a_row_also_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), &THREE[..2]);
    archive(directory.path(), &THREE[2..]);
    let evidence = plan(directory.path()).directory;
    let expected = ["00000001-", "00000002-", "00000003-"]
        .iter()
        .zip(THREE)
        .map(|(number, name)| format!("{number}{name}"));
    assert_eq!(bundles(&evidence), expected.collect::<Vec<_>>());
    let verified = verify(&evidence).unwrap();
    assert_eq!((verified.bundles, verified.files), (3, 9));
    assert_eq!(verified.faults, []);
}

#[test]
fn the_first_bundle_of_a_name_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = archive(directory.path(), &THREE[..1]);
    keep(&mut archive, THREE[0], "something else", "2026-01-31T12:00:00Z");
    let evidence = plan(directory.path()).directory;
    let kept =
        fs::read_to_string(evidence.join(format!("00000001-{}", THREE[0])).join("first-answer.txt")).unwrap();
    assert_eq!(kept, "a body of an answer");
    assert_eq!(bundles(&evidence).len(), 1);
}

#[test]
fn one_changed_byte_is_found_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), &THREE);
    let evidence = plan(directory.path()).directory;
    let mut looked_at = 0;
    for bundle in bundles(&evidence) {
        for file in names(&evidence.join(&bundle)).unwrap() {
            let path = evidence.join(&bundle).join(&file);
            let before = fs::read(&path).unwrap();
            for place in 0..before.len() {
                let mut changed = before.clone();
                changed[place] ^= 1;
                fs::write(&path, &changed).unwrap();
                let faults = verify(&evidence).unwrap().faults;
                assert!(!faults.is_empty(), "byte {place} of {}", path.display());
                looked_at += 1;
            }
            fs::write(&path, before).unwrap();
        }
    }
    assert!(looked_at > 1_000);
    assert_eq!(verify(&evidence).unwrap().faults, []);
}

#[test]
fn what_is_taken_away_put_in_or_renamed_is_found() {
    for (what, tamper) in [
        (
            "is gone",
            (|evidence: &Path| fs::remove_dir_all(evidence.join(format!("00000002-{}", THREE[1]))).unwrap())
                as fn(&Path),
        ),
        ("cannot be read", |evidence| {
            fs::remove_file(evidence.join(format!("00000001-{}/first-screen.png", THREE[0]))).unwrap()
        }),
        ("is not in the manifest", |evidence| {
            fs::write(evidence.join(format!("00000001-{}/more.txt", THREE[0])), "x").unwrap()
        }),
        ("does not name the newest", |evidence| {
            fs::remove_dir_all(evidence.join(format!("00000003-{}", THREE[2]))).unwrap()
        }),
        ("is no bundle", |evidence| fs::create_dir(evidence.join("holiday")).unwrap()),
        ("has another name", |evidence| {
            fs::rename(
                evidence.join(format!("00000003-{}", THREE[2])),
                evidence.join("00000003-20260131T120000Z-web-chat-dark"),
            )
            .unwrap();
        }),
    ] {
        let directory = tempfile::tempdir().unwrap();
        archive(directory.path(), &THREE);
        let evidence = plan(directory.path()).directory;
        tamper(&evidence);
        let faults = verify(&evidence).unwrap().faults;
        assert!(faults.iter().any(|(_, fault)| fault.contains(what)), "{what}: {faults:?}");
    }
}

#[test]
fn old_bundles_leave_from_the_beginning_by_age_and_by_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut by_age = archive(directory.path(), &THREE);
    keep(&mut by_age, "20260501T120000Z-web-chat-dark", "x", "2026-05-01T12:00:00Z");
    let evidence = plan(directory.path()).directory;
    // 90 days before the first of May is the 31st of January, at noon.
    assert_eq!(
        bundles(&evidence),
        ["00000003-20260131T120000Z-web-chat-up", "00000004-20260501T120000Z-web-chat-dark"]
    );
    assert_eq!(verify(&evidence).unwrap().faults, []);

    let directory = tempfile::tempdir().unwrap();
    let mut by_size = Archive::open(EvidencePlan { bytes_max: 10_000, ..plan(directory.path()) }).unwrap();
    let large = "x".repeat(4_000);
    for second in 0..9 {
        let name = format!("20260131T12000{second}Z-web-chat-dark");
        keep(&mut by_size, &name, &large, "2026-01-31T12:00:00Z");
    }
    let evidence = plan(directory.path()).directory;
    assert_eq!(bundles(&evidence).len(), 2);
    assert_eq!(verify(&evidence).unwrap().faults, []);
}

#[test]
fn a_restart_does_not_cover_up_what_was_taken_away_or_changed() {
    for tamper in [
        (|newest: &Path| fs::remove_dir_all(newest).unwrap()) as fn(&Path),
        |newest| fs::write(newest.join(MANIFEST), "{}").unwrap(),
        |newest| fs::remove_file(newest.join(MANIFEST)).unwrap(),
    ] {
        let directory = tempfile::tempdir().unwrap();
        archive(directory.path(), &THREE);
        let evidence = plan(directory.path()).directory;
        tamper(&evidence.join(format!("00000003-{}", THREE[2])));
        archive(directory.path(), &[]);
        assert_ne!(verify(&evidence).unwrap().faults, []);
        archive(directory.path(), &["20260131T130000Z-web-chat-dark"]);
        assert_ne!(verify(&evidence).unwrap().faults, []);
        assert!(evidence.join("00000004-20260131T130000Z-web-chat-dark").exists());
    }
}

#[test]
fn a_disk_that_is_full_for_the_head_breaks_no_row() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = archive(directory.path(), &THREE[..1]);
    let evidence = plan(directory.path()).directory;
    // A directory in its place is as unwilling as a full disk.
    let head = evidence.join(HEAD);
    fs::remove_file(&head).unwrap();
    fs::create_dir(&head).unwrap();
    archive.keep(&bundle(THREE[1], "x"), Durability::OnDisk).unwrap();
    assert!(archive.settle(Durability::OnDisk, at("2026-01-31T12:00:00Z")).is_err());
    fs::remove_dir(&head).unwrap();
    keep(&mut archive, THREE[2], "x", "2026-01-31T12:00:00Z");
    assert_eq!(verify(&evidence).unwrap().faults, []);
}

#[tokio::test]
async fn an_archive_that_is_being_written_is_not_called_broken() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(EvidencePlan { bytes_max: 20_000, ..plan(directory.path()) }).unwrap();
    let evidence = plan(directory.path()).directory;
    keep(&mut archive, THREE[0], "x", "2026-01-31T12:00:00Z");
    let writing = tokio::task::spawn_blocking(move || {
        for number in 0..50 {
            keep(&mut archive, &format!("20260131T120000Z-web-chat-{number}"), "x", "2026-01-31T12:00:00Z");
        }
    });
    let mut looks = 0;
    while !writing.is_finished() {
        look_is_clean(&evidence);
        looks += 1;
    }
    writing.await.unwrap();
    look_is_clean(&evidence);
    assert!(looks > 0);
}

fn look_is_clean(evidence: &Path) {
    assert_eq!(verify(evidence).unwrap().faults, []);
}

#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), &THREE);
    let mode = fs::metadata(plan(directory.path()).directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn what_was_not_finished_is_taken_away_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), &THREE);
    let evidence = plan(directory.path()).directory;
    fs::create_dir(evidence.join(format!("{UNDER_WAY}00000004-x"))).unwrap();
    archive(directory.path(), &[]);
    assert_eq!(bundles(&evidence).len(), 3);
}
