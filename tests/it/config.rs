//! The configuration as an operator meets it: what is wrong is said in the exact words of the golden files beside the
//! fixtures, what is right is accepted by the loader and by the JSON Schema alike. `UPDATE_EXPECT=1` writes the golden
//! files anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use expect_test::expect_file;
use lamplighter::config::{self, Loaded, report::Paint, schema::schema};
use serde_json::Value;

use crate::loopback::certificates::Authority;

/// The variables that the shipped `probes.toml` and the examples of the documentation refer to.
const SHIPPED_SECRETS: [(&str, &str); 5] = [
    ("SMTP_PASSWORD", "a-password-of-some-length"),
    ("HOTLINE_API_KEY", "a-key-of-some-length"),
    ("AGENTS_API_TOKEN", "a-token-of-some-length"),
    ("SLACK_WEBHOOK", "https://hooks.slack.example/services/T000/B000/XXXX"),
    ("PAGERDUTY_ROUTING_KEY", "a-key-of-some-length"),
];

/// Every fixture of a directory: its files, and the `probes.toml` of its subdirectories.
fn fixtures(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter_map(|path| match path.is_dir() {
            true => Some(path.join("probes.toml")).filter(|path| path.is_file()),
            false => Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "toml")),
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no fixtures in {directory}");
    found
}

/// The golden file of a fixture, beside it or beside its directory.
fn golden(fixture: &Path) -> PathBuf {
    let beside = if fixture.ends_with("probes.toml") { fixture.parent().unwrap() } else { fixture };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(beside.with_extension("expected"))
}

/// Runs the real program from the top of the repository.
fn lamplighter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(arguments)
        .envs(SHIPPED_SECRETS)
        .env_remove("CREDENTIALS_DIRECTORY")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn as_json(toml: &str) -> Value {
    toml::from_str(toml).unwrap()
}

/// What the schema has against a document.
fn complaints(document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_mistake_is_named_with_its_place_and_its_cure() {
    for fixture in fixtures("tests/configs/bad") {
        let problems = config::load(&fixture).expect_err(&format!("{} is bad", fixture.display()));
        expect_file![golden(&fixture)].assert_eq(&format!("{}\n", problems.report.render(Paint::Plain)));
        assert_eq!(
            problems.report.lines().count(),
            problems.report.errors() + problems.report.warnings(),
            "the log says as much as the report"
        );
    }
}

#[test]
fn ten_different_mistakes_in_one_file_are_all_reported() {
    let problems = config::load(Path::new("tests/configs/bad/everything.toml")).unwrap_err();
    assert!(problems.report.errors() >= 10, "{}", problems.report);
}

#[test]
fn what_may_not_be_meant_is_warned_of() {
    for fixture in fixtures("tests/configs/warned") {
        let Loaded { warnings, .. } = config::load(&fixture).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(warnings.errors(), 0);
        expect_file![golden(&fixture)].assert_eq(&format!("{}\n", warnings.render(Paint::Plain)));
    }
}

#[test]
fn what_is_right_is_accepted_without_a_warning_and_by_the_schema() {
    for fixture in fixtures("tests/configs/good") {
        let Loaded { warnings, .. } = config::load(&fixture).unwrap_or_else(|problems| panic!("{problems}"));
        let about_teams = warnings.lines().filter(|line| line.contains("nobody is told")).count();
        assert_eq!(warnings.warnings(), about_teams, "{warnings}");
        let document = as_json(&fs::read_to_string(&fixture).unwrap());
        assert_eq!(complaints(&document), Vec::<String>::new(), "{}", fixture.display());
    }
}

#[test]
fn no_literal_secret_is_shown_even_by_the_report_that_refuses_it() {
    for fixture in fixtures("tests/configs/bad") {
        let problems = config::load(&fixture).unwrap_err();
        let logged: String = problems.report.lines().collect();
        for text in [problems.report.render(Paint::Plain), problems.report.render(Paint::Coloured), logged] {
            let secrets = ["hunter2", "1333333"];
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}: {text}", fixture.display());
        }
    }
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_before_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large.toml");
    // A sparse file: it has the size and costs nothing.
    fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let including = directory.path().join("probes.toml");
    fs::write(&including, "include = [\"large.toml\"]\n").unwrap();
    let said = |path: &Path| {
        let report = config::load(path).unwrap_err().report.render(Paint::Plain);
        format!("{report}\n").replace(directory.path().to_str().unwrap(), "DIRECTORY")
    };
    expect_file!["../configs/bad/large.expected"].assert_eq(&said(&large));
    expect_file!["../configs/bad/large_included.expected"].assert_eq(&said(&including));
}

