//! A client with no manners of its own: what it is given goes over the wire as it is.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]
#![allow(dead_code, reason = "every test program uses some of it")]

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// An answer: its head and its body.
pub struct Answer(pub String, pub String);

impl Answer {
    /// The status.
    pub fn code(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The body.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.1).unwrap()
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// Sends the bytes and reads until the other side closes.
pub async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Answer {
    // The other side may close before it has read everything; what it said before counts.
    let _closed_early = stream.write_all(bytes).await;
    let mut text = Vec::new();
    let _closed_early = stream.read_to_end(&mut text).await;
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer(head.to_owned(), body.to_owned())
}

/// A request that ends its connection.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}
