//! `deadline` cuts the attempt that is running, through every async entry point and for every kind of error.

use std::error::Error;
use std::future::pending;
use std::io;
use std::time::Duration;

use persevere::testing::VirtualTimer;
use persevere::{
    Cut, Policy, Rejected, Report, Retryable, StopReason, TimedOut, Verdict, retry, retry_async, time::Timer as _,
};

use crate::support::{Door, awaited, millis, secs};

const TWO_SECONDS: Duration = Duration::from_secs(2);

/// An error that only its client can make.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the client failed")]
struct ClientError;

impl Retryable for ClientError {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

#[test]
fn a_peer_that_never_answers_is_cut_at_the_deadline_through_every_async_entry_point() {
    for door in Door::ASYNC {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let policy = Policy::new().deadline(TWO_SECONDS).timer(timer.clone()).report(&mut report);
        let outcome: io::Result<()> = futures::executor::block_on(async { awaited!(door, policy, || pending()) });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut, "{door:?}");
        assert_eq!(timer.elapsed(), TWO_SECONDS, "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
    }
}

/// An error of one's own.
#[derive(Debug, thiserror::Error, Retryable)]
enum Own {
    #[error("slow")]
    #[retry(timed_out)]
    Slow(TimedOut),
}

#[retry(total = 9, deadline = 2, timer = timer)]
async fn by_attribute<E: Retryable + From<TimedOut>>(timer: &VirtualTimer) -> Result<(), E> {
    pending().await
}

#[test]
fn a_peer_that_never_answers_is_cut_at_the_deadline_with_every_kind_of_error() {
    async fn check<E: Retryable + From<TimedOut>>() {
        let timer = VirtualTimer::new();
        let policy = Policy::new().total(9).deadline(TWO_SECONDS);
        for round in 1..=4 {
            let outcome: Result<(), E> = match round {
                1 => by_attribute(&timer).await,
                2 => retry_async(policy.timer(&timer), pending).await,
                3 => policy.timer(&timer).run_async_with(|_| pending()).await,
                _ => retry_async!(policy.timer(&timer), pending().await),
            };
            let verdict = outcome.err().unwrap().verdict();
            assert!(verdict.is_transient() && verdict.fault() == persevere::Fault::Timeout, "{verdict:?}");
            assert_eq!(timer.elapsed(), round * TWO_SECONDS);
        }
    }
    futures::executor::block_on(async {
        check::<io::Error>().await;
        check::<Box<dyn Error + Send + Sync>>().await;
        check::<Box<dyn Error>>().await;
        check::<anyhow::Error>().await;
        check::<Own>().await;
        check::<Cut<ClientError>>().await;
        check::<TimedOut>().await;
    });
}

/// Fails after half a second for each attempt, for ever.
async fn slowly<E>(timer: &VirtualTimer, error: E) -> Result<(), E> {
    timer.sleep(millis(500)).await;
    Err(error)
}

#[test]
fn a_run_ends_by_its_deadline_wherever_it_stands_in_the_chain() {
    let timer = VirtualTimer::new();
    let base = Policy::new().forever();
    let ends = |outcome: io::Result<()>| {
        assert!(outcome.is_err());
        let now = timer.elapsed();
        timer.advance(secs(100));
        now
    };
    let fails = || slowly(&timer, io::Error::from(io::ErrorKind::ConnectionReset));
    let mut start = Duration::ZERO;
    let mut check = |outcome| {
        let took = ends(outcome).checked_sub(start).unwrap();
        start += took + secs(100);
        assert!((millis(500)..=TWO_SECONDS).contains(&took), "{took:?}");
    };
    let block = futures::executor::block_on::<std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + '_>>>;
    check(block(Box::pin(base.deadline(TWO_SECONDS).timer(&timer).run_async(fails))));
    check(block(Box::pin(base.timer(&timer).deadline(TWO_SECONDS).run_async(fails))));
    check(block(Box::pin(base.deadline(secs(60)).timer(&timer).deadline(TWO_SECONDS).run_async(fails))));
    check(block(Box::pin(base.deadline(TWO_SECONDS).deadline(secs(60)).timer(&timer).run_async(fails))));
    check(block(Box::pin(base.within(TWO_SECONDS).deadline(secs(60)).timer(&timer).run_async(fails))));
    check(block(Box::pin(base.attempt_timeout(secs(1)).deadline(TWO_SECONDS).timer(&timer).run_async(fails))));
    check(block(Box::pin(
        base.timer(&timer).attempt_timeout(secs(1)).name("x").deadline(TWO_SECONDS).run_async(fails),
    )));
}

#[test]
fn an_attempt_that_ends_in_time_is_not_cut() {
    let timer = VirtualTimer::new();
    let outcome: io::Result<u8> =
        futures::executor::block_on(Policy::new().deadline(TWO_SECONDS).timer(&timer).run_async(|| async {
            timer.sleep(millis(1_999)).await;
            Ok(7)
        }));
    assert_eq!(outcome.unwrap(), 7);
}

#[test]
fn extreme_deadlines_neither_panic_nor_hang() {
    for deadline in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let timer = VirtualTimer::new();
        let run = Policy::new().total(1).deadline(deadline).timer(&timer);
        let outcome = futures::executor::block_on(run.run_async(|| slowly(&timer, Cut::Failed(ClientError))));
        let expected_cut = deadline < secs(1);
        assert_eq!(matches!(outcome, Err(Cut::TimedOut(_))), expected_cut, "{deadline:?}");
    }
}

