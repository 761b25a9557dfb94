//! Takes the secrets of URLs out of a text while it is written.

use core::fmt::{self, Write as _};

use super::{OMITTED, Text};

/// Writes a text on one line, without any URL's credentials, query and fragment.
///
/// - Credentials become `***`. They are what stands between `//` and an `@`, whatever else stands there: only a host in
///   front of a `/` ends the search for an `@`. They are also what stands in front of an `@` in a word with a colon,
///   `me:secret@host`.
/// - A query and a fragment become `…`, and with them the rest of the text: any character may stand in a query that
///   nobody encoded, so nothing ends it for certain. Only [`WORDS`] are written from there on. Behind a URL every `?`
///   and `#` begins one. In front of the first URL it needs a sign of a URL: a path, a host, or a `=`.
/// - A word with an encoded `:`, `@`, `?` or `#` becomes `…`, because it may be a URL that is encoded as a whole.
/// - Control characters, bidirectional overrides and line separators are escaped, so that an error's text can't forge a
///   line of a log (CWE-117).
///
/// What may still turn out to be a secret is held back, so no secret is written wherever the text is cut.
pub(crate) struct Redacted<W> {
    to: W,
    held: Text<96>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Before any URL, after this many slashes in a row. The word is held.
    Words { slashes: u8 },
    /// After `//`. All of it is held: credentials, unless it turns out to be a host.
    Authority,
    /// After a host and this many slashes in a row, until the text ends. The word or the segment of the path is held.
    Path { slashes: u8 },
    /// In a query behind what may still be credentials, and is held.
    Doubt,
    /// Behind the begin of a query. The word is held.
    Query,
}

/// What is written of a text behind a query. Words that errors have, and that give nothing away.
const WORDS: &str = "aborted after and body broken by closed connect connection dns error failed for in not of out peer \
                     refused reset timed timeout tls with";

impl<W: fmt::Write> Redacted<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, held: Text::new(), state: State::Words { slashes: 0 } }
    }

    /// Writes what is still held, and returns what it wrote to.
    pub(crate) fn finish(mut self) -> W {
        // A text that is full takes no more.
        let _ = match self.state {
            State::Words { .. } | State::Path { .. } => self.release(),
            State::Authority | State::Doubt if are_hosts(self.held.as_str()) => self.release(),
            State::Authority | State::Doubt => self.to.write_str("***"),
            State::Query => self.release_known_word(),
        };
        self.to
    }

    fn step(&mut self, c: char) -> Result<State, fmt::Error> {
        match self.state {
            State::Words { slashes } => self.step_in_words(c, slashes),
            State::Path { slashes } => self.step_in_path(c, slashes),
            State::Authority => self.step_in_authority(c),
            State::Doubt if c == '@' => {
                self.held.clear();
                self.to.write_str("***…")?;
                Ok(self.query())
            }
            State::Doubt => Ok(State::Doubt),
            State::Query => {
                if c.is_whitespace() {
                    self.release_known_word()?;
                } else {
                    self.hold(c);
                }
                Ok(State::Query)
            }
        }
    }

    fn step_in_words(&mut self, c: char, slashes: u8) -> Result<State, fmt::Error> {
        let behind_mark = matches!(self.held.last_byte(), Some(b'?' | b'#')) && !c.is_whitespace();
        let is_in_query = matches!(c, '=' | '&' | '%');
        if is_in_query || behind_mark && self.held.as_str().contains(['/', '.', ':', '@']) {
            if let Some(mark) = self.held.as_str().find(is_mark) {
                self.held.truncate(mark + 1);
                return self.begin_query();
            }
        }
        let slashes = count_slashes(slashes, c);
        self.hold_in_word(c)?;
        if slashes < 2 {
            return Ok(State::Words { slashes });
        }
        self.release()?;
        Ok(State::Authority)
    }

    fn step_in_path(&mut self, c: char, slashes: u8) -> Result<State, fmt::Error> {
        let slashes = count_slashes(slashes, c);
        if is_slash(c) {
            self.end_word(c)?;
        } else {
            self.hold_in_word(c)?;
        }
        if is_mark(c) {
            return self.begin_query();
        }
        Ok(if slashes < 2 { State::Path { slashes } } else { State::Authority })
    }

    fn step_in_authority(&mut self, c: char) -> Result<State, fmt::Error> {
        if is_slash(c) && is_host(self.held.as_str()) {
            // The slashes themselves may be more than two.
            let next = if self.held.last_byte().is_none() { State::Authority } else { State::Path { slashes: 1 } };
            self.end_word(c)?;
            return Ok(next);
        }
        if c == '@' {
            self.held.clear();
            let _ = self.held.write_str("***");
        }
        self.hold(c);
        if is_mark(c) {
            self.hold(OMITTED);
            return Ok(State::Doubt);
        }
        Ok(State::Authority)
    }

    /// Begins a query behind the word that is held.
    fn begin_query(&mut self) -> Result<State, fmt::Error> {
        self.hold(OMITTED);
        if self.held.cut || self.held.as_str().contains(':') {
            return Ok(State::Doubt);
        }
        self.release()?;
        Ok(self.query())
    }

    /// Behind a mark, which keeps the query itself from being one of the words.
    fn query(&mut self) -> State {
        self.hold('?');
        State::Query
    }

    /// Holds a character of a word. What may be a name and a password in front of an `@` is replaced.
    fn hold_in_word(&mut self, c: char) -> fmt::Result {
        if c.is_whitespace() {
            return self.end_word(c);
        }
        if c == '@' && (self.held.cut || self.held.as_str().contains([':', '@'])) {
            self.held.clear();
            let _ = self.held.write_str("***");
        }
        self.hold(c);
        Ok(())
    }

    /// Writes the word that is held, and this character behind it.
    fn end_word(&mut self, c: char) -> fmt::Result {
        self.release()?;
        self.hold(c);
        self.release()
    }

    fn hold(&mut self, c: char) {
        // What does not fit is cut, and a cut is taken into account where it matters.
        let _ = if is_unsafe(c) { write!(self.held, "{}", c.escape_unicode()) } else { self.held.write_char(c) };
    }

    fn release(&mut self) -> fmt::Result {
        let text = self.held.as_str();
        let may_be_url = has_encoded_sign(text) || self.held.cut && text.contains('%');
        let written = if may_be_url { self.to.write_char(OMITTED) } else { self.to.write_str(text) };
        self.held.clear();
        written
    }

    fn release_known_word(&mut self) -> fmt::Result {
        let word = self.held.as_str().trim_end_matches(|c: char| !c.is_alphanumeric());
        let known = WORDS.split(' ').find(|known| known.eq_ignore_ascii_case(word));
        let written = known.map_or(Ok(()), |known| write!(self.to, " {known}"));
        self.held.clear();
        written
    }
}

