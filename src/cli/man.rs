//! `man`: the manual page, all commands on one page, made from the same definitions that read the command line.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::{Cli, Exit, print};

/// Prints the page.
#[must_use]
pub fn execute() -> Exit {
    print::bytes(page().as_bytes())
}

/// The page in roff.
fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let main = Man::new(command.clone()).manual("Lamplighter");
    let mut page = part(|w| main.render_title(w));
    for section in [
        part(|w| main.render_name_section(w)),
        part(|w| main.render_synopsis_section(w)),
        part(|w| main.render_description_section(w)),
        part(|w| main.render_options_section(w)),
        ".SH COMMANDS\n".to_owned(),
    ] {
        page.push_str(without_preamble(&section));
    }
    for (name, sub) in commands("lamplighter", &command) {
        let sub = Man::new(sub.clone().mut_args(|arg| {
            let is_of_all = command.get_arguments().any(|of_all| of_all.get_id() == arg.get_id());
            let said_above = (arg.is_global_set() && is_of_all) || arg.get_id() == "help";
            arg.hide(said_above)
        }));
        page.push_str(&format!(".SS \"{name}\"\n"));
        for section in [
            part(|w| sub.render_description_section(w)),
            part(|w| sub.render_synopsis_section(w)),
            part(|w| sub.render_options_section(w)),
        ] {
            let text = without_heading(without_preamble(&section));
            if !text.is_empty() {
                page.push_str(text);
                page.push_str(".PP\n");
            }
        }
    }
    let exit_codes = part(|w| main.render_extra_section(w));
    page.push_str(&without_preamble(&exit_codes).replacen(".SH EXTRA", ".SH \"EXIT STATUS\"", 1));
    page
}

/// All commands by their whole names, each before those within it.
fn commands<'c>(name: &str, command: &'c Command) -> Vec<(String, &'c Command)> {
    let named = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    let with_own = named.flat_map(|sub| {
        let name = format!("{name} {}", sub.get_name());
        let own = commands(&name, sub);
        std::iter::once((name, sub)).chain(own)
    });
    with_own.collect()
}

fn part(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    render(&mut bytes).expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("help texts are UTF-8")
}

/// Every part begins with definitions that the page needs once; a part without a heading is nothing else.
fn without_preamble(part: &str) -> &str {
    part.find(".SH").map_or("", |at| &part[at..])
}

fn without_heading(section: &str) -> &str {
    section.split_once('\n').map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_place_on_the_page() {
        let page = page();
        for (name, _) in commands("lamplighter", &Cli::command()) {
            assert!(page.contains(&format!(".SS \"{name}\"")), "{name}: {page}");
        }
        assert_eq!(page.matches(".TH ").count(), 1, "{page}");
        assert!(page.contains(".SH \"EXIT STATUS\"\n"), "{page}");
    }
}
