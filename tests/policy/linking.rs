//! The documents of several files, put together.

use crate::{POLICY, REPOSITORY, edit, told};
use insta::assert_snapshot;
use proptest::prelude::*;
use seawall::policy::{Desired, Diagnostic, Document, RepositoryLocation, link, parse};
use std::path::{Path, PathBuf};

fn documents(files: &[(&str, &str)]) -> Vec<(PathBuf, Document)> {
    let mut all = Vec::new();
    for (file, text) in files {
        let parsed = parse(Path::new(file), text.as_bytes());
        assert_eq!(parsed.errors, [], "{file}");
        all.extend(parsed.documents.into_iter().map(|document| (PathBuf::from(file), document)));
    }
    all
}

fn linked(files: &[(&str, &str)]) -> (Desired, Vec<Diagnostic>) {
    link(documents(files))
}

#[test]
fn what_fits_is_there_by_name() {
    let (desired, errors) = linked(&[("a.yaml", POLICY), ("b.yaml", REPOSITORY)]);
    assert_eq!(errors, []);
    assert_eq!(desired.policies.keys().collect::<Vec<_>>(), ["n8n-data"]);
    assert_eq!(desired.repositories.keys().collect::<Vec<_>>(), ["default", "offsite"]);
    assert_eq!(desired.revision, None);
}

#[test]
fn the_default_repository_is_there_unless_a_document_defines_it() {
    let (desired, errors) = linked(&[]);
    assert_eq!(errors, []);
    assert_eq!(desired.repositories["default"].location, RepositoryLocation::Local { path: None });
    assert_eq!(desired.repositories["default"].file, PathBuf::new());

    let own = edit(REPOSITORY, "offsite", "default");
    let (desired, errors) = linked(&[("own.yaml", &own)]);
    assert_eq!(errors, []);
    assert_eq!(desired.repositories.len(), 1);
    assert_eq!(desired.repositories["default"].file, PathBuf::from("own.yaml"));
}

#[test]
fn a_name_that_is_given_twice_is_an_error_of_both_places() {
    let twice = format!("{REPOSITORY}---\n{REPOSITORY}");
    let (desired, errors) = linked(&[("z.yaml", POLICY), ("a.yaml", POLICY), ("m.yaml", POLICY), ("r.yaml", &twice)]);
    assert_eq!(desired.policies["n8n-data"].file, PathBuf::from("a.yaml"));
    assert_snapshot!(told(&errors));
    // The same name for both kinds is no clash.
    let (_, errors) =
        linked(&[("a.yaml", POLICY), ("b.yaml", REPOSITORY), ("c.yaml", &edit(REPOSITORY, "offsite", "n8n-data"))]);
    assert_eq!(errors, []);
}

#[test]
fn an_unknown_repository_is_told_with_the_nearest() {
    let far = edit(&edit(POLICY, "offsite", "elsewhere"), "n8n-data", "far");
    let near = edit(POLICY, "offsite", "ofsite");
    let (desired, errors) = linked(&[("far.yaml", &far), ("near.yaml", &near), ("r.yaml", REPOSITORY)]);
    assert_eq!(desired.policies.len(), 2);
    assert_snapshot!(told(&errors));
}

proptest! {
    #[test]
    fn the_order_of_files_makes_no_difference(shuffled in Just(many()).prop_shuffle()) {
        prop_assert_eq!(link(shuffled), link(many()));
    }
}

fn many() -> Vec<(PathBuf, Document)> {
    let two = format!("{POLICY}---\n{REPOSITORY}");
    let other = edit(&edit(POLICY, "n8n-data", "other"), "offsite", "ofsite");
    documents(&[("a.yaml", POLICY), ("b.yaml", &two), ("c.yaml", &other), ("d.yaml", &two), ("e.yaml", REPOSITORY)])
}
