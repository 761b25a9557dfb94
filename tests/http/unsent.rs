//! What was not sent, and how that is known: by hyper, by a body that was never asked for, and by a client that sends
//! nothing again by itself.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use persevere::http::{RetryClient, RetryExt as _};
use persevere::{Fault, Policy, Reached, Report, Retryable as _, StopReason, Verdict};
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::redirect;
use tokio::net::TcpStream;
use tower::BoxError;

use crate::doors::{POLICY, blocking_builder, builder, stream};
use crate::http2::{GOAWAY, REFUSED_STREAM, RESET, frame, next_request, request};
use crate::server::{Peer, Server};

const UNSENT: Verdict = Verdict::transient().with_fault(Fault::Read).with_reached(Reached::No);
const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);

fn order(server: &Server) -> http::Request<Full<Bytes>> {
    http::Request::post(server.url()).header("host", "a").body(Full::from("order")).unwrap()
}

async fn connect(server: &Server) -> TokioIo<TcpStream> {
    let uri: http::Uri = server.url().parse().unwrap();
    TokioIo::new(TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap())
}

fn silent() -> Server {
    Server::new(|peer| {
        peer.request();
        peer.stall();
    })
}

fn judged(error: hyper::Error, verdict: Verdict) {
    assert_eq!(error.verdict(), verdict, "{error:?}");
    let shown = format!("{error:?}");
    assert_eq!(BoxError::from(error).verdict(), verdict, "{shown}");
}

