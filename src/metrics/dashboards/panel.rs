//! Panels: what each sort needs in Grafana's JSON, and how they are laid out.

use serde_json::{Value, json};

use super::{Dashboard, variables::data_source};

/// How many columns Grafana's grid has.
const COLUMNS: u32 = 24;

/// How a panel shows what it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Stat,
    Lines,
    Areas,
    Bars,
    States,
    Heatmap,
    Table,
    Gauges,
}

/// A panel that is being made.
pub(super) struct Panel {
    look: Look,
    title: &'static str,
    about: &'static str,
    size: (u32, u32),
    queries: Vec<Value>,
    unit: &'static str,
    /// A colour from each value on; the first holds below all.
    steps: Vec<(f64, &'static str)>,
    mappings: Vec<Value>,
    overrides: Vec<Value>,
    limits: Value,
    transformations: Vec<Value>,
    links: Vec<Value>,
    nothing: &'static str,
}

/// Green below, and these colours from these values on.
pub(super) type Steps = &'static [(f64, &'static str)];

impl Panel {
    fn new(look: Look, title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self {
            look,
            title,
            about,
            size,
            queries: Vec::new(),
            unit: "short",
            steps: Vec::new(),
            mappings: Vec::new(),
            overrides: Vec::new(),
            limits: json!({}),
            transformations: Vec::new(),
            links: Vec::new(),
            nothing: "",
        }
    }

    /// A number, or a few.
    pub(super) fn stat(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Stat, title, about, size)
    }

    /// Lines over time.
    pub(super) fn lines(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Lines, title, about, size)
    }

    /// Areas over time, one on the other.
    pub(super) fn areas(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Areas, title, about, size)
    }

    /// Bars over time, one on the other.
    pub(super) fn bars(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Bars, title, about, size)
    }

    /// What is so from when to when.
    pub(super) fn states(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::States, title, about, size)
    }

    /// How many fall into which bucket, over time.
    pub(super) fn heatmap(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Heatmap, title, about, size)
    }

    /// A line for each thing.
    pub(super) fn table(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Table, title, about, size)
    }

    /// A bar for each thing, now.
    pub(super) fn gauges(title: &'static str, about: &'static str, size: (u32, u32)) -> Self {
        Self::new(Look::Gauges, title, about, size)
    }

    /// Adds a query; `legend` is the name of each of its series.
    pub(super) fn ask(mut self, expr: impl Into<String>, legend: &str) -> Self {
        let name = char::from(b'A' + u8::try_from(self.queries.len()).expect("a panel has few queries"));
        let is_now = matches!(self.look, Look::Stat | Look::Table | Look::Gauges);
        let format = match self.look {
            Look::Table => "table",
            Look::Heatmap => "heatmap",
            _ => "time_series",
        };
        self.queries.push(json!({
            "refId": name.to_string(), "datasource": data_source(), "expr": expr.into(), "legendFormat": legend,
            "instant": is_now, "range": !is_now, "format": format, "editorMode": "code", "exemplar": false
        }));
        self
    }

    /// What its numbers count, in the words of Grafana.
    pub(super) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// From which values on it has another colour than green.
    pub(super) fn steps(mut self, steps: Steps) -> Self {
        self.steps = steps.to_vec();
        self
    }

    /// Words that stand for numbers, each with its colour.
    pub(super) fn words(mut self, words: &[(u8, &str, &str)]) -> Self {
        self.mappings.push(worded(words));
        self
    }

    /// The least value of its axis, and the greatest where there is one.
    pub(super) fn from(mut self, min: f64, max: Option<f64>) -> Self {
        self.limits = json!({ "min": min });
        if let Some(max) = max {
            self.limits["max"] = max.into();
        }
        self
    }

    /// What it says where there is nothing to show.
    pub(super) fn or_else(mut self, nothing: &'static str) -> Self {
        self.nothing = nothing;
        self
    }

    /// A series of this name has this colour.
    pub(super) fn paint(mut self, series: &str, colour: &str) -> Self {
        let colour = json!({ "id": "color", "value": { "mode": "fixed", "fixedColor": colour } });
        self.overrides.push(overriding(series, vec![colour]));
        self
    }

    /// Changes how a column of a table looks.
    pub(super) fn column(mut self, name: &str, properties: Vec<Value>) -> Self {
        self.overrides.push(overriding(name, properties));
        self
    }

    /// Changes what its queries gave before it is shown.
    pub(super) fn transform(mut self, id: &str, options: Value) -> Self {
        self.transformations.push(json!({ "id": id, "options": options }));
        self
    }

    /// Each of its series leads to the channel of its label, here and on Lamplighter's pages.
    pub(super) fn leads_to_channels(mut self) -> Self {
        self.links = channel_links("${__field.labels.channel}");
        self
    }

    fn defaults(&self) -> Value {
        let first = json!({ "color": "green", "value": null });
        let later = self.steps.iter().map(|(value, color)| json!({ "color": color, "value": value }));
        let mut defaults = json!({
            "unit": self.unit,
            "mappings": self.mappings,
            "links": self.links,
            "thresholds": { "mode": "absolute", "steps": std::iter::once(first).chain(later).collect::<Vec<_>>() },
            "color": { "mode": match self.look {
                Look::Lines | Look::Areas | Look::Bars => "palette-classic",
                _ => "thresholds",
            } },
            "custom": self.custom(),
        });
        for (name, limit) in self.limits.as_object().into_iter().flatten() {
            defaults[name] = limit.clone();
        }
        if !self.nothing.is_empty() {
            defaults["noValue"] = self.nothing.into();
        }
        defaults
    }

    fn custom(&self) -> Value {
        let line = if self.steps.is_empty() { "off" } else { "dashed" };
        let drawn = |style: &str, fill: u8, stacking: &str| {
            json!({
                "drawStyle": style, "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "spanNulls": false,
                "stacking": { "mode": stacking, "group": "A" }, "thresholdsStyle": { "mode": line }
            })
        };
        match self.look {
            Look::Lines => drawn("line", 10, "none"),
            Look::Areas => drawn("line", 60, "normal"),
            Look::Bars => drawn("bars", 80, "normal"),
            Look::States => json!({ "fillOpacity": 80, "lineWidth": 0 }),
            Look::Table => json!({ "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false }),
            Look::Stat | Look::Heatmap | Look::Gauges => json!({}),
        }
    }

    fn options(&self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        let legend = json!({ "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] });
        match self.look {
            Look::Stat => json!({
                "colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                "textMode": "auto", "reduceOptions": last
            }),
            Look::Gauges => json!({
                "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "color",
                "reduceOptions": last
            }),
            Look::Lines | Look::Areas | Look::Bars => {
                json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } })
            }
            Look::States => json!({
                "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "never", "legend": legend,
                "tooltip": { "mode": "single", "sort": "none" }
            }),
            Look::Heatmap => json!({
                "calculate": false, "cellGap": 1, "filterValues": { "le": 1e-9 },
                "color": {
                    "mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange",
                    "scale": "exponential", "reverse": false
                },
                "yAxis": { "axisPlacement": "left", "reverse": false, "unit": self.unit },
                "rowsFrame": { "layout": "auto" }, "showValue": "never", "legend": { "show": true },
                "exemplars": { "color": "rgba(255,0,255,0.7)" }, "tooltip": { "mode": "single", "yHistogram": false }
            }),
            Look::Table => json!({ "showHeader": true, "cellHeight": "sm" }),
        }
    }

    fn sort(&self) -> &'static str {
        match self.look {
            Look::Stat => "stat",
            Look::Lines | Look::Areas | Look::Bars => "timeseries",
            Look::States => "state-timeline",
            Look::Heatmap => "heatmap",
            Look::Table => "table",
            Look::Gauges => "bargauge",
        }
    }

    fn placed(self, id: usize, (x, y): (u32, u32)) -> Value {
        let mut panel = json!({
            "id": id,
            "type": self.sort(),
            "title": self.title,
            "description": self.about,
            "datasource": data_source(),
            "gridPos": { "x": x, "y": y, "w": self.size.0, "h": self.size.1 },
            "fieldConfig": { "defaults": self.defaults(), "overrides": self.overrides },
            "options": self.options(),
            "targets": self.queries,
        });
        if !self.transformations.is_empty() {
            panel["transformations"] = self.transformations.into();
        }
        panel
    }
}

