//! The one integration test binary: whatever needs a socket, a database, a process or a whole daemon.

mod demo_inbox;
mod demo_support_centre;
