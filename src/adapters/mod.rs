//! Protocols and formats of others: the Docker engine, restic repositories, tar files, S3 and the APIs of providers.

pub mod archive;
pub mod buckets;
pub mod clone;
pub mod cloudflare;
pub mod docker;
pub mod exchange;
pub mod fuse;
pub mod http_client;
pub mod key;
pub mod lay;
pub mod postgres;
pub mod providers;
pub mod repository;
pub mod s3;
pub mod sqlite;
pub mod volume_walk;
