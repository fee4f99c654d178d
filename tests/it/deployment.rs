//! What is shipped to bring Lamplighter into service. The unit is judged by systemd, the package lives its life in a clean
//! Debian; what would need a container engine or a cluster is read by the linter of its format.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clap::CommandFactory;
use lamplighter::{cli::Cli, config};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::running::{Running, Target, until, write_config};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program of the Debian package or of the linters that `tests/run` installs; gives what it says if it is content.
fn content(program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(args).current_dir(root()).output();
    let output =
        output.unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", program.display()));
    let said = said(&output);
    assert!(output.status.success(), "{} {args:?}:\n{said}", program.display());
    said
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said)).concat()
}

fn linter(name: &str) -> PathBuf {
    root().join("target/venv/linters/bin").join(name)
}

/// A root directory with the unit in it, for systemd to look at, and with the drop-in for Chromium if asked for.
fn with_the_unit(unit: &str, drop_in: Option<&str>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let units = directory.path().join("etc/systemd/system");
    fs::create_dir_all(units.join("lamplighter.service.d")).unwrap();
    fs::write(units.join("lamplighter.service"), unit).unwrap();
    if let Some(drop_in) = drop_in {
        fs::write(units.join("lamplighter.service.d/browser.conf"), drop_in).unwrap();
    }
    directory
}

/// How exposed systemd finds the unit: 0 shut off from everything, 10 from nothing.
fn exposure(drop_in: Option<&str>) -> f64 {
    let directory = with_the_unit(&shipped("deploy/lamplighter.service"), drop_in);
    let at = format!("--root={}", directory.path().display());
    let said = content("systemd-analyze", &["security", "--offline=true", &at, "lamplighter.service"]);
    let level = said.split_once("Overall exposure level for lamplighter.service: ").expect(&said).1;
    level.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_unit_is_shut_off_as_far_as_the_docs_say() {
    let core = exposure(None);
    let browser = exposure(Some(&shipped("deploy/lamplighter-browser.conf")));
    assert!(core <= 1.5 && core < browser && browser <= 2.0, "{core} {browser}");
    let page = shipped("docs/operations.md");
    let sentence = format!("gives the unit {core}, and {browser} with the drop-in");
    assert!(page.contains(&sentence), "docs/operations.md does not say: {sentence}");
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    // The program is not installed here.
    let unit = shipped("deploy/lamplighter.service").replace("/usr/bin/lamplighter", "/bin/true");
    let drop_in = shipped("deploy/lamplighter-browser.conf");
    for drop_in in [None, Some(&*drop_in)] {
        let directory = with_the_unit(&unit, drop_in);
        let units = directory.path().join("etc/systemd/system");
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "lamplighter.service"]);
        verify.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()));
        let output = verify.output().unwrap();
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    }
}

/// The system calls of a group of systemd, such as `@system-service`, with those of the groups in it.
fn group(name: &str) -> BTreeSet<String> {
    let listed = content("systemd-analyze", &["syscall-filter", "--no-pager", name]);
    let members =
        listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let all = members.flat_map(|member| match member.starts_with('@') {
        true => group(member),
        false => BTreeSet::from([member.to_owned()]),
    });
    all.collect()
}

