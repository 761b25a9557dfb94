//! The metrics of a run, for the `metrics` crate's recorder.

use std::borrow::Cow;
use std::vec;

use ::metrics::{Key, Label, Level, Metadata, with_recorder};

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

/// The key for a run with this name: the static one with a label more.
fn named(key: &'static Key, name: Option<&'static str>) -> Cow<'static, Key> {
    match name {
        None => Cow::Borrowed(key),
        Some(name) => Cow::Owned(key.with_extra_labels(vec![Label::from_static_parts("retry.name", name)])),
    }
}

fn count(key: &'static Key, name: Option<&'static str>) {
    with_recorder(|recorder| recorder.register_counter(&named(key, name), &METADATA).increment(1));
}

#[cold]
#[inline(never)]
pub(crate) fn failed(name: Option<&'static str>, fault: Fault) {
    count(&FAILURES[fault as usize], name);
}

/// Counts a failure and the retry after it. It returns the wait.
#[cold]
#[inline(never)]
#[allow(clippy::unnecessary_wraps)] // It is what the caller returns.
pub(crate) fn retried(name: Option<&'static str>, fault: Fault, wait: u64) -> Option<u64> {
    count(&FAILURES[fault as usize], name);
    count(&RETRIES[fault as usize], name);
    Some(wait)
}

#[cold]
#[inline(never)]
pub(crate) fn ended(name: Option<&'static str>, reason: StopReason, attempts: u32) {
    static RECOVERED: Key = Key::from_static_name("persevere.recovered");
    static ATTEMPTS: Key = Key::from_static_name("persevere.attempts");
    match reason {
        StopReason::Succeeded => count(&RECOVERED, name),
        _ => count(&GAVE_UP[word_index(reason)], name),
    }
    // One whose first attempt was not let through made none.
    if attempts > 0 {
        with_recorder(|recorder| {
            recorder.register_histogram(&named(&ATTEMPTS, name), &METADATA).record(f64::from(attempts));
        });
    }
}
