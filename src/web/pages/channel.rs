//! The page of a channel: its probes, how it fared over days and hours, what the runs spent their time on, its last
//! runs, its incidents, and the evidence kept of them.

use std::time::Duration;

use super::{
    charts::{self, Size},
    overview::push_circumstances,
    pen::{Pen, foreign, foreign_plain, push},
    shell::Sheet,
};
use crate::domain::{
    chronicle::{Chronicle, Day, Hour, ProbeChronicle, availability},
    evaluation::State,
    notification::tell,
    outcome::{Detail, PhaseKind, Reason},
    past::{ChannelPast, KeptBundle, Run},
    snapshot::{ChannelView, ProbeView},
};

/// So many runs of a probe stand in the chart of phases.
const PHASED_MAX: usize = 60;

/// Writes the page; none of the past where it cannot be read.
pub(super) fn write(
    pen: &Pen<'_>,
    view: &ChannelView,
    chronicle: Option<&Chronicle>,
    past: Option<&ChannelPast>,
) -> Sheet {
    let language = pen.language;
    let title = Detail::new(&view.title);
    let mut html = String::with_capacity(65_536);
    push(
        &mut html,
        format_args!(
            "<p><a href=\"../\">{}</a></p>\n<h1>{} {}</h1>\n<p class=\"quiet\">{} <code>{}</code>, {} ({})</p>\n",
            language.all_channels(),
            pen.state(view.state),
            foreign(&view.title),
            language.kind(view.kind),
            foreign_plain(view.id.as_str()),
            pen.time(view.since),
            pen.ago(view.since)
        ),
    );
    push_circumstances(&mut html, pen, view);
    if let Some(incident) = &view.incident {
        let id = foreign_plain(&incident.0);
        push(
            &mut html,
            format_args!("<p>{}: <a href=\"../incident/{id}\">{id}</a></p>\n", language.incident()),
        );
    }
    push_probes(&mut html, pen, &view.probes);
    let chronicle = chronicle.cloned().unwrap_or_default();
    push_days(&mut html, pen, &chronicle.days);
    push_hours(&mut html, pen, &chronicle.probes);
    match past {
        None => push(&mut html, format_args!("<p>{}</p>\n", language.past_unreadable())),
        Some(past) => {
            push_phases(&mut html, pen, view, &past.runs);
            push_runs(&mut html, pen, &past.runs);
            push_incidents(&mut html, pen, past);
            push_evidence(&mut html, pen, &past.bundles);
        }
    }
    Sheet { title: format!("{}: {title}", language.state(view.state)), html }
}

