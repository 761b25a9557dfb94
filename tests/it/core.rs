//! The decision core alone: its order, its reasons, its arithmetic. Time and chance are handed to it.

use std::time::Duration;

use persevere::{
    Backoff, Fault, Hints, Jitter, Policy, Reached, StopReason, Verdict,
    run::{Decision, Run},
};
use proptest::prelude::*;

use crate::support::{FAULTS, any_fault, any_jitter, any_time, any_verdict, millis, secs};

const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;
const TRANSIENT: Verdict = Verdict::transient();
const HIGHEST: u64 = u64::MAX;

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

fn run(policy: Policy) -> Run {
    Run::new(policy, ZERO)
}

/// What follows the first failure, at time zero.
fn first(policy: Policy, verdict: Verdict) -> Decision {
    run(policy).failed(verdict, ZERO, 0)
}

fn throttle() -> Verdict {
    TRANSIENT.with_fault(Fault::Throttle)
}

#[track_caller]
fn wait(next: Decision) -> Duration {
    match next {
        Decision::Wait(wait) => wait,
        Decision::Stop(reason) => panic!("stopped: {reason:?}"),
    }
}

#[test]
fn each_reason_to_stop_is_told_apart() {
    let too_long = StopReason::HintTooLong { hint: secs(121) };
    for (policy, verdict, reason) in [
        (PLAIN, Verdict::permanent(), StopReason::Permanent),
        (PLAIN.idempotent(false), TRANSIENT, StopReason::NotIdempotent),
        (PLAIN.total(0), TRANSIENT, StopReason::Exhausted),
        (PLAIN.connect(0), TRANSIENT.with_fault(Fault::Connect), StopReason::LimitReached(Fault::Connect)),
        (PLAIN, TRANSIENT.with_hint(secs(121)), too_long),
        (PLAIN.within(secs(1)), TRANSIENT.with_hint(secs(2)), StopReason::DeadlineExceeded),
    ] {
        assert_eq!(first(policy, verdict), Decision::Stop(reason));
    }
}

/// Each rule is asked before those after it: a failure that several of them end is ended by the first.
#[test]
fn the_rules_are_asked_in_their_order() {
    // All of them would stop here; taken away one by one, the next one does.
    let strict = PLAIN.within(secs(1)).connect(0).total(0).idempotent(false);
    let verdict = TRANSIENT.with_fault(Fault::Connect).with_hint(secs(500));
    let stop = |policy, verdict: Verdict| match first(policy, verdict) {
        Decision::Stop(reason) => reason,
        Decision::Wait(wait) => panic!("waits {wait:?}"),
    };
    let permanent = Verdict::permanent().with_fault(Fault::Connect).with_hint(secs(500));
    assert_eq!(stop(strict, permanent), StopReason::Permanent);
    assert_eq!(stop(strict, verdict), StopReason::NotIdempotent);
    let strict = strict.idempotent(true);
    assert_eq!(stop(strict, verdict), StopReason::Exhausted);
    let strict = strict.total(9);
    assert_eq!(stop(strict, verdict), StopReason::LimitReached(Fault::Connect));
    let strict = strict.connect(9);
    assert_eq!(stop(strict, verdict), StopReason::HintTooLong { hint: secs(500) });
    let strict = strict.max_hint(secs(500));
    assert_eq!(stop(strict, verdict), StopReason::DeadlineExceeded);
    assert_eq!(first(strict.within(secs(501)), verdict), Decision::Wait(secs(500)));
}

#[test]
fn total_counts_retries_and_not_attempts() {
    for total in [0, 1, 3, 10] {
        let mut run = run(PLAIN.total(total));
        for retry in 1..=total {
            let _ = wait(run.failed(TRANSIENT, ZERO, 0));
            assert_eq!(run.attempt(), retry + 1);
        }
        assert_eq!(run.failed(TRANSIENT, ZERO, 0), Decision::Stop(StopReason::Exhausted));
        assert_eq!(run.attempt(), total + 1, "a stop begins no attempt");
    }
}

