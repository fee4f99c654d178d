//! The first page: every channel, the worst first, what is open, what is announced, and how the monitor itself fares.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    charts::{self, Size},
    pen::{Pen, foreign, foreign_plain, push},
    shell::Sheet,
    words::Language,
};
use crate::domain::{
    channel::{ChannelId, ProbeName},
    chronicle::{Chronicle, ProbeChronicle, availability},
    evaluation::State,
    health::Health,
    maintenance::Announced,
    snapshot::{ChannelView, Snapshot},
};

/// So many channels have charts on this page, the worst first; the others are a line each.
const CHARTED_MAX: usize = 100;
/// So many windows of maintenance are shown.
const WINDOWS_MAX: usize = 10;
/// So many channels of a window are named.
const NAMED_MAX: usize = 8;

/// Writes the page; `chronicles` has nothing of a channel of which nothing is known.
pub(super) fn write(
    pen: &Pen<'_>,
    snapshot: &Snapshot,
    chronicles: &BTreeMap<ChannelId, Chronicle>,
    health: &Health,
) -> Sheet {
    let channels = worst_first(snapshot);
    let title = tally(&channels, pen.language);
    let mut html = String::with_capacity(16_384);
    push(
        &mut html,
        format_args!(
            "<h1>{title}</h1>\n<p class=\"quiet\">{} {}</p>\n",
            pen.language.as_of(),
            pen.time(pen.now)
        ),
    );
    push_incidents(&mut html, pen, &channels);
    push_channels(&mut html, pen, &channels, chronicles);
    push_maintenance(&mut html, pen, &snapshot.maintenance);
    push_monitor(&mut html, pen, health);
    Sheet { title, html }
}

/// In the order in which they are to be looked at.
fn worst_first(snapshot: &Snapshot) -> Vec<&ChannelView> {
    let mut channels: Vec<&ChannelView> = snapshot.channels.iter().map(|view| &**view).collect();
    // A stable sort: within a state they keep the order of their ids.
    channels.sort_by_key(|view| urgency(view.state));
    channels
}

/// What a person must look at first.
fn urgency(state: State) -> u8 {
    match state {
        State::Dark => 0,
        State::Degraded => 1,
        State::Unknown => 2,
        State::Closed => 3,
        State::Up => 4,
    }
}

/// How many channels are in which state: `1 dark, 2 up`.
fn tally(channels: &[&ChannelView], language: Language) -> String {
    if channels.is_empty() {
        return language.no_channel().to_owned();
    }
    let counted = channels.chunk_by(|one, other| one.state == other.state);
    let told = counted.map(|alike| language.counted_state(alike.len(), alike[0].state));
    told.collect::<Vec<_>>().join(", ")
}

fn push_incidents(html: &mut String, pen: &Pen<'_>, channels: &[&ChannelView]) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"open\">\n<h2 id=\"open\">{}</h2>\n",
            language.open_incidents()
        ),
    );
    let open: Vec<_> = channels.iter().filter_map(|view| Some((view, view.incident.as_ref()?))).collect();
    if open.is_empty() {
        push(html, format_args!("<p>{}</p>\n", language.none_open()));
    } else {
        html.push_str("<ul class=\"incidents\">\n");
        for (view, incident) in open.iter().take(CHARTED_MAX) {
            let id = foreign_plain(&incident.0);
            push(
                html,
                format_args!(
                    "<li>{} <a href=\"incident/{id}\">{}</a> <span class=\"quiet\">{id}, {}</span></li>\n",
                    pen.state(view.state),
                    foreign(&view.title),
                    pen.ago(view.since)
                ),
            );
        }
        html.push_str("</ul>\n");
        push_more(html, pen, open.len(), CHARTED_MAX);
    }
    html.push_str("</section>\n");
}

fn push_more(html: &mut String, pen: &Pen<'_>, count: usize, shown: usize) {
    if count > shown {
        push(html, format_args!("<p>{}</p>\n", pen.language.and_more(count - shown)));
    }
}

