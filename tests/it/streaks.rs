//! Streaks: failures after progress begin the limits anew, and the waits only after an attempt that was long enough.

use std::io;
use std::time::Duration;

use persevere::testing::VirtualTimer;
use persevere::{Backoff, Decision, Failure, Fault, Jitter, Policy, Report, Run, StopReason, Verdict};

use crate::support::{Door, Failed, millis, secs, through};

const PROGRESS: Failed = Failed::new(1, Verdict::transient().progressed());
const FAILURE: Failed = Failed::new(2, Verdict::transient());

fn policy() -> Policy {
    Policy::new().backoff(secs(1)).immediate_first(false).jitter(Jitter::None)
}

#[test]
fn progress_begins_the_count_anew_through_every_entry_point() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let mut failures = [FAILURE, FAILURE, PROGRESS, FAILURE, PROGRESS, FAILURE, FAILURE].into_iter();
        let outcome = through!(door, policy().total(2).timer(timer.clone()).report(&mut report), || {
            failures.next().map_or(Ok(()), Err)
        });
        // After the last progress two retries, and the third failure of that streak is one too many.
        assert_eq!(outcome, Err(FAILURE), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::Exhausted), "{door:?}");
        assert_eq!(report.attempts(), 7, "{door:?}");
        assert_eq!(failures.len(), 0, "{door:?}");
        // A report numbers the attempts of the whole run.
        assert!(report.failures().map(Failure::attempt).eq([1, 2, 3, 4, 5, 6, 7]), "{door:?}");
    }
}

#[test]
fn a_faults_own_limit_counts_failures_in_a_row() {
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        // A job is polled; now and then a poll fails, once three times in a row, and at last four times.
        let mut polls = "rrRRr.rrr.RRR.r.RRRR!".chars();
        let run = Policy::from_backoff(Backoff::constant(secs(10))).forever().read(3).timer(timer.clone()).when_ok(
            |state: &char| if *state == 'r' { Verdict::transient().progressed() } else { (*state == '.').into() },
        );
        let outcome: io::Result<char> = through!(door, run, || match polls.next().unwrap() {
            'R' => Err(reset()),
            state => Ok(state),
        });
        assert!(outcome.is_err(), "{door:?}");
        assert_eq!(polls.as_str(), "!", "{door:?}");
    }
}

/// How often a server is asked within three seconds that gives one item and closes.
fn asked(rule: Policy, random: impl Fn(u32) -> u64) -> u32 {
    let mut run = Run::new(rule, Duration::ZERO).reset_after(secs(60));
    let (mut now, mut calls) = (Duration::ZERO, 0);
    while now < secs(3) {
        calls += 1;
        now += millis(2);
        match run.failed(Verdict::transient().progressed(), now, random(calls)) {
            Decision::Wait(wait) => now += wait,
            Decision::Stop(reason) => panic!("{reason}"),
        }
    }
    calls
}

#[test]
fn a_server_that_gives_one_item_and_closes_is_not_hammered() {
    let spread = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(millis(10))] {
        for immediate in [true, false] {
            let rule = Policy::new().total(1).backoff(millis(100)).jitter(jitter).immediate_first(immediate);
            let calls = asked(rule, spread);
            let most = if jitter == Jitter::Decorrelated { 25 } else { 11 };
            assert!((3..=most).contains(&calls), "{jitter:?}, {immediate}: asked {calls} times");
        }
    }
}

#[test]
fn the_waits_begin_anew_after_an_attempt_as_long_as_the_wait_before_it() {
    let mut run = Run::new(policy().total(5), Duration::ZERO);
    let mut now = Duration::ZERO;
    let mut after = |run: &mut Run, lived: Duration, verdict: Verdict| {
        now += lived;
        match run.failed(verdict, now, 0) {
            Decision::Wait(wait) => {
                now += wait;
                wait
            }
            Decision::Stop(reason) => panic!("{reason}"),
        }
    };
    let progressed = Verdict::transient().progressed();
    assert_eq!(after(&mut run, secs(0), Verdict::transient()), secs(1));
    assert_eq!(after(&mut run, secs(0), progressed), secs(2), "too short for the base");
    assert_eq!(after(&mut run, secs(1), progressed), secs(4), "shorter than the wait before it");
    assert_eq!(after(&mut run, secs(4), progressed), secs(1), "earned");
    assert_eq!(after(&mut run, secs(100), Verdict::transient()), secs(2), "long, but without progress");
    let mut run = run.reset_after(secs(100));
    assert_eq!(after(&mut run, secs(99), Verdict::transient()), secs(4));
    assert_eq!(after(&mut run, secs(100), Verdict::transient()), secs(1), "healthy for long enough");
}

#[test]
fn a_run_gives_up_once_failures_have_lasted_too_long_without_progress() {
    let rule = Policy::from_backoff(Backoff::constant(secs(10))).forever();
    let mut run = Run::new(rule, Duration::ZERO).failing_for(secs(25)).reset_after(secs(3600));
    let mut failed = |now, verdict| run.failed(verdict, secs(now), 0);
    assert_eq!(failed(7200, Verdict::transient()), Decision::Wait(secs(10)), "a break after two hours is the first");
    assert_eq!(failed(7210, Verdict::transient()), Decision::Wait(secs(10)));
    assert_eq!(failed(7220, Verdict::transient().progressed()), Decision::Wait(secs(10)), "progress forgives");
    assert_eq!(failed(7230, Verdict::transient()), Decision::Wait(secs(10)));
    assert_eq!(failed(7240, Verdict::transient()), Decision::Stop(StopReason::FailingTooLong));
}

#[test]
fn extreme_times_neither_panic_nor_wrap() {
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    for limit in times {
        for now in times {
            for later in times {
                let mut run = Run::new(policy().forever(), now).reset_after(limit).failing_for(limit);
                for verdict in [Verdict::transient(), Verdict::transient().progressed(), Verdict::permanent()] {
                    let _ = run.failed(verdict, later, u64::MAX);
                    let _ = run.failed(verdict.with_fault(Fault::Throttle), now, 0);
                }
            }
        }
    }
}
