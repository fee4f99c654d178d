//! Reads probes.toml and reports every problem at once.
