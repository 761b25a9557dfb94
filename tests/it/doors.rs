//! Every door drives the one core: the same script of outcomes gives the same run, and each part of a prepared run
//! works in each of them.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::io;
use std::time::Duration;

use futures::executor::block_on;
use persevere::prelude::retry as retry_in_place;
use persevere::testing::VirtualTimer;
use persevere::{
    Backoff, Event, Fault, Hints, Jitter, Policy, Reached, Report, Retry, StopReason, Verdict,
    parts::IntoRetry,
    retry, retry_async,
    run::{Decision, Run},
    time::Timer,
};
use proptest::prelude::*;

use crate::support::{
    CUT, Door, Failed, any_jitter, any_time, any_verdict, awaited, millis, permanent, secs, through, transient,
};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

/// Fails so often, each time with another error, then succeeds with the number of calls.
fn failing(failures: u32) -> impl FnMut() -> Result<u32, Failed> {
    let mut calls = 0;
    move || {
        calls += 1;
        if calls <= failures { Err(Failed::new(calls, Verdict::transient())) } else { Ok(calls) }
    }
}

/// What a run did, seen from outside and by its own account.
#[derive(Debug, PartialEq)]
struct Story {
    outcome: Result<u32, Failed>,
    calls: u32,
    sleeps: Vec<Duration>,
    elapsed: Duration,
    retries: Vec<(u32, Duration)>,
    attempts: u32,
    waited: Duration,
    stop: Option<StopReason>,
    failures: Vec<String>,
}

#[derive(Clone, Debug)]
struct Script {
    outcomes: Vec<(Result<(), Verdict>, u64)>,
}

impl Script {
    /// The outcome of a call, counted from 0, and how long it takes. What is past the script's end succeeds.
    fn call(&self, call: u32) -> (Result<u32, Failed>, Duration) {
        match self.outcomes.get(call as usize) {
            Some(&(Err(verdict), took)) => (Err(Failed::new(call, verdict)), millis(took)),
            Some(&(Ok(()), took)) => (Ok(call), millis(took)),
            None => (Ok(call), Duration::ZERO),
        }
    }
}

fn any_script() -> impl Strategy<Value = Script> {
    let outcome = prop_oneof![1 => Just(Ok(())), 12 => any_verdict().prop_map(Err)];
    proptest::collection::vec((outcome, 0_u64..3_000), 0..10).prop_map(|outcomes| Script { outcomes })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let within = proptest::option::of((1_u64..20_000).prop_map(Duration::from_millis));
    let own = || proptest::option::weighted(0.2, 0_u16..3);
    (any_time(), any_jitter(), 0_u32..10, within, any_time(), own(), own(), proptest::bool::weighted(0.8), 0..3)
        .prop_map(|(base, jitter, total, within, hint_max, connect, read, idempotent, hints)| {
            let mut policy = Policy::new().backoff(base).jitter(jitter).total(total).max_hint(hint_max);
            policy = policy.idempotent(idempotent);
            policy = policy.hints(match hints {
                0 => Hints::GiveUp,
                1 => Hints::Clamp,
                _ => Hints::Ignore,
            });
            policy = connect.map_or(policy, |own| policy.connect(own));
            policy = read.map_or(policy, |own| policy.read(own));
            within.map_or(policy, |within| policy.within(within))
        })
}

fn story_of(door: Door, policy: Policy, seed: u64, script: &Script) -> Story {
    let timer = VirtualTimer::new();
    let calls = Cell::new(0);
    let retries = RefCell::new(Vec::new());
    let mut report = Report::new();
    let outcome = through!(
        door,
        policy
            .seed(seed)
            .timer(&timer)
            .on_retry(|event: Event<'_, Failed>| retries.borrow_mut().push((event.attempt(), event.wait())))
            .report(&mut report),
        || {
            let call = calls.replace(calls.get() + 1);
            let (outcome, took) = script.call(call);
            timer.advance(took);
            outcome
        }
    );
    Story {
        outcome,
        calls: calls.get(),
        sleeps: timer.sleeps(),
        elapsed: timer.elapsed(),
        retries: retries.into_inner(),
        attempts: report.attempts(),
        waited: report.waited(),
        stop: report.stop_reason(),
        failures: report
            .failures()
            .map(|failure| format!("{failure} {:?} {:?}", failure.wait(), failure.hint()))
            .collect(),
    }
}

/// The loop of someone who drives the core alone: calls, waits, and the last outcome's reason.
fn by_hand(policy: Policy, script: &Script) -> (Result<u32, Failed>, u32, Vec<Duration>, StopReason) {
    let mut now = secs(1_000_000);
    let mut run = Run::new(policy, now);
    let mut waits = Vec::new();
    loop {
        let (outcome, took) = script.call(run.attempt() - 1);
        now = now.saturating_add(took);
        let reason = match outcome {
            Ok(_) => StopReason::Succeeded,
            Err(error) => match run.failed(error.verdict, now, 0) {
                Decision::Wait(wait) => {
                    now = now.saturating_add(wait);
                    waits.push(wait);
                    continue;
                }
                Decision::Stop(reason) => reason,
            },
        };
        return (outcome, run.attempt(), waits, reason);
    }
}

proptest! {
    #[test]
    fn every_door_agrees_on_the_same_script(policy in any_policy(), seed in any::<u64>(), script in any_script()) {
        let first = story_of(Door::ALL[0], policy, seed, &script);
        prop_assert!(Some(first.calls) <= policy.max_attempts());
        prop_assert_eq!(first.calls, first.attempts);
        for door in &Door::ALL[1..] {
            prop_assert_eq!(&story_of(*door, policy, seed, &script), &first, "{:?}", door);
        }
    }

    #[test]
    fn every_door_does_what_the_core_decides(policy in any_policy(), script in any_script()) {
        let policy = policy.jitter(Jitter::None);
        let (outcome, attempts, waits, reason) = by_hand(policy, &script);
        for door in Door::ALL {
            let story = story_of(door, policy, 0, &script);
            prop_assert_eq!(story.outcome, outcome, "{:?}", door);
            prop_assert_eq!((story.calls, story.stop), (attempts, Some(reason)), "{:?}", door);
            let told: Vec<_> = story.retries.iter().map(|&(_, wait)| wait).collect();
            prop_assert_eq!(&told, &waits, "{:?}", door);
            let slept: Vec<_> = waits.iter().copied().filter(|wait| !wait.is_zero()).collect();
            prop_assert_eq!(story.sleeps, slept, "{:?}", door);
        }
    }
}

#[test]
fn the_operations_own_last_error_comes_back() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let outcome = through!(door, PLAIN.timer(&timer), failing(9));
        assert_eq!(outcome.unwrap_err().number, 4, "{door:?}");
        assert_eq!(timer.sleeps(), [millis(600), millis(1200)], "{door:?}");
    }
}

