//! The user's own types in boxed errors and in `anyhow::Error`, and errors that no rule knows.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use persevere::testing::VirtualTimer;
use persevere::{Fault, Policy, Report, Retryable, SharedRetry, StopReason, TimedOut, Verdict, guard::Breaker, retry};

use crate::support::{Door, secs, through};

#[derive(Clone, Copy, Debug, thiserror::Error, Retryable)]
enum Busy {
    #[error("busy")]
    #[retry(throttle)]
    Now,
    #[error("closed")]
    #[retry(permanent)]
    Closed,
}

#[derive(Debug, thiserror::Error, Retryable)]
#[error("store failed")]
#[retry(transient)]
struct StoreError(#[source] Busy);

/// Nobody knows it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unknown(&'static str, #[source] Option<Box<dyn Error + Send + Sync>>);

/// Hides what is inside: its source is the inner error's source.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Transparent(Arc<dyn Error + Send + Sync>);

/// Forwards to errors whose type is erased.
#[derive(Debug, thiserror::Error, Retryable)]
enum Own {
    #[error("own")]
    #[retry(forward)]
    Boxed(#[source] Box<dyn Error + Send + Sync>),
    #[error("named")]
    #[retry(forward)]
    Named { inner: anyhow::Error },
    #[error("known")]
    #[retry(permanent)]
    Known,
}

/// How a run with these errors ends, and after how many attempts, with `Busy` and `StoreError` looked for.
fn ends<E>(make: impl Fn() -> E + Copy) -> (Option<StopReason>, u32)
where
    E: fmt::Display + fmt::Debug + 'static,
    persevere::parts::AnyOf<(StoreError, Busy)>: Clone,
    persevere::Retry<Policy, persevere::parts::AnyOf<(StoreError, Busy)>>: persevere::RunsBlocking<(), E>,
{
    let mut report = Report::new();
    let timer = VirtualTimer::new();
    let run = Policy::new().total(1).any_of::<(StoreError, Busy)>();
    let mut calls = 0;
    let _ = run.timer(timer).report(&mut report).run(|| {
        calls += 1;
        Err::<(), E>(make())
    });
    assert_eq!(report.attempts(), calls);
    (report.stop_reason(), calls)
}

const RETRIED: (Option<StopReason>, u32) = (Some(StopReason::Exhausted), 2);
const PERMANENT: (Option<StopReason>, u32) = (Some(StopReason::Permanent), 1);
const UNCLASSIFIED: (Option<StopReason>, u32) = (Some(StopReason::Unclassified), 1);

#[test]
fn ones_own_types_are_found_in_every_kind_of_box() {
    assert_eq!(ends::<Box<dyn Error>>(|| Busy::Now.into()), RETRIED);
    assert_eq!(ends::<Box<dyn Error + Send>>(|| Box::new(Busy::Now)), RETRIED);
    assert_eq!(ends::<Box<dyn Error + Send + Sync>>(|| Busy::Now.into()), RETRIED);
    assert_eq!(ends::<anyhow::Error>(|| Busy::Now.into()), RETRIED);
    assert_eq!(ends::<Box<dyn Error>>(|| Busy::Closed.into()), PERMANENT);
    assert_eq!(ends::<anyhow::Error>(|| Busy::Closed.into()), PERMANENT);
}

#[test]
fn ones_own_types_are_found_below_others_and_the_outermost_decides() {
    let below = || Unknown("outer", Some(Busy::Now.into()));
    assert_eq!(ends::<Box<dyn Error>>(|| below().into()), RETRIED);
    assert_eq!(ends::<anyhow::Error>(|| below().into()), RETRIED);
    // `StoreError` is transient, whatever its cause.
    assert_eq!(ends::<Box<dyn Error>>(|| StoreError(Busy::Closed).into()), RETRIED);
    let context = || Err::<(), _>(Busy::Now).context("while storing").unwrap_err();
    assert_eq!(ends::<anyhow::Error>(context), RETRIED);
    let nested = || Err::<(), _>(StoreError(Busy::Closed)).context("a").context("b").unwrap_err();
    assert_eq!(ends::<anyhow::Error>(nested), RETRIED);
}

#[test]
fn a_type_that_is_a_context_or_was_boxed_before_is_found_too() {
    let as_context = || anyhow::anyhow!("root").context(Busy::Now);
    assert_eq!(ends::<anyhow::Error>(as_context), RETRIED);
    let boxed: fn() -> anyhow::Error = || anyhow::Error::from_boxed(Box::new(Busy::Now));
    assert_eq!(ends::<anyhow::Error>(boxed), RETRIED);
    // The report's own chain has the causes of the error in the box, and not that error.
    let nested: fn() -> anyhow::Error = || anyhow::Error::from_boxed(Box::new(StoreError(Busy::Closed))).context("a");
    assert_eq!(ends::<anyhow::Error>(nested), RETRIED);
    let timeout = Unknown("inner", Some(io::Error::from(io::ErrorKind::TimedOut).into()));
    let refused = io::Error::new(io::ErrorKind::ConnectionRefused, timeout);
    assert_eq!(anyhow::Error::from_boxed(Box::new(refused)).verdict().fault(), Fault::Connect);
}

#[test]
fn shared_and_transparent_errors_hide_nothing() {
    let reset = || -> Arc<dyn Error + Send + Sync> { Arc::new(io::Error::from(io::ErrorKind::ConnectionReset)) };
    assert_eq!(ends::<Box<dyn Error>>(|| Box::new(Transparent(Arc::new(Busy::Now)))), UNCLASSIFIED);
    let shared: Box<dyn Error> = Box::new(reset());
    assert_eq!(shared.verdict().fault(), Fault::Read);
    let below: Box<dyn Error> = Box::new(Unknown("outer", Some(Box::new(reset()))));
    assert_eq!(below.verdict().fault(), Fault::Read);
}

/// The source of a box or an `Arc` is that of the error in it, which is then left out of the chain.
#[test]
fn a_known_error_that_is_boxed_or_shared_as_a_source_is_found() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Around<E: Error + 'static>(#[source] E);

    fn assert_found<E: Error + Retryable + 'static>(make: impl Fn() -> E) {
        let expected = make().verdict();
        assert!(!expected.is_unclassified());
        for error in [
            Box::new(Around(make())) as Box<dyn Error>,
            Box::new(Around(Box::new(make()))),
            Box::new(Around(Arc::new(make()))),
            Box::new(Box::new(make())),
            Box::new(Arc::new(make())),
        ] {
            assert_eq!(error.verdict(), expected, "{error:?}");
        }
    }
    assert_found(|| io::Error::from(io::ErrorKind::ConnectionReset));
    assert_found(|| io::Error::other(TimedOut::new(secs(1))));
    assert_found(|| TimedOut::new(secs(1)));
    assert_found(|| {
        let breaker = Breaker::new().min_outcomes(1);
        breaker.admit(secs(1)).unwrap().failed(secs(1));
        breaker.admit(secs(2)).unwrap_err()
    });
    assert_found(tower::load_shed::error::Overloaded::new);
    assert_found(|| {
        persevere::http::error_for_status(http::Response::builder().status(503).body(()).unwrap()).unwrap_err()
    });
}

