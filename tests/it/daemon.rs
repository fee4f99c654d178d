//! The loops on a paused clock: real store, real judgement, real dispatcher; only the doors and the mail server are
//! played.

mod blindness;
mod evaluation;
mod hours;
mod plans;
mod schedule;
pub mod stage;
mod telling;
