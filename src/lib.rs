//! Seawall, the backup operator for Docker hosts. The map of the modules is in the README, under "How it works".

pub mod adapters;
pub mod app;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod execute;
pub mod http;
pub mod metrics;
pub mod observe;
pub mod policy;
pub mod reconcile;
pub mod status;
pub mod store;
