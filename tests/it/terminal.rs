//! What a person sees on a terminal: colours, unless `NO_COLOR` says otherwise. The terminal is a real one, made for the
//! test.

use std::{
    fs::File,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use nix::pty::openpty;

/// What the program writes on a terminal, standard output and standard error together.
fn on_a_terminal(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let terminal = openpty(None, None).unwrap();
    let mut child = {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        for heeded in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "NOTIFY_SOCKET"] {
            command.env_remove(heeded);
        }
        command.args(arguments).current_dir(directory).env("TERM", "xterm").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(terminal.slave.try_clone().unwrap()).stderr(terminal.slave);
        command.spawn().unwrap()
        // Our own ends of the terminal are dropped here, so that reading ends when the program has ended.
    };
    let mut master = File::from(terminal.master);
    let (mut written, mut piece) = (Vec::new(), [0; 4_096]);
    while let Ok(length @ 1..) = master.read(&mut piece) {
        written.extend_from_slice(&piece[..length]);
    }
    child.wait().unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let directory = tempfile::tempdir().unwrap();
    let config = |text: &str| std::fs::write(directory.path().join("probes.toml"), text).unwrap();
    // Nobody listens on port 1, and whether anybody does makes no difference here.
    let right = "[monitor]\nlisten = \"127.0.0.1:0\"\nstore = \"no/such/directory/lamplighter.db\"\n\
        [channel.chat]\nkind = \"chat\"\nprobe.door = { timeout = \"1s\", http = { url = \"http://127.0.0.1:1/\" } }\n";
    let wrong = right.replace("timeout", "timeuot");
    for (text, arguments, words) in [
        (&*wrong, &["check"][..], "did you mean `timeout`?"),
        (right, &["check"][..], "nobody is told"),
        (right, &["probe", "chat"][..], "chat/door"),
        (&*wrong, &["run"][..], "did you mean `timeout`?"),
        (right, &["run"][..], "no/such/directory"),
    ] {
        config(text);
        let coloured = on_a_terminal(directory.path(), arguments, &[]);
        assert!(coloured.contains("\u{1b}["), "{arguments:?}: {coloured:?}");
        let plain = on_a_terminal(directory.path(), arguments, &[("NO_COLOR", "1")]);
        assert!(!plain.contains('\u{1b}') && plain.contains(words), "{arguments:?}: {plain:?}");
    }
}
