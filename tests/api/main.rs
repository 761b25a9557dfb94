//! The public interface, as a list that a change of it has to change, too.
//!
//! The list is rustdoc's own, with every feature, so it has what macros make, and what a caller may write in a constant.
//! `PERSEVERE_BLESS=1 cargo test -p tests-api` writes it anew; read what it wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use public_api::{Builder, PublicApi};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The version of rustdoc whose JSON `public-api` reads.
const COMPILER: &str = "1.95.";

/// The JSON of rustdoc; `None` with a compiler whose JSON is another.
fn json() -> Option<&'static Path> {
    static JSON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = JSON.get_or_init(|| {
        let version = Command::new("rustdoc").arg("--version").output().expect("rustdoc runs").stdout;
        if !String::from_utf8_lossy(&version).starts_with(&format!("rustdoc {COMPILER}")) {
            eprintln!("the list is that of Rust {COMPILER}x: not compared");
            return None;
        }
        // The folder that the workspace is built in: what the library depends on is checked there already.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let status = Command::new(env!("CARGO"))
            .args(["rustdoc", "--quiet", "--locked", "--package", "persevere", "--lib", "--all-features"])
            .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
            .current_dir(ROOT)
            .env("CARGO_TARGET_DIR", target)
            .env("RUSTDOC", fs::canonicalize(Path::new(ROOT).join(".ci/rustdoc")).unwrap())
            .status()
            .expect("cargo runs");
        assert!(status.success(), "rustdoc made no JSON");
        Some(target.join("doc/persevere.json"))
    });
    made.as_deref()
}

/// Without what every type has by a blanket implementation.
fn built(choose: impl FnOnce(Builder) -> Builder) -> Option<PublicApi> {
    Some(choose(Builder::from_rustdoc_json(json()?).omit_blanket_impls(true)).build().unwrap())
}

fn lines(api: &PublicApi) -> Vec<String> {
    api.items().map(ToString::to_string).collect()
}

#[test]
fn the_public_interface_is_the_one_that_was_read() {
    let Some(api) = built(|builder| builder.omit_auto_trait_impls(true)) else { return };
    let kept = Path::new(ROOT).join("tests/public-api.txt");
    let found = lines(&api).join("\n") + "\n";
    if std::env::var_os("PERSEVERE_BLESS").is_some() {
        fs::write(&kept, &found).unwrap();
    }
    let expected = fs::read_to_string(&kept).unwrap_or_default().replace('\r', "");
    for line in found.lines().filter(|line| !expected.lines().any(|kept| kept == *line)) {
        eprintln!("new: {line}");
    }
    for line in expected.lines().filter(|line| !found.lines().any(|found| found == *line)) {
        eprintln!("gone: {line}");
    }
    assert!(
        found == expected,
        "the public interface has changed: if it should, PERSEVERE_BLESS=1 writes the list anew"
    );
}

/// The list could be empty, and the test content.
#[test]
fn the_list_has_what_macros_make_and_nothing_that_is_hidden() {
    let Some(api) = built(|builder| builder.omit_auto_trait_impls(true)) else { return };
    let found = lines(&api);
    for line in [
        "pub use persevere::retry", // A macro and a function.
        "pub struct persevere::Policy",
        "impl core::marker::Copy for persevere::Policy",
        "pub const fn persevere::Policy::total(self, u32) -> Self",
        "pub fn persevere::Retryable::verdict(&self) -> persevere::Verdict",
        "pub persevere::Jitter::Additive(core::time::Duration)",
        "impl core::iter::traits::iterator::Iterator for persevere::Backoff",
        // These are made by macros.
        "pub const fn persevere::guard::Budget::new() -> Self",
        "pub type persevere::guard::Budgets<K> = persevere::guard::Keyed<K, persevere::guard::Budget>",
    ] {
        assert!(found.iter().any(|listed| listed == line), "{line}");
    }
    for word in ["pub mod persevere::__private", "pub mod persevere::drive", "pub fn persevere::drive"] {
        assert!(!found.iter().any(|listed| listed.contains(word)), "{word}");
    }
}