#[test]
fn a_permanent_failure_comes_back_at_once() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let calls = Cell::new(0);
        let outcome: Result<(), _> = through!(door, PLAIN.timer(&timer), || {
            calls.set(calls.get() + 1);
            Err(permanent())
        });
        assert_eq!((outcome, calls.get(), timer.sleeps().len()), (Err(permanent()), 1, 0), "{door:?}");
    }
}

#[test]
fn a_report_is_written_on_success_and_on_failure() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        through!(door, PLAIN.timer(&timer).report(&mut report), failing(2)).unwrap();
        assert_eq!((report.attempts(), report.stop_reason()), (3, Some(StopReason::Succeeded)), "{door:?}");
        assert_eq!((report.elapsed(), report.waited()), (millis(600), millis(600)), "{door:?}");
        assert_eq!(
            report.failures().map(|failure| failure.message().to_owned()).collect::<Vec<_>>(),
            ["failure 1", "failure 2"]
        );

        through!(door, PLAIN.timer(&timer).report(&mut report), failing(9)).unwrap_err();
        assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)), "{door:?}");
        assert_eq!((report.elapsed(), report.waited()), (millis(1800), millis(1800)), "{door:?}");
        let waits: Vec<_> = report.failures().map(persevere::report::Failure::wait).collect();
        assert_eq!(waits, [Some(Duration::ZERO), Some(millis(600)), Some(millis(1200)), None], "{door:?}");

        through!(door, PLAIN.timer(&timer).report(&mut report), failing(0)).unwrap();
        assert_eq!((report.attempts(), report.failures().count()), (1, 0), "{door:?}");
    }
}

#[test]
fn when_decides_in_place_of_the_trait() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let outcome = through!(door, PLAIN.timer(&timer).when(|error: &Failed| error.number != 2), failing(9));
        assert_eq!(outcome.unwrap_err().number, 2, "{door:?}");

        let mut asked = 0;
        let outcome: Result<(), _> = through!(
            door,
            PLAIN.timer(&timer).when(|_: &Failed| {
                asked += 1;
                true
            }),
            || Err(permanent())
        );
        assert_eq!((outcome, asked), (Err(permanent()), 4), "{door:?}");
    }
}

#[test]
fn when_may_answer_with_a_whole_verdict() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let slow_down = |_: &Failed| Verdict::transient().with_fault(Fault::Throttle).with_hint(secs(10));
        through!(door, PLAIN.timer(&timer).when(slow_down), failing(1)).unwrap();
        assert_eq!(timer.sleeps(), [secs(10)], "{door:?}");
    }
}

#[test]
fn when_needs_no_retryable_error() {
    #[derive(Debug, PartialEq)]
    struct Plain(u8);
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut left = 3;
        let outcome: Result<(), _> = through!(door, PLAIN.timer(&timer).when(|error: &Plain| error.0 > 0), || {
            left -= 1;
            Err(Plain(left))
        });
        assert_eq!(outcome, Err(Plain(0)), "{door:?}");
    }
}

#[test]
fn when_ok_tries_again_for_a_value_and_gives_the_last_one_back() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let retried = Cell::new(0);
        let again = |value: &u32| *value < 3;
        let on_retry = |event: Event<'_, Failed>| {
            assert!(event.error().is_none());
            retried.set(retried.get() + 1);
        };
        let values = |last: u32| {
            let mut value = 0;
            move || {
                value += 1;
                Ok::<_, Failed>(value.min(last))
            }
        };
        let prepared = || PLAIN.timer(&timer).when_ok(again);
        assert_eq!(through!(door, prepared().on_retry(on_retry).report(&mut report), values(9)), Ok(3), "{door:?}");
        assert_eq!((retried.get(), report.attempts()), (2, 3), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::Succeeded), "{door:?}");
        assert!(report.failures().all(|failure| failure.message().is_empty()));

        assert_eq!(through!(door, prepared().report(&mut report), values(2)), Ok(2), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::Exhausted), "{door:?}");
    }
}

#[test]
fn when_ok_may_answer_with_a_whole_verdict() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let accepted = |value: &u32| match value {
            1 => Verdict::transient().with_hint(secs(5)),
            _ => Verdict::permanent(),
        };
        assert_eq!(through!(door, PLAIN.timer(&timer).when_ok(accepted), failing(0)), Ok(2), "{door:?}");
        assert_eq!(timer.sleeps(), [secs(5)], "{door:?}");
    }
}

#[test]
fn on_retry_is_called_before_each_wait_and_not_for_the_last_failure() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let calls = RefCell::new(Vec::new());
        let outcome = through!(
            door,
            PLAIN.timer(&timer).on_retry(|event: Event<'_, Failed>| {
                let error = event.error().unwrap();
                calls.borrow_mut().push((event.attempt(), event.wait(), error.number, timer.elapsed()));
            }),
            failing(9)
        );
        assert!(outcome.is_err());
        let at = [(1, 0, 0), (2, 600, 0), (3, 1200, 600)];
        assert_eq!(*calls.borrow(), at.map(|(n, wait, now)| (n, millis(wait), n, millis(now))), "{door:?}");
    }
}

