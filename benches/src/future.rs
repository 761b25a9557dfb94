//! The async rows.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::blocking::{backoff, exponential_backoff, marked};
use crate::operation::{Failure, Outcome};
use crate::{CAP, RETRIES, SHORT, ZERO};

/// A way to run an async operation.
pub trait Row {
    /// How it is called in the tables.
    const NAME: &'static str;
    /// The crate that it comes from, if any.
    const CRATE: Option<&'static str>;
    /// Whether it stops after three retries by itself.
    const LIMITED: bool = true;

    /// Runs the operation: at most 3 retries without a wait, for transient failures only.
    fn at_once<F, A>(operation: F) -> impl Future<Output = Outcome> + Send
    where
        F: FnMut() -> A + Clone + Send,
        A: Future<Output = Outcome> + Send;

    /// As [`at_once`](Row::at_once), with waits of 10, 20 and 40 ms.
    fn with_waits<F, A>(operation: F) -> impl Future<Output = Outcome> + Send
    where
        F: FnMut() -> A + Clone + Send,
        A: Future<Output = Outcome> + Send;
}

/// Calls a macro with all async rows.
#[macro_export]
macro_rules! future_rows {
    ($with:ident) => {
        $with! {
            $crate::future::HandWritten,
            $crate::future::Function,
            $crate::future::InPlace,
            $crate::future::Attribute,
            $crate::future::Backon,
            $crate::future::Backoff,
            $crate::future::TokioRetry2,
            $crate::future::Tryhard,
            $crate::future::Again,
            $crate::future::ExponentialBackoff,
            $crate::future::Tower,
        }
    };
}

macro_rules! row {
    (
        $row:ident, $name:literal, $from:expr $(, $limited:ident = $value:literal)?;
        |$operation:ident: $f:ident -> $a:ident, $base:ident| $body:expr
    ) => {
        #[doc = $name]
        #[derive(Debug)]
        pub struct $row;

        impl Row for $row {
            const NAME: &'static str = $name;
            const CRATE: Option<&'static str> = $from;
            $(const $limited: bool = $value;)?

            row!(@run at_once ZERO |$operation: $f -> $a, $base| $body);
            row!(@run with_waits SHORT |$operation: $f -> $a, $base| $body);
        }
    };
    (@run $run:ident $wait:ident |$operation:ident: $f:ident -> $a:ident, $base:ident| $body:expr) => {
        #[inline]
        #[allow(unused_mut)]
        fn $run<$f, $a>(mut $operation: $f) -> impl Future<Output = Outcome> + Send
        where
            $f: FnMut() -> $a + Clone + Send,
            $a: Future<Output = Outcome> + Send,
        {
            const $base: Duration = $wait;
            $body
        }
    };
}

/// The call without any retry, to see what the others add.
#[inline]
pub fn bare<F, A>(mut operation: F) -> impl Future<Output = Outcome> + Send
where
    F: FnMut() -> A + Clone + Send,
    A: Future<Output = Outcome> + Send,
{
    operation()
}

row!(HandWritten, "hand-written loop", None; |operation: F -> A, BASE| async move {
    let mut wait = BASE;
    let mut retries = 0;
    loop {
        match operation().await {
            Err(error) if error.is_transient() && retries < RETRIES => retries += 1,
            outcome => return outcome,
        }
        if wait != ZERO {
            tokio::time::sleep(wait).await;
        }
        wait = wait.saturating_mul(2).min(CAP);
    }
});

const fn policy(base: Duration) -> persevere::Policy {
    persevere::Policy::new()
        .total(RETRIES)
        .backoff(base)
        .immediate_first(false)
        .max_wait(CAP)
        .jitter(persevere::Jitter::None)
        .valid()
}

row!(Function, "persevere `retry_async`", Some("persevere"); |operation: F -> A, BASE| {
    const POLICY: persevere::Policy = policy(BASE);
    persevere::retry_async(POLICY, operation)
});

row!(InPlace, "persevere `retry_async!`", Some("persevere"); |operation: F -> A, BASE| {
    const POLICY: persevere::Policy = policy(BASE);
    async move { persevere::retry_async!(POLICY, operation().await) }
});

row!(Attribute, "persevere `#[retry]`", Some("persevere"); |operation: F -> A, BASE| {
    #[persevere::retry(total = 3, backoff = BASE, immediate_first = false, max_wait = 120, jitter = none)]
    async fn attempt<F, A>(mut operation: F) -> Outcome
    where
        F: FnMut() -> A,
        A: Future<Output = Outcome>,
    {
        operation().await
    }
    attempt(operation)
});

row!(Backon, "backon", Some("backon"); |operation: F -> A, BASE| {
    use backon::Retryable;

    let backoff = backon::ExponentialBuilder::new()
        .with_min_delay(BASE)
        .with_max_delay(CAP)
        .with_factor(2.0)
        .with_max_times(RETRIES as usize);
    operation.retry(backoff).when(Failure::is_transient)
});

