//! Events and metrics: what every run tells by itself, from its first failure on.
//!
//! With the feature `tracing` a run whose first attempt fails opens a span and tells each failure and its end; with
//! `metrics` it counts. Neither needs a line in your code, neither changes a bound, and for a run that succeeds at once
//! neither tells anything, allocates anything or looks at a clock.
//!
//! # Events
//!
//! The target is `persevere`. The span is named `retry`, its level is INFO, and its parent is the span that is current
//! at the first failure. It is open until the run ends or is dropped; operations are not run inside of it. Names that
//! OpenTelemetry has are OpenTelemetry's; times are seconds, as OpenTelemetry has them.
//!
//! | field | of | what |
//! |---|---|---|
//! | `retry.attempt` | failure | the attempt's number, 1 for the first |
//! | `error.type` | failure, span | the [fault](crate::Fault): `connect`, `timeout`, …; on the span, the last one's, if the run gave up |
//! | `http.response.status_code` | failure | the answer's status, where there was one |
//! | `retry.wait` | failure | seconds until the next attempt; absent if there is none |
//! | `retry.nested` | failure | `true` if a run inside the attempt gave up; asked only with a report, [`Retry::events`](crate::Retry::events) or [`Retry::nested`](crate::Retry::nested) |
//! | `retry.hint` | failure | seconds that the server asked for, if it did |
//! | `exception.message` | failure | the error's text, only with [`Retry::events`](crate::Retry::events) |
//! | `retry.attempts` | end, span | how many attempts were made |
//! | `retry.elapsed` | end | seconds that the run took, if the run looked at the clock at its start: with a report, a deadline or [`Retry::events`](crate::Retry::events) |
//! | `retry.stop_reason` | end, span | `succeeded`, `exhausted`, `permanent`, … |
//!
//! The failures' level is INFO. The end's is WARN if the run gave up on a failure that could have gone away, else INFO.
//! A run that is dropped has no end.
//!
//! # Metrics
//!
//! They go to the recorder of the `metrics` crate. Labels are the fault and the stop reason, never an error's text.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `persevere.failures` (counter) | `error.type` | failed attempts |
//! | `persevere.retries` (counter) | `error.type` | failures after which a retry was decided |
//! | `persevere.recovered` (counter) | | runs that failed and then succeeded |
//! | `persevere.gave_up` (counter) | `retry.stop_reason` | runs that ended with a failure, or that a breaker or a throttle let make no attempt |
//! | `persevere.attempts` (histogram) | | attempts of each run that failed at least once |

// The builder has `events` with the feature only.
#![cfg_attr(not(feature = "tracing"), allow(rustdoc::broken_intra_doc_links))]

use crate::observe::{Failed, Observe};
use crate::retryable::Verdict;
use crate::run::StopReason;

#[cfg(feature = "metrics")]
use crate::metrics;
#[cfg(feature = "tracing")]
use crate::trace;

/// What a run keeps for its events: nothing until it fails, and nothing at all without the feature.
#[derive(Debug)]
pub(crate) struct Events {
    // Boxed: each byte here is a byte of every future, and only a run that fails has a span.
    #[cfg(feature = "tracing")]
    trace: Option<std::boxed::Box<trace::Trace>>,
}

impl Events {
    pub(crate) const ON: bool = cfg!(any(feature = "tracing", feature = "metrics"));

    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            trace: None,
        }
    }

    /// Tells a failure.
    #[inline(always)]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn failed<E, O: Observe<E>>(&mut self, failure: &Failed<'_, E>, observe: &O) {
        #[cfg(feature = "tracing")]
        if trace::enabled() {
            trace::failed(&mut self.trace, failure, observe);
        }
        #[cfg(feature = "metrics")]
        match failure.wait() {
            Some(_) => {
                metrics::retried(failure.verdict.fault, 0);
            }
            None => metrics::failed(failure.verdict.fault),
        }
    }

    /// Tells a failure after which the attempt with the number `due` will be made, and gives the wait back: what is
    /// called last costs its caller no frame, but for a run that is traced.
    #[inline(always)]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
    #[allow(clippy::unnecessary_wraps)] // It is what the caller returns.
    pub(crate) fn retried(&mut self, verdict: &Verdict, due: u32, wait: u64, now: u64) -> Option<u64> {
        #[cfg(feature = "tracing")]
        if trace::enabled() {
            trace::retried(&mut self.trace, verdict, due, wait, now);
        }
        #[cfg(feature = "metrics")]
        return metrics::retried(verdict.fault, wait);
        #[cfg(not(feature = "metrics"))]
        Some(wait)
    }

    /// Tells the end. How long it took, in nanoseconds, is known only if the run looked at the clock.
    #[inline]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn ended(self, reason: StopReason, attempts: u32, elapsed: Option<u64>) {
        #[cfg(feature = "tracing")]
        if let Some(trace) = self.trace {
            trace.ended(reason, attempts, elapsed);
        }
        #[cfg(feature = "metrics")]
        metrics::ended(reason, attempts);
    }
}

/// The stop reasons as a field or label has them: one word each.
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) const WORDS: [&str; 12] = [
    "succeeded",
    "permanent",
    "not_idempotent",
    "body_not_replayable",
    "exhausted",
    "limit_reached",
    "hint_too_long",
    "deadline_exceeded",
    "budget_exhausted",
    "breaker_open",
    "throttled",
    "nested",
];

/// The place of this reason's word among [`WORDS`].
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) const fn word_index(reason: StopReason) -> usize {
    match reason {
        StopReason::Succeeded => 0,
        StopReason::Permanent => 1,
        StopReason::NotIdempotent => 2,
        StopReason::BodyNotReplayable => 3,
        StopReason::Exhausted => 4,
        StopReason::LimitReached(_) => 5,
        StopReason::HintTooLong { .. } => 6,
        StopReason::DeadlineExceeded => 7,
        StopReason::BudgetExhausted => 8,
        StopReason::BreakerOpen => 9,
        StopReason::Throttled => 10,
        StopReason::Nested => 11,
    }
}
