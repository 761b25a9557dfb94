//! Stopping: a handle or a future ends a run's waits, and the run returns its last outcome.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use persevere::testing::{Script, VirtualTimer};
use persevere::{
    Event, Jitter, Policy, Report, StopReason, TimedOut, Verdict, retry, retry_async,
    time::{BlockingTimer, Stop},
};

use crate::support::{Door, Failed, awaited, millis, secs, through};

const FAILURE: Failed = Failed::new(1, Verdict::transient());
const BROKEN: Failed = Failed::new(2, Verdict::permanent());

fn policy() -> Policy {
    Policy::from_backoff(persevere::Backoff::constant(secs(3600)).jitter(Jitter::None)).forever()
}

#[test]
fn a_run_that_was_stopped_makes_its_first_attempt_and_returns_its_outcome_through_every_entry_point() {
    let stop = Stop::new();
    stop.stop();
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        for (answer, reason) in
            [(Err(FAILURE), StopReason::Stopped), (Err(BROKEN), StopReason::Permanent), (Ok(7), StopReason::Succeeded)]
        {
            let (mut calls, mut report) = (0, Report::new());
            let outcome = through!(door, policy().stopped_by(&stop).timer(&timer).report(&mut report), || {
                calls += 1;
                answer
            });
            assert_eq!((outcome, calls), (answer, 1), "{door:?}");
            assert_eq!((report.stop_reason(), report.attempts()), (Some(reason), 1), "{door:?}");
        }
        assert!(timer.sleeps().is_empty(), "{door:?}");
    }
}

#[test]
fn an_attempt_that_is_running_finishes_and_no_other_begins_through_every_entry_point() {
    for door in Door::ALL {
        let (stop, timer) = (Stop::new(), VirtualTimer::new());
        let mut calls = 0;
        let outcome = through!(door, policy().stopped_by(&stop).timer(&timer), || {
            calls += 1;
            if calls == 3 {
                stop.stop();
            }
            Err::<(), _>(Failed::new(calls, Verdict::transient()))
        });
        assert_eq!((outcome.unwrap_err().number, calls), (3, 3), "{door:?}");
        assert_eq!(timer.sleeps(), [secs(3600); 2], "{door:?}");
    }
}

/// The blocking wait of the thread's own timer: it ends long before its hour.
#[test]
fn a_blocking_wait_ends_at_once() {
    for wait in [secs(3600), Duration::MAX] {
        let stop = Stop::new();
        let policy = policy().backoff(wait).max_wait(Duration::MAX).stopped_by(&stop);
        let begun = Instant::now();
        let stopper = thread::spawn(move || {
            thread::sleep(millis(5));
            stop.stop();
        });
        let outcome = retry(policy, || Err::<(), _>(FAILURE));
        stopper.join().unwrap();
        assert_eq!(outcome, Err(FAILURE));
        assert!(begun.elapsed() < secs(60), "{:?}", begun.elapsed());
    }
}

/// One that knows nothing of handles.
struct Plain<'a> {
    slept: Cell<Duration>,
    stop_after: Duration,
    stop: &'a Stop,
}

impl BlockingTimer for Plain<'_> {
    fn now(&self) -> Duration {
        self.slept.get()
    }

    fn sleep(&self, wait: Duration) {
        self.slept.set(self.slept.get() + wait);
        if self.slept.get() >= self.stop_after {
            self.stop.stop();
        }
    }
}

#[test]
fn a_wait_of_any_blocking_timer_can_be_ended() {
    let stop = Stop::new();
    let timer = Plain { slept: Cell::default(), stop_after: millis(130), stop: &stop };
    assert_eq!(policy().stopped_by(&stop).timer(&timer).run(|| Err::<(), _>(FAILURE)), Err(FAILURE));
    assert_eq!(timer.slept.get(), millis(140));
    // And takes exactly as long as it should where nobody stops it; two handles work as one does.
    let other = Stop::new();
    let timer = Plain { slept: Cell::default(), stop_after: secs(9), stop: &other };
    let run = policy().total(1).backoff(millis(1234)).stopped_by(&stop_free()).stopped_by(&other).timer(&timer);
    assert_eq!(run.run(|| Err::<(), _>(FAILURE)), Err(FAILURE));
    assert_eq!(timer.slept.get(), millis(1234));
}

