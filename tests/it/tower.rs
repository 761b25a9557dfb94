//! The layer for tower's services: the same runs as through every other door, and what tower asks of a layer.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::tower::load_shed::error::Overloaded;
use ::tower::timeout::error::Elapsed;
use ::tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use futures::executor::block_on;
use persevere::testing::{Script, VirtualTimer};
use persevere::tower::RetryLayer;
use persevere::{
    Event, Fault, Jitter, Policy, Reached, Rejected, Retryable, TimedOut, Verdict,
    guard::{Breaker, BreakerState, Budget, Nested},
};
use proptest::prelude::*;

use crate::support::{CUT, Failed, any_backoff, any_verdict, millis, permanent, secs, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Ready,
    Never,
    Broken,
}

/// A service that is ready only after so many polls, and panics at a call that it was not ready for.
struct Mock<E = Failed> {
    script: Script<u32, E>,
    late: u32,
    polls: u32,
    log: Arc<Mutex<Vec<&'static str>>>,
    /// What becomes of it after the first call.
    then: Then,
}

impl<E> Mock<E> {
    fn new(script: Script<u32, E>) -> Self {
        Self { script, late: 0, polls: 0, log: Arc::default(), then: Then::Ready }
    }

    fn late(mut self, late: u32) -> Self {
        self.late = late;
        self
    }

    fn log(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().clone()
    }
}

/// A clone is not ready, be its original so or not.
impl<E> Clone for Mock<E> {
    fn clone(&self) -> Self {
        Self { script: self.script.clone(), polls: 0, log: self.log.clone(), ..*self }
    }
}

impl<E: From<Failed> + 'static> Service<u32> for Mock<E> {
    type Response = u32;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<u32, E>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        match self.then {
            Then::Broken if self.script.calls() > 0 => {
                self.log.lock().unwrap().push("broken");
                return Poll::Ready(Err(transient().into()));
            }
            Then::Never if self.script.calls() > 0 => return Poll::Pending,
            _ => {}
        }
        self.polls += 1;
        if self.polls <= self.late {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.log.lock().unwrap().push("ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        assert!(self.polls > self.late, "it was not ready");
        self.polls = 0;
        self.log.lock().unwrap().push("call");
        Box::pin(self.script.call_async())
    }
}

fn failing<E: From<Failed> + 'static>(times: usize) -> Script<u32, E> {
    Script::new().fail(times, || transient().into()).succeed(42)
}