fn push_channels(
    html: &mut String,
    pen: &Pen<'_>,
    channels: &[&ChannelView],
    chronicles: &BTreeMap<ChannelId, Chronicle>,
) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"channels\">\n<h2 id=\"channels\">{}</h2>\n",
            language.channels()
        ),
    );
    if channels.is_empty() {
        push(html, format_args!("<p>{}</p>\n", language.no_channel()));
    } else {
        html.push_str("<ul class=\"doors\">\n");
        for (place, view) in channels.iter().enumerate() {
            push(html, format_args!("<li class=\"door {}\">\n", view.state.as_str()));
            push_head(html, pen, view);
            if place < CHARTED_MAX {
                push_charts(html, pen, view, chronicles.get(&view.id).unwrap_or(&Chronicle::default()));
            }
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</section>\n");
}

fn push_head(html: &mut String, pen: &Pen<'_>, view: &ChannelView) {
    push(
        html,
        format_args!(
            "<div class=\"head\">\n<h3>{} <a href=\"channel/{}\">{}</a></h3>\n<p class=\"quiet\">{}, {} ({})</p>\n",
            pen.state(view.state),
            foreign_plain(view.id.as_str()),
            foreign(&view.title),
            pen.language.kind(view.kind),
            pen.time(view.since),
            pen.ago(view.since)
        ),
    );
    push_circumstances(html, pen, view);
    html.push_str("</div>\n");
}

/// Why a channel is not up: what broke, or why it is closed.
pub(super) fn push_circumstances(html: &mut String, pen: &Pen<'_>, view: &ChannelView) {
    let language = pen.language;
    if let Some(opens_at) = view.opens_at {
        push(html, format_args!("<p>{} {}</p>\n", language.opens(), pen.time(opens_at)));
    }
    if let Some(window) = &view.maintenance {
        let announced =
            if window.text.is_empty() { String::new() } else { format!(": {}", foreign(&window.text)) };
        push(
            html,
            format_args!(
                "<p>{} {} {}{announced}</p>\n",
                language.maintenance(),
                language.until(),
                pen.time(window.until)
            ),
        );
    }
    if let Some(failure) = &view.failure {
        push(html, format_args!("<p class=\"why\">{}</p>\n", pen.failure(failure)));
    }
}

fn push_charts(html: &mut String, pen: &Pen<'_>, view: &ChannelView, chronicle: &Chronicle) {
    let language = pen.language;
    let figure = |html: &mut String, heading: &str, svg: Option<String>, words: &str| {
        let svg = svg.unwrap_or_default();
        push(html, format_args!("<figure>\n{svg}<figcaption>{heading}: {words}</figcaption>\n</figure>\n"));
    };
    let nothing = language.nothing_measured();
    let share = availability(&chronicle.days).map(|whole| language.share(whole));
    let days = share.as_ref().map(|_| charts::uptime(&chronicle.days, Size::Small, pen.scale()));
    let uptime = format!("{}, {}", language.uptime(), language.days(chronicle.days.len().max(90) as u64));
    figure(html, &uptime, days, share.as_deref().unwrap_or(nothing));
    let slowest = slowest(chronicle);
    let hours = slowest.map(|slowest| charts::hours_of(slowest, pen.now)).unwrap_or_default();
    let latest = charts::latest(&hours);
    let mut latency = language.latency().to_owned();
    // Of several probes the one is shown that takes longest, and named.
    if let Some(slowest) = slowest.filter(|_| view.probes.len() > 1) {
        latency = format!("{latency}, {}", foreign(slowest.name.as_str()));
    }
    let words = latest.map(|hour| charts::quantiles(hour, language));
    let svg = latest.map(|_| charts::latency(&hours, Size::Small, pen.scale()));
    figure(html, &latency, svg, words.as_deref().unwrap_or(nothing));
    let late = most_late(view);
    let mut timeouts = language.timeouts().to_owned();
    // Of several probes the one that ran out of time most often.
    if let Some((probe, _)) = late.filter(|_| view.probes.len() > 1) {
        timeouts = format!("{timeouts}, {}", foreign(probe.as_str()));
    }
    let hours = late.and_then(|(name, _)| chronicle.probes.iter().find(|probe| probe.name == *name));
    let svg =
        hours.map(|probe| charts::timeouts(&charts::hours_of(probe, pen.now), Size::Small, pen.scale()));
    let words = late.map(|(_, ratio)| language.share(ratio));
    figure(html, &timeouts, svg, words.as_deref().unwrap_or(nothing));
}

/// The probe that ran out of time most often, and how often.
fn most_late(view: &ChannelView) -> Option<(&ProbeName, f64)> {
    let ratios = view.probes.iter().filter_map(|probe| Some((&probe.name, probe.timeout_ratio?)));
    ratios.reduce(|most, other| if other.1 > most.1 { other } else { most })
}

/// The probe that took longest in its last hour.
fn slowest(chronicle: &Chronicle) -> Option<&ProbeChronicle> {
    let last = |probe: &ProbeChronicle| charts::latest(&probe.hours).and_then(|hour| hour.p95);
    chronicle.probes.iter().filter(|probe| last(probe).is_some()).max_by_key(|probe| last(probe))
}

fn push_maintenance(html: &mut String, pen: &Pen<'_>, windows: &[Arc<Announced>]) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"maintenance\">\n<h2 id=\"maintenance\">{}</h2>\n",
            language.maintenance()
        ),
    );
    if windows.is_empty() {
        push(html, format_args!("<p>{}</p>\n", language.none_announced()));
    } else {
        html.push_str("<ul>\n");
        for window in windows.iter().take(WINDOWS_MAX) {
            let standing = if window.is_active() { language.under_way() } else { language.planned() };
            let text =
                if window.text.is_empty() { String::new() } else { format!(": {}", foreign(&window.text)) };
            push(
                html,
                format_args!(
                    "<li><b>{standing}</b>, {} – {}, {}{text}</li>\n",
                    pen.time(window.from),
                    pen.time(window.until),
                    scope(window, language)
                ),
            );
        }
        html.push_str("</ul>\n");
        push_more(html, pen, windows.len(), WINDOWS_MAX);
    }
    html.push_str("</section>\n");
}

