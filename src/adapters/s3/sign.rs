//! Signature Version 4, in headers (AWS, "Create a signed AWS API request"), with the whole body under it.
//!
//! Why our own, and not the signer of `object_store`: that crate's keys and URLs are normalised on the way, so that a
//! key with `//` or `..` in it, which S3 allows and people have, cannot be listed and is signed as another one; it
//! panics where a key holds what no header may; and it would be a second XML parser and clock in the binary.

use super::{Header, Keys};
use jiff::Timestamp;
use ring::hmac;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What is signed of one request.
pub(super) struct Signed<'a> {
    pub method: &'a str,
    pub host: &'a str,
    /// The path as it is sent.
    pub path: &'a str,
    /// The query, sorted, as it is sent.
    pub query: &'a str,
    /// Other headers that are signed: names in lower case, sorted, without `host` and the ones that are added here.
    pub headers: &'a [Header],
    /// SHA-256 of the body, in hex.
    pub body: &'a str,
}

/// The headers that a request is sent with, beside those that it has.
pub(super) fn sign(keys: &Keys, region: &str, now: Timestamp, request: &Signed<'_>) -> [Header; 3] {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let own = [
        ("host".into(), request.host.to_owned()),
        ("x-amz-content-sha256".into(), request.body.to_owned()),
        ("x-amz-date".into(), time.clone()),
    ];
    let mut headers: Vec<_> = own.iter().chain(request.headers).collect();
    headers.sort();
    let names = headers.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in headers {
        // Writing to a string cannot fail.
        _ = writeln!(canonical, "{name}:{}", value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    _ = write!(canonical, "\n{names}\n{}", request.body);
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut key = format!("AWS4{}", keys.secret.reveal()).into_bytes();
    for part in [day, region, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    let said = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id.reveal()
    );
    let [_, body, date] = own;
    [("authorization".into(), said), body, date]
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Percent-encodes as AWS wants it: everything but letters, digits and `-._~`, and, in a path, `/`.
pub(super) fn encode(text: &str, path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (path && byte == b'/') {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::key::Secret;

    /// AWS's own examples, of "Authenticating Requests: Using the Authorization Header".
    #[test]
    fn the_examples_of_the_documentation() {
        let keys = Keys {
            id: Secret::new("AKIAIOSFODNN7EXAMPLE".to_owned()),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        };
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        for (method, path, query, headers, body, signature) in [
            (
                "GET",
                "/test.txt",
                "",
                vec![("range".into(), "bytes=0-9".to_owned())],
                empty,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test%24file.text",
                "",
                vec![
                    ("date".into(), "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
                    ("x-amz-storage-class".into(), "REDUCED_REDUNDANCY".to_owned()),
                ],
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/",
                "lifecycle=",
                vec![],
                empty,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/",
                "max-keys=2&prefix=J",
                vec![],
                empty,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let host = "examplebucket.s3.amazonaws.com";
            let request = Signed { method, host, path, query, headers: &headers, body };
            let [(_, said), ..] = sign(&keys, "us-east-1", now, &request);
            assert!(said.ends_with(&format!("Signature={signature}")), "{method} {path} {query}: {said}");
        }
    }

    #[test]
    fn keys_are_sent_as_they_are() {
        assert_eq!(encode("a//b/../ü +%&~", true), "a//b/../%C3%BC%20%2B%25%26~");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
