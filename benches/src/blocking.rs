//! The blocking rows.

use std::thread::sleep;

use crate::operation::{Failure, Outcome};
use crate::{CAP, RETRIES, ZERO};

/// A way to run a blocking operation.
pub trait Row {
    /// How it is called in the tables.
    const NAME: &'static str;
    /// The crate that it comes from, if any.
    const CRATE: Option<&'static str>;
    /// Whether it stops after three retries by itself.
    const LIMITED: bool = true;

    /// Runs the operation: at most 3 retries without a wait, for transient failures only.
    fn run<F: FnMut() -> Outcome>(operation: F) -> Outcome;
}

/// Calls a macro with all blocking rows.
#[macro_export]
macro_rules! blocking_rows {
    ($with:ident) => {
        $with! {
            $crate::blocking::HandWritten,
            $crate::blocking::Function,
            $crate::blocking::InPlace,
            $crate::blocking::Attribute,
            $crate::blocking::Backon,
            $crate::blocking::Backoff,
            $crate::blocking::Retry,
            $crate::blocking::ExponentialBackoff,
        }
    };
}

macro_rules! row {
    ($row:ident, $name:literal, $from:expr $(, $limited:ident = $value:literal)?; |$operation:ident| $body:expr) => {
        #[doc = $name]
        #[derive(Debug)]
        pub struct $row;

        impl Row for $row {
            const NAME: &'static str = $name;
            const CRATE: Option<&'static str> = $from;
            $(const $limited: bool = $value;)?

            #[inline]
            #[allow(unused_mut)]
            fn run<F: FnMut() -> Outcome>(mut $operation: F) -> Outcome {
                $body
            }
        }
    };
}

/// The call without any retry, to see what the others add.
#[inline]
pub fn bare<F: FnMut() -> Outcome>(mut operation: F) -> Outcome {
    operation()
}

row!(HandWritten, "hand-written loop", None; |operation| {
    let mut wait = ZERO;
    let mut retries = 0;
    loop {
        match operation() {
            Err(error) if error.is_transient() && retries < RETRIES => {
                retries += 1;
                if !wait.is_zero() {
                    sleep(wait);
                }
                wait = wait.saturating_mul(2).min(CAP);
            }
            outcome => return outcome,
        }
    }
});

const POLICY: persevere::Policy = persevere::Policy::new()
    .total(RETRIES)
    .backoff(ZERO)
    .immediate_first(false)
    .max_wait(CAP)
    .jitter(persevere::Jitter::None)
    .valid();

row!(Function, "persevere `retry`", Some("persevere"); |operation| persevere::retry(POLICY, operation));

row!(InPlace, "persevere `retry!`", Some("persevere"); |operation| persevere::prelude::retry!(POLICY, operation()));

row!(Attribute, "persevere `#[retry]`", Some("persevere"); |operation| {
    #[persevere::retry(total = 3, backoff = 0, immediate_first = false, max_wait = 120, jitter = none)]
    #[inline]
    fn attempt<F: FnMut() -> Outcome>(operation: &mut F) -> Outcome {
        operation()
    }
    attempt(&mut operation)
});

row!(Backon, "backon", Some("backon"); |operation| {
    use backon::BlockingRetryable;

    let backoff = backon::ExponentialBuilder::new()
        .with_min_delay(ZERO)
        .with_max_delay(CAP)
        .with_factor(2.0)
        .with_max_times(RETRIES as usize);
    operation.retry(backoff).when(Failure::is_transient).call()
});

/// The backoff crate's policy; it has no limit on retries.
pub(crate) fn backoff(base: std::time::Duration) -> backoff::ExponentialBackoff {
    backoff::ExponentialBackoffBuilder::new()
        .with_initial_interval(base)
        .with_randomization_factor(0.0)
        .with_multiplier(2.0)
        .with_max_interval(CAP)
        .with_max_elapsed_time(None)
        .build()
}

/// The backoff crate's own error, which carries the classification.
#[inline]
pub(crate) fn marked(error: Failure) -> backoff::Error<Failure> {
    if error.is_transient() { backoff::Error::transient(error) } else { backoff::Error::permanent(error) }
}

row!(Backoff, "backoff", Some("backoff"), LIMITED = false; |operation| {
    backoff::retry(backoff(ZERO), || operation().map_err(marked)).map_err(|error| match error {
        backoff::Error::Permanent(error) | backoff::Error::Transient { err: error, .. } => error,
    })
});

row!(Retry, "retry", Some("retry"); |operation| {
    use retry::OperationResult;

    let waits = retry::delay::Exponential::from_millis(0).map(|wait| wait.min(CAP)).take(RETRIES as usize);
    retry::retry(waits, || match operation() {
        Ok(value) => OperationResult::Ok(value),
        Err(error) if error.is_transient() => OperationResult::Retry(error),
        Err(error) => OperationResult::Err(error),
    })
    .map_err(|error| error.error)
});

/// exponential-backoff's policy, whose number counts attempts.
pub(crate) fn exponential_backoff(base: std::time::Duration) -> exponential_backoff::Backoff {
    let mut backoff = exponential_backoff::Backoff::new(RETRIES + 1, base, CAP);
    backoff.set_jitter(0.0);
    backoff
}

row!(ExponentialBackoff, "exponential-backoff", Some("exponential-backoff"); |operation| {
    for wait in exponential_backoff(ZERO) {
        match (operation(), wait) {
            (Err(error), Some(wait)) if error.is_transient() => sleep(wait),
            (outcome, _) => return outcome,
        }
    }
    Err(Failure::Gone)
});
