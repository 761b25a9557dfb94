//! The cases: functions of their own, called `CALLS` times each. The operation is the same everywhere.

use std::cell::RefCell;
use std::future::{Future, Ready, poll_fn, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::peers;
use persevere::prelude::retry as retry_in_place;
use persevere::{guard::{Budget, Nested}, time::{BlockingTimer, ThreadTimer, Timer}, Backoff, Jitter, Policy, Retryable, TimedOut, Verdict, retry, retry_async};

pub const CALLS: u64 = 100;

/// An error of one word, as `io::Error` is.
#[derive(Debug, Default)]
pub struct Fail(u64);

const BUSY: u64 = 1;

impl From<TimedOut> for Fail {
    fn from(_: TimedOut) -> Self {
        Self(BUSY)
    }
}

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
    pub failures: u64,
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

pub type Case = (&'static str, fn(&mut Script) -> Answer);

/// All cases, the peers' among them.
pub fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(peers::CASES)
}

macro_rules! cases {
    ($($(#[$attribute:meta])* fn $name:ident($script:ident) $body:block)*) => {
        pub const CASES: &[$crate::cases::Case] = &[$((stringify!($name), $name)),*];
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
pub(crate) use cases;

pub fn run(failures: u64, polls: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    RUNTIME.set(Some(runtime.expect("tokio has a runtime")));
    for &(name, case) in all() {
        let failures = match name {
            _ if name.contains("retries") => failures,
            // At most three retries, by the rules that the peers keep too.
            _ if name.starts_with("peer_blocking") => failures / 2,
            // A case without a way to wait at once is not made to fail.
            _ => 0,
        };
        for _ in 0..CALLS {
            let mut script = Script { failures, polls };
            assert!(case(black_box(&mut script)).is_ok(), "{name}");
            assert_eq!(script.failures, 0, "{name}");
        }
    }
    RUNTIME.set(None);
}

thread_local! {
    static RUNTIME: RefCell<Option<tokio::runtime::Runtime>> = const { RefCell::new(None) };
}

/// Polls until ready with a waker that does nothing, by a call of the future's `poll`, as a runtime does.
#[inline(always)]
fn block<F: Future>(future: F) -> F::Output {
    #[inline(never)]
    fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        future.poll(context)
    }
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = poll(future.as_mut(), &mut context) {
            return output;
        }
    }
}

/// The same in a plain loop: the compiler sees the future and its caller at once.
#[inline(always)]
fn poll_in_place<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

async fn asking(script: &mut Script) -> Answer {
    operation(script)
}

/// Gives the executor one turn.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
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

async fn slow(script: &mut Script) -> Answer {
    Pending(script.polls).await;
    operation(script)
}

/// An operation whose future holds `SIZE` bytes over its await.
async fn large<const SIZE: usize>(script: &mut Script) -> Answer {
    let ballast = black_box([0_u8; SIZE]);
    poll_fn(|_| Poll::Ready(())).await;
    let answer = operation(script);
    black_box(&ballast);
    answer
}

#[retry]
fn attribute_blocking(script: &mut Script) -> Answer {
    operation(script)
}

#[retry(total = 20, jitter = none, timer = NoWait)]
fn attribute_blocking_retries(script: &mut Script) -> Answer {
    operation(script)
}

#[retry(total = 20, jitter = none, timer = NoWait)]
async fn attribute_async_retries(script: &mut Script) -> Answer {
    asking(script).await
}

#[retry]
async fn attribute_async(script: &mut Script) -> Answer {
    asking(script).await
}

#[retry]
async fn attribute_slow(script: &mut Script) -> Answer {
    slow(script).await
}

// Of their own, since what is called in one place alone is built into it.
#[retry]
async fn attribute_plain(script: &mut Script) -> Answer {
    asking(script).await
}

#[retry]
async fn attribute_plain_slow(script: &mut Script) -> Answer {
    slow(script).await
}

/// Runs this as a task of tokio's.
#[inline(always)]
fn spawn<F: Future<Output = Answer> + Send + 'static>(script: &mut Script, task: impl FnOnce(Script) -> F) -> Answer {
    let own = Script { failures: std::mem::take(&mut script.failures), polls: script.polls };
    RUNTIME.with_borrow(|runtime| {
        let runtime = runtime.as_ref().expect("`run` makes it");
        runtime.block_on(runtime.spawn(task(own))).expect("the task does not panic")
    })
}

/// Writes a case that tries again by hand: three times, a millisecond apart.
macro_rules! by_hand {
    ($attempt:expr, $sleep:expr) => {{
        let mut retries = 3;
        loop {
            match $attempt {
                Err(Fail(BUSY)) if retries > 0 => {
                    retries -= 1;
                    $sleep;
                }
                outcome => break outcome,
            }
        }
    }};
}

static BUDGET: Budget = Budget::new();

cases! {
    fn sync_bare(f) { operation(f) }
    fn sync_hand(f) { by_hand!(operation(f), std::thread::sleep(Duration::from_millis(1))) }
    fn sync_function(f) { retry(Policy::new(), || operation(f)) }
    #[allow(clippy::needless_borrows_for_generic_args)] // That is the case.
    fn sync_function_ref(f) { retry(&POLICY, || operation(f)) }
    fn sync_macro(f) { retry_in_place!(POLICY, operation(f)) }
    fn sync_attribute(f) { attribute_blocking(f) }
    fn sync_when(f) { retry(Policy::new().when(|e: &Fail| e.0 == BUSY), || operation(f)) }
    fn sync_budget(f) { retry(Policy::new().budget(&BUDGET), || operation(f)) }
    fn sync_deadline(f) { retry(Policy::new().within(Duration::from_secs(9)), || operation(f)) }
    fn clock_once(f) {
        black_box(BlockingTimer::now(&ThreadTimer));
        operation(f)
    }

    fn sync_retries_bare(f) {
        loop {
            let answer = operation(f);
            if answer.is_ok() {
                break answer;
            }
        }
    }
    fn sync_retries_function(f) { retry(MANY.timer(NoWait), || operation(f)) }
    fn sync_retries_macro(f) { retry_in_place!(MANY.timer(NoWait), operation(f)) }
    fn sync_retries_attribute(f) { attribute_blocking_retries(f) }
    fn sync_retries_jitter(f) { retry(MANY_JITTERED.timer(NoWait), || operation(f)) }

    fn async_bare(f) { block(async { asking(f).await }) }
    fn async_hand(f) { block(async { by_hand!(asking(f).await, tokio::time::sleep(Duration::from_millis(1)).await) }) }
    fn async_macro(f) { block(async { retry_async!(POLICY, asking(f).await) }) }
    fn async_macro_ref(f) { block(async { retry_async!(&POLICY, asking(f).await) }) }
    fn async_attribute(f) { block(attribute_async(f)) }
    fn async_timed(f) {
        block(async { retry_async!(POLICY.attempt_timeout(Duration::from_secs(1)).timer(NoWait), asking(f).await) })
    }
    fn async_nested(f) { block(async { retry_async!(POLICY.nested(Nested::GiveUp), asking(f).await) }) }
    fn plain_bare(f) { poll_in_place(async { asking(f).await }) }
    fn plain_hand(f) { poll_in_place(async { by_hand!(asking(f).await, tokio::time::sleep(Duration::from_millis(1)).await) }) }
    fn plain_macro(f) { poll_in_place(async { retry_async!(POLICY, asking(f).await) }) }
    fn plain_macro_ref(f) { poll_in_place(async { retry_async!(&POLICY, asking(f).await) }) }
    fn plain_attribute(f) { poll_in_place(attribute_plain(f)) }
    fn plain_bare_cell(f) {
        let f = RefCell::new(f);
        poll_in_place(async { operation(&mut f.borrow_mut()) })
    }
    fn plain_function(f) {
        let f = RefCell::new(f);
        poll_in_place(retry_async(POLICY, || async { operation(&mut f.borrow_mut()) }))
    }
    fn plain_function_ref(f) {
        let f = RefCell::new(f);
        poll_in_place(retry_async(&POLICY, || async { operation(&mut f.borrow_mut()) }))
    }
    fn async_bare_cell(f) {
        let f = RefCell::new(f);
        block(async { operation(&mut f.borrow_mut()) })
    }
    fn async_function(f) {
        let f = RefCell::new(f);
        block(retry_async(POLICY, || async { operation(&mut f.borrow_mut()) }))
    }
    fn async_function_ref(f) {
        let f = RefCell::new(f);
        block(retry_async(&POLICY, || async { operation(&mut f.borrow_mut()) }))
    }

    fn async_retries_bare(f) {
        block(async {
            loop {
                let answer = asking(f).await;
                if answer.is_ok() {
                    break answer;
                }
            }
        })
    }
    fn async_retries_macro(f) { block(async { retry_async!(MANY.timer(NoWait), asking(f).await) }) }

    fn async_retries_attribute(f) { block(attribute_async_retries(f)) }

    fn poll_bare(f) { block(async { slow(f).await }) }
    fn poll_hand(f) { block(async { by_hand!(slow(f).await, tokio::time::sleep(Duration::from_millis(1)).await) }) }
    fn poll_macro(f) { block(async { retry_async!(&POLICY, slow(f).await) }) }
    fn poll_attribute(f) { block(attribute_slow(f)) }

    fn plain_poll_bare(f) { poll_in_place(async { slow(f).await }) }
    fn plain_poll_hand(f) {
        poll_in_place(async { by_hand!(slow(f).await, tokio::time::sleep(Duration::from_millis(1)).await) })
    }
    fn plain_poll_macro(f) { poll_in_place(async { retry_async!(&POLICY, slow(f).await) }) }
    fn plain_poll_attribute(f) { poll_in_place(attribute_plain_slow(f)) }

    fn small_bare(f) { block(async { large::<64>(f).await }) }
    fn small_macro(f) { block(async { retry_async!(&POLICY, large::<64>(f).await) }) }
    fn large_bare(f) { block(async { large::<16384>(f).await }) }
    fn large_macro(f) { block(async { retry_async!(&POLICY, large::<16384>(f).await) }) }

    fn yield_retries_bare(f) {
        spawn(f, |mut own| async move {
            loop {
                let answer = asking(&mut own).await;
                if answer.is_ok() {
                    break answer;
                }
                Yield::default().await;
            }
        })
    }
    fn yield_retries_macro(f) {
        spawn(f, |mut own| async move {
            retry_async!(Policy::new().total(20).backoff(Duration::ZERO), asking(&mut own).await)
        })
    }

    fn next_plain(f) { next(f, Backoff::new(Duration::from_millis(300))) }
    fn next_jittered(f) { next(f, Backoff::new(Duration::from_millis(300)).jitter(Jitter::Full)) }
}

/// As many waits as the script has polls.
#[inline(always)]
fn next(script: &mut Script, backoff: Backoff) -> Answer {
    let mut backoff = black_box(backoff);
    for _ in 0..script.polls {
        black_box(backoff.next());
    }
    operation(script)
}

/// What a future of each door takes beside an operation of 1 KiB.
pub fn future_sizes() -> Vec<(&'static str, usize)> {
    let script = RefCell::new(Script { failures: 0, polls: 0 });
    async fn operation(script: &RefCell<Script>) -> Answer {
        let ballast = black_box([0_u8; 1024]);
        poll_fn(|_| Poll::Ready(())).await;
        black_box(&ballast);
        self::operation(&mut script.borrow_mut())
    }
    #[retry]
    async fn attribute(script: &RefCell<Script>) -> Answer {
        operation(script).await
    }
    async fn without(script: &RefCell<Script>) -> Answer {
        operation(script).await
    }
    let function = size_of_val(&operation(&script));
    let block = size_of_val(&async { operation(&script).await });
    vec![
        ("`retry_async` by reference", size_of_val(&retry_async(&POLICY, || operation(&script))) - function),
        ("`retry_async`", size_of_val(&retry_async(POLICY, || operation(&script))) - function),
        (
            "`retry_async!` by reference",
            size_of_val(&async { retry_async!(&POLICY, operation(&script).await) }) - block,
        ),
        ("`#[retry]`", size_of_val(&attribute(&script)) - size_of_val(&without(&script))),
        ("`retry_async!`", size_of_val(&async { retry_async!(POLICY, operation(&script).await) }) - block),
    ]
}
