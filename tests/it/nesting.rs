//! Runs within runs: who gave up inside an attempt is seen from outside, on one thread and on many, and nobody else.

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{join_all, select};
use persevere::testing::VirtualTimer;
use persevere::{
    Event, Fault, Jitter, Policy, Report, StopReason, Verdict,
    guard::{Breaker, Budget, Nested},
    retry,
    time::Timer,
};
use tokio::task::yield_now;

use crate::support::{CUT, Door, Failed, awaited, permanent, secs, through, transient};

/// Four attempts, without a wait.
const QUICK: Policy = Policy::new().backoff(Duration::ZERO);

fn fails() -> Result<(), Failed> {
    Err(transient())
}

/// An operation that is given up after so many attempts, as its caller sees it.
fn gives_up() -> Result<(), Failed> {
    QUICK.run(fails)
}

async fn gives_up_async() -> Result<(), Failed> {
    QUICK
        .run_async(|| async {
            yield_now().await;
            fails()
        })
        .await
}

/// Of each failure of a run with a scope, whether it was told to be nested.
fn nested_of(report: &Report) -> Vec<bool> {
    report.failures().map(persevere::report::Failure::nested).collect()
}

/// Whether a failure is nested that follows this.
#[track_caller]
fn is_nested<R>(inside: impl Fn() -> R) -> bool {
    let mut report = Report::new();
    let run = QUICK.total(1).report(&mut report).run(|| {
        let _ = inside();
        fails()
    });
    assert!(run.is_err());
    let told = nested_of(&report);
    assert_eq!(told[0], told[1], "each attempt has a scope of its own");
    told[0]
}

/// A layer: its own retries round those of the layer below.
fn layer(door: Door, nested: Option<Nested>, below: &dyn Fn() -> Result<(), Failed>) -> Result<(), Failed> {
    match nested {
        None => through!(door, QUICK, below),
        Some(nested) => through!(door, QUICK.nested(nested), below),
    }
}

async fn layer_async<F: Future<Output = Result<(), Failed>>>(
    door: Door,
    nested: Option<Nested>,
    below: impl Fn() -> F,
) -> Result<(), Failed> {
    match nested {
        None => awaited!(door, QUICK, &below),
        Some(nested) => awaited!(door, QUICK.nested(nested), &below),
    }
}

#[test]
fn three_layers_of_four_attempts_are_64_calls_or_with_give_up_4() {
    for door in Door::ALL {
        for (nested, expected) in [(None, 64), (Some(Nested::Retry), 64), (Some(Nested::GiveUp), 4)] {
            let calls = Cell::new(0);
            let server = || {
                calls.set(calls.get() + 1);
                fails()
            };
            let outcome = if Door::ASYNC.contains(&door) {
                let bottom = || {
                    layer_async(door, nested, || async {
                        yield_now().await;
                        server()
                    })
                };
                let middle = || layer_async(door, nested, bottom);
                block_on(layer_async(door, nested, middle))
            } else {
                let bottom = || layer(door, nested, &server);
                let middle = || layer(door, nested, &bottom);
                layer(door, nested, &middle)
            };
            assert_eq!((outcome, calls.get()), (fails(), expected), "{door:?}, {nested:?}");

            // Blocking runs in an async one.
            calls.set(0);
            let bottom = || layer(Door::Run, nested, &server);
            let middle = || layer(Door::RetryMacro, nested, &bottom);
            let top = layer_async(door, nested, || ready(middle()));
            assert_eq!((block_on(top), calls.get()), (fails(), expected), "in {door:?}, {nested:?}");
        }
    }
}

#[retry(policy = QUICK, nested = give_up)]
fn attributed(calls: &Cell<u32>) -> Result<(), Failed> {
    attributed_inside(calls)
}

#[retry(policy = QUICK)]
fn attributed_inside(calls: &Cell<u32>) -> Result<(), Failed> {
    calls.set(calls.get() + 1);
    fails()
}

#[retry(policy = QUICK, nested = nested)]
async fn attributed_async(calls: &Cell<u32>, nested: Nested) -> Result<(), Failed> {
    attributed_async_inside(calls).await
}

#[retry(policy = QUICK)]
async fn attributed_async_inside(calls: &Cell<u32>) -> Result<(), Failed> {
    yield_now().await;
    calls.set(calls.get() + 1);
    fails()
}

#[test]
fn the_attribute_gives_up_on_what_the_attribute_retried() {
    let calls = Cell::new(0);
    assert_eq!((attributed(&calls), calls.take()), (fails(), 4));
    assert_eq!((block_on(attributed_async(&calls, Nested::GiveUp)), calls.take()), (fails(), 4));
    assert_eq!((block_on(attributed_async(&calls, Nested::Retry)), calls.take()), (fails(), 16));
}

