use core::fmt;

use crate::verdict::{Fault, Verdict};

/// A set of status codes: those that are worth another attempt.
///
/// [`Statuses::TRANSIENT`], the default, holds 408, 425, 429, 500, 502, 503 and 504. Statuses from 100 to 599 can be
/// in a set; any other never is.
///
/// ```
/// use persevere::http::Statuses;
///
/// const EVENTUAL: Statuses = Statuses::TRANSIENT.with(404).without(500);
/// assert!(EVENTUAL.contains(404) && EVENTUAL.contains(503));
/// assert!(!EVENTUAL.contains(500) && !EVENTUAL.contains(501));
/// assert_eq!(format!("{:?}", Statuses::of(&[502, 504])), "{502, 504}");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Statuses([u64; WORDS]);

const FIRST: u16 = 100;
const LAST: u16 = 599;
const WORDS: usize = 8;

impl Statuses {
    /// No status at all: only faults are retried.
    pub const NONE: Self = Self([0; WORDS]);

    /// The default: 408, 425, 429, 500, 502, 503 and 504.
    pub const TRANSIENT: Self = Self::of(&[408, 425, 429, 500, 502, 503, 504]);

    /// Makes a set of these statuses.
    pub const fn of(statuses: &[u16]) -> Self {
        let mut set = Self::NONE;
        let mut index = 0;
        while index < statuses.len() {
            set = set.with(statuses[index]);
            index += 1;
        }
        set
    }

    /// Adds a status.
    pub const fn with(mut self, status: u16) -> Self {
        if let Some((word, bit)) = place(status) {
            self.0[word] |= bit;
        }
        self
    }

    /// Takes a status away.
    pub const fn without(mut self, status: u16) -> Self {
        if let Some((word, bit)) = place(status) {
            self.0[word] &= !bit;
        }
        self
    }

    /// Tells whether the status is in the set.
    pub const fn contains(&self, status: u16) -> bool {
        match place(status) {
            Some((word, bit)) => self.0[word] & bit != 0,
            None => false,
        }
    }

    /// Classifies a response by its status alone: transient if it is in the set, else permanent.
    ///
    /// 429 and 503 are [`Fault::Throttle`], all others [`Fault::Status`]. A server that answers has been reached, so
    /// only idempotent requests are sent again.
    ///
    /// ```
    /// use persevere::{http::Statuses, Fault};
    ///
    /// assert_eq!(Statuses::TRANSIENT.verdict(503).fault(), Fault::Throttle);
    /// assert!(!Statuses::TRANSIENT.verdict(404).is_transient());
    /// ```
    pub const fn verdict(&self, status: u16) -> Verdict {
        let verdict = if self.contains(status) { Verdict::transient() } else { Verdict::permanent() };
        verdict
            .with_fault(if matches!(status, 429 | 503) { Fault::Throttle } else { Fault::Status })
            .with_status(status)
    }
}

const fn place(status: u16) -> Option<(usize, u64)> {
    if status < FIRST || status > LAST {
        return None;
    }
    let index = (status - FIRST) as usize;
    Some((index / 64, 1 << (index % 64)))
}

impl Default for Statuses {
    fn default() -> Self {
        Self::TRANSIENT
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((FIRST..=LAST).filter(|&status| self.contains(status))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_can_be_set_and_nothing_else() {
        for status in 0..=u16::MAX {
            let inside = (FIRST..=LAST).contains(&status);
            assert_eq!(Statuses::NONE.with(status).contains(status), inside, "{status}");
            assert!(!Statuses::TRANSIENT.without(status).contains(status), "{status}");
        }
    }

    #[test]
    fn the_default_is_what_is_documented() {
        let listed = [408, 425, 429, 500, 502, 503, 504];
        assert!((0..=u16::MAX).all(|status| Statuses::default().contains(status) == listed.contains(&status)));
    }
}
