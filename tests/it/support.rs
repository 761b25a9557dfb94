//! What several modules need: errors that carry their verdict, random rules, and one call for every door.

#![allow(dead_code, unused_macros, unused_imports)] // With fewer features fewer modules use it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use persevere::{Backoff, Fault, Jitter, Reached, Rejected, Retryable, TimedOut, Verdict};
use proptest::prelude::*;

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An error that is what its verdict says, and can be told from others by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) number: u32,
    pub(crate) verdict: Verdict,
}

impl Failed {
    pub(crate) const fn new(number: u32, verdict: Verdict) -> Self {
        Self { number, verdict }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {}", self.number)
    }
}

impl Error for Failed {}

impl Retryable for Failed {
    fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// The number of every error that a timeout made.
pub(crate) const CUT: u32 = u32::MAX;

impl From<TimedOut> for Failed {
    fn from(timed_out: TimedOut) -> Self {
        Self::new(CUT, timed_out.verdict())
    }
}

/// The number of every error that a breaker or a throttle made.
pub(crate) const REJECTED: u32 = u32::MAX - 1;

impl From<Rejected> for Failed {
    fn from(rejected: Rejected) -> Self {
        Self::new(REJECTED, rejected.verdict())
    }
}

pub(crate) const fn transient() -> Failed {
    Failed::new(0, Verdict::transient())
}

pub(crate) const fn permanent() -> Failed {
    Failed::new(0, Verdict::permanent())
}

pub(crate) const FAULTS: [Fault; 7] =
    [Fault::Connect, Fault::Timeout, Fault::Read, Fault::Status, Fault::Throttle, Fault::Redirect, Fault::Other];

pub(crate) fn any_fault() -> impl Strategy<Value = Fault> {
    proptest::sample::select(&FAULTS)
}

/// Times of every size: zero, nanoseconds, a life's, and the end of all.
pub(crate) fn any_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        2 => Just(Duration::ZERO),
        2 => Just(Duration::MAX),
        8 => (0_u64..100).prop_map(Duration::from_secs),
        8 => (0_u64..10_000).prop_map(Duration::from_millis),
        4 => any::<u64>().prop_map(Duration::from_nanos),
        2 => (0_u64..100).prop_map(Duration::from_nanos),
    ]
}

/// Mostly transient, with every fault, reach and hint.
pub(crate) fn any_verdict() -> impl Strategy<Value = Verdict> {
    (proptest::bool::weighted(0.95), any_fault(), any::<bool>(), proptest::option::weighted(0.3, any_time())).prop_map(
        |(transient, fault, maybe, hint)| {
            let reached = if maybe { Reached::Maybe } else { Reached::No };
            let verdict = Verdict::from(transient).with_fault(fault).with_reached(reached);
            hint.map_or(verdict, |hint| verdict.with_hint(hint))
        },
    )
}

pub(crate) fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated),
        any_time().prop_map(Jitter::Additive),
    ]
}

pub(crate) fn any_factor() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(2.0),
        4 => 1.0..20.0,
        1 => Just(1.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NAN),
        1 => Just(0.5),
        1 => Just(-1.0),
        1 => Just(1e300),
    ]
}

/// Any backoff that can be built, sense or nonsense, with its cap.
pub(crate) fn any_backoff() -> impl Strategy<Value = (Backoff, Duration)> {
    (any_time(), any_time(), any_jitter(), any_factor(), any::<bool>(), any::<u64>(), 0..4).prop_map(
        |(base, max, jitter, factor, immediate, seed, growth)| {
            let backoff = match growth {
                0 => Backoff::new(base),
                1 => Backoff::constant(base),
                2 => Backoff::linear(base),
                _ => Backoff::fibonacci(base),
            };
            (backoff.factor(factor).max_wait(max).jitter(jitter).immediate_first(immediate).seed(seed), max)
        },
    )
}

/// Every way to start a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Retry,
    Run,
    RunWith,
    RetryMacro,
    RetryMacroTold,
    RetryAsync,
    RunAsync,
    RunAsyncWith,
    RetryAsyncMacro,
    RetryAsyncMacroTold,
}

