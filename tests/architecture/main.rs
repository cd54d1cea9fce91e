//! Holds the tree to the layers of README "How it works", file by file, and keeps files short and exceptions explained.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; the lint's own exception misses its helpers")]

mod rules;
mod scan;

use std::path::{Path, PathBuf};

const LONGEST: usize = 400;

fn files(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(Vec<String>, PathBuf)> {
    let mut found = Vec::new();
    files(&top().join("src"), &["rs"], &mut found);
    found.sort();
    assert!(found.len() > 20, "the tree was not found");
    found.into_iter().map(|file| (module_of(file.strip_prefix(top().join("src")).unwrap()), file)).collect()
}

/// `status/model.rs` is `["status", "model"]`, `status/mod.rs` is `["status"]`, `lib.rs` is `[]`.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn is_test(module: &[String]) -> bool {
    module.iter().any(|part| part == "tests" || part.ends_with("_tests"))
}

fn violations(module: &[String], source: &str) -> Vec<String> {
    let scan = scan::scan(module, source).unwrap();
    scan.uses.iter().filter_map(|used| rules::judge(module, used)).collect()
}

#[test]
fn every_use_goes_down_the_table() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (module, file) in sources() {
        if is_test(&module) {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        seen += scan::scan(&module, &source).unwrap().uses.iter().filter(|used| used[0] == "crate").count();
        let shown = file.strip_prefix(top()).unwrap().display().to_string();
        wrong.extend(violations(&module, &source).into_iter().map(|v| format!("{shown}: {v}")));
    }
    assert!(seen > 20, "the scanner saw only {seen} uses: it is broken");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let mut found = Vec::new();
    for directory in ["src", "tests", "benches", "deploy"].map(|name| top().join(name)) {
        if directory.exists() {
            files(&directory, &["rs", "sh", "py"], &mut found);
        }
    }
    assert!(found.len() > 20, "the tree was not found");
    let long: Vec<_> = found
        .iter()
        .map(|file| (std::fs::read_to_string(file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_exception_from_a_lint_says_why() {
    let mut wrong = Vec::new();
    for (module, file) in sources() {
        let found = scan::scan(&module, &std::fs::read_to_string(&file).unwrap()).unwrap();
        wrong.extend(found.without_reason.iter().map(|text| format!("{}: {text}", file.display())));
    }
    assert!(wrong.is_empty(), "without a reason: {}", wrong.join(", "));
}

/// Made-up sources: what the test must see, and what it must let pass.
#[test]
fn the_test_can_fail() {
    let at = |module: &str| module.split("::").map(str::to_owned).collect::<Vec<_>>();
    let bad = [
        ("reconcile::decide", "use crate::store::Loaded;"),
        ("reconcile::decide", "use crate::{policy::Policy, store::{self, load}};"),
        ("reconcile::decide", "use super::super::controller::ports::Work;"),
        ("reconcile::decide", "fn f() { let x = crate::http::serve; }"),
        ("reconcile::decide", "fn f() { println!(\"{}\", crate::http::serve()); }"),
        ("reconcile::decide", "use std::{collections::BTreeMap, fs};"),
        ("reconcile::decide", "use std::time::SystemTime;"),
        ("reconcile::decide", "async fn f() { tokio::time::sleep(d).await }"),
        ("policy::validate", "use crate::reconcile::Plan;"),
        ("policy::validate", "use serde_yaml::Value;"),
        ("store::load", "use crate::adapters::docker::Docker;"),
        ("store::load", "use crate::controller::queue::Queue;"),
        ("execute::backup", "use crate::observe::docker;"),
        ("execute::backup", "mod inner { use super::super::super::http; }"),
        ("status", "mod persist; pub use persist::State;"),
        ("status", "mod persist; fn f() { persist::open() }"),
        ("status::fold", "use super::persist::State;"),
        ("controller::worker", "use crate::execute::backup;"),
        ("observe::docker", "use bollard::Docker;"),
        ("observe::docker", "use ::bollard::Docker;"),
        ("http", "fn f() -> anyhow::Result<()> { Ok(()) }"),
        ("controller::runs", "fn f() { backoff::delay() }"),
        ("newcomer", "use crate::policy::Policy;"),
    ];
    for (module, source) in bad {
        assert!(!violations(&at(module), source).is_empty(), "{module} passed with: {source}");
    }
    let good = [
        (
            "reconcile::decide",
            "// use crate::store::Loaded;\nconst S: &str = \"crate::store\"; use crate::policy::Policy;",
        ),
        ("reconcile::decide", "use super::plan::Plan; use crate::status::model::Truth;"),
        ("reconcile::decide", "#[cfg(test)] mod tests { use super::*; use std::fs; use crate::store::load; }"),
        ("execute::backup", "use crate::adapters::repository; use crate::controller::ports::Work; use tokio::sync;"),
        ("adapters::docker::events", "use bollard::Docker; use super::connect;"),
        ("controller", "mod backoff; fn f(x: T) { backoff::delay(x.anyhow.fs) }"),
        ("controller::backoff", "use backoff::BackoffBuilder;"),
        ("controller::runs", "use super::backoff; fn f() { backoff::delay() }"),
        ("cli::output", "use anyhow::Result; use crate::execute::backup; use serde_yaml::to_string;"),
        ("status::persist", "use super::audit::Chain; use super::model::StatusSnapshot;"),
    ];
    for (module, source) in good {
        assert_eq!(violations(&at(module), source), Vec::<String>::new(), "{module}: {source}");
    }
    let lints = "#[allow(dead_code)] fn f() {}\n#[expect(dead_code, reason = \"why\")] fn g() {}\n#![allow(x)]\n/// If they allow it.\nfn h() {}";
    assert_eq!(scan::scan(&[], lints).unwrap().without_reason.len(), 2);
}
