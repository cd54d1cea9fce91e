//! The loop: looks, decides, starts runs, folds outcomes, publishes. Knows the edges only as [`ports`].

pub mod ports;