#[test]
fn several_hooks_are_called_in_their_order() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let order = RefCell::new(String::new());
        let hook = |letter| {
            let order = &order;
            move |_: Event<'_, Failed>| order.borrow_mut().push(letter)
        };
        let mut report = Report::new();
        let run = || PLAIN.timer(&timer).on_retry(hook('a'));
        through!(door, run().report(&mut report).on_retry(hook('b')), failing(2)).unwrap();
        assert_eq!(*order.borrow(), "abab", "{door:?}");
        assert_eq!(report.attempts(), 3);
    }
}

#[test]
fn before_retry_is_called_after_the_wait_and_before_the_attempt() {
    let timer = VirtualTimer::new();
    let log = RefCell::new(Vec::new());
    let note = |what: &'static str| log.borrow_mut().push((what, timer.elapsed()));
    let operation = || {
        note("attempt");
        Err::<(), _>(transient())
    };
    let blocking = || PLAIN.timer(&timer).before_retry(|_: Event| note("hook"));
    let expected = [
        ("attempt", millis(0)),
        ("hook", millis(0)),
        ("attempt", millis(0)),
        ("hook", millis(600)),
        ("attempt", millis(600)),
        ("hook", millis(1800)),
        ("attempt", millis(1800)),
    ];
    let passed = Cell::new(Duration::ZERO);
    let check = |door: &str| {
        let log: Vec<_> = log.take().into_iter().map(|(what, at)| (what, at.saturating_sub(passed.get()))).collect();
        assert_eq!(log, expected, "{door}");
        passed.set(timer.elapsed());
    };
    let _ = retry(blocking(), operation);
    check("retry");
    let _ = blocking().run_with(|_| operation());
    check("run_with");
    let _ = retry_in_place!(blocking(), operation());
    check("retry!");
    let _ = retry_in_place!(PLAIN.timer(&timer), before_retry = { note("hook") }, operation());
    check("retry!, in place");

    let later = || PLAIN.timer(&timer).before_retry(|_: Event| async { note("hook") });
    let _ = block_on(retry_async(later(), || async { operation() }));
    check("retry_async");
    let _ = block_on(later().run_async_with(|_| async { operation() }));
    check("run_async_with");
    let _ = block_on(async { retry_async!(later(), operation()) });
    check("retry_async!");
    let in_place = async { retry_async!(PLAIN.timer(&timer), before_retry = { note("hook") }, |_attempt| operation()) };
    let _ = block_on(in_place);
    check("retry_async!, in place");
}

#[test]
fn before_retry_is_told_the_failure_and_its_wait() {
    let timer = VirtualTimer::new();
    let mut told = Vec::new();
    let run = PLAIN.timer(&timer).before_retry(|event: Event| told.push((event.attempt(), event.wait())));
    run.run(failing(2)).unwrap();
    assert_eq!(told, [(1, Duration::ZERO), (2, millis(600))]);
}

#[test]
fn before_retry_is_awaited_inside_the_attempt_timeout() {
    let timer = VirtualTimer::new();
    let calls = Cell::new(0);
    let policy = PLAIN.total(1).attempt_timeout(secs(5));
    let hangs = policy.timer(&timer).before_retry(|_: Event| std::future::pending());
    let outcome: Result<(), _> = block_on(hangs.run_async(|| {
        calls.set(calls.get() + 1);
        async { Err(transient()) }
    }));
    assert_eq!(outcome.unwrap_err().number, CUT);
    assert_eq!((calls.get(), timer.elapsed()), (1, secs(5)), "the hook hung, so no second attempt was made");

    let timer = VirtualTimer::new();
    let slow = policy.timer(&timer).before_retry(|_: Event| Timer::sleep(&timer, secs(3)));
    let attempt = || async {
        Timer::sleep(&timer, secs(3)).await;
        Err::<(), _>(transient())
    };
    assert_eq!(block_on(slow.run_async(attempt)).unwrap_err().number, CUT, "3 s and 3 s are above 5 s");
    assert_eq!(timer.elapsed(), secs(8));
}

#[test]
fn a_hook_in_place_borrows_what_the_operation_borrows() {
    struct Conn {
        alive: bool,
        reconnects: u32,
    }
    impl Conn {
        async fn query(&mut self) -> Result<u32, Failed> {
            ready(()).await;
            if self.alive { Ok(self.reconnects) } else { Err(transient()) }
        }

        async fn reconnect(&mut self) {
            ready(()).await;
            self.reconnects += 1;
            self.alive = self.reconnects == 2;
        }
    }
    let conn = &mut Conn { alive: false, reconnects: 0 };
    let timer = VirtualTimer::new();
    let outcome = block_on(async {
        retry_async!(PLAIN.timer(&timer), before_retry = { conn.reconnect().await }, conn.query().await)
    });
    assert_eq!(outcome, Ok(2));
}

/// The hook may count, or look a second time: it is asked about each value once.
#[test]
fn a_value_is_judged_once() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let asked = Cell::new(0);
        let refuses_the_first = |_: &u32| {
            asked.set(asked.get() + 1);
            asked.get() == 1
        };
        let value = Cell::new(0_u32);
        let outcome = through!(door, PLAIN.timer(&timer).when_ok(refuses_the_first), || {
            value.set(value.get() + 1);
            Ok::<_, Failed>(value.get())
        });
        assert_eq!((outcome.unwrap(), asked.get()), (2, 2), "{door:?}");
    }
}