impl Door {
    pub(crate) const ALL: [Self; 10] = [
        Self::Retry,
        Self::Run,
        Self::RunWith,
        Self::RetryMacro,
        Self::RetryMacroTold,
        Self::RetryAsync,
        Self::RunAsync,
        Self::RunAsyncWith,
        Self::RetryAsyncMacro,
        Self::RetryAsyncMacroTold,
    ];
}

impl Door {
    pub(crate) const ASYNC: [Self; 5] =
        [Self::RetryAsync, Self::RunAsync, Self::RunAsyncWith, Self::RetryAsyncMacro, Self::RetryAsyncMacroTold];
}

/// Runs a closure that makes futures through an async door, within an async block. The run is prepared anew in each
/// arm, of which one is taken.
macro_rules! awaited {
    ($door:expr, $retry:expr, $operation:expr) => {{
        use $crate::support::Door;

        let mut operation = $operation;
        match $door {
            Door::RetryAsync => ::persevere::retry_async($retry, &mut operation).await,
            Door::RunAsync => ::persevere::parts::IntoRetry::into_retry($retry).run_async(&mut operation).await,
            Door::RunAsyncWith => {
                ::persevere::parts::IntoRetry::into_retry($retry).run_async_with(|_| operation()).await
            }
            Door::RetryAsyncMacro => ::persevere::retry_async!($retry, operation().await),
            _ => ::persevere::retry_async!($retry, |_attempt| operation().await),
        }
    }};
}
pub(crate) use awaited;

/// Runs a blocking closure through a door. The run is prepared anew in each arm, of which one is taken.
macro_rules! through {
    ($door:expr, $retry:expr, $operation:expr) => {{
        use ::persevere::prelude::retry as retry_in_place;
        use $crate::support::Door;

        let operation = ::std::cell::RefCell::new($operation);
        #[allow(clippy::redundant_closure)]
        let call = || (operation.borrow_mut())();
        match $door {
            Door::Retry => ::persevere::retry($retry, call),
            Door::Run => ::persevere::parts::IntoRetry::into_retry($retry).run(call),
            Door::RunWith => ::persevere::parts::IntoRetry::into_retry($retry).run_with(|_| call()),
            Door::RetryMacro => retry_in_place!($retry, call()),
            Door::RetryMacroTold => retry_in_place!($retry, |_attempt| call()),
            _ => ::futures::executor::block_on(async {
                match $door {
                    Door::RetryAsync => ::persevere::retry_async($retry, || async { call() }).await,
                    Door::RunAsync => {
                        ::persevere::parts::IntoRetry::into_retry($retry).run_async(|| async { call() }).await
                    }
                    Door::RunAsyncWith => {
                        ::persevere::parts::IntoRetry::into_retry($retry).run_async_with(|_| async { call() }).await
                    }
                    Door::RetryAsyncMacro => ::persevere::retry_async!($retry, call()),
                    _ => ::persevere::retry_async!($retry, |_attempt| call()),
                }
            }),
        }
    }};
}
pub(crate) use through;

/// Texts with a URL that has secrets, in all of which stands `SECRET`: delimiters around the URL, and inside what is
/// secret.
pub(crate) fn texts_with_secrets() -> Vec<String> {
    let mut texts = Vec::new();
    for (open, close) in
        [("", ""), ("(", ")"), ("[", "]"), ("'", "'"), ("\"", "\""), ("<", ">"), ("`", "`"), (", ", ", ")]
    {
        for sign in ["", "(", ")", "[x]", "'", "\"", " ", "\t", "\n", "\0", ",", ";", "@", "%20", "é", "<", "\u{2028}"]
        {
            for url in [
                format!("https://host/q?filter={sign}x{sign}&token={sign}SECRET{sign}"),
                format!("https://host?{sign}SECRET"),
                format!("https://host/#{sign}SECRET"),
                format!("postgres://me:{sign}SECRET{sign}@host/db"),
                format!("ftp://{sign}SECRET{sign}@host/"),
                format!("http://proxy/http://me:x{sign}SECRET@host/"),
            ] {
                texts.push(format!("GET {open}{url}{close} failed"));
            }
        }
    }
    texts
}
