//! Policies out of what docker-volume-backup was told, accepted by Seawall as they are.

use crate::support::operator::{Host, Said};
use rstest::rstest;
use std::fs;
use std::path::PathBuf;

struct Shop {
    host: Host,
    directory: PathBuf,
}

impl Shop {
    fn new(compose: &str) -> Self {
        let host = Host::on("unix:///nonexistent/docker.sock");
        let directory = host.path("shop");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("compose.yml"), compose).unwrap();
        Self { host, directory }
    }

    fn put(&self, file: &str, text: &str) -> &Self {
        let path = self.directory.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn migrate(&self, args: &[&str]) -> Said {
        let file = self.directory.join("compose.yml").display().to_string();
        let mut all = vec!["migrate", "offen", &file];
        all.extend(args);
        self.host.seawall(&all)
    }

    /// What it wrote, which `seawall validate` takes without a word against it.
    fn accepted(&self, args: &[&str]) -> (String, String) {
        let said = self.migrate(args);
        assert!(!said.err.contains("put right by hand"), "{}", said.err);
        let notes = said.err.clone();
        let text = said.ok();
        let file = self.host.path("written.yaml");
        fs::write(&file, &text).unwrap();
        let valid = self.host.seawall(&["validate", file.to_str().unwrap()]);
        assert_eq!(valid.code, 0, "{text}\n{valid:?}");
        (text, notes)
    }
}

/// The service with further lines of its environment, and an application with labels.
fn compose(environment: &str, labels: &str) -> String {
    format!(
        "services:\n  app:\n    image: app\n    volumes: [data:/var/app]\n    labels: {{{labels}}}\n  \
         backup:\n    image: offen/docker-volume-backup:v2\n    environment: {{{environment}}}\n    \
         volumes: [\"data:/backup/data:ro\"]\nvolumes: {{data: {{}}}}\n"
    )
}

#[rstest]
#[case("BACKUP_CRON_EXPRESSION: \"0 2 * * *\"", "", "schedule: {cron: \"0 2 * * *\", timeZone: UTC}")]
#[case(
    "BACKUP_CRON_EXPRESSION: \"0 30 4 ? * MON\", TZ: Europe/Berlin",
    "",
    "schedule: {cron: \"30 4 * * MON\", timeZone: Europe/Berlin}"
)]
#[case("BACKUP_CRON_EXPRESSION: \"@every 6h\"", "", "schedule: {every: 6h}")]
#[case("", "", "schedule: {cron: \"@daily\", timeZone: UTC}   # the default of docker-volume-backup")]
#[case("BACKUP_RETENTION_DAYS: \"7\"", "", "retention: {keepWithin: 7d, keepLast: 1}   # BACKUP_RETENTION_DAYS=7")]
#[case("BACKUP_RETENTION_DAYS: 0", "", "retention: {keepLast: 1}")]
#[case("BACKUP_EXCLUDE_REGEXP: '\\.(log|tmp)$$'", "", "exclude: [\"*.log\", \"*.tmp\"]")]
#[case("", "docker-volume-backup.stop-during-backup: \"true\"", "quiesce: {mode: stop}")]
#[case("", "docker-volume-backup.stop-during-backup: true", "quiesce: {mode: stop}")]
#[case("BACKUP_STOP_DURING_BACKUP_LABEL: one", "docker-volume-backup.stop-during-backup: one", "quiesce: {mode: stop}")]
#[case(
    "BACKUP_STOP_CONTAINER_LABEL: one",
    "docker-volume-backup.stop-container-during-backup: one",
    "quiesce: {mode: stop}"
)]
#[case(
    "BACKUP_STOP_SERVICE_TIMEOUT: 5m",
    "docker-volume-backup.stop-during-backup: \"true\"",
    "quiesce: {mode: stop, timeout: 5m}"
)]
#[case(
    "",
    "docker-volume-backup.archive-pre: \"/bin/sh -c 'dump > /var/app/dump'\"",
    "- {container: \"shop-app-1\", command: [\"/bin/sh\",\"-c\",\"dump > /var/app/dump\"]}"
)]
#[case(
    "EXEC_LABEL: mine",
    "docker-volume-backup.exec-label: mine, docker-volume-backup.archive-post: \"rm x\", docker-volume-backup.archive-post.user: \"33\"",
    "- {container: \"shop-app-1\", command: [\"rm\", \"x\"], user: \"33\"}"
)]
#[case("", "docker-volume-backup.exec-pre: sync", "command: [\"sync\"]")]
#[case("AWS_S3_BUCKET_NAME: acme, AWS_SECRET_ACCESS_KEY: x, AWS_S3_PATH: a/b", "", "prefix: \"a/b/seawall\"")]
#[case("AWS_S3_BUCKET_NAME: acme", "", "repositories: [bucket]   # AWS_S3_BUCKET_NAME")]
#[case(
    "AWS_S3_BUCKET_NAME: acme, AWS_SECRET_ACCESS_KEY_FILE: /run/secrets/k",
    "",
    "secretAccessKeyFrom: {file: \"/run/secrets/k\"}"
)]
#[case(
    "AWS_S3_BUCKET_NAME: acme, AWS_ENDPOINT: minio:9000, AWS_ENDPOINT_PROTO: http",
    "",
    "endpoint: \"http://minio:9000\""
)]
fn each_setting_has_its_place(#[case] environment: &str, #[case] labels: &str, #[case] line: &str) {
    let (text, _) = Shop::new(&compose(environment, labels)).accepted(&[]);
    let line = line.replace("\",\"", "\", \"");
    assert!(text.contains(&line), "{text}");
}

