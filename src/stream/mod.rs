//! Streams that are opened again where they stopped.
// Its examples need a crate of streams: `tests/http` runs them.
#![cfg_attr(not(doctest), doc = "")]
#![cfg_attr(not(doctest), doc = include_str!("page.md"))]

use core::borrow::Borrow;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use futures_core::stream::{FusedStream, Stream};
use pin_project_lite::pin_project;

mod facts;
mod outage;

use self::facts::{Ended, Facts, Knowing};
pub use self::outage::Outage;
use self::outage::{Healthy, OnHealthy};
use crate::drive::before::NoHook;
use crate::drive::bound::Guard;
use crate::drive::judge::{AnyOk, Classify};
use crate::drive::plan::{Adjust, Plan};
use crate::drive::retry::{IntoRetry, Retry};
use crate::drive::signal::Signal;
use crate::drive::{Driver, Memory, Step};
use crate::observe::refusal::Makes;
use crate::observe::{Observe, Observer, Refuse, Word as _};
use crate::policy::Policy;
use crate::run::StopReason;
use crate::time::{Timer, Yield, nanos};
use crate::verdict::TimedOut;

/// The policy of a stream that nothing else is known about: it never gives up, and waits at most 30 s.
///
/// The first retry is not at once: clients that lose their server at one moment must not come back at one moment.
///
/// ```
/// use persevere::stream;
///
/// assert_eq!(
///     stream::POLICY.to_string(),
///     "attempts without limit, waits 0.3 s, 0.6 s, 1.2 s, 2.4 s, 4.8 s … 30 s with full jitter"
/// );
/// ```
pub const POLICY: Policy = Policy::new().forever().immediate_first(false).max_wait(Duration::from_secs(30)).valid();

/// The plan of a stream by the policy `R`.
type PlanOf<R> = <<<R as IntoRetry>::Plan as Adjust>::Adjusted as Adjust>::Streaked;

/// Makes a stream that is opened again where it stopped when it breaks.
///
/// `open` connects, and gets the position of the last item, or `None` before the first. `position` returns the position of
/// an item, or `None` for an item without one, such as a heartbeat. Make it cheap: it is called for each item.
///
/// The policy is whatever [`retry_async`](crate::retry_async()) takes, without `when_ok` and without `before_retry`, whose
/// place is in `open`. The page of this [module](self) says what counts as a failure and as progress.
///
/// # Errors
///
/// If the policy gives up, or an error is permanent, that error is the last item. [`Resume::stop_reason`] says why.
///
/// # Panics
///
/// If `open`, `position`, a hook or the stream does. Outside a tokio runtime tokio's timer panics, as tokio does, when there
/// is a wait.
///
/// # Cancel safety
///
/// Waiting for the next item is cancel safe: no item is lost. Dropping the stream drops its connection, or the timer.
///
#[cfg_attr(not(doctest), doc = include_str!("resume.md"))]
#[allow(clippy::type_complexity)] // One parameter for each thing that a stream is made of.
pub fn resume<R, F, L, S, I, E, G, Q>(
    policy: R,
    open: F,
    position: G,
) -> Resume<PlanOf<R>, R::Classify, R::Observe, R::Timer, F, L, S, G, Q, E>
where
    R: IntoRetry<
            Plan: Adjust<Adjusted: Adjust<Streaked: Plan<Timing: Guard<E>>>>,
            Classify: Classify<E>,
            Accept = AnyOk,
            Observe: Refuse<E>,
            Before = NoHook,
            Timer: Timer,
        >,
    F: FnMut(Option<Q>) -> L,
    L: Future<Output = Result<S, E>>,
    S: Stream<Item = Result<I, E>>,
    G: FnMut(&I) -> Option<Q>,
    Q: Clone,
{
    let Retry { plan, classify, observe, timer, .. } = policy.into_retry();
    // Counted from the start, the first break after an hour would be past its deadline.
    let mut within = u64::MAX;
    let plan = plan.adjust(|policy| {
        within = policy.within;
        Policy { within: u64::MAX, ..policy }
    });
    let plan = plan.streaks(|rules| rules.failing_for(nanos::duration(within.min(rules.failing_for))));
    let driver = Driver::new(Retry {
        plan,
        classify: Knowing { classify, facts: Facts::FRESH },
        accept: AnyOk,
        observe: (Ended::default(), observe),
        before: NoHook,
        timer,
    });
    Resume {
        signal: driver.signal(),
        driver,
        memory: None,
        word: None,
        kept: None,
        open,
        position,
        last: None,
        healthy: NoHook,
        outage: None,
        began: 0,
        waited: 0,
        broken: None,
        stall: None,
        limit: u64::MAX,
        sleep: None,
        state: State::Closed,
    }
}