row!(Backoff, "backoff", Some("backoff"), LIMITED = false; |operation: F -> A, BASE| {
    backoff::future::retry(backoff(BASE), move || Mapped { attempt: operation(), map: marked })
});

row!(TokioRetry2, "tokio-retry2", Some("tokio-retry2"); |operation: F -> A, BASE| {
    use tokio_retry2::RetryError;
    use tokio_retry2::strategy::ExponentialFactorBackoff;

    fn marked(error: Failure) -> RetryError<Failure> {
        if error.is_transient() { RetryError::transient(error) } else { RetryError::permanent(error) }
    }
    let millis = u64::from(BASE.subsec_millis());
    let waits = ExponentialFactorBackoff::from_millis(millis, 2.0).max_delay(CAP).take(RETRIES as usize);
    tokio_retry2::Retry::spawn(waits, move || Mapped { attempt: operation(), map: marked })
});

row!(Tryhard, "tryhard", Some("tryhard"); |operation: F -> A, BASE| {
    let backoff = Classified(tryhard::backoff_strategies::ExponentialBackoff::new(BASE));
    tryhard::retry_fn(operation).retries(RETRIES).custom_backoff(backoff).max_delay(CAP)
});

row!(Again, "again", Some("again"); |operation: F -> A, BASE| async move {
    again::RetryPolicy::exponential(BASE)
        .with_max_delay(CAP)
        .with_max_retries(RETRIES as usize)
        .retry_if(operation, Failure::is_transient)
        .await
});

row!(ExponentialBackoff, "exponential-backoff", Some("exponential-backoff"); |operation: F -> A, BASE| async move {
    for wait in exponential_backoff(BASE) {
        let wait = match (operation().await, wait) {
            (Err(error), Some(wait)) if error.is_transient() => wait,
            (outcome, _) => return outcome,
        };
        tokio::time::sleep(wait).await;
    }
    Err(Failure::Gone)
});

row!(Tower, "tower", Some("tower"); |operation: F -> A, BASE| {
    use tower::retry::backoff::{ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
    use tower::util::{ServiceExt, rng::HasherRng};

    // A service is made once and cloned for each request, and its policy with it.
    static BACKOFF: LazyLock<ExponentialBackoff> = LazyLock::new(|| {
        ExponentialBackoffMaker::new(BASE, CAP, 0.0, HasherRng::new()).expect("a valid backoff").make_backoff()
    });
    let policy = Limited { left: RETRIES, backoff: BACKOFF.clone() };
    tower::retry::Retry::new(policy, tower::service_fn(move |()| operation())).oneshot(())
});

/// backon with a sleeper that is ready at once, which is how it goes without a timer when there is no wait.
#[inline]
pub fn backon_without_timer<F, A>(operation: F) -> impl Future<Output = Outcome> + Send
where
    F: FnMut() -> A + Clone + Send,
    A: Future<Output = Outcome> + Send,
{
    use backon::Retryable;

    let backoff = backon::ExponentialBuilder::new()
        .with_min_delay(ZERO)
        .with_max_delay(CAP)
        .with_factor(2.0)
        .with_max_times(RETRIES as usize);
    operation.retry(backoff).when(Failure::is_transient).sleep(|_| std::future::ready(()))
}

/// tryhard's exponential backoff with a classification, as its own traits have it.
#[derive(Clone, Copy, Debug)]
struct Classified(tryhard::backoff_strategies::ExponentialBackoff);

impl<'a> tryhard::backoff_strategies::BackoffStrategy<'a, Failure> for Classified {
    type Output = tryhard::RetryPolicy;

    #[inline]
    fn delay(&mut self, attempt: u32, error: &'a Failure) -> tryhard::RetryPolicy {
        if error.is_transient() {
            tryhard::RetryPolicy::Delay(self.0.delay(attempt, error))
        } else {
            tryhard::RetryPolicy::Break
        }
    }
}

/// A policy as tower's users write it.
#[derive(Clone, Debug)]
struct Limited {
    left: u32,
    backoff: tower::retry::backoff::ExponentialBackoff,
}

impl tower::retry::Policy<(), u64, Failure> for Limited {
    type Future = tokio::time::Sleep;

    #[inline]
    fn retry(&mut self, (): &mut (), result: &mut Outcome) -> Option<Self::Future> {
        use tower::retry::backoff::Backoff;

        match result {
            Err(error) if error.is_transient() && self.left > 0 => {
                self.left -= 1;
                Some(self.backoff.next_backoff())
            }
            _ => None,
        }
    }

    #[inline]
    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

pin_project_lite::pin_project! {
    /// An attempt whose error is turned into the one that a crate demands. It takes no room of its own.
    struct Mapped<A, E> {
        #[pin]
        attempt: A,
        map: fn(Failure) -> E,
    }
}

impl<A: Future<Output = Outcome>, E> Future for Mapped<A, E> {
    type Output = Result<u64, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let map = *this.map;
        this.attempt.poll(cx).map(|outcome| outcome.map_err(map))
    }
}
