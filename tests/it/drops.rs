//! What a run makes, it drops: each thing once, in the order that was promised, wherever the run ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::{VirtualSleep, VirtualTimer};
use persevere::{
    Event, Jitter, Policy, Report, Retryable, TimedOut, Verdict,
    guard::{Breaker, Budget},
    time::{BlockingTimer, Timer},
};

use crate::support::{Door, awaited, millis, secs, through};

/// Waits 0.3 s, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None).immediate_first(false);

/// Who writes down what lives, and in which order things happen.
#[derive(Default)]
struct Ledger {
    alive: Cell<i64>,
    made: Cell<u64>,
    log: RefCell<Vec<String>>,
    time: VirtualTimer,
}

impl Ledger {
    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }

    fn make(self: &Rc<Self>, name: impl Into<String>) -> Thing {
        self.alive.set(self.alive.get() + 1);
        self.made.set(self.made.get() + 1);
        Thing { name: name.into(), ledger: Rc::clone(self), dropped: Cell::new(false) }
    }
}

/// A value, an error, part of a future or of a closure.
struct Thing {
    name: String,
    ledger: Rc<Ledger>,
    dropped: Cell<bool>,
}

impl Thing {
    fn is_here(&self) -> bool {
        !self.dropped.get()
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        assert!(!self.dropped.replace(true), "{} is dropped twice", self.name);
        self.ledger.alive.set(self.ledger.alive.get() - 1);
        if !self.name.is_empty() {
            self.ledger.note(format!("drops {}", self.name));
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Retryable for Thing {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

thread_local! {
    /// For errors that a timeout makes, which have nobody else to ask.
    static LEDGER: RefCell<Option<Rc<Ledger>>> = const { RefCell::new(None) };
}

impl From<TimedOut> for Thing {
    fn from(_: TimedOut) -> Self {
        LEDGER.with_borrow(|ledger| ledger.as_ref().unwrap().make("the timeout"))
    }
}

impl From<persevere::Rejected> for Thing {
    fn from(_: persevere::Rejected) -> Self {
        LEDGER.with_borrow(|ledger| ledger.as_ref().unwrap().make("the rejection"))
    }
}

/// Notes when a wait begins.
struct Clock(Rc<Ledger>);

impl Timer for Clock {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.0.time.elapsed()
    }

    fn sleep(&self, wait: Duration) -> VirtualSleep {
        self.0.note(format!("waits {wait:?}"));
        Timer::sleep(&self.0.time, wait)
    }
}

impl BlockingTimer for Clock {
    fn now(&self) -> Duration {
        self.0.time.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        self.0.note(format!("waits {wait:?}"));
        self.0.time.advance(wait);
    }
}

/// Fails twice, then succeeds.
fn outcome(ledger: &Rc<Ledger>, calls: &Cell<u32>) -> Result<Thing, Thing> {
    calls.set(calls.get() + 1);
    ledger.note(format!("call {}", calls.get()));
    if calls.get() <= 2 { Err(ledger.make(format!("error {}", calls.get()))) } else { Ok(ledger.make("the value")) }
}

#[test]
fn an_error_is_gone_before_the_wait_begins() {
    for door in Door::ALL {
        for observed in [false, true] {
            let ledger = Rc::new(Ledger::default());
            let calls = Cell::new(0);
            let mut report = Report::new();
            let clock = Clock(Rc::clone(&ledger));
            let value = if observed {
                let hook = |event: Event<'_, Thing>| ledger.note(format!("told of {}", event.error().unwrap()));
                through!(door, PLAIN.timer(&clock).on_retry(hook).report(&mut report), || outcome(&ledger, &calls))
            } else {
                through!(door, PLAIN.timer(&clock), || outcome(&ledger, &calls))
            };
            let value = value.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(ledger.alive.get(), 1, "{door:?}");
            drop(value);
            let expected = [
                "call 1",
                "told of error 1",
                "drops error 1",
                "waits 300ms",
                "call 2",
                "told of error 2",
                "drops error 2",
                "waits 600ms",
                "call 3",
                "drops the value",
            ];
            let expected = expected.into_iter().filter(|line| observed || !line.starts_with("told"));
            assert!(ledger.log.take().iter().map(String::as_str).eq(expected), "{door:?}, observed: {observed}");
        }
    }
}

#[test]
fn the_last_error_is_the_callers_and_a_value_that_was_not_accepted_is_gone() {
    for door in Door::ALL {
        let ledger = Rc::new(Ledger::default());
        let clock = Clock(Rc::clone(&ledger));
        let failed = through!(door, PLAIN.total(1).timer(&clock), || Err::<(), _>(ledger.make("error")));
        assert_eq!((ledger.alive.get(), ledger.made.get()), (1, 2), "{door:?}");
        drop(failed);
        assert_eq!(ledger.log.take(), ["drops error", "waits 300ms", "drops error"], "{door:?}");

        let again = |_: &Thing| true;
        let value =
            through!(door, PLAIN.total(1).timer(&clock).when_ok(again), || Ok::<_, Thing>(ledger.make("value")));
        assert_eq!(ledger.alive.get(), 1, "{door:?}");
        drop(value);
        assert_eq!(ledger.log.take(), ["drops value", "waits 300ms", "drops value"], "{door:?}");
    }
}

/// Everything that a run can hold, each with a thing in it: of all of these none may be left.
macro_rules! laden {
    ($ledger:expr, $clock:expr, $report:expr, $budget:expr, $breaker:expr) => {{
        let (when, when_ok, on_retry, before, describe) =
            ($ledger.make(""), $ledger.make(""), $ledger.make(""), $ledger.make(""), $ledger.make(""));
        let held = $ledger.make("");
        let waits = [millis(1), Duration::ZERO, millis(7)].into_iter().inspect(move |_| assert!(held.is_here()));
        PLAIN
            .timer($clock)
            .waits(waits)
            .budget($budget)
            .breaker($breaker)
            .when(move |error: &Thing| {
                assert!(when.is_here());
                error.verdict()
            })
            .when_ok(move |_: &Thing| {
                assert!(when_ok.is_here());
                false
            })
            .on_retry(move |_: Event<'_, Thing>| assert!(on_retry.is_here()))
            .report_with($report, move |error: &Thing, f: &mut fmt::Formatter<'_>| {
                assert!(describe.is_here());
                fmt::Display::fmt(error, f)
            })
            .before_retry(move |_: Event| {
                let ledger = Rc::clone(&before.ledger);
                async move {
                    let _here = ledger.make("");
                    Timer::sleep(&ledger.time, millis(2)).await;
                }
            })
    }};
}

async fn attempt(ledger: Rc<Ledger>, number: u32, succeeds: u32) -> Result<Thing, Thing> {
    let _here = ledger.make("");
    let _there = Box::new(ledger.make(""));
    Timer::sleep(&ledger.time, millis(1)).await;
    Timer::sleep(&ledger.time, millis(4)).await;
    if number == succeeds { Ok(ledger.make("")) } else { Err(ledger.make("")) }
}

/// A run through this door, with this attempt timeout; it succeeds at its n-th attempt.
async fn run(door: Door, ledger: &Rc<Ledger>, limit: Option<Duration>, succeeds: u32) -> Result<Thing, Thing> {
    let mut report = Report::new();
    let (budget, breaker, clock) = (Rc::new(Budget::new()), Rc::new(Breaker::new()), Clock(Rc::clone(ledger)));
    let held = ledger.make("");
    let mut number = 0;
    let operation = move || {
        number += 1;
        attempt(Rc::clone(&held.ledger), number, succeeds)
    };
    match limit {
        None => awaited!(door, laden!(ledger, &clock, &mut report, Rc::clone(&budget), Rc::clone(&breaker)), operation),
        Some(limit) => awaited!(
            door,
            laden!(ledger, &clock, &mut report, Rc::clone(&budget), Rc::clone(&breaker)).attempt_timeout(limit),
            operation
        ),
    }
}

#[test]
fn nothing_is_left_wherever_a_run_is_dropped() {
    for door in Door::ASYNC {
        for (limit, succeeds) in [(None, 3), (None, 99), (Some(millis(3)), 99), (Some(secs(9)), 2)] {
            let mut ended = false;
            let mut polls = 0;
            while !ended {
                let ledger = Rc::new(Ledger::default());
                LEDGER.set(Some(Rc::clone(&ledger)));
                {
                    let mut run = pin!(run(door, &ledger, limit, succeeds));
                    ended = (0..polls).any(|_| run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
                }
                let left = (ledger.alive.get(), ledger.time.pending());
                assert_eq!(left, (0, 0), "{door:?}, {limit:?}, dropped after {polls} polls");
                LEDGER.set(None);
                assert_eq!(Rc::strong_count(&ledger), 1, "{door:?}, {limit:?}, {polls} polls");
                polls += 1;
            }
            assert!(polls > 4 && polls < 1000, "{polls} points");
        }
    }
}

/// Not only when its future is dropped: a run that has ended holds nothing any more.
#[test]
fn what_the_run_was_made_of_is_dropped_when_it_ends() {
    for door in Door::ASYNC {
        for limit in [None, Some(secs(9))] {
            let ledger = Rc::new(Ledger::default());
            LEDGER.set(Some(Rc::clone(&ledger)));
            let mut run = pin!(run(door, &ledger, limit, 3));
            let outcome = block_on(run.as_mut());
            assert_eq!(ledger.alive.get(), 1, "{door:?}: all but the outcome");
            drop(outcome);
            assert_eq!(ledger.alive.get(), 0);
        }
    }
}

#[test]
fn an_attempts_future_is_gone_before_the_wait_begins() {
    for door in Door::ASYNC {
        for limit in [None, Some(millis(100))] {
            let ledger = Rc::new(Ledger::default());
            LEDGER.set(Some(Rc::clone(&ledger)));
            let (clock, calls) = (Clock(Rc::clone(&ledger)), Cell::new(0));
            let operation = || {
                calls.set(calls.get() + 1);
                let call = calls.get();
                let (future, ledger) = (ledger.make(format!("future {call}")), &ledger);
                async move {
                    let _future = future;
                    if limit.is_some() && call == 1 {
                        Timer::sleep(&ledger.time, secs(1)).await;
                    }
                    if call == 1 { Err(ledger.make("error 1")) } else { Ok(()) }
                }
            };
            let outcome = block_on(async {
                match limit {
                    None => awaited!(door, PLAIN.timer(&clock), operation),
                    Some(limit) => awaited!(door, PLAIN.attempt_timeout(limit).timer(&clock), operation),
                }
            });
            assert!(outcome.is_ok());
            let whole = ["drops future 1", "drops error 1", "waits 300ms", "drops future 2"];
            let cut = ["waits 100ms", "drops future 1", "drops the timeout", "waits 300ms", "drops future 2"];
            let expected = if limit.is_some() { &cut[..] } else { &whole[..] };
            assert_eq!(ledger.log.take(), expected, "{door:?}");
            LEDGER.set(None);
        }
    }
}

#[test]
fn nothing_is_left_after_a_panic() {
    for door in Door::ALL {
        for call in 1..=3 {
            let ledger = Rc::new(Ledger::default());
            let calls = Cell::new(0);
            let clock = Clock(Rc::clone(&ledger));
            let mut report = Report::new();
            let run = || {
                let held = ledger.make("");
                through!(door, PLAIN.timer(&clock).report(&mut report), || {
                    let _here = ledger.make("");
                    assert!(held.is_here());
                    if calls.get() + 1 == call {
                        resume_unwind(Box::new("on purpose"));
                    }
                    outcome(&ledger, &calls)
                })
            };
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            assert_eq!((ledger.alive.get(), ledger.time.pending()), (0, 0), "{door:?}, call {call}");
        }
    }
}