#[retry(deadline = 2, timer = timer)]
async fn boxed(timer: &VirtualTimer) -> Result<(), Box<dyn Error + Send + Sync>> {
    pending().await
}

#[retry(total = 9, deadline = 2, timer = timer)]
async fn through_anyhow(timer: &VirtualTimer) -> anyhow::Result<()> {
    pending().await
}

#[retry(deadline = TWO_SECONDS, attempt_timeout = 60, timer = timer)]
async fn foreign(timer: &VirtualTimer) -> Result<(), Cut<ClientError>> {
    pending().await
}

#[test]
fn the_attribute_cuts_at_the_deadline() {
    let timer = VirtualTimer::new();
    let error = futures::executor::block_on(boxed(&timer)).unwrap_err();
    assert!(error.is::<TimedOut>());
    let error = futures::executor::block_on(through_anyhow(&timer)).unwrap_err();
    assert!(error.is::<TimedOut>());
    let error = futures::executor::block_on(foreign(&timer)).unwrap_err();
    assert_eq!(error, Cut::TimedOut(TimedOut::new(TWO_SECONDS)));
    assert_eq!(timer.elapsed(), 3 * TWO_SECONDS);
}

#[test]
fn a_cut_error_is_what_the_error_inside_is() {
    let failed = Cut::Failed(ClientError);
    assert_eq!(failed.verdict(), ClientError.verdict());
    assert_eq!(failed.to_string(), "the client failed");
    assert_eq!(failed.failed(), Some(ClientError));
    let timed_out = Cut::<ClientError>::from(TimedOut::new(secs(2)));
    assert_eq!(timed_out.verdict(), TimedOut::new(secs(2)).verdict());
    assert_eq!(timed_out.to_string(), "attempt timed out after 2 s");
    assert_eq!(timed_out.failed(), None);
    let breaker = persevere::guard::Breaker::new().min_outcomes(1);
    breaker.admit(secs(0)).unwrap().failed(secs(0));
    let refused = futures::executor::block_on(retry_async(
        Policy::new().breaker(&breaker).timer(VirtualTimer::new()),
        || async { Err::<(), Cut<ClientError>>(Cut::Failed(ClientError)) },
    ));
    let Err(Cut::Rejected(rejected)) = refused else { panic!("{refused:?}") };
    let _: Rejected = rejected;
}

#[test]
fn an_erased_error_inside_that_no_rule_knows_is_told_with_what_was_looked_for() {
    type Either = either::Either<anyhow::Error, io::Error>;

    let mut report = Report::new();
    let policy = Policy::new().report_with(&mut report, |_: &Cut<_>, _: &mut std::fmt::Formatter<'_>| Ok(()));
    let outcome = retry(policy, || Err::<(), _>(Cut::Failed(anyhow::anyhow!("no type at all"))));
    assert!(outcome.is_err());
    assert_eq!(report.stop_reason(), Some(StopReason::Unclassified));
    let shown = format!("{:?}", report.unclassified());
    assert!(shown.contains("no type at all") && shown.contains("std"), "{shown}");
    // As in every type that stands for the error inside.
    let policy = Policy::new().report_with(&mut report, |_: &Either, _: &mut std::fmt::Formatter<'_>| Ok(()));
    assert!(retry(policy, || Err::<(), _>(Either::Left(anyhow::anyhow!("of no type")))).is_err());
    assert!(format!("{:?}", report.unclassified()).contains("of no type"));
}
