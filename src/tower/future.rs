//! One call: a state machine over the driver.

use core::borrow::Borrow;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use ::tower::Service;
use pin_project_lite::pin_project;

use super::rules::{Again, Fate, Judge, Knowing, Rules, Sent};
use crate::drive::before::{Before, BeforeAsync};
use crate::drive::bound::Guard;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{ForRequest, Own, Plan};
use crate::drive::retry::Retry;
use crate::drive::signal::Signal;
use crate::drive::staged::Staged;
use crate::drive::{Driver, Memory, Step};
use crate::observe::Word as _;
use crate::observe::{Observer, Refuse};
use crate::time::{Timer, Yield};

pin_project! {
    /// The response of a [`RetryService`](super::RetryService), once it is there.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt or the wait that is pending, and what the call has of the service. A retry that has
    /// not begun gives its charge back to the budget.
    // The hook's future is a parameter of its own: as a projection of the hook's it would have to hold for every
    // lifetime wherever the response is held over an `await` of a task that is spawned.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, P, C, K, O, B, T, U, A, L>
    where
        S: Service<Req>,
        P: Plan,
        O: Observer,
        B: Before,
        T: Timer,
    {
        driver: Driver<ForRequest<P, Own>, Knowing<C, ()>, Knowing<K, U>, O, B, T>,
        // None until the first poll: the run starts there.
        memory: Option<Memory>,
        service: S,
        // What the next attempt sends; none while the last one is under way.
        request: Option<Req>,
        again: A,
        fate: Fate,
        // What the attempt may take, in nanoseconds.
        limit: u64,
        // What the hooks say before the wait, and what may end it.
        word: Option<O::Word>,
        signal: Option<P::Signal>,
        // What may still be returned after the wait.
        kept: Option<<P::Signal as Signal>::Kept<Result<S::Response, S::Error>>>,
        // The attempt's timeout, or the wait.
        #[pin]
        sleep: Option<T::Sleep>,
        #[pin]
        state: State<L, S::Future>,
    }
}

