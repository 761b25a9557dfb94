//! The doors for reqwest, async and blocking, counted on the server's side.

use std::time::{Duration, Instant};

use persevere::http::{HttpPolicy, RetryAgent, RetryClient, RetryExt as _, Statuses};
use persevere::testing::{VirtualSleep, VirtualTimer};
use persevere::{
    Event, Fault, Jitter, Policy, Report, StopReason,
    time::{BlockingTimer, Timer},
};
use reqwest::StatusCode;

use crate::faults::{install_provider, refused};
use crate::server::{Peer, Server};

const SECRET: &str = "hunter2";

pub(crate) fn client() -> reqwest::Client {
    builder().build().unwrap()
}

pub(crate) fn builder() -> reqwest::ClientBuilder {
    install_provider();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).tls_certs_only([])
}

pub(crate) fn blocking() -> reqwest::blocking::Client {
    blocking_builder().build().unwrap()
}

pub(crate) fn blocking_builder() -> reqwest::blocking::ClientBuilder {
    install_provider();
    reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_secs(20)).tls_certs_only([])
}

/// Up to four attempts, at once where there is no hint.
pub(crate) const POLICY: Policy = Policy::new().backoff(Duration::ZERO);

/// Answers with each of these in turn, then with the last one for ever; `None` closes without a reply.
pub(crate) fn answers(answers: &'static [Option<&'static str>]) -> Server {
    Server::new(move |peer: &mut Peer| {
        while peer.request().is_some() {
            match answers[(peer.requests() - 1).min(answers.len() - 1)] {
                Some(answer) => peer.send(answer),
                None => return,
            }
        }
    })
}

pub(crate) const OK: Option<&str> = Some("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage");
pub(crate) const BUSY: Option<&str> = Some("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy");
pub(crate) const CUT: Option<&str> = Some("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npa");

pub(crate) const MISSING: Option<&str> = Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");

#[tokio::test]
async fn a_get_survives_what_passes() {
    for faults in [&[None, BUSY, None, OK] as &[_], &[BUSY, BUSY, BUSY, OK]] {
        let server = answers(faults);
        let timer = VirtualTimer::new();
        let page = client().get(server.url()).retry(POLICY.timer(&timer)).text().await;
        assert_eq!((page.unwrap().as_str(), server.requests()), ("page", 4));
    }
}

#[test]
fn a_blocking_get_survives_what_passes() {
    for faults in [&[None, BUSY, None, OK] as &[_], &[BUSY, BUSY, BUSY, OK]] {
        let server = answers(faults);
        let timer = VirtualTimer::new();
        let page = blocking().get(server.url()).retry(POLICY.timer(&timer)).text();
        assert_eq!((page.unwrap().as_str(), server.requests()), ("page", 4));
    }
}

/// A server that sends a body cut short twice, closing the connection each time.
fn cuts_twice(whole: &'static str) -> Server {
    Server::new(move |peer| {
        if peer.request().is_some() {
            peer.send(if peer.requests() < 3 { CUT.unwrap() } else { whole });
        }
    })
}

#[tokio::test]
async fn a_body_that_is_cut_is_fetched_again() {
    let server = cuts_twice("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]");
    let numbers: Vec<u32> = client().get(server.url()).retry(POLICY).read_json().await.unwrap();
    assert_eq!((numbers, server.requests()), (vec![1], 3));

    let server = cuts_twice(OK.unwrap());
    assert_eq!(&client().get(server.url()).retry(POLICY).bytes().await.unwrap()[..], b"page");
    let server = cuts_twice(OK.unwrap());
    let page = tokio::task::spawn_blocking(move || blocking().get(server.url()).retry(POLICY).bytes());
    assert_eq!(&page.await.unwrap().unwrap()[..], b"page");
}

#[tokio::test]
async fn the_last_response_comes_back() {
    let server = answers(&[BUSY]);
    let (mut report, timer) = (Report::new(), VirtualTimer::new());
    let response = client().get(server.url()).retry(POLICY.timer(&timer).report(&mut report)).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.error_for_status_ref().is_err());
    assert_eq!(response.url().as_str(), server.url());
    assert_eq!(response.text().await.unwrap(), "busy");
    assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)));
    assert!(report.failures().all(|failure| failure.fault() == Fault::Throttle));
    assert!(!format!("{report:?}").contains(SECRET));
    // Each failed response was drained, so one connection served them all.
    assert_eq!((server.requests(), server.connections()), (4, 1));
}