impl<W: fmt::Write> fmt::Write for Redacted<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.state = self.step(c)?;
        }
        Ok(())
    }
}

/// Begins a query or a fragment.
const fn is_mark(c: char) -> bool {
    matches!(c, '?' | '#')
}

/// Browsers take either, and JSON may write `\/`.
const fn is_slash(c: char) -> bool {
    matches!(c, '/' | '\\')
}

/// How many slashes stand in a row. Control characters are skipped, as URL parsers skip line ends and tabs.
fn count_slashes(slashes: u8, c: char) -> u8 {
    match c {
        _ if is_slash(c) => slashes.saturating_add(1),
        _ if c.is_control() => slashes,
        _ => 0,
    }
}

/// Whether this can be nothing but one host or several, each with a port or none, behind credentials that are replaced.
fn is_host(text: &str) -> bool {
    behind_credentials(text).split(',').all(|host| {
        let (name, port) = split_port(host);
        let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        is_name && port.is_none_or(|port| !port.is_empty() && is_number(port))
    })
}

/// Whether nothing here looks like a password whose `@` did not come, because the text was cut before it was written:
/// each host behind `//` has a port or none.
fn are_hosts(text: &str) -> bool {
    behind_credentials(text).split("//").all(|url| {
        let hosts = url.split(|c: char| c.is_whitespace() || is_slash(c) || is_mark(c)).next().unwrap_or_default();
        hosts.split(',').all(|host| {
            let is_address = host.starts_with('[');
            let host = host.trim_end_matches(|c: char| !(c.is_alphanumeric() || is_address && c == ']'));
            let (_, port) = split_port(host);
            port.is_none_or(is_number)
        })
    })
}

fn behind_credentials(text: &str) -> &str {
    text.strip_prefix("***@").unwrap_or(text)
}