#[test]
fn a_list_of_waits_decides_how_many_retries_there_are() {
    let waits = [secs(7), Duration::ZERO, secs(1), secs(2), secs(3)];
    for door in Door::ALL {
        for policy in [Policy::new(), Policy::new().total(0), Policy::new().total(9), Policy::new().forever()] {
            let timer = VirtualTimer::new();
            let outcome = through!(door, policy.waits(waits).timer(&timer), failing(99));
            assert_eq!(outcome.unwrap_err().number, 6, "{door:?}");
            assert_eq!(timer.sleeps(), [7, 1, 2, 3].map(secs), "exactly, without jitter: {door:?}");
        }
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let _ = through!(door, Policy::new().timer(&timer).report(&mut report).waits([]), failing(99));
        assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Exhausted)), "{door:?}");
    }
}

/// Waits of one second, of which the size is nobody's business.
struct Unsized(u32);

impl Iterator for Unsized {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = self.0.checked_sub(1)?;
        Some(secs(1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        panic!("the run iterates and asks for no size")
    }
}

#[test]
fn a_list_of_waits_is_never_asked_for_its_size() {
    for door in Door::ALL {
        for items in [0, 2, 9] {
            let timer = VirtualTimer::new();
            let outcome = through!(door, PLAIN.waits(Unsized(items)).timer(&timer), failing(99));
            assert_eq!(outcome.unwrap_err().number, items + 1, "{door:?}");
        }
    }
}

#[test]
fn an_endless_list_of_waits_retries_for_ever() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let outcome = through!(door, PLAIN.waits(std::iter::repeat(secs(1))).timer(&timer), failing(1000));
        assert_eq!((outcome.unwrap(), timer.elapsed()), (1001, secs(1000)), "{door:?}");
        let backoff = Backoff::constant(secs(1));
        assert_eq!(through!(door, PLAIN.waits(backoff).timer(&timer), failing(1000)).unwrap(), 1001, "{door:?}");
    }
}

#[test]
fn a_total_after_a_list_of_waits_caps_it() {
    static POLICY: Policy = PLAIN;
    static TIMED: persevere::Timed<Policy> = PLAIN.attempt_timeout(secs(60));
    let endless = || std::iter::repeat(secs(1));
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let attempts = |outcome: Result<u32, Failed>| outcome.unwrap_err().number;
        assert_eq!(attempts(through!(door, PLAIN.waits([secs(1); 7]).total(3).timer(&timer), failing(99))), 4);
        assert_eq!(attempts(through!(door, PLAIN.waits([secs(1); 2]).total(9).timer(&timer), failing(99))), 3);
        assert_eq!(attempts(through!(door, PLAIN.waits(endless()).total(5).timer(&timer), failing(99))), 6);
        assert_eq!(attempts(through!(door, PLAIN.waits(endless()).total(0).timer(&timer), failing(99))), 1);
        // Whatever stands between, and wherever the policy is.
        assert_eq!(attempts(through!(door, PLAIN.waits(endless()).seed(7).timer(&timer).total(2), failing(99))), 3);
        let borrowed = || Retry::new(&POLICY).waits(endless()).timer(&timer);
        assert_eq!(attempts(through!(door, borrowed().total(2), failing(99))), 3);
        assert_eq!(through!(door, borrowed(), failing(99)).unwrap(), 100, "the borrowed policy is as it was");
    }
    for door in Door::ASYNC {
        let timer = VirtualTimer::new();
        let call = |operation: &RefCell<dyn FnMut() -> Result<u32, Failed>>| operation.borrow_mut()();
        let operation = RefCell::new(failing(99));
        let cut = PLAIN.attempt_timeout(secs(60)).waits(endless()).total(2).timer(&timer);
        let outcome = block_on(async { awaited!(door, cut, || async { call(&operation) }) });
        assert_eq!(outcome.unwrap_err().number, 3, "{door:?}");
        let operation = RefCell::new(failing(99));
        let cut = Retry::new(&TIMED).waits(endless()).total(2).timer(&timer);
        let outcome = block_on(async { awaited!(door, cut, || async { call(&operation) }) });
        assert_eq!(outcome.unwrap_err().number, 3, "{door:?}");
    }
}

#[test]
fn a_list_of_waits_that_is_set_again_replaces_the_first() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let attempts = |outcome: Result<u32, Failed>| outcome.unwrap_err().number;
        let twice = PLAIN.waits([secs(9); 5]).waits([secs(1); 2]).timer(&timer);
        assert_eq!(attempts(through!(door, twice, failing(99))), 3, "{door:?}");
        assert_eq!(timer.sleeps(), [secs(1); 2], "{door:?}");
        let twice = PLAIN.waits(std::iter::repeat(secs(9))).waits([secs(1); 2]).timer(&timer);
        assert_eq!(attempts(through!(door, twice, failing(99))), 3, "{door:?}");
        let twice = PLAIN.waits([secs(9); 2]).waits(std::iter::repeat(secs(1))).timer(&timer);
        assert_eq!(through!(door, twice, failing(99)).unwrap(), 100, "{door:?}");
        // A total in between belonged to the first.
        let twice = PLAIN.waits([secs(9); 5]).total(1).seed(3).waits([secs(1); 4]).timer(&timer);
        assert_eq!(attempts(through!(door, twice, failing(99))), 5, "{door:?}");
        let twice = PLAIN.waits([secs(9); 5]).waits([secs(1); 4]).total(1).timer(&timer);
        assert_eq!(attempts(through!(door, twice, failing(99))), 2, "{door:?}");
    }
}