/// Calls it as a caller does: when it is ready.
fn call<S: Service<u32>>(service: &mut S) -> Result<S::Response, S::Error> {
    block_on(async { service.ready().await?.call(7).await })
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn it_retries_and_waits_as_the_policy_says() {
    let timer = VirtualTimer::new();
    let mock = Mock::new(failing::<Failed>(3));
    let mut service = RetryLayer::new(PLAIN.timer(&timer)).layer(mock.clone());
    assert_eq!(call(&mut service), Ok(42));
    assert_eq!(mock.script.calls(), 4);
    assert_eq!(timer.sleeps(), [millis(600), millis(1200)]);

    let mock = Mock::new(Script::new().fail(1, permanent));
    assert_eq!(call(&mut RetryLayer::new(PLAIN).layer(mock.clone())), Err(permanent()));
    assert_eq!(mock.script.calls(), 1);
}

proptest! {
    /// The layer has no rule of its own.
    #[test]
    fn it_does_what_every_other_door_does(
        verdicts in proptest::collection::vec(any_verdict(), 1..12),
        (backoff, _) in any_backoff(),
        total in 0_u32..12,
        within in proptest::option::of(crate::support::any_time()),
        idempotent in any::<bool>(),
        limit in proptest::option::of(0_u16..4),
        seed in any::<u64>(),
        timeout in 1_u64..5,
    ) {
        let mut policy = Policy::from_backoff(backoff).total(total).idempotent(idempotent);
        policy = within.map_or(policy, |within| policy.within(within));
        policy = limit.map_or(policy, |limit| policy.connect(limit).read(limit));
        let run = |through_the_layer: bool| {
            let timer = VirtualTimer::new();
            let failures = verdicts.clone().into_iter().zip(0..).map(|(verdict, number)| Err(Failed::new(number, verdict)));
            let script = Script::new().timer(&timer).stall(secs(3)).then(failures).succeed(42);
            let prepared = policy.timer(&timer).seed(seed).attempt_timeout(secs(timeout));
            let outcome = if through_the_layer {
                call(&mut RetryLayer::new(prepared).layer(service_fn(|_: u32| script.call_async())))
            } else {
                block_on(prepared.run_async(|| script.call_async()))
            };
            (outcome, script.calls(), timer.sleeps(), timer.elapsed())
        };
        prop_assert_eq!(run(true), run(false));
    }
}

#[test]
fn a_list_of_waits_decides_how_many_retries_there_are_and_a_total_after_it_caps_it() {
    let timer = VirtualTimer::new();
    let run = PLAIN.waits([secs(1); 5]).timer(&timer);
    for (run, calls) in [(run.clone(), 6), (run.total(2), 3)] {
        let script = Script::<u32, Failed>::new().fail(9, transient);
        assert!(call(&mut RetryLayer::new(run).layer(service_fn(|_: u32| script.call_async()))).is_err());
        assert_eq!(script.calls(), calls);
    }
}

#[test]
fn each_attempt_waits_until_the_service_is_ready() {
    for late in [0, 1, 5] {
        let timer = VirtualTimer::new();
        let mock = Mock::new(failing::<Failed>(3)).late(late);
        let mut service = RetryLayer::new(PLAIN.timer(&timer)).layer(mock.clone());
        assert_eq!(call(&mut service), Ok(42));
        assert_eq!(mock.log(), ["ready", "call"].repeat(4));
        // The clone that stayed behind has to become ready anew.
        assert!(matches!(service.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Pending) == (late > 0));
    }
}

#[test]
fn nothing_happens_before_the_response_is_polled() {
    let mock = Mock::new(failing::<Failed>(0));
    let mut service = RetryLayer::new(PLAIN).layer(mock.clone());
    let mut response = pin!(block_on(service.ready()).unwrap().call(7));
    assert_eq!(mock.log(), ["ready"]);
    assert_eq!(poll(response.as_mut()), Poll::Ready(Ok(42)));
    assert!(poll(response).is_pending(), "it must not panic");
}

#[test]
fn a_service_that_fails_to_become_ready_is_asked_no_more() {
    let mock = Mock { then: Then::Broken, ..Mock::new(failing::<Failed>(9)) };
    let mut service = RetryLayer::new(PLAIN.backoff(Duration::ZERO)).layer(mock.clone());
    assert_eq!(call(&mut service), Err(transient()));
    assert_eq!(mock.log(), ["ready", "call", "broken"]);
}

#[test]
fn every_attempt_sends_the_request_and_the_last_one_too() {
    let sent = Mutex::new(Vec::new());
    let service = service_fn(|request: String| {
        let mut sent = sent.lock().unwrap();
        sent.push(request);
        ready(if sent.len() < 4 { Err(transient()) } else { Ok(()) })
    });
    let layer = RetryLayer::new(PLAIN.backoff(Duration::ZERO));
    assert_eq!(block_on(layer.layer(service).oneshot("order".to_owned())), Ok(()));
    assert_eq!(*sent.lock().unwrap(), ["order"; 4]);
}

#[test]
fn a_request_that_has_no_copy_is_sent_once() {
    struct Stream;
    let calls = Cell::new(0);
    let service = service_fn(|_: Stream| {
        calls.set(calls.get() + 1);
        ready(Err::<(), _>(Failed::new(calls.get(), Verdict::transient().with_reached(Reached::No))))
    });
    let layer = RetryLayer::new(PLAIN.backoff(Duration::ZERO)).clone_request(|_: &Stream| None);
    assert_eq!(block_on(layer.layer(service).oneshot(Stream)).unwrap_err().number, 1);
    assert_eq!(calls.get(), 1);

    // Two copies can be had: two retries, though the policy has three.
    let copies = AtomicU32::new(0);
    let layer = layer.clone_request(|_: &Stream| (copies.fetch_add(1, SeqCst) < 2).then_some(Stream));
    assert_eq!(block_on(layer.layer(service).oneshot(Stream)).unwrap_err().number, 4);
    assert_eq!(calls.get(), 4);
}

#[test]
fn a_request_can_have_a_policy_of_its_own() {
    let layer = RetryLayer::new(PLAIN.backoff(Duration::ZERO))
        .for_request(|policy, request: &u32| policy.idempotent(request % 2 == 0).total(*request));
    for (request, calls) in [(0, 1), (1, 1), (2, 3), (3, 1)] {
        let script = failing::<Failed>(9);
        let _ = block_on(layer.layer(service_fn(|_: u32| script.call_async())).oneshot(request));
        assert_eq!(script.calls(), calls, "{request}");
    }
}

#[test]
fn calls_share_the_budget_and_nothing_else() {
    let budget = Arc::new(Budget::new().ratio(0.6).size(10));
    while budget.withdraw(Fault::Other) {}
    let first = Cell::new(true);
    // Each call fails once, and succeeds at its retry if it has one.
    let service = service_fn(|request: bool| {
        let fails = request && first.replace(!first.get());
        ready(if fails { Err(transient()) } else { Ok(()) })
    });
    let layer = RetryLayer::new(PLAIN.budget(budget.clone()));
    let (service, other) = (layer.layer(service), layer.layer(service));
    let mut retried = 0;
    for _ in 0..1000 {
        block_on(service.clone().oneshot(false)).unwrap();
        // tower's own budget lets all of them through at 60 %.
        while budget.withdraw(Fault::Other) {
            retried += 1;
        }
    }
    assert_eq!(retried, 600);

    first.set(true);
    assert!(block_on(other.clone().oneshot(true)).is_err(), "no token is left, on whichever clone");
    first.set(true);
    block_on(other.clone().oneshot(false)).unwrap();
    block_on(service.clone().oneshot(false)).unwrap();
    assert!(budget.tokens() >= 1.0);
    assert!(block_on(other.oneshot(true)).is_ok());
}

#[test]
fn each_call_begins_anew() {
    let told = AtomicU32::new(0);
    let hook = |event: Event<'_, Failed>| {
        told.fetch_add(event.attempt(), SeqCst);
    };
    let layer = RetryLayer::new(PLAIN.backoff(Duration::ZERO).total(2).on_retry(hook));
    let script = failing::<Failed>(9);
    let mut service = layer.layer(service_fn(|_: u32| script.call_async()));
    for calls in [3, 6, 9] {
        assert!(call(&mut service).is_err());
        assert_eq!(script.calls(), calls);
        assert_eq!(told.swap(0, SeqCst), 1 + 2);
    }
}