#[test]
fn a_run_without_limit_goes_on() {
    let mut run = run(PLAIN.forever());
    for _ in 0..100_000 {
        let _ = wait(run.failed(TRANSIENT, ZERO, 0));
    }
    assert_eq!(run.attempt(), 100_001);
    assert_eq!(wait(run.failed(TRANSIENT, ZERO, 0)), secs(120));
}

/// The setter of each fault's own limit.
fn limited(policy: Policy, fault: Fault, retries: u16) -> Policy {
    match fault {
        Fault::Connect => policy.connect(retries),
        Fault::Timeout | Fault::Read => policy.read(retries),
        Fault::Status | Fault::Throttle => policy.status(retries),
        Fault::Redirect => policy.redirect(retries),
        _ => policy.other(retries),
    }
}

#[test]
fn each_faults_own_limit_counts_its_own_faults_only() {
    for fault in FAULTS {
        let policy = limited(PLAIN.total(1000), fault, 2);
        let mut run = run(policy);
        let others = FAULTS.into_iter().filter(|&other| limited(PLAIN, other, 2) != limited(PLAIN, fault, 2));
        for _ in 0..2 {
            let _ = wait(run.failed(TRANSIENT.with_fault(fault), ZERO, 0));
            for other in others.clone() {
                let _ = wait(run.failed(TRANSIENT.with_fault(other), ZERO, 0));
            }
        }
        let next = run.failed(TRANSIENT.with_fault(fault), ZERO, 0);
        assert_eq!(next, Decision::Stop(StopReason::LimitReached(fault)));
    }
}

#[test]
fn timeouts_share_the_limit_of_reads_and_throttles_that_of_statuses() {
    for (one, other) in [(Fault::Read, Fault::Timeout), (Fault::Status, Fault::Throttle)] {
        let mut run = run(limited(PLAIN.total(9), one, 1));
        let _ = wait(run.failed(TRANSIENT.with_fault(other), ZERO, 0));
        assert_eq!(run.failed(TRANSIENT.with_fault(one), ZERO, 0), Decision::Stop(StopReason::LimitReached(one)));
    }
}

#[test]
fn the_lower_of_total_and_the_faults_own_limit_wins() {
    for (total, own, retries, reason) in [
        (2, 5, 2, StopReason::Exhausted),
        (5, 2, 2, StopReason::LimitReached(Fault::Read)),
        (2, 2, 2, StopReason::Exhausted),
    ] {
        let mut run = run(PLAIN.total(total).read(own));
        let verdict = TRANSIENT.with_fault(Fault::Read);
        for _ in 0..retries {
            let _ = wait(run.failed(verdict, ZERO, 0));
        }
        assert_eq!(run.failed(verdict, ZERO, 0), Decision::Stop(reason));
    }
}

#[test]
fn what_is_not_idempotent_is_retried_only_where_nothing_was_reached() {
    let policy = PLAIN.idempotent(false);
    for fault in FAULTS {
        let verdict = TRANSIENT.with_fault(fault);
        assert_eq!(first(policy, verdict), Decision::Stop(StopReason::NotIdempotent));
        let _ = wait(first(policy, verdict.with_reached(Reached::No)));
        let _ = wait(first(PLAIN, verdict));
    }
}

#[test]
fn a_throttle_fault_never_gets_the_immediate_retry() {
    assert_eq!(wait(first(PLAIN, TRANSIENT)), ZERO);
    assert_eq!(wait(first(PLAIN, throttle())), millis(300));
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(9))] {
        let policy = Policy::new().jitter(jitter);
        let drawn = |random| wait(run(policy).failed(throttle(), ZERO, random));
        assert_eq!([drawn(0), drawn(1 << 63), drawn(HIGHEST)], [millis(150), millis(225), millis(300)]);
    }
}

#[test]
fn a_base_above_the_cap_is_capped_for_a_throttle_too() {
    assert_eq!(wait(first(PLAIN.backoff(secs(9)).max_wait(secs(2)), throttle())), secs(2));
}