#[test]
fn every_problem_and_every_warning_says_what_would_be_right() {
    let mut count = 0;
    for directory in ["tests/configs/bad", "tests/configs/warned"] {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "expected") {
                continue;
            }
            let golden = fs::read_to_string(&path).unwrap();
            for finding in golden.split("\n\n") {
                count += 1;
                assert!(finding.contains("= help: "), "{}:\n{finding}", path.display());
            }
        }
    }
    assert!(count > 150, "{count} findings");
}

#[test]
fn a_missing_file_leads_to_the_demonstration() {
    let output = lamplighter(&["check", "no-such-file.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no-such-file.toml") && said.contains("lamplighter demo"), "{said}");
}

#[test]
fn something_that_is_not_a_file_is_refused() {
    for path in ["tests/configs", "/dev/zero"] {
        let problems = config::load(Path::new(path)).unwrap_err();
        assert!(problems.to_string().contains("it is not a file"), "{problems}");
    }
}

#[test]
fn check_counts_the_problems_and_says_no() {
    let output = lamplighter(&["check", "tests/configs/bad/unknown_team.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "the answer is no, there is no summary");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("\n2 problems found\n"), "{said}");
    assert!(!said.contains('\u{1b}'), "colours are for terminals: {said:?}");
}

#[test]
fn check_sums_up_the_shipped_configuration() {
    let output = lamplighter(&["check"]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "no warning");
    assert_eq!(output.status.code(), Some(0));
    expect_file!["../golden/cli/check-in-order.txt"].assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn the_shipped_configuration_fits_the_schema_and_names_it() {
    let shipped = fs::read_to_string("probes.toml").unwrap();
    assert!(shipped.starts_with("#:schema docs/probes.schema.json\n"));
    assert_eq!(complaints(&as_json(&shipped)), Vec::<String>::new());
}

#[test]
fn what_is_included_and_what_the_demo_works_by_fit_the_schema() {
    let included =
        ["team.toml", "channels/mail.toml"].map(|file| format!("tests/configs/good/included/{file}"));
    for file in included {
        let document = as_json(&fs::read_to_string(&file).unwrap());
        assert_eq!(complaints(&document), Vec::<String>::new(), "{file}");
    }
    // As the demo fills it in: with addresses on loopback.
    let mut demo = fs::read_to_string("src/cli/demo/probes.toml").unwrap();
    for place in ["{SHOP}", "{HOTLINE}", "{FORM}", "{PAGE}"] {
        assert!(demo.contains(place), "{place}");
        demo = demo.replace(place, "http://127.0.0.1:8080");
    }
    demo += &fs::read_to_string("src/cli/demo/probes-browser.toml")
        .unwrap()
        .replace("{SHOP}", "http://127.0.0.1:8080");
    demo = demo.replace("{SMTP}", "127.0.0.1:2525").replace("{STORE}", "/tmp/lamplighter.db");
    assert_eq!(complaints(&as_json(&demo)), Vec::<String>::new());
}

#[test]
fn the_shipped_schema_is_that_of_the_types() {
    expect_file!["../../docs/probes.schema.json"].assert_eq(&schema());
    let output = lamplighter(&["schema"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), schema());
}

#[test]
fn the_schema_describes_every_key() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut bare = Vec::new();
    keys_without_description(&schema, "", &mut bare);
    let types = schema["$defs"].as_object().unwrap().iter();
    bare.extend(types.filter(|(_, of)| of["description"].is_null()).map(|(name, _)| name.clone()));
    assert_eq!(bare, Vec::<String>::new());
}

/// Collects the properties that say nothing about themselves, neither where they stand nor in what they refer to.
fn keys_without_description(node: &Value, place: &str, bare: &mut Vec<String>) {
    if let Some(properties) = node.get("properties").and_then(Value::as_object) {
        for (key, property) in properties {
            if property.get("description").is_none() {
                bare.push(format!("{place}/{key}"));
            }
        }
    }
    match node {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(key, inner)| keys_without_description(inner, &format!("{place}/{key}"), bare));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys_without_description(inner, place, bare)),
        _ => {}
    }
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    for (toml, why) in [
        ("monitr = 1", "an unknown table"),
        ("[monitor]\nlisten = 1", "a wrong type"),
        ("[mail]\nfrom = \"a@example.com\"", "a missing key"),
        (
            "[mail]\nfrom = \"a@example.com\"\nsmtp = \"smtps://m\"\npassword = \"literal\"",
            "a literal secret",
        ),
        ("[channel.Web]\nkind = \"chat\"", "a bad id"),
        ("[channel.web]\nkind = \"shop\"\nprobe = {}", "an unknown kind"),
        ("[channel.web]\nkind = \"chat\"\nprobe.a = { every = \"30s\" }", "a probe without a kind"),
    ] {
        assert!(!complaints(&as_json(toml)).is_empty(), "{why} is accepted: {toml}");
    }
}

