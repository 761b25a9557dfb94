//! The policy as data: what it refuses, what it says of itself, what it foretells.

use std::mem::size_of;
use std::time::Duration;

use persevere::{Backoff, Hints, Jitter, Policy, Timed};
use proptest::prelude::*;

use crate::support::{any_factor, any_jitter, any_time, millis, secs};

/// Each contradiction: the policy, the field, and the whole sentence.
fn contradictions() -> [(Policy, &'static str, &'static str); 7] {
    let policy = Policy::new();
    [
        (policy.factor(f64::NAN), "factor", "factor is NaN: it must be 1 or more"),
        (policy.factor(0.5), "factor", "factor is 0.5: it must be 1 or more"),
        (policy.factor(-2.0), "factor", "factor is -2: it must be 1 or more"),
        (policy.factor(f64::NEG_INFINITY), "factor", "factor is -inf: it must be 1 or more"),
        (policy.backoff(millis(2500)).max_wait(secs(2)), "backoff", "backoff is 2.5 s: it must be at most max_wait"),
        (policy.within(Duration::ZERO), "within", "within is 0 s: it must be longer than zero"),
        (
            policy.forever().backoff(Duration::ZERO),
            "backoff",
            "backoff is 0 s: with forever and no deadline it must be longer than zero",
        ),
    ]
}

#[test]
fn each_contradiction_is_found_and_named_with_its_value_and_what_is_allowed() {
    for (policy, field, sentence) in contradictions() {
        let error = policy.check().unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, sentence));
    }
    let error = Policy::new().attempt_timeout(Duration::ZERO).check().unwrap_err();
    assert_eq!(error.field(), "attempt_timeout");
    assert_eq!(error.to_string(), "attempt_timeout is 0 s: it must be longer than zero");
    let inside = Policy::new().factor(0.5).attempt_timeout(secs(1)).check().unwrap_err();
    assert_eq!(inside.field(), "factor");
}

#[test]
fn a_checked_contradiction_panics_and_names_its_field() {
    for (policy, field, _) in contradictions() {
        let panic = std::panic::catch_unwind(|| policy.valid()).unwrap_err();
        let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap();
        assert!(message.starts_with(field) && message.contains("it must be"), "{message}");
    }
}

#[test]
fn what_only_looks_odd_is_no_contradiction() {
    let policy = Policy::new();
    for sound in [
        policy,
        policy.total(0),
        policy.factor(1.0),
        policy.factor(f64::INFINITY),
        policy.backoff(Duration::ZERO),
        policy.forever(),
        policy.forever().backoff(Duration::ZERO).within(secs(1)),
        policy.backoff(secs(2)).max_wait(secs(2)),
        policy.within(Duration::MAX),
        policy.max_hint(Duration::ZERO),
        policy.connect(0),
        Policy::from_backoff(Backoff::constant(secs(1000))),
    ] {
        assert_eq!(sound.check(), Ok(()), "{sound}");
        assert_eq!(sound.valid(), sound);
    }
    assert!(policy.attempt_timeout(Duration::MAX).check().is_ok());
}

#[test]
fn a_policy_can_be_a_constant_of_the_program() {
    const PATIENT: Policy = Policy::new()
        .total(8)
        .backoff(Duration::from_millis(100))
        .factor(1.5)
        .max_wait(Duration::from_secs(10))
        .jitter(Jitter::Equal)
        .immediate_first(false)
        .within(Duration::from_secs(60))
        .max_hint(Duration::from_secs(30))
        .hints(Hints::Clamp)
        .connect(5)
        .read(4)
        .status(3)
        .redirect(2)
        .other(1)
        .idempotent(false)
        .valid();
    const TIMED: Timed<Policy> = PATIENT.attempt_timeout(Duration::from_secs(5)).valid();
    static SHARED: Policy = Policy::from_backoff(Backoff::linear(Duration::from_secs(1)));
    assert_eq!(TIMED, PATIENT.attempt_timeout(secs(5)));
    assert_eq!(SHARED.total(1).max_attempts(), Some(2));
}

#[test]
fn a_policy_is_64_bytes() {
    assert_eq!(size_of::<Policy>(), 64);
}

#[test]
fn the_defaults_are_the_recipes() {
    let spelled = Policy::new()
        .total(3)
        .backoff(millis(300))
        .factor(2.0)
        .max_wait(secs(120))
        .immediate_first(true)
        .max_hint(secs(120))
        .hints(Hints::GiveUp)
        .within(Duration::MAX)
        .idempotent(true);
    assert_eq!(Policy::default(), spelled);
    // Jitter is full in both, but where it is set it is for lists of waits, too.
    let set = spelled.jitter(Jitter::Full);
    assert_ne!(set, spelled);
    assert_eq!(set.to_string(), spelled.to_string());
    assert_eq!(Policy::from(Backoff::new(millis(300)).jitter(Jitter::Full)), set);
}

/// backon, fure and mulligan document `times(3)` as attempts and make four calls.
#[test]
fn max_attempts_tells_one_more_than_total() {
    assert_eq!(Policy::new().max_attempts(), Some(4));
    assert_eq!(Policy::new().total(0).max_attempts(), Some(1));
    assert_eq!(Policy::new().total(u32::MAX - 1).max_attempts(), Some(u32::MAX));
    assert_eq!(Policy::new().forever().max_attempts(), None);
}

