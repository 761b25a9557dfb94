//! A prepared run whose type can be written down: classifier, hooks and guards stand behind `Arc`s.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

use crate::drive::before::{Before, BeforeAsync, BeforeBlocking, Hook, Make, NoHook};
use crate::drive::judge::{AnyOk, ByTrait, Classify, When};
use crate::drive::retry::Retry;
#[cfg(target_has_atomic = "64")]
use crate::guard::beside::{Breaking, Spending, Throttling};
use crate::guard::nesting::Nesting;
#[cfg(target_has_atomic = "64")]
use crate::guard::{AdaptiveThrottle, Breaker, Budget, Guards, Shared};
use crate::observe::around::Scoped;
use crate::observe::event::{Event, GaveUp};
use crate::observe::refusal::Kept;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, OnGiveUp, OnRejected, OnRetry, Refuse, Retrying};
use crate::policy::Policy;
#[cfg(feature = "tracing")]
use crate::report::Describe;
use crate::run::StopReason;
#[cfg(feature = "tracing")]
use crate::telemetry::tracing::Telling;
use crate::time::DefaultTimer;
use crate::verdict::{Erased, Rejected, Retryable, Verdict};

/// A prepared run for errors of type `E` whose type can be written into a struct field.
///
/// [`Retry::shared`] and [`Retry::shared_async`] make it. It is cheap to clone, `Send` and `Sync`, and fits
/// [`retry`](crate::retry()), [`retry_async`](crate::retry_async()), `retry!` and `retry_async!` alike, for operations with
/// any value. `P` is a [`Policy`] or one with an attempt timeout, `T` the timer, and `B` what runs before a retry:
/// nothing, a [`SharedHook`] or a [`SharedAsyncHook`].
///
/// ```
/// use persevere::{Event, Policy, SharedRetry, retry};
/// use std::io;
///
/// #[derive(Clone)]
/// struct Store {
///     retry: SharedRetry<io::Error>,
/// }
///
/// impl Store {
///     fn new() -> Self {
///         let retry = Policy::new()
///             .total(5)
///             .when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound)
///             .on_retry(|event: Event<'_, io::Error>| eprintln!("{event}"))
///             .shared();
///         Self { retry }
///     }
///
///     fn read(&self, path: &str) -> io::Result<String> {
///         retry(self.retry.clone(), || std::fs::read_to_string(path))
///     }
/// }
/// assert!(Store::new().read("Cargo.toml").is_ok());
/// ```
pub type SharedRetry<E, P = Policy, B = NoHook, T = DefaultTimer> =
    Retry<P, SharedClassify<E>, AnyOk, SharedObserver<E>, B, T>;

impl<P, C, O, B, T> Retry<P, C, AnyOk, O, B, T> {
    /// Puts classifier, hooks and guards behind `Arc`s, so that the type can be written: [`SharedRetry`].
    ///
    /// The closures must be `Clone + Send + Sync + 'static`, and guards a `static` or an `Arc`. Each run works on copies of
    /// the closures, made at its first failure, so what a closure counts by itself it counts for one run. What belongs to one call, a
    /// [`report`](Retry::report) or a [`when_ok`](Retry::when_ok), is added at the call: `retry.clone().report(&mut report)`.
    /// For a `before_retry` hook that returns a future, use [`shared_async`](Retry::shared_async).
    pub fn shared<E>(self) -> SharedRetry<E, P, B::Shared, T>
    where
        C: ShareClassify<E>,
        O: ShareObserver<E> + Refuse<E>,
        B: ShareHook,
    {
        let Self { plan, classify, accept, observe, before, timer } = self;
        Retry { plan, classify: classify.share(), accept, observe: shared(observe), before: before.share(), timer }
    }

    /// As [`shared`](Retry::shared), for a run whose `before_retry` hook returns a future that is `Send`.
    ///
    /// ```
    /// use persevere::{parts::SharedAsyncHook, Policy, SharedRetry};
    /// use std::io;
    ///
    /// struct Store {
    ///     retry: SharedRetry<io::Error, Policy, SharedAsyncHook>,
    /// }
    ///
    /// let store = Store { retry: Policy::new().before_retry(|_| async { /* reconnect */ }).shared_async() };
    /// # let _ = store.retry;
    /// ```
    pub fn shared_async<E>(self) -> SharedRetry<E, P, B::Shared, T>
    where
        C: ShareClassify<E>,
        O: ShareObserver<E> + Refuse<E>,
        B: ShareAsyncHook,
    {
        let Self { plan, classify, accept, observe, before, timer } = self;
        Retry { plan, classify: classify.share(), accept, observe: shared(observe), before: before.share(), timer }
    }
}

