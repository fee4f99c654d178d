//! The pages of `tests/pages` on two origins, and what each is expected to be to a customer.
//!
//! A page may begin with a comment that holds TOML: what is expected of it, how it is served, and in `browser` the keys
//! of the probe that differ. In a page, SHOP stands for its origin, OTHER for another one, REFUSED for one where nobody
//! listens, and PAGE for its own address. A page that is `like` another is that one with something `replaced`.

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{self, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use lamplighter::domain::outcome::Reason;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
    time::sleep,
};

/// Where the pages are.
pub(super) fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages"))
}

/// The probe where a page says nothing else.
const STEPS: &str = r##"[
    { name = "open", open = "PAGE" },
    { name = "chat", click = "#chat", opens = "#panel" },
]"##;

/// A page and what is expected of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Page {
    /// "broken/grey" for `tests/pages/broken/grey.html`.
    #[serde(skip)]
    pub(super) name: String,
    /// What a customer meets; none on a healthy page.
    pub(super) reason: Option<Reason>,
    /// Why.
    pub(super) cause: Option<Reason>,
    /// What the detail says among other things.
    pub(super) says: String,
    /// "degraded" if that is expected instead of a failure.
    pub(super) verdict: Option<String>,
    status: Option<u16>,
    headers: toml::Table,
    encoding: Option<String>,
    browser: toml::Table,
}

impl Page {
    fn read(name: &str) -> (Self, String) {
        let (front, html) = halves(name);
        let variant: Variant = toml::from_str(&front).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Some(like) = variant.like else { return (Self::of(name, &front), html) };
        let (mut base, mut html) = halves(&like);
        for (from, to) in &variant.replaced {
            assert!(base.contains(from) || html.contains(from), "{name}: {from:?} is not in {like}");
            base = base.replace(from, to);
            html = html.replace(from, to);
        }
        let mut table: toml::Table = base.parse().unwrap();
        let own: toml::Table = front.parse().unwrap();
        table.extend(own.into_iter().filter(|(key, _)| key != "like" && key != "replaced"));
        (Self::of(name, &toml::to_string(&table).unwrap()), html)
    }

    fn of(name: &str, front: &str) -> Self {
        let page: Self = toml::from_str(front).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), ..page }
    }

    /// One of them.
    pub(super) fn named(name: &str) -> Self {
        Self::read(name).0
    }

    /// All of a directory, or those of it whose names have in them what LAMPLIGHTER_PAGE says.
    pub(super) fn all(kind: &str) -> Vec<Self> {
        let files = std::fs::read_dir(directory().join(kind)).unwrap();
        let stems = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        let mut names: Vec<String> = stems.map(|stem| format!("{kind}/{stem}")).collect();
        names.sort_unstable();
        if let Some(part) = super::asked("LAMPLIGHTER_PAGE") {
            names.retain(|name| name.contains(&part));
        }
        names.iter().map(|name| Self::read(name).0).collect()
    }

    /// The probe as it stands in `probes.toml`.
    pub(super) fn settings(&self, site: &Site) -> String {
        let mut browser: toml::Table =
            toml::from_str(&format!("closed = ['(?i)offline', '(?i)leave a message']\nsteps = {STEPS}"))
                .unwrap();
        browser.extend(self.browser.clone());
        if let (Some(steps), true) = (browser["steps"].as_array_mut(), self.reason.is_some()) {
            // A page that is broken is waited for in vain.
            for step in steps.iter_mut().skip(1).filter_map(toml::Value::as_table_mut) {
                step.entry("within").or_insert_with(|| "3s".into());
            }
        }
        site.names.replace(&toml::to_string(&browser).unwrap(), &self.name)
    }
}

/// A page that is another with something in it replaced.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Variant {
    like: Option<String>,
    replaced: Vec<(String, String)>,
}

/// What stands in the comment before a page, and the page.
fn halves(name: &str) -> (String, String) {
    let text = std::fs::read_to_string(directory().join(name).with_extension("html"))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    match text.strip_prefix("<!--\n").and_then(|text| text.split_once("\n-->\n")) {
        Some((front, html)) => (front.to_owned(), html.to_owned()),
        None => (String::new(), text),
    }
}