#[test]
fn jitter_applies_to_a_list_of_waits_where_it_was_set() {
    let list = [secs(8), Duration::ZERO, secs(300), secs(2)];
    let policy = Policy::new().backoff(secs(1));
    let exact = |range: (Duration, Duration)| range.0 == range.1;
    for door in Door::ALL {
        for (policy, ranges) in [
            (policy, list.map(|wait| (wait, wait))),
            (policy.jitter(Jitter::None), list.map(|wait| (wait, wait))),
            (Policy::from_backoff(Backoff::constant(secs(1))), list.map(|wait| (wait, wait))),
            (policy.jitter(Jitter::Full), list.map(|wait| (Duration::ZERO, wait))),
            (policy.jitter(Jitter::Equal), list.map(|wait| (wait / 2, wait))),
            // `max_wait` is the backoff's, and a list has none.
            (policy.jitter(Jitter::Additive(secs(3))), list.map(|wait| (wait, wait + secs(3)))),
            (policy.jitter(Jitter::Decorrelated), list.map(|wait| (wait.min(secs(1)), wait))),
        ] {
            let mut drawn = Vec::new();
            for seed in 0..20 {
                let timer = VirtualTimer::new();
                let mut waits = Vec::new();
                let note = |event: Event<'_, Failed>| waits.push(event.wait());
                let run = policy.waits(list).seed(seed).timer(&timer).on_retry(note);
                assert_eq!(through!(door, run, failing(99)).unwrap_err().number, 5, "{door:?}");
                for (wait, (least, most)) in waits.iter().zip(ranges) {
                    assert!((least..=most).contains(wait), "{door:?}, {policy}: {wait:?}");
                }
                drawn.push(waits);
            }
            let varies = drawn.iter().any(|waits| *waits != drawn[0]);
            assert_eq!(varies, !ranges.into_iter().all(exact), "{door:?}, {policy}");
            let timer = VirtualTimer::new();
            let mut again = Vec::new();
            let run =
                policy.waits(list).seed(0).timer(&timer).on_retry(|event: Event<'_, Failed>| again.push(event.wait()));
            let _ = through!(door, run, failing(99));
            assert_eq!(again, drawn[0], "the same seed, the same waits: {door:?}");
        }
    }
}

#[test]
fn a_hint_is_a_floor_for_a_list_too() {
    let timer = VirtualTimer::new();
    let busy = |_: &Failed| Verdict::transient().with_hint(secs(5));
    PLAIN.waits([secs(1), secs(9)]).timer(&timer).when(busy).run(failing(2)).unwrap();
    assert_eq!(timer.sleeps(), [secs(5), secs(9)]);
}

#[test]
fn the_doors_take_a_policy_a_reference_a_backoff_or_a_prepared_run() {
    const POLICY: Policy = PLAIN.backoff(Duration::ZERO);
    static SHARED: Policy = POLICY;
    static TIMED: persevere::Timed<Policy> = POLICY.attempt_timeout(Duration::from_secs(1));
    let backoff = || Backoff::new(Duration::ZERO);
    for door in Door::ALL {
        let error = |outcome: Result<u32, Failed>| outcome.unwrap_err().number;
        assert_eq!(error(through!(door, POLICY, failing(99))), 4);
        assert_eq!(error(through!(door, &SHARED, failing(99))), 4);
        assert_eq!(error(through!(door, backoff(), failing(99))), 4, "the default policy's total");
        assert_eq!(error(through!(door, Retry::new(POLICY), failing(99))), 4);
        assert_eq!(error(through!(door, Retry::new(&SHARED), failing(99))), 4);
        assert_eq!(error(through!(door, POLICY.seed(1), failing(99))), 4);
    }
    assert_eq!(POLICY.run(failing(99)).unwrap_err().number, 4);
    assert_eq!(
        POLICY
            .run_with(|attempt| Err::<(), _>(Failed::new(attempt.number(), Verdict::transient())))
            .unwrap_err()
            .number,
        4
    );
    let operation = RefCell::new(failing(99));
    assert_eq!(block_on(POLICY.run_async(|| async { operation.borrow_mut()() })).unwrap_err().number, 4);
    let told =
        |attempt: persevere::Attempt| async move { Err::<(), _>(Failed::new(attempt.number(), Verdict::transient())) };
    assert_eq!(block_on(POLICY.run_async_with(told)).unwrap_err().number, 4);
    assert_eq!(block_on(POLICY.attempt_timeout(secs(1)).run_async_with(told)).unwrap_err().number, 4);
    assert_eq!(block_on(retry_async(&TIMED, || async { Err::<(), _>(transient()) })), Err(transient()));
    assert_eq!(block_on(async { retry_async!(TIMED, Err::<(), _>(transient())) }), Err(transient()));
}

#[test]
fn a_backoff_as_a_policy_waits_as_it_says() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let backoff = Backoff::fibonacci(secs(1));
        let _ = through!(door, backoff.into_retry().timer(&timer), failing(99));
        assert_eq!(timer.sleeps(), [1, 1, 2].map(secs), "{door:?}");
    }
}

#[test]
fn the_same_seed_waits_the_same_in_every_door() {
    let backoff = || Backoff::constant(secs(60)).jitter(Jitter::Full).seed(7);
    let waits: Vec<_> = backoff().take(3).collect();
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let _ = through!(door, backoff().into_retry().timer(&timer), failing(99));
        assert_eq!(timer.sleeps(), waits, "{door:?}");
        let timer = VirtualTimer::new();
        let _ = through!(door, Policy::from_backoff(backoff()).seed(7).timer(&timer), failing(99));
        assert_eq!(timer.sleeps(), waits, "{door:?}");
        let timer = VirtualTimer::new();
        let _ = through!(door, Policy::from_backoff(backoff()).timer(&timer), failing(99));
        assert_ne!(timer.sleeps(), waits, "unseeded: {door:?}");
    }
}

#[test]
fn an_operation_can_be_told_its_number_and_what_is_left() {
    let policy = PLAIN.within(secs(10));
    let told = RefCell::new(Vec::new());
    let timer = VirtualTimer::new();
    let operation = |attempt: persevere::Attempt| {
        told.borrow_mut().push((attempt.number(), attempt.remaining().unwrap()));
        timer.advance(secs(1));
        Err::<(), _>(transient())
    };
    let expected = [(1, secs(10)), (2, secs(9)), (3, millis(7400)), (4, millis(5200))];
    let _ = policy.timer(&timer).run_with(operation);
    assert_eq!(told.take(), expected);
    let _ = block_on(policy.timer(&timer).run_async_with(|attempt| async move { operation(attempt) }));
    assert_eq!(told.take(), expected);
    let _ = retry_in_place!(policy.timer(&timer), |attempt| operation(attempt));
    assert_eq!(told.take(), expected);
    let _ = block_on(async { retry_async!(policy.timer(&timer), |attempt| operation(attempt)) });
    assert_eq!(told.take(), expected);
}

