//! Prometheus series: names once, projected from the status snapshot and from nothing else.

pub mod encode;
pub mod names;
pub mod pack;
pub mod project;
