//! The public interface, as a list that a change of it has to change, too.
//!
//! The list is taken from the sources as rustfmt leaves them, so it needs no compiler of its own and holds whatever
//! features are on. `PERSEVERE_BLESS=1 cargo test -p tests-it api::` writes it anew; read what it wrote.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ROOT;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("guide/generated") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What encloses the lines that are read now, by its indentation: its text, and whether what is in it is public.
struct Outer {
    indent: usize,
    text: String,
    inside: Inside,
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    /// Only what is `pub`.
    Marked,
    /// All of it: a trait's items, an enum's variants.
    All,
    Nothing,
}

/// What opens a block, and what is listed of it.
fn opened(text: &str, hidden: bool) -> Inside {
    let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    match () {
        () if hidden => Inside::Nothing,
        () if starts(&["pub trait", "pub enum"]) => Inside::All,
        // Items of macros stand one step further in.
        () if text.starts_with("impl") && text.contains(" for ") => Inside::Nothing,
        () if starts(&["impl", "pub struct", "pub mod", "mod keyed", "const_fn!", "macro_rules!", "($("]) => {
            Inside::Marked
        }
        () => Inside::Nothing,
    }
}

fn is_listed(text: &str, inside: Inside) -> bool {
    match inside {
        Inside::Nothing => false,
        Inside::Marked => text.starts_with("pub ") || text.starts_with("impl") && text.contains(" for "),
        Inside::All => text.starts_with(|first: char| first.is_alphabetic()),
    }
}

/// The declaration alone: no body, no value, no private parts.
fn declared(text: &str) -> &str {
    let end = match text {
        _ if text.starts_with("pub struct") => text.find(['{', ';', '(']),
        _ if text.starts_with("pub const") && !text.contains("const fn") => text.find(" ="),
        _ if text.starts_with("pub use") => text.find(';'),
        _ => text.find(" {").or(text.find(';')),
    };
    text[..end.unwrap_or(text.len())].trim_end_matches(',').trim()
}

fn list(source: &str, to: &mut Vec<String>) {
    let mut around: Vec<Outer> = Vec::new();
    let (mut hidden, mut pending, mut derived) = (false, String::new(), String::new());
    let mut lines = source.lines().take_while(|line| *line != "mod tests {").peekable();
    while let Some(line) = lines.next() {
        let (text, indent) = (line.trim(), line.len() - line.trim_start().len());
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        if text.starts_with("#[") || text.starts_with("#![") {
            hidden |= text == "#[doc(hidden)]";
            if let Some(traits) = text.strip_prefix("#[derive(") {
                derived = format!(" ({}", traits.trim_end_matches(']'));
            }
            // One of several lines ends where it began to be one.
            if !text.contains(']') {
                lines.by_ref().find(|line| line.trim() == ")]");
            }
            continue;
        }
        if pending.is_empty() {
            while around.last().is_some_and(|outer| outer.indent >= indent) {
                around.pop();
            }
        }
        let joint = if pending.is_empty() || pending.ends_with('(') || text.starts_with(')') { "" } else { " " };
        pending = format!("{pending}{joint}{text}");
        // A declaration ends with its line, unless that leaves a bracket open or a `where` follows.
        let open = |sign: char, other: char| pending.matches(sign).count() > pending.matches(other).count();
        let follows = lines.peek().is_some_and(|next| {
            let next_indent = next.len() - next.trim_start().len();
            next.trim() == "where"
                || next.trim() == "{" && next_indent == indent
                || pending.contains(" where ") && !pending.ends_with('{')
        });
        if (open('(', ')') || follows || pending.ends_with("where")) && !pending.ends_with(['{', ';']) {
            continue;
        }
        let text = std::mem::take(&mut pending);
        let inside = around.last().map_or(Inside::Marked, |outer| outer.inside);
        if is_listed(&text, inside) && !hidden {
            let place = around.iter().filter(|outer| !outer.text.is_empty());
            let place = place.fold(String::new(), |place, outer| format!("{place}{}: ", outer.text));
            to.push(format!("{place}{}{derived}", declared(&text)));
        }
        if text.ends_with('{') {
            let inside = if inside == Inside::Nothing { inside } else { opened(&text, hidden) };
            let shown = text.starts_with("impl") || text.starts_with("pub ");
            let text = if shown { declared(&text).to_owned() } else { String::new() };
            around.push(Outer { indent, text, inside });
        }
        hidden = false;
        derived.clear();
    }
}

/// What these hold nobody can name: bounds and parameters of the doors, and what expansions use.
const UNNAMED: [&str; 11] = [
    "__private.rs",
    "before.rs",
    "driver.rs",
    "guards.rs",
    "line.rs",
    "nesting/mod.rs",
    "observe.rs",
    "plan.rs",
    "trace.rs",
    "metrics.rs",
    "window.rs",
];

fn interface() -> String {
    let root = Path::new(ROOT).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let mut found = Vec::new();
        if !UNNAMED.contains(&&*name) {
            list(&fs::read_to_string(&path).unwrap(), &mut found);
        }
        if !found.is_empty() {
            let _ = writeln!(text, "\n# {name}");
            for line in found {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    text
}

#[test]
fn the_public_interface_is_the_one_that_was_read() {
    let kept = Path::new(ROOT).join("tests/public-api.txt");
    let found = interface();
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
fn the_list_has_what_is_public_and_nothing_else() {
    let found = interface();
    for line in [
        "pub use crate::entry::{retry, retry_async}",
        "pub struct Policy (Clone, Copy, PartialEq)",
        "impl Policy: pub const fn total(mut self, retries: u32) -> Self",
        "pub trait Retryable: fn verdict(&self) -> Verdict",
        "pub enum Jitter: Additive(Duration)",
        "impl Iterator for Backoff",
        "impl Budget: pub fn new() -> Self",
        "pub trait Timer: type Sleep: Future<Output = ()>",
    ] {
        assert!(found.lines().any(|listed| listed == line), "{line}");
    }
    for word in ["pub(crate)", "fn decide", "struct State", "trait Plan", "enum Listed"] {
        assert!(!found.contains(word), "{word}");
    }
}
