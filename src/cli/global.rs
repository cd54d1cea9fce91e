//! The options that every command takes, as they are written.

use crate::status::persist::StateDir;
use clap::ValueEnum;
use std::path::PathBuf;

/// Options of every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The directory that holds the policy files
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SEAWALL_POLICIES",
        hide_env_values = true,
        default_value = "/etc/seawall/policies",
        help_heading = "Global options"
    )]
    pub policies: PathBuf,
    /// The directory that holds Seawall's state, its default repository and its socket
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SEAWALL_STATE",
        hide_env_values = true,
        default_value = "/var/lib/seawall",
        help_heading = "Global options"
    )]
    pub state: PathBuf,
    /// The Docker engine [default: the local socket]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DOCKER_HOST",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub docker_host: Option<String>,
    /// The name under which this host writes snapshots [default: the host name; after `recover`, that of the host that is gone]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "SEAWALL_HOST",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub host: Option<String>,
    /// How log lines are written to standard error
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "SEAWALL_LOG_FORMAT",
        hide_env_values = true,
        default_value_t = LogFormat::Text,
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace, or filters such as `seawall=debug,bollard=info` [default: info for `run`,
    /// otherwise warn]
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "SEAWALL_LOG",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub log: Option<String>,
    /// Whether output is coloured; `auto` means on a terminal, unless the variable `NO_COLOR` is
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Colour::Auto,
        help_heading = "Global options"
    )]
    pub color: Colour,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Whether output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal
    Auto,
    /// Also in a pipe
    Always,
    /// Never
    Never,
}

impl Global {
    /// The name that was given, if one was.
    #[must_use]
    pub fn given_host(&self) -> Option<&str> {
        self.host.as_deref().filter(|name| !name.is_empty())
    }

    /// The name that was given; else the one that a recovery recorded; else the machine's.
    #[must_use]
    pub fn host_name(&self) -> String {
        let known = self.given_host().map(ToOwned::to_owned).or_else(|| StateDir::host(&self.state));
        known.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}
