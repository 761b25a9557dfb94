//! The status and the body of an answer together: neither is lost.

use persevere::http::{HttpPolicy, RetryAgent, RetryClient, RetryExt as _};
use persevere::testing::VirtualTimer;
use persevere::{Fault, Policy, Report, StopReason, guard::Breaker};
use std::time::Duration;

use crate::doors::{BUSY, CUT, OK, POLICY, answers, blocking, client};

const GONE: Option<&str> = Some("HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nmissing");
const JSON: Option<&str> = Some("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]");

/// An answer, how often it is asked for, the page, and how the run ends.
const ENDS: [(Option<&str>, u16, usize, &str, StopReason); 2] =
    [(GONE, 404, 1, "missing", StopReason::Permanent), (BUSY, 503, 4, "busy", StopReason::Exhausted)];

fn sent(answer: Option<&'static str>) -> &'static [Option<&'static str>] {
    Box::leak(Box::new([answer]))
}

fn check(report: &Report, status: u16, requests: usize, reason: StopReason) {
    assert_eq!((report.attempts() as usize, report.stop_reason()), (requests, Some(reason)), "{report}");
    assert!(report.failures().all(|failure| failure.status() == Some(status)), "{report}");
    assert!(report.failures().count() == requests && report.to_string().contains(&status.to_string()), "{report}");
}

#[tokio::test]
async fn a_status_is_reqwests_own_error_and_in_the_report() {
    for (answer, status, requests, page, reason) in ENDS {
        macro_rules! fails {
            ($($end:ident $(::<$of:ty>)?),*) => {$(
                let server = answers(sent(answer));
                let session = RetryClient::new(client(), POLICY.jitter(persevere::Jitter::None));
                let (mut report, mut refused, timer) = (Report::new(), None, VirtualTimer::new());
                let request = session.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report);
                let error = request.error_for_status().keep_response(&mut refused).$end$(::<$of>)?().await.unwrap_err();
                assert!(error.is_status(), "{error:?}");
                assert_eq!((error.status().unwrap().as_u16(), server.requests()), (status, requests));
                check(&report, status, requests, reason);
                let refused = refused.unwrap();
                assert_eq!((refused.status().as_u16(), refused.url().as_str()), (status, &*server.url()));
                assert_eq!(refused.text().await.unwrap(), page);
            )*};
        }
        fails!(send, text, bytes, json::<Vec<u32>>);
    }
}

#[test]
fn a_status_is_an_error_of_the_blocking_client_too() {
    for (answer, status, requests, page, reason) in ENDS {
        macro_rules! fails {
            ($($end:ident $(::<$of:ty>)?),*) => {$(
                let server = answers(sent(answer));
                let (mut report, mut refused, timer) = (Report::new(), None, VirtualTimer::new());
                let request = blocking().get(server.url()).retry(POLICY.timer(&timer)).report(&mut report);
                let error = request.error_for_status().keep_response(&mut refused).$end$(::<$of>)?().unwrap_err();
                assert_eq!((error.status().unwrap().as_u16(), server.requests()), (status, requests));
                check(&report, status, requests, reason);
                assert_eq!(refused.unwrap().text().unwrap(), page);
            )*};
        }
        fails!(send, text, bytes, json::<Vec<u32>>);
    }
}

#[tokio::test]
async fn what_passes_is_retried_and_what_comes_is_returned() {
    for before in [BUSY, None, CUT] {
        let server = answers(Box::leak(Box::new([before, JSON])));
        let timer = VirtualTimer::new();
        let mut refused = None;
        let request = client().get(server.url()).timeout(Duration::from_millis(100)).retry(POLICY.timer(&timer));
        let numbers: Vec<u32> = request.error_for_status().keep_response(&mut refused).json().await.unwrap();
        assert_eq!((numbers, server.requests(), refused.is_none()), (vec![1], 2, true));
    }
}