#[test]
fn a_hint_is_a_floor() {
    assert_eq!(wait(first(PLAIN, TRANSIENT.with_hint(secs(10)))), secs(10));
    assert_eq!(wait(first(PLAIN.backoff(secs(60)), throttle().with_hint(secs(10)))), secs(60), "the longer wait wins");
    let with_jitter = Policy::new().backoff(ZERO);
    for random in [0, 1, 1 << 40, 1 << 63, HIGHEST] {
        let drawn = wait(run(with_jitter).failed(TRANSIENT.with_hint(secs(10)), ZERO, random));
        assert!(drawn >= secs(10), "{drawn:?}");
    }
}

#[test]
fn a_hint_gets_up_to_a_fifth_on_top() {
    let policy = Policy::new().backoff(ZERO);
    let drawn = |random| wait(run(policy).failed(TRANSIENT.with_hint(secs(10)), ZERO, random));
    assert_eq!([drawn(0), drawn(HIGHEST)], [secs(10), secs(12)]);
    let waits: Vec<_> = (0..64).map(|n| drawn(n << 26)).collect();
    assert!(waits.iter().any(|&wait| wait < secs(11)) && waits.iter().any(|&wait| wait > secs(11)), "{waits:?}");
}

#[test]
fn a_hint_gets_nothing_on_top_without_jitter() {
    assert_eq!(wait(run(PLAIN).failed(TRANSIENT.with_hint(secs(10)), ZERO, HIGHEST)), secs(10));
}

#[test]
fn what_is_on_top_of_a_hint_is_never_more_than_a_fifth_and_never_passes_the_deadline() {
    let highest = |policy: Policy| wait(run(policy).failed(TRANSIENT.with_hint(secs(10)), ZERO, HIGHEST));
    let policy = Policy::new().backoff(ZERO);
    assert_eq!(highest(policy.max_hint(secs(11))), secs(12));
    assert_eq!(highest(policy.max_hint(secs(10))), secs(12));
    let nano = Duration::from_nanos(1);
    assert_eq!(highest(policy.within(secs(11))), Duration::from_nanos(10_999_999_999));
    assert_eq!(highest(policy.within(secs(10) + nano)), secs(10));
}

/// A thousand clients that were told the same, the longest that is obeyed or more, do not come back together.
#[test]
fn a_hint_at_its_ceiling_or_cut_to_it_is_spread_like_any_other() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(1))] {
        for (hints, asked, floor) in [
            (Hints::GiveUp, secs(119), secs(119)),
            (Hints::GiveUp, secs(120), secs(120)),
            (Hints::Clamp, secs(120), secs(120)),
            (Hints::Clamp, secs(121), secs(120)),
            (Hints::Clamp, Duration::MAX, secs(120)),
        ] {
            let policy = Policy::new().hints(hints).jitter(jitter);
            let drawn = |random| wait(run(policy).failed(TRANSIENT.with_hint(asked), ZERO, random));
            assert_eq!([drawn(0), drawn(HIGHEST)], [floor, floor + floor / 5], "{jitter:?}, {hints:?}, {asked:?}");
            // With a deadline, in what it leaves.
            let short = policy.within(floor + secs(1));
            let drawn = |random| wait(run(short).failed(TRANSIENT.with_hint(asked), ZERO, random));
            let last = floor + Duration::from_nanos(999_999_999);
            assert_eq!([drawn(0), drawn(HIGHEST)], [floor, last], "{jitter:?}, {hints:?}, {asked:?}");
        }
    }
}

/// The urllib3 recipe obeys a `Retry-After` of up to six hours.
#[test]
fn a_hint_above_the_ceiling_ends_the_run_and_the_reason_tells_it() {
    let week = secs(7 * 24 * 3600);
    assert_eq!(first(PLAIN, TRANSIENT.with_hint(week)), Decision::Stop(StopReason::HintTooLong { hint: week }));
    assert_eq!(wait(first(PLAIN, TRANSIENT.with_hint(secs(120)))), secs(120));
    assert_eq!(wait(first(PLAIN.max_hint(Duration::MAX), TRANSIENT.with_hint(week))), week);
}

