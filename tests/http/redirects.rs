//! Redirects: a connection that fails after one proves nothing, and who follows it forwards no more than the client.

use std::time::Duration;

use persevere::http::{RetryClient, RetryExt as _};
use persevere::{Policy, Report, StopReason};
use reqwest::{Method, RequestBuilder, redirect};

use crate::doors::{POLICY, blocking, blocking_builder, builder, client, stream};
use crate::faults::refused;
use crate::server::{Server, respond};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// A server that executes the request and redirects, once, to a port where nobody listens.
pub(crate) fn redirects_to_nowhere(status: u16) -> Server {
    let nowhere = refused();
    Server::new(move |peer| {
        if peer.request().is_some() {
            peer.send(respond(status, &format!("location: {nowhere}\r\nconnection: close\r\n"), ""));
        }
    })
}

/// A server that executes the request, redirects to the very same URL, and goes down.
pub(crate) fn redirects_to_itself(status: u16) -> Server {
    Server::once(move |peer| {
        if peer.request().is_some() {
            peer.send(respond(status, "location: /path?token=hunter2\r\nconnection: close\r\n", ""));
        }
    })
}

fn session() -> RetryClient<reqwest::Client> {
    RetryClient::build(builder(), redirect::Policy::default(), POLICY).unwrap()
}

fn blocking_session() -> RetryClient<reqwest::blocking::Client> {
    RetryClient::build(blocking_builder(), redirect::Policy::default(), POLICY).unwrap()
}

#[tokio::test]
async fn a_post_that_was_redirected_to_a_dead_port_is_not_sent_again() {
    for session in [session(), RetryClient::new(client(), POLICY)] {
        for status in STATUSES {
            for server in [redirects_to_nowhere(status), redirects_to_itself(status)] {
                let mut report = Report::new();
                let request = session.post(server.url()).body("order").policy(POLICY.report(&mut report));
                assert!(request.send().await.unwrap_err().is_connect());
                assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
            }
            // Without a body, or with one that is a stream: then reqwest gives back what would need it again.
            for server in [redirects_to_nowhere(status), redirects_to_itself(status)] {
                assert!(session.post(server.url()).send().await.unwrap_err().is_connect());
                assert_eq!(server.requests(), 1, "{status}");
            }
            let server = redirects_to_nowhere(status);
            let sent = session.post(server.url()).body(stream()).send().await;
            assert_eq!((server.requests(), sent.is_ok()), (1, status > 303));
        }
    }
    // A GET may be: all of it is done again.
    for status in STATUSES {
        let server = redirects_to_nowhere(status);
        assert!(client().get(server.url()).retry(POLICY).send().await.unwrap_err().is_connect());
        assert_eq!(server.requests(), 4);
    }
}

