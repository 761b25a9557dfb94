//! Text of unknown origin as one bounded line that is safe to log.

use core::fmt;

/// At most 96 bytes of text, made safe while it is written.
///
/// Control characters, bidirectional overrides and line separators are escaped, so that an error's text can't forge
/// a line of a log (CWE-117). In anything that looks like a URL, the part before `@` is replaced by `***` and a query or
/// fragment by `…`; so they are in a word that would be one if it had a scheme, `me:secret@host?key=secret`. What does
/// not fit is cut, and the cut is marked.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    bytes: [u8; SIZE],
    length: u8,
    cut: bool,
    place: Place,
    /// Where the word began that is not, so far, a URL, and whether it has a colon.
    word: u8,
    colon: bool,
    /// What closes the bracket or quote that stands before the word; a space if there is none.
    closer: char,
}

const SIZE: usize = 96;
const MARK: &str = "…";

/// Where in a URL the last character stood.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Text,
    /// After so many characters of `://`; in a path, where another URL may stand, or in text.
    Slashes(u8, bool),
    /// After a `?` or `#` that stands before this byte: a query if a `=` follows.
    Doubt(u8),
    /// In what may be credentials; they began at this byte.
    Authority(u8),
    Path,
    Query,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; SIZE], length: 0, cut: false, place: Place::Text, word: 0, colon: false, closer: ' ' }
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole characters are ever written.
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Marks a cut. What may be half a credential is taken back first.
    pub(crate) fn finish(&mut self) {
        if !self.cut {
            return;
        }
        match self.place {
            Place::Authority(start) => self.length = start,
            Place::Path | Place::Slashes(_, true) | Place::Query => {}
            _ if self.colon => self.length = self.word,
            _ => {}
        }
        let mut room = usize::from(self.length).min(SIZE - MARK.len());
        while !self.as_str().is_char_boundary(room) {
            room -= 1;
        }
        self.bytes[room..room + MARK.len()].copy_from_slice(MARK.as_bytes());
        self.length = (room + MARK.len()) as u8;
    }

    /// Whether what stands from this byte on can be a host, with or without a port; else it is a name and a password, in
    /// which a `/` does not end the authority.
    fn is_host(&self, start: u8) -> bool {
        let text = self.as_str().get(usize::from(start)..).unwrap_or_default();
        let after = text.rsplit(']').next().unwrap_or_default();
        after.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Writes over what stands from this byte on.
    fn replace(&mut self, start: u8) {
        self.length = start;
        self.put("***");
    }

    fn put(&mut self, text: &str) {
        let start = usize::from(self.length);
        match self.bytes.get_mut(start..start + text.len()) {
            Some(place) if !self.cut => {
                place.copy_from_slice(text.as_bytes());
                self.length += text.len() as u8;
            }
            _ => self.cut = true,
        }
    }

    fn put_char(&mut self, c: char) {
        if is_unsafe(c) {
            for escaped in c.escape_unicode() {
                self.put(escaped.encode_utf8(&mut [0; 4]));
            }
        } else {
            self.put(c.encode_utf8(&mut [0; 4]));
        }
    }
}

