//! The metrics of a run, for the `metrics` crate's recorder.

use ::metrics::{counter, histogram};

use crate::events::word;
use crate::observe::Failed;
use crate::run::StopReason;

pub(crate) fn failed<E>(failure: &Failed<'_, E>) {
    let fault = failure.verdict.fault.name();
    counter!("persevere.failures", "error.type" => fault).increment(1);
    if failure.wait().is_some() {
        counter!("persevere.retries", "error.type" => fault).increment(1);
    }
}

pub(crate) fn ended(reason: StopReason, attempts: u32) {
    match reason {
        StopReason::Succeeded => counter!("persevere.recovered").increment(1),
        _ => counter!("persevere.gave_up", "retry.stop_reason" => word(reason)).increment(1),
    }
    histogram!("persevere.attempts").record(f64::from(attempts));
}
