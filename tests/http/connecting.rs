//! What fails before a connection stands reached nobody: by way of a SOCKS proxy, in a box, and while others wait for the
//! same connection.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures::future::join_all;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use persevere::http::{RetryClient, RetryExt as _};
use persevere::tower::RetryLayer;
use persevere::{Fault, Reached, Report, Retryable as _, StopReason, Verdict};
use reqwest::redirect;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use crate::doors::{POLICY, blocking_builder, builder};
use crate::faults::refused;
use crate::server::{Peer, Server, full};

const UNREACHED: Verdict = Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No);

/// A proxy that takes the greeting of SOCKS 5 and answers the command with this; or closes, if it is to say nothing.
fn socks(method: u8, reply: Option<u8>) -> Server {
    Server::new(move |peer: &mut Peer| {
        let mut greeting = [0; 2];
        if peer.stream.read_exact(&mut greeting).is_err() {
            return;
        }
        let version = greeting[0];
        let _ = peer.stream.read(&mut [0; 300]);
        if version == 5 {
            peer.send([5, method]);
            let _ = peer.stream.read(&mut [0; 300]);
        }
        match (version, reply) {
            (5, Some(reply)) => peer.send([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]),
            (_, Some(reply)) => peer.send([0, reply, 0, 0, 0, 0, 0, 0]),
            (_, None) => return,
        }
        peer.stall();
    })
}

fn by_proxy(scheme: &str, proxy: &str) -> String {
    let (_, rest) = proxy.split_once("://").unwrap();
    format!("{scheme}://{}", rest.split('/').next().unwrap())
}

/// How many attempts a POST makes by each entry point whose client goes by way of this proxy, and the plain verdict.
async fn posts(proxy: &str) -> (Vec<u32>, Verdict) {
    let url = "http://127.0.0.1:1/order";
    let through = |proxy: &str| reqwest::Proxy::all(proxy).unwrap();
    let client = builder().proxy(through(proxy)).redirect(redirect::Policy::none()).build().unwrap();
    let verdict = client.post(url).body("order").send().await.unwrap_err().verdict();
    let mut attempts = Vec::new();
    let mut plain = Report::new();
    let once = POLICY.idempotent(false);
    assert!(once.report(&mut plain).run_async(|| client.post(url).body("order").send()).await.is_err());
    attempts.push(plain.attempts());
    let mut report = Report::new();
    assert!(client.post(url).body("order").retry(POLICY.report(&mut report)).send().await.is_err());
    attempts.push(report.attempts());
    let session = RetryClient::build(builder().proxy(through(proxy)), redirect::Policy::default(), POLICY).unwrap();
    let mut report = Report::new();
    assert!(session.post(url).body("order").policy(POLICY.report(&mut report)).send().await.is_err());
    attempts.push(report.attempts());
    let proxy = proxy.to_owned();
    let blocking = tokio::task::spawn_blocking(move || {
        let builder = blocking_builder().proxy(reqwest::Proxy::all(proxy).unwrap());
        let session = RetryClient::build(builder, redirect::Policy::default(), POLICY).unwrap();
        let mut report = Report::new();
        assert!(session.post(url).body("order").policy(POLICY.report(&mut report)).send().is_err());
        report.attempts()
    });
    attempts.push(blocking.await.unwrap());
    (attempts, verdict)
}

#[tokio::test]
async fn what_a_socks_proxy_refuses_is_a_connect_fault_that_reached_nobody() {
    for scheme in ["socks5", "socks5h", "socks4", "socks4a"] {
        let fives: &[u8] = if scheme.starts_with("socks5") { &[1, 3, 4, 5, 6] } else { &[91] };
        let replies = fives.iter().map(|&reply| Some(reply)).chain([None]);
        for reply in replies {
            let proxy = socks(0, reply);
            let (attempts, verdict) = posts(&by_proxy(scheme, &proxy.url())).await;
            assert_eq!((attempts, verdict), (vec![4; 4], UNREACHED), "{scheme} {reply:?}");
        }
        let (attempts, verdict) = posts(&by_proxy(scheme, &refused())).await;
        assert_eq!((attempts, verdict), (vec![4; 4], UNREACHED), "{scheme} refused");
    }
}

