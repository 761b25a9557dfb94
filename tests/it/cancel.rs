//! Dropping a run at any point drops all of it; a panic passes through every door.

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{Event, Jitter, Policy, Report, StopReason, Verdict, retry_async, time::Timer};

use crate::support::{Door, Failed, millis, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

/// Counts itself while it lives.
struct Alive<'a>(&'a Cell<i32>);

impl<'a> Alive<'a> {
    fn new(count: &'a Cell<i32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Polls a future so often, then drops it; true if it ended before.
fn poll_and_drop(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    (0..polls).any(|_| future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready())
}

/// What a run leaves behind that is dropped after each number of polls, up to its end.
#[track_caller]
fn assert_leaves_nothing<'a, F: Future>(
    timer: &VirtualTimer,
    alive: &Cell<i32>,
    least: usize,
    run: impl Fn() -> F + 'a,
) {
    let points = (0..1000).take_while(|&polls| {
        let ended = poll_and_drop(run(), polls);
        assert_eq!((timer.pending(), alive.get()), (0, 0), "dropped after {polls} polls");
        !ended
    });
    let points = points.count();
    assert!(least < points && points < 1000, "it was dropped at {points} points");
}

/// An attempt with three points at which it can be dropped: before, in, and after a sleep.
async fn attempt(timer: &VirtualTimer, alive: &Cell<i32>) -> Result<(), Failed> {
    let _alive = Alive::new(alive);
    tokio::task::yield_now().await;
    Timer::sleep(timer, millis(100)).await;
    tokio::task::yield_now().await;
    Err(transient())
}

#[test]
fn dropping_the_future_at_any_point_drops_the_attempt_and_the_timer() {
    let timer = &VirtualTimer::new();
    let alive = &Cell::new(0);
    assert_leaves_nothing(timer, alive, 12, || retry_async(PLAIN.timer(timer), || attempt(timer, alive)));
    assert_leaves_nothing(timer, alive, 12, || {
        PLAIN.within(secs(60)).timer(timer).run_async_with(|_| attempt(timer, alive))
    });
    assert_leaves_nothing(timer, alive, 12, || async { retry_async!(PLAIN.timer(timer), attempt(timer, alive).await) });
    assert_leaves_nothing(timer, alive, 15, || {
        let hook = |_: Event| async {
            let _alive = Alive::new(alive);
            Timer::sleep(timer, millis(50)).await;
        };
        PLAIN.timer(timer).before_retry(hook).run_async(|| attempt(timer, alive))
    });
}

#[test]
fn dropping_a_timed_run_at_any_point_drops_both_timers() {
    let timer = &VirtualTimer::new();
    let alive = &Cell::new(0);
    for limit in [millis(50), millis(100), secs(9)] {
        assert_leaves_nothing(timer, alive, 6, || {
            PLAIN.within(secs(60)).attempt_timeout(limit).timer(timer).run_async(|| attempt(timer, alive))
        });
        assert_leaves_nothing(timer, alive, 6, || async {
            retry_async!(PLAIN.attempt_timeout(limit).timer(timer), attempt(timer, alive).await)
        });
    }
}

#[test]
fn a_dropped_runs_report_tells_what_was_and_no_reason() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let mut calls = 0;
    let run = PLAIN.timer(&timer).report(&mut report).run_async(|| {
        calls += 1;
        let hangs = calls == 3;
        async move { if hangs { pending().await } else { fails() } }
    });
    assert!(!poll_and_drop(run, 50));
    assert_eq!(report.stop_reason(), None);
    assert_eq!((report.attempts(), report.failures().count()), (3, 2));
    assert!(report.to_string().starts_with("not finished after 3 attempts"), "{report}");
    // The next run starts anew.
    let _ = PLAIN.timer(&timer).report(&mut report).run(|| Ok::<_, Failed>(()));
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Succeeded)));
}

#[test]
fn the_report_of_a_run_that_was_dropped_while_it_waited_counts_no_attempt_that_was_not_made() {
    let timer = VirtualTimer::new();
    for (polls, attempts) in [(0, 0), (1, 1), (2, 2)] {
        let mut report = Report::new();
        // The first wait is zero, which takes a poll.
        assert!(!poll_and_drop(PLAIN.timer(&timer).report(&mut report).run_async(|| ready(fails())), polls));
        assert_eq!((report.attempts(), report.failures().count()), (attempts, attempts as usize));
    }
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_waits_no_longer() {
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&calls);
    let task = tokio::spawn(retry_async(PLAIN.forever(), move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ready(Err::<(), _>(transient()))
    }));
    tokio::time::sleep(secs(1)).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let before = calls.load(std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(secs(3600)).await;
    assert_eq!((before, calls.load(std::sync::atomic::Ordering::Relaxed)), (3, 3));
}

