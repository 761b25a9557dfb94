//! The events of a run, for `tracing`.

use core::convert::Infallible;
use core::fmt;
use std::boxed::Box;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tracing::field::Empty;
use tracing::{Span, info, info_span, warn};

use crate::observe::around::Scoped;
use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, Unknown};
use crate::report::line::{Redacted, Text};
use crate::report::{Describe, Described};
use crate::run::{Decision, StopReason};
use crate::telemetry::{WORDS, word_index};
use crate::time::nanos;
use crate::verdict::{Fault, Verdict};

/// A run's span, from its first failure on.
#[derive(Debug)]
pub(crate) struct Trace {
    span: Span,
    /// The last failure's.
    fault: Fault,
}

impl Trace {
    fn new(name: Option<&'static str>) -> Self {
        let span = info_span!(
            target: "persevere",
            "retry",
            "retry.name" = name,
            "retry.attempts" = Empty,
            "retry.stop_reason" = Empty,
            "error.type" = Empty,
        );
        Self { span, fault: Fault::Other }
    }
}

/// Whether anybody may listen, if only to the end, which may be a warning: one load, where nobody does.
#[inline(always)]
pub(crate) fn enabled() -> bool {
    tracing::level_enabled!(tracing::Level::WARN)
}

/// Tells a failure, and opens the span if it is the first.
#[cold]
#[inline(never)]
pub(crate) fn failed<E, O: Observe<E>>(trace: &mut Option<Box<Trace>>, failure: &Failed<'_, E>, observe: &O) {
    trace.get_or_insert_with(|| Box::new(Trace::new(failure.name))).failed(failure, observe);
}

#[cold]
#[inline(never)]
pub(crate) fn retried(
    trace: &mut Option<Box<Trace>>,
    name: Option<&'static str>,
    verdict: &Verdict,
    due: u32,
    wait: u64,
    now: u64,
) {
    let next = Decision::Wait(nanos::duration(wait));
    let failure = Failed::<Infallible> {
        name,
        attempt: due - 1,
        verdict: *verdict,
        next,
        now,
        nested: false,
        error: None,
        unknown: None,
    };
    failed(trace, &failure, &());
}

impl Trace {
    fn failed<E, O: Observe<E>>(&mut self, failure: &Failed<'_, E>, observe: &O) {
        self.fault = failure.verdict.fault;
        if !tracing::enabled!(target: "persevere", tracing::Level::INFO) {
            return;
        }
        let mut text = Redacted::new(Text::<96>::new());
        let told = failure.error.is_some_and(|error| observe.text(error, &mut text));
        let text = text.finish();
        info!(
            target: "persevere",
            parent: &self.span,
            {
                "retry.name" = failure.name,
                "retry.attempt" = failure.attempt,
                "error.type" = self.fault.name(),
                "http.response.status_code" = failure.verdict.status(),
                "retry.wait" = failure.wait().map(|wait| wait.as_secs_f64()),
                "retry.nested" = failure.nested.then_some(true),
                "retry.hint" = failure.verdict.hint().map(|hint| hint.as_secs_f64()),
                "exception.message" = told.then(|| text.as_str()),
            },
            "attempt failed"
        );
    }

    #[cold]
    pub(crate) fn ended(&self, name: Option<&'static str>, reason: StopReason, attempts: u32, elapsed: Option<u64>) {
        let Self { span, fault } = self;
        let elapsed = elapsed.map(|elapsed| nanos::duration(elapsed).as_secs_f64());
        let reason_word = WORDS[word_index(reason)];
        span.record("retry.attempts", attempts).record("retry.stop_reason", reason_word);
        if reason != StopReason::Succeeded {
            span.record("error.type", fault.name());
        }
        macro_rules! end {
            ($level:ident, $message:literal) => {
                // A span that no filter lets through is no parent: that would be the caller's.
                if span.is_disabled() {
                    end!($level, $message,)
                } else {
                    end!($level, $message, parent: span,)
                }
            };
            ($level:ident, $message:literal, $($parent:tt)*) => {
                $level!(
                    target: "persevere",
                    $($parent)*
                    { "retry.name" = name, "retry.attempts" = attempts, "retry.elapsed" = elapsed, "retry.stop_reason" = reason_word },
                    $message
                )
            };
        }
        match reason {
            StopReason::Succeeded => end!(info, "succeeded after retries"),
            // Of an error that no rule knows there was a warning.
            StopReason::Permanent | StopReason::Unclassified => end!(info, "not retried"),
            StopReason::Stopped => end!(info, "told to stop"),
            _ => end!(warn, "gave up"),
        }
    }
}

/// Warns of an error that no rule knows: once for each name and type of error, or the warning would be all that a log has.
#[cold]
#[inline(never)]
pub(crate) fn unclassified(name: Option<&'static str>, unknown: &Unknown<'_>) {
    static WARNED: Mutex<BTreeSet<(Option<&str>, &str)>> = Mutex::new(BTreeSet::new());
    /// A program that makes names without end must not fill its memory. It is warned each time.
    const MOST: usize = 1024;
    if !tracing::enabled!(target: "persevere", tracing::Level::WARN) {
        return;
    }
    {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name, unknown.type_name);
        if warned.contains(&key) || warned.len() < MOST && !warned.insert(key) {
            return;
        }
    }
    warn!(
        target: "persevere",
        {
            "retry.name" = name,
            "exception.type" = unknown.type_name,
            "retry.own_types" = unknown.erased.as_ref().and_then(|erased| erased.own),
        },
        "not retried: no rule knows this error. Name your types with `any_of`, decide with `when`, or turn on its crate's feature"
    );
}

/// Gives the events an error's text, and the clock.
#[derive(Clone, Copy)]
pub struct Telling<D> {
    describe: D,
    started: u64,
}

impl<D> Telling<D> {
    pub(crate) const fn new(describe: D) -> Self {
        Self { describe, started: 0 }
    }

    /// Writes the error's text in another way.
    pub(crate) fn map<U>(self, describe: impl FnOnce(D) -> U) -> Telling<U> {
        Telling { describe: describe(self.describe), started: self.started }
    }
}

impl<D> fmt::Debug for Telling<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telling")
    }
}

impl<D> Observer for Telling<D> {
    const CLOCK: bool = true;
    type Around = Scoped;
    type Refusal = Never;
    no_word!();

    fn started(&mut self, now: u64, _: Option<&'static str>) {
        self.started = now;
    }

    fn since(&self) -> Option<u64> {
        Some(self.started)
    }
}

impl<E, D: Describe<E>> Observe<E> for Telling<D> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}

    fn text(&self, error: &E, to: &mut dyn fmt::Write) -> bool {
        // A description that fails leaves what it wrote so far.
        let _ = write!(to, "{}", Described(&self.describe, error));
        true
    }
}
