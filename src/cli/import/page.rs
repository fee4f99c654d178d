//! The file that is written.

use std::fmt::Write;

use crate::cli::import::draft::Draft;

/// What did not carry over, a line each, after a mark.
pub fn left(draft: &Draft, mark: &str) -> String {
    draft.left.iter().map(|left| format!("{mark}- {left}\n")).collect()
}

/// The whole file.
pub fn file(origin: &str, draft: &Draft) -> String {
    let mut page = format!(
        "# From {origin}, by `lamplighter import`. What sort of door each channel is, its `kind`, is a guess by its name.\n"
    );
    if !draft.left.is_empty() {
        page += "#\n# This did not carry over as it was:\n";
        page += &left(draft, "# ");
    }
    page += &draft.told.tables();
    for window in &draft.maintenance {
        table(&mut page, "[maintenance]", &window.lines());
    }
    for channel in &draft.channels {
        let kind = format!("kind = \"{}\"\n", channel.kind.as_str());
        table(&mut page, &format!("channel.{}", channel.id), &(kind + &channel.fields.lines()));
        table(&mut page, &format!("channel.{}.probe.http", channel.id), &channel.probe.lines());
    }
    page
}

/// A table with its head.
pub fn table(page: &mut String, head: &str, lines: &str) {
    let _infallible = write!(page, "\n[{head}]\n{lines}");
}