#[rstest]
#[case("GPG_PASSPHRASE: hunter2", "", "GPG_PASSPHRASE is not needed: every repository is encrypted")]
#[case("GPG_PASSPHRASE_FILE: /run/secrets/gpg", "", "GPG_PASSPHRASE_FILE is not needed")]
#[case("GPG_PUBLIC_KEY_RING: hunter2", "", "GPG_PUBLIC_KEY_RING has no counterpart")]
#[case("AGE_PUBLIC_KEYS: age1", "", "AGE_PUBLIC_KEYS has no counterpart")]
#[case(
    "NOTIFICATION_URLS: \"smtp://u:hunter2@h\"",
    "",
    "NOTIFICATION_URLS has no counterpart: Seawall sends nothing itself"
)]
#[case("BACKUP_PRUNING_PREFIX: db-", "", "BACKUP_PRUNING_PREFIX is not needed: retention touches nothing but")]
#[case(
    "AWS_S3_BUCKET_NAME: acme, AWS_SECRET_ACCESS_KEY: hunter2",
    "",
    "AWS_SECRET_ACCESS_KEY has to be where Seawall's own process reads it"
)]
#[case("AWS_S3_BUCKET_NAME: acme, AWS_STORAGE_CLASS: GLACIER", "", "AWS_STORAGE_CLASS has no counterpart")]
#[case("SSH_HOST_NAME: h", "", "SSH_HOST_NAME has no counterpart")]
#[case("BACKUP_TELEPORT: yes", "", "BACKUP_TELEPORT has no counterpart: it is not known")]
#[case("BACKUP_EXCLUDE_REGEXP: \"^/backup/(a|b).*$$\"", "", "BACKUP_EXCLUDE_REGEXP=^/backup/(a|b).*$ is left out")]
#[case("BACKUP_CRON_EXPRESSION: \"0 0 5 31 2 ?\"", "", "the policy is suspended until you write one")]
#[case("BACKUP_CRON_EXPRESSION: \"30 0 5 * * *\"", "", "begins with seconds")]
#[case("TZ: Mars/Olympus", "", "TZ=Mars/Olympus is no time zone")]
#[case("", "docker-volume-backup.copy-post: upload", "label docker-volume-backup.copy-post of app is left out")]
#[case("", "docker-volume-backup.stop-during-backup-no-restart: \"true\"", "what Seawall stops it starts again")]
#[case(
    "",
    "docker-volume-backup.stop-during-backup: \"true\", docker-volume-backup.archive-pre: sync",
    "a policy stops containers, or runs commands in them, and not both"
)]
fn what_has_no_counterpart_is_said(#[case] environment: &str, #[case] labels: &str, #[case] note: &str) {
    let (text, notes) = Shop::new(&compose(environment, labels)).accepted(&[]);
    assert!(notes.contains(note), "{notes}");
    assert!(!text.contains("hunter2") && !notes.contains("hunter2"), "a secret is never printed");
}

