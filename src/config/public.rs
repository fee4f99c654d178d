//! `[public]`: the page that everybody may see, on a listener of its own.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        plan::PublicSite,
        value::{Listen, Title},
    },
    setting::{At, HttpUrl},
};

/// `[public]`: the page for customers. Without this table there is none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [public]")]
pub struct PublicSettings {
    /// Address and port on which everybody may see how the channels are that have `public = true`. Nothing else is to be had
    /// there. Only a restart changes it.
    pub listen: At<Listen>,
    /// What the page is called. Default "Support".
    pub title: Option<Title>,
    /// The address under which customers reach it, such as `https://status.example.com`, for links in the feed.
    pub url: Option<HttpUrl>,
}

/// What the page is called where nothing is said.
const TITLE: &str = "Support";

impl PublicSettings {
    /// The page.
    #[must_use]
    pub fn site(&self) -> PublicSite {
        PublicSite {
            title: self.title.as_ref().map_or(TITLE, |title| &title.0).to_owned(),
            url: self.url.as_ref().map(|url| url.0.as_str().trim_end_matches('/').to_owned()),
        }
    }
}