/// Words that stand for numbers, each with its colour.
pub(super) fn worded(words: &[(u8, &str, &str)]) -> Value {
    let word = |(index, (number, text, color)): (usize, &(u8, &str, &str))| {
        (number.to_string(), json!({ "text": text, "color": color, "index": index }))
    };
    let options: serde_json::Map<String, Value> = words.iter().enumerate().map(word).collect();
    json!({ "type": "value", "options": options })
}

/// Links to a channel: its dashboard, and its page with its incidents and what was seen of them.
pub(super) fn channel_links(channel: &str) -> Vec<Value> {
    let uid = Dashboard::Channel.uid();
    vec![
        json!({
            "title": format!("Dashboard of {channel}"), "targetBlank": false,
            "url": format!("/d/{uid}?${{datasource:queryparam}}&var-channel={channel}&${{lamplighter:queryparam}}&${{__url_time_range}}")
        }),
        json!({
            "title": format!("Incidents of {channel}"), "targetBlank": true,
            "url": format!("${{lamplighter}}/channel/{channel}")
        }),
    ]
}

fn overriding(name: &str, properties: Vec<Value>) -> Value {
    json!({ "matcher": { "id": "byName", "options": name }, "properties": properties })
}

/// Lays rows of panels out, each below its heading, from left to right and anew below where no more fits.
pub(super) fn laid_out(rows: impl IntoIterator<Item = (&'static str, Vec<Panel>)>) -> Vec<Value> {
    let mut placed = Vec::new();
    let mut y = 0;
    for (title, panels) in rows {
        placed.push(json!({
            "id": placed.len() + 1, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": COLUMNS, "h": 1 }
        }));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in panels {
            let (width, tall) = panel.size;
            if x + width > COLUMNS {
                (x, y, height) = (0, y + height, 0);
            }
            let id = placed.len() + 1;
            placed.push(panel.placed(id, (x, y)));
            (x, height) = (x + width, height.max(tall));
        }
        y += height;
    }
    placed
}
