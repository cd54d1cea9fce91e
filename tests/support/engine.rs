//! A real Docker engine for tests, by `tests/engine.sh` and the `docker` command.
//!
//! Deliberately not through bollard: what the tests do to the engine goes another way than what they test.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine.sh");
const IMAGE: &str = "seawall-test-busybox:sh";

/// An engine, with everything that a test made in it. What was made goes away with the value.
pub struct Engine {
    host: String,
    own: Option<tempfile::TempDir>,
    containers: Mutex<Vec<String>>,
    volumes: Mutex<Vec<String>>,
}

impl Engine {
    /// The engine that all tests share: the one named by `SEAWALL_TEST_DOCKER_HOST`, else the script's, started
    /// when it does not run. It goes on running: `tests/engine.sh clean` ends it.
    pub fn shared() -> Self {
        let host = std::env::var("SEAWALL_TEST_DOCKER_HOST").unwrap_or_else(|_| script("start", None));
        Self { host, own: None, containers: Mutex::default(), volumes: Mutex::default() }
    }

    /// An engine for one test, which may stop and restart it. It is gone with the value.
    pub fn private() -> Self {
        let own = tempfile::Builder::new().prefix("engine").tempdir().unwrap();
        let host = script("start", Some(&own));
        Self { host, own: Some(own), containers: Mutex::default(), volumes: Mutex::default() }
    }

    /// Its address, in the form of `DOCKER_HOST`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Ends a private engine; what it keeps stays.
    pub fn stop(&self) {
        script("stop", Some(self.own.as_ref().expect("only a private engine may be stopped")));
    }

    /// Starts a private engine again.
    pub fn start(&self) {
        script("start", Some(self.own.as_ref().expect("only a private engine may be started")));
    }

    /// Ends a private engine and starts it again.
    pub fn restart(&self) {
        script("restart", Some(self.own.as_ref().expect("only a private engine may be restarted")));
    }

    /// Ends a private engine and all its containers as a power cut would.
    pub fn crash(&self) {
        script("crash", Some(self.own.as_ref().expect("only a private engine may be crashed")));
    }

    /// Makes a swarm of a private engine alone, beside those of other tests.
    pub fn swarm(&self) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.docker(&["swarm", "init", "--advertise-addr=127.0.0.1", &format!("--listen-addr=127.0.0.1:{port}")]);
    }

    /// Makes a volume of the local driver under a unique name.
    pub fn volume(&self, hint: &str, options: &[(&str, &str)], labels: &[(&str, &str)]) -> String {
        let name = unique(hint);
        self.volume_named(&name, options, labels);
        name
    }

    /// Makes a volume of the local driver under a given name.
    pub fn volume_named(&self, name: &str, options: &[(&str, &str)], labels: &[(&str, &str)]) {
        let mut args = vec!["volume".to_owned(), "create".to_owned()];
        args.extend(options.iter().map(|(k, v)| format!("--opt={k}={v}")));
        args.extend(labels.iter().map(|(k, v)| format!("--label={k}={v}")));
        args.push(name.to_owned());
        self.volumes.lock().unwrap().push(name.to_owned());
        self.docker(&args);
    }

    /// Removes a volume.
    pub fn remove_volume(&self, name: &str) {
        self.docker(&["volume", "rm", name]);
        self.volumes.lock().unwrap().retain(|v| v != name);
    }

    /// Where the engine keeps a volume's files.
    pub fn mountpoint(&self, volume: &str) -> PathBuf {
        self.docker(&["volume", "inspect", "--format={{.Mountpoint}}", volume]).into()
    }

    /// The name of an image that holds Debian's static busybox, as `/bin/sh` too, and nothing else; made on first use.
    pub fn image(&self) -> &'static str {
        if self.try_docker(&["image", "inspect", IMAGE]).is_err() {
            // A shell under its usual name is what health checks and hooks are run by.
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("bin")).unwrap();
            std::fs::copy("/bin/busybox", root.path().join("bin/busybox")).expect("busybox-static is installed");
            std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).unwrap();
            let mut tar = Command::new("tar")
                .arg("-C")
                .arg(root.path())
                .args(["-cf", "-", "bin"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("tar is installed");
            let status = Command::new("docker")
                .args(["--host", &self.host, "import", "--change", r#"ENTRYPOINT ["/bin/busybox"]"#, "-", IMAGE])
                .stdin(tar.stdout.take().unwrap())
                .stdout(Stdio::null())
                .status()
                .expect("docker is installed");
            assert!(tar.wait().unwrap().success() && status.success(), "the image for tests was not made");
        }
        IMAGE
    }

    /// Starts a container without network that waits to be ended. `args` go to `docker run` (`--volume=v:/data`);
    /// returns its name.
    pub fn sleeper(&self, hint: &str, args: &[&str]) -> String {
        self.run(hint, args, &["sleep", "1000000"])
    }

    /// Starts a container without network with a command of busybox; returns its name at once.
    pub fn run(&self, hint: &str, args: &[&str], command: &[&str]) -> String {
        let name = unique(hint);
        let image = self.image();
        self.containers.lock().unwrap().push(name.clone());
        // `--init` ends a `sleep` on SIGTERM, which process 1 would ignore.
        let mut all = vec!["run", "--detach", "--network=none", "--init", "--name", &name];
        all.extend(args);
        all.push(image);
        all.extend(command);
        self.docker(&all);
        name
    }

    /// Removes a container, running or not.
    pub fn remove_container(&self, name: &str) {
        self.docker(&["rm", "--force", "--volumes", name]);
        self.containers.lock().unwrap().retain(|c| c != name);
    }

    /// Any command of `docker`; what it printed, without the last newline.
    pub fn docker(&self, args: &[impl AsRef<str>]) -> String {
        self.try_docker(args).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Any command of `docker`; what it printed, or what it complained of.
    pub fn try_docker(&self, args: &[impl AsRef<str>]) -> Result<String, String> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let output =
            Command::new("docker").args(["--host", &self.host]).args(&args).output().expect("docker is installed");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
        } else {
            Err(format!("docker {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)))
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            script("clean", Some(own));
            return;
        }
        // The engine may be someone's own: only what this test made goes.
        for container in self.containers.get_mut().unwrap().drain(..).collect::<Vec<_>>() {
            drop(self.try_docker(&["rm", "--force", "--volumes", &container]));
        }
        for volume in self.volumes.get_mut().unwrap().drain(..).collect::<Vec<_>>() {
            drop(self.try_docker(&["volume", "rm", "--force", &volume]));
        }
    }
}

/// A name that no other test has, in this run or an earlier one.
pub fn unique(hint: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{hint}-{}-{now:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn script(command: &str, own: Option<&tempfile::TempDir>) -> String {
    let mut script = Command::new(SCRIPT);
    script.arg(command);
    if let Some(own) = own {
        script.env("SEAWALL_TEST_ENGINE_DIR", own.path().join("e"));
    }
    let output = script.output().expect("tests/engine.sh can be run");
    assert!(output.status.success(), "tests/engine.sh {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