/// Not allowed, an unknown command, an unknown kind of address, no method that is acceptable, garbage.
#[tokio::test]
async fn what_a_socks_proxy_will_always_refuse_is_permanent() {
    for (method, reply) in [(0, 2), (0, 7), (0, 8), (0xff, 0), (0, 0xcc)] {
        let proxy = socks(method, Some(reply));
        let (attempts, verdict) = posts(&by_proxy("socks5", &proxy.url())).await;
        assert_eq!(attempts, [1; 4], "{method} {reply}: {verdict:?}");
        assert!(!verdict.is_transient());
    }
}

/// Of hyper-util: whatever fails while it connects, told by a box alone, and retried by a plain run and by the layer.
#[tokio::test]
async fn what_fails_while_connecting_is_a_connect_fault_in_a_box() {
    let full = tokio::task::spawn_blocking(full).await.unwrap();
    // Nothing routes to a broadcast address.
    for url in [refused(), "http://no-such-host.invalid/".into(), full, "http://127.255.255.255/".into()] {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_millis(50)));
        let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
        let request = || http::Request::post(&url).body(Empty::new()).unwrap();
        let boxed: BoxError = client.request(request()).await.unwrap_err().into();
        assert_eq!(boxed.verdict(), UNREACHED, "{boxed:?}");
        let plain: Box<dyn std::error::Error> = boxed;
        assert_eq!(plain.verdict(), UNREACHED);
        assert_eq!(std::io::Error::other(format!("{plain}")).verdict(), Verdict::unclassified(), "only a text");

        let mut report = Report::new();
        let once = POLICY.idempotent(false).report(&mut report);
        let sent = once.run_async(async || client.request(request()).await.map_err(BoxError::from)).await;
        assert!(sent.is_err());
        assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)), "{report}");

        let calls = AtomicUsize::new(0);
        let service = ServiceBuilder::new()
            .layer(RetryLayer::http(POLICY))
            .map_err(BoxError::from)
            .map_request(|request| {
                calls.fetch_add(1, Relaxed);
                request
            })
            .service(client);
        assert!(service.oneshot(request()).await.is_err());
        assert_eq!(calls.load(Relaxed), 4);
    }
}

/// The same faults on a connection that stood prove nothing.
#[tokio::test]
async fn what_fails_after_connecting_is_no_connect_fault_in_a_box() {
    let server = Server::new(Peer::request_but_reset);
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = http::Request::post(server.url()).body(Empty::new()).unwrap();
    let boxed: BoxError = client.request(request).await.unwrap_err().into();
    assert_eq!(boxed.verdict(), Verdict::transient().with_fault(Fault::Read), "{boxed:?}");
}

/// Over HTTP/2 all requests share a connection. One opens it, the others wait for it.
#[tokio::test]
async fn requests_that_wait_for_a_shared_connection_are_connect_faults() {
    let url = refused();
    let shared = || builder().http2_prior_knowledge().redirect(redirect::Policy::none());
    let client = shared().build().unwrap();
    let sent = join_all((0..8).map(|_| client.post(&url).body("order").send())).await;
    let errors: Vec<_> = sent.into_iter().map(Result::unwrap_err).collect();
    assert!(
        errors.iter().filter(|error| format!("{error:?}").contains("CheckoutNoLongerWanted")).count() >= 6,
        "{errors:?}"
    );
    for error in &errors {
        assert_eq!(error.verdict(), UNREACHED, "{error:?}");
    }
    for error in errors {
        let boxed: BoxError = error.into();
        assert_eq!(boxed.verdict(), UNREACHED);
    }

    let session = RetryClient::build(shared(), redirect::Policy::default(), POLICY).unwrap();
    let existing = RetryClient::new(client, POLICY);
    for session in [session, existing] {
        let sent = join_all((0..8).map(async |_| {
            let mut report = Report::new();
            let sent = session.post(&url).body("order").policy(POLICY.report(&mut report)).send().await;
            assert!(sent.is_err());
            report.attempts()
        }));
        assert_eq!(sent.await, [4; 8]);
    }

    // The same of hyper-util, in a box.
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    let sent = join_all((0..8).map(|_| client.request(http::Request::post(&url).body(Empty::new()).unwrap()))).await;
    for error in sent.into_iter().map(Result::unwrap_err) {
        assert_eq!(BoxError::from(error).verdict(), UNREACHED);
    }
}
