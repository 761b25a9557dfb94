//! Counts over a window of time that moves, shared by many threads without a lock.

use core::time::Duration;

use crate::guard::sync::{AcqRel, Acquire, AtomicU64, const_fn};
use crate::time::{entropy, nanos};

/// A window is counted in so many slots: what is older than it is never counted, what is younger than nine tenths
/// of it always is.
#[cfg(not(persevere_loom))]
const SLOTS: u64 = 10;
/// Each slot is another word to try all orders of.
#[cfg(persevere_loom)]
const SLOTS: u64 = 1;

/// Two counts for each slot of the window.
///
/// A slot is one word, so that its counts and whose they are change together: a mark of the clock's lap and the user's
/// epoch, both counts. Whoever finds a slot with another mark begins it anew. A later lap is treated alike, so a clock
/// that was set back loses what was counted and goes on.
pub(crate) struct Window {
    slots: [AtomicU64; SLOTS as usize],
    /// The time that a slot stands for, in nanoseconds.
    step: u64,
}

/// The widths of a slot's parts, from the top: mark 28, all 18, some 18.
const COUNT: u32 = 18;
const MOST: u64 = (1 << COUNT) - 1;

impl Window {
    /// So many are counted, whenever they come: a slot that is full goes on from half.
    pub(crate) const SURE: u64 = MOST / 2;

    const_fn! {
        pub(crate) fn new(length: Duration) -> Self {
            #[cfg(not(persevere_loom))]
            let slots = [const { AtomicU64::new(0) }; SLOTS as usize];
            #[cfg(persevere_loom)]
            let slots = core::array::from_fn(|_| AtomicU64::new(0));
            Self { slots, step: 0 }.length(length)
        }
    }

    pub(crate) const fn length(mut self, length: Duration) -> Self {
        self.step = nanos::from(length) / SLOTS;
        if self.step == 0 {
            self.step = 1;
        }
        self
    }

    /// The slot of this time, and its mark: bits of a hash, since those of a counter come round after some gap.
    fn place(&self, index: u64, epoch: u16) -> (&AtomicU64, u64) {
        let mark = entropy::mix((index / SLOTS) ^ (u64::from(epoch) << 48)) >> (2 * COUNT);
        (&self.slots[(index % SLOTS) as usize], mark)
    }

    /// Counts one, among all and perhaps among some, unless the epoch is found to be over.
    ///
    /// The epoch is checked after the slot was read: a slot that a later epoch has begun is never begun anew.
    pub(crate) fn count(&self, epoch: u16, now: u64, some: bool, is_current: impl Fn() -> bool) {
        let (slot, mark) = self.place(now / self.step, epoch);
        let mut word = slot.load(Acquire);
        while is_current() {
            let (mut all, mut of_them) = parts(word, mark).unwrap_or((0, 0));
            if all == MOST {
                // The share of some among all is kept.
                (all, of_them) = (all / 2, of_them / 2);
            }
            let next = (mark << (2 * COUNT)) | ((all + 1) << COUNT) | (of_them + u64::from(some));
            match slot.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
    }

    /// How many were counted in the window that ends now: all, and some of them.
    pub(crate) fn counts(&self, epoch: u16, now: u64) -> (u64, u64) {
        let last = now / self.step;
        let first = last.saturating_sub(SLOTS - 1);
        (first..=last).fold((0, 0), |sum, index| {
            let (slot, mark) = self.place(index, epoch);
            let (all, some) = parts(slot.load(Acquire), mark).unwrap_or((0, 0));
            (sum.0 + all, sum.1 + some)
        })
    }
}

/// The counts of a word, if it bears this mark.
const fn parts(word: u64, mark: u64) -> Option<(u64, u64)> {
    if word >> (2 * COUNT) == mark { Some(((word >> COUNT) & MOST, word & MOST)) } else { None }
}

#[cfg(all(test, not(persevere_loom)))]
mod tests {
    use super::*;

    const fn window() -> Window {
        Window::new(Duration::from_nanos(100))
    }

    #[test]
    fn what_is_older_than_the_window_is_not_counted() {
        let window = window();
        for now in 0..1000 {
            window.count(0, now, now % 2 == 0, || true);
            let (all, some) = window.counts(0, now);
            assert!((all >= 91 || all == now + 1) && all <= 100, "{all} at {now}");
            assert_eq!(some, all.div_ceil(2));
        }
        assert_eq!(window.counts(0, 1089), (10, 5));
        assert_eq!(window.counts(0, 1090), (0, 0));
        assert_eq!(window.counts(0, u64::MAX), (0, 0));
    }

    #[test]
    fn a_clock_set_back_loses_what_was_counted_and_goes_on() {
        let window = window();
        (1_000_000..1_000_100).for_each(|now| window.count(0, now, true, || true));
        assert_eq!(window.counts(0, 500).0, 0);
        (500..600).for_each(|now| window.count(0, now, true, || true));
        assert_eq!(window.counts(0, 599).0, 100);
        (u64::MAX - 99..=u64::MAX).for_each(|now| window.count(0, now, true, || true));
        assert!(window.counts(0, u64::MAX).0 >= 91);
    }

    #[test]
    fn a_full_slot_keeps_its_share() {
        let window = window();
        for n in 0..3 * MOST {
            window.count(0, 0, n % 3 == 0, || true);
        }
        let (all, some) = window.counts(0, 0);
        assert!(all > MOST / 2 && all <= MOST && (all / 3).abs_diff(some) < 5, "{some} of {all}");
    }

    #[test]
    fn epochs_do_not_mix() {
        let window = window();
        (0..5).for_each(|_| window.count(1, 0, true, || true));
        window.count(2, 0, false, || true);
        assert_eq!((window.counts(1, 0), window.counts(2, 0)), ((0, 0), (1, 0)));
        window.count(1, 0, true, || false);
        assert_eq!(window.counts(2, 0), (1, 0));
    }

    #[test]
    fn no_window_is_too_short() {
        let window = Window::new(Duration::ZERO);
        window.count(0, 7, true, || true);
        assert_eq!(window.counts(0, 7), (1, 1));
    }
}