#[test]
fn an_attempt_is_told_no_more_time_than_its_timeout() {
    let timer = VirtualTimer::new();
    let told = RefCell::new(Vec::new());
    let note = |attempt: persevere::Attempt| {
        told.borrow_mut().push(attempt.remaining());
        async { Err::<(), _>(transient()) }
    };
    let policy = PLAIN.within(secs(2)).attempt_timeout(millis(1500));
    let _ = block_on(policy.timer(&timer).run_async_with(note));
    assert_eq!(told.take(), [1500, 1500, 1400, 200].map(|left| Some(millis(left))));
    let _ = block_on(PLAIN.total(0).attempt_timeout(secs(5)).timer(&timer).run_async_with(note));
    assert_eq!(told.take(), [Some(secs(5))]);
    let _ = block_on(PLAIN.total(0).timer(&timer).run_async_with(note));
    assert_eq!(told.take(), [None]);
}

/// Functions whose policy has a hook, and that have one more.
mod hooked_twice {
    use std::cell::RefCell;

    use persevere::testing::VirtualTimer;
    use persevere::{Event, Policy, retry};

    use crate::support::{Failed, secs, transient};

    pub(super) type Log = RefCell<Vec<&'static str>>;

    pub(super) fn note(log: &Log, line: &'static str) {
        log.borrow_mut().push(line);
    }

    pub(super) fn call(log: &Log) -> Result<(), Failed> {
        note(log, "call");
        Err(transient())
    }

    /// Its first half runs when it is called, its second when it is awaited.
    pub(super) async fn slow(log: &Log, timer: &VirtualTimer, lines: [&'static str; 2]) {
        note(log, lines[0]);
        persevere::time::Timer::sleep(timer, secs(1)).await;
        note(log, lines[1]);
    }

    #[retry(policy = policy.before_retry(|_: Event<'static>| note(log, "first")), before_retry = { note(log, "second"); })]
    pub(super) fn block(policy: Policy, log: &Log) -> Result<(), Failed> {
        call(log)
    }

    #[retry(policy = policy.before_retry(|_: Event<'static>| note(log, "first")), before_retry = |_| note(log, "second"))]
    pub(super) fn event(policy: Policy, log: &Log) -> Result<(), Failed> {
        call(log)
    }

    #[retry(policy = policy.before_retry(|_: Event<'static>| note(log, "first")), before_retry = second)]
    pub(super) fn named(policy: Policy, second: impl FnMut(Event<'static>), log: &Log) -> Result<(), Failed> {
        call(log)
    }

    #[retry(
        policy = policy.before_retry(async |_: Event<'static>| slow(log, timer, ["first", "ended"]).await),
        timer = timer,
        before_retry = { slow(log, timer, ["second", "ended too"]).await; },
    )]
    pub(super) async fn block_async(policy: Policy, timer: &VirtualTimer, log: &Log) -> Result<(), Failed> {
        call(log)
    }

    #[retry(
        policy = policy.before_retry(async |_: Event<'static>| slow(log, timer, ["first", "ended"]).await),
        attempt_timeout = 60,
        timer = timer,
        before_retry = |_| slow(log, timer, ["second", "ended too"]).await,
    )]
    pub(super) async fn event_async(policy: Policy, timer: &VirtualTimer, log: &Log) -> Result<(), Failed> {
        call(log)
    }
}

#[test]
fn a_second_before_retry_runs_after_the_first_in_every_blocking_entry_point() {
    use hooked_twice::{call, note};

    let log = hooked_twice::Log::default();
    let policy = PLAIN.total(1).backoff(Duration::ZERO);
    let check = |outcome: Result<(), Failed>, what: &str| {
        assert!(outcome.is_err());
        assert_eq!(log.take(), ["call", "first", "second", "call"], "{what}");
    };
    let (first, second) = (|_: Event<'static>| note(&log, "first"), |_: Event<'static>| note(&log, "second"));
    let twice = policy.before_retry(first).before_retry(second);
    check(retry(twice, || call(&log)), "retry");
    check(twice.run_with(|_| call(&log)), "run_with");
    check(retry_in_place!(twice, call(&log)), "retry!");
    check(retry_in_place!(policy.before_retry(first), before_retry = { note(&log, "second") }, call(&log)), "in place");
    check(hooked_twice::block(policy, &log), "attribute, block");
    check(hooked_twice::event(policy, &log), "attribute, event");
    check(hooked_twice::named(policy, second, &log), "attribute, function");
    let _ = retry(twice.before_retry(|_| note(&log, "third")), || call(&log));
    assert_eq!(log.take(), ["call", "first", "second", "third", "call"]);
}