#[test]
fn a_hint_above_the_ceiling_can_be_clamped() {
    let policy = PLAIN.hints(Hints::Clamp).max_hint(secs(20));
    assert_eq!(wait(first(policy, TRANSIENT.with_hint(secs(21)))), secs(20));
    assert_eq!(wait(first(policy, TRANSIENT.with_hint(Duration::MAX))), secs(20));
    assert_eq!(wait(first(policy, TRANSIENT.with_hint(secs(19)))), secs(19));
    let jittered = policy.jitter(Jitter::Full);
    assert_eq!(wait(run(jittered).failed(TRANSIENT.with_hint(secs(21)), ZERO, HIGHEST)), secs(24));
}

#[test]
fn hints_can_be_ignored() {
    let policy = PLAIN.hints(Hints::Ignore);
    assert_eq!(wait(first(policy, TRANSIENT.with_hint(secs(5)))), ZERO);
    assert_eq!(wait(first(policy, TRANSIENT.with_hint(Duration::MAX))), ZERO);
}

#[test]
fn a_hint_of_zero_asks_for_nothing() {
    assert_eq!(wait(first(Policy::new(), TRANSIENT.with_hint(ZERO))), ZERO);
    assert_eq!(wait(first(PLAIN, throttle().with_hint(ZERO))), millis(300));
}

#[test]
fn a_hint_may_be_longer_than_the_backoffs_cap() {
    assert_eq!(wait(first(PLAIN.max_wait(secs(1)), TRANSIENT.with_hint(secs(60)))), secs(60));
}

#[test]
fn a_wait_that_ends_exactly_at_the_deadline_is_not_begun() {
    let policy = PLAIN.backoff(secs(3)).immediate_first(false).within(secs(10));
    let next_at = |now| run(policy).failed(TRANSIENT, now, 0);
    assert_eq!(next_at(Duration::from_nanos(6_999_999_999)), Decision::Wait(secs(3)));
    assert_eq!(next_at(secs(7)), Decision::Stop(StopReason::DeadlineExceeded));
}

#[test]
fn the_deadline_counts_from_the_start_of_the_run() {
    let begun = secs(1_000_000);
    let mut run = Run::new(PLAIN.within(secs(2)), begun);
    assert_eq!(run.remaining(begun), Some(secs(2)));
    assert_eq!(run.remaining(begun + secs(3)), Some(ZERO));
    assert_eq!(run.failed(TRANSIENT, begun + Duration::from_nanos(1_999_999_999), 0), Decision::Wait(ZERO));
    assert_eq!(run.failed(TRANSIENT, begun + secs(2), 0), Decision::Stop(StopReason::DeadlineExceeded));
}

#[test]
fn a_run_at_or_past_its_deadline_does_not_begin_even_a_wait_of_zero() {
    for late in [secs(2), secs(2) + Duration::from_nanos(1), Duration::MAX] {
        let mut run = run(PLAIN.within(secs(2)));
        assert_eq!(run.failed(TRANSIENT, late, 0), Decision::Stop(StopReason::DeadlineExceeded));
    }
}

#[test]
fn without_a_deadline_nothing_is_left_to_tell() {
    assert_eq!(run(PLAIN).remaining(secs(5)), None);
    assert_eq!(run(PLAIN.within(Duration::MAX)).remaining(secs(5)), None);
}

#[test]
fn a_contradictory_policy_is_followed_and_does_not_panic() {
    for policy in [
        Policy::new().factor(f64::NAN),
        Policy::new().factor(0.0),
        Policy::new().factor(-1.0),
        Policy::new().backoff(Duration::MAX).max_wait(ZERO),
        Policy::new().within(ZERO),
        Policy::new().forever().backoff(ZERO),
    ] {
        let mut run = run(policy);
        for attempt in 0..100 {
            let _ = run.failed(TRANSIENT, millis(attempt), HIGHEST);
        }
    }
    assert_eq!(first(PLAIN.within(ZERO), TRANSIENT), Decision::Stop(StopReason::DeadlineExceeded));
}

