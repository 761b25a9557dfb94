//! Any policy, any failures, any clock: `cargo +nightly fuzz run policy`.
//!
//! Nothing panics, no wait is above its ceilings or past the deadline, and attempts are counted without a gap.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use persevere::{run::{Decision, Run}, Backoff, Fault, Hints, Jitter, Policy, Reached, Verdict};

const FAULTS: [Fault; 7] =
    [Fault::Connect, Fault::Timeout, Fault::Read, Fault::Status, Fault::Throttle, Fault::Redirect, Fault::Other];

fn time(input: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match input.int_in_range(0..=3)? {
        0 => Duration::new(input.arbitrary()?, input.int_in_range(0..=999_999_999)?),
        1 => Duration::MAX,
        2 => Duration::from_nanos(input.arbitrary()?),
        _ => Duration::from_millis(input.arbitrary::<u16>()?.into()),
    })
}

fn jitter(input: &mut Unstructured<'_>) -> Result<Jitter> {
    Ok(match input.int_in_range(0..=4)? {
        0 => Jitter::None,
        1 => Jitter::Full,
        2 => Jitter::Equal,
        3 => Jitter::Decorrelated,
        _ => Jitter::Additive(time(input)?),
    })
}

fn backoff(input: &mut Unstructured<'_>, max: Duration) -> Result<Backoff> {
    let base = time(input)?;
    let backoff = match input.int_in_range(0..=3)? {
        0 => Backoff::new(base),
        1 => Backoff::constant(base),
        2 => Backoff::linear(base),
        _ => Backoff::fibonacci(base),
    };
    let backoff = backoff.max_wait(max).jitter(jitter(input)?).immediate_first(input.arbitrary()?);
    Ok(backoff.factor(input.arbitrary()?).seed(input.arbitrary()?))
}

fn policy(input: &mut Unstructured<'_>, backoff: &Backoff, hint_max: Duration) -> Result<Policy> {
    let mut policy = Policy::from_backoff(backoff.clone()).max_hint(hint_max);
    for _ in 0..input.int_in_range(0..=8)? {
        policy = match input.int_in_range(0..=9)? {
            0 => policy.total(input.arbitrary()?),
            1 => policy.forever(),
            2 => policy.within(time(input)?),
            3 => policy.hints([Hints::GiveUp, Hints::Clamp, Hints::Ignore][input.choose_index(3)?]),
            4 => policy.connect(input.arbitrary()?),
            5 => policy.read(input.arbitrary()?),
            6 => policy.status(input.arbitrary()?),
            7 => policy.redirect(input.arbitrary()?),
            8 => policy.other(input.arbitrary()?),
            _ => policy.idempotent(input.arbitrary()?),
        };
    }
    Ok(policy)
}

fn verdict(input: &mut Unstructured<'_>) -> Result<Verdict> {
    let transient = input.int_in_range(0..=15)? > 0;
    let reached = if input.arbitrary()? { Reached::No } else { Reached::Maybe };
    let verdict = Verdict::from(transient).with_fault(FAULTS[input.choose_index(7)?]).with_reached(reached);
    Ok(if input.arbitrary()? { verdict.with_hint(time(input)?) } else { verdict })
}

fn go(mut input: Unstructured<'_>) -> Result<()> {
    let (max, hint_max) = (time(&mut input)?, time(&mut input)?);
    let backoff = backoff(&mut input, max)?;
    assert!(backoff.clone().take(200).all(|wait| wait <= max), "{backoff:?}");
    let policy = policy(&mut input, &backoff, hint_max)?;
    let _ = (policy.check(), policy.to_string(), format!("{policy:?}"), policy.preview().take(200).count());
    if policy.max_attempts().is_some_and(|attempts| attempts < 10_000) {
        let _ = policy.preview().worst_case();
    }

    let mut now = time(&mut input)?;
    let mut run = Run::new(policy, now);
    for attempt in 1.. {
        assert_eq!(run.attempt(), attempt);
        assert!(policy.max_attempts().is_none_or(|most| attempt <= most));
        now = now.saturating_add(time(&mut input)?);
        let left = run.remaining(now);
        match run.failed(verdict(&mut input)?, now, input.arbitrary()?) {
            Decision::Wait(wait) => {
                // Jitter puts up to a fifth on top of a hint.
                assert!(wait <= max.max(hint_max.saturating_add(hint_max / 5)), "{wait:?}: {policy:?}");
                assert!(left.is_none_or(|left| wait <= left), "{wait:?} of {left:?}: {policy:?}");
                now = now.saturating_add(wait);
            }
            Decision::Stop(_) => {
                assert_eq!(run.attempt(), attempt, "a stop begins no attempt");
                break;
            }
        }
        if input.is_empty() {
            break;
        }
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let _ = go(Unstructured::new(input));
});