#[test]
fn a_second_before_retry_is_called_when_the_first_one_has_ended_in_every_async_entry_point() {
    use hooked_twice::{call, note, slow};
    use persevere::tower::RetryLayer;
    use tower::{Layer as _, ServiceExt as _, service_fn};

    let log = hooked_twice::Log::default();
    let timer = VirtualTimer::new();
    let policy = PLAIN.total(1).backoff(Duration::ZERO);
    let check = |outcome: Result<(), Failed>, what: &str| {
        assert!(outcome.is_err());
        assert_eq!(log.take(), ["call", "first", "ended", "second", "ended too", "call"], "{what}");
    };
    let first = |_: Event<'static>| {
        // A closure's own part belongs to the hook.
        note(&log, "first");
        let slow = slow(&log, &timer, ["ended", "gone"]);
        async {
            slow.await;
            assert_eq!(log.borrow_mut().pop(), Some("gone"));
        }
    };
    let second = |_: Event<'static>| {
        note(&log, "second");
        let slow = slow(&log, &timer, ["ended too", "gone"]);
        async {
            slow.await;
            assert_eq!(log.borrow_mut().pop(), Some("gone"));
        }
    };
    let once = policy.timer(&timer).before_retry(first);
    let twice = once.before_retry(second);
    for door in Door::ASYNC {
        check(block_on(async { awaited!(door, twice, || async { call(&log) }) }), &format!("{door:?}"));
        let limited = twice.attempt_timeout(secs(60));
        check(block_on(async { awaited!(door, limited, || async { call(&log) }) }), &format!("{door:?}, timed"));
    }
    let outcome = block_on(async {
        retry_async!(once, before_retry = { slow(&log, &timer, ["second", "ended too"]).await }, call(&log))
    });
    check(outcome, "in place");
    check(block_on(hooked_twice::block_async(policy, &timer, &log)), "attribute, block");
    check(block_on(hooked_twice::event_async(policy, &timer, &log)), "attribute, event");
    let service = RetryLayer::new(twice).layer(service_fn(|()| async { call(&log) }));
    check(block_on(service.oneshot(())), "tower");
    let third = twice.before_retry(async |_| note(&log, "third"));
    let service = RetryLayer::new(third).layer(service_fn(|()| async { call(&log) }));
    assert!(block_on(service.oneshot(())).is_err());
    assert_eq!(log.take(), ["call", "first", "ended", "second", "ended too", "third", "call"]);
}

#[test]
fn an_attempt_timeout_covers_every_hook() {
    let log = hooked_twice::Log::default();
    let timer = VirtualTimer::new();
    let slow = async |_: Event<'static>| hooked_twice::slow(&log, &timer, ["begun", "ended"]).await;
    let policy = PLAIN.total(1).backoff(Duration::ZERO).attempt_timeout(millis(1500)).timer(&timer);
    let outcome = block_on(policy.before_retry(slow).before_retry(slow).run_async(async || hooked_twice::call(&log)));
    assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (crate::support::CUT, millis(1500)));
    assert_eq!(log.take(), ["call", "begun", "ended", "begun"]);
}

/// The functions whose hook is a key of the attribute.
mod hooked {
    use std::cell::RefCell;
    use std::time::Duration;

    use persevere::testing::VirtualTimer;
    use persevere::{Event, Policy, retry};

    use crate::support::{Failed, transient};

    pub(super) type Told = RefCell<Vec<Duration>>;

    pub(super) fn note(told: &Told, attempt: persevere::Attempt) -> Result<(), Failed> {
        told.borrow_mut().push(attempt.remaining().unwrap());
        Err(transient())
    }

    #[retry(policy = policy, timer = timer, before_retry = { timer.advance(hook); }, attempt = attempt)]
    pub(super) fn block(policy: Policy, timer: &VirtualTimer, hook: Duration, told: &Told) -> Result<(), Failed> {
        note(told, attempt)
    }

    #[retry(policy = policy, timer = timer, before_retry = |_| timer.advance(hook), attempt = attempt)]
    pub(super) fn event(policy: Policy, timer: &VirtualTimer, hook: Duration, told: &Told) -> Result<(), Failed> {
        note(told, attempt)
    }

    #[retry(policy = policy.before_retry(|_: Event<'static>| timer.advance(hook)), timer = timer, attempt = attempt)]
    pub(super) fn own(policy: Policy, timer: &VirtualTimer, hook: Duration, told: &Told) -> Result<(), Failed> {
        note(told, attempt)
    }

    #[retry(policy = policy, timer = timer, before_retry = { timer.advance(hook); }, attempt = attempt)]
    pub(super) async fn block_async(
        policy: Policy,
        timer: &VirtualTimer,
        hook: Duration,
        told: &Told,
    ) -> Result<(), Failed> {
        note(told, attempt)
    }

    #[retry(policy = policy, attempt_timeout = 20, timer = timer, before_retry = |_| timer.advance(hook), attempt = attempt)]
    pub(super) async fn event_timed(
        policy: Policy,
        timer: &VirtualTimer,
        hook: Duration,
        told: &Told,
    ) -> Result<(), Failed> {
        note(told, attempt)
    }

    #[retry(
        policy = policy.before_retry(async |_: Event<'static>| timer.advance(hook)),
        attempt_timeout = 20,
        timer = timer,
        attempt = attempt,
    )]
    pub(super) async fn own_timed(
        policy: Policy,
        timer: &VirtualTimer,
        hook: Duration,
        told: &Told,
    ) -> Result<(), Failed> {
        note(told, attempt)
    }
}

