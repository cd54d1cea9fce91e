//! `health`: asks the operator whether it is alive, for a container that has no shell and no curl.

use super::exit::Exit;
use super::output;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for a busy host; a health check that waits longer says nothing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Far more than the answer is long.
const LONGEST: u64 = 64 * 1024;

/// `health`.
#[derive(Debug, clap::Args)]
pub struct Health {
    /// Where the operator listens
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "SEAWALL_LISTEN",
        hide_env_values = true,
        default_value_t = super::args::DEFAULT_LISTEN
    )]
    pub listen: SocketAddr,
    /// Ask whether it is ready (policies loaded, first look done) instead of whether it is alive
    #[arg(long)]
    pub ready: bool,
}

/// Asks once.
///
/// # Errors
/// It does not answer, or answers that it is not in order.
pub fn run(health: &Health) -> anyhow::Result<Exit> {
    let path = if health.ready { "/readyz" } else { "/healthz" };
    let address = reachable(health.listen);
    let answer =
        get(address, path).with_context(|| format!("the operator does not answer at http://{address}{path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("http://{address}{path} answers `{status}`: {}", body.trim());
    }
    output::emit(&format!("{}\n", body.trim()))?;
    Ok(Exit::Ok)
}

/// Who listens on every address is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn answer_with(response: &'static str) -> anyhow::Result<Exit> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // However many pieces it arrives in.
            let (mut request, mut piece) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"\r\n\r\n") {
                let length = stream.read(&mut piece).unwrap();
                request.extend(&piece[..length]);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request).into_owned()
        });
        let result = run(&Health { listen, ready: false });
        assert!(server.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
        result
    }

    #[test]
    fn only_200_is_healthy() {
        assert_eq!(answer_with("HTTP/1.1 200 OK\r\n\r\nok").unwrap(), Exit::Ok);
        let error = answer_with("HTTP/1.1 503 Service Unavailable\r\n\r\nthe loop stands still").unwrap_err();
        assert!(error.to_string().contains("the loop stands still"), "{error}");
        answer_with("").unwrap_err();
    }

    #[test]
    fn nobody_there_is_an_error_that_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        drop(listener);
        let error = run(&Health { listen, ready: true }).unwrap_err();
        assert!(error.to_string().contains(&format!("http://{listen}/readyz")), "{error}");
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
    }
}
