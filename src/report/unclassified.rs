//! What a report says about an error that no rule knows.

use core::fmt::{self, Write as _};
use core::iter;

use super::line::{Redacted, Text};
use crate::observe::Unknown;

/// An error that no rule knows, and what was looked for in it: see [`Report::unclassified`](super::Report::unclassified).
///
/// ```
/// use persevere::{Policy, Report};
/// use std::error::Error;
///
/// let mut report = Report::new();
/// let fails = || Err::<(), Box<dyn Error>>("pool of 3 is empty".into());
/// let _ = Policy::new().any_of::<std::io::Error>().report(&mut report).run(fails);
/// let unclassified = report.unclassified().unwrap();
/// assert_eq!(unclassified.type_name(), "alloc::boxed::Box<dyn core::error::Error>");
/// assert_eq!(unclassified.chain(), "pool of 3 is empty");
/// assert!(unclassified.own_types().eq(["std::io::error::Error"]));
/// assert!(unclassified.known_crates().contains(&"std"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Unclassified {
    type_name: &'static str,
    chain: Text<160>,
    own: &'static str,
    known: &'static [&'static str],
}

impl Unclassified {
    pub(super) fn new(unknown: &Unknown<'_>) -> Self {
        let mut chain = Redacted::new(Text::new());
        let erased = unknown.erased.as_ref();
        let causes = iter::successors(erased.map(|erased| erased.chain), |error| error.source());
        // A chain that leads back to itself must not hang a run.
        for (index, error) in causes.take(16).enumerate() {
            let colon = if index == 0 { "" } else { ": " };
            // A text that fails, or does not fit, leaves what was written so far.
            if write!(chain, "{colon}{error}").is_err() {
                break;
            }
        }
        Self {
            type_name: unknown.type_name,
            chain: chain.finish(),
            own: erased.and_then(|erased| erased.own).unwrap_or_default(),
            known: erased.map_or(&[], |erased| erased.known),
        }
    }

    /// Returns the name of the error's type, as the compiler writes it.
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Returns the texts of the error and of its causes, with colons between them.
    ///
    /// It is one line of at most 160 bytes, made safe as [`Failure::message`](super::Failure::message) is. It is empty for a
    /// type that hides its causes from the crate.
    pub fn chain(&self) -> &str {
        self.chain.as_str()
    }

    /// Lists the types of the program's own that were looked for with [`any_of`](crate::Retry::any_of).
    pub fn own_types(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let tuple = self.own.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let mut rest = tuple.unwrap_or(self.own);
        iter::from_fn(move || {
            let mut depth = 0_u32;
            let end = rest.find(|c| {
                match c {
                    '<' | '(' | '[' => depth += 1,
                    '>' | ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                c == ',' && depth == 0
            });
            let (first, others) = rest.split_at(end.unwrap_or(rest.len()));
            rest = others.trim_start_matches([',', ' ']);
            (!first.is_empty()).then_some(first)
        })
    }

    /// Returns the crates whose errors were looked for: those whose feature is on.
    pub const fn known_crates(&self) -> &'static [&'static str] {
        self.known
    }
}

/// One line: the type, and what was looked for.
impl fmt::Display for Unclassified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is known about {}", self.type_name)?;
        let mut before = "; looked for ";
        for name in self.own_types().chain(self.known.iter().copied()) {
            write!(f, "{before}{name}")?;
            before = ", ";
        }
        Ok(())
    }
}