#[tokio::test]
async fn the_unit_forbids_no_system_call_that_the_daemon_makes() {
    let unit = shipped("deploy/lamplighter.service");
    let mut allowed = BTreeSet::new();
    for words in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (is_forbidden, words) = words.strip_prefix('~').map_or((false, words), |words| (true, words));
        for call in words.split(' ').flat_map(group) {
            if is_forbidden {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    // Where it runs as root, which the unit does not, SQLite gives its files to the owner of the first.
    allowed.insert("fchown".to_owned());

    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    let look =
        format!("every = \"100ms\"\ntimeout = \"100ms\"\nhttp = {{ url = \"http://{}/\" }}", target.address);
    let text = format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n[channel.web]\nkind = \"chat\"\n[channel.web.probe.look]\n{look}"
    );
    write_config(directory.path(), &text);
    let (calls, program) = (directory.path().join("calls"), env!("CARGO_BIN_EXE_lamplighter"));
    let mut traced = tokio::process::Command::new("strace");
    // As a grandchild, so that the signal that ends the daemon is not for strace.
    traced.args(["-D", "-f", "-c", "-U", "name", "-o"]).arg(&calls);
    traced.args([program, "run", "--log-format", "json"]).current_dir(directory.path());
    let mut daemon = Running::start_by(traced, directory).await;
    until("ten answers", || async { target.answered() > 10 }).await;
    assert!(daemon.get("/metrics").await.contains("support_channel_up"));
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended().await.success());
    let is_call = |line: &str| {
        !["syscall", "total"].contains(&line)
            && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let counted = || fs::read_to_string(&calls).unwrap_or_default();
    until("the calls that were counted", || async { counted().contains("epoll_wait") }).await;
    let made: BTreeSet<String> =
        counted().lines().map(str::trim).filter(|line| is_call(line)).map(str::to_owned).collect();
    let forbidden: Vec<&String> = made.difference(&allowed).collect();
    assert!(made.len() > 20 && forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn every_configuration_that_is_shipped_is_in_order() {
    for path in [
        "deploy/debian/probes.toml",
        "deploy/docker/probes.toml",
        "deploy/compose/lamplighter/probes.toml",
        "deploy/kubernetes/base/probes.toml",
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("smtp-password"), "password-of-the-mail").unwrap();
        fs::write(directory.path().join("api-token"), "0123456789abcdef0123456789abcdef").unwrap();
        let text = shipped(path);
        let here = directory.path().to_str().unwrap();
        let text = text.replace("/run/secrets/lamplighter", here).replace("/run/secrets", here);
        fs::write(directory.path().join("probes.toml"), text).unwrap();
        let loaded = config::load(&directory.path().join("probes.toml"));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{path}:\n{problems}"));
        // Those that watch nothing but themselves tell nobody.
        let warnings: Vec<String> = loaded.warnings.lines().collect();
        let of_itself = "nobody is told when the channel `itself` goes dark";
        assert!(warnings.iter().all(|warning| warning.contains(of_itself)), "{path}: {warnings:?}");
        assert_eq!(loaded.plan.boot.store, Path::new("/var/lib/lamplighter/lamplighter.db"), "{path}");
    }
}

#[test]
fn hadolint_has_nothing_to_say_about_the_image() {
    assert_eq!(content(linter("hadolint"), &["deploy/docker/Dockerfile"]), "");
}

#[test]
fn both_images_run_without_rights() {
    let file = shipped("deploy/docker/Dockerfile");
    let stages: Vec<&str> = file.split("\nFROM ").skip(1).collect();
    assert_eq!(stages.len(), 3);
    for stage in &stages[1..] {
        assert!(
            stage.contains("USER 65532:65532\n") && stage.contains("VOLUME /var/lib/lamplighter\n"),
            "{stage}"
        );
    }
    // All that the build reads goes to the builder.
    let ignored = shipped("deploy/docker/Dockerfile.dockerignore");
    for path in ["Cargo.toml", "Cargo.lock", "src", "benches", "deploy/docker/probes.toml"] {
        assert!(root().join(path).exists() && ignored.contains(&format!("\n!{path}\n")), "{path}");
    }
}

#[test]
fn compose_and_what_it_starts_are_configured_well() {
    content("docker-compose", &["--file", "deploy/compose/compose.yaml", "config", "--quiet"]);
    content("promtool", &["check", "config", "--syntax-only", "deploy/compose/prometheus/prometheus.yml"]);
    content("amtool", &["check-config", "deploy/compose/alertmanager/alertmanager.yml"]);
    let compose = yaml("deploy/compose/compose.yaml");
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        let ports = service["ports"].as_array().unwrap();
        assert!(
            ports.iter().all(|port| port.as_str().unwrap().starts_with("127.0.0.1:")),
            "{name}: {ports:?}"
        );
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
    }
    // Each looks for the others by their names.
    for (path, host) in [
        ("deploy/compose/prometheus/prometheus.yml", "lamplighter:9899"),
        ("deploy/compose/prometheus/prometheus.yml", "alertmanager:9093"),
        ("deploy/compose/lamplighter/probes.toml", "http://alertmanager:9093"),
        ("deploy/compose/grafana/provisioning/datasources/prometheus.yml", "http://prometheus:9090"),
    ] {
        assert!(shipped(path).contains(host), "{path}: {host}");
    }
}

/// The mounts of a service of compose: the source, the target, and whether it is only read.
fn mounts(service: &Value) -> Vec<(String, String, bool)> {
    let volumes = service["volumes"].as_array().unwrap().iter().map(|volume| volume.as_str().unwrap());
    let split = |volume: &str| {
        let parts: Vec<&str> = volume.split(':').collect();
        (parts[0].to_owned(), parts[1].to_owned(), parts.get(2) == Some(&"ro"))
    };
    volumes.map(split).collect()
}

#[test]
fn nothing_is_mounted_into_what_is_only_read_and_prometheus_finds_its_rules() {
    let compose = yaml("deploy/compose/compose.yaml");
    for (name, service) in compose["services"].as_object().unwrap() {
        let mounts = mounts(service);
        for (_, outer, _) in mounts.iter().filter(|(.., is_read_only)| *is_read_only) {
            let inner = mounts.iter().find(|(_, target, _)| target.starts_with(&format!("{outer}/")));
            assert_eq!(inner, None, "{name}: {outer}");
        }
    }
    let mounts = mounts(&compose["services"]["prometheus"]);
    let config = yaml("deploy/compose/prometheus/prometheus.yml");
    for file in config["rule_files"].as_array().unwrap() {
        let file = Path::new(file.as_str().unwrap());
        let (source, ..) = mounts.iter().find(|(_, target, _)| file.starts_with(target)).unwrap();
        let there = root().join("deploy/compose").join(source).join(file.file_name().unwrap());
        assert!(there.is_file(), "{}", there.display());
    }
}

#[test]
fn what_is_built_for_others_knows_its_revision() {
    let file = shipped("deploy/docker/Dockerfile");
    let (before, after) = file.split_once("RUN cargo build").unwrap();
    for line in ["\nARG LAMPLIGHTER_REVISION=unknown\n", "\nENV LAMPLIGHTER_REVISION=$LAMPLIGHTER_REVISION\n"]
    {
        assert!(before.contains(line) && !after.contains(line), "{line}");
    }
    let compose = yaml("deploy/compose/compose.yaml");
    let handed_over = &compose["services"]["lamplighter"]["build"]["args"]["LAMPLIGHTER_REVISION"];
    assert_eq!(handed_over, "${LAMPLIGHTER_REVISION:-unknown}");
    let package = shipped("deploy/debian/package");
    let before = package.split_once("cargo build").unwrap().0;
    assert!(before.contains("git rev-parse HEAD") && before.contains("export LAMPLIGHTER_REVISION="));
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&shipped(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_manifests_fit_the_schemas_of_kubernetes() {
    let mut validated = BTreeSet::new();
    for overlay in ["base", "browser", "prometheus-operator"] {
        let directory = format!("deploy/kubernetes/{overlay}");
        let kustomization = yaml(&format!("{directory}/kustomization.yaml"));
        let named = kustomization["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        for name in named.filter(|name| *name != "../base") {
            let file = format!("{directory}/{name}");
            // Of a resource that an operator brings there is no schema.
            if name != "podmonitor.yaml" {
                content(linter("kubernetes-validate"), &["--strict", "-k", "1.32", &file]);
            }
            validated.insert(file);
        }
        let there = fs::read_dir(root().join(&directory)).unwrap().map(|entry| entry.unwrap().path());
        let there = there.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        for path in there.filter(|path| !path.ends_with("kustomization.yaml")) {
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            assert!(validated.contains(&file), "no kustomization names {file}");
        }
    }
}

#[test]
fn the_manifests_agree_with_each_other() {
    let stateful = yaml("deploy/kubernetes/base/statefulset.yaml");
    let pod = &stateful["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let (labels, port) = (&stateful["spec"]["template"]["metadata"]["labels"], &container["ports"][0]);
    assert_eq!(stateful["spec"]["replicas"], 1);
    assert_eq!(port["containerPort"], 9899);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], port["name"], "{probe}");
    }
    let service = yaml("deploy/kubernetes/base/service.yaml");
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let policy = yaml("deploy/kubernetes/base/networkpolicy.yaml");
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], port["name"]);
    // Of the addresses of its own link it reaches the one where many clusters resolve names, and for that alone.
    let [anywhere, names] = [0, 1].map(|rule| &policy["spec"]["egress"][rule]);
    assert_eq!(anywhere["to"][0]["ipBlock"]["except"], serde_json::json!(["169.254.0.0/16"]));
    assert_eq!(names["to"][0]["ipBlock"]["cidr"], "169.254.20.10/32");
    assert!(names["ports"].as_array().unwrap().iter().all(|port| port["port"] == 53), "{names}");
    let monitor = yaml("deploy/kubernetes/prometheus-operator/podmonitor.yaml");
    assert_eq!(&monitor["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], port["name"]);
    // The rules ask for a job of this name, which is otherwise that of the namespace and the PodMonitor.
    assert_eq!(labels[monitor["spec"]["jobLabel"].as_str().unwrap()], "lamplighter");
    // The Operator puts the token into a header as it is.
    let commands = shipped("deploy/kubernetes/base/kustomization.yaml");
    let made = commands.lines().find(|line| line.contains("> api-token")).unwrap();
    assert!(made.contains(r"| tr -d '\n' > api-token"), "{made}");
    // A reload needs a ConfigMap that keeps its name, in a volume that is swapped.
    let kustomization = yaml("deploy/kubernetes/base/kustomization.yaml");
    assert_eq!(kustomization["generatorOptions"]["disableNameSuffixHash"], true);
    assert_eq!(kustomization["configMapGenerator"][0]["name"], pod["volumes"][0]["configMap"]["name"]);
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["subPath"].is_null()), "{mounts:?}");
    // What the overlay for Chromium replaces is where it thinks.
    assert!(container["resources"].is_object() && pod["volumes"][2]["emptyDir"].is_object(), "{pod}");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
}

