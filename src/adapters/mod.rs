//! Protocols and formats of others: the Docker engine, restic repositories.
