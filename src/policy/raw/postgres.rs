//! A database that is dumped, as a person writes it. The comments here are the descriptions in `schema/`.

use crate::policy::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A PostgreSQL database, copied by `pg_dump` as one consistent state while its application goes on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresSource {
    /// What the source is called: it is `postgres/NAME`, and its dump `NAME.dump`. Default: the policy's name.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"))]
    pub name: Option<String>,
    /// Where the address is read from, `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. Every run reads it anew.
    pub url_from: SecretRef,
    /// The directory that holds `pg_dump` and the like. Default: the one of `/usr/lib/postgresql/*/bin`, or of `PATH`,
    /// that suits the server.
    #[schemars(extend("pattern" = "^/"))]
    pub binaries: Option<PathBuf>,
    /// Whether roles and tablespaces are copied as well, as `globals.sql`. Passwords of roles only with a superuser's
    /// address.
    #[serde(default)]
    pub globals: bool,
    /// What is left out.
    #[serde(default)]
    pub exclude: PostgresExclude,
    /// Whether the time is written into `seawall.heartbeat` before each dump, so that a drill can prove the recovery
    /// point. A person makes the table.
    #[serde(default)]
    pub heartbeat: bool,
}

/// What is left out of a dump. Names may have `*` and `?` in them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresExclude {
    /// Schemas, with all that is in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// Tables and sequences, `SCHEMA.NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Tables, `SCHEMA.NAME`, of which only the rows are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
}
