//! Where an engine listens.

use super::DockerError;
use std::fmt;
use std::path::PathBuf;

const DEFAULT: &str = "unix:///var/run/docker.sock";
const SUPPORTED: &str = "unix:///PATH/OF/docker.sock and tcp://HOST:PORT (plain) are supported";

/// An address that Seawall can speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket of this host.
    Unix(PathBuf),
    /// A host and port, in the form that both `connect` and the `Host` header take.
    Tcp(String),
}

impl Address {
    /// Reads the form of `DOCKER_HOST`; nothing and the empty string mean Docker's own default.
    pub(super) fn parse(given: Option<&str>) -> Result<Self, DockerError> {
        let given = given.map(str::trim).filter(|host| !host.is_empty()).unwrap_or(DEFAULT);
        let refuse =
            |why: &str| Err(DockerError::Address { given: without_user(given), why: format!("{why}; {SUPPORTED}") });
        match given.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => refuse("the path of a socket has to be absolute"),
            Some(("tcp" | "http", rest)) => {
                let authority = rest.strip_suffix('/').unwrap_or(rest);
                if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
                    return refuse("this is not a host and port");
                }
                match authority.rsplit_once(':') {
                    Some((_, port)) if !port.contains(']') && port.parse::<u16>().is_err() => {
                        refuse("the port has to be a number up to 65535")
                    }
                    Some((host, port)) if !host.is_empty() && !port.contains(']') => {
                        Ok(Self::Tcp(authority.to_owned()))
                    }
                    Some(("", _)) => refuse("the host is missing"),
                    _ => Ok(Self::Tcp(format!("{authority}:2375"))),
                }
            }
            Some(("ssh", _)) => refuse("ssh is not supported; forward the socket with `ssh -L` instead"),
            Some(("https", _)) => refuse("TLS is not supported"),
            _ => refuse("this is not an address of a Docker engine"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
        }
    }
}

/// The address without what may be a password.
fn without_user(given: &str) -> String {
    match (given.split_once("://"), given.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, "unix:///var/run/docker.sock")]
    #[case(Some(""), "unix:///var/run/docker.sock")]
    #[case(Some("unix:///run/user/1000/docker.sock"), "unix:///run/user/1000/docker.sock")]
    #[case(Some("tcp://proxy"), "tcp://proxy:2375")]
    #[case(Some("tcp://proxy:2376/"), "tcp://proxy:2376")]
    #[case(Some("http://127.0.0.1:80"), "tcp://127.0.0.1:80")]
    #[case(Some("tcp://[::1]"), "tcp://[::1]:2375")]
    #[case(Some("tcp://[::1]:99"), "tcp://[::1]:99")]
    fn addresses_that_work(#[case] given: Option<&str>, #[case] means: &str) {
        assert_eq!(Address::parse(given).unwrap().to_string(), means);
    }

    #[rstest]
    #[case("ssh://root@host", "ssh is not supported")]
    #[case("https://host:2376", "TLS is not supported")]
    #[case("unix://docker.sock", "absolute")]
    #[case("tcp://", "not a host and port")]
    #[case("tcp://:2375", "the host is missing")]
    #[case("tcp://host:dock", "the port has to be a number")]
    #[case("tcp://host:70000", "the port has to be a number")]
    #[case("tcp://host/path", "not a host and port")]
    #[case("npipe:////./pipe/docker_engine", "not an address")]
    #[case("/var/run/docker.sock", "not an address")]
    fn addresses_that_do_not_say_what_would(#[case] given: &str, #[case] why: &str) {
        let said = Address::parse(Some(given)).unwrap_err().to_string();
        assert!(said.contains(why) && said.contains("unix:///PATH") && said.contains("tcp://HOST:PORT"), "{said}");
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for given in ["ssh://root:hunter2@host", "tcp://me:hunter2@host:2375"] {
            let error = Address::parse(Some(given)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
