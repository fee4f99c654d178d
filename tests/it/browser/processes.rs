//! The processes and profiles of the browsers that the tests start, as the system knows them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A browser that was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    /// Its first process, which leads the group of all.
    pub(super) group: i32,
    /// Where its profile is.
    pub(super) profile: PathBuf,
}

impl Seen {
    /// The browsers that a process has started and that are there.
    pub(super) fn all_of(parent: u32) -> Vec<Self> {
        let mut found: Vec<Self> = processes()
            .into_iter()
            .filter_map(|process| {
                let (stat, arguments) = (stat(process)?, arguments(process));
                let profile =
                    arguments.iter().find_map(|argument| argument.strip_prefix("--user-data-dir="))?;
                let is_main = !arguments.iter().any(|argument| argument.starts_with("--type="));
                (stat.parent == parent && is_main).then(|| Self { group: process, profile: profile.into() })
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Those of this test.
    pub(super) fn all() -> Vec<Self> {
        Self::all_of(std::process::id())
    }

    /// The only one of this test.
    pub(super) fn one() -> Self {
        let [one] = <[Self; 1]>::try_from(Self::all()).unwrap_or_else(|all| panic!("{all:?}"));
        one
    }

    /// All its processes, zombies too.
    pub(super) fn processes(&self) -> Vec<i32> {
        processes()
            .into_iter()
            .filter(|process| stat(*process).is_some_and(|stat| stat.group == self.group))
            .collect()
    }

    /// Those that draw pages and run their scripts.
    pub(super) fn renderers(&self) -> Vec<i32> {
        let is_renderer =
            |process: &i32| arguments(*process).iter().any(|argument| argument == "--type=renderer");
        self.processes().into_iter().filter(is_renderer).collect()
    }

    /// The names of the variables in its environment.
    pub(super) fn environment(&self) -> Vec<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.group)).unwrap();
        let entries = environment.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries.map(|entry| String::from_utf8_lossy(entry).split('=').next().unwrap().to_owned()).collect()
    }

    /// What of it is left.
    pub(super) fn remains(&self) -> Vec<String> {
        let processes = self.processes().into_iter().map(|process| format!("process {process}"));
        processes.chain(self.profile.exists().then(|| self.profile.display().to_string())).collect()
    }
}

struct Stat {
    parent: u32,
    group: i32,
}

/// Of all processes, whatever their state.
fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// proc_pid_stat(5): state, ppid and pgrp follow the name in parentheses.
fn stat(process: i32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some(Stat { parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

fn arguments(process: i32) -> Vec<String> {
    let line = fs::read(Path::new("/proc").join(process.to_string()).join("cmdline")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0);
    // A renderer writes its own with blanks.
    let arguments = arguments.flat_map(|argument| argument.split(|byte| *byte == b' '));
    arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}
