//! Every variable of docker-volume-backup, and what stands for it here. The names are those of its reference.

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the policies.
    Taken,
    /// Nothing has to be done: what it says is so anyway, or has no meaning here.
    Moot(&'static str),
    /// Something is missing, or somebody has to act.
    Lost(&'static str),
}

use Fate::{Lost, Moot, Taken};

const REMOTE: &str = "a repository is a directory of this host or a bucket of S3: mount the storage, and name the directory \
                      in a `Repository`";
const ALERTS: &str = "Seawall sends nothing itself: alerts are Prometheus rules, deploy/prometheus/alerts.yml, and \
                      Alertmanager sends them";
const SEALED: &str = "every repository is encrypted with its own key anyway: run `seawall key export`";

const KNOWN: &[(&str, Fate)] = &[
    ("BACKUP_CRON_EXPRESSION", Taken),
    ("BACKUP_SOURCES", Taken),
    ("BACKUP_EXCLUDE_REGEXP", Taken),
    ("BACKUP_RETENTION_DAYS", Taken),
    ("BACKUP_STOP_DURING_BACKUP_LABEL", Taken),
    ("BACKUP_STOP_CONTAINER_LABEL", Taken),
    ("BACKUP_STOP_SERVICE_TIMEOUT", Taken),
    ("BACKUP_ARCHIVE", Taken),
    ("EXEC_LABEL", Taken),
    ("AWS_S3_BUCKET_NAME", Taken),
    ("AWS_S3_PATH", Taken),
    ("AWS_ENDPOINT", Taken),
    ("AWS_ENDPOINT_PROTO", Taken),
    ("AWS_ENDPOINT_CA_CERT", Taken),
    ("AWS_ACCESS_KEY_ID", Taken),
    ("AWS_SECRET_ACCESS_KEY", Taken),
    ("AWS_ENDPOINT_INSECURE", Lost("certificates are always looked at: name the server's own in `caFile`")),
    ("AWS_IAM_ROLE_ENDPOINT", Lost("an access key is needed, named by `accessKeyIdFrom` and `secretAccessKeyFrom`")),
    (
        "AWS_STORAGE_CLASS",
        Lost("objects have the bucket's own class: what is archived cannot be pruned or restored at once"),
    ),
    ("AWS_PART_SIZE", Moot("packs are 16 MiB")),
    ("TZ", Taken),
    ("BACKUP_COMPRESSION", Moot("repositories are compressed by zstd")),
    ("GZIP_PARALLELISM", Moot("repositories are compressed by zstd")),
    ("BACKUP_FILENAME", Moot("snapshots have ids and times, and no file names")),
    ("BACKUP_FILENAME_EXPAND", Moot("snapshots have ids and times, and no file names")),
    ("BACKUP_LATEST_SYMLINK", Moot("the newest snapshot is called `latest`")),
    (
        "BACKUP_FROM_SNAPSHOT",
        Moot("for an application that goes on meanwhile there are `sqlite`, `quiesce` and `snapshot: auto`"),
    ),
    ("BACKUP_PRUNING_LEEWAY", Moot("retention counts snapshots that exist and removes none after a failed run")),
    ("BACKUP_PRUNING_PREFIX", Moot("retention touches nothing but the policy's own snapshots")),
    ("BACKUP_SKIP_BACKENDS_FROM_PRUNE", Lost("retention is the policy's, alike in all of its repositories")),
    ("LOCK_TIMEOUT", Moot("runs of one source never overlap; `timeout` ends one that takes too long")),
    ("EXEC_FORWARD_OUTPUT", Moot("what a command says is told when it fails")),
    ("DOCKER_HOST", Lost("give it to Seawall: `--docker-host`, or DOCKER_HOST in its own environment")),
    ("GPG_PASSPHRASE", Moot(SEALED)),
    (
        "GPG_PUBLIC_KEY_RING",
        Lost("a public key cannot encrypt a repository: its key has to be on the host that writes to it"),
    ),
    ("AGE_PASSPHRASE", Moot(SEALED)),
    (
        "AGE_PUBLIC_KEYS",
        Lost("a public key cannot encrypt a repository: its key has to be on the host that writes to it"),
    ),
];

/// By how the names begin.
const FAMILIES: &[(&str, Fate)] = &[
    ("NOTIFICATION_", Lost(ALERTS)),
    ("EMAIL_", Lost(ALERTS)),
    ("AWS_", Lost("it is not known; see what it is for")),
    ("WEBDAV_", Lost(REMOTE)),
    ("SSH_", Lost(REMOTE)),
    ("AZURE_", Lost(REMOTE)),
    ("DROPBOX_", Lost(REMOTE)),
    ("GOOGLE_DRIVE_", Lost(REMOTE)),
];

/// What becomes of the variable of this name; `None`: it is none of docker-volume-backup's.
pub(super) fn fate(name: &str) -> Option<Fate> {
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate);
    let family = || FAMILIES.iter().find(|(family, _)| name.starts_with(family)).map(|(_, fate)| *fate);
    let strange = || name.starts_with("BACKUP_").then_some(Lost("it is not known; see what it is for"));
    known.or_else(family).or_else(strange)
}
