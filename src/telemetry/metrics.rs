//! The metrics of a run, for the `metrics` crate's recorder.

use core::cell::RefCell;
use core::ptr;
use std::thread_local;
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
keys!(GAVE_UP, "persevere.gave_up", "retry.stop_reason", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], WORDS);

/// How many keys with a name a thread keeps.
const KEPT: usize = 32;

/// A key, a run's name, and the key with the name for a label.
type Named = (&'static Key, &'static str, Key);

thread_local! {
    /// The keys with a name that were used last, each at the place that the addresses of key and name give it. To make one
    /// takes two allocations, also where nobody records.
    static NAMED: RefCell<[Option<Named>; KEPT]> = const { RefCell::new([const { None }; KEPT]) };
}

fn with_named(key: &'static Key, name: &'static str, record: impl FnOnce(&Key)) {
    let made = || key.with_extra_labels(vec![Label::from_static_parts("retry.name", name)]);
    let place = ((ptr::from_ref(key).addr() / size_of::<Key>()) ^ name.as_ptr().addr()) % KEPT;
    let mut record = Some(record);
    let _ = NAMED.try_with(|named| {
        // A recorder may retry, too.
        let Ok(mut named) = named.try_borrow_mut() else { return };
        let same = |of: &Named| ptr::eq(of.0, key) && ptr::eq(of.1, name);
        if !named[place].as_ref().is_some_and(same) {
            named[place] = Some((key, name, made()));
        }
        if let (Some((.., key)), Some(record)) = (&named[place], record.take()) {
            record(key);
        }
    });
    // The thread's own memory is gone, or in use.
    if let Some(record) = record {
        record(&made());
    }
}

#[inline]
fn with_key(key: &'static Key, name: Option<&'static str>, record: impl FnOnce(&Key)) {
    match name {
        None => record(key),
        Some(name) => with_named(key, name, record),
    }
}

/// Adds one to each of these counters. The recorder is looked up once.
#[inline]
fn count<const N: usize>(keys: [&'static Key; N], name: Option<&'static str>) {
    with_recorder(|recorder| {
        for key in keys {
            with_key(key, name, |key| recorder.register_counter(key, &METADATA).increment(1));
        }
    });
}

#[cold]
#[inline(never)]
pub(crate) fn failed(name: Option<&'static str>, fault: Fault) {
    count([&FAILURES[fault as usize]], name);
}

/// Counts a failure and the retry after it. It returns the wait.
#[cold]
#[inline(never)]
#[allow(clippy::unnecessary_wraps)] // It is what the caller returns.
pub(crate) fn retried(name: Option<&'static str>, fault: Fault, wait: u64) -> Option<u64> {
    count([&FAILURES[fault as usize], &RETRIES[fault as usize]], name);
    Some(wait)
}

#[cold]
#[inline(never)]
pub(crate) fn ended(name: Option<&'static str>, reason: StopReason, attempts: u32) {
    static RECOVERED: Key = Key::from_static_name("persevere.recovered");
    static ATTEMPTS: Key = Key::from_static_name("persevere.attempts");
    match reason {
        StopReason::Succeeded => count([&RECOVERED], name),
        _ => count([&GAVE_UP[word_index(reason)]], name),
    }
    // One whose first attempt was not let through made none.
    if attempts > 0 {
        with_key(&ATTEMPTS, name, |key| {
            with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(f64::from(attempts)));
        });
    }
}