#[test]
fn the_last_response_of_a_blocking_client_comes_back() {
    let server = answers(&[BUSY]);
    let timer = VirtualTimer::new();
    let response = blocking().get(server.url()).retry(POLICY.timer(&timer)).send().unwrap();
    assert_eq!((response.status().as_u16(), response.text().unwrap().as_str()), (503, "busy"));
    assert_eq!((server.requests(), server.connections()), (4, 1));
}

#[tokio::test]
async fn json_of_an_error_page_is_an_error_and_bad_json_is_not_fetched_again() {
    let server = answers(&[BUSY]);
    let timer = VirtualTimer::new();
    let value = client().get(server.url()).retry(POLICY.timer(&timer)).read_json::<u32>().await;
    assert!(value.unwrap_err().is_decode());
    assert_eq!(server.requests(), 4);

    let server = answers(&[OK]);
    let mut report = Report::new();
    let value = client().get(server.url()).retry(POLICY.report(&mut report)).read_json::<u32>().await;
    assert!(value.unwrap_err().is_decode());
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::Permanent)));
}

#[tokio::test]
async fn a_post_is_sent_once_unless_it_has_a_key() {
    for fault in [&[None] as &[_], &[BUSY], &[Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npa")]] {
        let server = answers(fault);
        let mut report = Report::new();
        let client = builder().timeout(Duration::from_millis(300)).build().unwrap();
        let _ = client.post(server.url()).body("order").retry(POLICY.report(&mut report)).text().await;
        assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
    }
    let server = answers(&[None, None, OK]);
    let request = client().post(server.url()).header("idempotency-key", "8e03978e").body("order");
    assert_eq!(request.retry(POLICY).send().await.unwrap().status(), 200);
    assert_eq!(server.requests(), 3);
    // Said of this request alone, and with reqwest's builder inside.
    let server = answers(&[None, OK]);
    let request = client().post(server.url()).retry(POLICY).idempotent(true).with(|builder| builder.body("order"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    // And the other way round.
    let server = answers(&[None, OK]);
    assert!(client().get(server.url()).retry(POLICY).idempotent(false).send().await.is_err());
    assert_eq!(server.requests(), 1);
}

/// A body that is a stream: it can't be cloned.
pub(crate) fn stream() -> reqwest::Body {
    reqwest::Body::wrap(String::from("order"))
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let server = answers(&[None, OK]);
    let mut report = Report::new();
    let sent = client().put(server.url()).body(stream()).retry(POLICY.report(&mut report)).send().await;
    assert!(sent.is_err());
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::BodyNotReplayable)));
    // Nothing of it was read: it is all there.
    let sent = client().put(refused()).body(stream()).retry(POLICY.report(&mut report)).send().await;
    assert!(sent.is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)));
    // And it arrives.
    let server = answers(&[OK]);
    assert_eq!(client().put(server.url()).body(stream()).retry(POLICY).send().await.unwrap().status(), 200);
}

#[test]
fn a_blocking_stream_is_sent_once() {
    let server = answers(&[None, OK]);
    let mut report = Report::new();
    let body = reqwest::blocking::Body::sized(&b"order"[..], 5);
    assert!(blocking().put(server.url()).body(body).retry(POLICY.report(&mut report)).send().is_err());
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::BodyNotReplayable)));
}

#[tokio::test]
async fn a_hint_is_obeyed_or_ends_the_run() {
    let server = answers(&[Some("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"), OK]);
    let timer = VirtualTimer::new();
    assert_eq!(client().get(server.url()).retry(POLICY.timer(&timer)).send().await.unwrap().status(), 200);
    assert!(timer.elapsed() >= Duration::from_secs(7));

    let server = answers(&[Some("HTTP/1.1 503 Busy\r\nretry-after: 604800\r\ncontent-length: 0\r\n\r\n"), OK]);
    let mut report = Report::new();
    let response = client().get(server.url()).retry(POLICY.report(&mut report)).send().await.unwrap();
    let hint = Duration::from_secs(604_800);
    assert_eq!((response.status().as_u16(), server.requests()), (503, 1));
    assert_eq!(report.stop_reason(), Some(StopReason::HintTooLong { hint }));
}