#[test]
fn each_reason_reads_as_words() {
    let words = [
        (StopReason::Succeeded, "succeeded"),
        (StopReason::Permanent, "permanent failure"),
        (StopReason::NotIdempotent, "may have taken effect and is not idempotent"),
        (StopReason::Exhausted, "retries exhausted"),
        (StopReason::LimitReached(Fault::Connect), "retries after connect faults exhausted"),
        (StopReason::HintTooLong { hint: secs(600) }, "asked to wait 600 s, too long"),
        (StopReason::DeadlineExceeded, "deadline exceeded"),
    ];
    for (reason, text) in words {
        assert_eq!(reason.to_string(), text);
    }
}

/// The rules once more, as plainly as the design states them: slow, in wide integers, and with ranges in place of
/// draws.
pub(crate) struct Model {
    settings: Settings,
    /// Nanoseconds on the run's clock.
    pub(crate) end: Option<u128>,
    retries: u128,
    after: [u16; 5],
    last_wait: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) base: Duration,
    pub(crate) max: Duration,
    pub(crate) growth: usize,
    pub(crate) factor: u32,
    pub(crate) jitter: Jitter,
    pub(crate) immediate: bool,
    pub(crate) total: u32,
    pub(crate) own: [Option<u16>; 5],
    pub(crate) hints: Hints,
    pub(crate) hint_max: Duration,
    pub(crate) within: Option<Duration>,
    pub(crate) idempotent: bool,
}

/// What the model allows: to stop, to wait so long, or, where the draw decides, either.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) stop: Option<StopReason>,
    pub(crate) wait: Option<(u128, u128)>,
}

/// The crate counts in 64 bits of nanoseconds.
pub(crate) const LONGEST: u128 = u64::MAX as u128;

pub(crate) fn nanos(time: Duration) -> u128 {
    time.as_nanos().min(LONGEST)
}

fn own_limit(fault: Fault) -> usize {
    match fault {
        Fault::Connect => 0,
        Fault::Read | Fault::Timeout => 1,
        Fault::Status | Fault::Throttle => 2,
        Fault::Redirect => 3,
        _ => 4,
    }
}

impl Allowed {
    pub(crate) fn admits(&self, next: Decision) -> bool {
        match (next, self.wait) {
            (Decision::Stop(reason), _) => self.stop == Some(reason),
            (Decision::Wait(_), None) => false,
            // A factor other than 2 works in 53 bits.
            (Decision::Wait(wait), Some((low, high))) => {
                (low - (low >> 50)..=high + (high >> 50)).contains(&nanos(wait))
            }
        }
    }
}

impl Settings {
    pub(crate) fn policy(&self) -> Policy {
        let backoff = match self.growth {
            0 => Backoff::new(self.base),
            1 => Backoff::constant(self.base),
            2 => Backoff::linear(self.base),
            _ => Backoff::fibonacci(self.base),
        };
        let backoff = backoff.factor(f64::from(self.factor)).jitter(self.jitter).immediate_first(self.immediate);
        let mut policy = Policy::from_backoff(backoff.max_wait(self.max))
            .total(self.total)
            .hints(self.hints)
            .max_hint(self.hint_max)
            .idempotent(self.idempotent);
        for fault in [Fault::Connect, Fault::Read, Fault::Status, Fault::Redirect, Fault::Other] {
            if let Some(own) = self.own[own_limit(fault)] {
                policy = limited(policy, fault, own);
            }
        }
        self.within.map_or(policy, |within| policy.within(within))
    }
}

/// A range of this width from `low` on, or below the cap where next to nothing of it is left.
fn below_cap(low: u128, width: u128, cap: u128) -> (u128, u128) {
    if low + width > cap && cap - low <= low / 8 {
        (cap.saturating_sub(width), cap)
    } else {
        (low, (low + width).min(cap))
    }
}

impl Model {
    pub(crate) fn new(settings: Settings, now: Duration) -> Self {
        let end = settings.within.map(|within| nanos(now) + nanos(within)).filter(|&end| end < LONGEST);
        Self { settings, end, retries: 0, after: [0; 5], last_wait: 0 }
    }