/// The fenced blocks of a page that are marked as TOML.
fn toml_blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("toml\n"))
}

#[test]
fn every_example_of_the_docs_is_a_whole_configuration_that_loads() {
    let pages = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain([PathBuf::from("README.md")]).filter(|path| path.is_file());
    let mut count = 0;
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        for block in toml_blocks(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("probes.toml");
            fs::write(&path, block).unwrap();
            let output = lamplighter(&["check", path.to_str().unwrap()]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "an example of {} is wrong:\n{said}", page.display());
            assert_eq!(complaints(&as_json(block)), Vec::<String>::new(), "{}:\n{block}", page.display());
        }
    }
    assert!(count > 0, "docs/configuration.md has examples");
}

#[test]
fn a_probe_keeps_its_fingerprint_until_what_it_does_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("probes.toml");
    let fingerprint = |probe: &str, secret: &str| {
        fs::write(directory.path().join("secret"), secret).unwrap();
        fs::write(&path, format!("[channel.web]\nkind = \"chat\"\n[channel.web.probe.look]\n{probe}\n"))
            .unwrap();
        let plan = config::load(&path).unwrap_or_else(|problems| panic!("{problems}")).plan;
        plan.channels.values().next().unwrap().probes.values().next().unwrap().fingerprint
    };
    let plain =
        fingerprint("http = { url = \"https://a.example.com/\", bearer = { file = \"secret\" } }", "first");
    let rewritten =
        "# the same\n[channel.web.probe.look.http]\nbearer.file = 'secret'\nurl = 'https://a.example.com/'";
    assert_eq!(fingerprint(rewritten, "second"), plain, "layout and the secret's value do not matter");
    for changed in [
        "http = { url = \"https://b.example.com/\", bearer = { file = \"secret\" } }",
        "every = \"31s\"\nhttp = { url = \"https://a.example.com/\", bearer = { file = \"secret\" } }",
        "http = { url = \"https://a.example.com/\", bearer = { file = \"secret\" }, redirects = false }",
    ] {
        assert_ne!(fingerprint(changed, "first"), plain, "{changed}");
    }
}

#[test]
fn every_file_that_matters_is_watched() {
    let Loaded { sources, .. } = config::load(Path::new("tests/configs/good/full.toml")).unwrap();
    for expected in [
        "full.toml",
        "secret",
        "included/team.toml",
        "included/channels/mail.toml",
        "included/channels",
        "/etc/resolv.conf",
        "/etc/hosts",
    ] {
        let expected = Path::new("tests/configs/good").join(expected);
        assert!(sources.contains(&expected), "{} is not among {sources:?}", expected.display());
    }
    let problems = config::load(Path::new("tests/configs/bad/unreadable_secrets.toml")).unwrap_err();
    let missing = Path::new("tests/configs/bad/no_such_secret").to_owned();
    assert!(problems.sources.contains(&missing), "a file that appears later mends the configuration");
}