/// What holds of every type; for a generic one as far as it holds of its parameters.
const TRAITS: [&str; 6] = ["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe", "Debug"];

/// What does not hold, and why. A line that holds after all has to go.
const EXCEPT: &[(&str, &[&str], &str)] = &[
    ("CheckedAgentRequest", &["UnwindSafe", "RefUnwindSafe"], "ureq's agent is not"),
    ("CheckedRequest", &["UnwindSafe", "RefUnwindSafe"], "it may hold closures of any kind"),
    ("RetryClient", &["UnwindSafe", "RefUnwindSafe"], "it may hold closures of any kind"),
    ("RetryRequest", &["UnwindSafe", "RefUnwindSafe"], "it may hold closures of any kind"),
    ("AgentRequest", &["UnwindSafe", "RefUnwindSafe"], "ureq's agent is not"),
    ("Resume", &["UnwindSafe", "RefUnwindSafe"], "it keeps the span of its run, which is not"),
    ("RetryAgent", &["UnwindSafe", "RefUnwindSafe"], "ureq's agent is not"),
    ("Download", &["Sync", "UnwindSafe", "RefUnwindSafe"], "it holds a request that is under way"),
    ("DownloadReader", &["Sync", "UnwindSafe", "RefUnwindSafe"], "it holds a connection that is being read"),
    ("DownloadError", &["UnwindSafe", "RefUnwindSafe"], "it holds an error of any client's"),
    ("ResponseFuture", &["UnwindSafe", "RefUnwindSafe"], "it may hold a task's waker while it waits"),
    ("SharedAsyncHook", &["UnwindSafe", "RefUnwindSafe"], "it holds a closure of any kind"),
    ("SharedHook", &["UnwindSafe", "RefUnwindSafe"], "it holds a closure of any kind"),
    ("ShortWaits", &["Send", "Sync"], "its guard is the current thread's"),
];

/// The path and its last name, without parameters.
fn name(path: &str) -> &str {
    let end = path.find(['<', '(', ' ', ':']).unwrap_or(path.len());
    match path[end..].strip_prefix("::") {
        Some(rest) => name(rest),
        None => &path[..end],
    }
}

/// The name of the type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.rsplit_once("] ").map_or(line, |(_, line)| line); // After `#[non_exhaustive]` and the like.
    let path = ["pub struct ", "pub enum ", "pub union "].into_iter().find_map(|word| line.strip_prefix(word))?;
    Some(name(path))
}

/// The trait and the type of a line that implements one.
fn implemented(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.strip_prefix("impl")?.split_once(" for ")?;
    let of = left.rsplit_once(' ')?.1;
    (!of.starts_with('!')).then(|| (name(of), name(right)))
}

#[test]
fn every_public_type_goes_anywhere_and_can_be_printed() {
    let Some(api) = built(|builder| builder) else { return };
    let found = lines(&api);
    let types: BTreeSet<_> = found.iter().filter_map(|line| declared(line)).collect();
    let holds: BTreeSet<_> = found.iter().filter_map(|line| implemented(line)).collect();
    assert!(types.len() > 40 && types.contains("Policy") && types.contains("BreakerState"), "{types:?}");
    let mut wrong = Vec::new();
    for (of, traits, _) in EXCEPT {
        wrong.extend((!types.contains(of)).then(|| format!("{of} is no public type")));
        wrong.extend(traits.iter().filter(|name| holds.contains(&(**name, *of))).map(|name| format!("{of}: {name}")));
    }
    for of in &types {
        let excepted = |name| EXCEPT.iter().any(|(other, traits, _)| other == of && traits.contains(name));
        let missing = TRAITS.iter().filter(|name| !holds.contains(&(**name, *of)) && !excepted(name));
        wrong.extend(missing.map(|name| format!("{of} is not {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
