//! The room that each row takes: the size of its future, and what it takes from the heap.
//!
//! Prints one line a figure, parted by tabs: kind, case, row, figure.

#![allow(unsafe_code)] // The allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use persevere_benches::operation::{LARGE, MIDDLE, SMALL};
use persevere_benches::{blocking, blocking_rows, check, future, future_rows, measure, operation};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

fn grown(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    LIVE.fetch_add(bytes as i64, Ordering::Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        grown(size);
        // SAFETY: the caller keeps to the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

fn tell(kind: &str, case: &str, row: &str, figure: impl std::fmt::Display) {
    println!("{kind}\t{case}\t{row}\t{figure}");
}

/// The allocations while this runs.
fn allocations<R>(run: impl FnOnce() -> R) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    black_box(run());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

macro_rules! size {
    ($case:literal, $words:expr; $($row:ty),* $(,)?) => {
        tell("size", $case, "the operation alone", size_of_val(&future::bare(operation!($words, 0))));
        $(tell(
            "size",
            $case,
            <$row as future::Row>::NAME,
            size_of_val(&<$row as future::Row>::with_waits(operation!($words, 0))),
        );)*
    };
}

macro_rules! sizes {
    ($($row:ty),* $(,)?) => {
        size!("64 B", SMALL; $($row),*);
        size!("1 KiB", MIDDLE; $($row),*);
        size!("16 KiB", LARGE; $($row),*);
    };
}

macro_rules! blocking_heap {
    ($($row:ty),* $(,)?) => {
        for (case, failures) in [("blocking, first try", 0), ("blocking, three retries", 3)] {
            $(tell("heap", case, <$row as blocking::Row>::NAME, allocations(|| {
                <$row as blocking::Row>::run(operation::blocking(failures))
            }));)*
        }
    };
}

macro_rules! future_heap {
    ($($row:ty),* $(,)?) => {
        let runtime = measure::paused();
        for (case, failures) in [("async, first try", 0), ("async, three retries", 3)] {
            $(
                let count = runtime.block_on(async {
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    let outcome = <$row as future::Row>::with_waits(operation!(SMALL, failures)).await;
                    black_box(outcome).expect("succeeds at last");
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                });
                tell("heap", case, <$row as future::Row>::NAME, count);
            )*
        }
    };
}

/// Waits until nothing is freed any more: one crate's timer thread frees behind the row that used it.
fn settle() {
    let mut live = LIVE.load(Ordering::Relaxed);
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let now = LIVE.load(Ordering::Relaxed);
        if now == live {
            return;
        }
        live = now;
    }
}

/// The heap that each of many tasks holds while it waits.
fn task<R: future::Row + 'static>() {
    const TASKS: usize = 10_000;
    let held = measure::paused().block_on(async {
        let mut tasks = Vec::with_capacity(TASKS);
        // What the runtime keeps for good, it has by now.
        tokio::spawn(async {}).await.expect("no panic");
        settle();
        let before = LIVE.load(Ordering::Relaxed);
        for _ in 0..TASKS {
            tasks.push(tokio::spawn(R::with_waits(operation!(SMALL, black_box(3)))));
        }
        tokio::task::yield_now().await;
        let held = LIVE.load(Ordering::Relaxed) - before;
        for task in tasks {
            task.await.expect("no panic").expect("succeeds at last");
        }
        held
    });
    tell("task", "64 B", R::NAME, (held as f64 / TASKS as f64).round());
}

macro_rules! tasks {
    ($($row:ty),* $(,)?) => { $(task::<$row>();)* };
}

fn main() {
    // It also warms up what is made once a process.
    check::all();
    future_rows!(sizes);
    blocking_rows!(blocking_heap);
    future_rows!(future_heap);
    future_rows!(tasks);
}
