//! What the repository promises of itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::ROOT;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
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

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
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
fn every_page_of_the_guide_is_declared_and_shows_what_the_macros_are_tested_with() {
    let mut found = Vec::new();
    sources(Path::new(ROOT).join("src/guide"), &mut found);
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
    sources(Path::new(ROOT).join("docs"), &mut found);
    assert!(found.len() > 5);
    for (path, picture) in &found {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".svg");
        let definition = format!("[{name}]: data:image/svg+xml;base64,{}\n", base64(picture.as_bytes()));
        let file = format!("src/pictures/{name}.md");
        if std::env::var_os("PERSEVERE_BLESS").is_some() {
            fs::write(Path::new(ROOT).join(&file), &definition).unwrap();
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
    sources(Path::new(ROOT).join("src"), &mut found);
    for (path, source) in found.iter().filter(|(path, _)| is_rust(path)) {
        for (word, home) in [
            ("Instant::now", "/src/time/"),
            ("SystemTime::now", "/src/time/"),
            ("RandomState", "/src/time/entropy"),
            ("SysRng", "/src/time/entropy"),
        ] {
            let code = || source.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(path.contains(home) || !code().any(|line| line.contains(word)), "{path} has {word}");
        }
    }
    // The test could not fail if it looked in the wrong place.
    assert!(found.iter().any(|(path, source)| path.contains("/src/time/") && source.contains("Instant::now")));
}

/// The folders of `src/`, the lowest first. `classify` and `tower` are leaves, and stand apart on top.
const FLOORS: [&str; 17] = [
    "time",
    "testing",
    "verdict",
    "tables",
    "policy",
    "run",
    "observe",
    "guard",
    "report",
    "telemetry",
    "drive",
    "entry",
    "__private",
    "http",
    "stream",
    "tower",
    "classify",
];

/// The folder or file directly below `src/`.
fn room(path: &str) -> &str {
    let (_, inside) = path.rsplit_once("/src/").expect("a source");
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// What a line of code names right behind `crate::`, comments and expansions of macros left out.
fn imported(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap();
    code.split("crate::").skip(1).zip(code.split("crate::")).filter(|(_, before)| !before.ends_with('$')).map(
        |(name, _)| {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            &name[..end]
        },
    )
}

#[test]
fn no_file_imports_upward_or_from_the_crate_root() {
    let mut found = Vec::new();
    sources(Path::new(ROOT).join("src"), &mut found);
    let floor = |room: &str| FLOORS.iter().position(|name| *name == room);
    let mut imports = 0;
    for (path, source) in found.iter().filter(|(path, _)| is_rust(path)) {
        if ["lib", "prelude", "guide"].contains(&room(path)) {
            continue;
        }
        let here = floor(room(path)).unwrap_or_else(|| panic!("{path} is on no floor"));
        for name in source.lines().flat_map(imported) {
            let there = floor(name).unwrap_or_else(|| panic!("{path} imports `{name}` from the crate root"));
            assert!(there <= here, "{path} imports `{name}`, which stands above it");
            assert!(there == here || !["tower", "classify"].contains(&name), "{path} imports the leaf `{name}`");
            imports += 1;
        }
    }
    // The test could not fail if it read nothing.
    assert!(imports > 100, "{imports}");
}

/// What a reader has to learn before all else. Whatever is new goes into a module.
#[test]
fn the_root_has_about_twenty_names_and_macros() {
    let lib = read("src/lib.rs");
    let mut names = Vec::new();
    for line in lib.split("\npub use ").skip(1) {
        let path = line.split(';').next().unwrap().replace(['\n', ' '], "");
        let (_, last) = path.rsplit_once("::").unwrap();
        match path.split_once('{') {
            Some((_, several)) => names.extend(several.trim_end_matches('}').split(',').map(str::to_owned)),
            None => names.push(last.to_owned()),
        }
    }
    names.retain(|name| !name.is_empty());
    assert!((20..=26).contains(&names.len()), "{names:?}");
}