fn shared<E, O: ShareObserver<E> + Refuse<E>>(observer: O) -> SharedObserver<E> {
    let mut shared = SharedObserver::default();
    observer.share(&mut shared);
    shared.refusing = O::FROM.or(shared.refusing);
    shared
}

/// A closure of which each run makes its own copy when it first needs it.
struct PerRun<F: ?Sized> {
    copy: Arc<dyn Fn() -> Box<F> + Send + Sync>,
    own: Option<Box<F>>,
}

impl<F: ?Sized> PerRun<F> {
    fn new(copy: impl Fn() -> Box<F> + Send + Sync + 'static) -> Self {
        Self { copy: Arc::new(copy), own: None }
    }

    fn get(&mut self) -> &mut F {
        self.own.get_or_insert_with(|| (self.copy)())
    }
}

/// Shares the closure; the copy belongs to one run.
impl<F: ?Sized> Clone for PerRun<F> {
    fn clone(&self) -> Self {
        Self { copy: Arc::clone(&self.copy), own: None }
    }
}

type AnyWhen<E> = dyn FnMut(&E) -> Verdict + Send + Sync;
type AnyOnRetry<E> = dyn FnMut(Event<'_, E>) + Send + Sync;
type AnyOnGiveUp = dyn FnMut(GaveUp) + Send + Sync;
type AnyOnRejected<E> = dyn FnMut(Rejected) -> E + Send + Sync;
type AnyHook = dyn FnMut(Event<'static>) + Send + Sync;
type AnyAsyncHook = dyn FnMut(Event<'static>) -> SharedLead + Send + Sync;
pub(crate) type SharedLead = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The classifier of a [`SharedRetry`].
pub struct SharedClassify<E>(Classifier<E>);

enum Classifier<E> {
    Plain { classify: fn(&E) -> Verdict, erased: fn(&E) -> Option<Erased<'_>> },
    When(PerRun<AnyWhen<E>>),
}

impl<E> SharedClassify<E> {
    /// One that keeps nothing.
    pub(crate) const fn of(classify: fn(&E) -> Verdict, erased: fn(&E) -> Option<Erased<'_>>) -> Self {
        Self(Classifier::Plain { classify, erased })
    }
}

impl<E> Clone for SharedClassify<E> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Classifier::Plain { classify, erased } => Classifier::Plain { classify: *classify, erased: *erased },
            Classifier::When(classify) => Classifier::When(classify.clone()),
        })
    }
}

impl<E> fmt::Debug for SharedClassify<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedClassify")
    }
}

impl<E> Classify<E> for SharedClassify<E> {
    fn verdict(&mut self, error: &E) -> Verdict {
        match &mut self.0 {
            Classifier::Plain { classify, .. } => classify(error),
            Classifier::When(classify) => classify.get()(error),
        }
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        match &self.0 {
            Classifier::Plain { erased, .. } => erased(error),
            Classifier::When(_) => None,
        }
    }
}

/// A classifier that can be shared.
#[doc(hidden)]
pub trait ShareClassify<E> {
    fn share(self) -> SharedClassify<E>;
}

impl<E: Retryable> ShareClassify<E> for ByTrait {
    fn share(self) -> SharedClassify<E> {
        SharedClassify::of(E::verdict, E::erased)
    }
}

impl<E, R, F> ShareClassify<E> for When<F>
where
    F: FnMut(&E) -> R + Clone + Send + Sync + 'static,
    R: Into<Verdict>,
{
    fn share(self) -> SharedClassify<E> {
        SharedClassify(Classifier::When(PerRun::new(move || -> Box<AnyWhen<E>> {
            let mut when = self.0.clone();
            Box::new(move |error| when(error).into())
        })))
    }
}

