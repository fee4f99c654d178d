//! The HTTP edge: metrics and health.
