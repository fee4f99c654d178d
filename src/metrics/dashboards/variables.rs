//! The variables of dashboards: what stands in the line above the panels, and is chosen there.

use serde_json::{Value, json};

/// Where Lamplighter's own pages are, until somebody says otherwise: the address of `listen` where nothing is set.
const PAGES: &str = "http://127.0.0.1:9899";

/// How much of a variable may be chosen.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    /// One value.
    One,
    /// Any number of values; at first all, and whatever has no such label too.
    Any,
    /// Any number of values, at first all that there are.
    Listed,
}

/// The data source that is chosen.
pub(super) fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Which Prometheus is asked.
pub(super) fn source() -> Value {
    json!({
        "type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus",
        "description": "The Prometheus that scrapes Lamplighter", "hide": 0, "includeAll": false, "multi": false,
        "options": [], "refresh": 1, "regex": "", "skipUrlSync": false
    })
}

/// A label of the metrics; `series` selects those whose values there are to choose from.
pub(super) fn label(name: &str, title: &str, about: &str, series: &str, choice: Choice) -> Value {
    let query = format!("label_values({series}, {name})");
    let mut variable = json!({
        "type": "query", "name": name, "label": title, "description": about, "datasource": data_source(),
        "definition": query, "query": { "query": query, "refId": name }, "refresh": 2, "sort": 1, "regex": "",
        "hide": 0, "options": [], "skipUrlSync": false, "multi": false, "includeAll": false
    });
    if let Choice::Any | Choice::Listed = choice {
        variable["multi"] = true.into();
        variable["includeAll"] = true.into();
        variable["current"] = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
    }
    if let Choice::Any = choice {
        variable["allValue"] = ".*".into();
    }
    variable
}

/// One of a few words; the first holds at first.
pub(super) fn words(name: &str, title: &str, about: &str, words: &[&str]) -> Value {
    let option = |word: &&str| json!({ "selected": *word == words[0], "text": word, "value": word });
    json!({
        "type": "custom", "name": name, "label": title, "description": about, "query": words.join(","),
        "options": words.iter().map(option).collect::<Vec<_>>(), "current": option(&words[0]), "hide": 0,
        "includeAll": false, "multi": false, "skipUrlSync": false
    })
}

/// Where Lamplighter's own pages are, for links.
pub(super) fn pages() -> Value {
    let address = json!({ "selected": true, "text": PAGES, "value": PAGES });
    json!({
        "type": "textbox", "name": "lamplighter", "label": "Pages", "query": PAGES, "current": address,
        "options": [address], "hide": 0, "skipUrlSync": false,
        "description": "The address of Lamplighter's own pages, as in public_url, without a slash at its end"
    })
}
