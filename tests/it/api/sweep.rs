//! `schemathesis` against the running program.

use std::process::Output;

use tokio::process::Command;

use super::{TOKEN, daemon, silent};
use crate::running::Target;

/// Where `tests/run` installs it.
const SCHEMATHESIS: &str = "target/venv/schemathesis/bin/schemathesis";

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    let directory = tempfile::tempdir().unwrap();
    let program = std::path::absolute(SCHEMATHESIS).unwrap();
    assert!(program.exists(), "{SCHEMATHESIS} is missing; tests/run installs it");
    let config = std::path::absolute("tests/requirements/schemathesis.toml").unwrap();
    let mut sweep = Command::new(program);
    sweep
        .arg("--config-file")
        .arg(config)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", running.url))
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .current_dir(directory.path())
        .kill_on_drop(true);
    let Output { status, stdout, stderr } = sweep.output().await.unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{said}");
    assert!(status.success(), "{said}\n{complaint}");
    assert!(
        running.has_event(&["told by the API", "everything", "maintenance", "done"]),
        "what is asked for as it should be is done: {}",
        running.log()
    );
    assert_eq!(reqwest::get(format!("{}/readyz", running.url)).await.unwrap().status(), 200);
}
