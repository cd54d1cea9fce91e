//! The table of layers (README, "How it works") as code, and which crates are held to which module.

/// What a module is, by the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// `policy`, `clock`: use nothing of ours.
    Ground,
    /// Functions of their arguments: no disk, no network, no clock, no runtime.
    Pure,
    /// Touches the world; the name tells one edge from another.
    Edge(&'static str),
    /// The types and traits between the loop and the edges.
    Ports,
    /// The loop.
    Loop,
    /// Puts everything together.
    Top,
}

/// The layer of a module or of a path into it (without `crate`), or `None` when the table does not know it.
pub fn layer(path: &[String]) -> Option<Layer> {
    let at = |i: usize| path.get(i).map_or("", String::as_str);
    Some(match (at(0), at(1)) {
        ("policy" | "clock", _) => Layer::Ground,
        ("status", "persist" | "audit") => Layer::Edge("status::{persist, audit}"),
        ("metrics", "encode") => Layer::Edge("metrics::encode"),
        ("reconcile" | "status" | "metrics", _) => Layer::Pure,
        ("store", _) => Layer::Edge("store"),
        ("observe", _) => Layer::Edge("observe"),
        ("execute", _) => Layer::Edge("execute"),
        ("adapters", _) => Layer::Edge("adapters"),
        ("http", _) => Layer::Edge("http"),
        ("controller", "ports") => Layer::Ports,
        ("controller", _) => Layer::Loop,
        ("app" | "cli" | "main" | "", _) => Layer::Top,
        _ => return None,
    })
}

/// Whether a module of `from` may name something in `to`.
pub fn may_use(from: &Layer, to: &Layer) -> bool {
    use Layer::{Edge, Ground, Loop, Ports, Pure, Top};
    match from {
        Top => true,
        _ if *to == Ground => true,
        Loop => matches!(to, Pure | Ports | Loop),
        Edge("observe" | "execute") if *to == Edge("adapters") => true,
        Edge(_) => to == from || matches!(to, Pure | Ports),
        Ports => matches!(to, Pure | Ports),
        Pure => *to == Pure,
        Ground => false,
    }
}

/// Crates that only the named modules may use. The rest of the tree does not know that they exist.
const HELD: &[(&str, &[&str])] = &[
    ("rustic_core", &["adapters::repository"]),
    ("rustic_backend", &["adapters::repository"]),
    ("bollard", &["adapters::docker"]),
    ("serde_yaml", &["policy::document", "cli::output", "cli::migrate::compose"]),
    ("backoff", &["controller::backoff"]),
    ("tar", &["adapters::archive"]),
    ("flate2", &["adapters::archive"]),
    ("aes", &["adapters::archive"]),
    ("cbc", &["adapters::archive"]),
    ("rusqlite", &["status::persist", "status::audit", "adapters::sqlite"]),
    ("notify", &["store"]),
    ("fuser", &["adapters::fuse"]),
    ("hyper_rustls", &["adapters::http_client"]),
    ("rustls", &["adapters::http_client"]),
    ("rustls_native_certs", &["adapters::http_client"]),
    ("prometheus", &["metrics::encode"]),
    ("anyhow", &["app", "cli", "main"]),
];

/// What ground and pure modules never name: they would then depend on more than their arguments.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "hyper",
    "hyper_util",
    "rustix",
    "xattr",
    "fastrand",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// What is wrong with `used` in the module at `module`, as a sentence.
pub fn judge(module: &[String], used: &[String]) -> Option<String> {
    let name = module.join("::");
    let path = used.join("::");
    let Some(from) = layer(module) else { return Some(format!("{name} is in no layer: add it to the table")) };
    if used[0] == "crate" {
        let to = layer(&used[1..])?;
        // `lib.rs` itself holds nothing but modules, and a glob of it would hide what is used.
        return (!may_use(&from, &to)).then(|| format!("{name} ({from:?}) may not use {path} ({to:?})"));
    }
    if let Some((_, homes)) = HELD.iter().find(|(held, _)| *held == used[0])
        && !homes.iter().any(|home| within(&name, home))
    {
        return Some(format!("{name} may not use {path}: that crate is held to {}", homes.join(", ")));
    }
    let pure = matches!(from, Layer::Ground | Layer::Pure);
    (pure && IMPURE.iter().any(|banned| within(&path, banned)))
        .then(|| format!("{name} is {from:?} and may not use {path}"))
}

fn within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
