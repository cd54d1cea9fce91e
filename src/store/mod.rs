//! Reading the policies directory: load, watch, last known good. Publishes [`crate::controller::ports::Loaded`].