#[test]
fn an_open_breaker_lets_no_call_through() {
    let timer = VirtualTimer::new();
    let breaker = Arc::new(Breaker::new().min_outcomes(2));
    let script = Script::<u32, BoxError>::new().fail(2, || transient().into()).succeed(42);
    let policy = PLAIN.breaker(breaker.clone()).when(|_: &BoxError| true).timer(&timer);
    let mut service = RetryLayer::new(policy).layer(service_fn(|_: u32| script.call_async()));
    assert!(call(&mut service).unwrap_err().is::<Failed>());
    assert_eq!(script.calls(), 2);
    assert!(call(&mut service).unwrap_err().is::<Rejected>());
    assert_eq!(script.calls(), 2, "it was held back");

    timer.advance(secs(60));
    assert_eq!(call(&mut service).unwrap(), 42);
    assert_eq!(breaker.state_at(timer.elapsed()), BreakerState::Closed);
}

#[test]
fn a_probe_that_is_dropped_frees_its_place() {
    let timer = VirtualTimer::new();
    let breaker = Arc::new(Breaker::new().min_outcomes(1).open_for(secs(1)));
    let failing = service_fn(|_: u32| ready(Err::<(), BoxError>("down".into())));
    let policy = Policy::new().total(0).breaker(breaker.clone()).when(|_: &BoxError| true).timer(&timer);
    assert!(call(&mut RetryLayer::new(policy.clone()).layer(failing)).is_err());
    timer.advance(secs(2));

    let hanging = service_fn(|_: u32| pending::<Result<(), BoxError>>());
    let service = RetryLayer::new(policy.clone()).layer(hanging);
    let mut probe = Box::pin(service.clone().oneshot(1));
    assert!(poll(probe.as_mut()).is_pending());
    assert!(call(&mut service.clone()).unwrap_err().is::<Rejected>());
    drop(probe);
    let working = service_fn(|_: u32| ready(Ok::<_, BoxError>(())));
    assert!(call(&mut RetryLayer::new(policy).layer(working)).is_ok());
}