impl<E> ShareClassify<E> for SharedClassify<E> {
    fn share(self) -> Self {
        self
    }
}

/// Writes an error's text.
#[cfg(feature = "tracing")]
struct Describer<E>(Arc<dyn Describe<E> + Send + Sync>);

#[cfg(feature = "tracing")]
impl<E> Clone for Describer<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(feature = "tracing")]
impl<E> Describe<E> for Describer<E> {
    fn describe(&self, error: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(error, f)
    }
}

/// The hooks and guards of a [`SharedRetry`].
pub struct SharedObserver<E> {
    /// All `on_retry` hooks, one after the other.
    hooks: Option<PerRun<AnyOnRetry<E>>>,
    /// All `on_give_up` hooks, one after the other.
    giving_up: Option<PerRun<AnyOnGiveUp>>,
    #[cfg(target_has_atomic = "64")]
    guards: Guards,
    /// Makes an error of the operation's of a refusal, if a guard may refuse an attempt and no closure does.
    refusing: Option<fn(Rejected) -> E>,
    rejected: Option<PerRun<AnyOnRejected<E>>>,
    nesting: Option<Nesting>,
    #[cfg(feature = "tracing")]
    telling: Option<Telling<Describer<E>>>,
}

impl<E> Default for SharedObserver<E> {
    fn default() -> Self {
        Self {
            hooks: None,
            giving_up: None,
            #[cfg(target_has_atomic = "64")]
            guards: Guards::default(),
            refusing: None,
            rejected: None,
            nesting: None,
            #[cfg(feature = "tracing")]
            telling: None,
        }
    }
}

/// Shares hooks and guards; it has charged nothing yet.
impl<E> Clone for SharedObserver<E> {
    fn clone(&self) -> Self {
        Self {
            hooks: self.hooks.clone(),
            giving_up: self.giving_up.clone(),
            #[cfg(target_has_atomic = "64")]
            guards: self.guards.clone(),
            refusing: self.refusing,
            rejected: self.rejected.clone(),
            nesting: self.nesting,
            #[cfg(feature = "tracing")]
            telling: self.telling.clone(),
        }
    }
}

impl<E> fmt::Debug for SharedObserver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedObserver")
    }
}

impl<E> Observer for SharedObserver<E> {
    const CLOCK: bool = true;
    const GATED: bool = true;
    type Around = Scoped;
    type Refusal = Kept;
    no_word!();

    fn started(&mut self, now: u64, name: Option<&'static str>) {
        #[cfg(feature = "tracing")]
        if let Some(telling) = &mut self.telling {
            telling.started(now, name);
        }
        let _ = (now, name);
    }

    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        #[cfg(target_has_atomic = "64")]
        self.guards.admit(now)?;
        let _ = now;
        Ok(())
    }

    fn refusal(&self) -> Option<StopReason> {
        #[cfg(target_has_atomic = "64")]
        return self.guards.refusal();
        #[cfg(not(target_has_atomic = "64"))]
        None
    }

    fn begins(&mut self) {
        #[cfg(target_has_atomic = "64")]
        self.guards.begins();
    }

    fn answered(&mut self, failed: bool, now: u64) {
        #[cfg(target_has_atomic = "64")]
        self.guards.answered(failed, now);
        let _ = (failed, now);
    }

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        if let Some(nesting) = &mut self.nesting {
            nesting.permit(retry)?;
        }
        #[cfg(target_has_atomic = "64")]
        self.guards.permit(retry)?;
        Ok(())
    }

    fn ended(&mut self, reason: StopReason, attempts: u32, now: u64) {
        #[cfg(target_has_atomic = "64")]
        self.guards.ended(reason, attempts, now);
        let _ = now;
        if let Some(hooks) = self.giving_up.as_mut().filter(|_| reason != StopReason::Succeeded) {
            hooks.get()(GaveUp { reason, attempts });
        }
    }

    fn since(&self) -> Option<u64> {
        #[cfg(feature = "tracing")]
        return self.telling.as_ref().and_then(Observer::since);
        #[cfg(not(feature = "tracing"))]
        None
    }
}

