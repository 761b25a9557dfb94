//! Random numbers: from the system for a wait, from a seed for a test.
//!
//! Each draw asks the system. All that a process remembers, a forked child and a restored snapshot remember too, so a
//! stream of the process's own gives them the same waits. Something from outside has to be in each draw. Per draw, in
//! instructions and in time, measured on Linux:
//!
//! | source | instructions | ns | differs in |
//! |---|---|---|---|
//! | a counter, mixed | 7 | 2 | threads, and processes if it starts at the system's entropy |
//! | the counter and the process's number | 16 | 190 | forks as well, but not in snapshots |
//! | the counter and the clock | 107 | 30 | all, unless two draw in the same tick of a coarse clock |
//! | `RandomState::new()` | 78 | 5 | threads and processes: it counts on from one number of the system's |
//! | `rand`'s `SysRng` | 49 | 360 | all |
//!
//! A draw comes before a wait of milliseconds at least, so a third of a microsecond is no price for it. The first try and
//! the immediate first retry draw nothing.

#[cfg(feature = "jitter")]
use rand::rand_core::{Rng as _, SeedableRng as _};
#[cfg(feature = "jitter")]
use rand::rngs::Xoshiro256PlusPlus;

/// The draw that belongs to failure `n`: of the seed's stream, or fresh.
#[cfg(feature = "jitter")]
#[inline(never)]
pub(crate) fn drawn(seed: Option<u64>, n: u32) -> u64 {
    seed.map_or_else(fresh, |seed| seeded(seed, n))
}

/// Without a source of randomness a wait is taken whole: longer than a drawn one, never shorter.
#[cfg(not(feature = "jitter"))]
pub(crate) const fn drawn(_: Option<u64>, _: u32) -> u64 {
    u64::MAX
}

/// The draw that belongs to failure `n` of a run with this seed. It keeps no generator, whose state would be in every
/// future: each draw is the first one of a generator of its own.
#[cfg(feature = "jitter")]
fn seeded(seed: u64, n: u32) -> u64 {
    Xoshiro256PlusPlus::seed_from_u64(mix(seed).wrapping_add(u64::from(n))).next_u64()
}

/// A draw that nobody else has.
#[cfg(feature = "jitter")]
#[cold]
#[inline(never)]
pub(crate) fn fresh() -> u64 {
    use core::hash::{BuildHasher, Hasher};
    // A sandbox may forbid to ask. Then the best that is left differs between processes, threads and draws.
    of_the_system().unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish())
}

#[cfg(not(feature = "jitter"))]
pub(crate) const fn fresh() -> u64 {
    u64::MAX
}

#[cfg(all(feature = "jitter", not(all(target_family = "wasm", target_os = "unknown"))))]
fn of_the_system() -> Option<u64> {
    use rand::rand_core::TryRng as _;
    rand::rngs::SysRng.try_next_u64().ok()
}

/// The browser, which has 52 bits for each call.
#[cfg(all(feature = "jitter", feature = "wasm", target_family = "wasm", target_os = "unknown"))]
fn of_the_system() -> Option<u64> {
    let half = || (js_sys::Math::random() * f64::from(u32::MAX)) as u64;
    Some(half() << 32 | half())
}

#[cfg(all(feature = "jitter", not(feature = "wasm"), target_family = "wasm", target_os = "unknown"))]
const fn of_the_system() -> Option<u64> {
    None
}

/// A draw that decides about a share of many. A counter does for that, and costs no system call.
#[cfg(target_has_atomic = "64")]
pub(crate) fn lot() -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    /// 2^64 divided by the golden ratio: the step of splitmix64's counter.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static LOTS: AtomicU64 = AtomicU64::new(0);
    let lot = LOTS.fetch_add(STEP, Ordering::Relaxed);
    if lot == 0 {
        // Processes that started together go different ways.
        LOTS.fetch_add(fresh(), Ordering::Relaxed);
    }
    mix(lot)
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014): spreads the bits of a counter over the word.
#[cfg(any(feature = "jitter", target_has_atomic = "64"))]
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(all(test, feature = "jitter"))]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::vec::Vec;

    /// How often each pair of tenths is drawn, one draw and a later one, in 10 000 draws.
    fn pairs(draws: impl Iterator<Item = u64>, lag: usize) -> [u32; 100] {
        let tenths: Vec<_> = draws.take(10_000).map(|draw| ((u128::from(draw) * 10) >> 64) as usize).collect();
        let mut seen = [0; 100];
        for pair in tenths.windows(lag + 1) {
            seen[pair[0] * 10 + pair[lag]] += 1;
        }
        seen
    }

    #[test]
    fn no_draw_predicts_a_later_one() {
        for lag in [1, 2, 3, 7] {
            let of_one_seed = pairs((0..).map(|n| seeded(7, n)), lag);
            let of_many_seeds = pairs((0..).map(|seed| seeded(seed, 2)), lag);
            let fresh = pairs(core::iter::repeat_with(fresh), lag);
            #[cfg(target_has_atomic = "64")]
            let lots = pairs(core::iter::repeat_with(lot), lag);
            for seen in [of_one_seed, of_many_seeds, fresh, lots] {
                assert!(seen.iter().all(|seen| (40..180).contains(seen)), "{lag}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_draws_on_every_platform() {
        let draws = [(0, 1), (0, 2), (7, 2), (u64::MAX, u32::MAX)].map(|(seed, n)| seeded(seed, n));
        // Computed by hand, after the papers on splitmix64 and xoshiro256++.
        let expected = [
            14_971_601_782_005_023_387,
            14_116_099_294_885_116_970,
            18_420_484_190_789_101_276,
            1_939_683_119_983_393_785,
        ];
        assert_eq!(draws, expected);
    }

    #[test]
    fn no_two_threads_share_a_draw() {
        let draws = || [fresh(), fresh(), fresh()];
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(draws)).collect();
        let all: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.len(), 24);
    }

    #[test]
    fn without_the_system_draws_differ_too() {
        use core::hash::{BuildHasher, Hasher};
        let all: HashSet<_> = (0..100).map(|_| std::hash::RandomState::new().build_hasher().finish()).collect();
        assert_eq!(all.len(), 100);
    }
}