fn section(html: &mut String, id: &str, heading: &str) {
    push(html, format_args!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n"));
}

/// A table that scrolls by itself where it is wider than the screen, also by keys.
fn open_table(html: &mut String, label: &str, columns: &[&str]) {
    push(
        html,
        format_args!(
            "<div class=\"table\" role=\"group\" aria-label=\"{label}\" tabindex=\"0\">\n<table>\n<thead><tr>"
        ),
    );
    for column in columns {
        push(html, format_args!("<th scope=\"col\">{column}</th>"));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
}

const CLOSE_TABLE: &str = "</tbody>\n</table>\n</div>\n";

fn push_row(html: &mut String, cells: &[&str]) {
    html.push_str("<tr>");
    for cell in cells {
        push(html, format_args!("<td>{cell}</td>"));
    }
    html.push_str("</tr>\n");
}

fn reason(pen: &Pen<'_>, reason: Option<Reason>) -> String {
    reason
        .map(|reason| format!("{} (<code>{reason}</code>)", pen.language.meaning(reason)))
        .unwrap_or_default()
}

fn push_probes(html: &mut String, pen: &Pen<'_>, probes: &[ProbeView]) {
    let language = pen.language;
    section(html, "probes", language.probes());
    let columns = [
        language.probe(),
        language.last_outcome(),
        language.began_column(),
        language.duration(),
        "p50",
        "p95",
        "p99",
        language.timeout_rate(),
        language.reason(),
    ];
    open_table(html, language.probes(), &columns);
    for probe in probes {
        let span = |span: Option<Duration>| span.map(|span| language.took(span)).unwrap_or_default();
        push_row(
            html,
            &[
                &foreign(probe.name.as_str()),
                probe.last_outcome.as_deref().map_or(language.none_yet(), |word| language.run_of(word)),
                &probe.last_run_at.map(|at| pen.time(at)).unwrap_or_default(),
                &span(probe.last_duration),
                &span(probe.p50),
                &span(probe.p95),
                &span(probe.p99),
                &probe.timeout_ratio.map(|ratio| language.share(ratio)).unwrap_or_default(),
                &reason(pen, probe.last_reason),
            ],
        );
    }
    html.push_str(CLOSE_TABLE);
    html.push_str("</section>\n");
}

fn push_days(html: &mut String, pen: &Pen<'_>, days: &[Day]) {
    let language = pen.language;
    section(html, "uptime", language.uptime());
    match availability(days) {
        None => push(html, format_args!("<p>{}</p>\n", language.nothing_measured())),
        Some(whole) => {
            push(
                html,
                format_args!(
                    "<figure>\n{}<figcaption>{}, {}</figcaption>\n</figure>\n",
                    charts::uptime(days, Size::Large, pen.scale()),
                    language.share(whole),
                    language.days(days.len() as u64)
                ),
            );
            push(
                html,
                format_args!("<details id=\"days-table\"><summary>{}</summary>\n", language.as_table()),
            );
            open_table(
                html,
                language.uptime(),
                &[
                    language.day(),
                    language.uptime(),
                    language.state(State::Dark),
                    language.state(State::Degraded),
                ],
            );
            for day in days.iter().rev() {
                let share = day
                    .spans
                    .availability()
                    .map_or_else(|| language.no_data().to_owned(), |ratio| language.share(ratio));
                let (dark, degraded) = (language.span(day.spans.dark), language.span(day.spans.degraded));
                push_row(html, &[&language.date(day.date), &share, &dark, &degraded]);
            }
            html.push_str(CLOSE_TABLE);
            html.push_str("</details>\n");
        }
    }
    html.push_str("</section>\n");
}

fn push_hours(html: &mut String, pen: &Pen<'_>, probes: &[ProbeChronicle]) {
    let language = pen.language;
    section(html, "hours", language.latency());
    if probes.iter().all(|probe| charts::latest(&probe.hours).is_none()) {
        push(html, format_args!("<p>{}</p>\n", language.nothing_measured()));
    }
    for probe in probes {
        let hours = &charts::hours_of(probe, pen.now)[..];
        let Some(latest) = charts::latest(hours) else { continue };
        let name = foreign(probe.name.as_str());
        push(
            html,
            format_args!(
                "<h3>{name}</h3>\n<figure>\n{}<figcaption>{}: {}</figcaption>\n</figure>\n",
                charts::latency(hours, Size::Large, pen.scale()),
                language.latency(),
                charts::quantiles(latest, language)
            ),
        );
        push(
            html,
            format_args!(
                "<p class=\"legend\"><span class=\"key p50\">p50</span> <span class=\"key p95\">p95</span> \
                 <span class=\"key p99\">p99</span></p>\n<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n",
                charts::timeouts(hours, Size::Large, pen.scale()),
                language.timeout_rate()
            ),
        );
        push_hours_table(html, pen, probe.name.as_str(), hours);
    }
    html.push_str("</section>\n");
}

fn push_hours_table(html: &mut String, pen: &Pen<'_>, probe: &str, hours: &[Hour]) {
    let language = pen.language;
    let name = foreign_plain(probe);
    push(html, format_args!("<details id=\"hours-{name}\"><summary>{}</summary>\n", language.as_table()));
    let label = format!("{}, {name}", language.latency());
    open_table(html, &label, &[language.hour(), "p50", "p95", "p99", language.timeout_rate()]);
    for hour in hours.iter().rev().filter(|hour| hour.timeout_ratio.is_some()) {
        let span = |span: Option<Duration>| span.map(|span| language.took(span)).unwrap_or_default();
        let share = hour.timeout_ratio.map(|ratio| language.share(ratio)).unwrap_or_default();
        push_row(html, &[&pen.time(hour.at), &span(hour.p50), &span(hour.p95), &span(hour.p99), &share]);
    }
    html.push_str(CLOSE_TABLE);
    html.push_str("</details>\n");
}

fn push_phases(html: &mut String, pen: &Pen<'_>, view: &ChannelView, runs: &[Run]) {
    let language = pen.language;
    let charted: Vec<(&ProbeView, Vec<&Run>)> = view
        .probes
        .iter()
        .map(|probe| {
            let own = runs.iter().filter(|run| run.probe == probe.name && !run.phases.is_empty());
            // Latest first in the list, oldest first in the chart.
            let mut own: Vec<&Run> = own.take(PHASED_MAX).collect();
            own.reverse();
            (probe, own)
        })
        .filter(|(_, own)| !own.is_empty())
        .collect();
    if charted.is_empty() {
        return;
    }
    section(html, "phases", language.phases());
    for (probe, own) in charted {
        let name = foreign(probe.name.as_str());
        push(
            html,
            format_args!(
                "<h3>{name}</h3>\n<figure>\n{}</figure>\n<p class=\"legend\">",
                charts::phases(&own, pen.scale())
            ),
        );
        let is_there =
            |phase: &&PhaseKind| own.iter().any(|run| run.phases.iter().any(|(it, _)| it == *phase));
        let there: Vec<PhaseKind> = PhaseKind::ALL.iter().filter(is_there).copied().collect();
        for phase in &there {
            let class = charts::phase_class(*phase);
            push(html, format_args!("<span class=\"key {class}\">{}</span> ", language.phase(*phase)));
        }
        push(
            html,
            format_args!(
                "</p>\n<details id=\"phases-{}\"><summary>{}</summary>\n",
                foreign_plain(probe.name.as_str()),
                language.as_table()
            ),
        );
        let columns: Vec<&str> = [language.began_column()]
            .into_iter()
            .chain(there.iter().map(|phase| language.phase(*phase)))
            .collect();
        open_table(html, &format!("{}, {}", language.phases(), foreign_plain(probe.name.as_str())), &columns);
        for run in own.iter().rev() {
            let took = |phase: &PhaseKind| -> Duration {
                run.phases.iter().filter(|(it, _)| it == phase).map(|(_, took)| *took).sum()
            };
            let mut cells = vec![pen.time(run.started_at)];
            cells.extend(there.iter().map(|phase| language.took(took(phase))));
            push_row(html, &cells.iter().map(String::as_str).collect::<Vec<_>>());
        }
        html.push_str(CLOSE_TABLE);
        html.push_str("</details>\n");
    }
    html.push_str("</section>\n");
}

fn push_runs(html: &mut String, pen: &Pen<'_>, runs: &[Run]) {
    /// So many are listed.
    const LISTED_MAX: usize = 40;
    let language = pen.language;
    section(html, "runs", language.last_runs());
    if runs.is_empty() {
        push(html, format_args!("<p>{}</p>\n</section>\n", language.no_run()));
        return;
    }
    let columns = [
        language.began_column(),
        language.probe(),
        language.outcome(),
        language.duration(),
        language.reason(),
        language.detail(),
    ];
    open_table(html, language.last_runs(), &columns);
    for run in runs.iter().take(LISTED_MAX) {
        push_row(
            html,
            &[
                &pen.time(run.started_at),
                &foreign(run.probe.as_str()),
                language.run(run.outcome),
                &language.took(run.duration),
                &reason(pen, run.reason),
                &foreign(run.detail.as_str()),
            ],
        );
    }
    html.push_str(CLOSE_TABLE);
    html.push_str("</section>\n");
}

fn push_incidents(html: &mut String, pen: &Pen<'_>, past: &ChannelPast) {
    let language = pen.language;
    section(html, "incidents", language.incidents());
    if past.incidents.is_empty() {
        push(html, format_args!("<p>{}</p>\n</section>\n", language.no_incident()));
        return;
    }
    let columns = [language.incident(), language.began(), language.worst(), language.lasted()];
    open_table(html, language.incidents(), &columns);
    for incident in &past.incidents {
        let id = foreign_plain(&incident.id.0);
        let lasted = match incident.resolved_at {
            None => language.still_open().to_owned(),
            Some(at) => language.span(tell::between(incident.began_at, at)),
        };
        push_row(
            html,
            &[
                &format!("<a href=\"../incident/{id}\">{id}</a>"),
                &pen.time(incident.began_at),
                language.severity(incident.severity),
                &lasted,
            ],
        );
    }
    html.push_str(CLOSE_TABLE);
    html.push_str("</section>\n");
}

/// The evidence that is kept, with the small pictures; a click shows the large one.
pub(super) fn push_evidence(html: &mut String, pen: &Pen<'_>, bundles: &[KeptBundle]) {
    let language = pen.language;
    section(html, "evidence", language.evidence());
    if bundles.is_empty() {
        push(html, format_args!("<p>{}</p>\n", language.no_evidence()));
    }
    for bundle in bundles {
        let name = foreign_plain(&bundle.name);
        push(
            html,
            format_args!(
                "<h3>{}</h3>\n<p class=\"quiet\">{name}</p>\n<ul class=\"exhibits\">\n",
                pen.time(bundle.at)
            ),
        );
        for file in &bundle.files {
            let large = file.strip_suffix("-small.jpg").map(|run| format!("{run}-screen.png"));
            let file = foreign_plain(file);
            let address = format!("../evidence/{name}/{file}");
            match large.filter(|large| bundle.files.contains(large)) {
                Some(large) => push(
                    html,
                    format_args!(
                        "<li><a href=\"../evidence/{name}/{}\"><img src=\"{address}\" alt=\"{} ({file})\" loading=\"lazy\"></a></li>\n",
                        foreign_plain(&large),
                        language.screen()
                    ),
                ),
                None => push(html, format_args!("<li><a href=\"{address}\">{file}</a></li>\n")),
            }
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</section>\n");
}
