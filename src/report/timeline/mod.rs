//! Drawings for a terminal: a run after it ([`Timeline`]) and a policy before it ([`Forecast`]). No heap, no
//! environment: what is drawn depends on the value alone.

mod forecast;
mod run;
#[cfg(feature = "svg")]
mod svg;

use core::fmt::{self, Write as _};

use crate::report::line::Text;

pub use self::forecast::Forecast;
pub use self::run::Timeline;

/// How a drawing is laid out.
#[derive(Clone, Copy, Debug)]
struct Style {
    width: u16,
    color: bool,
}

/// What a drawing needs for its columns.
const LEAST_WIDTH: u16 = 60;

impl Style {
    const PLAIN: Self = Self { width: 80, color: false };
}

/// The methods that both drawings have.
macro_rules! styled {
    ($drawing:ident $(<$life:lifetime>)?) => {
        impl $(<$life>)? $drawing $(<$life>)? {
            /// Sets how many columns the drawing may take; 80 unless set, and at least 60.
            pub const fn width(mut self, columns: u16) -> Self {
                self.style.width = if columns < LEAST_WIDTH { LEAST_WIDTH } else { columns };
                self
            }

            /// Says whether to colour the bars, with ANSI escapes; false unless set.
            ///
            /// Nothing is said by colour alone.
            pub const fn color(mut self, color: bool) -> Self {
                self.style.color = color;
                self
            }

            /// Sets width and colour as standard output's terminal has them.
            ///
            /// No colour if standard output is not a terminal, if `NO_COLOR` is set and not empty
            /// (<https://no-color.org>), or if `TERM` is `dumb`. The width stays as it is where there is no terminal.
            #[cfg(feature = "terminal")]
            pub fn for_terminal(self) -> Self {
                let (width, color) = crate::report::timeline::terminal();
                self.color(color).width(width.unwrap_or(self.style.width))
            }
        }
    };
}
use styled;

/// Standard output's width, and whether it wants colour. The variable `COLUMNS` is no source for the width, since
/// shells keep it to themselves; asking the terminal takes a system call, which is what `terminal_size` is for.
#[cfg(feature = "terminal")]
fn terminal() -> (Option<u16>, bool) {
    use std::io::IsTerminal as _;

    if !std::io::stdout().is_terminal() {
        return (None, false);
    }
    let color = wants_color(std::env::var_os("NO_COLOR").as_deref(), std::env::var_os("TERM").as_deref());
    (terminal_size::terminal_size().map(|(width, _)| width.0), color)
}

/// Whether a terminal with these variables wants colour.
#[cfg(feature = "terminal")]
fn wants_color(no_color: Option<&std::ffi::OsStr>, term: Option<&std::ffi::OsStr>) -> bool {
    no_color.is_none_or(std::ffi::OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// Okabe and Ito's colours, which colour-blind people tell apart, as the terminal's palette of 256 has them.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    /// Vermillion: a failed attempt, a wait that is certain.
    Failed,
    /// Blue: an attempt that succeeded.
    Succeeded,
    /// The ground's own colour, faint.
    Faint,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Failed => "\x1b[38;5;166m",
            Self::Succeeded => "\x1b[38;5;32m",
            Self::Faint => "\x1b[2m",
        }
    }
}

/// Writes one row: counts columns, and writes spaces only where something follows.
struct Row<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    style: Style,
    /// Spaces that are due.
    spaces: usize,
}

impl<'a, 'f> Row<'a, 'f> {
    fn new(f: &'a mut fmt::Formatter<'f>, style: Style) -> Self {
        Self { f, style, spaces: 0 }
    }

    fn space(&mut self, columns: usize) {
        self.spaces += columns;
    }

    /// Writes text that takes so many columns.
    fn text(&mut self, ink: Ink, text: impl fmt::Display) -> fmt::Result {
        for _ in 0..core::mem::take(&mut self.spaces) {
            self.f.write_char(' ')?;
        }
        match ink.code() {
            code if self.style.color && !code.is_empty() => write!(self.f, "{code}{text}\x1b[0m"),
            _ => write!(self.f, "{text}"),
        }
    }

    /// Writes `columns` times the same character.
    fn bar(&mut self, ink: Ink, c: char, columns: usize) -> fmt::Result {
        if columns == 0 { Ok(()) } else { self.text(ink, Repeated(c, columns)) }
    }

    /// Writes a short text at the right end of a column.
    fn right(&mut self, columns: usize, ink: Ink, text: impl fmt::Display) -> fmt::Result {
        let text = Text::<96>::of(text);
        self.space(columns.saturating_sub(text.as_str().chars().count()));
        self.text(ink, text.as_str())
    }

    /// Writes a short text at the left end of a column.
    fn left(&mut self, columns: usize, ink: Ink, text: impl fmt::Display) -> fmt::Result {
        let text = Text::<96>::of(text);
        self.text(ink, text.as_str())?;
        self.space(columns.saturating_sub(text.as_str().chars().count()));
        Ok(())
    }

    /// Writes the ends of a scale over the column of bars.
    fn scale(&mut self, columns: usize, to: impl fmt::Display) -> fmt::Result {
        self.left(3, Ink::Plain, "0 s")?;
        self.right(columns - 3, Ink::Plain, to)
    }

    fn end(self) -> fmt::Result {
        self.f.write_char('\n')
    }
}

struct Repeated(char, usize);

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.1).try_for_each(|_| f.write_char(self.0))
    }
}

/// Text cut to so many columns, the cut marked.
struct Cut<'a>(&'a str, usize);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(text, room) = self;
        if text.chars().map(columns).sum::<usize>() <= room {
            return f.write_str(text);
        }
        let mut left = room.saturating_sub(1);
        for c in text.chars() {
            let Some(rest) = left.checked_sub(columns(c)) else { break };
            left = rest;
            f.write_char(c)?;
        }
        f.write_char('…')
    }
}

