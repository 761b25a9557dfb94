//! The random part of a wait, and where its randomness comes from.

use core::time::Duration;

/// Chooses how much of a wait is left to chance.
///
/// Jitter spreads clients that failed together, so that they do not come back together. Whatever the kind, a
/// jittered wait lies between zero and the backoff's `max`: jitter never lifts a wait above the cap. A wait of zero
/// (the immediate first retry) stays zero.
///
/// Below, `w` is the wait that the backoff yields, after the cap.
///
/// ```
/// use persevere::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let full = Backoff::constant(Duration::from_secs(4)).jitter(Jitter::Full).seed(1);
/// assert!(full.take(1000).all(|wait| wait <= Duration::from_secs(4)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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
    /// The backoff's own growth and its `factor` play no part; its `max` still caps. The previous wait is remembered
    /// with ten significant bits, rounded down, which shifts the upper end by less than 0.1 %.
    Decorrelated,
    /// Draws from `[w, w + amount]`, cut at `max`: what urllib3 calls `backoff_jitter`.
    Additive(Duration),
}

/// The kinds as the backoff stores them: one byte, the amount of the additive one kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Full,
    Equal,
    Decorrelated,
    Additive,
}

/// A value from `[0, bound]`, uniform to within 2^-64, by the high half of a product.
pub(crate) const fn within(bound: u64, random: u64) -> u64 {
    ((random as u128 * (bound as u128 + 1)) >> 64) as u64
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014): spreads the bits of a counter over the word.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 2^64 divided by the golden ratio: the step of splitmix64's counter.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The draw that belongs to failure `n` of a run with this seed: splitmix64, entered at its n-th output.
pub(crate) const fn seeded(seed: u64, n: u32) -> u64 {
    mix(seed.wrapping_add(STEP.wrapping_mul(n as u64)))
}

#[cfg(feature = "jitter")]
std::thread_local! {
    static STREAM: core::cell::Cell<u64> = {
        use core::hash::{BuildHasher, Hasher};
        core::cell::Cell::new(std::hash::RandomState::new().build_hasher().finish() ^ of_the_browser())
    };
}

/// One draw from this thread's stream, which the system's entropy seeded. Not for secrets.
#[cfg(feature = "jitter")]
#[inline(never)]
pub(crate) fn entropy() -> u64 {
    STREAM.with(|stream| {
        let next = stream.get().wrapping_add(STEP);
        stream.set(next);
        mix(next)
    })
}

/// Where `RandomState` is no source of entropy, the browser is.
#[cfg(all(feature = "jitter", feature = "wasm", target_family = "wasm"))]
fn of_the_browser() -> u64 {
    (js_sys::Math::random() * u64::MAX as f64) as u64
}

#[cfg(all(feature = "jitter", not(all(feature = "wasm", target_family = "wasm"))))]
const fn of_the_browser() -> u64 {
    0
}

/// Without a source of randomness a wait is taken whole: longer than a drawn one, never shorter.
#[cfg(not(feature = "jitter"))]
pub(crate) const fn entropy() -> u64 {
    u64::MAX
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

    #[test]
    #[cfg(feature = "jitter")]
    fn a_first_try_success_draws_no_random_number() {
        let run = |mut failures: u32| {
            let before = STREAM.get();
            let policy = crate::Policy::new().waits([core::time::Duration::ZERO; 2]);
            let outcome = crate::retry(policy, || {
                let failed = failures > 0;
                failures = failures.saturating_sub(1);
                if failed { Err(std::io::Error::from(std::io::ErrorKind::TimedOut)) } else { Ok(()) }
            });
            assert!(outcome.is_ok());
            STREAM.get() == before
        };
        assert!(run(0));
        assert!(!run(1));
    }

    #[test]
    #[cfg(feature = "jitter")]
    fn no_two_threads_share_a_stream() {
        let other = std::thread::spawn(|| [entropy(), entropy()]).join().unwrap();
        let here = [entropy(), entropy()];
        assert!(here.iter().all(|draw| !other.contains(draw)));
        assert_ne!(here[0], here[1]);
    }
}
