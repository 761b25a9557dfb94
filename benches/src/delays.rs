//! The waits alone: each crate's iterator, from a fresh start through its growth and along its cap.

use std::hint::black_box;
use std::time::Duration;

/// How many waits a run of an iterator yields here: 7 that grow and 9 at the cap.
pub const STEPS: usize = 16;
const BASE: Duration = Duration::from_millis(100);
const MILLIS: u64 = 100;
const CAP: Duration = Duration::from_secs(10);

/// A crate's waits: its name, and a function that adds up the first [`STEPS`] of them.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// How it is called in the tables.
    pub name: &'static str,
    /// The crate that it comes from, if any.
    pub from: Option<&'static str>,
    /// Adds up the waits.
    pub sum: fn() -> Duration,
}

#[inline]
fn sum(waits: impl Iterator<Item = Duration>) -> Duration {
    waits.take(STEPS).fold(Duration::ZERO, |sum, wait| sum + black_box(wait))
}

const fn row(name: &'static str, sum: fn() -> Duration) -> Row {
    Row { name, from: Some(name), sum }
}

/// The rows without jitter. They all come to the same sum, but for `retry`, which has no cap.
pub const PLAIN: &[Row] = &[
    Row {
        name: "hand-written",
        from: None,
        sum: || {
            let mut next = black_box(100_000_000_u64);
            sum(std::iter::from_fn(|| {
                let wait = next.min(10_000_000_000);
                next = next.saturating_mul(2);
                Some(Duration::from_nanos(wait))
            }))
        },
    },
    Row {
        name: "persevere `Backoff`",
        from: Some("persevere"),
        sum: || sum(persevere::Backoff::new(black_box(BASE)).immediate_first(false).max_wait(CAP)),
    },
    row("backon", || sum(backon(black_box(BASE), false))),
    row("backoff", || sum(backoff(black_box(BASE), 0.0))),
    row("tokio-retry2", || sum(tokio_retry2(black_box(MILLIS)))),
    row("tryhard", || sum(tryhard(black_box(BASE)))),
    row("retry", || sum(retry::delay::Exponential::from_millis(black_box(MILLIS)))),
    row("exponential-backoff", || sum(exponential_backoff(black_box(BASE), 0.0))),
];

/// The rows with the jitter that each crate has.
pub const JITTERED: &[Row] = &[
    Row {
        name: "hand-written, with fastrand",
        from: None,
        sum: || {
            let mut next = black_box(100_000_000_u64);
            sum(std::iter::from_fn(|| {
                let wait = next.min(10_000_000_000);
                next = next.saturating_mul(2);
                Some(Duration::from_nanos(fastrand::u64(0..=wait)))
            }))
        },
    },
    Row {
        name: "persevere `Backoff`",
        from: Some("persevere"),
        sum: || {
            let backoff = persevere::Backoff::new(black_box(BASE)).immediate_first(false).max_wait(CAP);
            sum(backoff.jitter(persevere::Jitter::Full))
        },
    },
    row("backon", || sum(backon(black_box(BASE), true))),
    row("backoff", || sum(backoff(black_box(BASE), 0.5))),
    row("tokio-retry2", || sum(tokio_retry2(black_box(MILLIS)).map(tokio_retry2::strategy::jitter))),
    row("retry", || sum(retry::delay::Exponential::from_millis(black_box(MILLIS)).map(retry::delay::jitter))),
    row("exponential-backoff", || sum(exponential_backoff(black_box(BASE), 0.3))),
];

#[inline]
fn backon(base: Duration, jitter: bool) -> impl Iterator<Item = Duration> {
    use backon::BackoffBuilder;

    let builder = backon::ExponentialBuilder::new().with_min_delay(base).with_max_delay(CAP).without_max_times();
    if jitter { builder.with_jitter() } else { builder }.build()
}

#[inline]
fn backoff(base: Duration, jitter: f64) -> impl Iterator<Item = Duration> {
    use backoff::backoff::Backoff;

    let mut backoff = backoff::ExponentialBackoffBuilder::new()
        .with_initial_interval(base)
        .with_randomization_factor(jitter)
        .with_multiplier(2.0)
        .with_max_interval(CAP)
        .with_max_elapsed_time(None)
        .build();
    std::iter::from_fn(move || backoff.next_backoff())
}

#[inline]
fn tokio_retry2(millis: u64) -> impl Iterator<Item = Duration> {
    tokio_retry2::strategy::ExponentialFactorBackoff::from_millis(millis, 2.0).max_delay(CAP)
}

#[inline]
fn tryhard(base: Duration) -> impl Iterator<Item = Duration> {
    use tryhard::backoff_strategies::{BackoffStrategy, ExponentialBackoff};

    let mut backoff = ExponentialBackoff::new(base);
    // The crate applies its cap outside the strategy.
    std::iter::from_fn(move || Some(backoff.delay(1, &()).min(CAP)))
}

#[inline]
fn exponential_backoff(base: Duration, jitter: f32) -> impl Iterator<Item = Duration> {
    let mut backoff = exponential_backoff::Backoff::new(u32::MAX, base, CAP);
    backoff.set_jitter(jitter);
    backoff.into_iter().flatten()
}