impl<E> Observe<E> for SharedObserver<E> {
    fn failed(&mut self, failure: &Failed<'_, E>) {
        if let Some((hooks, event)) = self.hooks.as_mut().zip(failure.event()) {
            hooks.get()(event);
        }
    }

    fn rejected(&mut self, rejected: Rejected) -> Option<E> {
        match &mut self.rejected {
            Some(make) => Some(make.get()(rejected)),
            None => self.refusing.map(|make| make(rejected)),
        }
    }

    #[cfg(feature = "tracing")]
    fn text(&self, error: &E, to: &mut dyn fmt::Write) -> bool {
        self.telling.as_ref().is_some_and(|telling| telling.text(error, to))
    }
}

/// Hooks and guards that can be shared.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this run has a part that belongs to one call, or that can't be sent to another thread",
    label = "can't be shared",
    note = "hooks must be `Clone + Send + Sync + 'static`, guards a `static` or an `Arc`; add `report` at the call"
)]
pub trait ShareObserver<E> {
    fn share(self, into: &mut SharedObserver<E>);
}

impl<E> ShareObserver<E> for () {
    fn share(self, _: &mut SharedObserver<E>) {}
}

impl<E, A: ShareObserver<E>, B: ShareObserver<E>> ShareObserver<E> for (A, B) {
    fn share(self, into: &mut SharedObserver<E>) {
        self.0.share(into);
        self.1.share(into);
    }
}

impl<E> ShareObserver<E> for SharedObserver<E> {
    fn share(self, into: &mut Self) {
        *into = self;
    }
}

impl<E, F> ShareObserver<E> for OnRetry<F>
where
    E: 'static,
    F: FnMut(Event<'_, E>) + Clone + Send + Sync + 'static,
{
    fn share(self, into: &mut SharedObserver<E>) {
        let earlier = into.hooks.take();
        into.hooks = Some(PerRun::new(move || -> Box<AnyOnRetry<E>> {
            let mut hook = self.0.clone();
            match &earlier {
                None => Box::new(hook),
                Some(earlier) => {
                    let mut earlier = (earlier.copy)();
                    Box::new(move |event| {
                        earlier(event);
                        hook(event);
                    })
                }
            }
        }));
    }
}

impl<E, F> ShareObserver<E> for OnGiveUp<F>
where
    F: FnMut(GaveUp) + Clone + Send + Sync + 'static,
{
    fn share(self, into: &mut SharedObserver<E>) {
        let earlier = into.giving_up.take();
        into.giving_up = Some(PerRun::new(move || -> Box<AnyOnGiveUp> {
            let (mut hook, mut earlier) = (self.0.clone(), earlier.clone());
            Box::new(move |gave_up| {
                if let Some(earlier) = &mut earlier {
                    earlier.get()(gave_up);
                }
                hook(gave_up);
            })
        }));
    }
}

/// The later one counts.
impl<E, F> ShareObserver<E> for OnRejected<F>
where
    E: 'static,
    F: FnMut(Rejected) -> E + Clone + Send + Sync + 'static,
{
    fn share(self, into: &mut SharedObserver<E>) {
        into.rejected = Some(PerRun::new(move || -> Box<AnyOnRejected<E>> { Box::new(self.0.clone()) }));
    }
}

impl<E> ShareObserver<E> for Nesting {
    fn share(self, into: &mut SharedObserver<E>) {
        into.nesting = Some(self);
    }
}

#[cfg(target_has_atomic = "64")]
impl<E, D> ShareObserver<E> for Spending<D>
where
    D: core::ops::Deref<Target = Budget> + Clone + Into<Shared<Budget>>,
{
    fn share(self, into: &mut SharedObserver<E>) {
        into.guards.set_budget(self.budget().clone().into());
    }
}

#[cfg(target_has_atomic = "64")]
impl<E, D> ShareObserver<E> for Breaking<D>
where
    D: core::ops::Deref<Target = Breaker> + Clone + Into<Shared<Breaker>>,
{
    fn share(self, into: &mut SharedObserver<E>) {
        into.guards.set_breaker(self.breaker().clone().into());
    }
}

#[cfg(target_has_atomic = "64")]
impl<E, D> ShareObserver<E> for Throttling<D>
where
    D: core::ops::Deref<Target = AdaptiveThrottle> + Clone + Into<Shared<AdaptiveThrottle>>,
{
    fn share(self, into: &mut SharedObserver<E>) {
        into.guards.set_throttle(self.throttle().clone().into());
    }
}

#[cfg(feature = "tracing")]
impl<E, D> ShareObserver<E> for Telling<D>
where
    D: Describe<E> + Send + Sync + 'static,
{
    fn share(self, into: &mut SharedObserver<E>) {
        into.telling = Some(self.map(|describe| Describer(Arc::new(describe))));
    }
}

/// The blocking `before_retry` hooks of a [`SharedRetry`].
#[derive(Clone)]
pub struct SharedHook(PerRun<AnyHook>);

/// The async `before_retry` hooks of a [`SharedRetry`].
#[derive(Clone)]
pub struct SharedAsyncHook(Vec<PerRun<AnyAsyncHook>>);

#[cfg(feature = "tower")]
impl SharedAsyncHook {
    #[allow(clippy::missing_const_for_fn)] // Not yet in the oldest Rust.
    pub(crate) fn hooks(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn call(&mut self, index: usize, event: Event<'static>) -> Option<SharedLead> {
        self.0.get_mut(index).map(|hook| hook.get()(event))
    }
}

impl fmt::Debug for SharedHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHook")
    }
}

