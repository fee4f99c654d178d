//! The dashboards held against the types that Grafana publishes, by the compiler that these are written for: a key that
//! Grafana does not know, a word that it does not know and a number where it wants a text are refused.

use std::{fmt::Write, fs, path::PathBuf, process::Command};

use lamplighter::metrics::dashboards::Dashboard;
use serde_json::{Value, json};

use super::{panels, parsed};

/// The oldest and the newest version that is checked, and where each keeps the types of a panel.
const VERSIONS: [(&str, &str); 2] =
    [("grafana-schema-10.4.19", "dist/esm"), ("grafana-schema-13.2.3", "dist/types")];

/// Enumerations become the words that stand for them in JSON.
const PLAIN: &str = "type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T : \
T extends Array<infer E> ? Array<Plain<E>> : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;\n";

fn packages() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/widgets"))
}

/// The sorts of panels that are used, by the names of the directories in which their types are.
const SORTS: [(&str, &str); 6] = [
    ("stat", "stat"),
    ("timeseries", "timeseries"),
    ("state-timeline", "statetimeline"),
    ("heatmap", "heatmap"),
    ("table", "table"),
    ("bargauge", "bargauge"),
];

/// The file in which a version has the types of a sort of panel.
fn types_of(version: &str, types: &str, kind: &str, sort: &str) -> PathBuf {
    let folder = packages().join(version).join(types).join("raw/composable").join(sort).join(kind).join("x");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = files.map(|file| file.unwrap().path());
    let mut found = names.filter(|path| path.to_str().unwrap().ends_with("gen.d.ts"));
    found.next().unwrap()
}

/// Without `.d.ts`, as an import has it.
fn import(alias: &str, file: &std::path::Path) -> String {
    let path = file.to_str().unwrap().trim_end_matches(".d.ts");
    format!("import type * as {alias} from {};\n", Value::from(path))
}

/// A program that is right if the dashboards are.
fn program(version: &str, types: &str, dashboards: &[Value]) -> String {
    let index = packages().join(version).join(types).join("index.d.ts");
    let mut text = import("grafana", &index);
    for (at, (_, sort)) in SORTS.iter().enumerate() {
        text += &import(&format!("sort{at}"), &types_of(version, types, "panelcfg", sort));
    }
    // Later versions of the query are in the package of the data source; a query of an earlier one is still taken.
    text += &import("prometheus", &types_of(VERSIONS[0].0, VERSIONS[0].1, "dataquery", "prometheus"));
    text += PLAIN;
    let mut count = 0;
    let mut hold = |of: &str, value: &Value| {
        count += 1;
        writeln!(text, "export const held{count}: {of} = {value};").unwrap();
    };
    for dashboard in dashboards {
        let mut bare = dashboard.clone();
        for annotation in bare["annotations"]["list"].as_array_mut().unwrap() {
            // These belong to the data source, and are in no published type.
            for own in ["titleFormat", "textFormat", "tagKeys"] {
                assert!(annotation.as_object_mut().unwrap().remove(own).is_some());
            }
            let target = annotation.as_object_mut().unwrap().remove("target").unwrap();
            hold("Plain<prometheus.PrometheusDataQuery>", &target);
        }
        for variable in bare["templating"]["list"].as_array_mut().unwrap() {
            // What the query editor writes beside the query, and in no published type either.
            variable.as_object_mut().unwrap().remove("definition");
        }
        hold("Plain<grafana.Dashboard>", &bare);
        for panel in panels(dashboard) {
            let at = SORTS.iter().position(|(sort, _)| panel["type"] == *sort).expect("a known sort");
            hold(&format!("Partial<Plain<sort{at}.Options>>"), &panel["options"]);
            let custom = &panel["fieldConfig"]["defaults"]["custom"];
            if *custom != json!({}) {
                hold(&format!("Partial<Plain<sort{at}.FieldConfig>>"), custom);
            }
            for target in panel["targets"].as_array().unwrap() {
                hold("Plain<prometheus.PrometheusDataQuery>", target);
            }
        }
    }
    text
}

/// What the compiler has against dashboards; nothing if it takes them.
fn complaints((version, types): (&str, &str), dashboards: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("node_modules/@grafana");
    fs::create_dir_all(&schema).unwrap();
    std::os::unix::fs::symlink(packages().join(version), schema.join("schema")).unwrap();
    let file = folder.path().join("dashboards.ts");
    fs::write(&file, program(version, types, dashboards)).unwrap();
    let config = json!({
        "compilerOptions": {
            "strict": true, "noEmit": true, "skipLibCheck": true, "target": "es2022", "module": "esnext",
            "moduleResolution": "bundler", "types": [], "preserveSymlinks": true,
            "paths": { "@grafana/schema": [packages().join(version).join(types).join("index.d.ts")] }
        },
        "files": [file]
    });
    let project = folder.path().join("tsconfig.json");
    fs::write(&project, config.to_string()).unwrap();
    let output = Command::new("node")
        .arg(packages().join("typescript-5.9.3/lib/tsc.js"))
        .arg("--project")
        .arg(&project)
        .output()
        .expect("node comes with the Debian package npm");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn grafanas_own_types_take_every_dashboard() {
    let dashboards = Dashboard::ALL.map(parsed);
    for version in VERSIONS {
        let complaints = complaints(version, &dashboards);
        assert!(complaints.is_empty(), "{}: {complaints}", version.0);
    }
}

#[test]
fn what_is_not_in_grafanas_types_is_found() {
    let change = |pointer: &str, value: Value| {
        let mut dashboard = parsed(Dashboard::Channel);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        dashboard.pointer_mut(parent).unwrap()[key] = value;
        dashboard
    };
    let planted = [
        change("/refersh", json!("30s")),
        change("/panels/1/gridPos/w", json!("4")),
        change("/panels/1/options/colorMode", json!("loud")),
        change("/panels/1/fieldConfig/defaults/color/mode", json!("colourful")),
        change("/panels/1/targets/0/expression", json!("up")),
        change("/templating/list/0/type", json!("wish")),
    ];
    let complaints = complaints(VERSIONS[0], &planted);
    let found = complaints.lines().filter(|line| line.contains("error TS")).count();
    assert!(found >= planted.len(), "{complaints}");
}
