//! Streaks: what a run remembers of failures in a row, and of those of each kind.

use crate::policy::backoff::{Pace, Rule};
use crate::policy::{FAULTS, StreakRules};
use crate::run::{Extra, Listed};
use crate::verdict::{Fault, Progress, Verdict};

/// What a run for work that lasts remembers beside its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize))]
pub(crate) struct Streak {
    /// When the running attempt began: after the wait before it.
    began: u64,
    /// That wait.
    wait: u64,
    /// When the first failure of the streak came; `u64::MAX` before it.
    since: u64,
    /// How many waits of each fault's own backoff there were, and behind them those of the policy's.
    waits: [u16; FAULTS + 1],
    paces: [Pace; FAULTS + 1],
    /// How many draws there were.
    drawn: u32,
}

impl Streak {
    pub(crate) const fn started(now: u64) -> Self {
        Self {
            began: now,
            wait: 0,
            since: u64::MAX,
            waits: [0; FAULTS + 1],
            paces: [Pace::FRESH; FAULTS + 1],
            drawn: 0,
        }
    }

    /// Says of a failure whether a new streak begins with it, and which wait is its own.
    ///
    /// The pace begins anew only after an attempt that lived long enough, or else a server that delivers one item and
    /// closes would be asked a thousand times a second.
    pub(crate) fn judge(
        &mut self,
        rules: &StreakRules,
        rule: &Rule,
        verdict: &Verdict,
        now: u64,
        random: impl FnOnce(u32) -> u64,
    ) -> Extra {
        let lived = now.saturating_sub(self.began);
        let earned = lived >= self.wait && lived >= rule.base;
        let healthy = rules.reset_after != u64::MAX && lived >= rules.reset_after;
        let progress =
            if healthy || verdict.has_progressed() && earned { Progress::LimitsAndPace } else { verdict.progress };
        if progress == Progress::LimitsAndPace {
            (self.waits, self.paces) = ([0; FAULTS + 1], [Pace::FRESH; FAULTS + 1]);
        }
        if progress != Progress::None || self.since == u64::MAX {
            self.since = now;
        }
        Extra {
            progress,
            listed: self.own_wait(rules, rule, verdict.fault, random),
            failing_until: self.since.saturating_add(rules.failing_for),
            ..Extra::NOTHING
        }
    }

    /// The wait after this fault, if some fault has a backoff of its own. Each backoff counts its own waits alone.
    fn own_wait(&mut self, rules: &StreakRules, rule: &Rule, fault: Fault, random: impl FnOnce(u32) -> u64) -> Listed {
        if rules.backoffs.iter().all(Option::is_none) {
            return Listed::No;
        }
        let (place, rule) = rules.backoffs[fault as usize].as_ref().map_or((FAULTS, rule), |own| (fault as usize, own));
        self.drawn = self.drawn.saturating_add(1);
        let (waits, drawn) = (&mut self.waits[place], self.drawn);
        *waits = waits.saturating_add(1);
        let throttled = fault == Fault::Throttle;
        Listed::Drawn(rule.wait::<false>((*waits).into(), throttled, &mut self.paces[place], || random(drawn)))
    }

    /// Notes the start of the first attempt.
    pub(crate) fn begins(&mut self, now: u64) {
        *self = Self::started(now);
    }

    /// Notes the wait that was decided at `now`.
    pub(crate) const fn waits(&mut self, now: u64, wait: u64) {
        self.began = now.saturating_add(wait);
        self.wait = wait;
    }

    /// Time that a wait should have taken, and did not.
    #[cfg(feature = "testing")]
    pub(crate) const fn skip(&mut self, skipped: u64) {
        self.began = self.began.saturating_sub(skipped);
        if self.since != u64::MAX {
            self.since = self.since.saturating_sub(skipped);
        }
    }
}