const WHOLE: &str = r#"
x-logging: &logging {logging: {driver: json-file}}
services:
  db:
    <<: *logging
    image: mysql
    container_name: shop_db
    volumes: [{type: volume, source: dumps, target: /dumps}]
    labels:
      - docker-volume-backup.archive-pre=/bin/sh -c 'mysqldump --all-databases > /dumps/all.sql'
      - docker-volume-backup.archive-post=/bin/sh -c 'rm /dumps/all.sql'
  app:
    image: app
    volumes: ["uploads:/uploads", "./config:/config"]
    deploy: {labels: {docker-volume-backup.stop-during-backup: "true"}}
  worker:
    image: app
    labels: ["docker-volume-backup.stop-during-backup=true"]
  second-writer:
    image: app
    volumes: ["uploads:/uploads"]
  backup:
    image: ghcr.io/offen/docker-volume-backup:${TAG:-v2}
    env_file: [./backup.env]
    environment:
      - BACKUP_RETENTION_DAYS=14
      - AWS_SECRET_ACCESS_KEY
      - AWS_S3_BUCKET_NAME=acme-backups
    volumes:
      - uploads:/backup/uploads:ro
      - dumps:/backup/dumps:ro
      - old:/backup/old:ro
      - ./config:/backup/config:ro
      - ~/mail:/backup/mail:ro
      - ./archive:/archive
      - /etc/localtime:/etc/localtime:ro
      - /var/run/docker.sock:/var/run/docker.sock:ro
volumes:
  uploads: {}
  dumps: {name: all_dumps}
  old: {external: true}
"#;

#[test]
fn a_whole_project_becomes_policies_and_a_repository() {
    let shop = Shop::new(WHOLE);
    shop.put("backup.env", "BACKUP_CRON_EXPRESSION=\"0 3 * * *\"\nexport NOTIFICATION_URLS=\"smtp://hunter2\"\n");
    shop.put(".env", "AWS_SECRET_ACCESS_KEY=hunter2\nCOMPOSE_PROJECT_NAME=acme\n");
    let (text, notes) = shop.accepted(&[]);
    let directory = shop.directory.display().to_string();
    let shown = format!("{text}\n=====\n{notes}").replace(&directory, "/srv/shop");
    insta::assert_snapshot!(shown);
    let named = shop.accepted(&["--project", "other"]).0;
    assert!(
        named.contains("\"other_uploads\"") && named.contains("\"all_dumps\"") && named.contains("\"old\""),
        "{named}"
    );
}

#[test]
fn each_file_of_conf_d_is_a_schedule() {
    let shop = Shop::new(
        "services:\n  backup:\n    image: offen/docker-volume-backup:v2\n    volumes:\n      - a:/a\n      - b:/b\n      \
         - ./conf:/etc/dockervolumebackup/conf.d\nvolumes: {a: {}, b: {}}\n",
    );
    shop.put("conf/01-a.conf", "BACKUP_SOURCES=/a\nBACKUP_CRON_EXPRESSION=\"0 1 * * *\"\n");
    shop.put("conf/02-b.conf", "BACKUP_SOURCES=/b\nBACKUP_CRON_EXPRESSION=\"0 2 * * *\"\nBACKUP_RETENTION_DAYS=3\n");
    let (text, _) = shop.accepted(&[]);
    for part in
        ["metadata: {name: a-01-a}", "metadata: {name: b-02-b}", "\"0 1 * * *\"", "\"0 2 * * *\"", "keepWithin: 3d"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("kind: BackupPolicy").count(), 2);
    // Named by hand they are the same files.
    let file = shop.directory.join("conf/02-b.conf").display().to_string();
    assert_eq!(shop.accepted(&[&file]).0, text);
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let shop = Shop::new(&compose("", ""));
    let to = shop.host.path("new").display().to_string();
    let said = shop.migrate(&["--output", &to]).ok();
    assert!(said.contains("new/data.yaml"), "{said}");
    assert_eq!(shop.host.seawall(&["validate", &to]).code, 0);
    fs::write(shop.host.path("new/data.yaml"), "mine").unwrap();
    let again = shop.migrate(&["--output", &to]);
    assert!(again.code == 1 && again.err.contains("nothing was written"), "{again:?}");
    assert_eq!(fs::read_to_string(shop.host.path("new/data.yaml")).unwrap(), "mine");
}

#[test]
fn what_is_no_configuration_is_told() {
    let shop = Shop::new("services: {app: {image: app}}\n");
    assert!(shop.migrate(&[]).err.contains("there is no backup service"));
    shop.put("compose.yml", "services: [\n");
    assert!(shop.migrate(&[]).err.contains("cannot be read"));
    let env = shop.put("x.env", "A=1").directory.join("x.env").display().to_string();
    assert!(shop.host.seawall(&["migrate", "offen", &env]).err.contains("no Compose file"));
}
