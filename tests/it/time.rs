//! Time: the recipe's arithmetic, deadlines, attempt timeouts, zero waits, and each timer.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{
    Fault, Jitter, Policy, Report, StopReason, Verdict, retry, retry_async,
    time::{BlockingTimer, ThreadTimer, Timer, TokioTimer},
};
use proptest::prelude::*;

use crate::support::{CUT, Door, Failed, any_jitter, millis, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

fn refused() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionRefused.into())
}

#[test]
fn the_recipe_takes_1_8_s_where_nothing_listens() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let outcome = through!(door, PLAIN.timer(&timer), refused);
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(timer.sleeps(), [millis(600), millis(1200)], "{door:?}");
        assert_eq!(timer.elapsed(), millis(1800), "{door:?}");
    }
}

#[test]
fn the_recipe_takes_21_8_s_where_each_attempt_times_out_after_5_s() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let policy = PLAIN.attempt_timeout(secs(5));
    let outcome: io::Result<()> = block_on(retry_async(policy.timer(&timer).report(&mut report), pending));
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(timer.elapsed(), millis(21_800), "5 + 0 + 5 + 0.6 + 5 + 1.2 + 5");
    assert_eq!((report.elapsed(), report.waited()), (millis(21_800), millis(1800)));
    assert!(report.failures().all(|failure| failure.took() == secs(5) && failure.fault() == Fault::Timeout));
}

/// Stalls so long in virtual time, then fails.
async fn stall(timer: &VirtualTimer, time: Duration) -> Result<(), Failed> {
    Timer::sleep(timer, time).await;
    Err(transient())
}

proptest! {
    /// backon, retry-policies and tokio-retry2 look at the time that has passed, and not at where the wait would end.
    #[test]
    fn no_entry_point_begins_a_wait_that_would_reach_the_deadline(
        within in 1_u64..20_000,
        jitter in any_jitter(),
        stalls in proptest::collection::vec(0_u64..3_000, 12),
        door in proptest::sample::select(&Door::ALL),
    ) {
        let timer = VirtualTimer::new();
        let mut began = Vec::new();
        let mut stalls = stalls.into_iter().cycle();
        let policy = Policy::new().forever().backoff(millis(200)).jitter(jitter).within(millis(within));
        let outcome: Result<(), _> = through!(door, policy.timer(&timer), || {
            began.push(timer.elapsed());
            timer.advance(millis(1 + stalls.next().unwrap()));
            Err(transient())
        });
        prop_assert!(outcome.is_err());
        prop_assert!(began.iter().all(|&at| at < millis(within)), "{:?} within {} ms", began, within);
    }

    #[test]
    fn a_timed_run_ends_by_its_deadline(
        within in 1_u64..20_000,
        limit in 1_u64..5_000,
        jitter in any_jitter(),
        stalls in proptest::collection::vec(0_u64..10_000, 12),
        seed in any::<u64>(),
    ) {
        let timer = VirtualTimer::new();
        let mut stalls = stalls.into_iter().cycle();
        let policy = Policy::new().forever().backoff(millis(100)).jitter(jitter).within(millis(within));
        let run = policy.attempt_timeout(millis(limit)).seed(seed).timer(&timer);
        let outcome = block_on(run.run_async(|| stall(&timer, millis(1 + stalls.next().unwrap()))));
        prop_assert!(outcome.is_err());
        prop_assert!(timer.elapsed() <= millis(within), "{:?} of {} ms", timer.elapsed(), within);
        prop_assert_eq!(timer.pending(), 0);
    }

    #[test]
    fn no_attempt_takes_longer_than_its_timeout(
        limit in 1_u64..5_000,
        stalls in proptest::collection::vec(0_u64..10_000, 4),
    ) {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let mut stalls = stalls.into_iter();
        let run = PLAIN.attempt_timeout(millis(limit)).timer(&timer).report(&mut report);
        let _ = block_on(run.run_async(|| stall(&timer, millis(stalls.next().unwrap()))));
        prop_assert_eq!(report.attempts(), 4);
        for failure in report.failures() {
            prop_assert!(failure.took() <= millis(limit), "{}", failure);
        }
    }
}

