//! The random part of a wait.

use core::time::Duration;

/// Chooses how much of a wait is left to chance.
///
/// Jitter spreads clients that failed together, so that they do not come back together. Each draw is new: no two threads,
/// processes, forked children or restored snapshots draw the same waits. A seed, for tests, gives the same waits on every
/// platform.
///
/// A jittered wait of every kind lies between zero and the backoff's `max_wait`: jitter never lifts a wait above the cap.
/// The immediate first retry stays immediate, and a part of nothing is nothing: only
/// [`Additive`](Jitter::Additive) waits on a backoff of zero.
///
/// Below, `w` is the wait that the backoff yields, after the cap, or a wait of a [list](crate::Retry::waits). A list is
/// waited exactly unless the policy's jitter is set.
///
/// ```
/// # #[cfg(feature = "jitter")] {
/// use persevere::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let full = Backoff::constant(Duration::from_secs(4)).jitter(Jitter::Full).seed(1);
/// assert!(full.take(1000).all(|wait| wait <= Duration::from_secs(4)));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Jitter {
    /// Waits exactly `w`.
    None,
    /// Draws from `[0, w]`. The default: of the kinds here it needs the fewest calls when many clients contend.
    #[default]
    Full,
    /// Draws from `[w/2, w]`: never less than half of the wait.
    Equal,
    /// Draws from `[base, 3 * previous wait]`, where the first "previous wait" is the base.
    ///
    /// The backoff's own growth and its `factor` play no part; its `max_wait` still caps. The previous wait is remembered
    /// with ten significant bits, rounded down, which shifts the upper end by less than 0.1 %. Near the cap the range is
    /// as that of [`Additive`](Jitter::Additive).
    Decorrelated,
    /// Draws from `[w, w + amount]`, cut at `max_wait`: what urllib3 calls `backoff_jitter`.
    ///
    /// Where the cut leaves an eighth of `w` or less to chance, it draws from `[max_wait - amount, max_wait]`, so that
    /// waits at the cap are spread as well.
    Additive(#[cfg_attr(feature = "serde", serde(with = "crate::policy::serde::human"))] Duration),
}

/// The kinds as the backoff stores them: one byte, the amount of the additive one kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing was said: full for a backoff, none for a list.
    Unset,
    None,
    Full,
    Equal,
    Decorrelated,
    Additive,
}

/// A value from `[0, bound]`, uniform to within 2^-64, by the high half of a product.
#[inline(always)]
pub(crate) const fn within(bound: u64, random: u64) -> u64 {
    // The high half of random * (bound + 1), a sum that could overflow.
    let product = random as u128 * bound as u128;
    let (_, carry) = (product as u64).overflowing_add(random);
    (product >> 64) as u64 + carry as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_covers_its_range_and_never_leaves_it() {
        for bound in [0, 1, 7, 1 << 40, u64::MAX] {
            assert_eq!(within(bound, 0), 0);
            assert_eq!(within(bound, u64::MAX), bound);
        }
    }
}
