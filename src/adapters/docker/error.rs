//! What can go wrong with an engine.

use bollard::errors::Error;
use std::io;
use std::time::Duration;

/// Why the engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The address is none that Seawall can speak to.
    #[error("{given:?} cannot be used to reach Docker: {why}")]
    Address {
        /// As it was given.
        given: String,
        /// Why not, and what is supported.
        why: String,
    },
    /// Nothing answers at the address.
    #[error("Docker at {address} cannot be reached ({advice})")]
    Away {
        /// Where.
        address: String,
        /// What to do.
        advice: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The engine took too long.
    #[error("Docker did not {what} within {}s; it hangs or is overloaded", after.as_secs())]
    Timeout {
        /// What it was asked for.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The engine answered, and a file system did not.
    #[error("the directories of Docker's volumes could not be looked at within {}s: a file system of this host hangs", after.as_secs())]
    Directories {
        /// How long it was waited for.
        after: Duration,
    },
    /// The engine knows no such thing.
    #[error("Docker could not {what}: {message}")]
    NotFound {
        /// What it was asked for.
        what: String,
        /// Its own words.
        message: String,
    },
    /// The engine refused.
    #[error("Docker could not {what}: it answered {status}: {message}")]
    Refused {
        /// What it was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, cut where they are long.
        message: String,
    },
    /// What was asked for does not fit the state that the thing is in.
    #[error("Docker could not {what}, which is {state}: {message}")]
    WrongState {
        /// What it was asked for.
        what: String,
        /// Docker's word for the state.
        state: String,
        /// Its own words.
        message: String,
    },
    /// The answer could not be understood.
    #[error("Docker's answer when asked to {what} could not be read")]
    Answer {
        /// What it was asked for.
        what: String,
        /// Why not.
        source: Box<Error>,
    },
}

impl DockerError {
    pub(super) fn new(what: &str, address: &super::address::Address, error: Error) -> Self {
        let what = what.to_owned();
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let message = short(&message);
                match status_code {
                    404 => Self::NotFound { what, message },
                    status => Self::Refused { what, status, message },
                }
            }
            Error::IOError { err } if away(&err) => {
                Self::Away { address: address.to_string(), advice: advice(&err), source: err }
            }
            other => Self::Answer { what, source: Box::new(other) },
        }
    }
}

/// The error of a `connect`, to tell it from those of a connection that broke.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unreachable(pub(super) io::Error);

fn away(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Unreachable>()).is_some()
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run Seawall as root or as a member of the socket's group",
        io::ErrorKind::NotFound => "is it installed, and its socket mounted where Seawall runs in a container?",
        _ => "is it running?",
    }
}

/// At most a few lines of what an engine says.
pub(super) fn short(message: &str) -> String {
    const LONGEST: usize = 500;
    let message = message.trim();
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
