//! A program under measurement: started in a folder of its own, asked for the processor time and memory of its whole
//! process tree, ended when it is dropped.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// This very program, also when a build has put another in its place meanwhile.
pub const OURSELVES: &str = "/proc/self/exe";

/// A started program.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it; what it says goes to a file beside its other files.
    pub fn start(mut command: Command, folder: &Path) -> Self {
        let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        let log = fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {name}: {error}"));
        Self { child, name }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far by it and everything it has started.
    pub fn cpu(&mut self) -> Duration {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} has ended: {status}", self.name);
        }
        tree(self.child.id()).into_iter().map(cpu_of).sum()
    }

    /// Resident memory of it and everything it has started, in bytes.
    pub fn memory(&self) -> u64 {
        tree(self.child.id()).into_iter().map(memory_of).sum()
    }

    /// Processor time used so far by it alone.
    pub fn own_cpu(&self) -> Duration {
        cpu_of_alone(self.child.id())
    }

    /// Memory of it and everything it has started, in bytes: what they share is counted once.
    pub fn shared_memory(&self) -> u64 {
        tree(self.child.id()).into_iter().map(proportional_memory_of).sum()
    }

    /// Memory of it alone, counted in the same way.
    pub fn own_memory(&self) -> u64 {
        proportional_memory_of(self.child.id())
    }

    /// Ends it as an operator would, and waits for it.
    pub fn stop(mut self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for id in tree(self.child.id()) {
            kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).ok();
        }
        self.child.wait().ok();
    }
}

/// What Linux shows in `/proc` on every architecture, whatever its kernel is built with.
const TICKS_PER_SECOND: u64 = 100;

fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        next += 1;
        for task in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
    }
    found
}

/// User and system time of a process and of those of its children that have ended (`proc(5)`, fields 14 to 17).
fn cpu_of(id: u32) -> Duration {
    ticks_of(id, 4)
}

/// User and system time of a process.
fn cpu_of_alone(id: u32) -> Duration {
    ticks_of(id, 2)
}

fn ticks_of(id: u32, fields: usize) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(fields);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Proportional set size of one process, in bytes (`proc_pid_smaps(5)`).
fn proportional_memory_of(id: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Resident memory of one process, in bytes.
pub fn memory_of(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
