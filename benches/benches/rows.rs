//! The timed rows. `benches/run` turns them into tables.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use persevere_benches::operation::{LARGE, SMALL};
use persevere_benches::{blocking, blocking_rows, check, delays, future, future_rows, hints, measure, operation};
use tokio::runtime::Runtime;

/// Operations that run at the same time.
const CONCURRENT: u32 = 100_000;

/// Whether this is a trial of the benches themselves, whose figures say little.
fn quick() -> bool {
    std::env::var_os("QUICK").is_some()
}

fn first_try(c: &mut Criterion) {
    let mut rows = c.benchmark_group("first-try-blocking");
    rows.bench_function("the call alone", |b| b.iter(|| blocking::bare(operation::blocking(black_box(0)))));
    macro_rules! bench {
        ($($row:ty),* $(,)?) => {$(
            rows.bench_function(<$row as blocking::Row>::NAME, |b| {
                b.iter(|| <$row as blocking::Row>::run(operation::blocking(black_box(0))));
            });
        )*};
    }
    blocking_rows!(bench);
    rows.finish();

    let mut rows = c.benchmark_group("first-try-async-64");
    rows.bench_function("the call alone", |b| b.iter(|| measure::poll(future::bare(operation!(SMALL, black_box(0))))));
    macro_rules! bench {
        ($($row:ty),* $(,)?) => {$(
            rows.bench_function(<$row as future::Row>::NAME, |b| {
                b.iter(|| measure::poll(<$row as future::Row>::at_once(operation!(SMALL, black_box(0)))));
            });
        )*};
    }
    future_rows!(bench);
    rows.finish();

    let mut rows = c.benchmark_group("first-try-async-16k");
    rows.bench_function("the call alone", |b| b.iter(|| measure::poll(future::bare(operation!(LARGE, black_box(0))))));
    macro_rules! bench {
        ($($row:ty),* $(,)?) => {$(
            rows.bench_function(<$row as future::Row>::NAME, |b| {
                b.iter(|| measure::poll(<$row as future::Row>::at_once(operation!(LARGE, black_box(0)))));
            });
        )*};
    }
    future_rows!(bench);
    rows.finish();
}

/// Times a future inside a runtime that is entered once for all iterations.
macro_rules! in_runtime {
    ($runtime:expr, $future:expr) => {
        |b: &mut criterion::Bencher| {
            b.iter_custom(|iterations| {
                $runtime.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..iterations {
                        black_box($future.await).expect("succeeds at the fourth call");
                    }
                    begun.elapsed()
                })
            })
        }
    };
}

fn retries(c: &mut Criterion) {
    let mut rows = c.benchmark_group("retries-blocking");
    macro_rules! bench {
        ($($row:ty),* $(,)?) => {$(
            rows.bench_function(<$row as blocking::Row>::NAME, |b| {
                b.iter(|| <$row as blocking::Row>::run(operation::blocking(black_box(3))));
            });
        )*};
    }
    blocking_rows!(bench);
    rows.finish();

    async_retries(c, "retries-async-paused", &measure::paused());
    async_retries(c, "retries-async-real", &measure::real());
}

fn async_retries(c: &mut Criterion, name: &str, runtime: &Runtime) {
    let mut rows = c.benchmark_group(name);
    if name == "retries-async-real" {
        // Most rows take milliseconds here, and differ by their waits alone.
        rows.sample_size(10);
    }
    macro_rules! bench {
        ($($row:ty),* $(,)?) => {$(
            let timed = in_runtime!(runtime, <$row as future::Row>::at_once(operation!(SMALL, black_box(3))));
            rows.bench_function(<$row as future::Row>::NAME, timed);
        )*};
    }
    future_rows!(bench);
    let timed = in_runtime!(runtime, future::backon_without_timer(operation!(SMALL, black_box(3))));
    rows.bench_function("backon, sleeper without a timer", timed);
    rows.finish();
}

fn waits(c: &mut Criterion) {
    for (name, list) in [("waits-plain", delays::PLAIN), ("waits-jitter", delays::JITTERED)] {
        let mut rows = c.benchmark_group(name);
        rows.throughput(Throughput::Elements(delays::STEPS as u64));
        for row in list {
            rows.bench_function(row.name, |b| b.iter(row.sum));
        }
        rows.finish();
    }
}

/// Runs that many operations at the same time, each with three failures and waits of 10, 20 and 40 ms.
fn at_the_same_time<R: future::Row + 'static>(runtime: &Runtime, operations: u32) {
    runtime.block_on(async {
        let mut tasks = Vec::with_capacity(operations as usize);
        for _ in 0..operations {
            tasks.push(tokio::spawn(R::with_waits(operation!(SMALL, black_box(3)))));
        }
        for task in tasks {
            let outcome = task.await.expect("no panic");
            assert_eq!(outcome, Ok(4));
        }
    });
}

fn concurrent(c: &mut Criterion) {
    let runtime = measure::two_workers();
    let operations = if quick() { CONCURRENT / 100 } else { CONCURRENT };
    for (name, cpu) in [("concurrent-wall", false), ("concurrent-cpu", true)] {
        let mut rows = c.benchmark_group(name);
        rows.sample_size(10).sampling_mode(SamplingMode::Flat);
        macro_rules! bench {
            ($($row:ty),* $(,)?) => {$(
                rows.bench_function(<$row as future::Row>::NAME, |b| {
                    b.iter_custom(|iterations| {
                        let (begun, before) = (Instant::now(), measure::cpu());
                        for _ in 0..iterations {
                            at_the_same_time::<$row>(&runtime, operations);
                        }
                        if cpu { measure::cpu().saturating_sub(before) } else { begun.elapsed() }
                    });
                });
            )*};
        }
        future_rows!(bench);
        rows.finish();
    }
}

fn budgets(c: &mut Criterion) {
    use persevere_benches::budget::{Load, persevere, tower};

    for (name, load) in [("calm", Load::Calm), ("storm", Load::Storm)] {
        for threads in [1, 2] {
            let mut rows = c.benchmark_group(format!("budget-{name}-{threads}"));
            rows.bench_function("persevere `Budget`", |b| b.iter_custom(|uses| persevere(load, threads, uses)));
            rows.bench_function("tower `TpsBudget`", |b| b.iter_custom(|uses| tower(load, threads, uses)));
            rows.finish();
        }
    }
}

/// What a server's headers cost, whatever they are.
fn hostile_hints(c: &mut Criterion) {
    let mut rows = c.benchmark_group("hints");
    for (name, headers) in hints::rows() {
        rows.bench_function(name, |b| b.iter(|| persevere::http::retry_after_at(black_box(&headers), hints::now())));
    }
    rows.finish();
}

fn settings() -> Criterion {
    check::all();
    let (warm_up, measurement, samples) = if quick() { (20, 50, 10) } else { (200, 700, 40) };
    Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(warm_up))
        .measurement_time(Duration::from_millis(measurement))
        .sample_size(samples)
        .nresamples(5_000)
}

criterion_group! {
    name = all;
    config = settings();
    targets = first_try, retries, waits, concurrent, budgets, hostile_hints
}
criterion_main!(all);
