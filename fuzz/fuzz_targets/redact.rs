//! Whatever stands around and inside a URL, and wherever its text is cut: `cargo +nightly fuzz run redact`.
//!
//! No character of its credentials, query and fragment is in a report. Secrets are written in letters that stand nowhere
//! else, so that a single one that is left shows.

#![no_main]

use std::cell::RefCell;
use std::fmt::{self, Display as _};

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use persevere::{Policy, Report};

const SECRET: [char; 5] = ['S', 'Ü', 'Ж', '界', 'Q'];
const HOSTS: [&str; 5] = ["host", "host.example:80", "[::1]", "[::1]:8080", "h1:1,h2:2"];
const SCHEMES: [&str; 6] = ["http://", "postgres://", "//", "https:\\/\\/", "HTTP:\\\\", "jdbc:db://"];

/// Signs that end something somewhere, and pieces of URLs. None of them has a letter of a secret.
const SIGNS: [&str; 50] = [
    "", "(", ")", "[", "]", "{", "}", "<", ">", "'", "\"", "`", " ", "\t", "\n", "\r", "\0", "\u{7f}", "\u{85}", "\u{a0}",
    "\u{200b}", "\u{202e}", "\u{2028}", ",", ";", ":", ".", "!", "$", "&", "*", "+", "-", "=", "_", "~", "%", "|", "^",
    "%20", "%40", "%3F", "@", "?", "#", "/", "\\", "://", "…", " 80 ",
];

fn sign(input: &mut Unstructured<'_>) -> Result<String> {
    let any: char = input.arbitrary()?;
    let chosen = *input.choose(&SIGNS)?;
    Ok(if input.ratio(1, 4)? && !SECRET.contains(&any) { any.to_string() } else { String::from(chosen) })
}

fn secret(input: &mut Unstructured<'_>) -> Result<String> {
    let mut secret = String::new();
    for _ in 0..input.int_in_range(0..=8)? {
        secret.push(*input.choose(&SECRET)?);
        secret += &sign(input)?;
    }
    Ok(secret)
}

/// Any name and password but those that are a host and a path by the grammar of URLs.
fn credentials(input: &mut Unstructured<'_>) -> Result<String> {
    let secret = secret(input)?;
    if input.arbitrary()? && !secret.contains('@') {
        return Ok(format!("S:Q{secret}@"));
    }
    let secret = secret.replace(['/', '\\'], "");
    Ok(if secret.is_empty() { secret } else { secret + "@" })
}

fn url(input: &mut Unstructured<'_>) -> Result<String> {
    let mut url = format!("{}{}{}", input.choose(&SCHEMES)?, credentials(input)?, input.choose(&HOSTS)?);
    for _ in 0..input.int_in_range(0..=3)? {
        url += ["/a", "/", "/a.b:c", "/%20", "/@me"][input.choose_index(5)?];
    }
    for mark in ['?', '#'] {
        if input.arbitrary()? {
            url.push(mark);
            url += &sign(input)?;
            url += &secret(input)?;
        }
    }
    Ok(url)
}

fn text(input: &mut Unstructured<'_>) -> Result<String> {
    let mut text = "x".repeat(input.int_in_range(0..=100)?);
    for _ in 0..input.int_in_range(1..=3)? {
        // A word of two signs is no sign of a URL that would have to be right.
        text += &sign(input)?;
        text += &url(input)?;
        text += &sign(input)?;
        text += ["", " ", " failed: ", ", "][input.choose_index(4)?];
    }
    Ok(text)
}

/// Writes a text in pieces of any length.
struct Pieces<'a>(&'a str, RefCell<Unstructured<'a>>);

impl fmt::Display for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while !rest.is_empty() {
            let count = self.1.borrow_mut().int_in_range(1..=40).unwrap_or(1);
            let end = rest.char_indices().nth(count).map_or(rest.len(), |(end, _)| end);
            f.write_str(&rest[..end])?;
            rest = &rest[end..];
        }
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(text) = text(&mut input) else { return };
    let pieces = Pieces(&text, RefCell::new(input));
    let mut report = Report::new();
    let describe = |(): &(), f: &mut fmt::Formatter<'_>| pieces.fmt(f);
    let _ = Policy::new().total(0).when(|(): &()| false).report_with(&mut report, describe).run(|| Err::<(), _>(()));
    let message = report.failures().next().expect("it failed").message();
    assert!(message.len() <= 96, "{text:?}: {message:?}");
    assert!(!message.contains(SECRET), "{text:?}: {message:?}");
    assert!(!message.contains(char::is_control), "{text:?}: {message:?}");
});
