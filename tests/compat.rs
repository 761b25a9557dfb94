//! Crates of other people: without std, and under another name. Each is checked by cargo, in a copy below the target
//! directory, with the versions of this workspace's own lock file and without the network.
//!
//! One feature at a time is the gate's, with the crate `tests/compat/features`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies a crate of `tests/compat`, with the path to this one made absolute.
fn copy(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = root.join("tests/compat").join(name);
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compat").join(name);
    fs::create_dir_all(to.join("src")).unwrap();
    let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
    let path = format!("path = {:?}", root.to_str().unwrap());
    assert!(manifest.contains("path = \"../../..\""));
    fs::write(to.join("Cargo.toml"), manifest.replace("path = \"../../..\"", &path)).unwrap();
    fs::copy(from.join("src/lib.rs"), to.join("src/lib.rs")).unwrap();
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    to
}

/// Asserts that cargo accepts the crate with these arguments.
#[track_caller]
fn assert_checks(directory: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO"))
        .arg("check")
        .args(["--offline", "--quiet"])
        .args(arguments)
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compat/target"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {said}", directory.display());
}

#[test]
fn without_default_features_it_needs_neither_std_nor_alloc() {
    assert_checks(&copy("bare"), &[]);
}

#[test]
#[cfg(all(feature = "macros", feature = "tokio"))]
fn it_may_have_another_name() {
    assert_checks(&copy("renamed"), &[]);
}
