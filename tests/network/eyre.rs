//! `eyre::Report`, with contexts, boxes and one's own types.

use std::error::Error;
use std::io;
use std::time::Duration;

use eyre::WrapErr as _;
use persevere::{Policy, Report, Retryable, StopReason, TimedOut, Verdict, retry};
use tonic::Status;

use crate::support::{BROKEN, LATE, STATUS};

#[derive(Clone, Copy, Debug, thiserror::Error, Retryable)]
#[error("busy")]
#[retry(throttle)]
struct Busy;

#[derive(Debug, thiserror::Error)]
#[error("unknown")]
struct Unknown;

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

#[test]
fn a_report_is_the_first_known_error_of_its_chain() {
    assert_eq!(eyre::Report::new(reset()).verdict(), BROKEN);
    assert_eq!(eyre::Report::new(reset()).wrap_err("a text").wrap_err(Unknown).verdict(), BROKEN);
    assert_eq!(eyre::eyre!(reset()).verdict(), BROKEN);
    assert_eq!(eyre::Report::from(TimedOut::new(Duration::from_secs(1))).verdict(), LATE);
    assert_eq!(eyre::Report::new(Status::unavailable("")).wrap_err("a text").verdict(), STATUS);
    assert_eq!(eyre::Report::new(Box::new(Status::unavailable(""))).verdict(), STATUS);
    let boxed: Box<dyn Error + Send + Sync> = reset().into();
    assert_eq!(eyre::eyre!(boxed).wrap_err("a text").verdict(), BROKEN);
    // A report that becomes a box keeps its error under a context, and else if it is asked to.
    let context = eyre::Report::new(reset()).wrap_err("a text");
    assert_eq!(Box::<dyn Error + Send + Sync>::from(context).verdict(), BROKEN);
    let context = anyhow::Error::new(reset()).context("a text");
    assert_eq!(Box::<dyn Error + Send + Sync>::from(context).verdict(), BROKEN);
    let kept = anyhow::Error::new(reset()).reallocate_into_boxed_dyn_error_without_backtrace();
    assert_eq!(kept.verdict(), BROKEN);
    // Nothing of the error is left.
    assert_eq!(eyre::eyre!("{}", reset()).verdict(), Verdict::unclassified());
    assert_eq!(eyre::Report::new(Unknown).verdict(), Verdict::unclassified());
}

#[test]
fn ones_own_types_are_found_as_errors_contexts_and_in_boxes() {
    let boxed = || eyre::eyre!(Box::<dyn Error + Send + Sync>::from(Busy));
    let makes: [fn() -> eyre::Report; 3] =
        [|| eyre::Report::new(Busy).wrap_err("a text"), || eyre::Report::new(Unknown).wrap_err(Busy), boxed];
    for make in makes {
        let mut report = Report::new();
        let run = Policy::new().total(2).backoff(Duration::ZERO).any_of::<Busy>().report(&mut report);
        assert!(run.run(|| Err::<(), _>(make())).is_err());
        assert_eq!((report.attempts(), report.stop_reason()), (3, Some(StopReason::Exhausted)));
    }
}

#[retry(total = 2, backoff = 0.0, any_of(Busy))]
async fn in_the_attribute(calls: &mut u32) -> eyre::Result<u32> {
    *calls += 1;
    if *calls < 3 {
        Err(Busy).wrap_err("in the attribute")?;
    }
    Ok(*calls)
}

#[retry(total = 1, backoff = 0.0, attempt_timeout = 0.02)]
async fn never(calls: &mut u32) -> eyre::Result<()> {
    *calls += 1;
    std::future::pending().await
}

#[tokio::test]
async fn the_attribute_retries_reports_and_cuts_them() {
    assert_eq!(in_the_attribute(&mut 0).await.unwrap(), 3);
    let mut calls = 0;
    assert!(never(&mut calls).await.unwrap_err().downcast_ref::<TimedOut>().is_some());
    assert_eq!(calls, 2);
}