#[test]
fn an_outer_layer_leaves_it_at_the_inner_ones_retries() {
    for (nested, calls) in [(Nested::Retry, 16), (Nested::GiveUp, 4)] {
        let script = failing::<Failed>(99);
        let policy = PLAIN.backoff(Duration::ZERO);
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(policy.nested(nested)))
            .layer(RetryLayer::new(policy))
            .service_fn(|_: u32| script.call_async());
        assert!(call(&mut service.clone()).is_err());
        assert_eq!(script.calls(), calls, "{nested:?}");
    }
}

#[test]
fn dropping_the_response_leaves_nothing_behind() {
    let timer = VirtualTimer::new();
    let budget = Arc::new(Budget::new().ratio(0.5));
    let fail = |script: Script<u32, Failed>| script.stall(secs(1)).fail(1, transient);
    let mut charges = Vec::new();
    for polls in 0..1000 {
        let mock = Mock::new(fail(fail(Script::new().timer(&timer))).stall(secs(1)).succeed(42)).late(2);
        let policy = PLAIN.total(2).budget(budget.clone()).timer(&timer);
        let mut response = Box::pin(RetryLayer::new(policy).layer(mock.clone()).oneshot(7));
        let ended = (0..polls).any(|_| poll(response.as_mut()).is_ready());
        let before = 10.0 - budget.tokens();
        drop(response);
        assert_eq!(timer.pending(), 0, "after {polls} polls");
        // A retry that has begun is paid for; one that has not, since it waits or the service is not ready, is not.
        let calls = mock.log().iter().filter(|event| **event == "call").count();
        let spent = 10.0 - budget.tokens();
        assert_eq!(spent, if ended { 1.5 } else { calls.saturating_sub(1) as f64 }, "after {polls} polls");
        charges.push(before - spent);
        (0..100).for_each(|_| budget.deposit());
        if ended {
            break;
        }
    }
    assert!(charges.len() < 1000);
    // Both retries were charged before they began: while it waited, and through the polls until the service was ready.
    let given_back = charges.iter().filter(|charge| **charge == 1.0).count();
    assert!(given_back >= 6, "{charges:?}");
}

#[test]
fn dropping_the_response_drops_the_timeouts_sleep_too() {
    let timer = VirtualTimer::new();
    let mut slept = 0;
    let points = (0..1000).take_while(|&polls| {
        let script = Script::new().timer(&timer).stall(secs(9)).fail(1, transient).stall(secs(1)).succeed(42);
        let layer = RetryLayer::new(PLAIN.attempt_timeout(secs(5)).timer(&timer));
        let mut response = Box::pin(layer.layer(Mock::new(script)).oneshot(7));
        let ended = (0..polls).any(|_| poll(response.as_mut()).is_ready());
        slept = slept.max(timer.pending());
        drop(response);
        assert_eq!(timer.pending(), 0, "after {polls} polls");
        !ended
    });
    assert!((3..1000).contains(&points.count()));
    assert_eq!(slept, 2, "the attempt's own, and the timeout's");
}

#[test]
fn an_attempt_timeout_covers_the_wait_for_the_service() {
    let timer = VirtualTimer::new();
    let budget = Arc::new(Budget::new());
    let unreached = || Failed::new(1, Verdict::transient().with_reached(Reached::No));
    let mock = Mock { then: Then::Never, ..Mock::new(Script::new().fail(9, unreached)) };
    let policy = PLAIN.idempotent(false).attempt_timeout(secs(5)).budget(budget.clone()).timer(&timer);
    assert_eq!(call(&mut RetryLayer::new(policy).layer(mock.clone())).unwrap_err().number, CUT);
    // Nothing was sent in the retries, so that even a request that is not idempotent has all of them.
    assert_eq!(mock.log(), ["ready", "call"]);
    assert_eq!(timer.sleeps(), [secs(5), millis(600), secs(5), millis(1200), secs(5)]);
    assert_eq!(budget.tokens(), 10.0, "no retry has begun");
}

