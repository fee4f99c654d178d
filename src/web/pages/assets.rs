//! The files that the pages load: embedded, under addresses that change with their content, so that a browser keeps each
//! for good and never shows a page with an old one.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// One file.
pub(super) struct Asset {
    stem: &'static str,
    ending: &'static str,
    medium: &'static str,
    content: &'static str,
    /// The beginning of its SHA-256.
    mark: LazyLock<String>,
}

macro_rules! asset {
    ($file:literal, $stem:literal, $ending:literal, $medium:literal) => {
        Asset {
            stem: $stem,
            ending: $ending,
            medium: $medium,
            content: include_str!(concat!("../assets/", $file)),
            mark: LazyLock::new(|| mark(include_str!(concat!("../assets/", $file)))),
        }
    };
}

/// How everything looks.
pub(super) static STYLE: Asset = asset!("status.css", "status", "css", "text/css; charset=utf-8");
/// What keeps a page as the picture is.
pub(super) static SCRIPT: Asset = asset!("live.js", "live", "js", "text/javascript; charset=utf-8");
/// The sign in the tab.
pub(super) static ICON: Asset = asset!("lamp.svg", "lamp", "svg", "image/svg+xml");

fn mark(content: &str) -> String {
    Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

impl Asset {
    /// Its name below `assets/`.
    pub(super) fn address(&self) -> String {
        format!("{}-{}.{}", self.stem, *self.mark, self.ending)
    }
}

/// Gives a file by its name; one of an earlier version is not there any more.
pub(in crate::web) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.address() == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let tag = format!("\"{}\"", *asset.mark);
    let kept = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::CONTENT_TYPE, asset.medium.to_owned()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, asset.content).into_response()
}