#[test]
fn the_types_that_the_crate_knows_decide_where_none_of_ones_own_is_found() {
    assert_eq!(ends::<Box<dyn Error>>(|| io::Error::from(io::ErrorKind::TimedOut).into()), RETRIED);
    assert_eq!(ends::<Box<dyn Error>>(|| io::Error::from(io::ErrorKind::NotFound).into()), PERMANENT);
    assert_eq!(ends::<anyhow::Error>(|| io::Error::from(io::ErrorKind::TimedOut).into()), RETRIED);
}

#[test]
fn an_error_that_no_rule_knows_says_so_through_every_entry_point() {
    assert_eq!(ends::<Box<dyn Error>>(|| Unknown("no", None).into()), UNCLASSIFIED);
    assert_eq!(ends::<anyhow::Error>(|| anyhow::anyhow!("no")), UNCLASSIFIED);
    for door in Door::ALL {
        let mut report = Report::new();
        let outcome: Result<(), Box<dyn Error>> =
            through!(door, Policy::new().report(&mut report), || Err(Box::<dyn Error>::from("no")));
        assert_eq!(outcome.unwrap_err().to_string(), "no");
        assert_eq!(report.stop_reason(), Some(StopReason::Unclassified), "{door:?}");
        assert_eq!(report.attempts(), 1, "{door:?}");
    }
    // An `io::Error` around one is no better known than the one inside.
    assert_eq!(io::Error::other("no").verdict(), Verdict::unclassified());
    assert_eq!(io::Error::from(io::ErrorKind::Other).verdict(), Verdict::permanent());
}

