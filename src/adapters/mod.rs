//! Protocols and formats of others: the Docker engine, restic repositories.

pub mod clone;
pub mod docker;
pub mod exchange;
pub mod http_client;
pub mod key;
pub mod lay;
pub mod providers;
pub mod repository;
pub mod sqlite;
pub mod volume_walk;
