//! blackbox_exporter with Prometheus, both of Debian: what Lamplighter stands in for.

use std::{fmt::Write, fs, net::SocketAddr, path::Path, process::Command};

use crate::{
    ask,
    nginx::{Nginx, free_address},
    process::Process,
};

/// Both programs, probing.
pub struct Blackbox {
    exporter: Process,
    prometheus: Process,
}

impl Blackbox {
    /// Starts both with `targets` targets on one address, each probed once a second.
    pub fn start(nginx: &Nginx, scheme: &str, targets: u32, folder: &Path) -> Self {
        let exporter_at = free_address();
        let exporter = start_exporter(nginx, exporter_at, folder);
        let prometheus = start_prometheus(nginx, scheme, targets, exporter_at, folder);
        Self { exporter, prometheus }
    }

    /// Processor time of both.
    pub fn cpu(&mut self) -> std::time::Duration {
        self.exporter.cpu() + self.prometheus.cpu()
    }
}

fn start_exporter(nginx: &Nginx, at: SocketAddr, folder: &Path) -> Process {
    let modules = format!(
        "modules:\n  plain:\n    prober: http\n    timeout: 5s\n    http:\n      valid_status_codes: [200]\n      \
         tls_config:\n        ca_file: {}\n",
        nginx.root_ca.display()
    );
    let file = folder.join("blackbox.yml");
    fs::write(&file, modules).unwrap();
    let mut command = Command::new("prometheus-blackbox-exporter");
    command.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address={at}"));
    let process = Process::start(command, folder);
    ask::until_listening(at);
    process
}

fn start_prometheus(
    nginx: &Nginx,
    scheme: &str,
    targets: u32,
    exporter: SocketAddr,
    folder: &Path,
) -> Process {
    let target = if scheme == "https" { nginx.https } else { nginx.http };
    let mut configuration = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 15s }}
scrape_configs:
- job_name: blackbox
  metrics_path: /probe
  params: {{ module: [plain] }}
  relabel_configs:
  - {{ source_labels: [__address__], target_label: __param_target }}
  - {{ source_labels: [__param_target], target_label: instance }}
  - {{ target_label: __address__, replacement: '{exporter}' }}
  static_configs:
  - targets:
"
    );
    for number in 0..targets {
        writeln!(configuration, "    - '{scheme}://{target}/?{number}'")
            .expect("writing to memory cannot fail");
    }
    let file = folder.join("prometheus.yml");
    fs::write(&file, configuration).unwrap();
    let at = free_address();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--web.listen-address={at}"))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
    let process = Process::start(command, folder);
    ask::until_listening(at);
    process
}
