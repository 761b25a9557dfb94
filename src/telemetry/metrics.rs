//! The metrics of a run, for the `metrics` crate's recorder.

use ::metrics::{Key, Label, Level, Metadata, counter, histogram, with_recorder};

use crate::run::StopReason;
use crate::telemetry::{WORDS, word_index};
use crate::verdict::Fault;

const METADATA: Metadata<'static> = Metadata::new("persevere", Level::INFO, Some("persevere"));

/// The keys of a counter, one for each value of its label. Static, since a key that is made allocates.
macro_rules! keys {
    ($keys:ident, $name:literal, $label:literal, [$($index:literal),*], $words:expr) => {
        static $keys: [Key; [$($index),*].len()] = {
            static LABELS: [[Label; 1]; [$($index),*].len()] =
                [$([Label::from_static_parts($label, $words[$index])]),*];
            [$(Key::from_static_parts($name, &LABELS[$index])),*]
        };
    };
}

keys!(FAILURES, "persevere.failures", "error.type", [0, 1, 2, 3, 4, 5, 6], Fault::NAMES);
keys!(RETRIES, "persevere.retries", "error.type", [0, 1, 2, 3, 4, 5, 6], Fault::NAMES);
keys!(GAVE_UP, "persevere.gave_up", "retry.stop_reason", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], WORDS);

#[cold]
#[inline(never)]
pub(crate) fn failed(fault: Fault) {
    with_recorder(|recorder| recorder.register_counter(&FAILURES[fault as usize], &METADATA).increment(1));
}

/// Counts a failure and the retry after it. It gives the wait back.
#[cold]
#[inline(never)]
pub(crate) fn retried(fault: Fault, wait: u64) -> Option<u64> {
    with_recorder(|recorder| {
        recorder.register_counter(&FAILURES[fault as usize], &METADATA).increment(1);
        recorder.register_counter(&RETRIES[fault as usize], &METADATA).increment(1);
        Some(wait)
    })
}

#[cold]
#[inline(never)]
pub(crate) fn ended(reason: StopReason, attempts: u32) {
    match reason {
        StopReason::Succeeded => counter!("persevere.recovered").increment(1),
        _ => with_recorder(|recorder| {
            recorder.register_counter(&GAVE_UP[word_index(reason)], &METADATA).increment(1);
        }),
    }
    // One whose first attempt was not let through made none.
    if attempts > 0 {
        histogram!("persevere.attempts").record(f64::from(attempts));
    }
}
