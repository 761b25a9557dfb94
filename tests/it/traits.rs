//! What the types are and can do besides: threads, panics, objects, size. `tests/api` has what holds of every type.

use std::fmt::{Debug, Display};
use std::future::{Future, ready};
use std::hash::Hash;
use std::io;
use std::mem::size_of_val;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use persevere::testing::{VirtualSleep, VirtualTimer};
use persevere::{
    Attempt, Event, Fault, Hints, Jitter, Policy, Reached, Rejected, Report, Retryable, StopReason, Timed, TimedOut,
    Verdict,
    guard::{AdaptiveThrottle, Breaker, BreakerState, Budget, Nested},
    parts::Contradiction,
    retry_async,
    run::Decision,
    time::{BlockingTimer, Timer},
};

use crate::support::{Failed, secs, transient};

fn value<T: Copy + PartialEq>() {}
fn key<T: Copy + Eq + Hash + Debug>() {}
fn error<T: std::error::Error + Display + 'static>() {}
fn send<T: Send>(value: T) -> T {
    value
}

/// A prepared run is what its parts are; with a report it holds a `&mut`, and no panic may cut that short unseen.
#[test]
fn a_run_with_guards_goes_anywhere() {
    fn anywhere<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>(_: &T) {}
    fn crosses<T: Send + Sync + Unpin + Debug>(_: &T) {}
    static BUDGET: Budget = Budget::new();
    let (breaker, throttle) = (std::sync::Arc::new(Breaker::new()), std::sync::Arc::new(AdaptiveThrottle::new()));
    anywhere(&QUICK.budget(&BUDGET).breaker(breaker).throttle(throttle).nested(Nested::GiveUp).seed(1));
    anywhere(&QUICK.attempt_timeout(secs(1)).waits([secs(1)]).timer(VirtualTimer::new()));
    anywhere(&QUICK.when(|_: &Failed| true).when_ok(|_: &u8| true).on_retry(|_: Event<'_, Failed>| ()));
    let mut report = Report::new();
    crosses(&QUICK.report(&mut report).before_retry(|_: Event| ()));
    anywhere(&QUICK.trace_errors());
}

/// A timer that can't be shared between threads can still go to another with its run.
#[test]
fn a_future_is_send_if_its_timer_is() {
    #[derive(Default)]
    struct Counting(std::cell::Cell<u32>);

    impl Timer for Counting {
        type Sleep = std::future::Ready<()>;
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn sleep(&self, _: Duration) -> Self::Sleep {
            self.0.set(self.0.get() + 1);
            ready(())
        }
    }

    fn sent<F: Future + Send>(_: F) {}
    let never = || std::future::pending::<io::Result<()>>();
    sent(QUICK.timer(Counting::default()).run_async(never));
    sent(QUICK.timer(Counting::default()).attempt_timeout(secs(1)).run_async(never));
    sent(async move {
        let policy = QUICK.timer(Counting::default()).attempt_timeout(secs(1));
        persevere::retry_async!(policy, never().await)
    });
}

#[test]
fn plain_data_is_copied_compared_and_used_as_a_key() {
    value::<Policy>();
    value::<Timed<Policy>>();
    value::<Verdict>();
    value::<Decision>();
    value::<Attempt>();
    key::<Fault>();
    key::<Reached>();
    key::<StopReason>();
    key::<Hints>();
    key::<Nested>();
    key::<BreakerState>();
    error::<TimedOut>();
    error::<Contradiction>();
    error::<Rejected>();
}

#[test]
fn what_is_printed_for_debugging_says_what_it_is() {
    let report = format!("{:?}", Report::new());
    assert!(report.starts_with("Report"), "{report}");
    let retry = format!("{:?}", Policy::new().when(|_: &Failed| true));
    assert!(retry.starts_with("Retry") && retry.contains("Policy"), "{retry}");
    let policy = format!("{:?}", Policy::new().connect(3));
    assert!(policy.contains("connect: Some(3)") && policy.contains("read: None"), "{policy}");
    let verdict = format!("{:?}", Verdict::transient().with_fault(Fault::Connect));
    assert!(verdict.contains("Connect"), "{verdict}");
}

#[test]
fn an_event_is_copied_whatever_its_error() {
    struct NotClone;
    fn copied<T: Copy>() {}
    copied::<Event<'static, NotClone>>();
}

#[test]
fn retryable_and_the_timers_can_be_objects() {
    let error: &dyn Retryable = &transient();
    assert!(error.verdict().is_transient());
    let timer = VirtualTimer::new();
    let blocking: &dyn BlockingTimer = &timer;
    let later: &dyn Timer<Sleep = VirtualSleep> = &timer;
    let policy = Policy::new().jitter(Jitter::None);
    assert!(policy.timer(blocking).run(|| Err::<(), _>(transient())).is_err());
    assert!(futures::executor::block_on(policy.timer(later).run_async(|| ready(Err::<(), _>(transient())))).is_err());
    assert_eq!(timer.sleeps().len(), 4);
}

struct Conn {
    queries: u32,
}

impl Conn {
    async fn query(&mut self, sql: &str) -> io::Result<u32> {
        tokio::task::yield_now().await;
        self.queries += 1;
        if self.queries < 3 || sql.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(self.queries) }
    }
}

const QUICK: Policy = Policy::new().backoff(Duration::ZERO);

/// A function that takes `AsyncFnMut` would fail here: "implementation of `Send` is not general enough".
#[test]
fn both_async_doors_can_be_spawned_on_a_runtime_of_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let in_place = tokio::spawn(async {
            let conn = &mut Conn { queries: 0 };
            let sql = String::from("select 1");
            let mut log = Vec::new();
            let row = retry_async!(QUICK, {
                log.push(sql.as_str());
                conn.query(&sql).await
            });
            (row.unwrap(), log.len())
        });
        assert_eq!(in_place.await.unwrap(), (3, 3));

        let hooked = tokio::spawn(async {
            let conn = &mut Conn { queries: 0 };
            retry_async!(QUICK, before_retry = { conn.queries += 1 }, conn.query("select 1").await)
        });
        assert_eq!(hooked.await.unwrap().unwrap(), 3);

        let queries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let function = tokio::spawn(retry_async(QUICK, move || {
            let query = queries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                if query < 2 { Err(io::Error::from(io::ErrorKind::ConnectionReset)) } else { Ok(query) }
            }
        }));
        assert_eq!(function.await.unwrap().unwrap(), 2);
    });
}