#[tokio::test]
async fn a_status_that_is_accepted_is_still_an_error_and_one_below_400_is_none() {
    // 503 is not retried here, and 202 is.
    let server = answers(&[BUSY]);
    let session = RetryClient::new(client(), HttpPolicy::new(POLICY).never_retry(503));
    let error = session.get(server.url()).error_for_status().text().await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), server.requests()), (503, 1));

    let server = answers(&[Some("HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nsoon!")]);
    let session = RetryClient::new(client(), HttpPolicy::new(POLICY).also_retry(202));
    let page = session.get(server.url()).error_for_status().text().await.unwrap();
    assert_eq!((page.as_str(), server.requests()), ("soon!", 4));
}

#[tokio::test]
async fn a_post_with_an_error_status_is_sent_once() {
    for answer in [GONE, BUSY] {
        let server = answers(sent(answer));
        let session = RetryClient::new(client(), POLICY);
        session.post(server.url()).json(&1).error_for_status().text().await.unwrap_err();
        assert_eq!(server.posts(), 1);
    }
}

/// It is an answer: neither the breaker nor the budget counts it as a failure.
#[tokio::test]
async fn a_404_opens_no_breaker_as_an_error_either() {
    static BREAKER: Breaker = Breaker::new().min_outcomes(2);
    let server = answers(&[GONE]);
    let session = RetryClient::new(client(), POLICY).breaker(&BREAKER);
    for _ in 0..5 {
        assert_eq!(session.get(server.url()).error_for_status().send().await.unwrap_err().status().unwrap(), 404);
    }
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn a_refused_attempt_is_a_status_error_too() {
    static BREAKER: Breaker = Breaker::new().min_outcomes(1);
    let server = answers(&[BUSY]);
    let session = RetryClient::new(client(), Policy::new().total(0)).breaker(&BREAKER);
    let first = session.get(server.url()).error_for_status().text().await.unwrap_err();
    let mut report = Report::new();
    let second = session.get(server.url()).report(&mut report).error_for_status().text().await.unwrap_err();
    assert_eq!((first.status().unwrap().as_u16(), second.status().unwrap().as_u16()), (503, 503));
    assert_eq!((report.stop_reason(), server.requests()), (Some(StopReason::BreakerOpen), 1));
}

/// If the deadline passes during a wait, the last status is the error.
#[tokio::test]
async fn a_deadline_loses_no_status() {
    let server = answers(&[BUSY]);
    let policy = Policy::new().backoff(Duration::from_secs(10)).within(Duration::from_secs(3));
    let mut report = Report::new();
    let error = client().get(server.url()).retry(policy).report(&mut report).error_for_status().text().await;
    assert_eq!(error.unwrap_err().status().unwrap(), 503);
    assert_eq!(report.failures().last().unwrap().fault(), Fault::Throttle);
    let server = answers(&[OK]);
    assert_eq!(client().get(server.url()).retry(policy).error_for_status().text().await.unwrap(), "page");
}

#[test]
fn a_status_is_an_error_of_ureqs_too_whatever_the_agent_says() {
    for plain in [false, true] {
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(!plain).build();
        let agent = RetryAgent::new(config.into(), POLICY);
        for (answer, status, requests, page, reason) in ENDS {
            macro_rules! fails {
                ($($end:ident $(::<$of:ty>)?),*) => {$(
                    let server = answers(sent(answer));
                    let (mut report, mut refused, timer) = (Report::new(), None, VirtualTimer::new());
                    let request = agent.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report);
                    let error = request.error_for_status().keep_response(&mut refused).$end$(::<$of>)?().unwrap_err();
                    assert!(matches!(error, ureq::Error::StatusCode(code) if code == status), "{error:?}");
                    assert_eq!(server.requests(), requests);
                    check(&report, status, requests, reason);
                    assert_eq!(refused.unwrap().body_mut().read_to_string().unwrap(), page);
                )*};
            }
            fails!(call, text, bytes, json::<Vec<u32>>);
        }
        // What the status of a page that came was is not kept.
        let server = answers(&[BUSY, JSON]);
        let mut refused = None;
        let request = agent.get(server.url()).policy(POLICY.timer(VirtualTimer::new()));
        let numbers: Vec<u32> = request.error_for_status().keep_response(&mut refused).json().unwrap();
        assert_eq!((numbers, refused.is_none()), (vec![1], true));
    }
}