#[test]
fn every_door_tells_a_nested_failure_in_its_report() {
    for door in Door::ALL {
        for (nested, attempts) in [(Nested::Retry, 4), (Nested::GiveUp, 2)] {
            let calls = Cell::new(0);
            let mut report = Report::new();
            // The first failure is the attempt's own.
            let operation = || {
                calls.set(calls.get() + 1);
                if calls.get() == 1 { fails() } else { gives_up() }
            };
            let outcome = through!(door, QUICK.report(&mut report).nested(nested), operation);
            assert!(outcome.is_err());
            let told = [false, true, true, true];
            assert_eq!(nested_of(&report), told[..attempts], "{door:?}");
            let reason = if nested == Nested::GiveUp { StopReason::Nested } else { StopReason::Exhausted };
            assert_eq!((report.attempts() as usize, report.stop_reason()), (attempts, Some(reason)), "{door:?}");
            let text = report.to_string();
            assert!(text.contains("(other, nested, "), "{text}");
        }
    }
}

/// A run that gave up leaves a mark, whatever the reason; one that succeeded, met a permanent failure or made its only
/// attempt does not.
#[test]
fn what_leaves_a_mark() {
    let none = Budget::new().size(0);
    let open = Breaker::new().min_outcomes(1);
    let settled = VirtualTimer::new();
    open.admit(settled.elapsed()).unwrap().failed(settled.elapsed());

    assert!(is_nested(gives_up));
    assert!(is_nested(|| QUICK.other(1).run(fails)));
    assert!(is_nested(|| QUICK.idempotent(false).run(fails)));
    assert!(is_nested(|| QUICK.backoff(secs(9)).immediate_first(false).within(secs(1)).run(fails)));
    let week = Verdict::transient().with_hint(secs(604_800));
    assert!(is_nested(|| QUICK.run(|| Err::<(), _>(Failed::new(0, week)))));
    assert!(is_nested(|| QUICK.budget(&none).run(fails)));
    assert!(is_nested(|| QUICK.breaker(&open).timer(&settled).run(fails)));
    assert!(is_nested(|| QUICK.when_ok(|(): &()| true).run(|| Ok::<_, Failed>(()))));

    assert!(!is_nested(|| QUICK.run(|| Err::<(), _>(permanent()))));
    assert!(!is_nested(|| QUICK.total(0).run(fails)));
    assert!(!is_nested(|| {
        let left = Cell::new(3);
        let recovers = || if left.replace(left.get() - 1) > 0 { fails() } else { Ok(()) };
        assert!(QUICK.run(recovers).is_ok());
    }));
}

/// A failure that the operation handled by itself, and one of its own after it: giving up too early costs less than a
/// storm.
#[test]
fn an_attempt_that_went_on_after_a_run_gave_up_counts_as_nested() {
    let mut calls = 0;
    let outcome = QUICK.nested(Nested::GiveUp).run(|| {
        calls += 1;
        if gives_up().is_err() { fails() } else { Ok(()) }
    });
    assert_eq!((outcome, calls), (fails(), 1));
    // One that recovers is a success.
    assert_eq!(QUICK.nested(Nested::GiveUp).run(|| gives_up().or(Ok(()))), Ok::<_, Failed>(()));
}

#[test]
fn a_mark_ends_with_its_attempt() {
    let calls = Cell::new(0);
    let mut report = Report::new();
    let _ = QUICK.total(4).report(&mut report).run(|| {
        calls.set(calls.get() + 1);
        if calls.get() % 2 == 0 { gives_up() } else { fails() }
    });
    assert_eq!(nested_of(&report), [false, true, false, true, false]);
    calls.set(0);
    let _ = block_on(QUICK.total(4).report(&mut report).run_async(|| async {
        calls.set(calls.get() + 1);
        if calls.get() % 2 == 0 { gives_up_async().await } else { fails() }
    }));
    assert_eq!(nested_of(&report), [false, true, false, true, false]);
}

#[test]
fn a_run_outside_of_any_attempt_leaves_no_mark_for_the_next() {
    let _ = gives_up();
    assert!(!is_nested(|| ()));
    // Nor does the hook before the wait, which is no part of an attempt. The one after it is.
    let mut report = Report::new();
    let hooked = QUICK.on_retry(|_: Event<'_, Failed>| assert!(gives_up().is_err()));
    let _ = hooked.report(&mut report).run(fails);
    assert_eq!(nested_of(&report), [false; 4]);
    let hooked = QUICK.before_retry(|_: Event| assert!(gives_up().is_err()));
    let _ = hooked.report(&mut report).run(fails);
    assert_eq!(nested_of(&report), [false, true, true, true]);
}

#[test]
fn a_run_on_another_thread_or_task_leaves_no_mark() {
    assert!(!is_nested(|| assert!(std::thread::spawn(gives_up).join().unwrap().is_err())));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut report = Report::new();
        let run = QUICK
            .nested(Nested::GiveUp)
            .report(&mut report)
            .run_async(|| async { tokio::spawn(gives_up_async()).await.unwrap() });
        assert!(run.await.is_err());
        assert_eq!(nested_of(&report), [false; 4]);
        let run = QUICK
            .nested(Nested::GiveUp)
            .report(&mut report)
            .run_async(|| async { tokio::task::spawn_blocking(gives_up).await.unwrap() });
        assert!(run.await.is_err());
        assert_eq!(nested_of(&report), [false; 4]);
    });
}