#[test]
fn the_plan_says_what_the_file_says() {
    let Loaded { plan, .. } = config::load(Path::new("tests/configs/good/full.toml")).unwrap();
    assert_eq!(plan.boot.location.as_str(), "fra-1");
    assert_eq!(plan.boot.listen, "[::1]:9899".parse().unwrap());
    assert_eq!(plan.boot.store, Path::new("/var/lib/lamplighter/lamplighter.db"));
    assert_eq!((plan.runs_max, plan.runs_per_host_max), (500, 10));
    assert_eq!(plan.network.mail_after.as_secs(), 300);
    let sentinels: Vec<String> = plan
        .network
        .sentinels
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {:?}/{:?}",
                one.name,
                one.kind.as_str(),
                one.sentinel.target(),
                one.every,
                one.timeout
            )
        })
        .collect();
    assert_eq!(
        sentinels,
        [
            "names resolver example.com 10s/3s",
            "router gateway 10.0.0.1:53 5s/2s",
            "far address 192.0.2.7:443 5s/2s",
            "other address [2001:db8::7]:443 5s/2s",
        ]
    );
    let mail = plan.mail.unwrap();
    assert_eq!((mail.host.as_str(), mail.port), ("mail.example.com", 2525));
    let (user, password) = mail.credentials.unwrap();
    assert_eq!((user.as_str(), password.expose()), ("lamplighter", "a-secret-of-some-length"));
    let channels: Vec<&str> = plan.channels.keys().map(|id| id.as_str()).collect();
    assert_eq!(channels, ["crm", "mailbox", "web-chat"]);
    let chat = plan.channels.values().last().unwrap();
    assert_eq!((chat.rules.dark_after.count, chat.rules.dark_after.of), (2, 2));
    assert_eq!((chat.rules.up_after.count, chat.rules.up_after.of), (1, 1));
    assert!(chat.rules.alert_on_degraded);
    let launcher = chat.probes.values().find(|probe| probe.key.probe.as_str() == "launcher").unwrap();
    assert_eq!(launcher.every.as_millis(), 500);
    assert_eq!(launcher.timeout.as_millis(), 400);
    assert_eq!(launcher.recheck.unwrap().as_millis(), 100);
    assert_eq!(launcher.redactor.redact("it said a-secret-of-some-length!"), "it said ***!");
    let customer = chat.probes.values().find(|probe| probe.key.probe.as_str() == "customer").unwrap();
    assert_eq!(customer.redactor.redact("typed a-secret-of-some-length"), "typed ***", "it is typed");
    let mailbox = &plan.channels[&lamplighter::domain::channel::ChannelId::new("mailbox")];
    assert_eq!((mailbox.rules.dark_after.count, mailbox.rules.dark_after.of), (2, 3), "from [defaults]");
    assert_eq!(mailbox.probes.values().next().unwrap().every.as_secs(), 90, "from [defaults]");
}

#[test]
fn a_window_is_as_long_as_the_waits_that_it_must_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("probes.toml");
    for (every, window) in [("5m", 60), ("15m", 60), ("1h", 4 * 60), ("6h", 24 * 60)] {
        let text = format!(
            "[channel.chat]\nkind = \"chat\"\nwaiting = {{ industry = \"ecommerce\" }}\n\
             [channel.chat.probe.person]\nevery = \"{every}\"\n\
             chat.websocket.http.url = \"https://chat.example.com/\"\n\
             chat.signs = {{ person = [{{ contains = \"joined\" }}] }}\n\
             chat.steps = [{{ name = \"person\", say = \"human\", from = \"person\" }}]\n"
        );
        fs::write(&path, text).unwrap();
        let Loaded { plan, .. } = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let rule = plan.channels.values().next().unwrap().rules.waiting.unwrap();
        assert_eq!(rule.window.as_secs() / 60, window, "a run every {every}");
    }
}

#[test]
fn a_renewed_certificate_in_the_same_place_makes_another_mail_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("probes.toml");
    let text = "[mail]\nfrom = \"lamp@example.com\"\nsmtp = \"smtps://mail.example.com\"\nroot_ca = \"ca.pem\"\n\
                [channel.web]\nkind = \"chat\"\nprobe.look.http = { url = \"https://a.example.com/\" }\n";
    fs::write(&path, text).unwrap();
    let server = |certificate: &str| {
        fs::write(directory.path().join("ca.pem"), certificate).unwrap();
        config::load(&path).unwrap_or_else(|problems| panic!("{problems}")).plan.mail.unwrap()
    };
    let (old, new) = (Authority::new().pem(), Authority::new().pem());
    assert_eq!(server(&old), server(&old));
    assert_ne!(server(&old), server(&new));
}
