//! The configuration: `probes.toml` and what it includes, checked as a whole, become a [`plan::Plan`].

pub mod plan;