#[test]
fn every_alert_has_its_row_in_the_docs() {
    let rules = glob::glob(root().join("deploy/**/*rules.yml").to_str().unwrap()).unwrap();
    let rules: String = rules.map(|path| fs::read_to_string(path.unwrap()).unwrap()).collect();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    let page = shipped("docs/operations.md");
    let missing: Vec<&&str> =
        alerts.iter().filter(|alert| !page.contains(&format!("| `{alert}` |"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not say what these mean: {missing:?}");
}

#[test]
fn commands_of_the_page_on_operations_can_be_typed_and_are_handed_what_the_unit_has() {
    let page = shipped("docs/operations.md");
    let commands: Vec<&str> = page.split('`').filter(|code| code.starts_with("lamplighter ")).collect();
    assert!(commands.len() > 4, "{commands:?}");
    for command in commands {
        let typed = Cli::command().try_get_matches_from(command.split_whitespace());
        typed.unwrap_or_else(|error| panic!("{command}: {error}"));
    }
    let unit = shipped("deploy/lamplighter.service");
    let credential = unit.lines().find_map(|line| line.strip_prefix("#LoadCredential=")).unwrap();
    for text in [page, shipped("deploy/debian/probes.toml")] {
        assert!(text.contains(&format!("-p LoadCredential={credential} ")), "{text}");
    }
}

#[test]
fn the_package_lives_its_life_in_a_clean_debian() {
    println!("{}", content(root().join("tests/package/clean-root"), &[env!("CARGO_BIN_EXE_lamplighter")]));
}