#[test]
fn the_hook_before_a_retry_ends_before_the_call() {
    let timer = VirtualTimer::new();
    let mock = Mock::new(failing::<Failed>(2)).late(1);
    let log = mock.log.clone();
    let policy = PLAIN.timer(&timer).before_retry(|event: Event<'static>| {
        let (log, timer) = (log.clone(), timer.clone());
        async move {
            log.lock().unwrap().push(if event.attempt() == 1 { "first" } else { "second" });
            persevere::time::Timer::sleep(&timer, secs(7)).await;
            log.lock().unwrap().push("led");
        }
    });
    assert_eq!(call(&mut RetryLayer::new(policy).layer(mock.clone())), Ok(42));
    assert_eq!(mock.log(), ["ready", "call", "ready", "first", "led", "call", "ready", "second", "led", "call"]);
    assert_eq!(timer.sleeps(), [secs(7), millis(600), secs(7)]);
}

#[test]
fn a_response_can_be_one_to_try_again_for() {
    let polls = Cell::new(0);
    let service = service_fn(|_: u32| {
        polls.set(polls.get() + 1);
        ready(Ok::<_, Infallible>(polls.get()))
    });
    let policy = PLAIN.backoff(Duration::ZERO).when_ok(|value: &i32| *value < 3);
    assert_eq!(call(&mut RetryLayer::new(policy).layer(service)), Ok(3));
}

/// tower's backoff gives a base of whole seconds no jitter, and all sessions the same.
#[test]
fn each_call_draws_its_own_jitter() {
    let timer = VirtualTimer::new();
    let policy = Policy::new().total(1).backoff(secs(1)).immediate_first(false).timer(&timer);
    let mut service = RetryLayer::new(policy).layer(service_fn(|_: u32| ready(Err::<(), _>(transient()))));
    for _ in 0..200 {
        assert!(call(&mut service).is_err());
    }
    let mut waits = timer.sleeps();
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 190 && waits.iter().all(|wait| *wait <= secs(1)));
    assert!(waits.iter().filter(|wait| wait.subsec_nanos() != 0).count() > 190);
}

#[test]
fn what_tower_says_is_understood() {
    let elapsed = BoxError::from(Elapsed::new());
    assert_eq!(elapsed.verdict(), Verdict::transient().with_fault(Fault::Timeout));
    let overloaded = BoxError::from(Overloaded::new());
    assert_eq!(overloaded.verdict(), Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No));
    assert_eq!((Elapsed::new().verdict(), Overloaded::new().verdict()), (elapsed.verdict(), overloaded.verdict()));
    for ours in [BoxError::from(TimedOut::new(secs(1))), io::Error::from(io::ErrorKind::ConnectionReset).into()] {
        assert!(ours.verdict().is_transient());
    }
    assert!(!BoxError::from("of an unknown type").verdict().is_transient());
}

fn send<T: Send>(value: T) -> T {
    value
}