/// Panics without a word on the terminal.
fn panics() -> ! {
    resume_unwind(Box::new("on purpose"))
}

#[track_caller]
fn assert_passes_through<R>(run: impl FnOnce() -> R, door: Door) {
    let panic = catch_unwind(AssertUnwindSafe(run)).err().unwrap_or_else(|| panic!("no panic came through {door:?}"));
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"), "{door:?}");
}

fn fails() -> Result<(), Failed> {
    Err(transient())
}

#[test]
fn a_panic_in_the_operation_passes_through_every_door() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let mut calls = 0;
        let run = || {
            through!(door, PLAIN.timer(&timer).report(&mut report), || {
                calls += 1;
                if calls == 3 { panics() } else { fails() }
            })
        };
        assert_passes_through(run, door);
        assert_eq!((calls, timer.elapsed(), timer.pending()), (3, millis(600), 0), "{door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (3, None), "{door:?}");
    }
}

#[test]
fn a_panic_in_a_hook_passes_through_every_door() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let run = || through!(door, PLAIN.timer(&timer).on_retry(|_: Event<'_, Failed>| panics()), fails);
        assert_passes_through(run, door);
        let run = || through!(door, PLAIN.timer(&timer).when(|_: &Failed| -> bool { panics() }), fails);
        assert_passes_through(run, door);
        let run =
            || through!(door, PLAIN.timer(&timer).when_ok(|(): &()| -> Verdict { panics() }), || Ok::<_, Failed>(()));
        assert_passes_through(run, door);
        let mut report = Report::new();
        let describe = |_: &Failed, _: &mut std::fmt::Formatter<'_>| panics();
        let run = || through!(door, PLAIN.timer(&timer).report_with(&mut report, describe), fails);
        assert_passes_through(run, door);
        assert_eq!(report.stop_reason(), None);
        assert_eq!(timer.pending(), 0);
    }
}

#[test]
fn a_panic_in_before_retry_passes_through() {
    let timer = VirtualTimer::new();
    let hooked = || PLAIN.timer(&timer).before_retry(|_: Event| -> () { panics() });
    assert_passes_through(|| hooked().run(fails), Door::Run);
    assert_passes_through(|| persevere::prelude::retry!(hooked(), fails()), Door::RetryMacro);
    let hooked = || PLAIN.timer(&timer).before_retry(|_: Event| async { panics() });
    assert_passes_through(|| block_on(hooked().run_async(|| ready(fails()))), Door::RunAsync);
    assert_passes_through(|| block_on(async { retry_async!(hooked(), fails()) }), Door::RetryAsyncMacro);
    let hooked = || PLAIN.attempt_timeout(secs(1)).timer(&timer).before_retry(|_: Event| async { panics() });
    assert_passes_through(|| block_on(hooked().run_async(|| ready(fails()))), Door::RunAsync);
    assert_eq!(timer.pending(), 0);
}

#[test]
fn a_panic_in_a_timed_attempt_drops_its_timer() {
    let timer = VirtualTimer::new();
    let run = PLAIN.attempt_timeout(secs(5)).timer(&timer);
    let attempt = || async {
        Timer::sleep(&timer, secs(1)).await;
        if true { panics() } else { fails() }
    };
    assert_passes_through(|| block_on(run.run_async(attempt)), Door::RunAsync);
    assert_eq!((timer.elapsed(), timer.pending()), (secs(1), 0));
}

#[test]
fn a_run_in_a_pinned_box_can_be_dropped_unpolled() {
    let timer = VirtualTimer::new();
    let alive = Cell::new(0);
    let run: Pin<Box<dyn Future<Output = Result<(), Failed>>>> =
        Box::pin(retry_async(PLAIN.timer(&timer), || attempt(&timer, &alive)));
    drop(run);
    assert_eq!((alive.get(), timer.sleeps().len()), (0, 0));
}