#[test]
fn what_is_left_to_an_attempt_is_counted_when_its_operation_starts_after_any_hook() {
    use hooked::note;

    let told = hooked::Told::default();
    let timer = VirtualTimer::new();
    let policy = PLAIN.within(secs(100));
    let hook = secs(10);
    let (advance, advance_async) =
        (|_: Event<'static>| timer.advance(hook), async |_: Event<'static>| timer.advance(hook));
    let check = |outcome: Result<(), Failed>, what: &str| {
        assert!(outcome.is_err());
        assert_eq!(told.take(), [secs(100), secs(90), millis(79_400), millis(68_200)], "{what}");
    };
    let run = policy.timer(&timer);
    check(run.before_retry(advance).run_with(|attempt| note(&told, attempt)), "run_with");
    check(retry_in_place!(run.before_retry(advance), |attempt| note(&told, attempt)), "retry!");
    let outcome = retry_in_place!(run, before_retry = { timer.advance(hook) }, |attempt| note(&told, attempt));
    check(outcome, "retry!, in place");
    check(hooked::block(policy, &timer, hook, &told), "attribute, block");
    check(hooked::event(policy, &timer, hook, &told), "attribute, event");
    check(hooked::own(policy, &timer, hook, &told), "attribute, the policy's own");
    let call = |attempt| std::future::ready(note(&told, attempt));
    check(block_on(run.before_retry(advance_async).run_async_with(call)), "run_async_with");
    let outcome = block_on(async { retry_async!(run.before_retry(advance_async), |attempt| note(&told, attempt)) });
    check(outcome, "retry_async!");
    let outcome =
        block_on(async { retry_async!(run, before_retry = { timer.advance(hook) }, |attempt| note(&told, attempt)) });
    check(outcome, "retry_async!, in place");
    check(block_on(hooked::block_async(policy, &timer, hook, &told)), "async attribute, block");

    // A hook is part of its attempt, so it uses up the attempt timeout, too.
    let hook = secs(15);
    let advance_async = async |_: Event<'static>| timer.advance(hook);
    let check = |outcome: Result<(), Failed>, what: &str| {
        assert!(outcome.is_err());
        assert_eq!(told.take(), [secs(20), secs(5), secs(5), secs(5)], "{what}");
    };
    let limited = run.attempt_timeout(secs(20));
    check(block_on(limited.before_retry(advance_async).run_async_with(call)), "run_async_with");
    let outcome = block_on(async { retry_async!(limited.before_retry(advance_async), |attempt| note(&told, attempt)) });
    check(outcome, "retry_async!");
    let outcome = block_on(async {
        retry_async!(limited, before_retry = { timer.advance(hook) }, |attempt| note(&told, attempt))
    });
    check(outcome, "retry_async!, in place");
    check(block_on(hooked::event_timed(policy, &timer, hook, &told)), "async attribute, event");
    check(block_on(hooked::own_timed(policy, &timer, hook, &told)), "async attribute, the policy's own");
}

#[test]
fn a_hook_that_uses_up_the_deadline_leaves_its_operation_no_time() {
    let told = hooked::Told::default();
    let timer = VirtualTimer::new();
    let slow = |_: Event<'static>| timer.advance(secs(10));
    let _ = PLAIN.within(secs(10)).timer(&timer).before_retry(slow).run_with(|attempt| hooked::note(&told, attempt));
    assert_eq!(told.take(), [secs(10), Duration::ZERO]);
}

#[test]
fn a_question_mark_and_a_return_in_place_end_the_attempt_and_not_the_function() {
    let timer = VirtualTimer::new();
    let mut blocking = failing(2);
    let outcome = retry_in_place!(PLAIN.timer(&timer), -> Result<u32, Failed> {
        let one = blocking()?;
        if one == 3 {
            return Ok(one * 10);
        }
        unreachable!("the first two calls fail")
    });
    assert_eq!(outcome, Ok(30));
    let mut later = failing(2);
    let outcome = block_on(async {
        retry_async!(PLAIN.timer(&timer), |attempt| -> Result<u32, Failed> {
            let one = later()?;
            if attempt.number() == 3 {
                return Ok(one * 10);
            }
            unreachable!("the first two calls fail")
        })
    });
    assert_eq!(outcome, Ok(30));
}

#[test]
fn in_place_a_written_type_is_what_the_body_is_coerced_to() {
    let blocking = retry_in_place!(PLAIN, -> Result<Box<dyn Fn() -> u32>, Failed> { Ok(Box::new(|| 1)) });
    let later = block_on(async { retry_async!(PLAIN, -> Result<Box<dyn Fn() -> u32>, Failed> { Ok(Box::new(|| 2)) }) });
    assert_eq!([blocking, later].map(|made| made.unwrap()()), [1, 2]);
}

#[test]
fn in_place_the_operation_borrows_mutably_next_to_other_borrows() {
    let (mut log, name, mut operation) = (Vec::new(), String::from("name"), failing(1));
    let timer = VirtualTimer::new();
    let outcome = retry_in_place!(PLAIN.timer(&timer), {
        log.push(name.as_str());
        operation()
    });
    assert_eq!((outcome, log.len()), (Ok(2), 2));
    let mut operation = failing(1);
    let outcome = block_on(async {
        retry_async!(PLAIN.timer(&timer), {
            log.push(name.as_str());
            let log = &mut log;
            async { log.push("inside") }.await;
            operation()
        })
    });
    assert_eq!((outcome, log.len()), (Ok(2), 6));
}

#[test]
fn what_may_have_taken_effect_is_not_repeated_by_any_door() {
    let once = PLAIN.idempotent(false);
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let reached = |error: &Failed| {
            Verdict::transient().with_reached(if error.number < 3 { Reached::No } else { Reached::Maybe })
        };
        let outcome = through!(door, once.timer(&timer).when(reached).report(&mut report), failing(99));
        assert_eq!(
            (outcome.unwrap_err().number, report.stop_reason()),
            (3, Some(StopReason::NotIdempotent)),
            "{door:?}"
        );
    }
}

/// The verdict is about the call that failed: a body of two effects repeats the first, one run per effect does not.
#[test]
fn one_effect_per_attempt_is_not_repeated_by_any_door() {
    let once = PLAIN.idempotent(false);
    let refused = || Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused));
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut charged = 0;
        let two_effects = through!(door, once.timer(&timer), || {
            charged += 1;
            refused()
        });
        assert!(two_effects.is_err());
        assert_eq!(charged, 4, "{door:?}: what the docs warn of");

        let (mut charged, mut notified) = (0, 0);
        let charge = through!(door, once.timer(&timer), || {
            charged += 1;
            Ok::<_, io::Error>(())
        });
        let notify = through!(door, once.timer(&timer), || {
            notified += 1;
            refused()
        });
        assert!(charge.is_ok() && notify.is_err());
        assert_eq!((charged, notified), (1, 4), "{door:?}");
    }
}

#[test]
fn an_io_error_goes_through_a_question_mark_unchanged() {
    fn read() -> io::Result<String> {
        let text = retry(Policy::default(), || std::fs::read_to_string("there is no such file"))?;
        Ok(text)
    }
    assert_eq!(read().unwrap_err().kind(), io::ErrorKind::NotFound);
}
