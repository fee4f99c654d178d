//! A report as plain text, in lines that fit a mail.

use crate::domain::report::{Report, words};

/// The width of labels.
const LABEL: usize = 14;

/// The longest line, in characters, as far as a line can be broken.
const LINE_MAX: usize = 78;

/// Writes it.
#[must_use]
pub fn write(report: &Report) -> String {
    let mut text = format!(
        "{}\n{}\n\n{}\n",
        words::heading(report),
        words::period(report),
        words::total(report).join("\n")
    );
    for channel in &report.channels {
        text.push_str(&format!("\n{} ({})\n", channel.title, channel.id));
        for row in words::channel(channel) {
            push_row(&mut text, &row);
        }
    }
    let outages: Vec<_> = report
        .channels
        .iter()
        .flat_map(|channel| channel.incidents.iter().map(move |outage| (channel, outage)))
        .collect();
    if !outages.is_empty() {
        text.push_str("\nIncidents\n");
    }
    for (channel, outage) in outages {
        let [at, lasted, reason] = words::outage(outage, report);
        text.push_str(&format!("  {at}  {}: {lasted}  {reason}\n", channel.id).replace("  \n", "\n"));
        text.push_str(&format!("                    {}\n", outage.id));
    }
    text
}

fn push_row(text: &mut String, row: &words::Row) {
    let mut label = row.label.as_str();
    for line in row.lines.iter().flat_map(|line| wrapped(line)) {
        // A longer name than there is room for has a line of its own.
        if label.chars().count() > LABEL {
            text.push_str(&format!("  {label}\n"));
            label = "";
        }
        text.push_str(&format!("  {label:<LABEL$}  {line}\n"));
        label = "";
    }
}

/// A line in pieces that fit, broken behind commas.
fn wrapped(line: &str) -> Vec<String> {
    let room = LINE_MAX - LABEL - 4;
    let mut pieces: Vec<String> = Vec::new();
    for part in line.split_inclusive(", ") {
        match pieces.last_mut() {
            Some(piece) if piece.chars().count() + part.trim_end().chars().count() <= room => {
                piece.push_str(part)
            }
            _ => pieces.push(part.to_owned()),
        }
    }
    pieces.iter().map(|piece| piece.trim_end().to_owned()).collect()
}
