//! The cases: functions of their own, called `CALLS` times each. The operation is the same everywhere.

use std::future::{Future, Ready, poll_fn, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use persevere::prelude::retry as retry_in_place;
use persevere::{
    Backoff, BlockingTimer, Jitter, Policy, Report, Retryable, Timer, Verdict, retry, retry_async,
};

pub const CALLS: u64 = 100;

/// An error of one word, as `io::Error` is.
#[derive(Debug)]
pub struct Fail(u64);

const BUSY: u64 = 1;

impl std::fmt::Display for Fail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl Retryable for Fail {
    #[inline]
    fn verdict(&self) -> Verdict {
        if self.0 == BUSY { Verdict::transient() } else { Verdict::permanent() }
    }
}

pub type Answer = Result<u64, Fail>;

/// What the operation does: fails so often, and is pending so often before it answers.
pub struct Script {
    failures: u64,
    polls: u64,
}

#[inline(never)]
fn operation(script: &mut Script) -> Answer {
    if script.failures == 0 {
        return Ok(7);
    }
    script.failures -= 1;
    Err(Fail(BUSY))
}

/// Does not wait, so that a retry costs what deciding costs.
#[derive(Clone, Copy)]
struct NoWait;

impl BlockingTimer for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    #[inline(never)]
    fn sleep(&self, wait: Duration) {
        black_box(wait);
    }
}

impl Timer for NoWait {
    type Sleep = Ready<()>;
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, wait: Duration) -> Ready<()> {
        black_box(wait);
        ready(())
    }
}

const MANY: Policy = Policy::new().total(20).jitter(Jitter::None);
const MANY_JITTERED: Policy = Policy::new().total(20);
const POLICY: Policy = Policy::new();

