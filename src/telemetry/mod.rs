//! What a run reports to `tracing` and `metrics` from its first failure on; the page is `guide::events`.

#[cfg(feature = "tracing")]
use crate::observe::Unknown;
use crate::observe::{Failed, Observe};
use crate::run::StopReason;
use crate::verdict::Verdict;

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;

#[cfg(feature = "tracing")]
use self::tracing as trace;

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
            if let Some(unknown) = &failure.unknown {
                trace::unclassified(failure.name, unknown);
            }
            trace::failed(&mut self.trace, failure, observe);
        }
        #[cfg(feature = "metrics")]
        match failure.wait() {
            Some(_) => {
                metrics::retried(failure.name, failure.verdict.fault, 0);
            }
            None => metrics::failed(failure.name, failure.verdict.fault),
        }
    }

    /// Warns of an error that no rule knows, where a run has no observer.
    #[cfg(feature = "tracing")]
    pub(crate) fn unclassified(name: Option<&'static str>, unknown: &Unknown<'_>) {
        if trace::enabled() {
            trace::unclassified(name, unknown);
        }
    }

    /// Tells a failure after which the attempt with the number `due` will be made, and gives the wait back: what is
    /// called last costs its caller no frame, but for a run that is traced.
    #[inline(always)]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
    #[allow(clippy::unnecessary_wraps)] // It is what the caller returns.
    pub(crate) fn retried(
        &mut self,
        name: Option<&'static str>,
        verdict: &Verdict,
        due: u32,
        wait: u64,
        now: u64,
    ) -> Option<u64> {
        #[cfg(feature = "tracing")]
        if trace::enabled() {
            trace::retried(&mut self.trace, name, verdict, due, wait, now);
        }
        #[cfg(feature = "metrics")]
        return metrics::retried(name, verdict.fault, wait);
        #[cfg(not(feature = "metrics"))]
        Some(wait)
    }

    /// Tells the end. How long it took, in nanoseconds, is known only if the run looked at the clock.
    #[inline]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn ended(self, name: Option<&'static str>, reason: StopReason, attempts: u32, elapsed: Option<u64>) {
        #[cfg(feature = "tracing")]
        if let Some(trace) = self.trace {
            trace.ended(name, reason, attempts, elapsed);
        }
        #[cfg(feature = "metrics")]
        metrics::ended(name, reason, attempts);
    }
}

/// The stop reasons as a field or label has them: one word each.
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) const WORDS: [&str; 15] = [
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
    "failing_too_long",
    "unclassified",
    "stopped",
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
        StopReason::FailingTooLong => 12,
        StopReason::Unclassified => 13,
        StopReason::Stopped => 14,
    }
}
