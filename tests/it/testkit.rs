//! The test kit: scripts, and guards that shorten waits. Not one test sleeps.

use std::cell::{Cell, RefCell};
use std::future::{Ready, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use persevere::testing::{self, Script, VirtualTimer};
use persevere::{
    Jitter, Policy, Report, Retryable as _, StopReason, TimedOut,
    run::{Decision, Run},
    time::{BlockingTimer, Timer},
};
use proptest::prelude::*;

use crate::support::{Door, millis, secs, through};

/// 120 waits of 100 s: more than three hours.
const LONG: Policy =
    Policy::new().total(120).backoff(secs(100)).factor(1.0).jitter(Jitter::None).immediate_first(false);

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// Counts the sleeps that reach it.
#[derive(Default)]
struct Counting(Cell<u32>);

impl Timer for Counting {
    type Sleep = Ready<()>;

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Ready<()> {
        self.0.set(self.0.get() + 1);
        ready(())
    }
}

impl BlockingTimer for Counting {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn ten_thousand_seconds_of_backoff_through_every_door_reach_no_timer() {
    for door in Door::ALL {
        let waits = testing::skip_waits();
        let timer = Counting::default();
        let server = Script::<(), _>::new().fail(121, refused);
        let outcome = through!(door, LONG.timer(&timer), || server.call());
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "{door:?}");
        assert_eq!(server.calls(), 121, "{door:?}");
        assert_eq!(waits.due(), [secs(100); 120], "{door:?}");
        assert_eq!(timer.0.get(), 0, "{door:?} slept");
    }
}

#[test]
fn ten_thousand_seconds_of_backoff_through_every_door_are_virtual() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let server = Script::<(), _>::new().fail(121, refused);
        through!(door, LONG.timer(&timer), || server.call()).unwrap_err();
        assert_eq!(timer.elapsed(), secs(12_000), "{door:?}");
        assert_eq!(timer.sleeps(), [secs(100); 120], "{door:?}");
    }
}

#[test]
fn the_default_timers_are_not_reached_either() {
    // No runtime: tokio's timer would panic; the thread's would sleep for hours.
    let started = Instant::now();
    for door in Door::ALL {
        let waits = testing::skip_waits();
        let server = Script::<(), _>::new().fail(121, refused);
        through!(door, LONG, || server.call()).unwrap_err();
        assert_eq!(waits.due().iter().sum::<Duration>(), secs(12_000), "{door:?}");
    }
    assert!(started.elapsed() < secs(600));
}

#[test]
fn the_attribute_is_instant_too() {
    #[persevere::retry(total = 120, backoff = 100, factor = 1, jitter = none, immediate_first = false)]
    fn blocking(server: &Script<u32, io::Error>) -> io::Result<u32> {
        server.call()
    }
    #[persevere::retry(total = 120, backoff = 100, factor = 1, jitter = none, immediate_first = false)]
    async fn future(server: &Script<u32, io::Error>) -> io::Result<u32> {
        server.call_async().await
    }

    let script = || Script::new().fail(120, reset).succeed(7);
    let waits = testing::skip_waits();
    assert_eq!(blocking(&script()).unwrap(), 7);
    assert_eq!(futures::executor::block_on(future(&script())).unwrap(), 7);
    assert_eq!(waits.due(), [secs(100); 240]);
}

#[test]
fn a_loop_over_the_core_needs_no_guard() {
    let (mut run, mut now) = (Run::new(LONG, Duration::ZERO), Duration::ZERO);
    let server = Script::<(), _>::new().fail(121, refused);
    let reason = loop {
        match run.failed(server.call().unwrap_err().verdict(), now, 0) {
            Decision::Wait(wait) => now += wait,
            Decision::Stop(reason) => break reason,
        }
    };
    assert_eq!((reason, now), (StopReason::Exhausted, secs(12_000)));
}

#[tokio::test(start_paused = true)]
async fn the_default_timer_obeys_a_paused_clock() {
    let started = tokio::time::Instant::now();
    let server = Script::<(), _>::new().stall(secs(5)).fail(1, reset).stall(secs(7)).then([Err(refused())]).succeed(());
    let policy = Policy::new().jitter(Jitter::None).backoff(secs(50));
    let mut report = Report::new();
    persevere::retry_async(policy.report(&mut report), || server.call_async()).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5 + 7 + 100);
    assert_eq!(report.failures().map(|failure| failure.took().as_secs()).collect::<Vec<_>>(), [5, 7]);
}