pin_project! {
    #[project = Now]
    enum State<L, F> {
        // Before another attempt.
        Yielding { turn: Yield },
        Waiting,
        // In an attempt. The first one begins with a service that is ready: the caller has seen to it.
        Unready,
        Ready,
        // So many hooks have ended.
        Begun { hooks: usize },
        Leading { hooks: usize, #[pin] lead: L },
        Led,
        Called { #[pin] call: F },
        // The outcome has been taken.
        Over,
    }
}

impl<S, Req, P, C, K, O, B, T, U, A, L> ResponseFuture<S, Req, P, C, K, O, B, T, U, A, L>
where
    S: Service<Req>,
    P: Plan,
    O: Observer,
    B: Before,
    T: Timer,
{
    pub(super) fn new(service: S, request: Req, retry: Retry<P, C, K, O, B, T>, rules: U, again: A) -> Self
    where
        B: BeforeAsync,
        U: Rules<Req>,
    {
        let Retry { plan, classify, accept, observe, before, timer } = retry;
        let fate = Fate { redirects: U::REDIRECTS, ..Fate::default() };
        let policy = rules.policy(*plan.policy().borrow(), &request);
        let mut driver = Driver::new(Retry {
            plan: ForRequest::new(plan, policy),
            classify: Knowing { what: classify, rules: (), fate },
            accept: Knowing { what: accept, rules, fate },
            observe,
            before,
            timer,
        });
        let limit = driver.begin();
        Self {
            driver,
            memory: None,
            service,
            request: Some(request),
            again,
            fate,
            limit,
            word: None,
            signal: None,
            kept: None,
            sleep: None,
            state: State::Ready,
        }
    }
}

impl<S, Req, P, C, K, O, B, T, U, A, L> Future for ResponseFuture<S, Req, P, C, K, O, B, T, U, A, L>
where
    S: Service<Req> + Clone,
    P: Plan<Timing: Guard<S::Error>>,
    C: Classify<S::Error>,
    K: Accept<S::Response>,
    O: Refuse<S::Error>,
    B: Staged<Lead = L>,
    L: Future<Output = ()>,
    T: Timer,
    U: Judge<S::Response>,
    A: Again<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[allow(clippy::too_many_lines)] // The states in their order.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (driver, fate, mut sleep, mut state) = (this.driver, this.fate, this.sleep, this.state);
        let memory = this.memory.get_or_insert_with(|| driver.start());
        loop {
            let outcome = match state.as_mut().project() {
                Now::Over => return Poll::Pending,
                Now::Yielding { .. } | Now::Waiting => {
                    if this.signal.as_mut().is_none_or(|signal| signal.poll(context).is_pending()) {
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
                    (*this.word, *this.signal) = (None, None);
                    if let Some(outcome) = this.kept.take().and_then(|kept| driver.over(memory, kept)) {
                        state.set(State::Over);
                        return Poll::Ready(outcome);
                    }
                    *this.limit = driver.begin();
                    state.set(State::Unready);
                    continue;
                }
                Now::Unready => {
                    let service = &mut *this.service;
                    let poll = driver.poll_guard(memory, this.limit, sleep.as_mut(), context, |_, _, context, late| {
                        let ready = service.poll_ready(context);
                        fate.broken = matches!(ready, Poll::Ready(Err(_)));
                        // No request is sent when its time is over.
                        if late && !fate.broken { Poll::Pending } else { ready }
                    });
                    match ready!(poll) {
                        Ok(()) => {
                            state.set(State::Ready);
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                Now::Ready => {
                    let Some(refused) = driver.refuse() else {
                        state.set(State::Begun { hooks: 0 });
                        continue;
                    };
                    Err(refused)
                }
                Now::Begun { .. } | Now::Leading { .. } | Now::Led | Now::Called { .. } => {
                    let (service, request, again) = (&mut *this.service, &mut *this.request, &mut *this.again);
                    let state = &mut state;
                    ready!(driver.poll_guard(
                        memory,
                        this.limit,
                        sleep.as_mut(),
                        context,
                        |before, note, context, late| {
                            loop {
                                match state.as_mut().project() {
                                    Now::Begun { .. } | Now::Led if late => return Poll::Pending,
                                    Now::Begun { hooks } => {
                                        let hooks = *hooks;
                                        match before.begin(note, hooks) {
                                            Some(lead) => state.set(State::Leading { hooks, lead }),
                                            None => state.set(State::Led),
                                        }
                                    }
                                    Now::Leading { hooks, lead } => {
                                        ready!(lead.poll(context));
                                        let hooks = *hooks + 1;
                                        state.set(State::Begun { hooks });
                                    }
                                    Now::Led => {
                                        // There is one: the core ends a run whose request is spent.
                                        let Some(due) = request.take() else { return Poll::Pending };
                                        *request = again.again(&due);
                                        fate.sent = if request.is_some() { Sent::Copied } else { Sent::Spent };
                                        state.set(State::Called { call: service.call(due) });
                                    }
                                    Now::Called { call } => return call.poll(context),
                                    _ => return Poll::Pending,
                                }
                            }
                        }
                    ))
                }
            };
            // The attempt ends here, whatever it was cut in, and before anything is decided about it.
            state.set(State::Over);
            sleep.set(None);
            if fate.sent == Sent::No {
                // A service that was not called keeps its readiness, or its place in the queue for it. Its clone has none.
                let clone = this.service.clone();
                *this.service = clone;
            }
            driver.retry.classify.fate = *fate;
            driver.retry.accept.fate = *fate;
            match driver.settle(memory, outcome) {
                Step::Done(outcome) => return Poll::Ready(outcome),
                Step::Wait(wait, outcome) => {
                    *this.kept = Some(driver.keep(outcome));
                    (*this.word, *this.signal) = (Some(driver.word()), Some(driver.signal()));
                    sleep.set(driver.sleep(wait));
                    state.set(if wait == 0 { State::Yielding { turn: Yield::default() } } else { State::Waiting });
                }
            }
            fate.sent = Sent::No;
        }
    }
}

impl<S, Req, P, C, K, O, B, T, U, A, L> fmt::Debug for ResponseFuture<S, Req, P, C, K, O, B, T, U, A, L>
where
    S: Service<Req>,
    P: Plan,
    O: Observer,
    B: Before,
    T: Timer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
