//! What the macros say to mistakes.
//!
//! The messages are those of one compiler: others list other implementations, and word some notes in another way. With
//! another one the words of ours are compared: the first line of each error.
//! `TRYBUILD=overwrite cargo test -p tests-ui` writes the messages anew; read what it wrote.
//!
//! Code that must compile stands in `tests/ui/pass`, as tests of its own: one such case among these, and every case is
//! built by itself, a hundred times slower.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The cases, in a folder below the target directory: what another compiler says is written there.
const COPY: &str = "PERSEVERE_UI_COPY";

#[test]
fn ui() {
    if let Some(copy) = env::var_os(COPY) {
        return trybuild::TestCases::new().compile_fail(Path::new(&copy).join("*.rs"));
    }
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc runs").stdout;
    if compiler.starts_with(b"rustc 1.95.") {
        trybuild::TestCases::new().compile_fail("*.rs");
    } else {
        first_lines();
    }
}

/// What the messages of a case begin with, in the order of the text.
fn errors(path: &Path) -> Vec<String> {
    let messages = fs::read_to_string(path).unwrap_or_default();
    messages.lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect()
}

fn first_lines() {
    let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(&copy).unwrap();
    let mut cases = Vec::new();
    for entry in fs::read_dir(".").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let to = copy.join(path.file_name().unwrap());
            fs::copy(&path, &to).unwrap();
            cases.push((path.with_extension("stderr"), to.with_extension("stderr")));
        }
    }
    assert!(cases.len() > 20);
    let mut again = Command::new(env::current_exe().unwrap());
    let status = again.args(["--exact", "ui"]).env(COPY, &copy).env("TRYBUILD", "overwrite").status().unwrap();
    assert!(status.success());
    cases.retain(|(expected, found)| errors(expected) != errors(found));
    for (expected, found) in &cases {
        eprintln!("{}: {:#?}\nexpected {:#?}", found.display(), errors(found), errors(expected));
    }
    assert!(cases.is_empty(), "{} cases have other messages", cases.len());
}