macro_rules! cases {
    ($($(#[$attribute:meta])* fn $name:ident($script:ident) $body:block)*) => {
        pub const CASES: &[(&str, fn(&mut Script) -> Answer)] = &[$((stringify!($name), $name)),*];
        $(
            $(#[$attribute])*
            #[inline(never)]
            fn $name(script: &mut Script) -> Answer {
                let answer = (|$script: &mut Script| -> Answer { $body })(script);
                // A caller goes on after the call: without this the bare one is a jump.
                black_box(script);
                answer
            }
        )*
    };
}


pub fn run(failures: u64, polls: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    for &(name, case) in CASES {
        // A case without a way to wait at once is not made to fail.
        let failures = if name.contains("retries") { failures } else { 0 };
        for _ in 0..CALLS {
            let mut script = Script { failures, polls };
            assert!(case(black_box(&mut script)).is_ok(), "{name}");
            assert_eq!(script.failures, 0, "{name}");
        }
    }
    RUNTIME.with(|cell| drop(cell.take()));
}

thread_local! {
    static RUNTIME: std::cell::Cell<Option<tokio::runtime::Runtime>> = const { std::cell::Cell::new(None) };
}

/// Polls until ready, with a waker that does nothing.
#[inline(always)]
fn block<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // As a task does, which polls what it can't see into; else a future that is always ready is compiled away.
    black_box(&mut future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

async fn asking(failures: &mut Script) -> Answer {
    operation(failures)
}

/// Pending this many times before it asks.
struct Pending(u64);

impl Future for Pending {
    type Output = ();
    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}

async fn slow(failures: &mut Script) -> Answer {
    Pending(failures.polls).await;
    operation(failures)
}

/// An operation whose future holds `SIZE` bytes over its await.
async fn large<const SIZE: usize>(failures: &mut Script) -> Answer {
    let ballast = black_box([0_u8; SIZE]);
    poll_fn(|_| Poll::Ready(())).await;
    let answer = operation(failures);
    black_box(&ballast);
    answer
}

#[retry]
fn attribute_blocking(failures: &mut Script) -> Answer {
    operation(failures)
}

#[retry(total = 20, jitter = none, timer = NoWait)]
fn attribute_blocking_retries(failures: &mut Script) -> Answer {
    operation(failures)
}

#[retry]
async fn attribute_async(failures: &mut Script) -> Answer {
    asking(failures).await
}

#[retry]
async fn attribute_slow(failures: &mut Script) -> Answer {
    slow(failures).await
}

#[inline(always)]
fn tokio_block(future: impl Future<Output = Answer>) -> Answer {
    RUNTIME.with(|cell| {
        let runtime =
            cell.take().unwrap_or_else(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());
        let answer = runtime.block_on(future);
        cell.set(Some(runtime));
        answer
    })
}

cases! {
    fn sync_bare(f) { operation(f) }
    fn sync_hand(f) {
        let mut retries = 3;
        loop {
            match operation(f) {
                Err(Fail(BUSY)) if retries > 0 => {
                    retries -= 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                outcome => return outcome,
            }
        }
    }
    fn sync_function(f) { retry(Policy::new(), || operation(f)) }
    fn sync_function_ref(f) { retry(&POLICY, || operation(f)) }
    fn sync_macro(f) { retry_in_place!(Policy::new(), operation(f)) }
    fn sync_macro_ref(f) { retry_in_place!(&POLICY, operation(f)) }
    fn sync_macro_const(f) { retry_in_place!(POLICY, operation(f)) }
    fn sync_attribute(f) { attribute_blocking(f) }
    fn sync_when(f) { retry(Policy::new().when(|e: &Fail| e.0 == BUSY), || operation(f)) }
    fn sync_deadline(f) { retry(Policy::new().within(Duration::from_secs(9)).timer(NoWait), || operation(f)) }
    fn sync_report(f) {
        let mut report = Report::new();
        retry(Policy::new().timer(NoWait).report(&mut report), || operation(f))
    }

    fn sync_function_retries(f) { retry(MANY.timer(NoWait), || operation(f)) }
    fn sync_jitter_retries(f) { retry(MANY_JITTERED.timer(NoWait), || operation(f)) }
    fn sync_macro_retries(f) { retry_in_place!(MANY.timer(NoWait), operation(f)) }
    fn sync_attribute_retries(f) { attribute_blocking_retries(f) }
    fn sync_bare_retries(f) { loop { let answer = operation(f); if answer.is_ok() { return answer } } }

    fn async_bare(f) { block(async { asking(f).await }) }
    fn async_hand(f) {
        block(async {
            let mut retries = 3;
            loop {
                match asking(f).await {
                    Err(Fail(BUSY)) if retries > 0 => {
                        retries -= 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }
    fn async_function(f) { let g = std::cell::RefCell::new(f); block(retry_async(Policy::new(), || async { operation(&mut g.borrow_mut()) })) }
    fn async_function_ref(f) { let g = std::cell::RefCell::new(f); block(retry_async(&POLICY, || async { operation(&mut g.borrow_mut()) })) }
    fn async_function_bare(f) { let g = std::cell::RefCell::new(f); block(async { operation(&mut g.borrow_mut()) }) }
    fn async_macro(f) { block(async { retry_async!(Policy::new(), asking(f).await) }) }
    fn async_macro_ref(f) { block(async { retry_async!(&POLICY, asking(f).await) }) }
    fn async_attribute(f) { block(attribute_async(f)) }

    fn poll_bare(f) { block(async { slow(f).await }) }
    fn poll_hand(f) {
        block(async {
            let mut retries = 3;
            loop {
                match slow(f).await {
                    Err(Fail(BUSY)) if retries > 0 => {
                        retries -= 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }
    fn poll_macro(f) { block(async { retry_async!(Policy::new(), slow(f).await) }) }
    fn poll_attribute(f) { block(attribute_slow(f)) }

    fn size_bare_64(f) { block(async { large::<64>(f).await }) }
    fn size_bare_16384(f) { block(async { large::<16384>(f).await }) }
    fn size_macro_64(f) { block(async { retry_async!(Policy::new(), large::<64>(f).await) }) }
    fn size_macro_16384(f) { block(async { retry_async!(Policy::new(), large::<16384>(f).await) }) }

    fn async_macro_retries(f) { block(async { retry_async!(MANY.timer(NoWait), asking(f).await) }) }
    fn async_bare_retries(f) { block(async { loop { let answer = asking(f).await; if answer.is_ok() { return answer } } }) }

    fn tokio_zero_retries(f) { tokio_block(async { retry_async!(Policy::new().total(20).backoff(Duration::ZERO), asking(f).await) }) }

    fn next_1(f) { let mut b = black_box(Backoff::new(Duration::from_millis(300))); for _ in 0..1 { black_box(b.next()); } operation(f) }
    fn next_11(f) { let mut b = black_box(Backoff::new(Duration::from_millis(300))); for _ in 0..11 { black_box(b.next()); } operation(f) }
    fn next_jitter_1(f) { let mut b = black_box(Backoff::new(Duration::from_millis(300)).jitter(Jitter::Full)); for _ in 0..1 { black_box(b.next()); } operation(f) }
    fn next_jitter_11(f) { let mut b = black_box(Backoff::new(Duration::from_millis(300)).jitter(Jitter::Full)); for _ in 0..11 { black_box(b.next()); } operation(f) }
}
