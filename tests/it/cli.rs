//! The command line as people meet it: help, completions, the manual page, wrong usage.

use std::process::{Command, Output, Stdio};

use clap::{CommandFactory, ValueEnum};
use expect_test::expect_file;
use lamplighter::cli::Cli;

fn lamplighter(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(args)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn answer(args: &[&str]) -> String {
    let output = lamplighter(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    assert_eq!(stderr, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_explains_itself() {
    expect_file!["../golden/cli/lamplighter.txt"].assert_eq(&answer(&["--help"]));
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let golden = format!("{}/tests/golden/cli/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        expect_file![golden].assert_eq(&answer(&[name, "--help"]));
    }
}

#[test]
fn the_manual_page_is_made_from_the_same_definitions() {
    expect_file!["../golden/cli/lamplighter.1"].assert_eq(&answer(&["man"]));
}

#[test]
fn groff_has_nothing_to_say_about_the_manual_page() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), answer(&["man"])).unwrap();
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(file.path());
    let output = groff.output().expect("groff is in the Debian package groff-base");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn every_shell_gets_a_completion_script_that_knows_every_command() {
    for shell in clap_complete::Shell::value_variants() {
        let script = answer(&["completions", &shell.to_string()]);
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {} is missing", command.get_name());
        }
    }
}

#[test]
fn bash_completes_a_command_by_the_script() {
    let script = answer(&["completions", "bash"]);
    let complete = format!(
        "{script}\nCOMP_WORDS=(lamplighter chec); COMP_CWORD=1; _lamplighter lamplighter chec lamplighter\necho \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["--norc", "-c", &complete]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "check\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let pipe = "\"$0\" man | true; exit ${PIPESTATUS[0]}";
    let output = Command::new("bash").args(["-c", pipe, env!("CARGO_BIN_EXE_lamplighter")]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"");
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_there() {
    let wrong: [(&[&str], &str); 4] = [
        (&["chekc"], "'check'"),
        (&["completions", "tcsh"], "bash, elvish, fish, powershell, zsh"),
        (&["demo", "--listen", "everywhere"], "invalid socket address"),
        (&["probe"], "<CHANNEL[/PROBE]>"),
    ];
    for (args, said) in wrong {
        let output = lamplighter(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}
