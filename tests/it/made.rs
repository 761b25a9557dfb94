//! `on_timeout` and `on_rejected` make the errors that no `From` can be written for.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use persevere::testing::VirtualTimer;
use persevere::{
    Fault, Policy, Rejected, Report, RunsAsync, SharedRetry, StopReason, Timed, TimedOut, Verdict,
    guard::{AdaptiveThrottle, Breaker},
    parts::OnTimeout,
    retry, retry_async,
};

use crate::support::{Door, awaited, millis, secs, through};

const TWO_SECONDS: Duration = Duration::from_secs(2);

/// An error of another crate: neither `Retryable`, nor made of a timeout or a refusal.
#[derive(Debug, PartialEq)]
enum Foreign {
    Reset,
    Cut(TimedOut),
    Refused(Rejected),
}

fn when(_: &Foreign) -> Verdict {
    Verdict::transient()
}

/// A breaker that has just opened.
fn open() -> Breaker {
    let breaker = Breaker::new().min_outcomes(1).open_for(secs(60));
    breaker.admit(secs(0)).unwrap().failed(secs(0));
    breaker
}

#[test]
fn an_attempt_that_is_cut_has_the_error_of_on_timeout_through_every_async_entry_point() {
    for door in Door::ASYNC {
        let (timer, mut report) = (VirtualTimer::new(), Report::new());
        let policy = Policy::new().deadline(TWO_SECONDS).when(when).timer(timer.clone());
        let run = policy.report_with(&mut report, |_: &Foreign, _: &mut std::fmt::Formatter<'_>| Ok(()));
        let run = run.on_timeout(Foreign::Cut);
        let outcome: Result<(), Foreign> = futures::executor::block_on(async { awaited!(door, run, || pending()) });
        assert_eq!(outcome, Err(Foreign::Cut(TimedOut::new(TWO_SECONDS))), "{door:?}");
        assert_eq!(timer.elapsed(), TWO_SECONDS, "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
        assert_eq!(report.failures().next().unwrap().fault(), Fault::Timeout, "{door:?}");
    }
}

#[test]
fn on_timeout_may_stand_anywhere_in_the_chain_and_the_later_one_counts() {
    let timer = VirtualTimer::new();
    let silent = || pending::<Result<(), Foreign>>();
    let wrong = |_| Foreign::Reset;
    let policy = Policy::new().total(1).backoff(Duration::ZERO);
    let cut = |outcome| {
        assert_eq!(outcome, Err(Foreign::Cut(TimedOut::new(secs(1)))));
    };
    macro_rules! check {
        ($run:expr) => {
            cut(futures::executor::block_on($run.when(when).timer(&timer).run_async(silent)))
        };
    }
    check!(policy.on_timeout(Foreign::Cut).attempt_timeout(secs(1)));
    check!(policy.attempt_timeout(secs(1)).on_timeout(Foreign::Cut));
    check!(policy.on_timeout(Foreign::Cut).name("a").seed(1).deadline(secs(1)));
    check!(policy.on_timeout(Foreign::Cut).total(0).deadline(secs(1)).waits([]));
    check!(policy.deadline(secs(1)).name("a").on_timeout(wrong).on_timeout(Foreign::Cut).total(0));
    check!(policy.on_timeout(wrong).deadline(secs(1)).on_timeout(Foreign::Cut));
    check!(policy.waits([]).attempt_timeout(secs(1)).on_timeout(Foreign::Cut));
}

#[test]
fn an_attempt_that_may_not_begin_has_the_error_of_on_rejected_through_every_entry_point() {
    for door in Door::ALL {
        let breaker = open();
        let run = Policy::new().when(when).timer(VirtualTimer::new()).breaker(&breaker).on_rejected(Foreign::Refused);
        let outcome: Result<(), Foreign> = through!(door, run.clone(), || Ok(()));
        assert!(matches!(outcome, Err(Foreign::Refused(_))), "{door:?}: {outcome:?}");
    }
}

#[test]
fn on_rejected_may_stand_anywhere_in_the_chain_and_the_later_one_counts() {
    let breaker = Arc::new(open());
    let (first, later) = (|_| Foreign::Reset, Foreign::Refused);
    let begin = || Policy::new().when(when).timer(VirtualTimer::new());
    macro_rules! check {
        ($run:expr) => {
            assert!(matches!($run.run(|| Ok(())), Err(Foreign::Refused(_))))
        };
    }
    check!(begin().on_rejected(later).breaker(Arc::clone(&breaker)));
    check!(begin().breaker(Arc::clone(&breaker)).on_retry(|_: persevere::Event<'_, Foreign>| {}).on_rejected(later));
    check!(begin().on_rejected(later).on_give_up(|_| {}).breaker(Arc::clone(&breaker)).name("a"));
    check!(begin().on_rejected(first).breaker(Arc::clone(&breaker)).on_rejected(later));
    check!(begin().breaker(Arc::clone(&breaker)).on_rejected(first).on_rejected(later).shared::<Foreign>());
    check!(begin().on_rejected(later).breaker(Arc::clone(&breaker)).shared::<Foreign>());
    check!(begin().on_rejected(first).shared::<Foreign>().on_rejected(later).breaker(Arc::clone(&breaker)));
    check!(begin().breaker(Arc::clone(&breaker)).on_rejected(first).shared::<Foreign>().on_rejected(later));
}

#[test]
fn a_throttle_refuses_with_the_error_of_on_rejected_too() {
    let throttle = AdaptiveThrottle::new();
    let run =
        Policy::new().total(0).when(when).timer(VirtualTimer::new()).throttle(&throttle).on_rejected(Foreign::Refused);
    let outcomes = (0..500).map(|_| run.clone().run(|| Err::<(), _>(Foreign::Reset)).unwrap_err());
    let refused = outcomes.filter(|error| matches!(error, Foreign::Refused(_))).count();
    assert!((1..500).contains(&refused), "{refused}");
}

/// The error has a `From` of its own, and the closure counts.
#[test]
fn on_rejected_and_on_timeout_come_before_from() {
    let breaker = open();
    let kept: Result<(), io::Error> = Policy::new()
        .total(0)
        .timer(VirtualTimer::new())
        .on_rejected(|_| io::Error::from(io::ErrorKind::NotFound))
        .breaker(&breaker)
        .run(|| Ok(()));
    assert_eq!(kept.unwrap_err().kind(), io::ErrorKind::NotFound);
    let run = Policy::new().total(0).deadline(secs(1)).timer(VirtualTimer::new());
    let run = run.on_timeout(|_| io::Error::from(io::ErrorKind::NotFound));
    let cut: io::Result<()> = futures::executor::block_on(run.run_async(pending));
    assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_closure_may_borrow_and_count_and_a_cut_attempt_is_retried() {
    let mut cuts = 0;
    let timer = VirtualTimer::new();
    let run = Policy::new().total(2).backoff(Duration::ZERO).attempt_timeout(secs(1)).when(when).timer(&timer);
    let run = run.on_timeout(|timed_out| {
        cuts += 1;
        Foreign::Cut(timed_out)
    });
    let outcome = futures::executor::block_on(run.run_async(pending::<Result<(), Foreign>>));
    assert_eq!(outcome, Err(Foreign::Cut(TimedOut::new(secs(1)))));
    assert_eq!((cuts, timer.elapsed()), (3, secs(3)));
}

/// A wait that overslept the deadline: the attempt is not made, and its error is made, too.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_comes_too_late_has_the_error_of_on_timeout() {
    let mut calls = 0;
    let run = Policy::new().waits([millis(900)]).deadline(secs(1)).when(when).on_timeout(Foreign::Cut);
    let run = run.before_retry(|_| async { tokio::time::sleep(secs(5)).await });
    let outcome = run.run_async(|| {
        calls += 1;
        async { Err::<(), _>(Foreign::Reset) }
    });
    assert!(matches!(outcome.await, Err(Foreign::Cut(_))));
    assert_eq!(calls, 1);
}

#[retry(deadline = 2, when = when, on_timeout = |_| Foreign::Cut(TimedOut::new(TWO_SECONDS)), timer = timer)]
async fn silent(timer: &VirtualTimer) -> Result<(), Foreign> {
    pending().await
}

#[retry(total = retries, attempt_timeout = 2, when = when, on_timeout = Foreign::Cut, timer = timer, attempt = attempt)]
async fn silent_and_told(timer: &VirtualTimer, retries: u32) -> Result<(), Foreign> {
    assert_eq!(attempt.remaining(), Some(TWO_SECONDS));
    pending().await
}

#[retry(policy = policy, on_timeout = |timed_out| { *cuts += 1; Foreign::Cut(timed_out) }, when = when, timer = timer)]
async fn silent_by_policy(timer: &VirtualTimer, policy: Timed<Policy>, cuts: &mut u32) -> Result<(), Foreign> {
    pending().await
}

#[retry(
    breaker = breaker,
    when = when,
    on_rejected = |rejected| {
        assert!(rejected.retry_in().is_some());
        Foreign::Refused(rejected)
    },
    timer = VirtualTimer::new(),
)]
fn refused(breaker: &Breaker) -> Result<(), Foreign> {
    Ok(())
}

#[retry(on_rejected = Foreign::Refused, breaker = breaker, when = when, timer = VirtualTimer::new())]
async fn refused_async(breaker: &Breaker) -> Result<(), Foreign> {
    Ok(())
}

#[test]
fn the_attribute_takes_both_as_keys() {
    let timer = VirtualTimer::new();
    let cut = Err(Foreign::Cut(TimedOut::new(TWO_SECONDS)));
    assert_eq!(futures::executor::block_on(silent(&timer)), cut);
    assert_eq!(timer.elapsed(), TWO_SECONDS);
    assert_eq!(futures::executor::block_on(silent_and_told(&timer, 0)), cut);
    let mut cuts = 0;
    let policy = Policy::new().total(1).backoff(Duration::ZERO).attempt_timeout(TWO_SECONDS);
    assert_eq!(futures::executor::block_on(silent_by_policy(&timer, policy, &mut cuts)), cut);
    assert_eq!(cuts, 2);
    assert!(matches!(refused(&open()), Err(Foreign::Refused(_))));
    assert!(matches!(futures::executor::block_on(refused_async(&open())), Err(Foreign::Refused(_))));
}

type Made = OnTimeout<Timed<Policy>, fn(TimedOut) -> Foreign>;

/// A run with both stands in a field.
#[derive(Clone)]
struct Store {
    retry: SharedRetry<Foreign, Made>,
}

impl Store {
    async fn ask(&self) -> Result<(), Foreign> {
        retry_async(self.retry.clone(), pending).await
    }
}

fn house() -> impl RunsAsync<(), Foreign> {
    Policy::new().total(0).deadline(secs(1)).when(when).on_timeout(Foreign::Cut).timer(VirtualTimer::new())
}

#[tokio::test(start_paused = true)]
async fn a_run_that_makes_its_errors_can_be_written_into_a_field_and_returned() {
    let make: fn(TimedOut) -> Foreign = Foreign::Cut;
    let breaker = Arc::new(Breaker::new());
    let retry = Policy::new().total(0).deadline(secs(1)).on_timeout(make).when(when);
    let store = Store { retry: retry.breaker(Arc::clone(&breaker)).on_rejected(Foreign::Refused).shared() };
    let cut = Err(Foreign::Cut(TimedOut::new(secs(1))));
    assert_eq!(store.ask().await, cut);
    assert_eq!(retry_async(house(), pending).await, cut);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_makes_its_errors_can_be_spawned() {
    let cuts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&cuts);
    let task = tokio::spawn(async move {
        let run = Policy::new().total(1).attempt_timeout(secs(1)).when(when).on_timeout(move |timed_out| {
            counted.fetch_add(1, Ordering::Relaxed);
            Foreign::Cut(timed_out)
        });
        retry_async!(run, pending::<Result<(), Foreign>>().await)
    });
    assert!(matches!(task.await.unwrap(), Err(Foreign::Cut(_))));
    assert_eq!(cuts.load(Ordering::Relaxed), 2);
}

/// The layer calls a service whose error is another crate's.
#[tokio::test(start_paused = true)]
async fn the_layer_makes_both_errors() {
    use tower::{Layer as _, Service as _, ServiceExt as _};

    let silent = tower::service_fn(|()| pending::<Result<(), Foreign>>());
    let run = Policy::new().total(0).attempt_timeout(secs(1)).when(when).on_timeout(Foreign::Cut);
    let mut service = persevere::tower::RetryLayer::new(run).layer(silent);
    assert!(matches!(service.ready().await.unwrap().call(()).await, Err(Foreign::Cut(_))));

    let breaker = Arc::new(Breaker::new().min_outcomes(1));
    let fails = tower::service_fn(|()| async { Err::<(), _>(Foreign::Reset) });
    let run = Policy::new().total(0).when(when).breaker(breaker).on_rejected(Foreign::Refused);
    let mut service = persevere::tower::RetryLayer::new(run).layer(fails);
    assert_eq!(service.ready().await.unwrap().call(()).await, Err(Foreign::Reset));
    assert!(matches!(service.ready().await.unwrap().call(()).await, Err(Foreign::Refused(_))));
}
