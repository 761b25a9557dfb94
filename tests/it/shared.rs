//! Prepared runs and policies whose types are written out: in structs, in signatures, in functions over any policy.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use persevere::testing::VirtualTimer;
use persevere::{
    Event, Policy, Rejected, Report, RunsAsync, RunsBlocking, SharedRetry, StopReason, Timed,
    guard::{Breaker, Budget, Nested},
    parts::{IntoRetry as _, SharedAsyncHook, SharedHook},
    prelude, retry, retry_async,
};

use crate::support::{Door, awaited, secs, through};

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// One retry for all calls, as a service keeps it.
#[derive(Clone, Debug)]
struct House {
    retry: SharedRetry<io::Error, Policy, SharedHook, VirtualTimer>,
    log: Arc<Mutex<Vec<String>>>,
}

impl House {
    fn new(timer: &VirtualTimer) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let [first, second, before] = [(); 3].map(|()| Arc::clone(&log));
        let retry = Policy::new()
            .total(2)
            .backoff(secs(1))
            .when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound)
            .on_retry(move |event: Event<'_, io::Error>| {
                first.lock().unwrap().push(format!("first {}", event.attempt()));
            })
            .on_retry(move |event: Event<'_, io::Error>| {
                second.lock().unwrap().push(format!("then {}", event.attempt()));
            })
            .before_retry(move |event| before.lock().unwrap().push(format!("before {}", event.attempt())))
            .timer(timer.clone())
            .shared();
        Self { retry, log }
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}

#[test]
fn one_retry_in_a_struct_serves_calls_of_any_value() {
    let timer = VirtualTimer::new();
    let house = House::new(&timer);
    goes_anywhere(&house);
    for _ in 0..2 {
        let mut calls = 0;
        let number = retry(house.retry.clone(), || {
            calls += 1;
            if calls < 3 { Err(missing()) } else { Ok(7) }
        });
        assert_eq!(number.unwrap(), 7);
        assert_eq!(house.log(), ["first 1", "then 1", "before 1", "first 2", "then 2", "before 2"]);
    }
    let text = house.clone().retry.run(|| Ok::<_, io::Error>("text".to_owned()));
    assert_eq!(text.unwrap(), "text");
    let mut list = Vec::new();
    let in_place = prelude::retry!(house.retry.clone(), {
        list.push(1);
        if list.len() < 3 { Err(missing()) } else { Ok(list.len()) }
    });
    assert_eq!(in_place.unwrap(), 3);
    assert_eq!(house.log().len(), 6);
    assert!(house.retry.clone().run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))).is_err());
    assert_eq!(house.log(), [""; 0], "the classifier says that a timeout is permanent");
}

/// Without a hook before the retry it serves blocking and async runs alike, through every entry point.
#[test]
fn a_shared_retry_fits_every_entry_point() {
    let timer = VirtualTimer::new();
    let shared: SharedRetry<io::Error, Policy, _, VirtualTimer> =
        Policy::new().when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound).timer(timer.clone()).shared();
    for door in Door::ALL {
        let mut calls = 0;
        let outcome = through!(door, shared.clone(), || {
            calls += 1;
            if calls < 3 { Err(missing()) } else { Ok(calls) }
        });
        assert_eq!(outcome.unwrap(), 3, "{door:?}");
    }
}

struct Reconnecting {
    retry: SharedRetry<io::Error, Timed<Policy>, SharedAsyncHook, VirtualTimer>,
}

#[test]
fn an_async_hook_and_an_attempt_timeout_can_be_kept_too() {
    let timer = VirtualTimer::new();
    let reconnected = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&reconnected);
    let kept = Reconnecting {
        retry: Policy::new()
            .attempt_timeout(secs(5))
            .before_retry(move |_| {
                let counted = Arc::clone(&counted);
                async move {
                    counted.fetch_add(1, Relaxed);
                }
            })
            .timer(timer.clone())
            .shared_async(),
    };
    goes_anywhere(&kept.retry);
    for door in Door::ASYNC {
        let calls = AtomicU32::new(0);
        let outcome: io::Result<u32> = futures::executor::block_on(async {
            awaited!(door, kept.retry.clone(), || async {
                if calls.fetch_add(1, Relaxed) == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(1)
            })
        });
        assert_eq!(outcome.unwrap(), 1, "{door:?}");
        assert_eq!(reconnected.swap(0, Relaxed), 1, "{door:?}");
    }
}