/// The columns that a character takes at most. Too many is safe: the row is a little short.
const fn columns(c: char) -> usize {
    match c {
        // Those among the signs that are drawn as pictures.
        '\u{231a}' | '\u{231b}' | '\u{23e9}'..='\u{23f3}' | '\u{25fd}' | '\u{25fe}' => 2,
        ..'\u{1100}' | '\u{2000}'..'\u{2600}' => 1,
        _ => 2,
    }
}

/// Breaks a line between words.
struct Wrapped<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    width: usize,
    column: usize,
    word: Text<96>,
}

impl<'a, 'f> Wrapped<'a, 'f> {
    fn new(f: &'a mut fmt::Formatter<'f>, width: u16) -> Self {
        Self { f, width: usize::from(width), column: 0, word: Text::new() }
    }

    fn flush(&mut self) -> fmt::Result {
        let word = core::mem::replace(&mut self.word, Text::new());
        let length = word.as_str().chars().count();
        if self.column > 0 && self.column + 1 + length > self.width {
            self.f.write_char('\n')?;
            self.column = 0;
        } else if self.column > 0 {
            self.f.write_char(' ')?;
            self.column += 1;
        }
        self.column += length;
        self.f.write_str(word.as_str())
    }
}

impl fmt::Write for Wrapped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (index, piece) in text.split(' ').enumerate() {
            if index > 0 {
                self.flush()?;
            }
            // A word that is cut is no reason to fail.
            let _ = self.word.write_str(piece);
        }
        Ok(())
    }
}

/// Writes a sentence in lines of this width, and ends the last one.
fn wrapped(f: &mut fmt::Formatter<'_>, width: u16, text: impl fmt::Display) -> fmt::Result {
    let mut lines = Wrapped::new(f, width);
    write!(lines, "{text}")?;
    lines.flush()?;
    f.write_char('\n')
}

/// Where this time lies on a scale of so many cells, to the nearest border between two.
fn cell(time: u64, whole: u64, cells: usize) -> usize {
    if whole == 0 {
        return 0;
    }
    let place = (u128::from(time) * cells as u128 + u128::from(whole / 2)) / u128::from(whole);
    (place as usize).min(cells)
}

/// How many digits a number has.
fn digits(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A time in three digits: `600 ms`, `1.25 s`, `16.7 min`.
#[derive(Clone, Copy)]
struct Short(u64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 7] = [
            (1, "ns"),
            (1_000, "µs"),
            (1_000_000, "ms"),
            (1_000_000_000, "s"),
            (60_000_000_000, "min"),
            (3_600_000_000_000, "h"),
            (86_400_000_000_000, "d"),
        ];
        if self.0 == 0 {
            return f.write_str("0 s");
        }
        if self.0 == u64::MAX {
            return f.write_str("forever");
        }
        // The first unit of which there are, rounded, less than a thousand.
        let fits = |&&(unit, _): &&(u64, &str)| self.0 < unit * 1000 - unit / 2;
        let &(unit, name) = UNITS.iter().find(fits).unwrap_or(&UNITS[6]);
        let rounded = |scale: u64| (u128::from(self.0) * u128::from(scale) + u128::from(unit / 2)) / u128::from(unit);
        let hundredths = match self.0 / unit {
            100.. => rounded(1) * 100,
            10.. => rounded(10) * 10,
            _ => rounded(100),
        };
        write!(f, "{}", hundredths / 100)?;
        match hundredths % 100 {
            0 => {}
            tenths if tenths % 10 == 0 => write!(f, ".{}", tenths / 10)?,
            rest => write!(f, ".{rest:02}")?,
        }
        write!(f, " {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn times_are_short() {
        let times = [
            (0, "0 s"),
            (1, "1 ns"),
            (1_500, "1.5 µs"),
            (600_000_000, "600 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1 s"),
            (1_254_000_000, "1.25 s"),
            (9_996_000_000, "10 s"),
            (99_960_000_000, "100 s"),
            (120_000_000_000, "120 s"),
            (1_000_000_000_000, "16.7 min"),
            (86_400_000_000_000, "24 h"),
            (u64::MAX - 1, "213504 d"),
            (u64::MAX, "forever"),
        ];
        for (nanos, shown) in times {
            assert_eq!(format!("{}", Short(nanos)), shown);
        }
    }

    #[test]
    #[cfg(feature = "terminal")]
    fn no_color_and_a_dumb_terminal_are_heard() {
        let wants = |no_color: Option<&str>, term: Option<&str>| {
            wants_color(no_color.map(std::ffi::OsStr::new), term.map(std::ffi::OsStr::new))
        };
        assert!(wants(None, None) && wants(None, Some("xterm-256color")) && wants(Some(""), None));
        assert!(!wants(Some("1"), None) && !wants(Some("1"), Some("xterm")) && !wants(None, Some("dumb")));
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(format!("{}", Cut("refused", 7)), "refused");
        assert_eq!(format!("{}", Cut("refused", 6)), "refus…");
        assert_eq!(format!("{}", Cut("接続拒否", 8)), "接続拒否");
        assert_eq!(format!("{}", Cut("接続拒否", 6)), "接続…");
        assert_eq!(format!("{}", Cut("x", 0)), "…");
    }

    #[test]
    fn a_scale_ends_where_its_cells_do() {
        assert_eq!([0, 49, 50, 51, 100].map(|time| cell(time, 100, 10)), [0, 5, 5, 5, 10]);
        assert_eq!(cell(u64::MAX, u64::MAX, 60), 60);
        assert_eq!(cell(5, 0, 10), 0);
    }
}
