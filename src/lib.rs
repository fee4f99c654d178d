//! Lamplighter watches every door through which customers reach support and tells the people on call when one
//! goes dark.
//!
//! One observation travels one way only: `probes.toml` becomes a plan ([`config::plan`]), the scheduler runs due
//! probes ([`probe`]), each run gives an [`domain::outcome::Outcome`], the evaluator judges it
//! ([`domain::evaluation`]) and commits what it decided together with the mails it owes ([`store`]), after what was seen has been kept ([`evidence`]), and the
//! dispatcher works off the outbox through the routes of [`notify`]. [`metrics`] and [`web`] only look on.
//!
//! `domain` is pure: no I/O, no tokio, no clock. The edges (`probe`, `store`, `evidence`, `notify`, `metrics`, `web`) never
//! import one another. Only `daemon` spawns. `docs/architecture.md` is the long form, `tests/it/house.rs` the proof.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod evidence;
pub(crate) mod halt;
pub mod metrics;
pub mod notify;
pub mod probe;
pub mod secret;
pub mod setting;
pub mod store;
pub mod web;
