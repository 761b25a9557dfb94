//! Budgets, breakers and nesting through the clients' doors, counted on the server's side.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use persevere::http::{RetryAgent, RetryClient, RetryExt as _};
use persevere::{
    Event, Policy, Rejected, Report, StopReason,
    guard::{AdaptiveThrottle, Breaker, BreakerState, Budget, Nested},
    time::{BlockingTimer, ThreadTimer},
};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;

use crate::doors::{BUSY, MISSING, OK, POLICY, answers, blocking, client};

#[tokio::test]
async fn a_sessions_budget_limits_the_retries_of_all_its_requests() {
    static BUDGET: Budget = Budget::new().size(2);
    let server = answers(&[BUSY]);
    let session = RetryClient::new(client(), POLICY).budget(&BUDGET);
    for _ in 0..3 {
        assert_eq!(session.get(server.url()).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(server.requests(), 3 + 2);

    let mut report = Report::new();
    session.get(server.url()).policy(POLICY.report(&mut report)).send().await.unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::BudgetExhausted));
    assert_eq!(server.requests(), 6);

    // One that fills it from here, for another session that shares it.
    let fine = answers(&[OK]);
    for _ in 0..10 {
        assert_eq!(session.get(fine.url()).text().await.unwrap(), "page");
    }
    let other = RetryClient::new(client(), POLICY).budget(&BUDGET);
    other.get(server.url()).send().await.unwrap();
    assert_eq!(server.requests(), 6 + 2);
}

#[test]
fn the_blocking_sessions_have_budgets_too() {
    let server = answers(&[BUSY]);
    let budget = Arc::new(Budget::new().size(2));
    let session = RetryClient::new(blocking(), POLICY).budget(budget.clone());
    for _ in 0..3 {
        session.get(server.url()).send().unwrap();
    }
    assert_eq!(server.requests(), 5);

    let server = answers(&[BUSY]);
    let budget = Arc::new(Budget::new().size(2));
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).budget(budget);
    for _ in 0..3 {
        agent.get(&server.url()).call().unwrap_err();
    }
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn an_open_breaker_sends_nothing_and_answers_as_a_gateway_would() {
    static BREAKER: Breaker = Breaker::new().min_outcomes(4);
    let server = answers(&[BUSY]);
    let session = RetryClient::new(client(), POLICY).breaker(&BREAKER);
    assert_eq!(session.get(server.url()).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.requests(), 4);

    let mut report = Report::new();
    let answer = session.get(server.url()).policy(POLICY.report(&mut report)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.url().as_str(), server.url());
    let seconds: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    assert!(answer.text().await.unwrap().contains("breaker is open"));
    assert_eq!((report.attempts(), report.stop_reason()), (0, Some(StopReason::BreakerOpen)));
    assert_eq!(server.requests(), 4);
}

