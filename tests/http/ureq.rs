//! The door for ureq, counted on the server's side.

use std::time::{Duration, Instant};

use persevere::http::{HttpPolicy, RetryAgent, Statuses};
use persevere::testing::VirtualTimer;
use persevere::{Fault, Policy, Report, StopReason};

use crate::doors::{BUSY, CUT, OK, POLICY, answers};
use crate::faults::refused;
use crate::redirects::{redirects_to_itself, redirects_to_nowhere};
use crate::server::Server;

fn agent() -> RetryAgent {
    let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(20))).build();
    RetryAgent::new(config.into(), POLICY)
}

/// An agent that makes no error of a status.
fn plain() -> RetryAgent {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
    RetryAgent::new(config.into(), POLICY)
}

const MISSING: Option<&str> = Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");

#[test]
fn a_get_survives_what_passes() {
    for faults in [&[None, BUSY, None, OK] as &[_], &[BUSY, BUSY, BUSY, OK]] {
        let server = answers(faults);
        let timer = VirtualTimer::new();
        let page = agent().get(&server.url()).policy(POLICY.timer(&timer)).text();
        assert_eq!((page.unwrap().as_str(), server.requests()), ("page", 4));
    }
}

#[test]
fn a_body_that_is_cut_is_fetched_again() {
    let server = Server::new(|peer| {
        if peer.request().is_some() {
            peer.send(if peer.requests() < 3 {
                CUT.unwrap()
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]"
            });
        }
    });
    let numbers: Vec<u32> = agent().get(&server.url()).json().unwrap();
    assert_eq!((numbers, server.requests()), (vec![1], 3));
}

#[test]
fn the_last_status_comes_back_as_the_agent_gives_it() {
    let timer = VirtualTimer::new();
    let server = answers(&[BUSY]);
    let response = plain().get(&server.url()).policy(POLICY.timer(&timer)).call().unwrap();
    assert_eq!(response.into_body().read_to_string().unwrap(), "busy");
    assert_eq!(server.requests(), 4);

    let server = answers(&[BUSY]);
    let error = agent().get(&server.url()).policy(POLICY.timer(&timer)).bytes().unwrap_err();
    assert!(matches!(error, ureq::Error::StatusCode(503)));
    assert_eq!(server.requests(), 4);

    let server = answers(&[MISSING]);
    let mut report = Report::new();
    let error = agent().get(&server.url()).policy(POLICY.report(&mut report)).call().unwrap_err();
    assert!(matches!(error, ureq::Error::StatusCode(404)));
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::Permanent)));
    let server = answers(&[MISSING, OK]);
    assert!(agent().get(&server.url()).retry_only(Statuses::of(&[404])).call().is_ok());
}

/// A page that is not read costs its connection, an empty one does not.
#[test]
fn a_status_without_a_page_keeps_its_connection() {
    const EMPTY: Option<&str> = Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    for (answer, connections) in [(&[EMPTY, EMPTY, EMPTY, OK], 1), (&[BUSY, BUSY, BUSY, OK], 4)] {
        let (server, timer) = (answers(answer), VirtualTimer::new());
        assert_eq!(agent().get(&server.url()).policy(POLICY.timer(&timer)).text().unwrap(), "page");
        assert_eq!((server.requests(), server.connections()), (4, connections));
    }
}