/// The host's name and its port. An IPv6 address stands in brackets, and its name is given as empty.
fn split_port(host: &str) -> (&str, Option<&str>) {
    let is_address = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let address = host.strip_prefix('[').and_then(|host| host.split_once(']')).filter(|(text, _)| is_address(text));
    match address {
        Some((_, "")) => ("", None),
        Some((_, rest)) => ("", Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a `:`, `@`, `?`, `#` or `%` is encoded in this.
fn has_encoded_sign(text: &str) -> bool {
    let is_sign = |escape: &str| matches!(escape, "3A" | "3a" | "40" | "3F" | "3f" | "23" | "25");
    text.match_indices('%').any(|(at, _)| text.get(at + 1..at + 3).is_some_and(is_sign))
}

/// What can end, hide or reorder a line.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    fn redacted(text: &str) -> String {
        let mut whole = Redacted::new(String::new());
        whole.write_str(text).unwrap();
        whole.finish()
    }

    /// As a report keeps it: 96 bytes, written in pieces of this many characters.
    fn line(text: &str, piece: usize) -> String {
        let mut line = Redacted::new(Text::<96>::new());
        let characters: Vec<char> = text.chars().collect();
        let _ = characters.chunks(piece).try_for_each(|piece| line.write_str(&String::from_iter(piece)));
        line.finish().as_str().to_string()
    }

    #[track_caller]
    fn assert_redacted<const N: usize>(cases: [(&str, &str); N]) {
        for (text, expected) in cases {
            assert_eq!(redacted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ordinary_error_texts_stay_as_they_are() {
        for text in [
            "",
            "connection refused (os error 111)",
            "error: no such key: a.b.c[3] = 7 (100%, 5 of 5)",
            "what? me@host, std::io, a=b#1",
            "is it up? Yes! Or not?! (really?)",
            "C:\\Users\\me\\file.txt: not found, see README.md",
            "no user me@host, nobody@example.com; no url: a?b @c",
            "expected `Option<T>`, found `#[derive(Debug)]` #12",
            "error sending request for url (https://api.example.com:8443/v1/items/a%20b/@me)",
            "connect to http://localhost:8080 failed: refused after 3 s",
            "connect to http://localhost:8080: refused",
            "(http://host) [http://h:80] 'http://h:80', \"http://h.\" <http://h:1>: `http://[::1]:80`",
            "http://[::1] http://[fe80::1]:80, mongodb://h1:27017,h2:27017/db is down",
            "amqp://h1,amqp://h2/ and http://proxy/http://host/a:b:/c",
            "GET http://proxy/http://host/a:b:/c@d",
            "file:///a/b is no directory // nor is c",
            "日本語のエラー: ファイルがありません",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        assert_redacted([
            ("a\r\nlevel=ERROR\u{202e}b\u{2028}", "a\\u{d}\\u{a}level=ERROR\\u{202e}b\\u{2028}"),
            ("http://host\u{1b}[2K/\0", "http://host\\u{1b}[2K/\\u{0}"),
        ]);
    }

    #[test]
    fn credentials_are_replaced_up_to_the_last_at() {
        assert_redacted([
            ("postgres://me:SECRET@host/db is down", "postgres://***@host/db is down"),
            ("ftp://SECRET@host/", "ftp://***@host/"),
            ("ftp://me:SEC@RET@host/", "ftp://***@host/"),
            ("amqp://u:SECRET@h1,u:SECRET@h2/ is down", "amqp://***@h2/ is down"),
            ("amqp://h1,amqp://me:SECRET@h2/", "amqp://***@h2/"),
            ("amqp://h1:1/,amqp://me:SECRET@h2/", "amqp://h1:1/,amqp://***@h2/"),
            ("http://proxy/http://me:SECRET@host/", "http://proxy/http://***@host/"),
            ("tried http://a/x,http://me:SECRET@b/y", "tried http://a/x,http://***@b/y"),
            ("http://host:80/@me http://[::1]:80/@me", "http://host:80/@me http://[::1]:80/@me"),
            // Written with other slashes, or with what URL parsers skip.
            ("https:\\/\\/me:SECRET@host\\/x", "https:\\/\\/***@host\\/x"),
            ("http:\\\\me:SECRET@host\\x", "http:\\\\***@host\\x"),
            ("http:////me:SECRET@host/", "http:////***@host/"),
            ("http:/\n/SECRET@host/", "http:/\\u{a}/***@host/"),
            ("//me:SECRET@host/", "//***@host/"),
            // Without slashes.
            ("me:SECRET@host refused", "***@host refused"),
            ("(me:SEC'RET@host) http:me:SECRET@host", "***@host) ***@host"),
            ("http://proxy/me:SECRET@host", "http://proxy/***@host"),
        ]);
    }

    #[test]
    fn no_sign_but_a_host_and_a_slash_ends_the_search_for_an_at() {
        for sign in ("/?#@:;,.!$&'*+-=_~%|^`\"<>()[]{}\\ \t\n\r\0\u{7f}\u{a0}\u{202e}\u{2028}é…").chars() {
            for secret in
                [format!("SEC{sign}RET"), format!("SECRET{sign}"), format!("{sign}SECRET"), format!("1 {sign}SECRET")]
            {
                let text = format!("at postgres://me:{secret}@host/db");
                assert!(!redacted(&text).contains(['S', 'T']), "{text:?}: {:?}", redacted(&text));
                assert!(redacted(&text).starts_with("at postgres://***"), "{text:?}: {:?}", redacted(&text));
            }
        }
    }

    #[test]
    fn no_sign_ends_a_query_or_a_fragment() {
        for sign in ("/?#@:;,.!$&'*+-=_~%|^`\"<>()[]{}\\ \t\n\r\0\u{7f}\u{a0}\u{202e}\u{2028}é…").chars() {
            for mark in ['?', '#'] {
                for before in [
                    "(http://host/a",
                    "'http://host",
                    "http://[::1]:80",
                    "/a",
                    "host.example",
                    "me:p@host",
                    "http://h/a b",
                ] {
                    let text = format!("at {before}{mark}a{sign}b=SEC{sign}RET{sign} failed");
                    let shown = redacted(&text);
                    assert!(!shown.contains(['S', 'T', '=']) && shown.contains('…'), "{text:?}: {shown:?}");
                }
            }
        }
    }

    #[test]
    fn behind_a_query_only_known_words_are_written() {
        assert_redacted([
            ("GET https://me:SECRET@host/path?token=SECRET failed", "GET https://***@host/path?… failed"),
            ("(http://host/a#SECRET): connection refused (os error 111)", "(http://host/a#… connection refused error"),
            // Neither the query itself nor a word that is only like a known one.
            ("http://host/?failed", "http://host/?…"),
            ("http://host/?a failed-SECRET (failed) failed: 'failed'", "http://host/?… failed"),
            ("http://host/ is up? No", "http://host/ is up?…"),
        ]);
    }

    #[test]
    fn a_query_without_a_url_before_it_is_seen_by_its_signs() {
        assert_redacted([
            ("a?b=SECRET or #c", "a?…"),
            ("h#b=SECRET", "h#…"),
            ("/a?SECRET", "/a?…"),
            ("me:SECRET@host?SECRET", "***@host?…"),
            ("me:SEC?RET@host", "***…"),
            ("?a&SECRET", "?…"),
        ]);
    }

    #[test]
    fn a_url_that_is_encoded_as_a_whole_is_left_out() {
        assert_redacted([
            ("at http://proxy/https%3A%2F%2Fme%3ASECRET%40host%3Fa%3DSECRET/x", "at http://proxy/…/x"),
            ("to=https%253a%252f%252fme%253aSECRET%2540host and", "… and"),
        ]);
    }

    #[test]
    fn a_password_whose_end_was_cut_off_before_is_replaced() {
        assert_redacted([
            ("http://me:SECRET", "http://***"),
            ("http://a and http://me:SEC RET", "http://***"),
            ("http://me:SEC/RET", "http://***"),
            ("http://me:SEC?RET", "http://***"),
            ("me:SEC?RET", "***"),
        ]);
    }

    #[test]
    fn a_long_text_is_cut_and_no_secret_before_the_cut_is_left() {
        let cut = line(&"é".repeat(100), 1);
        assert!(cut.len() <= 96 && cut.ends_with("é…"), "{cut}");
        for before in 0..96 {
            let text = format!("{} https://me:{}@host/?q={}", "x".repeat(before), "S".repeat(80), "S".repeat(80));
            let cut = line(&text, 7);
            assert!(!cut.contains(['S', 'm']), "{cut}");
        }
        let long = format!("http://localhost:8080 failed: {}", "x".repeat(100));
        assert!(line(&long, 7).starts_with("http://localhost:8080 failed: xxx"));
    }
}