/// The breaker opens while the run waits. The hook belongs to an attempt, and none is made.
#[test]
fn a_retry_that_is_refused_calls_no_hook() {
    fn open(breaker: &Breaker) {
        let now = BlockingTimer::now(&ThreadTimer);
        while let Ok(permit) = breaker.admit(now) {
            permit.failed(now);
        }
    }
    let hooks = Cell::new(0);
    let hook = |_: Event<'static>| hooks.set(hooks.get() + 1);

    let server = answers(&[BUSY]);
    let breaker = Arc::new(Breaker::new());
    let policy = POLICY.on_retry(|_: Event<'_, reqwest::Error>| open(&breaker)).before_retry(hook);
    let session = RetryClient::new(blocking(), POLICY).breaker(breaker.clone());
    let answer = session.get(server.url()).policy(policy).send().unwrap();
    assert_eq!((answer.status(), server.requests(), hooks.get()), (StatusCode::SERVICE_UNAVAILABLE, 1, 0));

    let server = answers(&[BUSY]);
    let breaker = Arc::new(Breaker::new());
    let policy = POLICY.on_retry(|_: Event<'_, ureq::Error>| open(&breaker)).before_retry(hook);
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).breaker(breaker.clone());
    assert!(matches!(agent.get(&server.url()).policy(policy).call(), Err(ureq::Error::Io(_))));
    assert_eq!((server.requests(), hooks.get()), (1, 0));
}

#[test]
fn the_blocking_sessions_have_breakers_too() {
    let server = answers(&[BUSY]);
    let breaker = Arc::new(Breaker::new().min_outcomes(4));
    let session = RetryClient::new(blocking(), POLICY).breaker(breaker.clone());
    for _ in 0..2 {
        assert_eq!(session.get(server.url()).send().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(server.requests(), 4);

    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).breaker(breaker);
    match agent.get(&server.url()).call() {
        Err(ureq::Error::Io(error)) => assert!(error.get_ref().unwrap().is::<Rejected>()),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn a_404_is_an_answer_and_opens_no_breaker() {
    static BREAKER: Breaker = Breaker::new().min_outcomes(2);
    let server = answers(&[MISSING]);
    let session = RetryClient::new(client(), POLICY).breaker(&BREAKER);
    for _ in 0..5 {
        assert_eq!(session.get(server.url()).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(server.requests(), 5);
    assert_eq!(BREAKER.state_at(Duration::MAX), BreakerState::Closed);
}

#[tokio::test]
async fn a_throttle_holds_first_requests_back() {
    static THROTTLE: AdaptiveThrottle = AdaptiveThrottle::new();
    let server = answers(&[BUSY]);
    let session = RetryClient::new(client(), Policy::new().total(0)).throttle(&THROTTLE);
    for _ in 0..100 {
        assert_eq!(session.get(server.url()).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(server.requests() < 60, "{}", server.requests());
}

#[tokio::test]
async fn a_run_round_a_request_learns_that_it_was_retried_within() {
    let server = answers(&[None]);
    let mut report = Report::new();
    let outer = POLICY.nested(Nested::GiveUp).report(&mut report);
    let failed = outer.run_async(|| client().get(server.url()).retry(POLICY).text()).await;
    assert!(failed.is_err());
    assert_eq!((server.requests(), report.stop_reason()), (4, Some(StopReason::Nested)));

    let server = answers(&[None]);
    let outer = POLICY.nested(Nested::GiveUp);
    outer
        .run(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| blocking().get(server.url()).retry(POLICY).text()).join().unwrap()
            })
        })
        .unwrap_err();
    assert_eq!(server.requests(), 16, "another thread is not inside the attempt");

    let server = answers(&[None]);
    let session = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY);
    POLICY.nested(Nested::GiveUp).run(|| session.get(&server.url()).text()).unwrap_err();
    assert_eq!(server.requests(), 4);
}

/// What a service keeps: its types are written out, and it can be cloned into each handler.
#[derive(Clone, Debug)]
struct App {
    client: RetryClient<reqwest::Client>,
    blocking: RetryClient<reqwest::blocking::Client>,
    agent: RetryAgent,
}

fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}

#[test]
fn a_guarded_session_can_be_written_into_a_struct() {
    static BREAKER: Breaker = Breaker::new();
    static THROTTLE: AdaptiveThrottle = AdaptiveThrottle::new();
    let budget = Arc::new(Budget::new().size(1));
    let app = App {
        client: RetryClient::new(client(), POLICY).budget(budget.clone()).breaker(&BREAKER).throttle(&THROTTLE),
        blocking: RetryClient::new(blocking(), POLICY).budget(budget.clone()).breaker(&BREAKER),
        agent: RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).budget(budget.clone()),
    };
    goes_anywhere(&app);

    let server = answers(&[BUSY]);
    let url = server.url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(app.client.get(&url).send()).unwrap();
    app.blocking.get(&url).send().unwrap();
    app.agent.get(&url).call().unwrap_err();
    assert_eq!(server.requests(), 4, "one retry of one budget, which all share");
}
