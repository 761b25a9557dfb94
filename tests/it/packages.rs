//! What the manifests promise, as cargo reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::ROOT;

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).arg("--offline").current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The package of this workspace.
fn package(name: &str) -> Value {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).unwrap();
    metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap().clone()
}

/// The features of a package, with what each turns on.
fn features(package: &Value) -> BTreeMap<&str, Vec<&str>> {
    let features = package["features"].as_object().unwrap().iter();
    features
        .map(|(name, on)| (name.as_str(), on.as_array().unwrap().iter().filter_map(Value::as_str).collect()))
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

#[test]
fn the_readme_lists_the_features_of_the_manifest() {
    let persevere = package("persevere");
    let mut features = features(&persevere);
    let default = features.remove("default").unwrap();
    let expected: BTreeSet<_> =
        features.keys().map(|name| (*name, if default.contains(name) { "yes" } else { "no" })).collect();
    let readme = read("README.md");
    let table = readme.split("| feature | default |").nth(1).unwrap();
    let rows = table.lines().skip(2).map_while(|row| row.strip_prefix("| `"));
    let listed: BTreeSet<_> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim);
            (cells.next().unwrap().trim_end_matches('`'), cells.next().unwrap())
        })
        .collect();
    assert_eq!(listed, expected);
}

/// The gate checks that crate with each of its features, without the others.
#[test]
fn every_feature_is_tried_without_the_others() {
    let (persevere, tried) = (package("persevere"), package("tests-features"));
    let mut ours = features(&persevere);
    ours.remove("default");
    let tried = features(&tried);
    assert!(ours.keys().eq(tried.keys()), "{:?} are not {:?}", tried.keys(), ours.keys());
    for (name, on) in tried {
        assert!(on.contains(&&*format!("persevere/{name}")), "{name} turns on {on:?}");
    }
}

#[test]
fn the_changelog_has_the_version_and_the_macros_are_pinned_to_it() {
    let persevere = package("persevere");
    let version = persevere["version"].as_str().unwrap();
    assert!(read("CHANGELOG.md").contains(&format!("## {version}")));
    let mut dependencies = persevere["dependencies"].as_array().unwrap().iter();
    let macros = dependencies.find(|dependency| dependency["name"] == "persevere-macros").unwrap();
    assert_eq!(macros["req"], format!("={version}"));
}

/// What a stranger builds first has to be there in seconds: tests and examples that need more have packages of their own.
#[test]
fn the_first_example_builds_at_most_25_crates() {
    let edges = "normal,build,dev";
    let tree = cargo(&["tree", "--package", "persevere", "--prefix", "none", "--no-dedupe", "--edges", edges]);
    let crates: BTreeSet<_> = tree.lines().collect();
    assert!((10..=25).contains(&crates.len()), "{} crates: {crates:#?}", crates.len());
}

/// In the words of `.ci/deny.toml`, which `cargo deny` reads for the tests' own dependencies, too.
#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let deny = read(".ci/deny.toml");
    let allowed: Vec<_> =
        deny.lines().find(|line| line.starts_with("allow = [")).unwrap().split('"').skip(1).step_by(2).collect();
    let options = ["--all-features", "--target", "all", "--edges", "normal,build", "--format", "{p}: {l}"];
    let tree = cargo(&[&["tree", "--package", "persevere", "--prefix", "none", "--no-dedupe"], &options[..]].concat());
    let crates: BTreeSet<_> = tree.lines().collect();
    assert!(crates.len() > 50, "{crates:#?}");
    for line in crates {
        let (of, licence) = line.split_once(": ").unwrap_or((line, ""));
        let licence = licence.replace('/', " OR ").replace("OR  ", "OR ");
        let mut parts = licence.split(" AND ").map(|part| part.trim_matches(['(', ')']));
        assert!(parts.all(|part| part.split(" OR ").any(|one| allowed.contains(&one.trim()))), "{of}: {licence}");
    }
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let lock = read("Cargo.lock");
    let mut sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    assert!(sources.clone().count() > 50);
    let registry = "\"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(sources.find(|source| *source != registry), None);
}
