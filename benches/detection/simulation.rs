//! A channel watched in virtual time: what a policy of detection costs in false alarms, and how soon it finds an outage.
//!
//! Nothing here waits or asks for the time. Lamplighter is not modelled where its own code can be asked: the turns come
//! from `domain::schedule` and the verdicts from `domain::evaluation`. What is modelled are the worlds, the sentinels and
//! the detectors it is compared with. The same seed gives the same figures, to the byte.

pub mod alertmanager;
pub mod chance;
pub mod classics;
pub mod detector;
pub mod icinga;
pub mod judge;
pub mod measure;
pub mod pacing;
pub mod play;
pub mod policy;
pub mod sentinels;
pub mod statistics;
pub mod world;
