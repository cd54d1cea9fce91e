//! What proves that a restore would do.

use super::{Duration, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What proves that a restore would do.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verification {
    /// Restore the newest complete snapshot of each source into a scratch volume or database, on a schedule, and look at
    /// it.
    pub drill: Option<Drill>,
}

/// A restore that nobody needed, measured.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drill {
    /// When.
    #[schemars(required)]
    pub schedule: Option<Schedule>,
    /// What has to hold of the restored files, or of the restored database. Comparing comes first, the rest in this order.
    /// Default: `[{compareSample: 5%}]`; of a database `[{minTables: 1}]`.
    #[schemars(extend("minItems" = 1))]
    pub checks: Option<Vec<DrillCheck>>,
    /// A drill that takes longer is ended as a failure. Default `6h`.
    pub timeout: Option<Duration>,
    /// The repository that is restored from, one of the policy's. Default: its first.
    pub repository: Option<String>,
    /// Of a database: the server that it is restored into is started from an image. Default: from the programs of this host.
    pub server: Option<DrillServer>,
}

/// A PostgreSQL server in a container without network, for one drill.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrillServer {
    /// The image, which has to be on the host: none is pulled. `initdb` and `postgres` are on its `PATH`, of the version that
    /// made the dump or newer.
    #[schemars(required)]
    pub image: Option<String>,
    /// As whom, as Docker writes it: `USER[:GROUP]`, but not as root. Default `postgres`.
    pub user: Option<String>,
}

/// What has to hold of restored files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DrillCheck {
    /// There is a file or directory at this path, relative to the source's root.
    FileExists(String),
    /// There are at least so many files, directories not counted.
    MinFiles(#[schemars(range(min = 1))] u64),
    /// The files hold at least so much, such as `10MiB`.
    MinBytes(Size),
    /// The SQLite database at this path passes `PRAGMA integrity_check`.
    SqliteIntegrity(String),
    /// The content of this share of the files is what the snapshot's hashes say, such as `5%`. The rest is compared by
    /// name, kind, size and attributes. Another share each time.
    CompareSample(Percent),
    /// A command in a container of its own ends with 0.
    Command(CommandCheck),
    /// A server, started from an image, answers.
    Http(HttpCheck),
    /// Of a database: there are at least so many tables.
    MinTables(#[schemars(range(min = 1))] u64),
    /// Of a database: the tables, each named `SCHEMA.TABLE`, that have at least so many rows.
    MinRows(#[schemars(extend("minProperties" = 1))] BTreeMap<String, u64>),
    /// Of a database: a `SELECT` of one value, which is true.
    Query(#[schemars(regex(pattern = r"\S"))] String),
}

/// A command in a container without network, with the restored files in it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandCheck {
    /// The image, which has to be on the host: none is pulled.
    #[schemars(required)]
    pub image: Option<String>,
    /// The program and its arguments. Without it, the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Where the restored files are, in the container. Default `/data`.
    #[schemars(extend("pattern" = "^/"))]
    pub mount_path: Option<String>,
    /// As whom, as Docker writes it: `USER[:GROUP]`. Default: the image's own.
    pub user: Option<String>,
    /// It is given up after so long. Default `5m`.
    pub timeout: Option<Duration>,
}

/// A server in a network of its own that leads nowhere, with the restored files in it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCheck {
    /// The image, which has to be on the host: none is pulled.
    #[schemars(required)]
    pub image: Option<String>,
    /// The program and its arguments. Without it, the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Where the restored files are, in the container. Default `/data`.
    #[schemars(extend("pattern" = "^/"))]
    pub mount_path: Option<String>,
    /// As whom, as Docker writes it: `USER[:GROUP]`. Default: the image's own.
    pub user: Option<String>,
    /// Variables of its environment. No secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The port that it listens on.
    #[schemars(required, range(min = 1))]
    pub port: Option<u16>,
    /// The path that is asked for. Default `/`.
    #[schemars(extend("pattern" = "^/"))]
    pub path: Option<String>,
    /// The status that it has to answer with. Default: any from 200 to 299.
    #[schemars(range(min = 100, max = 599))]
    pub expect_status: Option<u16>,
    /// It is given up when it has not answered so after so long. Default `5m`.
    pub timeout: Option<Duration>,
}

/// When a repository is looked through, and how much of its data is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryCheck {
    /// When.
    #[schemars(required)]
    pub schedule: Option<Schedule>,
    /// The share of the data that one check reads and compares with its hashes; another one each time, so that with 5,
    /// twenty checks have read all. 0: only the structure is checked. Default 5.
    #[schemars(range(max = 100))]
    pub read_data_percent: Option<u8>,
}

/// A size such as `512B`, `10KiB`, `10MiB`, `2GiB` or `1TiB`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Size(#[schemars(regex(pattern = SIZE))] pub String);

/// A share such as `5%`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Percent(#[schemars(regex(pattern = PERCENT))] pub String);

/// How a size is written.
pub const SIZE: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB)$";

/// How a share is written.
pub const PERCENT: &str = "^([1-9][0-9]?|100)%$";
