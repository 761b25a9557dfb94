//! Text of bounded length, without a heap.

mod redact;

use core::fmt;

pub(crate) use self::redact::Redacted;

/// What stands where something was left out.
const OMITTED: char = '…';

/// A text of at most `N` bytes, cut if it does not fit. The cut is marked.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    length: u8,
    cut: bool,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        const { assert!(OMITTED.len_utf8() <= N && N <= u8::MAX as usize) };
        Self { bytes: [0; N], length: 0, cut: false }
    }

    #[cfg(feature = "std")]
    pub(crate) fn of(text: impl fmt::Display) -> Self {
        let mut written = Self::new();
        // It fails when it is full. What fits is kept.
        let _ = fmt::write(&mut written, format_args!("{text}"));
        written
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole characters are ever written.
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    fn last_byte(&self) -> Option<u8> {
        self.bytes[..usize::from(self.length)].last().copied()
    }

    const fn clear(&mut self) {
        (self.length, self.cut) = (0, false);
    }

    fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length as u8);
    }

    /// Appends a character if there is room.
    fn append(&mut self, c: char) -> bool {
        let start = usize::from(self.length);
        let Some(room) = self.bytes.get_mut(start..start + c.len_utf8()) else { return false };
        c.encode_utf8(room);
        self.length += c.len_utf8() as u8;
        true
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    /// Fails once the text is cut, so that a long text is not formatted to its end.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.chars().any(|c| self.cut || !self.append(c)) {
            while !self.cut {
                self.cut = self.append(OMITTED);
                if !self.cut {
                    // Makes room for the mark.
                    self.length = self.as_str().char_indices().next_back().map_or(0, |(last, _)| last as u8);
                }
            }
            return Err(fmt::Error);
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn a_text_that_fits_is_whole() {
        assert_eq!(Text::<5>::of("été").as_str(), "été");
        assert_eq!(Text::<5>::of("").as_str(), "");
    }

    #[test]
    fn a_longer_text_is_cut_between_characters_and_the_cut_is_marked() {
        for (text, cut) in [("étés", "é…"), ("abcdef", "ab…"), ("a🦀🦀", "a…"), ("abcé", "abcé"), ("abcdé", "ab…")]
        {
            assert_eq!(Text::<5>::of(text).as_str(), cut);
        }
    }

    #[test]
    fn what_follows_a_cut_is_not_written() {
        let mut text = Text::<5>::new();
        assert_eq!(text.write_str("🦀🦀"), Err(fmt::Error));
        assert_eq!(text.write_str("a"), Err(fmt::Error));
        assert_eq!(text.as_str(), "…");
        text.clear();
        assert_eq!(text.write_str("a"), Ok(()));
        assert_eq!(text.as_str(), "a");
    }
}
