//! A bucket with a repository in it, and restic that looks at it.

use crate::lab::{Lab, PASSWORD, run};
use crate::seaweed::{ADMIN, Seaweed};
use seawall::adapters::repository::{Registry, RepositoryAdapter};
use seawall::policy::{Repository, RepositoryLocation, S3Access, S3Location, SecretRef};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A server with the bucket `backups`, and a registry.
pub struct Place {
    pub lab: Lab,
    pub server: Seaweed,
    pub registry: Registry,
}

impl Place {
    pub fn new() -> Self {
        let (lab, server) = (Lab::new(), Seaweed::start());
        server.set("PUT", "/backups", "");
        let registry = Registry::new(lab.dir.path().join("state"));
        Self { lab, server, registry }
    }

    /// The repository `offsite` in the bucket, by the admin's key.
    pub fn repository(&self) -> Repository {
        self.repository_at(&self.server.url(), ADMIN)
    }

    pub fn repository_at(&self, endpoint: &str, key: (&str, &str)) -> Repository {
        repository(self.lab.dir.path(), endpoint, key)
    }

    pub fn open(&self) -> Arc<RepositoryAdapter> {
        self.registry.open(&self.repository()).unwrap()
    }

    /// `restic` on the bucket, which must succeed.
    pub fn restic(&self, args: &[&str]) -> String {
        let mut command = Command::new("restic");
        let address = format!("s3:{}/backups/host-1", self.server.url());
        command.args(["--no-cache", "--repo", &address]).env("RESTIC_PASSWORD", PASSWORD);
        command.env("AWS_ACCESS_KEY_ID", ADMIN.0).env("AWS_SECRET_ACCESS_KEY", ADMIN.1).env_remove("AWS_CA_BUNDLE");
        run(command.args(args))
    }

    pub fn check(&self) {
        let said = self.restic(&["check", "--read-data"]);
        assert!(said.contains("no errors were found"), "{said}");
    }

    /// Keys in the bucket below a part of the repository, the largest objects first.
    pub fn keys(&self, part: &str) -> Vec<String> {
        let (status, listed) =
            self.server.ask("GET", &format!("/backups?list-type=2&prefix=host-1%2F{}", part.replace('/', "%2F")), "");
        assert_eq!(status, 200, "{listed}");
        let of = |text: &str, tag: &str| text.split(tag).nth(1).unwrap().split('<').next().unwrap().to_owned();
        let size = |object: &&str| std::cmp::Reverse(of(object, "<Size>").parse::<u64>().unwrap());
        let mut objects: Vec<&str> = listed.split("<Contents>").skip(1).collect();
        objects.sort_by_key(size);
        objects.into_iter().map(|object| of(object, "<Key>")).collect()
    }
}

pub fn repository(directory: &Path, endpoint: &str, (id, secret): (&str, &str)) -> Repository {
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        SecretRef::File(path)
    };
    let access = S3Access {
        endpoint: endpoint.to_owned(),
        bucket: "backups".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id_from: file(&format!("{id}.id"), id),
        secret_access_key_from: file(&format!("{id}-{secret}"), secret),
        ca_file: None,
        allow_http: false,
    };
    let location = S3Location { access, prefix: "host-1".to_owned(), residency: None };
    Repository {
        name: "offsite".to_owned(),
        location: RepositoryLocation::S3(Box::new(location)),
        password_from: Some(file("password", PASSWORD)),
        check: None,
        file: PathBuf::new(),
        text: "".into(),
        digest: format!("{endpoint}{id}{secret}"),
    }
}