#[test]
fn it_is_send_where_its_parts_are() {
    static BUDGET: Budget = Budget::new();
    static BREAKER: Breaker = Breaker::new();

    let script = Script::<u32, BoxError>::new().fail(1, || Elapsed::new().into()).succeed(42);
    let policy = Policy::new()
        .budget(&BUDGET)
        .breaker(&BREAKER)
        .nested(Nested::GiveUp)
        .on_retry(|_: Event<'_, BoxError>| ())
        .before_retry(|_| ready(()))
        .attempt_timeout(secs(5));
    let mut service = RetryLayer::new(policy).layer(service_fn(move |_: u32| script.call_async()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let spawned = runtime.block_on(runtime.spawn(send(async move { service.ready().await?.call(7).await })));
    assert_eq!(spawned.unwrap().unwrap(), 42);

    // Where they are not, it works all the same.
    let shared = Rc::new(Cell::new(0));
    let local = service_fn(|_: Rc<()>| {
        let shared = shared.clone();
        async move {
            shared.set(shared.get() + 1);
            if shared.get() < 2 { Err(transient()) } else { Ok(shared) }
        }
    });
    assert_eq!(block_on(RetryLayer::new(PLAIN).layer(local).oneshot(Rc::new(()))).unwrap().get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_cuts_an_attempt_and_one_above_the_call() {
    let script = Script::<u32, BoxError>::new().stall(secs(60)).fail(1, || "too late".into()).succeed(42);
    let mut below =
        ServiceBuilder::new().layer(RetryLayer::new(PLAIN)).timeout(secs(5)).service_fn(|_: u32| script.call_async());
    assert_eq!(below.ready().await.unwrap().call(7).await.unwrap(), 42);
    assert_eq!(script.calls(), 2);

    let script = Script::<u32, BoxError>::new().fail(9, || Elapsed::new().into());
    let policy = PLAIN.backoff(secs(60)).immediate_first(false);
    let mut above =
        ServiceBuilder::new().timeout(secs(5)).layer(RetryLayer::new(policy)).service_fn(|_: u32| script.call_async());
    assert!(above.ready().await.unwrap().call(7).await.unwrap_err().is::<Elapsed>());
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_is_free_while_a_call_waits() {
    let patient = PLAIN.backoff(secs(60)).immediate_first(false).when(|_: &BoxError| true);
    let slow = |request: u32| async move {
        tokio::time::sleep(secs(1)).await;
        if request == 0 { Err(BoxError::from("down")) } else { Ok(request) }
    };
    let (below, above) = (
        ServiceBuilder::new().layer(RetryLayer::new(patient)).concurrency_limit(1).service_fn(slow),
        ServiceBuilder::new().concurrency_limit(1).layer(RetryLayer::new(patient)).service_fn(slow),
    );
    // The call that fails waits for a minute; in it the other one finds the service free, or does not.
    let waiting = tokio::spawn(below.clone().oneshot(0));
    tokio::task::yield_now().await;
    assert_eq!(tokio::time::timeout(secs(5), below.oneshot(1)).await.expect("it is free").unwrap(), 1);
    waiting.abort();

    let waiting = tokio::spawn(above.clone().oneshot(0));
    tokio::task::yield_now().await;
    assert!(tokio::time::timeout(secs(5), above.oneshot(1)).await.is_err(), "the call holds its place");
    waiting.abort();
}

/// A timer of tokio's clock whose sleep is an `async` block, which panics when it is polled after it was ready.
#[derive(Clone)]
struct Blocks(tokio::time::Instant);

impl persevere::time::Timer for Blocks {
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) -> Self::Sleep {
        Box::pin(async move { tokio::time::sleep(wait).await })
    }
}

/// A service whose first call fails at once. Later it needs some time to be ready, and some time for the answer.
struct Paced {
    ready: Duration,
    answer: Duration,
    calls: Arc<AtomicU32>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Clone for Paced {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), pause: None, ..*self }
    }
}

impl Service<u32> for Paced {
    type Response = u32;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Failed>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if self.calls.load(SeqCst) == 0 || self.ready.is_zero() {
            return Poll::Ready(Ok(()));
        }
        self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.ready))).as_mut().poll(context).map(Ok)
    }

    fn call(&mut self, request: u32) -> Self::Future {
        let (first, answer) = (self.calls.fetch_add(1, SeqCst) == 0, self.answer);
        Box::pin(async move {
            if first {
                return Err(transient());
            }
            if !answer.is_zero() {
                tokio::time::sleep(answer).await;
            }
            Ok(request)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_cut_on_time_in_each_of_its_steps_and_nothing_is_sent_after_it() {
    let paces = [0, 10, 20, 25, 50, 60];
    let limit = 50;
    for ready in paces {
        for hook in paces {
            for answer in paces {
                let case = format!("ready after {ready}, hook of {hook}, answer after {answer}");
                let calls = Arc::new(AtomicU32::new(0));
                let service = Paced { ready: millis(ready), answer: millis(answer), calls: calls.clone(), pause: None };
                let timer = Blocks(tokio::time::Instant::now());
                let policy = PLAIN.backoff(millis(5)).immediate_first(false).total(1).attempt_timeout(millis(limit));
                let policy = policy.timer(timer.clone()).before_retry(move |_: Event<'static>| async move {
                    if hook > 0 {
                        tokio::time::sleep(millis(hook)).await;
                    }
                });
                let outcome = RetryLayer::new(policy).layer(service).oneshot(7).await;
                let sent = ready + hook < limit;
                assert_eq!(calls.load(SeqCst), if sent { 2 } else { 1 }, "{case}");
                let in_time = sent && ready + hook + answer <= limit;
                assert_eq!(outcome.map_err(|error| error.number), if in_time { Ok(7) } else { Err(CUT) }, "{case}");
                let took = 5 + (ready + hook + answer).min(limit);
                assert_eq!(persevere::time::Timer::now(&timer), millis(took), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_sent_keeps_no_place_below_while_it_waits_or_once_it_has_ended() {
    let service = |below: &_| -> tower::limit::ConcurrencyLimit<_> { Clone::clone(below) };
    let below = ServiceBuilder::new().concurrency_limit(1).service_fn(|request: u32| async move {
        match request {
            0 => Err(BoxError::from("down")),
            1 => {
                tokio::time::sleep(millis(2500)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    });
    let free = async || {
        let place = tokio::time::timeout(millis(1), service(&below).oneshot(2)).await;
        place.is_ok_and(|outcome| outcome.is_ok())
    };
    let plain = |total| PLAIN.backoff(secs(1)).immediate_first(false).total(total).attempt_timeout(secs(1));
    let policy = |total| plain(total).when(|_: &BoxError| true);
    // The first attempt fails at 0 s, the second one begins at 1 s and is cut at 2 s; the third one would begin at 4 s.
    for total in [1, 2] {
        let hook = |_: Event<'static>| pending();
        let hooked = RetryLayer::new(policy(total).before_retry(hook)).layer(service(&below));
        let mut call = Box::pin(hooked.oneshot(0));
        assert!(tokio::time::timeout(millis(1500), call.as_mut()).await.is_err());
        assert!(!free().await, "the hook leads an attempt that has its place");
        assert_eq!(tokio::time::timeout(millis(1000), call.as_mut()).await.is_ok(), total == 1);
        assert!(free().await, "cut in its hook, {total} retries");

        // In the queue: its place would come to it while it waits.
        let mut call = Box::pin(RetryLayer::new(policy(total)).layer(service(&below)).oneshot(0));
        assert!(tokio::time::timeout(millis(500), call.as_mut()).await.is_err());
        let other = tokio::spawn(service(&below).oneshot(1));
        assert_eq!(tokio::time::timeout(millis(2000), call.as_mut()).await.is_ok(), total == 1);
        other.await.unwrap().unwrap();
        assert!(free().await, "cut in the queue, {total} retries");
    }

    // Refused when its first attempt, or its retry, has its place.
    let breaker = Arc::new(Breaker::new().min_outcomes(1));
    let guarded = RetryLayer::new(policy(1).breaker(breaker)).layer(service(&below));
    for refused in [false, true] {
        let mut call = Box::pin(guarded.clone().oneshot(0));
        assert_eq!(call.as_mut().await.unwrap_err().is::<Rejected>(), refused);
        assert!(free().await, "refused: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_wait_for_their_turn_below_a_limit() {
    let running = Arc::new(AtomicU32::new(0));
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(PLAIN.backoff(secs(1)).jitter(Jitter::Full)))
        .concurrency_limit(3)
        .service_fn(move |fails: Arc<AtomicU32>| {
            let running = running.clone();
            async move {
                assert!(running.fetch_add(1, SeqCst) < 3);
                tokio::time::sleep(millis(100)).await;
                running.fetch_sub(1, SeqCst);
                if fails.fetch_add(1, SeqCst) < 2 { Err(transient()) } else { Ok(()) }
            }
        });
    let calls = (0..50).map(|_| tokio::spawn(service.clone().oneshot(Arc::default())));
    for call in futures::future::join_all(calls).await {
        call.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shed_below_is_retried() {
    let slow = |request: u32| async move {
        tokio::time::sleep(secs(1)).await;
        Ok::<_, BoxError>(request)
    };
    let policy = PLAIN.idempotent(false).backoff(secs(2));
    let below = ServiceBuilder::new().layer(RetryLayer::new(policy)).load_shed().concurrency_limit(1).service_fn(slow);
    let (first, second) = tokio::join!(below.clone().oneshot(1), below.oneshot(2));
    assert_eq!((first.unwrap(), second.unwrap()), (1, 2));

    let above = ServiceBuilder::new().load_shed().layer(RetryLayer::new(policy)).concurrency_limit(1).service_fn(slow);
    let (first, second) = tokio::join!(above.clone().oneshot(1), above.oneshot(2));
    assert_eq!(first.unwrap(), 1);
    assert!(second.unwrap_err().is::<Overloaded>());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_clone_stands_in_a_buffer() {
    struct Single(Script<u32, BoxError>);
    impl Service<u32> for Single {
        type Response = u32;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: u32) -> Self::Future {
            Box::pin(self.0.call_async())
        }
    }
    let script = Script::new().fail(2, || Overloaded::new().into()).succeed(42);
    // That nobody was reached holds for requests that are not idempotent, too.
    let layer = RetryLayer::new(PLAIN.idempotent(false));
    let service = ServiceBuilder::new().layer(layer).buffer(1).service(Single(script.clone()));
    assert_eq!(service.oneshot(7).await.unwrap(), 42);
    assert_eq!(script.calls(), 3);
}

mod http {
    use ::http::{Method, Request, Response};
    use persevere::http::HttpPolicy;

    use super::*;

    fn response(status: u16, retry_after: &str) -> Response<u32> {
        Response::builder().status(status).header("retry-after", retry_after).body(42).unwrap()
    }

    fn calls(rules: impl Into<HttpPolicy>, request: Request<()>, status: u16) -> u32 {
        let timer = VirtualTimer::new();
        let rules = rules.into();
        let script = Script::<_, Infallible>::new().then((0..9).map(move |_| Ok(response(status, "0"))));
        let layer = RetryLayer::http(rules).policy(rules.policy().timer(&timer));
        let last = block_on(layer.layer(service_fn(|_: Request<()>| script.call_async())).oneshot(request));
        assert_eq!(last.unwrap().status().as_u16(), status);
        script.calls()
    }

    fn request(method: Method) -> Request<()> {
        Request::builder().method(method).uri("/").body(()).unwrap()
    }

    #[test]
    fn statuses_are_retried_by_method() {
        for (method, expected) in
            [(Method::GET, 4), (Method::PUT, 4), (Method::DELETE, 4), (Method::POST, 1), (Method::PATCH, 1)]
        {
            for status in [408, 429, 500, 502, 503, 504] {
                assert_eq!(calls(Policy::new(), request(method.clone()), status), expected, "{method} {status}");
            }
            for status in [200, 304, 400, 404, 501] {
                assert_eq!(calls(Policy::new(), request(method.clone()), status), 1, "{method} {status}");
            }
        }
        let mut keyed = request(Method::POST);
        keyed.headers_mut().insert("idempotency-key", "1".parse().unwrap());
        assert_eq!(calls(Policy::new(), keyed, 500), 4);
        assert_eq!(calls(HttpPolicy::default().idempotent(true), request(Method::POST), 500), 4);
        assert_eq!(calls(HttpPolicy::default().idempotent(false), request(Method::GET), 500), 1);
        assert_eq!(calls(HttpPolicy::default().also_retry(404), request(Method::GET), 404), 4);
        assert_eq!(calls(HttpPolicy::default().never_retry(500), request(Method::GET), 500), 1);
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let timer = VirtualTimer::new();
        let script = Script::<_, Infallible>::new().succeed(response(503, "7")).succeed(response(200, "7"));
        let layer = RetryLayer::http(Policy::new()).policy(PLAIN.timer(&timer));
        let get =
            || block_on(layer.layer(service_fn(|_: Request<()>| script.call_async())).oneshot(request(Method::GET)));
        assert_eq!(get().unwrap().status(), 200);
        assert_eq!(timer.sleeps(), [secs(7)]);

        let script = Script::<_, Infallible>::new().succeed(response(503, "86400"));
        let service = layer.layer(service_fn(|_: Request<()>| script.call_async()));
        assert_eq!(block_on(service.oneshot(request(Method::GET))).unwrap().status(), 503);
        assert_eq!(timer.sleeps().len(), 1, "a day is too long");
    }

    #[test]
    fn a_refused_connection_is_retried_whatever_the_method() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let script = Script::<Response<()>, BoxError>::new().fail(2, refused).fail(1, || Elapsed::new().into());
        let layer = RetryLayer::http(Policy::new().backoff(Duration::ZERO));
        let service = layer.layer(service_fn(|_: Request<()>| script.call_async()));
        assert!(block_on(service.oneshot(request(Method::POST))).unwrap_err().is::<Elapsed>());
        assert_eq!(script.calls(), 3);
    }

    #[test]
    fn a_response_can_be_looked_at_beside_its_status() {
        let timer = VirtualTimer::new();
        let script = Script::<_, Infallible>::new().succeed(response(200, "0")).succeed(Response::new(43));
        let again = |response: &Response<u32>| *response.body() == 42;
        let layer = RetryLayer::http(Policy::new()).policy(PLAIN.timer(&timer).when_ok(again));
        let service = layer.layer(service_fn(|_: Request<()>| script.call_async()));
        assert_eq!(block_on(service.oneshot(request(Method::GET))).unwrap().into_body(), 43);
    }
}