/// What the words in capitals stand for.
#[derive(Debug)]
struct Names {
    shop: String,
    other: String,
    refused: String,
}

impl Names {
    fn replace(&self, text: &str, page: &str) -> String {
        text.replace("PAGE", &format!("{}/{page}", self.shop))
            .replace("SHOP", &self.shop)
            .replace("OTHER", &self.other)
            .replace("REFUSED", &self.refused)
    }
}

/// The pages, served.
pub(super) struct Site {
    names: Arc<Names>,
    _refuses: TcpSocket,
    _served: JoinSet<()>,
}

impl Site {
    pub(super) async fn open() -> Self {
        Self::with(Router::new()).await
    }

    /// The pages, and what stands beside them.
    pub(super) async fn with(routes: Router) -> Self {
        let listen = async |host: &str| TcpListener::bind((host, 0)).await.unwrap();
        let (shop, other) = (listen("127.0.0.1").await, listen("127.0.0.2").await);
        // A port that is taken and at which nobody listens.
        let refuses = TcpSocket::new_v4().unwrap();
        refuses.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let at = |address: SocketAddr| format!("http://{address}");
        let names = Arc::new(Names {
            shop: at(shop.local_addr().unwrap()),
            other: at(other.local_addr().unwrap()),
            refused: at(refuses.local_addr().unwrap()),
        });
        let own = Router::new()
            .route("/parts/{file}", get(part))
            .route("/slow/{milliseconds}/parts/{file}", get(slow_part))
            .route("/endless", get(endless))
            .route("/never.js", get(std::future::pending::<String>))
            .route("/never.png", get(std::future::pending::<String>))
            .route("/worker.js", get(|names| part(names, extract::Path("worker.js".to_owned()))))
            .route("/worker-stale.js", get(|names| part(names, extract::Path("worker-stale.js".to_owned()))))
            .route("/{kind}/{name}", get(page))
            .with_state(Arc::clone(&names));
        let routes = own.merge(routes);
        let mut served = JoinSet::new();
        for listener in [shop, other] {
            let routes = routes.clone();
            served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        }
        Self { names, _refuses: refuses, _served: served }
    }
}

impl Site {
    /// Its first origin.
    pub(super) fn shop(&self) -> &str {
        &self.names.shop
    }
}

async fn page(
    State(names): State<Arc<Names>>,
    extract::Path((kind, name)): extract::Path<(String, String)>,
) -> Response {
    let (page, html) = Page::read(&format!("{kind}/{name}"));
    let html = names.replace(&html, &page.name);
    let encoding = page.encoding.as_deref().unwrap_or("utf-8");
    let encoded = encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap().encode(&html).0.into_owned();
    let status = StatusCode::from_u16(page.status.unwrap_or(200)).unwrap();
    let mut response =
        (status, [(header::CONTENT_TYPE, format!("text/html; charset={encoding}"))], encoded).into_response();
    for (name, value) in &page.headers {
        let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
        response.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value);
    }
    response
}

async fn part(State(names): State<Arc<Names>>, extract::Path(file): extract::Path<String>) -> Response {
    let path = directory().join("parts").join(&file);
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("json") => "application/json",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    };
    match std::fs::read_to_string(path) {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], names.replace(&text, "parts")).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A document that never ends.
async fn endless() -> Response {
    let more = stream::repeat_with(|| Ok::<_, Infallible>("<p>More and more</p>\n".repeat(20)));
    let more = more.then(async |more| {
        sleep(Duration::from_millis(1)).await;
        more
    });
    ([(header::CONTENT_TYPE, "text/html")], Body::from_stream(more)).into_response()
}

async fn slow_part(
    names: State<Arc<Names>>,
    extract::Path((milliseconds, file)): extract::Path<(u64, String)>,
) -> Response {
    sleep(Duration::from_millis(milliseconds)).await;
    part(names, extract::Path(file)).await
}