#[test]
fn a_post_is_sent_once_unless_it_has_a_key() {
    for fault in [&[None] as &[_], &[BUSY], &[Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npa")]] {
        let server = answers(fault);
        let mut report = Report::new();
        let policy = POLICY.attempt_timeout(Duration::from_millis(300)).report(&mut report);
        assert!(agent().post(&server.url()).body("order").policy(policy).text().is_err());
        assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
    }
    let server = answers(&[None, None, OK]);
    let request = agent().post(&server.url()).header("idempotency-key", "8e03978e").body("order");
    assert_eq!(request.text().unwrap(), "page");
    assert_eq!(server.requests(), 3);
    let server = answers(&[None, OK]);
    assert_eq!(agent().post(&server.url()).idempotent(true).text().unwrap(), "page");
}

#[test]
fn a_post_that_was_redirected_to_a_dead_port_is_not_sent_again() {
    for body in ["order", ""] {
        for status in [301, 302, 303, 307, 308] {
            for server in [redirects_to_nowhere(status), redirects_to_itself(status)] {
                assert!(agent().post(&server.url()).body(body).call().is_err());
                assert_eq!(server.requests(), 1, "{status} {body:?}");
            }
        }
    }
    // A server that is asked whether to go on redirects before it has the body.
    let server = Server::new(|peer| {
        peer.head();
        peer.send(format!("HTTP/1.1 303 Other\r\nlocation: {}\r\nconnection: close\r\n\r\n", refused()));
    });
    assert!(agent().post(&server.url()).header("expect", "100-continue").body("order").call().is_err());
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_refused_post_is_sent_again_where_no_redirect_can_have_led_there() {
    let (url, mut report) = (refused(), Report::new());
    assert!(agent().post(&url).body("order").policy(POLICY.report(&mut report)).call().is_err());
    assert_eq!(report.attempts(), 4);
    // Without a body nothing tells.
    assert!(agent().post(&url).policy(POLICY.report(&mut report)).call().is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
    let still = ureq::Agent::config_builder().proxy(None).max_redirects(0).build().into();
    assert!(RetryAgent::new(still, POLICY).post(&url).policy(POLICY.report(&mut report)).call().is_err());
    assert_eq!(report.attempts(), 4);
}

#[test]
fn a_post_of_which_nothing_was_sent_is_sent_again_whatever_the_error() {
    // A plain error would not tell a route that is missing from one that went missing after the request.
    let mut report = Report::new();
    let request = agent().post("http://127.255.255.255/").body("order");
    assert!(request.policy(POLICY.report(&mut report)).call().is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)));
}

#[test]
fn a_post_without_a_body_says_so() {
    let server = answers(&[OK]);
    let seen = Server::new(|peer| {
        let request = peer.request().unwrap_or_default();
        peer.send(if request.contains("content-length: 0") { OK.unwrap() } else { MISSING.unwrap() });
    });
    assert_eq!(agent().post(&seen.url()).text().unwrap(), "page");
    assert_eq!(agent().get(&server.url()).text().unwrap(), "page");
}

#[test]
fn a_status_that_the_policy_keeps_is_not_retried_as_an_error() {
    let server = answers(&[BUSY]);
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), HttpPolicy::new(POLICY).never_retry(503));
    let mut report = Report::new();
    let error = agent.get(&server.url()).policy(POLICY.report(&mut report)).call().unwrap_err();
    assert!(matches!(error, ureq::Error::StatusCode(503)));
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::Permanent)));
}

#[test]
fn an_accepted_value_can_be_refused_by_the_caller() {
    let server = answers(&[OK, OK, Some("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")]);
    let policy = POLICY.when_ok(|page: &String| page != "done");
    assert_eq!(agent().get(&server.url()).policy(policy).text().unwrap(), "done");
    assert_eq!((server.requests(), server.connections()), (3, 1));
}

#[test]
fn a_request_that_cannot_be_built_is_reported() {
    let mut report = Report::new();
    let policy = POLICY.when(|_: &ureq::Error| true).report(&mut report);
    assert!(agent().get("http://[").policy(policy).call().is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)));
    assert_eq!(report.failures().count(), 1);
}

#[test]
fn a_redirected_post_becomes_a_get_without_its_body() {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            if request.starts_with("post") {
                assert!(request.ends_with("order") && request.contains("content-length: 5"));
                peer.send("HTTP/1.1 303 See Other\r\nlocation: /done\r\ncontent-length: 0\r\n\r\n");
            } else {
                let clean = !request.contains("content-length") && request.starts_with("get /done");
                peer.send(if clean { OK.unwrap() } else { "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n" });
            }
        }
    });
    assert_eq!(agent().post(&server.url()).body("order").text().unwrap(), "page");
}

#[test]
fn a_hint_is_obeyed_and_a_timeout_cuts() {
    let server = answers(&[Some("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"), OK]);
    let timer = VirtualTimer::new();
    assert_eq!(agent().get(&server.url()).policy(POLICY.timer(&timer)).text().unwrap(), "page");
    assert!(timer.elapsed() >= Duration::from_secs(7));

    let server = Server::new(|peer| {
        peer.request();
        if peer.requests() < 3 {
            peer.stall();
        }
        peer.send(OK.unwrap());
    });
    let mut report = Report::new();
    let policy = POLICY.attempt_timeout(Duration::from_millis(200)).report(&mut report);
    assert_eq!(agent().get(&server.url()).policy(policy).text().unwrap(), "page");
    assert_eq!((server.requests(), report.attempts()), (3, 3));
    assert!(report.failures().all(|failure| failure.fault() == Fault::Timeout));
}

#[test]
fn no_secret_is_shown() {
    let agent = agent().mount("http://user:hunter2@127.0.0.1/", Policy::new());
    let shown =
        format!("{agent:?} {:?}", agent.get("http://127.0.0.1/?token=hunter2").header("authorization", "hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_page_that_stalls_holds_up_no_run() {
    let stalls = || {
        Server::new(|peer| {
            if peer.request().is_some() {
                peer.send("HTTP/1.1 500 Failed\r\ncontent-length: 9\r\n\r\nsor");
                peer.stall();
            }
        })
    };
    let patient = ureq::Agent::config_builder().proxy(None).timeout_recv_body(Some(Duration::from_secs(20))).build();
    for agent in [agent(), RetryAgent::new(patient.into(), POLICY)] {
        let started = Instant::now();
        let server = stalls();
        assert!(agent.get(&server.url()).policy(POLICY.total(0)).text().is_err());
        let server = stalls();
        assert!(agent.get(&server.url()).policy(POLICY.within(Duration::from_millis(300))).text().is_err());
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
}