fn stop_free() -> Stop {
    Stop::new()
}

#[test]
fn either_of_two_handles_ends_a_wait_through_every_entry_point() {
    for door in Door::ALL {
        for which in [0, 1] {
            let stops = [Stop::new(), Stop::new()];
            stops[which].stop();
            let run = policy().stopped_by(&stops[0]).stopped_by(&stops[1]).timer(VirtualTimer::new());
            assert_eq!(through!(door, run, || Err::<(), _>(FAILURE)), Err(FAILURE), "{door:?}");
        }
    }
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn an_async_wait_ends_when_its_future_does_through_every_entry_point() {
    for door in Door::ASYNC {
        paused().block_on(async {
            let begun = tokio::time::Instant::now();
            let (mut calls, mut report) = (0, Report::new());
            let run = policy().until(tokio::time::sleep(secs(5400))).report(&mut report);
            let outcome: Result<(), Failed> = awaited!(door, run, || {
                calls += 1;
                async move { Err(Failed::new(calls, Verdict::transient())) }
            });
            assert_eq!(outcome.unwrap_err().number, 2, "{door:?}");
            assert_eq!(begun.elapsed(), secs(5400), "{door:?}");
            assert_eq!(report.stop_reason(), Some(StopReason::Stopped), "{door:?}");
        });
    }
}

#[test]
fn an_async_wait_ends_when_its_handle_does_and_leaves_no_waker_behind() {
    for door in Door::ASYNC {
        paused().block_on(async {
            let stop = Stop::new();
            let begun = tokio::time::Instant::now();
            let shutdown = stop.clone();
            let later = tokio::spawn(async move {
                tokio::time::sleep(secs(4000)).await;
                shutdown.stop();
                shutdown
            });
            let run = policy().stopped_by(&stop);
            let outcome: Result<(), Failed> = awaited!(door, run, || async { Err(FAILURE) });
            assert_eq!(outcome, Err(FAILURE), "{door:?}");
            assert_eq!(begun.elapsed(), secs(4000), "{door:?}");
            assert!(later.await.unwrap().is_stopped());
            stop.stopped().await;
        });
    }
}

#[test]
fn a_run_with_an_attempt_timeout_returns_its_own_error_when_stopped() {
    paused().block_on(async {
        let stop = Stop::new();
        stop.stop();
        let run = policy().attempt_timeout(secs(1)).deadline(secs(9000)).stopped_by(&stop);
        let outcome: io::Result<()> = retry_async(run, async || Err(io::ErrorKind::ConnectionReset.into())).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let _: fn(TimedOut) -> Failed = Failed::from;
    });
}

/// It can be spawned if the outcome can be sent.
#[test]
fn a_run_that_can_be_stopped_is_spawned_and_dropped() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let stop = Stop::new();
        let task = tokio::spawn({
            let run = policy().stopped_by(&stop);
            async move { retry_async(run, async || Err::<(), _>(FAILURE)).await }
        });
        tokio::time::sleep(millis(5)).await;
        stop.stop();
        assert_eq!(task.await.unwrap(), Err(FAILURE));
        let task =
            tokio::spawn(retry_async(policy().until(std::future::pending::<()>()), async || Err::<(), _>(FAILURE)));
        tokio::time::sleep(millis(5)).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_of_the_future_passes_through() {
    let run = policy().until(async { panic!("of the future's") });
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        paused().block_on(retry_async(run, async || Err::<(), _>(FAILURE)))
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"of the future's"));
    // A future that panicked is not polled again by another run that has it.
    let run = policy().until(async { panic!("of the future's") });
    let attempt = || paused().block_on(retry_async(run.clone(), async || Err::<(), _>(FAILURE)));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).is_err());
    assert_eq!(attempt(), Err(FAILURE));
}