#[tokio::test(start_paused = true)]
async fn every_task_of_a_current_thread_runtime_is_covered() {
    let waits = testing::skip_waits();
    let started = tokio::time::Instant::now();
    let runs = (0..10).map(|_| {
        let server = Script::new().fail(100, refused).succeed(());
        tokio::spawn(async move { persevere::retry_async(LONG, || server.call_async()).await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap().unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(waits.due().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_guard_does_not_touch_attempt_timeouts() {
    let _waits = testing::skip_waits();
    let started = tokio::time::Instant::now();
    // Within its time the attempt is left alone; past it, it is cut, and time has passed for it.
    let server = Script::new().stall(secs(4)).fail(1, reset).stall(secs(6)).succeed(1).succeed(2);
    let timed = LONG.attempt_timeout(secs(5));
    let mut report = Report::new();
    let answer = persevere::retry_async(timed.report(&mut report), || server.call_async()).await;
    assert_eq!(answer.unwrap(), 2);
    assert_eq!(started.elapsed().as_secs(), 4 + 5);
    let messages: Vec<_> = report.failures().map(|failure| failure.message().to_owned()).collect();
    assert_eq!(messages, ["connection reset", &TimedOut::new(secs(5)).to_string()]);
}

#[test]
fn capped_waits_are_taken_up_to_the_cap() {
    let timer = VirtualTimer::new();
    let policy = Policy::new().total(4).backoff(secs(1)).jitter(Jitter::None).timer(&timer);
    let waits = testing::cap_waits(secs(3));
    policy.run(|| Err::<(), _>(refused())).unwrap_err();
    assert_eq!(timer.sleeps(), [2, 3, 3].map(secs));
    assert_eq!(waits.due(), [2, 4, 8].map(secs));
}

#[test]
fn hooks_and_reports_are_told_the_wait_that_was_decided() {
    let _waits = testing::skip_waits();
    let (mut report, seen) = (Report::new(), RefCell::new(Vec::new()));
    let on_retry = |event: persevere::Event<'_, io::Error>| seen.borrow_mut().push(event.wait());
    let policy = Policy::new().jitter(Jitter::None).on_retry(on_retry).report(&mut report);
    policy.run(|| Err::<(), _>(refused())).unwrap_err();
    assert_eq!(*seen.borrow(), [0, 600, 1200].map(millis));
    assert_eq!(report.waited(), millis(1800));
}

/// What the guards of this thread make of a wait of an hour.
fn taken() -> Duration {
    let timer = VirtualTimer::new();
    let _ = Policy::new().total(1).waits([secs(3600)]).timer(&timer).run(|| Err::<(), _>(refused()));
    timer.elapsed()
}

#[test]
fn guards_nest_and_the_lowest_is_in_force() {
    assert_eq!(taken(), secs(3600));
    let outer = testing::cap_waits(secs(5));
    {
        let _inner = testing::cap_waits(secs(2));
        assert_eq!(taken(), secs(2));
        let _innermost = testing::cap_waits(secs(9));
        assert_eq!(taken(), secs(2));
    }
    assert_eq!(taken(), secs(5));
    assert_eq!(outer.due().len(), 3);
    drop(outer);
    assert_eq!(taken(), secs(3600));
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (first, second) = (testing::skip_waits(), testing::cap_waits(secs(5)));
    drop(first);
    assert_eq!(taken(), secs(5));
    drop(second);
    assert_eq!(taken(), secs(3600));
}

#[test]
fn a_panic_restores_the_waits() {
    let outcome = catch_unwind(|| {
        let _waits = testing::skip_waits();
        Policy::new().run(|| -> io::Result<()> { panic!("in the code under test") })
    });
    assert!(outcome.is_err());
    assert_eq!(taken(), secs(3600));
}

#[test]
fn a_guard_covers_its_own_thread_only() {
    // All guards live at once: each thread sees its own, or none.
    let gate = std::sync::Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8_u64 {
            let gate = &gate;
            scope.spawn(move || {
                let guard = (number % 2 == 0).then(|| testing::cap_waits(secs(number)));
                gate.wait();
                let expected = if guard.is_some() { secs(number) } else { secs(3600) };
                for _ in 0..100 {
                    assert_eq!(taken(), expected);
                }
                gate.wait();
            });
        }
    });
}

#[test]
fn a_script_does_what_it_says_in_order() {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset};

    let script = Script::new().fail(2, reset).fail(1, refused).succeed(1).then([Ok(2), Err(refused())]);
    let outcomes: Vec<_> = (0..6).map(|_| script.call().map_err(|error| error.kind())).collect();
    let expected =
        [Err(ConnectionReset), Err(ConnectionReset), Err(ConnectionRefused), Ok(1), Ok(2), Err(ConnectionRefused)];
    assert_eq!(outcomes, expected);
    assert_eq!(script.calls(), 6);
}

fn message(panics: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_script_that_is_over_says_so() {
    let script = Script::<(), _>::new().fail(1, reset);
    let said = message(|| drop(Policy::new().run(|| script.call())));
    assert_eq!(said, "the script is over: there is no outcome for call 2");
}

#[test]
fn a_blocking_stall_without_a_timer_does_not_sleep_but_panics() {
    let script = Script::new().stall(secs(5)).succeed(());
    let said = message(|| script.call().unwrap_or_else(|error: io::Error| panic!("{error}")));
    assert!(said.contains("`.timer(&timer)`"), "{said}");
}

#[test]
fn a_stall_is_the_operation_s_time_and_not_a_wait() {
    for door in [Door::Retry, Door::RetryMacro] {
        let timer = VirtualTimer::new();
        let server = Script::new().timer(&timer).stall(secs(5)).fail(2, reset).succeed(());
        through!(door, Policy::new().jitter(Jitter::None).timer(&timer), || server.call()).unwrap();
        assert_eq!((timer.elapsed(), timer.sleeps()), (millis(5600), vec![millis(600)]), "{door:?}");
    }
    let timer = VirtualTimer::new();
    let server = Script::new().timer(&timer).stall(secs(5)).fail(2, reset).succeed(());
    let policy = Policy::new().jitter(Jitter::None).timer(&timer);
    futures::executor::block_on(persevere::retry_async(policy, || server.call_async())).unwrap();
    assert_eq!((timer.elapsed(), timer.sleeps()), (millis(5600), vec![millis(600)]));
}

#[test]
fn an_async_call_does_nothing_before_it_is_polled() {
    let script = Script::<(), io::Error>::new().succeed(());
    drop(script.call_async());
    assert_eq!(script.calls(), 0);
}

#[test]
fn the_future_of_a_script_is_send_and_owns_what_it_needs() {
    fn spawned<F: Future + Send + 'static>(_: F) {}
    let script = Script::<u32, io::Error>::new().succeed(1);
    spawned(script.call_async());
}

#[test]
fn errors_need_not_be_cloned_or_sent_to_be_scripted() {
    // Made by a closure when due, so an `Rc` in it is no obstacle.
    struct Local(std::rc::Rc<u32>);
    static MADE: AtomicU32 = AtomicU32::new(0);
    let script = Script::<(), Local>::new().fail(2, || Local(std::rc::Rc::new(MADE.fetch_add(1, Relaxed) + 1)));
    let last = Policy::new().total(1).when(|_: &Local| true).run(|| script.call()).unwrap_err();
    assert_eq!(*last.0, 2);
}

#[test]
fn a_script_serves_many_threads() {
    let script = Script::<u32, io::Error>::new().then((0..800).map(Ok));
    let seen = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let value = script.call().unwrap();
                    seen.lock().unwrap().push(value);
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..800).collect::<Vec<_>>());
}

#[test]
fn a_seeded_run_waits_as_it_did_before() {
    let waits = |seed| {
        let guard = testing::skip_waits();
        let _ = Policy::new().total(20).seed(seed).run(|| Err::<(), _>(refused()));
        guard.due()
    };
    assert_eq!(waits(7), waits(7));
    assert_ne!(waits(7), waits(8));
}

proptest! {
    /// However many failures are scripted: a run makes as many calls as the policy and the script allow.
    #[test]
    fn calls_are_the_failures_and_one(failures in 0_usize..40, total in 0_u32..40) {
        let _waits = testing::skip_waits();
        let server = Script::new().fail(failures, reset).succeed(()).then(std::iter::repeat_with(|| Err(refused())));
        let outcome = Policy::new().total(total).run(|| server.call());
        prop_assert_eq!(outcome.is_ok(), failures <= total as usize);
        prop_assert_eq!(server.calls() as usize, failures.min(total as usize) + 1);
    }
}

/// Time stands still while something is ready: a run in its turn of no wait, an attempt that yields, or waits for a task.
#[tokio::test]
async fn virtual_time_does_not_overtake_what_is_ready() {
    let timer = VirtualTimer::new();
    let slow = Policy::from(persevere::Backoff::constant(secs(10))).jitter(Jitter::None).total(1).timer(timer.clone());
    let mut report = Report::new();
    let quick = Policy::new().jitter(Jitter::None).within(secs(5)).timer(timer.clone()).report(&mut report);
    let fails = || std::future::ready(Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
    let _ = futures::join!(slow.run_async(fails), quick.run_async(fails));
    let began: Vec<_> = report.failures().map(|failure| failure.began().as_millis()).collect();
    assert_eq!(began, [0, 0, 600, 1800]);

    let limited = || Policy::new().total(0).attempt_timeout(secs(3600)).timer(VirtualTimer::new());
    let yields = || async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok::<_, io::Error>(1)
    };
    assert_eq!(limited().run_async(yields).await.unwrap(), 1);
    let asks = || async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async move { sender.send(2) });
        receiver.await.map_err(io::Error::other)
    };
    assert_eq!(limited().run_async(asks).await.unwrap(), 2);
}

#[tokio::test]
async fn a_sleep_that_nobody_polls_holds_up_no_other() {
    let timer = VirtualTimer::new();
    let mut parked = std::pin::pin!(persevere::time::Timer::sleep(&timer, secs(1)));
    assert!(futures::poll!(parked.as_mut()).is_pending());
    persevere::time::Timer::sleep(&timer, secs(5)).await;
    assert_eq!(timer.elapsed(), secs(5));
    parked.await;
    assert_eq!((timer.elapsed(), timer.pending()), (secs(5), 0));
}

#[test]
fn a_stall_of_no_outcome_is_the_next_ones() {
    let timer = VirtualTimer::new();
    let script =
        Script::new().timer(&timer).stall(secs(5)).fail(0, || io::Error::from(io::ErrorKind::TimedOut)).succeed(1);
    assert_eq!((script.call().unwrap(), timer.elapsed()), (1, secs(5)));
}
