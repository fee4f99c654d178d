//! The loops, and the only place that spawns.

pub mod dispatcher;
