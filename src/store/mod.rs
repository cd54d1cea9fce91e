//! Reading the policies directory: load, watch, last known good. Publishes [`crate::controller::ports::Loaded`].

mod hints;
mod listing;
mod places;
mod read;
mod revision;
mod watch;

#[cfg(test)]
mod tests;
