//! PostgreSQL, by its own programs: what they are told, what they say, and that they end.
//!
//! Nothing here speaks the protocol. `psql` asks, `pg_dump` and `pg_dumpall` read, `pg_restore` writes: of the version that
//! suits the server, with the address in their environment and never on their command line, and no file in between.

mod address;
pub mod archiver;
mod ask;
mod child;
mod client;
mod dump;
mod error;
mod exchange;
mod load;
mod locale;
mod preflight;
mod proof;
pub mod scratch;
mod target;

pub use address::Address;
pub use ask::{Asker, identifier, literal};
pub use client::{Clients, Programs};
pub use dump::{Dump, Dumped, Wanted};
pub use error::{Kind, PostgresError};
pub use exchange::{Database, Server, beside};
pub use load::{Leaving, Load};
pub use preflight::ServerFacts;
pub use scratch::Scratch;
pub use target::{Target, unfinished};