    /// Wait `n` without jitter, by the table of `Backoff`.
    fn grown(&self, n: u128) -> u128 {
        let base = nanos(self.settings.base);
        if n == 1 && self.settings.immediate {
            return 0;
        }
        let mut times = 1_u128;
        match self.settings.growth {
            0 => (1..n).for_each(|_| times = times.saturating_mul(self.settings.factor.into()).min(LONGEST)),
            1 => {}
            2 => times = n,
            _ => {
                let mut before = 0;
                (1..n).for_each(|_| (before, times) = (times, (before + times).min(LONGEST)));
            }
        }
        base.saturating_mul(times).min(nanos(self.settings.max))
    }

    /// The least and the most that the backoff may wait.
    fn backoff(&self, fault: Fault) -> (u128, u128) {
        let settings = &self.settings;
        let (base, cap) = (nanos(settings.base).min(nanos(settings.max)), nanos(settings.max));
        let n = self.retries + 1;
        if n == 1 && fault == Fault::Throttle {
            return (if settings.jitter == Jitter::None { base } else { base / 2 }, base);
        }
        let grown = self.grown(n);
        match settings.jitter {
            _ if n == 1 && settings.immediate => (0, 0),
            Jitter::Additive(amount) => below_cap(grown, nanos(amount), cap),
            _ if grown == 0 => (0, 0),
            Jitter::Full => (0, grown),
            Jitter::Equal => (grown / 2, grown),
            Jitter::Decorrelated => below_cap(base, 3 * self.last_wait.max(base) - base, cap),
            _ => (grown, grown),
        }
    }

    pub(crate) fn failed(&mut self, verdict: Verdict, now: Duration) -> Allowed {
        let stop = |reason| Allowed { stop: Some(reason), wait: None };
        let settings = &self.settings;
        let fault = verdict.fault();
        if !verdict.is_transient() {
            return stop(StopReason::Permanent);
        }
        if !settings.idempotent && verdict.reached() == Reached::Maybe {
            return stop(StopReason::NotIdempotent);
        }
        if settings.total != u32::MAX && self.retries >= settings.total.into() {
            return stop(StopReason::Exhausted);
        }
        if settings.own[own_limit(fault)].is_some_and(|own| self.after[own_limit(fault)] >= own) {
            return stop(StopReason::LimitReached(fault));
        }
        let left = self.end.map(|end| end.saturating_sub(nanos(now)));
        let (mut low, mut high) = self.backoff(fault);
        let hint = verdict.hint().filter(|hint| !hint.is_zero() && settings.hints != Hints::Ignore);
        if let Some(hint) = hint {
            let ceiling = nanos(settings.hint_max);
            if nanos(hint) > ceiling && settings.hints == Hints::GiveUp {
                return stop(StopReason::HintTooLong { hint });
            }
            let floor = nanos(hint).min(ceiling);
            let mut top = if settings.jitter == Jitter::None { floor } else { floor + floor / 5 };
            if let Some(left) = left {
                top = top.min(left.saturating_sub(1)).max(floor);
            }
            (low, high) = (low.max(floor), high.max(top));
        }
        let past = Some(StopReason::DeadlineExceeded);
        match left {
            Some(left) if low >= left => Allowed { stop: past, wait: None },
            Some(left) if high >= left => Allowed { stop: past, wait: Some((low, left - 1)) },
            _ => Allowed { stop: None, wait: Some((low, high)) },
        }
    }

    pub(crate) fn waited(&mut self, wait: Duration, fault: Fault) {
        let throttled = self.retries == 0 && fault == Fault::Throttle;
        self.retries += 1;
        self.after[own_limit(fault)] += 1;
        // What the throttle's first wait or a hint made of it is not the backoff's own.
        if !throttled {
            self.last_wait = self.last_wait.max(nanos(wait));
        }
    }
}

