//! A first-try success allocates nothing, nor do retries without a wait: counted by the process's own allocator.
//!
//! It is a binary of its own, since a program has one allocator. Allocations are counted by thread, so tests may run side
//! by side.

#![allow(unsafe_code)] // An allocator is unsafe by its trait.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use persevere::prelude::retry as retry_in_place;
use persevere::testing::VirtualTimer;
use persevere::{
    Event, Policy, Report,
    guard::{AdaptiveThrottle, Breaker, Budget, Nested},
    retry, retry_async,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // At a thread's end its counter may be gone.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs this and tells how often it allocated.
fn allocations<R>(run: impl FnOnce() -> R) -> u64 {
    let before = ALLOCATIONS.get();
    drop(run());
    ALLOCATIONS.get() - before
}

/// As an executor, without its allocations.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Fails so often, then succeeds. An `io::Error` of a kind alone takes no heap.
fn failing(failures: u32) -> impl FnMut() -> io::Result<u32> {
    let mut calls = 0;
    move || {
        calls += 1;
        if calls <= failures { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(calls) }
    }
}

/// What each door allocates for a run with so many failures.
fn of_each_door(policy: Policy, failures: u32) -> [(&'static str, u64); 8] {
    let later = || RefCell::new(failing(failures));
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    [
        ("retry", allocations(|| retry(policy, failing(failures)).unwrap())),
        ("run_with", {
            let mut operation = failing(failures);
            allocations(|| policy.run_with(|_| operation()).unwrap())
        }),
        ("retry!", {
            let mut operation = failing(failures);
            allocations(|| retry_in_place!(policy, operation()).unwrap())
        }),
        ("retry_async", {
            let operation = later();
            allocations(|| block_on(retry_async(policy, || async { operation.borrow_mut()() })).unwrap())
        }),
        ("run_async_with", {
            let operation = later();
            allocations(|| block_on(policy.run_async_with(|_| ready(operation.borrow_mut()()))).unwrap())
        }),
        ("retry_async!", {
            let operation = later();
            allocations(|| block_on(async { retry_async!(policy, operation.borrow_mut()()) }).unwrap())
        }),
        ("timed", {
            let operation = later();
            let each_cut = policy.attempt_timeout(Duration::from_secs(1));
            allocations(|| block_on(each_cut.run_async(|| ready(operation.borrow_mut()()))).unwrap())
        }),
        ("with all that can be added", {
            let hooked = policy
                .within(Duration::from_secs(9))
                .timer(&timer)
                .report(&mut report)
                .when(|_: &io::Error| true)
                .when_ok(|value: &u32| *value == 0)
                .on_retry(|_: Event<'_, io::Error>| ())
                .before_retry(|_: Event| ());
            allocations(|| hooked.run(failing(failures)).unwrap())
        }),
    ]
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Box::new(7)), 1);
    assert_eq!(allocations(|| 7), 0);
}

#[test]
fn a_first_try_success_allocates_nothing_in_any_door() {
    for (door, allocations) in of_each_door(Policy::new(), 0) {
        assert_eq!(allocations, 0, "{door}");
    }
}

/// Events and metrics included, where nobody listens: no subscriber, no recorder.
#[test]
fn retries_allocate_nothing_in_any_door() {
    const RETRIES: u32 = 20;
    let policy = Policy::new().backoff(Duration::ZERO).total(RETRIES);
    for (door, allocations) in of_each_door(policy, RETRIES) {
        assert_eq!(allocations, 0, "{door}");
    }
}

#[test]
fn shared_guards_and_scopes_allocate_nothing() {
    static BUDGET: Budget = Budget::new().size(100);
    static BREAKER: Breaker = Breaker::new();
    static THROTTLE: AdaptiveThrottle = AdaptiveThrottle::new();
    let policy = Policy::new().backoff(Duration::ZERO).total(20);
    // Seeds the process's stream, which is once.
    let _ = policy.throttle(&THROTTLE).run(failing(1));
    let guarded = policy.budget(&BUDGET).breaker(&BREAKER).throttle(&THROTTLE).nested(Nested::GiveUp);
    assert_eq!(allocations(|| guarded.run(failing(3)).unwrap()), 0);
    let operation = RefCell::new(failing(3));
    let guarded = policy.budget(&BUDGET).breaker(&BREAKER).throttle(&THROTTLE).nested(Nested::GiveUp);
    assert_eq!(allocations(|| block_on(guarded.run_async(|| ready(operation.borrow_mut()()))).unwrap()), 0);
}

/// Neither an item nor a break is boxed.
#[cfg(feature = "stream")]
#[test]
fn a_stream_allocates_nothing_for_an_item_or_a_break() {
    use std::pin::Pin;

    use futures_core::Stream;

    /// A thousand items, and an error behind them.
    struct Feed(u64);

    impl Stream for Feed {
        type Item = io::Result<u64>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<u64>>> {
            self.0 += 1;
            Poll::Ready(match self.0 {
                100_001.. => None,
                item if item % 1000 == 0 => Some(Err(io::ErrorKind::ConnectionReset.into())),
                item => Some(Ok(item)),
            })
        }
    }

    let policy = Policy::new().backoff(Duration::ZERO).forever().timer(VirtualTimer::new());
    let open = |last: Option<u64>| ready(Ok::<_, io::Error>(Feed(last.map_or(0, |last| last + 1))));
    let mut feed = pin!(persevere::stream::resume(policy, open, |item: &u64| Some(*item)));
    let mut items = 0;
    let mut context = Context::from_waker(Waker::noop());
    let allocated = allocations(|| {
        loop {
            match feed.as_mut().poll_next(&mut context) {
                Poll::Ready(Some(item)) => items += u64::from(item.is_ok()),
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
        }
    });
    assert_eq!((items, allocated), (99_900, 0));
}
