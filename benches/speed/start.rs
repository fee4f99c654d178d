//! How long it takes from nothing to the first probe.

use std::{net::TcpListener, process::Command, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    daemon::{self, Setup},
    nginx::Nginx,
    process::Process,
    table::{Row, Table},
};

/// From the start of the program to its first connection, without a database and with one.
pub fn first_probe(_: &Nginx, table: &mut Table) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = target.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // So many that one of them is always due: what is measured is the start, not the wait for a turn.
    let setup = Setup { probes: 200, every: "100ms", url: &|_| format!("http://{at}/"), ..Setup::default() };
    let (file, _) = setup.write(folder.path());
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let began = Instant::now();
            let command: Command = daemon::command(&file);
            let process = Process::start(command, folder.path());
            drop(target.accept().unwrap());
            let took = began.elapsed();
            process.stop(Signal::SIGKILL);
            forget_others(&target);
            took.as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let worst = times[times.len() - 1];
    table.row(
        Row::at_most("cold start to first probe, median of 15", times[times.len() / 2], "ms", 60.0, 30.0)
            .detail(format!("worst {worst:.0} ms; 200 probes")),
    );
}

/// Connections of the process that has just ended must not be taken for the next one's.
fn forget_others(target: &TcpListener) {
    target.set_nonblocking(true).unwrap();
    crate::ask::pause(Duration::from_millis(20));
    while target.accept().is_ok() {}
    target.set_nonblocking(false).unwrap();
}