pub(crate) fn any_settings() -> impl Strategy<Value = Settings> {
    let own = || proptest::option::weighted(0.3, 0_u16..4);
    let backoff = (any_time(), any_time(), 0_usize..4, 1_u32..5, any_jitter(), any::<bool>());
    let total = prop_oneof![4 => 0_u32..12, 1 => Just(u32::MAX)];
    let hints = prop_oneof![Just(Hints::GiveUp), Just(Hints::Clamp), Just(Hints::Ignore)];
    let rest = (hints, any_time(), proptest::option::of(any_time()), proptest::bool::weighted(0.8));
    (backoff, total, [own(), own(), own(), own(), own()], rest).prop_map(
        |((base, max, growth, factor, jitter, immediate), total, own, (hints, hint_max, within, idempotent))| {
            let within = within.filter(|&within| within < Duration::from_nanos(u64::MAX));
            let hint_max = hint_max.max(millis(1));
            Settings { base, max, growth, factor, jitter, immediate, total, own, hints, hint_max, within, idempotent }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_core_does_what_the_plain_rules_allow(
        settings in any_settings(),
        begun in (0_u64..1 << 40).prop_map(Duration::from_nanos),
        script in proptest::collection::vec((any_verdict(), 0_u64..5_000, any::<u64>()), 1..20),
    ) {
        let mut run = Run::new(settings.policy(), begun);
        let mut model = Model::new(settings, begun);
        let mut now = begun;
        for (verdict, took, random) in script {
            now = now.saturating_add(millis(took));
            let allowed = model.failed(verdict, now);
            let next = run.failed(verdict, now, random);
            prop_assert!(allowed.admits(next), "{:?} for {:?}", next, allowed);
            match next {
                Decision::Stop(_) => break,
                Decision::Wait(wait) => {
                    model.waited(wait, verdict.fault());
                    now = now.saturating_add(wait);
                    prop_assert_eq!(u128::from(run.attempt()), model.retries + 1);
                }
            }
        }
    }

    #[test]
    fn attempts_never_pass_the_limit(
        total in 0_u32..20,
        own in 0_u16..20,
        fault in any_fault(),
        verdicts in proptest::collection::vec(any_verdict(), 30),
    ) {
        let policy = limited(Policy::new().total(total), fault, own);
        let mut run = run(policy);
        let retries = verdicts.iter().take_while(|&&verdict| matches!(run.failed(verdict, ZERO, 0), Decision::Wait(_)));
        let retries: Vec<_> = retries.map(|verdict| own_limit(verdict.fault())).collect();
        prop_assert!(retries.len() as u32 <= total);
        prop_assert!(retries.iter().filter(|&&kind| kind == own_limit(fault)).count() <= own.into());
        prop_assert!(Some(run.attempt()) <= policy.max_attempts());
    }

    #[test]
    fn no_hinted_wait_is_more_than_a_fifth_above_max_hint_unless_the_backoffs_own_is(
        hint in any_time(),
        hint_max in any_time(),
        random in any::<u64>(),
        clamp in any::<bool>(),
    ) {
        let hints = if clamp { Hints::Clamp } else { Hints::GiveUp };
        let policy = Policy::new().backoff(ZERO).max_hint(hint_max).hints(hints);
        if let Decision::Wait(wait) = run(policy).failed(TRANSIENT.with_hint(hint), ZERO, random) {
            prop_assert!(wait <= hint_max.saturating_add(hint_max / 5), "{:?}", wait);
        }
    }

    #[test]
    fn no_wait_is_begun_that_would_reach_the_deadline(
        within in any_time(),
        verdicts in proptest::collection::vec((any_verdict(), any::<u64>(), 0_u64..2_000), 1..20),
        jitter in any_jitter(),
    ) {
        let mut run = run(Policy::new().forever().jitter(jitter).within(within).max_hint(Duration::MAX));
        let mut now = ZERO;
        for (verdict, random, took) in verdicts {
            now = now.saturating_add(millis(took));
            let Decision::Wait(wait) = run.failed(verdict, now, random) else { break };
            now = now.saturating_add(wait);
            prop_assert!(now < within || within == Duration::MAX, "{:?}", now);
        }
    }
}

/// How many random scripts are tried; the long run has more.
fn scripts() -> u32 {
    std::env::var("SCRIPTS").map_or(2_000, |scripts| scripts.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scripts()))]

    /// A queue that keeps no more than the count decides as a run that remembers everything.
    #[test]
    fn the_stateless_decision_is_the_runs(
        settings in any_settings(),
        begun in (0_u64..1 << 40).prop_map(Duration::from_nanos),
        fault in any_fault(),
        script in proptest::collection::vec((any_verdict(), 0_u64..5_000, any::<u64>()), 1..20),
    ) {
        // What a count alone can't know: which of the failures were of which fault, and the wait before.
        let settings = Settings { jitter: if settings.jitter == Jitter::Decorrelated { Jitter::Equal } else { settings.jitter }, ..settings };
        let policy = settings.policy();
        let mut run = Run::new(policy, begun);
        let mut now = begun;
        for (failures, (verdict, took, random)) in (1_u32..).zip(script) {
            let verdict = verdict.with_fault(fault);
            now = now.saturating_add(millis(took));
            let stateless = policy.next(failures, now.saturating_sub(begun), verdict, random);
            let next = run.failed(verdict, now, random);
            prop_assert_eq!(stateless, next, "failure {}", failures);
            let Decision::Wait(wait) = next else { break };
            now = now.saturating_add(wait);
        }
    }

    /// A run that is kept after each failure and gone on with elsewhere.
    #[test]
    fn a_run_goes_on_from_its_kept_state(
        settings in any_settings(),
        script in proptest::collection::vec((any_verdict(), 0_u64..5_000, any::<u64>()), 1..12),
    ) {
        let policy = settings.policy().reset_after(secs(3)).failing_for(secs(60)).backoff_for(Fault::Read, Backoff::new(secs(1)));
        let (mut run, mut kept) = (Run::of_streaks(policy, ZERO), Run::of_streaks(policy, ZERO).state());
        let mut now = ZERO;
        for (verdict, took, random) in script {
            now = now.saturating_add(millis(took));
            let mut resumed = Run::resume(policy, kept);
            let next = run.failed(verdict, now, random);
            prop_assert_eq!(resumed.failed(verdict, now, random), next);
            prop_assert_eq!(resumed.attempt(), run.attempt());
            let Decision::Wait(wait) = next else { break };
            let text = serde_json::to_string(&resumed.state()).unwrap();
            kept = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(kept, run.state());
            now = now.saturating_add(wait);
        }
    }
}