pin_project! {
    /// A stream that is opened again where it stopped: what [`resume`] makes.
    ///
    /// # Cancel safety
    ///
    /// As [`resume`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Resume<P, C, O, T, F, L, S, G, Q, E, H = NoHook>
    where
        P: Plan,
        O: Observer,
        T: Timer,
    {
        driver: Driver<P, Knowing<C>, AnyOk, (Ended, O), NoHook, T>,
        // None until the first poll: the run starts there.
        memory: Option<Memory>,
        signal: P::Signal,
        // Of the wait.
        word: Option<<(Ended, O) as Observer>::Word>,
        kept: Option<<P::Signal as Signal>::Kept<Result<(), E>>>,
        open: F,
        position: G,
        last: Option<Q>,
        healthy: H,
        // How many failures there were since the last item, and when the first of them was.
        outage: Option<(u32, u64)>,
        // When it was opened last, and the wait before that, in nanoseconds.
        began: u64,
        waited: u64,
        // Makes the error of a clean end, where that is a break.
        broken: Option<fn() -> E>,
        stall: Option<(u64, fn(TimedOut) -> E)>,
        // What the opening may take, in nanoseconds.
        limit: u64,
        // The opening's timeout, the wait before it, or the watch while nothing comes.
        #[pin]
        sleep: Option<T::Sleep>,
        #[pin]
        state: State<L, S>,
    }
}