#[test]
fn a_wait_that_would_reach_the_deadline_is_not_begun_and_the_run_ends_at_once() {
    let nano = Duration::from_nanos(1);
    for door in Door::ALL {
        // Waits of 0, 2 s and 4 s: the last one would end at 6 s.
        for (within, elapsed, attempts) in [(secs(6) + nano, secs(6), 4), (secs(6), secs(2), 3)] {
            let timer = VirtualTimer::new();
            let mut report = Report::new();
            let policy = PLAIN.backoff(secs(1)).total(99).within(within);
            let _ = through!(door, policy.timer(&timer).report(&mut report), refused);
            assert_eq!((timer.elapsed(), report.attempts()), (elapsed, attempts), "{door:?}");
            assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
        }
    }
}

#[test]
fn a_deadline_alone_does_not_cut_an_attempt() {
    let timer = VirtualTimer::new();
    let outcome = block_on(PLAIN.within(secs(1)).timer(&timer).run_async(|| stall(&timer, secs(60))));
    assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (0, secs(60)));
}

#[test]
fn an_attempt_timeout_is_clipped_to_the_deadline() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let policy = PLAIN.forever().within(secs(8)).attempt_timeout(secs(5));
    let outcome: Result<(), Failed> = block_on(policy.timer(&timer).report(&mut report).run_async(pending));
    assert_eq!(outcome.unwrap_err().number, CUT);
    assert_eq!(timer.elapsed(), secs(8));
    let took: Vec<_> = report.failures().map(persevere::report::Failure::took).collect();
    assert_eq!(took[..2], [secs(5), secs(3)]);
}

#[test]
fn a_cut_attempt_is_dropped_before_anything_else_happens() {
    struct Guard<'a>(&'a Cell<bool>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let timer = VirtualTimer::new();
    let run = PLAIN.total(1).attempt_timeout(secs(5)).timer(&timer).on_retry(|_: persevere::Event<'_, Failed>| {
        assert!(dropped.get(), "the attempt is gone when its failure is told");
    });
    let outcome: Result<(), Failed> = block_on(run.run_async(|| {
        dropped.set(false);
        let guard = Guard(&dropped);
        async move {
            let _guard = guard;
            pending().await
        }
    }));
    assert!(outcome.is_err() && dropped.get());
}

#[test]
fn a_cut_attempt_counts_as_a_timeout_whatever_its_error_says() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let says_other = |_: &Failed| Verdict::transient().with_fault(Fault::Other);
    let run = PLAIN.total(9).read(1).attempt_timeout(secs(1)).timer(&timer).when(says_other).report(&mut report);
    let _: Result<(), Failed> = block_on(run.run_async(pending));
    assert_eq!(report.stop_reason(), Some(StopReason::LimitReached(Fault::Timeout)));
    assert_eq!(report.attempts(), 2);
}

#[test]
fn a_failure_after_a_cut_attempt_is_not_taken_for_a_timeout() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let mut calls = 0;
    let run = PLAIN.attempt_timeout(secs(1)).timer(&timer).report(&mut report);
    let _ = block_on(run.run_async(|| {
        calls += 1;
        let stalls = calls % 2 == 1;
        let timer = &timer;
        async move { stall(timer, if stalls { secs(60) } else { millis(500) }).await }
    }));
    let faults: Vec<_> = report.failures().map(persevere::report::Failure::fault).collect();
    assert_eq!(faults, [Fault::Timeout, Fault::Other, Fault::Timeout, Fault::Other]);
}

#[test]
fn when_is_asked_about_a_timeout_too() {
    let timer = VirtualTimer::new();
    let run = PLAIN.attempt_timeout(secs(1)).timer(&timer).when(|error: &Failed| error.number != CUT);
    let outcome: Result<(), Failed> = block_on(run.run_async(pending));
    assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (CUT, secs(1)));
}

#[test]
fn an_attempt_that_ends_in_time_or_just_with_it_is_not_cut() {
    for time in [secs(4), secs(5)] {
        let timer = VirtualTimer::new();
        let run = PLAIN.attempt_timeout(secs(5)).timer(&timer);
        let outcome = block_on(run.run_async(|| async {
            Timer::sleep(&timer, time).await;
            Ok::<_, Failed>(7)
        }));
        assert_eq!((outcome, timer.elapsed(), timer.pending()), (Ok(7), time, 0));
    }
}

#[test]
fn the_lower_of_two_attempt_timeouts_holds() {
    for (one, other) in [(5, 2), (2, 5)] {
        let timer = VirtualTimer::new();
        let twice = PLAIN.total(0).attempt_timeout(secs(one)).timer(&timer).attempt_timeout(secs(other));
        let outcome: Result<(), Failed> = block_on(twice.run_async(pending));
        assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (CUT, secs(2)));
    }
}

