//! The loops on a paused clock: real store, real judgement, real dispatcher; only the doors and the mail server are
//! played.

mod blindness;
mod canary;
mod clocks;
mod evaluation;
mod heartbeat;
mod hours;
mod links;
mod past;
mod plans;
mod schedule;
pub mod stage;
mod storeless;
mod telling;