#[test]
fn a_report_says_what_was_looked_for_in_an_error_that_no_rule_knows() {
    macro_rules! of {
        ($make:expr) => {{
            let mut report = Report::new();
            let run = Policy::new().any_of::<(Busy, StoreError)>().report(&mut report);
            assert!(run.run(|| Err::<(), _>($make)).is_err());
            report
        }};
    }
    fn check(report: &Report, type_name: &str, chain: &str) {
        let unclassified = report.unclassified().unwrap();
        assert_eq!((unclassified.type_name(), unclassified.chain()), (type_name, chain));
        assert!(unclassified.own_types().eq([std::any::type_name::<Busy>(), std::any::type_name::<StoreError>()]));
        for known in ["std", "persevere", "tokio 1", "tower 0.5"] {
            assert!(unclassified.known_crates().contains(&known), "{known}");
        }
        let line = report.to_string();
        assert!(line.contains("; nothing is known about ") && line.contains("StoreError, std, "), "{line}");
    }
    let boxed = of!(Box::<dyn Error>::from(Unknown("outer", Some("inner".into()))));
    check(&boxed, "alloc::boxed::Box<dyn core::error::Error>", "outer: inner");
    let below = || Unknown("outer", Some(Unknown("at https://me:secret@host/?token=x", None).into()));
    check(&of!(anyhow::Error::new(below()).context("a")), "anyhow::Error", "a: outer: at https://***@host/?…");
    check(&of!(anyhow::Error::from_boxed(Unknown("hidden", None).into())), "anyhow::Error", "hidden");

    // Without `any_of`, through every entry point, shared ones too.
    for door in Door::ALL {
        let mut report = Report::new();
        let fails = || Err::<(), _>(io::Error::other("no"));
        through!(door, Policy::new().report(&mut report), fails).unwrap_err();
        let unclassified = report.unclassified().unwrap();
        assert_eq!((unclassified.type_name(), unclassified.chain()), ("std::io::error::Error", "no"), "{door:?}");
        assert_eq!(unclassified.own_types().count(), 0);
    }
    let shared = Policy::new().any_of::<Busy>().shared::<anyhow::Error>();
    let mut report = Report::new();
    let _ = shared.report(&mut report).run(|| Err::<(), _>(anyhow::anyhow!("no")));
    assert!(report.unclassified().unwrap().own_types().eq([std::any::type_name::<Busy>()]));

    // An error of one's own that forwards to a boxed one says what is in it.
    for own in [|| Own::Boxed("inner".into()), || Own::Named { inner: anyhow::anyhow!("inner") }] {
        let _ = Policy::new().report(&mut report).run(|| Err::<(), _>(own()));
        let unclassified = report.unclassified().unwrap();
        assert_eq!((unclassified.type_name(), unclassified.chain()), (std::any::type_name::<Own>(), "inner"));
    }
    let _ = Policy::new().report(&mut report).run(|| Err::<(), _>(Own::Known));
    assert!(report.unclassified().is_none());

    // A later run overwrites it, and an error that a rule knows leaves none.
    let _ = Policy::new().report(&mut report).run(|| Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)));
    assert!(report.unclassified().is_none());
    // A classifier of one's own may say so, too.
    let _ = Policy::new()
        .when(|(): &()| Verdict::unclassified())
        .report_with(&mut report, |(), _: &mut _| Ok(()))
        .run(|| Err::<(), _>(()));
    assert_eq!(
        report.unclassified().map(|unclassified| (unclassified.type_name(), unclassified.chain())),
        Some(("()", ""))
    );
}

#[retry(total = 2, backoff = 0.0, any_of(Busy, StoreError))]
fn in_a_blocking_attribute(calls: &mut u32) -> anyhow::Result<u32> {
    *calls += 1;
    if *calls < 3 {
        Err(Busy::Now).context("in the attribute")?;
    }
    Ok(*calls)
}

#[retry(total = 2, backoff = 0.0, any_of(Busy))]
async fn in_an_async_attribute(calls: &mut u32) -> Result<u32, Box<dyn Error + Send + Sync>> {
    *calls += 1;
    if *calls < 3 {
        Err(Busy::Now)?;
    }
    Ok(*calls)
}

#[tokio::test]
async fn the_attribute_looks_for_ones_own_types() {
    let mut calls = 0;
    assert_eq!(in_a_blocking_attribute(&mut calls).unwrap(), 3);
    assert_eq!(calls, 3);
    assert_eq!(in_an_async_attribute(&mut 0).await.unwrap(), 3);
}

#[test]
fn a_shared_retry_keeps_what_it_looks_for() {
    let timer = VirtualTimer::new();
    let shared: SharedRetry<anyhow::Error, Policy, _, VirtualTimer> =
        Policy::new().any_of::<Busy>().timer(timer).shared();
    let mut calls = 0;
    let outcome = retry(shared, || {
        calls += 1;
        if calls < 3 { Err(Busy::Now.into()) } else { Ok(()) }
    });
    assert!(outcome.is_ok());
}