#[tokio::test]
async fn an_attempt_timeout_is_the_requests_own() {
    let server = Server::new(|peer| {
        peer.request();
        if peer.requests() < 3 {
            peer.stall();
        }
        peer.send(OK.unwrap());
    });
    let mut report = Report::new();
    let policy = POLICY.attempt_timeout(Duration::from_millis(200)).report(&mut report);
    assert_eq!(client().get(server.url()).retry(policy).text().await.unwrap(), "page");
    assert_eq!((server.requests(), report.attempts()), (3, 3));
    assert!(report.failures().all(|failure| failure.fault() == Fault::Timeout));
}

/// A hook is part of its attempt: what it takes is taken from the attempt's time, and it is cut as the attempt would be.
#[tokio::test]
async fn an_attempt_timeout_covers_the_hook_too() {
    let server = answers(&[BUSY]);
    let mut report = Report::new();
    let policy = POLICY.total(1).attempt_timeout(Duration::from_millis(100)).report(&mut report);
    let hangs = policy.before_retry(|_: Event<'static>| std::future::pending::<()>());
    let error = client().get(server.url()).retry(hangs).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!((server.requests(), report.attempts()), (1, 2));
    assert_eq!(report.failures().last().unwrap().fault(), Fault::Timeout);

    // A hook that ends in time leaves the rest to the request.
    let server = Server::new(|peer| {
        peer.request();
        if peer.requests() > 1 {
            peer.stall();
        }
        peer.send(BUSY.unwrap());
    });
    let started = Instant::now();
    let policy = POLICY.total(1).attempt_timeout(Duration::from_millis(1500));
    let slow = policy.before_retry(|_: Event<'static>| tokio::time::sleep(Duration::from_secs(1)));
    assert!(client().get(server.url()).retry(slow).send().await.unwrap_err().is_timeout());
    assert_eq!(server.requests(), 2);
    assert!(started.elapsed() < Duration::from_millis(2200), "{:?}", started.elapsed());
}

/// A timer whose sleeps take ten seconds more, as on a machine that was suspended.
#[derive(Clone, Default)]
struct Oversleeping(VirtualTimer);

impl Timer for Oversleeping {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) -> VirtualSleep {
        Timer::sleep(&self.0, wait + Duration::from_secs(10))
    }
}

impl BlockingTimer for Oversleeping {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        BlockingTimer::sleep(&self.0, wait + Duration::from_secs(10));
    }
}

const FIVE_SECONDS: Policy = Policy::new()
    .backoff(Duration::from_secs(1))
    .immediate_first(false)
    .jitter(Jitter::None)
    .within(Duration::from_secs(5));

#[tokio::test]
async fn a_request_that_overslept_its_deadline_is_not_sent_again_and_its_last_error_or_response_comes_back() {
    let policy = || FIVE_SECONDS.timer(Oversleeping::default());
    let error = client().get(refused()).retry(policy()).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");

    let server = answers(&[BUSY, OK]);
    let response = client().get(server.url()).retry(policy()).send().await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::SERVICE_UNAVAILABLE, &*server.url()));
    assert_eq!(response.headers().get("content-length"), None);
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(client().get(server.url()).retry(policy()).text().await.unwrap(), "page", "it is asked one time only");
    assert_eq!(server.requests(), 2);

    let server = answers(&[OK, OK]);
    let again = policy().when_ok(|_: &String| true);
    assert_eq!(client().get(server.url()).retry(again).text().await.unwrap(), "page");
    let mut report = Report::new();
    let again = policy().when_ok(|_: &reqwest::Response| true).report(&mut report);
    assert_eq!(client().get(server.url()).retry(again).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.requests(), 2);
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::DeadlineExceeded)));
}

