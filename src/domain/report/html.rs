//! A report as a page of its own that needs nothing from elsewhere, and can be a mail: styles stand where they are used.
//! Readable in light and dark, on a phone, and printed.

use std::fmt::Write as _;

use crate::domain::{
    notification::html::escaped,
    report::{ChannelReport, Report, Week, words},
};

/// The cells of the heat map, from the best to the worst: up to which share of failed runs, and the colours of ground and
/// letters.
const HEAT: [(f64, &str, &str); 5] = [
    (0.0, "#e3f1e7", "#14532d"),
    (0.01, "#fdf3d0", "#5c4300"),
    (0.05, "#f9d9a8", "#5c3300"),
    (0.2, "#f0a99c", "#5a0f08"),
    (1.0, "#b3261e", "#ffffff"),
];

/// Writes it.
#[must_use]
pub fn write(report: &Report) -> String {
    let mut html = String::with_capacity(8_192);
    let heading = words::heading(report);
    html.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n",
    );
    push(&mut html, format_args!("<title>{}</title>\n</head>\n", escaped(&heading)));
    html.push_str(
        "<body style=\"margin:0;padding:16px;font:16px/1.45 -apple-system,'Segoe UI',Roboto,sans-serif;\
         overflow-wrap:anywhere\">\n<div style=\"max-width:760px;margin:0 auto\">\n",
    );
    push(
        &mut html,
        format_args!(
            "<h1 style=\"font-size:22px;line-height:1.3;margin:0 0 4px\">{}</h1>\n\
             <p style=\"margin:0 0 12px\">{}</p>\n<p style=\"margin:0 0 12px;font-size:18px\">{}</p>\n",
            escaped(&heading),
            escaped(&words::period(report)),
            words::total(report).iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br>")
        ),
    );
    for channel in &report.channels {
        push_channel(&mut html, channel, report);
    }
    html.push_str("</div>\n</body>\n</html>\n");
    html
}

fn push_channel(html: &mut String, channel: &ChannelReport, report: &Report) {
    push(
        html,
        format_args!(
            "<section style=\"break-inside:avoid\">\n\
             <h2 style=\"font-size:18px;margin:26px 0 6px;border-top:1px solid #888888;padding-top:12px\">{} \
             <small style=\"font-weight:normal\">{}</small></h2>\n\
             <table style=\"border-collapse:collapse;font-size:15px\">\n",
            escaped(channel.title.as_str()),
            escaped(channel.id.as_str())
        ),
    );
    for row in words::channel(channel) {
        let lines: Vec<String> = row.lines.iter().map(|line| escaped(line)).collect();
        push(
            html,
            format_args!(
                "<tr><th scope=\"row\" style=\"padding:2px 14px 2px 0;text-align:left;vertical-align:top;\
                 font-weight:normal;white-space:nowrap\">{}</th>\
                 <td style=\"padding:2px 0;vertical-align:top\">{}</td></tr>\n",
                escaped(&row.label),
                lines.join("<br>")
            ),
        );
    }
    html.push_str("</table>\n");
    if !channel.incidents.is_empty() {
        html.push_str("<ul style=\"padding-left:20px;margin:8px 0;font-size:15px\">\n");
        for outage in &channel.incidents {
            let [at, lasted, reason] = words::outage(outage, report);
            push(
                html,
                format_args!(
                    "<li>{}: {} {} <small>{}</small></li>\n",
                    escaped(&at),
                    escaped(&lasted),
                    escaped(&reason),
                    escaped(&outage.id.0)
                ),
            );
        }
        html.push_str("</ul>\n");
    }
    push_week(html, &channel.week);
    html.push_str("</section>\n");
}

/// The share of failed runs by hour of the week; nothing where none ever failed.
fn push_week(html: &mut String, week: &Week) {
    if week.worst(1).is_empty() {
        return;
    }
    html.push_str(
        "<table style=\"border-collapse:separate;border-spacing:1px;font-size:10px;line-height:1.2;margin:10px 0 0;\
         table-layout:fixed;width:100%\">\n\
         <caption style=\"text-align:left;font-size:14px;padding-bottom:3px\">Runs that failed, in percent, by hour of \
         the week</caption>\n<tr><td style=\"width:30px\"></td>",
    );
    for hour in 0..24 {
        push(html, format_args!("<th scope=\"col\" style=\"font-weight:normal\">{hour:02}</th>"));
    }
    html.push_str("</tr>\n");
    for (day, runs) in words::DAYS.iter().zip(week.days()) {
        push(
            html,
            format_args!("<tr><th scope=\"row\" style=\"font-weight:normal;text-align:left\">{day}</th>"),
        );
        for runs in runs {
            match runs.failure_ratio() {
                Some(ratio) => {
                    let (_, ground, letters) =
                        HEAT.iter().find(|(upto, ..)| ratio <= *upto).unwrap_or(&HEAT[HEAT.len() - 1]);
                    // What failed at all is not shown as nothing.
                    let percent = if ratio > 0.0 { (ratio * 100.0).round().max(1.0) } else { 0.0 };
                    push(
                        html,
                        format_args!(
                            "<td style=\"background:{ground};color:{letters};text-align:center;padding:2px 0\">{percent}</td>"
                        ),
                    );
                }
                None => html.push_str("<td></td>"),
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

fn push(html: &mut String, what: std::fmt::Arguments<'_>) {
    html.write_fmt(what).expect("writing into a string does not fail");
}