/// Extremes, and in a constant.
#[test]
fn the_stateless_decision_bears_any_numbers() {
    const NEXT: Decision = Policy::new().next(2, Duration::ZERO, Verdict::transient(), u64::MAX);
    assert_eq!(NEXT, Decision::Wait(millis(600)));
    for failures in [0, 1, 2, 65_536, u32::MAX] {
        for random in [0, u64::MAX] {
            for backoff in
                [Backoff::new(MAX), Backoff::linear(MAX), Backoff::fibonacci(ZERO), Backoff::new(ZERO).factor(f64::NAN)]
            {
                for jitter in [Jitter::Full, Jitter::Decorrelated, Jitter::Additive(MAX)] {
                    let policy = Policy::from_backoff(backoff.clone().jitter(jitter).max_wait(secs(9))).forever();
                    let Decision::Wait(wait) = policy.next(failures, MAX, Verdict::transient(), random) else {
                        panic!()
                    };
                    assert!(wait <= secs(9));
                    assert_eq!(
                        policy.within(MAX).next(failures, MAX, Verdict::transient(), random),
                        Decision::Wait(wait)
                    );
                    let ended = policy.within(secs(1)).next(failures, secs(1), Verdict::transient(), random);
                    assert_eq!(ended, Decision::Stop(StopReason::DeadlineExceeded));
                }
            }
        }
    }
    // Without a memory a fault's own limit counts every failure, whatever it was.
    let limited = Policy::new().total(9).connect(2);
    let refused = TRANSIENT.with_fault(Fault::Connect);
    assert_eq!(limited.next(3, ZERO, refused, 0), Decision::Stop(StopReason::LimitReached(Fault::Connect)));
}