pin_project! {
    #[project = Now]
    enum State<L, S> {
        // To be opened.
        Closed,
        Opening { #[pin] opening: L },
        Open { #[pin] stream: S },
        Yielding { turn: Yield },
        Waiting,
        Over,
    }
}

impl<P, C, O, T, F, L, S, G, Q, E, H> Resume<P, C, O, T, F, L, S, G, Q, E, H>
where
    P: Plan,
    O: Observer,
    T: Timer,
{
    /// Begins behind this position, where an earlier process stopped.
    ///
    #[cfg_attr(not(doctest), doc = include_str!("from.md"))]
    pub fn from(mut self, position: Option<Q>) -> Self {
        self.last = position;
        self
    }

    /// Takes a clean end for a break, with this error: for feeds that never end, such as server-sent events.
    ///
    /// The break is transient, a read fault, whatever the error says. Without this a clean end is the end.
    ///
    #[cfg_attr(not(doctest), doc = include_str!("unending.md"))]
    pub fn unending(mut self, broken: fn() -> E) -> Self {
        self.broken = Some(broken);
        self
    }

    /// Takes it for a break if no item comes for this long, because many clients never notice a silent peer.
    ///
    /// It bounds the time between items, not the opening, for which there is an
    /// [`attempt_timeout`](crate::Policy::attempt_timeout). Make it longer than the pause between two heartbeats. A
    /// heartbeat that is no item does not count.
    pub fn stall(mut self, longest: Duration) -> Self
    where
        E: From<TimedOut>,
    {
        self.stall = Some((nanos::from(longest), E::from));
        self
    }

    /// Calls this when the stream is healthy again: at the first item after an outage.
    ///
    /// A later hook takes the place of an earlier one. A panic in it passes through.
    #[cfg_attr(not(doctest), doc = include_str!("healthy.md"))]
    #[allow(clippy::type_complexity)] // One parameter for each thing that a stream is made of.
    pub fn on_healthy<N: FnMut(Outage)>(self, hook: N) -> Resume<P, C, O, T, F, L, S, G, Q, E, OnHealthy<N>> {
        let Self { driver, memory, signal, word, kept, open, position, last, outage, .. } = self;
        let Self { began, waited, broken, stall, limit, sleep, state, .. } = self;
        let healthy = OnHealthy(hook);
        Resume {
            driver,
            memory,
            signal,
            word,
            kept,
            open,
            position,
            last,
            healthy,
            outage,
            began,
            waited,
            broken,
            stall,
            limit,
            sleep,
            state,
        }
    }

    /// Returns the position of the last item that had one.
    pub const fn position(&self) -> Option<&Q> {
        self.last.as_ref()
    }

    /// Returns why the stream is over; `None` as long as it is not.
    pub const fn stop_reason(&self) -> Option<StopReason> {
        self.driver.retry.observe.0.0
    }
}

impl<P, C, O, T, F, L, S, I, G, Q, E, H> Stream for Resume<P, C, O, T, F, L, S, G, Q, E, H>
where
    P: Plan<Timing: Guard<E>>,
    C: Classify<E>,
    O: Observe<E, Refusal: Makes<E>>,
    T: Timer,
    F: FnMut(Option<Q>) -> L,
    L: Future<Output = Result<S, E>>,
    S: Stream<Item = Result<I, E>>,
    G: FnMut(&I) -> Option<Q>,
    Q: Clone,
    H: Healthy,
{
    type Item = Result<I, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<I, E>>> {
        // A feed that is never idle is stopped, too.
        if self.as_mut().is_stopped(context) {
            return Poll::Ready(None);
        }
        let polled = self.as_mut().poll_item(context);
        if polled.is_pending() && self.is_stopped(context) { Poll::Ready(None) } else { polled }
    }
}

impl<P, C, O, T, F, L, S, G, Q, E, H> Resume<P, C, O, T, F, L, S, G, Q, E, H>
where
    P: Plan,
    O: Observer,
    T: Timer,
{
    /// Ends the stream if it is told to stop while it is open, or being opened. A wait looks by itself.
    fn is_stopped(self: Pin<&mut Self>, context: &mut Context<'_>) -> bool {
        if !P::Signal::ANY {
            return false;
        }
        let mut this = self.project();
        let running = matches!(this.state.as_mut().project(), Now::Opening { .. } | Now::Open { .. });
        let Some(memory) = this.memory.as_mut().filter(|_| running) else { return false };
        if this.signal.poll(context).is_pending() {
            return false;
        }
        this.state.set(State::Over);
        this.sleep.set(None);
        this.driver.stop(memory);
        true
    }

    #[allow(clippy::too_many_lines)] // The states in their order.
    fn poll_item<I>(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<I, E>>>
    where
        P: Plan<Timing: Guard<E>>,
        C: Classify<E>,
        O: Observe<E, Refusal: Makes<E>>,
        F: FnMut(Option<Q>) -> L,
        L: Future<Output = Result<S, E>>,
        S: Stream<Item = Result<I, E>>,
        G: FnMut(&I) -> Option<Q>,
        Q: Clone,
        H: Healthy,
    {
        let this = self.project();
        let (driver, mut sleep, mut state) = (this.driver, this.sleep, this.state);
        let memory = this.memory.get_or_insert_with(|| driver.start());
        loop {
            let broken = match state.as_mut().project() {
                Now::Over => return Poll::Ready(None),
                Now::Yielding { .. } | Now::Waiting => {
                    if this.signal.poll(context).is_pending() {
                        if let Some(word) = this.word {
                            ready!(word.poll(context));
                        }
                        if let Now::Yielding { turn } = state.as_mut().project() {
                            ready!(Pin::new(turn).poll(context));
                        }
                        if let Some(sleep) = sleep.as_mut().as_pin_mut() {
                            ready!(sleep.poll(context));
                        }
                    }
                    sleep.set(None);
                    *this.word = None;
                    if let Some(outcome) = this.kept.take().and_then(|kept| driver.over(memory, kept)) {
                        state.set(State::Over);
                        return Poll::Ready(outcome.err().map(Err));
                    }
                    state.set(State::Closed);
                    continue;
                }
                Now::Closed => {
                    driver.retry.classify.facts = Facts::FRESH;
                    if let Some(refused) = driver.refuse() {
                        refused
                    } else {
                        *this.limit = driver.begin();
                        *this.began = nanos::from(driver.retry.timer.now());
                        state.set(State::Opening { opening: (this.open)(this.last.clone()) });
                        continue;
                    }
                }
                Now::Opening { mut opening } => {
                    let poll = driver.poll_guard(memory, this.limit, sleep.as_mut(), context, |_, (), context, _| {
                        opening.as_mut().poll(context)
                    });
                    match ready!(poll) {
                        Ok(stream) => {
                            sleep.set(None);
                            driver.retry.classify.facts.opened = true;
                            driver.opened();
                            state.set(State::Open { stream });
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                Now::Open { stream } => match stream.poll_next(context) {
                    Poll::Ready(Some(Ok(item))) => {
                        if sleep.is_some() {
                            sleep.set(None);
                        }
                        driver.retry.classify.facts.progressed = true;
                        if H::ANY {
                            if let Some((failures, since)) = this.outage.take() {
                                let lasted = nanos::from(driver.retry.timer.now()).saturating_sub(since);
                                this.healthy.healed(Outage { failures, lasted: nanos::duration(lasted) });
                            }
                        }
                        if let Some(position) = (this.position)(&item) {
                            *this.last = Some(position);
                        }
                        return Poll::Ready(Some(Ok(item)));
                    }
                    Poll::Ready(Some(Err(error))) => error,
                    Poll::Ready(None) => {
                        let Some(error) = this.broken else {
                            state.set(State::Over);
                            sleep.set(None);
                            let _ = driver.settle(memory, Ok::<(), E>(()));
                            return Poll::Ready(None);
                        };
                        driver.retry.classify.facts.ended = true;
                        error()
                    }
                    Poll::Pending => {
                        let Some((stall, error)) = *this.stall else { return Poll::Pending };
                        let stalled = ready!(watch(sleep.as_mut(), &driver.retry.timer, stall, context));
                        driver.retry.classify.facts.stalled = true;
                        error(stalled)
                    }
                },
            };
            // The old connection ends before anything is decided, and before there is a new one.
            state.set(State::Over);
            sleep.set(None);
            let now = nanos::from(driver.retry.timer.now());
            let (failures, since) = this.outage.unwrap_or((0, now));
            *this.outage = Some((failures.saturating_add(1), since));
            let lived = now.saturating_sub(*this.began);
            let least = driver.retry.plan.policy().borrow().rule.base.max(*this.waited);
            let facts = &mut driver.retry.classify.facts;
            // A feed that is idle until a proxy cuts it is healthy without an item.
            facts.progressed |= facts.opened && lived >= least;
            match driver.settle(memory, Err::<(), E>(broken)) {
                Step::Done(outcome) => return Poll::Ready(outcome.err().map(Err)),
                Step::Wait(wait, outcome) => {
                    *this.waited = wait;
                    *this.kept = Some(driver.keep(outcome));
                    *this.word = Some(driver.word());
                    if wait == 0 {
                        state.set(State::Yielding { turn: Yield::default() });
                    } else {
                        sleep.set(driver.sleep(wait));
                        state.set(State::Waiting);
                    }
                }
            }
        }
    }
}

/// Waits for as long as nothing may come. The watch is set when nothing is there, and not for each item.
fn watch<T: Timer>(
    mut sleep: Pin<&mut Option<T::Sleep>>,
    timer: &T,
    stall: u64,
    context: &mut Context<'_>,
) -> Poll<TimedOut> {
    let stall = nanos::duration(stall);
    if sleep.is_none() {
        sleep.set(Some(timer.sleep(stall)));
    }
    if let Some(sleep) = sleep.as_pin_mut() {
        ready!(sleep.poll(context));
    }
    Poll::Ready(TimedOut::new(stall))
}

impl<P, C, O, T, F, L, S, I, G, Q, E, H> FusedStream for Resume<P, C, O, T, F, L, S, G, Q, E, H>
where
    P: Plan<Timing: Guard<E>>,
    C: Classify<E>,
    O: Observe<E, Refusal: Makes<E>>,
    T: Timer,
    F: FnMut(Option<Q>) -> L,
    L: Future<Output = Result<S, E>>,
    S: Stream<Item = Result<I, E>>,
    G: FnMut(&I) -> Option<Q>,
    Q: Clone,
    H: Healthy,
{
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

impl<P, C, O, T, F, L, S, G, Q: fmt::Debug, E, H> fmt::Debug for Resume<P, C, O, T, F, L, S, G, Q, E, H>
where
    P: Plan,
    O: Observer,
    T: Timer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("position", &self.last).finish_non_exhaustive()
    }
}