#[test]
fn an_attempt_that_is_ready_at_once_takes_no_timer_for_its_timeout() {
    let timer = VirtualTimer::new();
    let run = PLAIN.attempt_timeout(secs(5)).timer(&timer);
    assert_eq!(block_on(run.run_async(|| async { Ok::<_, Failed>(7) })), Ok(7));
    assert!(timer.sleeps().is_empty());
}

#[test]
fn a_zero_wait_takes_no_timer() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let policy = PLAIN.backoff(Duration::ZERO).total(50);
        let outcome = through!(door, policy.timer(&timer), refused);
        assert!(outcome.is_err());
        assert!(timer.sleeps().is_empty(), "{door:?}");
        assert_eq!(timer.reads(), 0, "{door:?}");
    }
}

/// An operation that is always ready and always fails, without a wait, must not starve the thread that it runs on.
#[test]
fn a_zero_wait_gives_other_tasks_their_turn() {
    const STARVED: u32 = 10_000;
    async fn fails() -> Result<(), Failed> {
        ready(Err(transient())).await
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let stop = Rc::new(Cell::new(false));
    let again = || {
        let (stop, mut asked) = (Rc::clone(&stop), 0);
        move |error: &Failed| {
            asked += 1;
            assert!(asked < STARVED, "nobody else had a turn");
            error.verdict.is_transient() && !stop.get()
        }
    };
    let endless = PLAIN.forever().backoff(Duration::ZERO);
    let stopper = Rc::clone(&stop);
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let busy = [
            tokio::task::spawn_local(retry_async(endless.when(again()), fails)),
            tokio::task::spawn_local(endless.when(again()).run_async_with(|_| fails())),
            tokio::task::spawn_local(endless.attempt_timeout(secs(60)).when(again()).run_async(fails)),
        ];
        let run = endless.when(again());
        let in_place = tokio::task::spawn_local(async { retry_async!(run, fails().await) });
        tokio::task::spawn_local(async move { stopper.set(true) }).await.unwrap();
        for task in busy.into_iter().chain([in_place]) {
            assert_eq!(task.await.unwrap(), Err(transient()));
        }
    });
}

/// backoff, tokio-retry2 and retry-policies look at the wall clock and are deaf to tokio's.
#[tokio::test(start_paused = true)]
async fn tokios_paused_clock_is_obeyed() {
    let begun = tokio::time::Instant::now();
    let really_begun = std::time::Instant::now();
    let outcome = retry_async(PLAIN.backoff(secs(60)), || async { refused() }).await;
    assert!(outcome.is_err());
    // tokio counts whole milliseconds, rounded up.
    assert_eq!(begun.elapsed().as_secs(), 240);

    let mut report = Report::new();
    let timed = PLAIN.forever().within(secs(3600)).attempt_timeout(secs(5)).report(&mut report);
    let outcome: io::Result<()> = retry_async(timed, pending).await;
    assert!(outcome.is_err());
    assert!(report.elapsed() <= secs(3600) && report.elapsed() > secs(3400), "{report}");
    assert!(begun.elapsed() > secs(3600) && really_begun.elapsed() < secs(60));
}

#[tokio::test(start_paused = true)]
async fn in_place_too_tokios_paused_clock_is_obeyed() {
    let begun = tokio::time::Instant::now();
    let outcome = retry_async!(PLAIN, refused());
    assert!(outcome.is_err());
    let elapsed = begun.elapsed();
    assert!(millis(1800) <= elapsed && elapsed <= millis(1803), "{elapsed:?}");
}

#[test]
fn a_wait_outside_of_tokio_panics_as_tokio_does() {
    let panic = |run: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap()
    };
    let tokios = panic(&|| drop(tokio::time::sleep(secs(1))));
    let ours = panic(&|| drop(block_on(retry_async(PLAIN, || async { refused() }))));
    assert!(ours.contains("no reactor running") && ours == tokios, "{ours}");
    let by_timer = panic(&|| drop(block_on(retry_async(PLAIN.timer(TokioTimer), || async { refused() }))));
    assert_eq!(by_timer, tokios);
    // Without a wait nothing asks for the runtime.
    assert!(block_on(retry_async(PLAIN.total(1).within(secs(9)), || async { refused() })).is_err());
}

