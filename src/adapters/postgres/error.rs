//! What can go wrong with a database, in words that say what to do.

/// The kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the policy says cannot be done: no address, no program, no permission.
    Refused,
    /// The server, or a program that spoke with it, gave up.
    Server,
    /// It was ended from outside.
    Interrupted,
}

/// Trouble with a database. One sentence; never a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PostgresError {
    kind: Kind,
    message: String,
}

impl PostgresError {
    /// What a person has to change.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into() }
    }

    /// What a server or a program said.
    pub fn server(message: impl Into<String>) -> Self {
        Self { kind: Kind::Server, message: message.into() }
    }

    /// That it was ended from outside.
    #[must_use]
    pub fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, message: "It was ended from outside before it was done".to_owned() }
    }

    /// The kind of trouble.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}