/// What a window is for: `web-chat, hotline`.
fn scope(window: &Announced, language: Language) -> String {
    let scope = &window.scope;
    let channels = scope.channels.iter().map(|id| id.to_string());
    let teams = scope.teams.iter().map(|id| id.to_string());
    let labels = scope.labels.iter().map(|(name, value)| format!("{name} = {value}"));
    let named: Vec<String> = channels.chain(teams).chain(labels).map(|name| foreign(&name)).collect();
    match named.len() {
        0 => language.for_everything().to_owned(),
        count if count > NAMED_MAX => {
            format!("{}, {}", named[..NAMED_MAX].join(", "), language.and_more(count - NAMED_MAX))
        }
        _ => named.join(", "),
    }
}

fn push_monitor(html: &mut String, pen: &Pen<'_>, health: &Health) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"monitor\">\n<h2 id=\"monitor\">{}</h2>\n<dl>\n",
            language.monitor()
        ),
    );
    let entry = |html: &mut String, name: &str, is_well: bool, words: &str| {
        let sign = Pen::sign(if is_well { State::Up } else { State::Dark });
        push(html, format_args!("<div><dt>{name}</dt><dd>{sign} {words}</dd></div>\n"));
    };
    let sight = if health.blind.is_empty() {
        language.sees().to_owned()
    } else {
        format!(
            "{}: {}",
            language.blind(),
            health.blind.iter().map(|cause| foreign(cause)).collect::<Vec<_>>().join(", ")
        )
    };
    entry(html, language.sight(), health.blind.is_empty(), &sight);
    let store = if health.store_fails { language.store_fails() } else { language.store_works() };
    entry(html, language.store(), !health.store_fails, store);
    let reloaded = health.reloaded_at.map_or_else(String::new, |at| pen.time(at));
    let configuration = if health.reload_successful { language.taken_up() } else { language.refused() };
    entry(html, language.configuration(), health.reload_successful, &format!("{configuration} {reloaded}"));
    let backup = health.backup_at.map_or_else(|| language.none_yet().to_owned(), |at| pen.time(at));
    push(html, format_args!("<div><dt>{}</dt><dd>{backup}</dd></div>\n", language.backup()));
    push(html, format_args!("<div><dt>{}</dt>", language.outbox()));
    let waiting: Vec<_> = health.outbox.iter().filter(|route| route.pending > 0).collect();
    if waiting.is_empty() {
        push(html, format_args!("<dd>{}</dd>", language.nothing_waits()));
    }
    for route in waiting {
        let words = language.waiting(route.pending, &language.span(route.oldest));
        push(html, format_args!("<dd>{}: {words}</dd>", foreign(&route.route)));
    }
    html.push_str("</div>\n</dl>\n</section>\n");
}