#[test]
fn a_blocking_post_that_was_redirected_to_a_dead_port_is_not_sent_again() {
    for session in [RetryClient::new(blocking(), POLICY), blocking_session()] {
        for status in STATUSES {
            for body in ["order", ""] {
                for server in [redirects_to_nowhere(status), redirects_to_itself(status)] {
                    assert!(session.post(server.url()).body(body).send().unwrap_err().is_connect());
                    assert_eq!(server.requests(), 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refused_post_is_sent_again_where_no_redirect_can_have_led_there() {
    let url = refused();
    let attempts = async |session: &RetryClient<reqwest::Client>, body: Option<reqwest::Body>| {
        let mut report = Report::new();
        let request = session.post(&url).policy(POLICY.report(&mut report));
        let request = request.with(|request| body.into_iter().fold(request, reqwest::RequestBuilder::body));
        assert!(request.send().await.is_err());
        report.attempts()
    };
    let still = RetryClient::new(builder().redirect(redirect::Policy::none()).build().unwrap(), POLICY);
    let existing = RetryClient::new(client(), POLICY);
    for (session, with_text) in [(session(), 4), (still, 4), (existing, 1)] {
        assert_eq!(attempts(&session, None).await, 4);
        assert_eq!(attempts(&session, Some("".into())).await, 4);
        assert_eq!(attempts(&session, Some(stream())).await, 4);
        // To watch a text, it would have to be a stream; then the client would not follow a 307 with it.
        assert_eq!(attempts(&session, Some("order".into())).await, with_text);
    }
    // A header that looks like the answer is none.
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x", r#"redirect_policy: "Policy(None)""#.parse().unwrap());
    let posing = RetryClient::new(builder().default_headers(headers).build().unwrap(), POLICY);
    assert_eq!(attempts(&posing, Some("order".into())).await, 1);
}

#[test]
fn a_refused_blocking_post_is_sent_again_where_no_redirect_can_have_led_there() {
    let url = refused();
    let attempts = |session: &RetryClient<reqwest::blocking::Client>| {
        let mut report = Report::new();
        assert!(session.post(&url).body("order").policy(POLICY.report(&mut report)).send().is_err());
        report.attempts()
    };
    assert_eq!(attempts(&blocking_session()), 4);
    let still = blocking_builder().redirect(redirect::Policy::none()).build().unwrap();
    // A blocking client can't be asked: the answer is the safe one.
    assert_eq!(attempts(&RetryClient::new(still, POLICY)), 1);
    assert_eq!(attempts(&RetryClient::new(blocking(), POLICY)), 1);
}

/// Without a door: what the plain error tells.
#[tokio::test]
async fn a_plain_error_tells_a_redirect_to_another_port() {
    const ONCE: Policy = Policy::new().total(2).backoff(Duration::ZERO).idempotent(false);
    for status in STATUSES {
        let (server, client) = (redirects_to_nowhere(status), client());
        let error = ONCE.run_async(|| client.post(server.url()).body("order").send()).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(server.requests(), 1);
    }
    for url in [refused(), refused().replace("127.0.0.1", "localhost")] {
        let (client, mut attempts) = (client(), 0);
        let sent = ONCE.run_async(|| {
            attempts += 1;
            client.post(&url).body("order").send()
        });
        assert!(sent.await.is_err());
        assert_eq!(attempts, 3, "{url}");
    }
}

/// Two servers, the first of which redirects to the second; the second tells what it got.
fn pair(status: u16) -> (Server, Server) {
    let second = Server::new(|peer| {
        if let Some(request) = peer.request() {
            // All but the host, which has the port, and the length of a body that is not there.
            let kept: Vec<_> = request.lines().filter(|line| !line.starts_with("host:")).collect();
            peer.send(respond(200, "connection: close\r\n", &kept.join("|")));
        }
    });
    let location = second.url();
    let first = Server::new(move |peer| {
        if peer.request().is_some() {
            peer.send(respond(status, &format!("location: {location}\r\nconnection: close\r\n"), ""));
        }
    });
    (first, second)
}

#[tokio::test]
async fn a_redirect_gets_what_the_client_itself_would_send() {
    let secrets = |request: reqwest::RequestBuilder| {
        request.header("authorization", "hunter2").header("cookie", "hunter2").header("x-kept", "yes")
    };
    for status in STATUSES {
        for body in ["", "order"] {
            let (first, second) = pair(status);
            let plain = secrets(client().post(first.url())).body(body).send().await.unwrap().text().await.unwrap();
            let referer = format!("referer: {}|", first.url());
            let plain = plain.replace(&referer, "");
            assert!(!plain.contains("authorization") && plain.contains("x-kept"), "{plain}");
            assert_eq!((first.requests(), second.requests()), (1, 1));
            for session in [session(), RetryClient::new(client(), POLICY)] {
                let (first, second) = pair(status);
                let text = session.post(first.url()).with(secrets).body(body).text().await.unwrap();
                assert_eq!(text.replace(&format!("referer: {}|", first.url()), ""), plain, "{status} {body:?}");
                assert_eq!((first.requests(), second.requests()), (1, 1));
            }
        }
    }
}

/// What is watched looks on the wire as it does without.
#[tokio::test]
async fn a_request_is_sent_as_the_client_itself_would() {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            peer.send(respond(200, "", &request.lines().collect::<Vec<_>>().join("|")));
        }
    });
    let client = client();
    for method in [Method::POST, Method::PATCH, Method::DELETE, Method::PUT] {
        for body in [None, Some(""), Some("order")] {
            let request = || body.into_iter().fold(client.request(method.clone(), server.url()), RequestBuilder::body);
            let plain = request().send().await.unwrap().text().await.unwrap();
            assert_eq!(request().retry(POLICY).text().await.unwrap(), plain);
            let narrow = request().retry(POLICY).idempotent(false).text().await.unwrap();
            assert_eq!(narrow, plain);
        }
    }
}

#[tokio::test]
async fn the_redirects_that_a_session_follows_are_its_callers() {
    let none = RetryClient::build(builder(), redirect::Policy::none(), POLICY).unwrap();
    let (first, second) = pair(307);
    assert_eq!(none.post(first.url()).body("order").send().await.unwrap().status(), 307);
    assert_eq!((first.requests(), second.requests()), (1, 0));

    let limited = RetryClient::build(builder(), redirect::Policy::limited(0), POLICY).unwrap();
    let (first, _second) = pair(307);
    let mut report = Report::new();
    let error = limited.get(first.url()).policy(POLICY.report(&mut report)).send().await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!((first.requests(), report.stop_reason()), (1, Some(StopReason::Permanent)));
}
