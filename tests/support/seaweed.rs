//! A real S3 server of the test's own: SeaweedFS on loopback, with two keys. It ends with the value.
//!
//! Settings are made with curl, whose signatures are not ours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "helpers of tests, which fail so")]
#![allow(dead_code, reason = "every test program uses some of it")]

use sha2::{Digest, Sha256};
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The key that may do everything, and its secret.
pub const ADMIN: (&str, &str) = ("admin", "admin-hunter2");
/// The key that may read and list, and its secret.
pub const READER: (&str, &str) = ("reader", "reader-hunter2");

/// The server.
pub struct Seaweed {
    server: Child,
    directory: TempDir,
    port: u16,
}

impl Seaweed {
    /// Starts one. Between the choice of ports and their use somebody else may have taken one; then it ends, and others are
    /// tried.
    pub fn start() -> Self {
        (0..5).find_map(|_| Self::try_start()).expect("a server on ports that nobody else takes")
    }

    fn try_start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let identity = |(id, secret): (&str, &str), actions: &str| {
            format!(
                r#"{{"name":"{id}","credentials":[{{"accessKey":"{id}","secretKey":"{secret}"}}],"actions":[{actions}]}}"#
            )
        };
        let admin = identity(ADMIN, r#""Admin","Read","Write","List","Tagging""#);
        let reader = identity(READER, r#""Read","List","GetBucketObjectLockConfiguration""#);
        let config = directory.path().join("s3.json");
        std::fs::write(&config, format!(r#"{{"identities":[{admin},{reader}]}}"#)).unwrap();
        let ports = free_ports(7);
        let flag = |name: &str, nth: usize| format!("-{name}={}", ports[nth]);
        let log = File::create(directory.path().join("log")).unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        let server = Command::new(weed())
            .args(["mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"])
            .args(["-master.telemetry=false", "-s3.autoCreateBucket=false"])
            .args([flag("s3.port", 0), flag("master.port", 1), flag("volume.port", 2), flag("filer.port", 3)])
            .args([flag("admin.port", 4), flag("s3.port.iceberg", 5), flag("s3.port.lance", 6)])
            .arg(format!("-dir={}", directory.path().join("data").display()))
            .arg(format!("-s3.config={}", config.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut this = Self { server, directory, port: ports[0] };
        let begun = Instant::now();
        loop {
            // It answers before it can store anything.
            if this.ask("PUT", "/begun", "").0 == 200 && this.ask("PUT", "/begun/x", "x").0 == 200 {
                return Some(this);
            }
            if this.server.try_wait().unwrap().is_some() {
                return None;
            }
            let log = || std::fs::read_to_string(this.directory.path().join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Its address, as an endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Does something with the admin's key; fails where the server does not.
    pub fn set(&self, method: &str, path: &str, body: &str) {
        let (status, said) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {said}");
    }

    /// Asks with the admin's key: the status and what was said.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_with(method, path, body, &[])
    }

    /// As [`Seaweed::ask`], with headers.
    pub fn ask_with(&self, method: &str, path: &str, body: &str, headers: &[&str]) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--aws-sigv4", "aws:amz:us-east-1:s3", "-w", "\n%{http_code}"])
            .args(["-u", &format!("{}:{}", ADMIN.0, ADMIN.1), "-X", method, "--path-as-is"])
            .args(["-H", &format!("x-amz-content-sha256: {}", hex::encode(Sha256::digest(body)))]);
        for header in headers {
            curl.args(["-H", header]);
        }
        if !body.is_empty() {
            curl.args(["--data-binary", body]);
        }
        let said = curl.arg(format!("{}{path}", self.url())).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), body.to_owned())
    }
}

impl Seaweed {
    /// Stores a file as an object.
    pub fn upload(&self, path: &str, file: &std::path::Path) {
        let hash = hex::encode(Sha256::digest(std::fs::read(file).unwrap()));
        self.curl(&["-X", "PUT", "-T", file.to_str().unwrap(), "-H", &format!("x-amz-content-sha256: {hash}")], path);
    }

    /// Fetches an object into a file.
    pub fn download(&self, path: &str, file: &std::path::Path) {
        self.curl(&["-o", file.to_str().unwrap()], path);
    }

    /// The headers of an object, in lower case.
    pub fn head(&self, path: &str) -> String {
        self.curl(&["-I"], path).to_lowercase()
    }

    fn curl(&self, args: &[&str], path: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--max-time", "60", "--aws-sigv4", "aws:amz:us-east-1:s3", "--path-as-is"]);
        curl.args(["-u", &format!("{}:{}", ADMIN.0, ADMIN.1)]).args(args);
        let said = curl.arg(format!("{}{path}", self.url())).output().unwrap();
        assert!(said.status.success(), "{path}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Ports that nobody has, and nobody has the ones 10000 above, where it listens too.
fn free_ports(count: usize) -> Vec<u16> {
    let mut held = Vec::new();
    while held.len() < count {
        // Below what the kernel gives to those who do not ask for one.
        let port = fastrand::u16(10_000..22_000);
        let taken = [TcpListener::bind(("127.0.0.1", port)), TcpListener::bind(("127.0.0.1", port + 10_000))];
        if taken.iter().all(Result::is_ok) {
            held.push((port, taken));
        }
    }
    held.into_iter().map(|(port, _)| port).collect()
}

/// Where `tests/run.sh` puts it.
fn weed() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let ours = target.join("tools/python/bin/weed");
    assert!(ours.exists(), "no SeaweedFS at {}: `tests/run.sh` installs what tests/tools.txt names", ours.display());
    ours
}