#[test]
fn every_kind_of_async_run_is_send_where_its_operation_is() {
    let operation = || async { Err::<u32, io::Error>(io::ErrorKind::TimedOut.into()) };
    let mut report = Report::new();
    drop(send(retry_async(QUICK, operation)));
    drop(send(QUICK.run_async_with(move |_| operation())));
    drop(send(QUICK.attempt_timeout(secs(1)).run_async(operation)));
    drop(send(QUICK.attempt_timeout(secs(1)).seed(1).waits([secs(1)]).run_async_with(move |_| operation())));
    drop(send(QUICK.report(&mut report).when(|_: &io::Error| true).run_async(operation)));
    drop(send(QUICK.on_retry(|_: Event<'_, io::Error>| ()).when_ok(|_: &u32| false).run_async(operation)));
    drop(send(QUICK.before_retry(|_: Event| ready(())).run_async(operation)));
    drop(send(QUICK.attempt_timeout(secs(1)).before_retry(|_: Event| ready(())).run_async(operation)));
    drop(send(QUICK.timer(VirtualTimer::new()).run_async(operation)));
    drop(send(async {
        let conn = &mut Conn { queries: 0 };
        retry_async!(QUICK.attempt_timeout(secs(1)), |_attempt| conn.query("").await)
    }));
}

/// In a task the compiler asks whether a run is `Send` after it has forgotten the lifetimes of what its closures borrow.
mod tasks {
    use super::*;

    async fn get(url: &str) -> io::Result<u32> {
        tokio::task::yield_now().await;
        if url.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(7) }
    }

    async fn lend(url: &str) -> io::Result<&str> {
        get(url).await.map(|_| url)
    }

    async fn refresh(_: Event<'static>) {}

    async fn runs(url: String) -> io::Result<u32> {
        let (mut report, budget, breaker) = (Report::new(), Budget::new(), Breaker::new());
        let mut sum = retry_async(QUICK, || async { get(&url).await }).await?;
        sum += retry_async(QUICK, || get(&url)).await?;
        sum += QUICK.run_async_with(|_| async { get(&url).await }).await?;
        sum += QUICK.report(&mut report).run_async(|| get(&url)).await?;
        sum += QUICK
            .nested(Nested::Retry)
            .budget(&budget)
            .breaker(&breaker)
            .run_async(|| async { get(&url).await })
            .await?;
        sum += QUICK.attempt_timeout(secs(60)).seed(1).waits([secs(0)]).run_async(|| async { get(&url).await }).await?;
        sum += QUICK.before_retry(refresh).run_async(|| async { get(&url).await }).await?;
        let when = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        let describe = |_: &io::Error, _: &mut std::fmt::Formatter<'_>| Ok(());
        let hooked = QUICK.when(when).when_ok(|_: &u32| false).on_retry(|_: Event<'_, io::Error>| ());
        sum += hooked.report_with(&mut report, describe).run_async_with(|_| async { get(&url).await }).await?;
        Ok(sum)
    }

    async fn lending_runs(url: String) -> io::Result<usize> {
        let mut report = Report::new();
        let mut sum = retry_async(QUICK, || async { lend(&url).await }).await?.len();
        sum += QUICK.attempt_timeout(secs(60)).run_async(|| lend(&url)).await?.len();
        sum += QUICK.report(&mut report).run_async_with(|_| lend(&url)).await?.len();
        sum += retry_async!(QUICK.attempt_timeout(secs(60)).nested(Nested::Retry), lend(&url).await)?.len();
        Ok(sum)
    }

    #[test]
    fn a_run_that_borrows_from_its_task_can_be_spawned() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(async {
            assert_eq!(tokio::spawn(runs(String::from("here"))).await.unwrap().unwrap(), 8 * 7);
            assert_eq!(tokio::spawn(lending_runs(String::from("here"))).await.unwrap().unwrap(), 4 * 4);
            assert!(tokio::spawn(runs(String::new())).await.unwrap().is_err());
        });
    }
}

/// An operation whose future has about a kibibyte.
async fn big() -> Result<u8, Failed> {
    let buffer = [0_u8; 1024];
    tokio::task::yield_now().await;
    Ok(std::hint::black_box(&buffer)[0])
}

fn over(run: &impl Future, operation: &impl Future) -> usize {
    size_of_val(run) - size_of_val(operation)
}

#[test]
fn a_run_adds_little_to_the_size_of_its_operation() {
    static POLICY: Policy = Policy::new();
    // With `tracing` a run has a place for its span.
    let span = size_of::<usize>();
    let operation = big();
    let by_reference = over(&retry_async(&POLICY, big), &operation);
    assert!(by_reference <= 40 + span, "{by_reference} bytes");
    let by_value = over(&retry_async(POLICY, big), &operation);
    assert!(by_value <= 96 + span, "{by_value} bytes");
    let in_place = over(&async { retry_async!(&POLICY, big().await) }, &operation);
    assert!(in_place <= 56 + span, "{in_place} bytes");
}

#[test]
fn a_wait_lies_where_the_operation_lay() {
    let small = || ready(Ok::<u8, Failed>(0));
    let sleep = size_of_val(&Timer::sleep(&VirtualTimer::new(), secs(1)));
    let timer = VirtualTimer::new();
    let run = size_of_val(&retry_async(Policy::new().timer(&timer), big));
    let waiting = size_of_val(&retry_async(Policy::new().timer(&timer), small));
    assert!(run >= size_of_val(&big()) && waiting >= sleep);
    assert!(run < size_of_val(&big()) + sleep + 112, "{run} bytes: the sleep does not share the operation's place");
}
