//! The pure middle: what a channel, an outcome, a state, an incident and a notification are, and every rule by
//! which one becomes the other. Nothing here does I/O, spawns, or asks for the time: time is an argument.

pub mod alternatives;
pub mod canary;
pub mod case;
pub mod casebook;
pub mod channel;
pub mod chronicle;
pub mod command;
pub mod contact;
pub mod decision;
pub mod escalation;
pub mod evaluation;
pub mod exhibit;
pub mod flapping;
pub mod happening;
pub mod health;
pub mod hourly;
pub mod hours;
pub mod incident;
pub mod latency;
pub mod ledger;
pub mod maintenance;
pub mod network;
pub mod notification;
pub mod outcome;
pub mod past;
pub mod replay;
pub mod schedule;
pub mod shared;
pub mod snapshot;
pub mod urgency;
pub mod vigour;