impl fmt::Debug for SharedAsyncHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedAsyncHook")
    }
}

impl Before for SharedHook {
    const HOOKED: bool = true;
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl BeforeBlocking for SharedHook {
    fn call(&mut self, note: Self::Note) {
        if let Some(event) = note {
            self.0.get()(event);
        }
    }
}

impl Before for SharedAsyncHook {
    const HOOKED: bool = true;
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl BeforeAsync for SharedAsyncHook {
    fn lead<M: Make>(&mut self, note: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        async move {
            if let Some(event) = note {
                for hook in &mut self.0 {
                    hook.get()(event).await;
                }
            }
            attempt.make().await
        }
    }
}

/// Blocking hooks, or none, that can be shared.
#[doc(hidden)]
pub trait ShareHook {
    type Shared;
    fn share(self) -> Self::Shared;
}

/// Async hooks, or none, that can be shared.
#[doc(hidden)]
pub trait ShareAsyncHook {
    type Shared;
    fn share(self) -> Self::Shared;
    fn gather(self) -> SharedAsyncHook;
}

impl ShareHook for NoHook {
    type Shared = Self;

    fn share(self) -> Self {
        self
    }
}

impl ShareAsyncHook for NoHook {
    type Shared = Self;

    fn share(self) -> Self {
        self
    }

    fn gather(self) -> SharedAsyncHook {
        SharedAsyncHook(Vec::new())
    }
}

impl ShareHook for SharedHook {
    type Shared = Self;

    fn share(self) -> Self {
        self
    }
}

impl ShareAsyncHook for SharedAsyncHook {
    type Shared = Self;

    fn share(self) -> Self {
        self
    }

    fn gather(self) -> Self {
        self
    }
}

/// All hooks as one closure.
impl<A, F> ShareHook for (A, Hook<F>)
where
    A: BeforeBlocking + Clone + Send + Sync + 'static,
    F: FnMut(Event<'static>) + Clone + Send + Sync + 'static,
{
    type Shared = SharedHook;

    fn share(self) -> SharedHook {
        SharedHook(PerRun::new(move || -> Box<AnyHook> {
            let mut hooks = self.clone();
            Box::new(move |event| hooks.call(Some(event)))
        }))
    }
}

/// Each hook by itself, since it may only be called when the one before has ended.
impl<A, F, R> ShareAsyncHook for (A, Hook<F>)
where
    A: ShareAsyncHook,
    F: FnMut(Event<'static>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    type Shared = SharedAsyncHook;

    fn share(self) -> SharedAsyncHook {
        self.gather()
    }

    fn gather(self) -> SharedAsyncHook {
        let (earlier, Hook(hook)) = self;
        let mut hooks = earlier.gather();
        hooks.0.push(PerRun::new(move || -> Box<AnyAsyncHook> {
            let mut hook = hook.clone();
            Box::new(move |event| Box::pin(hook(event)))
        }));
        hooks
    }
}