#[tokio::test]
async fn a_request_that_was_canceled_was_not_sent() {
    use hyper::client::conn::http1;
    let server = silent();

    // It waits for the connection's task, which never runs.
    let (mut sender, connection) = http1::handshake(connect(&server).await).await.unwrap();
    let sending = sender.send_request(order(&server));
    drop(connection);
    let error = sending.await.unwrap_err();
    assert!(error.is_canceled());
    judged(error, UNSENT);

    // The connection has gone before.
    let error = sender.send_request(order(&server)).await.unwrap_err();
    assert!(error.is_canceled());
    judged(error, UNSENT);
    let error = sender.ready().await.unwrap_err();
    assert!(error.is_closed());
    judged(error, UNSENT);
    assert_eq!(server.requests(), 0);

    // What is said of an upgrade comes after the answer.
    let server = Server::new(|peer| {
        peer.request();
        peer.send("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
        peer.stall();
    });
    let (mut sender, connection) = http1::handshake(connect(&server).await).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(order(&server)).await.unwrap();
    connection.abort();
    let error = hyper::upgrade::on(response).await.unwrap_err();
    assert!(error.is_canceled() || error.is_user(), "{error:?}");
    assert_eq!(error.verdict().reached(), Reached::Maybe, "{error:?}");
}

#[tokio::test]
async fn a_connection_whose_task_is_gone_is_a_lost_connection() {
    let server = silent();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(connect(&server).await).await.unwrap();
    let connection = tokio::spawn(connection);
    let sending = tokio::spawn(sender.send_request(order(&server)));
    while server.posts() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    connection.abort();
    let error = sending.await.unwrap().unwrap_err();
    assert!(error.is_user() && format!("{error:?}").contains("DispatchGone"), "{error:?}");
    judged(error, BROKEN);
}

/// A name whose lookup never ends.
struct Never;

impl Resolve for Never {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

/// The time is over before there is an address: nothing was sent, and each entry point that can know it says so.
#[tokio::test]
async fn a_post_whose_time_is_over_during_the_lookup_is_decided_alike() {
    let slow = || builder().dns_resolver(std::sync::Arc::new(Never)).timeout(Duration::from_millis(20));
    let no_redirects = || slow().redirect(redirect::Policy::none());
    let build = |builder| RetryClient::build(builder, redirect::Policy::default(), POLICY).unwrap();
    let existing = |builder: reqwest::ClientBuilder| RetryClient::new(builder.build().unwrap(), POLICY);
    let url = "http://host.example/order";
    for (session, with_text) in [(build(slow()), 1), (existing(slow()), 1), (existing(no_redirects()), 4)] {
        for (body, expected) in [(None, 4), (Some(""), 4), (Some("stream"), 4), (Some("order"), with_text)] {
            let mut report = Report::new();
            let request = session.post(url).policy(POLICY.report(&mut report)).with(|request| match body {
                Some("stream") => request.body(stream()),
                Some(text) => request.body(text),
                None => request,
            });
            assert!(request.send().await.unwrap_err().is_timeout());
            assert_eq!(report.attempts(), expected, "{body:?}");
        }
    }
    // Without a session.
    let client = slow().build().unwrap();
    let mut report = Report::new();
    assert!(client.post(url).retry(POLICY.report(&mut report)).send().await.is_err());
    assert_eq!(report.attempts(), 4);
}

/// A blocking client shows nothing of it, by either entry point.
#[test]
fn a_blocking_post_whose_time_is_over_during_the_lookup_is_decided_alike() {
    let slow = || blocking_builder().dns_resolver(std::sync::Arc::new(Never)).timeout(Duration::from_millis(20));
    let build = RetryClient::build(slow(), redirect::Policy::default(), POLICY).unwrap();
    for session in [build, RetryClient::new(slow().build().unwrap(), POLICY)] {
        for body in ["", "order"] {
            let mut report = Report::new();
            let request = session.post("http://host.example/order").body(body).policy(POLICY.report(&mut report));
            assert!(request.send().unwrap_err().is_timeout());
            assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
        }
    }
}

fn http2() -> reqwest::ClientBuilder {
    builder().http2_prior_knowledge()
}

/// Says of each request that it was not processed.
fn refuses(peer: &mut Peer) {
    let mut stream = request(peer);
    while let Some(id) = stream {
        frame(peer, RESET, 0, id, &REFUSED_STREAM);
        stream = next_request(peer);
    }
}

#[tokio::test]
async fn a_client_that_build_made_sends_nothing_again_by_itself() {
    for post in [false, true] {
        let server = Server::new(refuses);
        let session = RetryClient::build(http2(), redirect::Policy::default(), POLICY).unwrap();
        let request = if post { session.post(server.url()).body("order") } else { session.get(server.url()) };
        let mut report = Report::new();
        assert!(request.policy(POLICY.report(&mut report)).send().await.is_err());
        assert_eq!((report.attempts(), server.requests()), (4, 4), "{report}");
    }
    // The builder's own policy is replaced.
    let server = Server::new(refuses);
    let eager = reqwest::retry::for_host("127.0.0.1")
        .classify_fn(|answer| if answer.error().is_some() { answer.retryable() } else { answer.success() });
    let session = RetryClient::build(http2().retry(eager), redirect::Policy::default(), POLICY.total(0)).unwrap();
    assert!(session.get(server.url()).send().await.is_err());
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_blocking_client_that_build_made_sends_nothing_again_by_itself() {
    let server = Server::new(refuses);
    let builder = blocking_builder().http2_prior_knowledge();
    let session = RetryClient::build(builder, redirect::Policy::default(), POLICY).unwrap();
    let mut report = Report::new();
    assert!(session.post(server.url()).body("order").policy(POLICY.report(&mut report)).send().is_err());
    assert_eq!((report.attempts(), server.requests()), (4, 4), "{report}");
}

/// A server that executes the request, says goodbye, and is gone: what reqwest then sends again by itself is refused.
fn goes_away() -> Server {
    Server::once(|peer| {
        if request(peer).is_some() {
            frame(peer, GOAWAY, 0, 0, &[0; 8]);
        }
    })
}

#[tokio::test]
async fn a_post_that_was_executed_is_not_sent_again_after_a_goaway_and_a_refused_connection() {
    let build = RetryClient::build(http2(), redirect::Policy::default(), POLICY).unwrap();
    let no_redirects = RetryClient::new(http2().redirect(redirect::Policy::none()).build().unwrap(), POLICY);
    let existing = RetryClient::new(http2().build().unwrap(), POLICY);
    for session in [build, no_redirects, existing] {
        for body in [None, Some(""), Some("order")] {
            let server = goes_away();
            let mut report = Report::new();
            let request = session.post(server.url()).policy(POLICY.report(&mut report));
            let request = request.with(|request| body.into_iter().fold(request, reqwest::RequestBuilder::body));
            assert!(request.send().await.is_err());
            assert_eq!(server.requests(), 1);
            assert_eq!(
                (report.attempts(), report.stop_reason()),
                (1, Some(StopReason::NotIdempotent)),
                "{body:?} {report}"
            );
        }
    }
    // A plain error says "connection refused" and nothing of what came before, unless the client is told.
    let client = http2().retry(reqwest::retry::never()).redirect(redirect::Policy::none()).build().unwrap();
    let server = goes_away();
    let mut report = Report::new();
    let once = Policy::new().backoff(Duration::ZERO).idempotent(false).report(&mut report);
    assert!(once.run_async(|| client.post(server.url()).body("order").send()).await.is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)), "{report}");
}

/// A body that fails is the caller's own fault over HTTP/2, too: a reset of that stream.
#[tokio::test]
async fn a_stream_that_the_own_side_reset_is_permanent() {
    let server = Server::new(|peer| {
        let mut stream = request(peer);
        while stream.is_some() {
            stream = next_request(peer);
        }
    });
    let client = http2().retry(reqwest::retry::never()).build().unwrap();
    let parts = futures::stream::iter([Ok(Bytes::from("ord")), Err(std::io::Error::other("no more"))]);
    let body = reqwest::Body::wrap(http_body_util::StreamBody::new(futures::StreamExt::map(parts, |part| {
        part.map(hyper::body::Frame::data)
    })));
    let error = client.post(server.url()).body(body).send().await.unwrap_err();
    assert!(!error.verdict().is_transient(), "{error:?}");
}

/// What is watched looks on the wire as it does without, and is whole in each attempt.
#[tokio::test]
async fn a_body_that_is_watched_is_sent_as_the_client_itself_would() {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            let busy = peer.requests() % 2 == 1;
            let head: Vec<_> = request.lines().collect();
            peer.send(crate::server::respond(if busy { 503 } else { 200 }, "retry-after: 0\r\n", &head.join("|")));
        }
    });
    let client = builder().redirect(redirect::Policy::none()).build().unwrap();
    for body in ["", "order"] {
        let _ = client.post(server.url()).body(body).send().await.unwrap();
        let plain = client.post(server.url()).body(body).send().await.unwrap().text().await.unwrap();
        let post = || client.post(server.url()).body(body).retry(POLICY.max_hint(Duration::ZERO));
        let first = post().send().await.unwrap();
        assert_eq!((first.status().as_u16(), first.text().await.unwrap()), (503, plain.clone()));
        assert_eq!(post().send().await.unwrap().text().await.unwrap(), plain);
    }
}