#[test]
fn futures_timer_serves_any_executor() {
    use persevere::time::FuturesTimer;
    // A nanosecond: the timer is asked, and there is nothing to wait for.
    let brief = Policy::new().waits([Duration::from_nanos(1); 3]).timer(FuturesTimer);
    let mut report = Report::new();
    assert!(block_on(retry_async(brief.report(&mut report), || async { refused() })).is_err());
    assert_eq!((report.attempts(), report.waited()), (4, Duration::from_nanos(3)));
    let before = Timer::now(&FuturesTimer);
    assert!(Timer::now(&FuturesTimer) >= before);
    // The far future is no overflow.
    drop(Timer::sleep(&FuturesTimer, Duration::MAX));
}

#[test]
fn the_longest_sleep_does_not_overflow_tokios_clock() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        drop(Timer::sleep(&TokioTimer, Duration::MAX));
        let outcome = retry_async(PLAIN.attempt_timeout(Duration::MAX), || async { Ok::<_, io::Error>(1) }).await;
        assert_eq!(outcome.unwrap(), 1);
    });
}

#[test]
fn the_threads_own_timer_is_the_default_of_blocking_doors() {
    let brief = Policy::new().waits([Duration::from_nanos(1); 3]);
    let mut report = Report::new();
    assert!(retry(brief.report(&mut report), refused).is_err());
    assert_eq!((report.attempts(), report.waited()), (4, Duration::from_nanos(3)));
    assert!(report.elapsed() >= report.waited());
    let before = BlockingTimer::now(&ThreadTimer);
    assert!(BlockingTimer::now(&ThreadTimer) >= before);
}

/// A timer of a user's own: it writes down what it is asked.
#[derive(Default)]
struct Own {
    now: Cell<Duration>,
    asked: RefCell<Vec<Duration>>,
}

/// Ready at its second poll.
struct OwnSleep(bool);

impl Future for OwnSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Timer for Own {
    type Sleep = OwnSleep;

    fn now(&self) -> Duration {
        self.now.get()
    }

    fn sleep(&self, wait: Duration) -> OwnSleep {
        BlockingTimer::sleep(self, wait);
        OwnSleep(false)
    }
}

impl BlockingTimer for Own {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn sleep(&self, wait: Duration) {
        self.now.set(self.now.get() + wait);
        self.asked.borrow_mut().push(wait);
    }
}

/// It counts from when the attempt began, however long the first poll took.
#[test]
fn a_first_poll_that_blocks_is_part_of_what_an_attempt_may_take() {
    let timer = Own::default();
    let policy = Policy::new().total(0).attempt_timeout(secs(10)).timer(&timer);
    let blocking = |took| {
        let timer = &timer;
        move || async move {
            timer.now.set(timer.now.get() + secs(took));
            std::future::pending::<io::Result<()>>().await
        }
    };
    assert_eq!(block_on(policy.run_async(blocking(4))).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(timer.asked.take(), [secs(6)]);
    assert_eq!(block_on(policy.run_async(blocking(11))).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(timer.asked.take().is_empty());
}

#[test]
fn a_timer_of_the_users_own_serves_every_door() {
    for door in Door::ALL {
        let timer = Own::default();
        let mut report = Report::new();
        let policy = PLAIN.total(9).backoff(secs(1)).within(secs(20));
        let _ = through!(door, policy.timer(&timer).report(&mut report), refused);
        assert_eq!(*timer.asked.borrow(), [secs(2), secs(4), secs(8)], "{door:?}");
        assert_eq!(
            (report.elapsed(), report.stop_reason()),
            (secs(14), Some(StopReason::DeadlineExceeded)),
            "{door:?}"
        );
        // By value, too.
        let _ = through!(door, policy.timer(Own::default()), refused);
    }
}

/// The executor's order decides nothing: of two runs in one virtual time each waits as long as it says.
#[test]
fn runs_side_by_side_wait_their_own_time() {
    let timer = VirtualTimer::new();
    let ended = RefCell::new(Vec::new());
    let run = |name, base| {
        let (timer, ended) = (&timer, &ended);
        async move {
            let _ = retry_async(PLAIN.backoff(base).timer(timer), || async { refused() }).await;
            ended.borrow_mut().push((name, timer.elapsed()));
        }
    };
    block_on(async { futures::join!(run("slow", secs(5)), run("quick", secs(1))) });
    assert_eq!(*ended.borrow(), [("quick", secs(6)), ("slow", secs(30))]);
}