/// One task's run: it fails with or without a run inside, and says whether that was seen each time.
async fn told_rightly(number: usize) -> bool {
    let inside = number % 2 == 0;
    let mut report = Report::new();
    let run = QUICK.total(6).report(&mut report).run_async(|| async {
        for _ in 0..number % 5 {
            yield_now().await;
        }
        if inside {
            assert!(gives_up_async().await.is_err());
            yield_now().await;
        }
        fails()
    });
    assert!(run.await.is_err());
    report.failures().count() == 7 && report.failures().all(|failure| failure.nested() == inside)
}

#[test]
fn tasks_that_take_turns_on_one_thread_leave_no_mark_on_each_other() {
    block_on(async {
        let scoped = join_all((0..100).map(told_rightly));
        // Runs without a scope give up in between, and one whose scope is open is dropped.
        let others = join_all((0..100).map(|_| gives_up_async()));
        let dropped = join_all((0..20).map(|_| async {
            let endless = QUICK.forever().nested(Nested::Retry).run_async(|| async {
                assert!(gives_up_async().await.is_err());
                fails()
            });
            let soon = async {
                for _ in 0..30 {
                    yield_now().await;
                }
            };
            select(pin!(endless), pin!(soon)).await;
        }));
        let (told, given_up, _) = futures::join!(scoped, others, dropped);
        assert!(told.into_iter().all(|told| told));
        assert!(given_up.iter().all(Result::is_err));
    });
}

#[test]
fn tasks_that_move_between_threads_keep_their_marks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..400).map(|number| tokio::spawn(told_rightly(number))).collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
    });
}

#[test]
fn a_panic_inside_leaves_the_scope_as_it_was() {
    let panics = || -> Result<(), Failed> { resume_unwind(Box::new("on purpose")) };
    // The mark lies in the scope that the panic left, not in the one round it.
    assert!(!is_nested(|| {
        let middle = || {
            QUICK.nested(Nested::Retry).run(|| {
                let _ = gives_up();
                panics()
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(middle)).is_err());
    }));
    // And the scope round it still takes marks.
    assert!(is_nested(|| {
        assert!(catch_unwind(AssertUnwindSafe(|| QUICK.nested(Nested::Retry).run(panics))).is_err());
        let _ = gives_up();
    }));
    let mut report = Report::new();
    let _ = block_on(QUICK.total(1).report(&mut report).run_async(|| async {
        let mut middle = pin!(QUICK.nested(Nested::Retry).run_async(|| async {
            let _ = gives_up_async().await;
            panics()
        }));
        let mut poll = || middle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        while catch_unwind(AssertUnwindSafe(&mut poll)).is_ok_and(|poll| poll.is_pending()) {}
        fails()
    }));
    assert_eq!(nested_of(&report), [false; 2]);
}

#[test]
fn a_run_that_was_dropped_inside_leaves_no_mark() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let _ = block_on(QUICK.total(1).report(&mut report).run_async(|| async {
        // In its third attempt, and while it waits for the second.
        let calls = Cell::new(0);
        let hangs = QUICK.nested(Nested::Retry).run_async(|| async {
            calls.set(calls.get() + 1);
            if calls.get() == 3 { pending().await } else { fails() }
        });
        let waits = Policy::new().immediate_first(false).nested(Nested::Retry).timer(&timer);
        for inner in [
            Box::pin(hangs) as std::pin::Pin<Box<dyn Future<Output = _>>>,
            Box::pin(waits.run_async(|| ready(fails()))),
        ] {
            let mut inner = inner;
            assert!((0..3).any(|_| inner.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()));
        }
        fails()
    }));
    assert_eq!(nested_of(&report), [false; 2]);
    assert_eq!(timer.pending(), 0);
}

#[test]
fn a_mark_outlives_the_cut_of_its_attempt() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let policy = Policy::new().jitter(Jitter::None).attempt_timeout(secs(1));
    let run = policy.timer(&timer).report(&mut report).nested(Nested::GiveUp).run_async(|| async {
        assert!(gives_up().is_err());
        Timer::sleep(&timer, secs(9)).await;
        fails()
    });
    assert_eq!(block_on(run).unwrap_err().number, CUT);
    let failure = report.failures().next().unwrap();
    assert_eq!((failure.fault(), failure.nested(), report.attempts()), (Fault::Timeout, true, 1));
}

/// The second word wins only if it is asked later: both are asked, and the scope is one.
#[test]
fn of_two_words_on_nesting_the_stricter_holds() {
    for (one, other) in [(Nested::Retry, Nested::GiveUp), (Nested::GiveUp, Nested::Retry)] {
        let calls = Cell::new(0);
        let _ = QUICK.nested(one).nested(other).run(|| {
            calls.set(calls.get() + 1);
            gives_up()
        });
        assert_eq!(calls.get(), 1);
    }
}
