//! Secrets of URLs, in texts of any kind.

use std::fmt;

use persevere::{Policy, Report};
use proptest::prelude::*;

/// What a report keeps of a text that is written in pieces of this many characters.
fn line(text: &str, piece: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let describe = |(): &(), f: &mut fmt::Formatter<'_>| {
        characters.chunks(piece).try_for_each(|piece| f.write_str(&String::from_iter(piece)))
    };
    let mut report = Report::new();
    let _ = Policy::new().when(|(): &()| false).report_with(&mut report, describe).run(|| Err::<(), _>(()));
    report.failures().next().unwrap().message().to_owned()
}

/// What can end, hide or reorder a line.
fn is_unsafe(c: char) -> bool {
    let reorders = ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{61c}'];
    c.is_control() || reorders.contains(&c) || ['\u{2028}', '\u{2029}', '\u{feff}'].contains(&c)
}

/// Secrets are written in letters that stand nowhere else.
const SECRET: &str = "SÜЖ界Q";

fn delimiter() -> impl Strategy<Value = String> {
    let signs = prop::sample::select(
        "/?#@:;,.!$&'*+-=_~%|^`\"<>()[]{}\\ \t\n\r\0\u{7f}\u{a0}\u{202e}\u{2028}…".chars().collect::<Vec<_>>(),
    );
    let more = prop::sample::select(vec![
        "%20", "%40", "%3F", "//", "://", "\\\"", ": ", "\u{200b}", " and ", " 80", "80/", "é",
    ]);
    let other = any::<char>().prop_filter("no secret", |&c| !SECRET.contains(c));
    let other = prop_oneof![signs, other].prop_map(String::from);
    prop_oneof![3 => other, 1 => more.prop_map(String::from), 1 => Just(String::new())]
}

/// Any credentials that are ended by no slash behind what is a host by the grammar.
fn credentials() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(SECRET.chars().collect::<Vec<_>>()), delimiter());
    let pieces = prop::collection::vec(piece.prop_map(|(letter, delimiter)| format!("{letter}{delimiter}")), 1..6);
    (pieces.prop_map(|pieces| pieces.concat()), any::<bool>()).prop_map(|(secret, user)| {
        let secret = if user { format!("S:Q{secret}") } else { secret };
        if user && !secret.contains('@') { secret } else { secret.replace(['/', '\\'], "") }
    })
}

fn query() -> impl Strategy<Value = String> {
    let piece = (delimiter(), prop::sample::select(SECRET.chars().collect::<Vec<_>>()), delimiter());
    prop::collection::vec(piece.prop_map(|(one, letter, two)| format!("{one}{letter}{two}")), 0..6)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_byte_of_a_secret_is_written_whatever_stands_around_it(
        before in "[a-z ]{0,60}", open in delimiter(), credentials in credentials(), query in query(), mark in "[?#]",
        path in "(/[a-z]{0,9}){0,3}", close in delimiter(), after in "[a-z ]{0,30}", piece in 1..40_usize,
    ) {
        let text = format!("{before}{open}http://{credentials}@host{path}{mark}{query}{close}{after}");
        let shown = line(&text, piece);
        prop_assert!(!shown.contains(|c| SECRET.contains(c)) && shown.len() <= 96, "{:?}: {:?}", text, shown);
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_a_text_is_written(text in "[a-z:/?#@ .,%()\"\n=1-3]{0,150}", piece in 1..40_usize) {
        prop_assert_eq!(line(&text, piece), line(&text, usize::MAX));
    }

    #[test]
    fn a_text_that_was_cut_before_shows_no_more_than_the_whole_one(
        credentials in credentials(), query in query(), keep in 0..200_usize,
    ) {
        // Behind the colon nothing shown can be a name, so the password is known to be one.
        let whole = format!("at http://me:Q{}@host/?{query}", credentials.replace('@', ""));
        let cut: String = whole.chars().take(keep).collect();
        prop_assert!(!line(&cut, 1).contains(|c| SECRET.contains(c)), "{:?}: {:?}", cut, line(&cut, 1));
    }

    #[test]
    fn any_text_is_one_safe_line(text in any::<String>(), piece in 1..40_usize) {
        let line = line(&text, piece);
        prop_assert!(line.len() <= 96 && !line.contains(is_unsafe), "{:?}", line);
    }
}
