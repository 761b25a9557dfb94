//! Streaks: failures after progress begin the limits anew, and the waits only after an attempt that was long enough.

use std::io;
use std::time::Duration;

use persevere::testing::VirtualTimer;
use persevere::{
    Backoff, Fault, Jitter, Policy, Report, Retry, StopReason, StreakPolicy, Verdict,
    parts::IntoRetry as _,
    report::Failure,
    run::{Decision, Run},
};

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

/// A connection that holds for an hour each time it breaks, and then not any more.
#[test]
fn an_attempt_that_was_healthy_begins_a_new_streak_through_every_entry_point() {
    const POLICY: StreakPolicy = Policy::new()
        .total(2)
        .backoff(Duration::from_secs(1))
        .immediate_first(false)
        .jitter(Jitter::None)
        .reset_after(Duration::from_secs(60));
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut connections = 0;
        let outcome = through!(door, POLICY.timer(timer.clone()), || {
            connections += 1;
            if connections <= 100 {
                timer.advance(secs(3600));
            }
            Err::<(), _>(FAILURE)
        });
        assert_eq!((outcome, connections), (Err(FAILURE), 102), "{door:?}");
        let mut waits = [secs(1); 101];
        waits[100] = secs(2);
        assert_eq!(timer.sleeps(), waits, "{door:?}");
    }
}

#[test]
fn failures_that_last_too_long_end_a_run_through_every_entry_point() {
    let policy = policy().forever().backoff(secs(10)).factor(1.0).failing_for(secs(25));
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let mut calls = 0;
        let outcome = through!(door, policy.timer(timer.clone()).report(&mut report), || {
            calls += 1;
            timer.advance(if calls == 1 { secs(3600) } else { Duration::ZERO });
            Err::<(), _>(if calls == 3 { PROGRESS } else { FAILURE })
        });
        // From the first failure at 3 600 s on, and again from the progress at 3 620 s.
        assert_eq!((outcome, calls), (Err(FAILURE), 5), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::FailingTooLong), "{door:?}");
        assert_eq!(timer.elapsed(), secs(3640), "{door:?}");
    }
}

#[test]
fn each_fault_has_waits_of_its_own_counted_by_themselves_through_every_entry_point() {
    const SLOW_DOWN: Failed = Failed::new(3, Verdict::transient().with_fault(Fault::Throttle));
    const BROKEN: Failed = Failed::new(4, Verdict::transient().with_fault(Fault::Connect));
    let backoff = policy().total(9).backoff_for(Fault::Connect, Backoff::constant(Duration::ZERO));
    let policy = backoff.backoff_for(Fault::Throttle, Backoff::new(secs(10)));
    let script = [SLOW_DOWN, SLOW_DOWN, BROKEN, FAILURE, BROKEN, SLOW_DOWN, FAILURE];
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut failures = script.into_iter();
        let outcome = through!(door, policy.timer(timer.clone()), || failures.next().map_or(Ok(()), Err));
        assert_eq!(outcome, Ok(()), "{door:?}");
        assert_eq!(timer.sleeps(), [10, 20, 1, 40, 2].map(secs), "{door:?}");
    }
    // With jitter, a seed gives the same waits everywhere.
    let policy = policy.backoff_for(Fault::Throttle, Backoff::new(secs(10)).jitter(Jitter::Full));
    let mut all = Vec::new();
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut failures = script.into_iter();
        let _ = through!(door, policy.seed(7).timer(timer.clone()), || failures.next().map_or(Ok(()), Err));
        all.push(timer.sleeps());
    }
    assert!(all.iter().all(|waits| *waits == all[0]) && all[0].len() == 5, "{all:?}");
    assert!(all[0][0] >= secs(5) && all[0][3] != secs(40), "{all:?}");
}

/// The earlier progress begins each fault's own waits anew, too.
#[test]
fn an_earned_progress_begins_the_waits_of_every_fault_anew() {
    let policy = policy().forever().backoff_for(Fault::Other, Backoff::new(secs(10)).immediate_first(false));
    let mut run = Run::of_streaks(policy, Duration::ZERO);
    let mut now = Duration::ZERO;
    for (lived, verdict, expected) in [
        (0, Verdict::transient(), 10),
        (0, Verdict::transient(), 20),
        (5, Verdict::transient().progressed(), 40),
        (40, Verdict::transient().progressed(), 10),
        (0, Verdict::transient(), 20),
    ] {
        now += secs(lived);
        assert_eq!(run.failed(verdict, now, 0), Decision::Wait(secs(expected)));
        now += secs(expected);
    }
}