#[test]
fn a_policy_says_in_a_sentence_what_it_will_do() {
    let policy = Policy::new();
    for (policy, sentence) in [
        (policy.within(secs(30)), "up to 4 attempts, waits 0 s, 0.6 s, 1.2 s with full jitter, give up after 30 s"),
        (policy.total(0), "1 attempt, no retry"),
        (policy.total(1).jitter(Jitter::None), "up to 2 attempts, waits 0 s"),
        (
            policy.total(7).jitter(Jitter::Equal),
            "up to 8 attempts, waits 0 s, 0.6 s, 1.2 s, 2.4 s, 4.8 s … 19.2 s with equal jitter",
        ),
        (
            policy.total(5).jitter(Jitter::None).connect(2).redirect(0),
            "up to 6 attempts, waits 0 s, 0.6 s, 1.2 s, 2.4 s, 4.8 s, at most 2 after connect faults, \
             at most 0 after redirect faults",
        ),
        (
            policy.total(2).jitter(Jitter::None).idempotent(false),
            "up to 3 attempts, waits 0 s, 0.6 s, only where nothing was reached",
        ),
        (policy.forever(), "attempts without limit, waits 0 s, 0.6 s, 1.2 s, 2.4 s, 4.8 s … 120 s with full jitter"),
        (
            Policy::from_backoff(Backoff::fibonacci(secs(1)).jitter(Jitter::Decorrelated)).total(2),
            "up to 3 attempts, waits 3 s, 9 s with decorrelated jitter",
        ),
        (
            Policy::from_backoff(Backoff::constant(secs(1)).jitter(Jitter::Additive(millis(500)))).total(2),
            "up to 3 attempts, waits 1.5 s, 1.5 s with additive jitter",
        ),
    ] {
        assert_eq!(policy.to_string(), sentence);
    }
}

#[test]
fn the_worst_case_adds_up_the_waits() {
    let policy = Policy::new();
    assert_eq!(policy.preview().worst_case(), Some(millis(1800)));
    assert_eq!(policy.total(0).preview().worst_case(), Some(Duration::ZERO));
    assert_eq!(policy.within(secs(1)).preview().worst_case(), Some(secs(1)), "a deadline ends it");
    assert_eq!(policy.forever().preview().worst_case(), None);
    assert_eq!(policy.forever().within(secs(9)).preview().worst_case(), Some(secs(9)));
    let mut begun = policy.preview();
    begun.next();
    begun.next();
    assert_eq!(begun.worst_case(), Some(millis(1200)), "only what is left");
}

#[test]
fn the_worst_case_of_a_huge_total_is_told_at_once() {
    let hourly = Policy::from_backoff(Backoff::constant(secs(3600)));
    assert_eq!(hourly.total(2_000_000).preview().worst_case(), Some(secs(3600) * 2_000_000));
    assert_eq!(hourly.total(u32::MAX - 1).backoff(Duration::MAX).preview().worst_case(), Some(Duration::MAX));
}

proptest! {
    #[test]
    fn the_preview_lists_a_wait_for_each_retry(total in 0_u32..500) {
        prop_assert_eq!(Policy::new().total(total).preview().count() as u32, total);
    }

    #[test]
    fn no_wait_is_longer_than_its_preview(
        base in any_time(),
        max in any_time(),
        factor in 1.0..20.0,
        jitter in any_jitter(),
        immediate in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let backoff = Backoff::new(base).factor(factor).max_wait(max).jitter(jitter).immediate_first(immediate).seed(seed);
        let policy = Policy::from_backoff(backoff.clone()).total(50);
        for (wait, longest) in backoff.zip(policy.preview()) {
            prop_assert!(wait <= longest, "{:?} above {:?}", wait, longest);
        }
    }

    #[test]
    fn a_preview_is_reached_when_the_highest_number_is_drawn(
        base in 0_u64..10_000,
        jitter in any_jitter(),
        immediate in any::<bool>(),
    ) {
        let policy = Policy::new().backoff(millis(base)).jitter(jitter).immediate_first(immediate).total(12);
        let mut run = persevere::run::Run::new(policy, Duration::ZERO);
        for longest in policy.preview() {
            let next = run.failed(persevere::Verdict::transient(), Duration::ZERO, u64::MAX);
            let persevere::run::Decision::Wait(wait) = next else { panic!("{next:?}") };
            // A decorrelated wait is remembered a little short, which adds up.
            prop_assert!(wait <= longest && wait.as_secs_f64() >= longest.as_secs_f64() * 0.98,
                "{:?} for {:?}", wait, longest);
        }
    }

    #[test]
    fn nothing_a_setter_takes_makes_a_policy_panic(
        base in any_time(),
        max in any_time(),
        within in any_time(),
        factor in any_factor(),
        jitter in any_jitter(),
        total in any::<u32>(),
        limit in any::<u16>(),
    ) {
        let policy = Policy::new()
            .backoff(base)
            .max_wait(max)
            .within(within)
            .factor(factor)
            .jitter(jitter)
            .total(total)
            .connect(limit)
            .max_hint(base);
        let _ = (policy.check(), policy.to_string(), format!("{policy:?}"), policy.preview().take(50).count());
        let worst = policy.preview().worst_case();
        prop_assert!(worst.is_none_or(|worst| worst <= within));
    }
}
