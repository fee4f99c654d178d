//! The one integration test binary: whatever needs a socket, a database, a process or a whole daemon.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod browser;
mod canaries;
mod certificates;
mod chat;
mod cli;
mod config;
mod daemon;
mod delivery;
mod demo;
mod demo_inbox;
mod demo_support_centre;
mod dispatcher;
mod evidence;
mod flapping;
mod hostile;
mod house;
mod http;
mod journey;
mod kill;
mod logins;
mod loopback;
mod mail;
mod mail_exim;
mod mails;
mod neighbourhood;
mod network;
mod operations;
mod page;
mod personas;
mod phases;
mod probe;
mod prometheus;
mod readme;
mod reload;
mod run;
mod running;
mod samples;
mod scenarios;
mod smtp_sink;
mod store;
mod terminal;
mod test_mail;
mod web;
