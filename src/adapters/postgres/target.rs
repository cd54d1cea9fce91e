//! A database that something is to be restored into, found, and nothing done to it yet.

use super::address::Address;
use super::ask::Asker;
use super::client::Clients;
use super::error::PostgresError;
use super::exchange::{Database, Server};
use crate::adapters::key;
use crate::policy::SecretRef;
use crate::reconcile::SourceKey;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// A database that may be written, and its server.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Asks the server that has it, or will.
    pub asker: Asker,
    /// The server, seen from another database of it.
    pub server: Server,
    /// The programs that this host has.
    pub clients: Clients,
}

impl Target {
    /// Finds it by the address that is read from `url`. `name`: another database of the same server.
    ///
    /// # Errors
    /// The address cannot be had or names no database, there are no programs, or the server does not answer.
    pub fn reach(
        url: &SecretRef,
        name: Option<&str>,
        binaries: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Result<Self, PostgresError> {
        let secret = key::read(url).map_err(|error| PostgresError::refused(error.to_string()))?;
        let address = Address::parse(&secret)?;
        let name = name.or_else(|| address.database()).map(str::to_owned);
        let name = name.ok_or_else(|| PostgresError::refused("The address names no database"))?;
        let clients = Clients::find(binaries, cancel)?;
        let asker = Asker { programs: clients.newest().clone(), address, cancel: cancel.clone() };
        let server = Server::reach(&asker, &name)?;
        Ok(Self { name, asker, server, clients })
    }

    /// Where it is, for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        self.asker.address.with_database(&self.name).shown()
    }

    /// What is there; `None`: nothing.
    ///
    /// # Errors
    /// It cannot be looked into.
    pub fn look(&self) -> Result<Option<Database>, PostgresError> {
        self.server.look(&self.name)
    }

    /// Whether it is what a restore of this source has left that was cut off: the next one removes it.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn is_unfinished(&self, source: &SourceKey, host: &str) -> Result<bool, PostgresError> {
        Ok(self.server.marked(&unfinished(source, host))?.iter().any(|(name, _)| *name == self.name))
    }
}

/// How a database is marked that a restore has not finished.
#[must_use]
pub fn unfinished(source: &SourceKey, host: &str) -> String {
    format!("Seawall: a restore of {source} by {host} that is not finished")
}
