//! What becomes of the configurations of other monitors: each fixture is imported by the real program, and what is
//! written passes `check`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clap::CommandFactory;
use expect_test::expect_file;
use lamplighter::{cli::Cli, config};
use tempfile::TempDir;

/// A desk on which the configuration of another monitor lies.
struct Desk(TempDir);

impl Desk {
    /// With the fixture of that name.
    fn with(fixture: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(fixture), desk.0.path());
        desk
    }

    /// With one file and nothing else.
    fn with_file(name: &str, text: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path(name), text).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.arg("import").args(args).current_dir(self.0.path());
        command.env("SMTP_PASSWORD", "password-of-the-mail").env("WIDGET_TOKEN", "token-of-the-widget");
        command.output().unwrap()
    }

    /// What has been written, without the name of the desk.
    fn written(&self) -> String {
        let written = fs::read_to_string(self.path("probes.toml")).unwrap();
        let here = self.0.path().canonicalize().unwrap();
        written.replace(here.to_str().unwrap(), "/there")
    }

    /// The secrets by the names of their files.
    fn secrets(&self) -> Vec<(String, String)> {
        let found = fs::read_dir(self.path("secrets")).into_iter().flatten().map(|entry| entry.unwrap());
        let mut secrets: Vec<(String, String)> = found
            .map(|entry| {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
                let secret = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), secret)
            })
            .collect();
        secrets.sort();
        secrets
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn said(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Imports a fixture: it is as the golden files have it, passes `check` with no warning but about doors of which nobody was
/// told there either, and holds none of the secrets, which lie beside it.
fn imports(fixture: &str, args: &[&str], secrets: usize) {
    let desk = Desk::with(fixture);
    let output = desk.import(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "something does not carry over: {said}");
    let golden =
        |ending: &str| format!("{}/tests/golden/import/{fixture}.{ending}", env!("CARGO_MANIFEST_DIR"));
    let written = desk.written();
    expect_file![golden("toml")].assert_eq(&written);
    let kept = desk.secrets();
    assert_eq!(kept.len(), secrets, "{kept:?}");
    for (name, secret) in &kept {
        assert!(!written.contains(secret) && !said.contains(secret), "{name}: {written}{said}");
        assert!(written.contains(&format!("\"secrets/{name}\"")), "{name} is named: {written}");
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    check.args(["check", "probes.toml"]).current_dir(desk.0.path());
    check.env("SMTP_PASSWORD", "password-of-the-mail").env("WIDGET_TOKEN", "token-of-the-widget");
    let checked = check.output().unwrap();
    let warned = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{warned}");
    let warnings = warned.lines().filter(|line| line.starts_with("warning")).collect::<Vec<_>>();
    assert!(warnings.iter().all(|line| line.contains("nobody is told")), "{warnings:#?}");
    expect_file![golden("txt")].assert_eq(&format!("{said}\nand then by `check`:\n\n{warned}"));
}

#[test]
fn modules_of_blackbox_exporter_are_imported_with_their_targets() {
    imports("blackbox", &["blackbox", "blackbox.yml", "prometheus.yml"], 4);
}

#[test]
fn a_configuration_of_gatus_is_imported() {
    imports("gatus", &["gatus", "config.yaml"], 4);
}

#[test]
fn a_backup_of_uptime_kuma_is_imported() {
    imports("uptime-kuma", &["uptime-kuma", "backup.json"], 6);
}

#[test]
fn what_carries_over_as_it_is_leaves_nothing_to_say() {
    let config =
        "endpoints: [{ name: help, url: 'https://help.example.com/', conditions: ['[STATUS] == 200'] }]";
    let desk = Desk::with_file("config.yaml", config);
    let output = desk.import(&["gatus", "config.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(said(&output), "probes.toml: 1 channel\n");
    let probe =
        "every = \"1m\"\nhttp = { url = \"https://help.example.com/\", expect = { status = [200] } }\n";
    assert!(desk.written().ends_with(probe), "{}", desk.written());
    assert!(!desk.path("secrets").exists());
}

/// What has become of a configuration of Gatus with this mail server, and one door whose people are told by it.
fn by_mail_of_gatus(server: &str) -> (Output, String) {
    let config = format!(
        "alerting: {{ email: {{ from: status@example.com, to: oncall@example.com, {server} }} }}\n\
         endpoints: [{{ name: help, url: 'https://help.example.com/', conditions: ['[STATUS] == 200'], alerts: [{{ type: email }}] }}]"
    );
    let desk = Desk::with_file("config.yaml", &config);
    let output = desk.import(&["gatus", "config.yaml"]);
    (output, desk.written())
}

#[test]
fn a_mail_server_that_variables_describe_is_left_out_and_said() {
    let password = "password: '${SMTP_PASSWORD}'";
    for (key, server) in [
        ("username", format!("host: mail.example.com, port: 465, username: '${{SMTP_USER}}', {password}")),
        ("port", format!("host: mail.example.com, port: '${{SMTP_PORT}}', {password}")),
        ("host", format!("host: mail.$DOMAIN, port: 465, {password}")),
    ] {
        let (output, written) = by_mail_of_gatus(&server);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = format!("what `{key}` says is in environment variables, so nobody is told by it");
        assert!(written.contains(&line), "{key}: {written}");
        assert!(!written.contains("[mail]") && !written.contains("team ="), "{key}: {written}");
    }
    let (_, written) = by_mail_of_gatus("host: mail.example.com, port: 465, username: a$$b, password: c");
    assert!(written.contains("username = \"a$b\""), "two dollars are one: {written}");
}

#[test]
fn that_mails_demand_starttls_is_said_of_servers_elsewhere_without_tls() {
    let line = "mails leave by STARTTLS or not at all";
    for (server, smtp, is_said) in [
        ("host: relay.example.com, port: 25", "smtp://relay.example.com:25", true),
        ("host: relay.example.com, port: 465", "smtps://relay.example.com:465", false),
        ("host: localhost, port: 25", "smtp+plain://localhost:25", false),
    ] {
        let (output, written) = by_mail_of_gatus(server);
        assert_eq!(output.status.code(), Some(i32::from(is_said)), "{server}: {output:?}");
        assert!(written.contains(&format!("smtp = \"{smtp}\"")), "{written}");
        assert_eq!(written.contains(line), is_said, "{server}: {written}");
    }
}

#[test]
fn a_user_name_without_a_password_is_said_and_not_shown() {
    let login = "logs in by a user name without a password";
    let url = "https://token-of-a-user@help.example.com/";
    let doors = format!(
        "endpoints: [{{ name: help, url: '{url}' }}, {{ name: shop, url: 'https://shop.example.com/' }}]"
    );
    let desk = Desk::with_file("config", &doors);
    let output = desk.import(&["gatus", "config"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let written = desk.written();
    assert!(written.contains(&format!("endpoint \"help\": it {login}")), "{written}");
    assert!(!written.contains("token-of-a-user") && !said(&output).contains("token-of-a-user"), "{written}");
    let monitor = r#"{"monitorList": [{
        "type": "http", "name": "help", "url": "https://help.example.com/", "basic_auth_user": "token-of-a-user"
    }]}"#;
    let desk = Desk::with_file("config", monitor);
    let output = desk.import(&["uptime-kuma", "config"]);
    assert_eq!(output.status.code(), Some(3), "nothing else is in it: {output:?}");
    let said = said(&output);
    assert!(said.contains(login) && !said.contains("token-of-a-user"), "{said}");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let desk = Desk::with("uptime-kuma");
    fs::write(desk.path("probes.toml"), "mine").unwrap();
    let output = desk.import(&["uptime-kuma", "backup.json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said(&output).contains("probes.toml is there already"), "{output:?}");
    assert_eq!(desk.written(), "mine");
    assert!(!desk.path("secrets").exists());
    // Nor a secret of an earlier import.
    assert_eq!(desk.import(&["uptime-kuma", "backup.json", "--output", "first.toml"]).status.code(), Some(1));
    let again = desk.import(&["uptime-kuma", "backup.json", "--output", "second.toml"]);
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    assert!(!desk.path("second.toml").exists());
}

#[test]
fn a_document_that_is_something_else_is_refused_and_nothing_is_written() {
    let wrong = [
        ("gatus", "", "failed to import"),
        ("gatus", "endpoints: [", "line "),
        ("gatus", "[1, 2]", "not a configuration of Gatus"),
        ("gatus", "endpoints: [{ name: line, url: 'tcp://sip.example.com:5060' }]", "nothing of Gatus"),
        ("uptime-kuma", "{}", "not a backup"),
        ("uptime-kuma", "{\"monitorList\": [1, null]}", "nothing of Uptime Kuma"),
        ("uptime-kuma", "secret-of-somebody", "failed to read config"),
    ];
    for (origin, text, why) in wrong {
        let desk = Desk::with_file("config", text);
        let output = desk.import(&[origin, "config"]);
        assert_eq!(output.status.code(), Some(3), "{text}: {output:?}");
        let said = said(&output);
        assert!(said.contains(why) && !said.contains("secret-of-somebody"), "{text}: {said}");
        assert!(!desk.path("probes.toml").exists() && !desk.path("secrets").exists(), "{text}");
    }
}

#[test]
fn a_document_that_swells_by_its_aliases_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    let nested = format!("endpoints: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("endpoints: [{}]", "{ name: a }, ".repeat(130_000));
    for text in [bomb, nested, wide] {
        let desk = Desk::with_file("config.yaml", &text);
        let output = desk.import(&["gatus", "config.yaml"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(said(&output).contains("it is not YAML that can be read"), "{output:?}");
    }
}

#[test]
fn the_docs_name_commands_that_there_are() {
    let pages = ["import", "operations"]
        .map(|page| fs::read_to_string(format!("{}/docs/{page}.md", env!("CARGO_MANIFEST_DIR"))).unwrap());
    let lines = pages.iter().flat_map(|page| page.lines()).map(str::trim);
    let commands: Vec<&str> = lines.filter(|line| line.starts_with("lamplighter ")).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        Cli::command().try_get_matches_from(command.split_whitespace()).unwrap();
    }
}

#[test]
fn hostile_names_stay_names() {
    let name = "\\\"]\\n[monitor]\\nlisten = \\\"0.0.0.0:1\\\" \\u001b[2J\\u202e # ' ";
    let config = format!(
        "endpoints:\n- {{ name: \"{name}\", url: 'https://a.example.com/\"]', conditions: ['[IP] == x'], headers: {{ X-A: \"{name}\" }} }}\n- {{ name: \"{name}\", url: 'https://b.example.com/', conditions: [\"[BODY] == {name}\", \"{name}\"] }}"
    );
    let desk = Desk::with_file("config.yaml", &config);
    let output = desk.import(&["gatus", "config.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let written = desk.written();
    assert!(!written.contains(['\u{1b}', '\u{202e}']) && !said(&output).contains('\u{1b}'), "{written:?}");
    let loaded = config::load(&desk.path("probes.toml")).unwrap();
    assert_eq!(
        loaded.plan.channels.len(),
        1,
        "the one whose header cannot be sent is not watched: {written}"
    );
    assert_eq!(loaded.plan.boot.listen.to_string(), "127.0.0.1:9899");
}