#[test]
fn under_tower_a_stop_ends_the_wait_too() {
    use persevere::tower::RetryLayer;
    use tower::{Layer as _, ServiceExt as _, service_fn};
    let stop = Stop::new();
    stop.stop();
    let script = Script::<u32, Failed>::new().fail(9, || FAILURE);
    let service = RetryLayer::new(policy().timer(VirtualTimer::new()).stopped_by(&stop))
        .layer(service_fn(|_: u32| script.call_async()));
    assert_eq!(paused().block_on(service.oneshot(1)), Err(FAILURE));
    assert_eq!(script.calls(), 1);
}

/// An hour's wait, a hook that takes five milliseconds: it is heard before the wait, and lengthens nothing.
#[test]
fn an_awaited_hook_is_heard_before_the_wait_with_error_and_wait_through_every_entry_point() {
    for door in Door::ASYNC {
        paused().block_on(async {
            let begun = tokio::time::Instant::now();
            let told = Arc::new(Mutex::new(Vec::new()));
            let tell = |text: String| {
                let told = told.clone();
                async move {
                    tokio::time::sleep(millis(5)).await;
                    told.lock().unwrap().push((begun.elapsed(), text));
                }
            };
            let run = policy().total(2).on_retry_async(|event: Event<'_, Failed>| {
                tell(format!("{} after {:?}", event.error().unwrap().number, event.wait()))
            });
            let mut calls = 0;
            let outcome: Result<(), Failed> = awaited!(door, run, || {
                calls += 1;
                async move { Err(Failed::new(calls, Verdict::transient())) }
            });
            assert_eq!(outcome.unwrap_err().number, 3, "{door:?}");
            let expected = [(millis(5), "1 after 3600s"), (secs(3600) + millis(5), "2 after 3600s")]
                .map(|(at, text)| (at, text.to_owned()));
            assert_eq!(*told.lock().unwrap(), expected, "{door:?}");
            assert_eq!(begun.elapsed(), secs(7200), "{door:?}");
        });
    }
}

#[test]
fn two_awaited_hooks_are_heard_in_their_order_and_a_slow_one_delays_the_attempt() {
    paused().block_on(async {
        let heard = Mutex::new(Vec::new());
        let hook = |name: char, takes: Duration| {
            let heard = &heard;
            move |_: Event<'_, Failed>| async move {
                tokio::time::sleep(takes).await;
                heard.lock().unwrap().push(name);
            }
        };
        let begun = tokio::time::Instant::now();
        let run =
            policy().total(1).backoff(secs(1)).on_retry_async(hook('a', secs(2))).on_retry_async(hook('b', secs(1)));
        let outcome: Result<(), Failed> = run.run_async(async || Err(FAILURE)).await;
        assert_eq!((outcome, begun.elapsed()), (Err(FAILURE), secs(3)));
        assert_eq!(*heard.lock().unwrap(), ['a', 'b']);
    });
}

mod attribute {
    use super::*;

    #[persevere::retry(forever, backoff = 3600, max_wait = 3600, factor = 1, jitter = none, stopped_by = stop)]
    fn blocking(stop: &Stop) -> Result<(), Failed> {
        Err(FAILURE)
    }

    #[persevere::retry(forever, backoff = 3600, max_wait = 3600, factor = 1, jitter = none, stopped_by = stop)]
    async fn by_handle(stop: &Stop) -> Result<(), Failed> {
        Err(FAILURE)
    }

    #[persevere::retry(forever, backoff = 3600, max_wait = 3600, factor = 1, jitter = none, until = tokio::time::sleep(limit))]
    async fn by_future(limit: Duration) -> Result<(), Failed> {
        Err(FAILURE)
    }

    #[persevere::retry(total = 1, backoff = 0, on_retry_async = |event| async move { let _ = event; })]
    async fn heard() -> Result<(), Failed> {
        Err(FAILURE)
    }

    #[test]
    fn keys_that_stop_a_run() {
        let stop = Stop::new();
        stop.stop();
        assert_eq!(blocking(&stop), Err(FAILURE));
        assert_eq!(paused().block_on(by_handle(&stop)), Err(FAILURE));
        let begun = Instant::now();
        assert_eq!(paused().block_on(by_future(secs(9000))), Err(FAILURE));
        assert!(begun.elapsed() < secs(60));
        assert_eq!(paused().block_on(heard()), Err(FAILURE));
    }
}