#[test]
fn a_blocking_request_that_overslept_its_deadline_is_not_sent_again_and_its_last_error_or_response_comes_back() {
    let policy = || FIVE_SECONDS.timer(Oversleeping::default());
    let error = blocking().get(refused()).retry(policy()).send().unwrap_err();
    assert!(error.is_connect(), "{error:?}");

    let server = answers(&[BUSY, OK]);
    let response = blocking().get(server.url()).retry(policy()).send().unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::SERVICE_UNAVAILABLE, &*server.url()));
    assert_eq!(response.headers().get("content-length"), None);
    assert_eq!(response.text().unwrap(), "");
    assert_eq!(server.requests(), 1);

    let server = answers(&[OK]);
    let again = policy().when_ok(|_: &String| true);
    assert_eq!(blocking().get(server.url()).retry(again).text().unwrap(), "page");
    let again = policy().when_ok(|_: &reqwest::blocking::Response| true);
    assert_eq!(blocking().get(server.url()).retry(again).send().unwrap().status(), StatusCode::OK);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_call_of_ureq_that_overslept_its_deadline_is_not_sent_again_and_its_last_error_or_response_comes_back() {
    let policy = || FIVE_SECONDS.timer(Oversleeping::default());
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    let error = agent.get(&refused()).policy(policy()).call().unwrap_err();
    assert!(matches!(error, ureq::Error::Io(_) | ureq::Error::ConnectionFailed), "{error:?}");

    let server = answers(&[BUSY, BUSY, OK]);
    let error = agent.get(&server.url()).policy(policy()).text().unwrap_err();
    assert!(matches!(error, ureq::Error::StatusCode(503)), "{error:?}");
    let plain = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut response = RetryAgent::new(plain, Policy::new()).get(&server.url()).policy(policy()).call().unwrap();
    assert_eq!((response.status(), response.headers().get("content-length")), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert_eq!(response.body_mut().read_to_string().unwrap(), "");
    assert_eq!(server.requests(), 2);

    let server = answers(&[OK]);
    let again = policy().when_ok(|_: &String| true);
    assert_eq!(agent.get(&server.url()).policy(again).text().unwrap(), "page");
    assert_eq!(server.requests(), 1);
}

/// A wait of 4 s would end exactly at the deadline.
#[tokio::test]
async fn no_wait_is_begun_for_a_request_that_has_no_time() {
    let policy = Policy::new().backoff(Duration::from_secs(1)).jitter(Jitter::None).total(9);
    let policy = policy.within(Duration::from_secs(6)).attempt_timeout(Duration::from_secs(5));

    let timer = VirtualTimer::new();
    let error = client().get(refused()).retry(policy.timer(&timer)).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(timer.elapsed(), Duration::from_secs(2));

    let timer = VirtualTimer::new();
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    let error = agent.get(&refused()).policy(policy.timer(&timer)).call().unwrap_err();
    assert!(matches!(error, ureq::Error::Io(_) | ureq::Error::ConnectionFailed), "{error:?}");
    assert_eq!(timer.elapsed(), Duration::from_secs(2));
}

/// The server answers the second request after 100 ms: less than the timeout, and more than the hook leaves of it.
#[tokio::test]
async fn a_hook_uses_up_the_attempt_timeout_of_every_client() {
    let (hook, limit) = (Duration::from_millis(150), Duration::from_millis(200));
    let server = || {
        Server::new(|peer: &mut Peer| {
            while peer.request().is_some() {
                if peer.requests() > 1 {
                    std::thread::sleep(Duration::from_millis(100));
                }
                peer.send(BUSY.unwrap());
            }
        })
    };
    let policy = POLICY.total(1).attempt_timeout(limit);

    let stalled = server();
    let slow = policy.before_retry(|_: Event<'static>| tokio::time::sleep(hook));
    assert!(client().get(stalled.url()).retry(slow).send().await.unwrap_err().is_timeout());

    let sleeps = move |_: Event<'static>| std::thread::sleep(hook);
    let stalled = server();
    let url = stalled.url();
    let outcome = tokio::task::spawn_blocking(move || blocking().get(url).retry(policy.before_retry(sleeps)).send());
    assert!(outcome.await.unwrap().unwrap_err().is_timeout());

    let stalled = server();
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    let error = agent.get(&stalled.url()).policy(policy.before_retry(sleeps)).call().unwrap_err();
    assert!(matches!(error, ureq::Error::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn a_list_of_waits_decides_how_many_requests_there_are_and_a_total_after_it_caps_it() {
    let run = || Policy::new().waits([Duration::ZERO; 5]);
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    let server = answers(&[BUSY]);
    let mut seen = 0;
    let mut sent = || {
        let since = server.requests() - seen;
        seen += since;
        since
    };
    assert!(client().get(server.url()).retry(run()).send().await.is_ok());
    assert_eq!(sent(), 6);
    assert!(client().get(server.url()).retry(run().total(2)).send().await.is_ok());
    assert_eq!(sent(), 3);
    for (capped, requests) in [(false, 6), (true, 3)] {
        let url = server.url();
        tokio::task::spawn_blocking(move || {
            let request = blocking().get(url);
            if capped { request.retry(run().total(2)).send() } else { request.retry(run()).send() }
        })
        .await
        .unwrap()
        .unwrap();
        assert_eq!(sent(), requests);
        let request = agent.get(&server.url());
        let outcome = if capped { request.policy(run().total(2)).call() } else { request.policy(run()).call() };
        assert!(outcome.is_err());
        assert_eq!(sent(), requests);
    }
}

#[tokio::test]
async fn a_second_before_retry_runs_after_the_first_for_every_client() {
    static LOG: std::sync::Mutex<Vec<&str>> = std::sync::Mutex::new(Vec::new());
    let note = |line| LOG.lock().unwrap().push(line);
    let check = |what: &str| assert_eq!(std::mem::take(&mut *LOG.lock().unwrap()), ["first", "second"], "{what}");

    let server = answers(&[BUSY, OK]);
    let first = async |_: Event<'static>| {
        tokio::task::yield_now().await;
        note("first");
    };
    let twice = POLICY.before_retry(first).before_retry(async |_: Event<'static>| note("second"));
    assert_eq!(client().get(server.url()).retry(twice).text().await.unwrap(), "page");
    check("reqwest");

    let server = answers(&[BUSY, OK]);
    let twice = POLICY.before_retry(move |_: Event<'static>| note("first"));
    let twice = twice.before_retry(move |_: Event<'static>| note("second"));
    let url = server.url();
    let page = tokio::task::spawn_blocking(move || blocking().get(url).retry(twice).text());
    assert_eq!(page.await.unwrap().unwrap(), "page");
    check("blocking reqwest");

    let server = answers(&[BUSY, OK]);
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    assert_eq!(agent.get(&server.url()).policy(twice).text().unwrap(), "page");
    check("ureq");
}

#[tokio::test]
async fn mounts_know_no_letter_case() {
    let server = answers(&[BUSY, OK]);
    let url = server.url().replace("http://", "HTTP://");
    let session = RetryClient::new(client(), Policy::new().total(0));
    let mounted = session.clone().mount("hTTp://127.0.0.1:", POLICY).get(&url).send().await.unwrap();
    assert_eq!((mounted.status(), server.requests()), (reqwest::StatusCode::OK, 2));
    let other = answers(&[BUSY, OK]);
    let elsewhere = session.mount("https://127.0.0.1:", POLICY).get(other.url()).send().await.unwrap();
    assert_eq!((elsewhere.status(), other.requests()), (reqwest::StatusCode::SERVICE_UNAVAILABLE, 1));
}

#[tokio::test]
async fn a_session_has_a_policy_for_each_prefix() {
    let server = answers(&[MISSING, MISSING, OK]);
    let base = server.url();
    let (host, _) = base.split_once("/path").unwrap();
    let session = RetryClient::new(client(), Policy::new().total(0))
        .mount("http://", POLICY.total(1))
        .mount(host, HttpPolicy::new(POLICY).also_retry(404));
    assert_eq!(session.get(&base).send().await.unwrap().status(), 200);
    assert_eq!(server.requests(), 3);
    // The request's own word goes before the session's.
    let server = answers(&[MISSING, OK]);
    let session = RetryClient::new(client(), POLICY);
    assert_eq!(session.get(server.url()).send().await.unwrap().status(), 404);
    let server = answers(&[MISSING, OK]);
    let request = session.get(server.url()).retry_only(Statuses::of(&[404]));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[test]
fn no_secret_is_shown() {
    let url = format!("http://user:{SECRET}@127.0.0.1/?token={SECRET}");
    let session = RetryClient::new(client(), POLICY).mount(url.clone(), POLICY);
    let shown = format!("{session:?} {:?}", session.get(&url).header("authorization", SECRET));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_run_can_be_spawned() {
    let server = answers(&[OK]);
    let request = client().get(server.url()).retry(POLICY);
    assert_eq!(tokio::spawn(request.text()).await.unwrap().unwrap(), "page");
}
