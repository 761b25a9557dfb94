//! What the repository promises of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn sources(directory: PathBuf, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, found);
        } else {
            found.push((path.to_string_lossy().replace('\\', "/"), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_readme_lists_the_features_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let features = manifest.split("[features]\n").nth(1).unwrap().lines().map_while(|line| line.split_once(" = "));
    let features: Vec<_> = features.collect();
    let default = features.iter().find(|(name, _)| *name == "default").unwrap().1;
    let expected: BTreeSet<_> = features
        .iter()
        .filter(|(name, _)| *name != "default")
        .map(|(name, _)| (*name, if default.contains(&format!("\"{name}\"")) { "yes" } else { "no" }))
        .collect();
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

/// Where the readme is read, hidden lines of an example are shown, and would have to be taken out of what is copied.
#[test]
fn the_readmes_examples_have_no_hidden_lines() {
    let readme = read("README.md");
    let examples: Vec<_> = readme.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 4);
    assert!(examples.iter().all(|example| !example.lines().any(|line| line == "#" || line.starts_with("# "))));
}

#[test]
fn the_changelog_has_the_version_and_the_macros_are_pinned_to_it() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("CHANGELOG.md").contains(&format!("## {version}")));
    assert!(read("Cargo.toml").contains(&format!("persevere-macros = {{ version = \"={version}\"")));
}

#[test]
fn every_page_of_the_guide_is_declared_and_shows_what_the_macros_are_tested_with() {
    let mut found = Vec::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide"), &mut found);
    let declared = read("src/guide.rs");
    for (path, text) in &found {
        let (_, name) = path.split_once("/src/guide/").unwrap();
        match name.strip_prefix("generated/") {
            Some(golden) => {
                assert!(declared.contains(name), "{name} is not shown");
                assert_eq!(*text, read(&format!("macros/golden/{golden}")));
            }
            None => assert!(declared.contains(&format!(" {}", name.trim_end_matches(".md"))), "{name} is no page"),
        }
    }
    assert!(found.len() > 10);
}

/// The definitions come before the text that names the pictures by file, and the first definition holds. Run with
/// `PERSEVERE_BLESS=1` to write them anew.
#[test]
fn the_pictures_of_the_documentation_are_those_of_docs() {
    let mut found = Vec::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), &mut found);
    assert!(found.len() > 5);
    for (path, picture) in &found {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".svg");
        let definition = format!("[{name}]: data:image/svg+xml;base64,{}\n", base64(picture.as_bytes()));
        let file = format!("src/pictures/{name}.md");
        if std::env::var_os("PERSEVERE_BLESS").is_some() {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file), &definition).unwrap();
        }
        assert!(read(&file) == definition, "{file} is not docs/{name}.svg");
    }
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for sign in 0..4 {
            let sign = if sign <= group.len() { SIGNS[(bits >> (18 - 6 * sign)) as usize & 63] } else { b'=' };
            text.push(char::from(sign));
        }
    }
    text
}

#[test]
fn only_timers_have_a_clock_and_only_jitter_has_randomness() {
    let mut found = Vec::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    for (path, source) in
        found.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
    {
        for (word, home) in
            [("Instant::now", "/src/timer/"), ("SystemTime::now", "/src/timer/"), ("RandomState", "/src/jitter")]
        {
            let code = || source.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(path.contains(home) || !code().any(|line| line.contains(word)), "{path} has {word}");
        }
    }
    // The test could not fail if it looked in the wrong place.
    assert!(found.iter().any(|(path, source)| path.contains("/src/timer/") && source.contains("Instant::now")));
}
