//! The options that every command takes, as they are written.

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
    /// The name under which this host writes snapshots [default: the host name]
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
    /// The name that was given, or the machine's.
    #[must_use]
    pub fn host_name(&self) -> String {
        let given = self.host.clone().filter(|name| !name.is_empty());
        given.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}