/// What can end, hide or reorder a line.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What closes a word that stands right behind this.
const fn closer(c: char) -> Option<char> {
    match c {
        '(' => Some(')'),
        '[' => Some(']'),
        '{' => Some('}'),
        '\'' | '`' => Some(c),
        _ => None,
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            // The end of an authority that was cut is not worth reading to.
            if self.cut {
                return Ok(());
            }
            // No other character is sure to stand neither in a password nor in a query.
            let ends = c.is_whitespace() || is_unsafe(c) || matches!(c, '"' | '<' | '>') || c == self.closer;
            self.place = match (self.place, c) {
                _ if ends => Place::Text,
                (Place::Slashes(n, path), '/') if n < 3 => Place::Slashes(n + 1, path),
                (Place::Slashes(3, _), c) if !matches!(c, '?' | '#') => Place::Authority(self.length),
                (Place::Authority(start), '@') => {
                    self.replace(start);
                    Place::Authority(start)
                }
                // A host and a port; or, after a comma, the scheme of another URL.
                (Place::Authority(start), '/') if self.is_host(start) => {
                    if self.as_str().ends_with(':') {
                        Place::Slashes(2, true)
                    } else {
                        Place::Path
                    }
                }
                (Place::Path | Place::Slashes(_, true), ':') => Place::Slashes(1, true),
                (
                    place @ (Place::Authority(_) | Place::Path | Place::Slashes(_, true) | Place::Slashes(3, _)),
                    '?' | '#',
                ) => {
                    if let Place::Authority(start) = place {
                        if !self.is_host(start) {
                            self.replace(start);
                        }
                    }
                    self.put_char(c);
                    self.put(MARK);
                    Place::Query
                }
                (Place::Slashes(_, true), _) => Place::Path,
                (Place::Slashes(..) | Place::Text | Place::Doubt(_), '@') if self.colon => {
                    self.replace(self.word);
                    Place::Text
                }
                (Place::Doubt(start), '=') => {
                    self.length = start;
                    self.put(MARK);
                    Place::Query
                }
                (Place::Slashes(..) | Place::Text, '?' | '#') => Place::Doubt(self.length + 1),
                (Place::Slashes(..) | Place::Text, ':') => Place::Slashes(1, false),
                (Place::Slashes(..) | Place::Text, _) => Place::Text,
                (place, _) => place,
            };
            self.colon |= c == ':';
            if self.place != Place::Query {
                self.put_char(c);
            }
            // A bracket or a quote before a word is none of it.
            let opens = closer(c).filter(|_| self.length == self.word + 1);
            if ends || opens.is_some() {
                (self.word, self.colon, self.closer) = (self.length, false, opens.unwrap_or(' '));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;
    use std::string::{String, ToString as _};

    fn line(text: &str) -> String {
        let mut line = Line::new();
        for piece in text.split_inclusive(':') {
            line.write_str(piece).unwrap();
        }
        line.finish();
        line.as_str().to_string()
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        assert_eq!(line("a\r\nlevel=ERROR\u{202e}b\u{2028}"), "a\\u{d}\\u{a}level=ERROR\\u{202e}b\\u{2028}");
    }

    #[test]
    fn credentials_and_queries_of_urls_are_left_out() {
        assert_eq!(line("at https://me:secret@host/a?token=1&b=2 failed"), "at https://***@host/a?… failed");
        assert_eq!(line("(http://host/a#part) and http://h?q"), "(http://host/a#…) and http://h?…");
        assert_eq!(line("no url: a?b @c"), "no url: a?b @c");
        assert_eq!(line("what? me@host, std::io, a=b#1"), "what? me@host, std::io, a=b#1");
        assert_eq!(line("(me:secret@host/a?b=c) and /a?b=c or h#b=c"), "(***@host/a?…) and /a?… or h#…");
        assert_eq!(line("http://[::1]:80/x?y"), "http://[::1]:80/x?…");
        // An `@` in a path is none of ours; a second one in the authority is.
        assert_eq!(line("http://host/@me"), "http://host/@me");
        assert_eq!(line("ftp://me:p@ss@host/"), "ftp://***@host/");
        // No valid URLs, but what is in them is secret all the same.
        assert_eq!(line("http://me:se/cr/et@host/a?b"), "http://***@host/a?…");
        assert_eq!(line("http://me:se?cret@host/"), "http://***?…");
        assert_eq!(line("http://me:se#cret@host/"), "http://***#…");
        assert_eq!(line("http://host:80/@me http://[::1]:80/@me"), "http://host:80/@me http://[::1]:80/@me");
    }

    #[test]
    fn a_sign_that_may_stand_in_a_secret_does_not_end_it() {
        for (text, expected) in [
            ("http://h/?filter[token]=secret&a=b end", "http://h/?… end"),
            ("http://h/?t=a)secret http://h/?t=a}secret", "http://h/?… http://h/?…"),
            ("http://me:se'cret@host/ http://me:se)cret@host/", "http://***@host/ http://***@host/"),
            ("me:se'cret@host me:se]cret@host", "***@host ***@host"),
            ("('me:secret@host')", "('***@host')"),
            (
                "`http://h/?token` 'http://h/?token' {http://h/#t} [http://h?t]",
                "`http://h/?…` 'http://h/?…' {http://h/#…} [http://h?…]",
            ),
            ("(http://h/?a(b)c) on", "(http://h/?…)c) on"),
            ("tried http://a/x,http://me:secret@b/y", "tried http://a/x,http://***@b/y"),
            ("amqp://h1,amqp://me:secret@h2/", "amqp://h1,amqp://***@h2/"),
            ("amqp://h1:1/,amqp://me:secret@h2/", "amqp://h1:1/,amqp://***@h2/"),
            ("http://proxy/http://me:secret@host/", "http://proxy/http://***@host/"),
            ("http://?token=secret unix://#secret", "http://?… unix://#…"),
            ("file:///a/b?token", "file:///a/b?…"),
            ("http://host/a:b:/c@d http://[::1]/x", "http://host/a:b:/c@d http://[::1]/x"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let cut = line(&"é".repeat(100));
        assert!(cut.len() <= SIZE && cut.ends_with("é…"), "{cut}");
        let secret = line(&("x".repeat(60) + " https://user:" + &"p".repeat(80) + "@host"));
        assert!(!secret.contains("user") && secret.ends_with("https://…"), "{secret}");
    }
}