/// `.when(..).total(3)`, and the like of it.
#[test]
fn settings_stand_at_any_place_of_a_chain() {
    let chained = |run: Retry<Policy>| {
        let run = run.when(|_: &Failed| true).reset_after(secs(60)).total(2).name("chained").backoff(secs(1));
        run.max_wait(secs(3)).failing_for(secs(9)).jitter(Jitter::None).immediate_first(false).factor(4.0)
    };
    let attempts = |timer: &VirtualTimer| timer.sleeps();
    let timer = VirtualTimer::new();
    assert!(chained(Retry::new(Policy::new())).timer(&timer).run(|| Err::<(), _>(FAILURE)).is_err());
    assert_eq!(attempts(&timer), [1, 3].map(secs));
    // The setting that comes last holds, on whichever type it stands.
    let cut = Policy::new().total(9).attempt_timeout(secs(1)).total(8).reset_after(secs(2)).total(7);
    assert_eq!(cut, Policy::new().total(7).reset_after(secs(2)).attempt_timeout(secs(1)));
    // Of two deadlines the earlier counts where attempts are cut.
    let both = Policy::new().deadline(secs(5)).within(secs(9));
    assert_eq!(both, Policy::new().deadline(secs(5)));
    assert_eq!(both.within(secs(2)), Policy::new().deadline(secs(2)));
    assert_eq!(
        Policy::new().reset_after(secs(1)).within(secs(9)).within(secs(20)),
        Policy::new().within(secs(20)).reset_after(secs(1))
    );
}

#[test]
fn short_waits_count_towards_how_long_failures_last() {
    let _short = persevere::testing::skip_waits();
    let policy = policy().forever().backoff(secs(10)).factor(1.0).failing_for(secs(25));
    for door in Door::ALL {
        let mut calls = 0;
        let outcome = through!(door, policy, || {
            calls += 1;
            Err::<(), _>(FAILURE)
        });
        assert_eq!((outcome, calls), (Err(FAILURE), 3), "{door:?}");
    }
}

#[test]
fn a_backoff_that_was_advanced_goes_on_where_it_stands() {
    for backoff in
        [Backoff::new(secs(1)), Backoff::linear(secs(1)), Backoff::fibonacci(secs(1)), Backoff::constant(secs(1))]
    {
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Additive(secs(1))] {
            for advanced in [0, 1, 2, 5] {
                let mut backoff = backoff.clone().jitter(jitter).seed(7);
                let skipped = backoff.by_ref().take(advanced).count();
                assert_eq!(skipped, advanced);
                for door in Door::ALL {
                    let timer = VirtualTimer::new();
                    let run = backoff.clone().into_retry().total(4).timer(&timer);
                    assert!(through!(door, run, || Err::<(), _>(FAILURE)).is_err());
                    let waits: Vec<_> = backoff.clone().take(4).filter(|wait| !wait.is_zero()).collect();
                    assert_eq!(timer.sleeps(), waits, "{door:?}, {jitter:?}, {advanced}");
                }
            }
        }
    }
}

#[test]
fn contradictions_of_streaks_name_the_setting() {
    for (check, message) in [
        (Policy::new().reset_after(Duration::ZERO).check(), "reset_after is 0 s: it must be longer than zero"),
        (Policy::new().failing_for(Duration::ZERO).check(), "failing_for is 0 s: it must be longer than zero"),
        (
            Policy::new().backoff_for(Fault::Read, Backoff::new(secs(300))).check(),
            "backoff is 300 s: it must be at most max_wait",
        ),
        (
            Policy::new().forever().backoff(Duration::ZERO).jitter(Jitter::None).reset_after(secs(1)).check(),
            "backoff is 0 s: with forever and no deadline it must be longer than zero",
        ),
    ] {
        assert_eq!(check.unwrap_err().to_string(), message);
    }
    assert!(Policy::new().forever().backoff(Duration::ZERO).failing_for(secs(1)).check().is_ok());
}
