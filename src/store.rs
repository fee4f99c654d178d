//! The durable memory: SQLite; all SQL is here.