#[test]
fn a_shared_retry_keeps_all_its_hooks_and_their_order() {
    type Log = Arc<std::sync::Mutex<Vec<&'static str>>>;
    let log = Log::default();
    let note = |line: &'static str| {
        let log = Arc::clone(&log);
        move |_: Event<'static>| log.lock().unwrap().push(line)
    };
    let policy = Policy::new().total(1).backoff(std::time::Duration::ZERO);
    let shared = policy.before_retry(note("first")).before_retry(note("second")).shared();
    let more = shared.clone().before_retry(note("third")).shared();
    let fails = || Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut));
    for (run, lines) in [(shared, 2), (more, 3)] {
        assert!(retry(run, fails).is_err());
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), ["first", "second", "third"][..lines]);
    }

    let note_async = |line: &'static str| {
        let log = Arc::clone(&log);
        move |_: Event<'static>| {
            let log = Arc::clone(&log);
            async move { log.lock().unwrap().push(line) }
        }
    };
    let shared = policy.before_retry(note_async("first")).before_retry(note_async("second")).shared_async();
    let more = shared.clone().before_retry(note_async("third"));
    for lines in [2, 3] {
        let outcome = futures::executor::block_on(async {
            if lines == 2 {
                retry_async(shared.clone(), async || fails()).await
            } else {
                retry_async(more.clone().shared_async(), async || fails()).await
            }
        });
        assert!(outcome.is_err());
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), ["first", "second", "third"][..lines]);
    }

    let service =
        tower::Layer::layer(&persevere::tower::RetryLayer::new(shared), tower::service_fn(async |()| fails()));
    assert!(futures::executor::block_on(tower::ServiceExt::oneshot(service, ())).is_err());
    assert_eq!(std::mem::take(&mut *log.lock().unwrap()), ["first", "second"]);
}

#[test]
fn the_guards_of_a_shared_retry_are_shared_by_its_clones() {
    static BREAKER: Breaker = Breaker::new();
    let budget = Arc::new(Budget::new().size(1));
    let timer = VirtualTimer::new();
    let shared: SharedRetry<io::Error, Policy, _, VirtualTimer> = Policy::new()
        .budget(Arc::clone(&budget))
        .breaker(&BREAKER)
        .nested(Nested::GiveUp)
        .timer(timer.clone())
        .shared();
    let mut calls = 0;
    for _ in 0..2 {
        let _ = shared.clone().run(|| {
            calls += 1;
            Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))
        });
    }
    assert_eq!(calls, 3, "the one retry of the budget was made by one of both");

    // What belongs to a call is added there.
    let mut report = Report::new();
    let inner = || Policy::new().timer(timer.clone()).run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
    assert!(shared.clone().report(&mut report).run(inner).is_err());
    assert_eq!(report.stop_reason(), Some(StopReason::Nested));
}

#[test]
fn an_open_breaker_of_a_shared_retry_refuses_with_the_operations_error() {
    let breaker = Arc::new(Breaker::new().min_outcomes(1));
    let timer = VirtualTimer::new();
    let shared: SharedRetry<io::Error, Policy, _, VirtualTimer> =
        Policy::new().total(0).breaker(breaker).timer(timer).shared();
    assert!(shared.clone().run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))).is_err());
    let refused = shared.run(|| -> io::Result<()> { unreachable!("the breaker is open") });
    assert!(refused.unwrap_err().get_ref().unwrap().is::<Rejected>());
}

#[test]
fn what_a_closure_counts_by_itself_it_counts_for_one_run() {
    let timer = VirtualTimer::new();
    let mut asked = 0;
    let shared: SharedRetry<io::Error, Policy, _, VirtualTimer> = Policy::new()
        .total(10)
        .when(move |_: &io::Error| {
            asked += 1;
            asked < 3
        })
        .timer(timer)
        .shared();
    for _ in 0..3 {
        let mut calls = 0;
        let _ = shared.clone().run(|| {
            calls += 1;
            Err::<(), _>(missing())
        });
        assert_eq!(calls, 3);
    }
}

/// A house rule, given out as one public bound, and taken the same way.
fn house_rule<V>(timer: &VirtualTimer) -> impl RunsBlocking<V, io::Error> + RunsAsync<V, io::Error> + Clone {
    Policy::new().total(1).when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound).timer(timer.clone())
}

fn through_any<V>(policy: impl RunsBlocking<V, io::Error>, operation: impl FnMut() -> io::Result<V>) -> io::Result<V> {
    retry(policy, operation)
}

async fn awaited_by_any<V, A: Future<Output = io::Result<V>>>(
    policy: impl RunsAsync<V, io::Error>,
    operation: impl FnMut() -> A,
) -> io::Result<V> {
    retry_async(policy, operation).await
}

#[test]
fn a_function_takes_and_returns_any_policy_with_one_bound() {
    let timer = VirtualTimer::new();
    let mut calls = 0;
    let mut operation = || {
        calls += 1;
        if calls % 2 == 1 { Err(missing()) } else { Ok(calls) }
    };
    assert_eq!(through_any(house_rule(&timer), &mut operation).unwrap(), 2);
    let found = futures::executor::block_on(awaited_by_any(house_rule(&timer), || std::future::ready(operation())));
    assert_eq!(found.unwrap(), 4);
    assert_eq!(through_any(house_rule(&timer).into_retry(), &mut operation).unwrap(), 6);
    assert!(through_any(Policy::new(), operation).is_err(), "a missing file is permanent by itself");
}
