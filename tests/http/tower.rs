//! The layer round real clients: reqwest's, and hyper's own below a stack of tower's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use ::tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use persevere::guard::Budget;
use persevere::http::HttpPolicy;
use persevere::testing::VirtualTimer;
use persevere::tower::RetryLayer;
use reqwest::{Method, Request, Url};

use crate::doors::{BUSY, OK, POLICY, answers, client};
use crate::faults::refused;
use crate::server::{Peer, Server};

const LATER: Option<&str> = Some("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
const FAILED: Option<&str> = Some("HTTP/1.1 500 Failed\r\ncontent-length: 0\r\n\r\n");

type Body = Full<&'static [u8]>;

fn request(method: Method, url: &str) -> http::Request<Body> {
    http::Request::builder().method(method).uri(url).body(Full::new(b"order" as &[u8])).unwrap()
}

fn hyper() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// What an application builds: the layer, and below it what holds for each attempt.
macro_rules! stack {
    ($layer:expr) => {
        ServiceBuilder::new()
            .concurrency_limit(4)
            .layer($layer)
            .timeout(Duration::from_secs(20))
            .map_err(BoxError::from)
            .service(hyper())
    };
}

#[tokio::test]
async fn hypers_client_recovers_after_what_the_server_asks_for() {
    let server = answers(&[LATER, BUSY, OK]);
    let timer = VirtualTimer::new();
    let mut service = stack!(RetryLayer::http(POLICY).policy(POLICY.timer(&timer)));
    let response = service.ready().await.unwrap().call(request(Method::GET, &server.url())).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "page");
    assert_eq!(server.requests(), 3);
    let seconds: Vec<_> = timer.sleeps().iter().map(Duration::as_secs).collect();
    assert!(matches!(seconds[..], [7 | 8]), "{seconds:?}");
}

#[tokio::test]
async fn a_post_is_sent_once_unless_it_may_be_repeated() {
    let server = answers(&[FAILED]);
    let service = stack!(RetryLayer::http(POLICY));
    let response = service.clone().oneshot(request(Method::POST, &server.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (500, 1));

    let mut keyed = request(Method::POST, &server.url());
    keyed.headers_mut().insert("idempotency-key", "1".parse().unwrap());
    let response = service.oneshot(keyed).await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (500, 1 + 4));

    let service = stack!(RetryLayer::http(HttpPolicy::new(POLICY).idempotent(true)));
    service.oneshot(request(Method::POST, &server.url())).await.unwrap();
    assert_eq!(server.requests(), 1 + 4 + 4);
}

#[tokio::test]
async fn what_breaks_is_found_in_hypers_errors() {
    let server = Server::new(Peer::request_but_reset);
    let service = stack!(RetryLayer::http(POLICY));
    assert!(service.clone().oneshot(request(Method::GET, &server.url())).await.is_err());
    assert_eq!(server.requests(), 4);
    assert!(service.clone().oneshot(request(Method::POST, &server.url())).await.is_err());
    assert_eq!(server.requests(), 4 + 1);

    let silent = answers(&[None]);
    assert!(service.clone().oneshot(request(Method::GET, &silent.url())).await.is_err());
    assert_eq!(silent.requests(), 4);

    let budget = Budget::new();
    let service = stack!(RetryLayer::http(POLICY).policy(POLICY.budget(&budget)));
    let error = service.oneshot(request(Method::POST, &refused())).await.unwrap_err();
    assert_eq!(budget.tokens(), 7.0, "{error:?}: nothing was sent, so a POST has its three retries, too");
}

#[tokio::test]
async fn a_slow_server_meets_towers_timeout() {
    let server = Server::new(|peer| {
        peer.request();
        peer.stall();
    });
    let service = ServiceBuilder::new()
        .layer(RetryLayer::http(POLICY))
        .timeout(Duration::from_millis(50))
        .map_err(BoxError::from)
        .service(hyper());
    assert!(service.clone().oneshot(request(Method::GET, &server.url())).await.is_err());
    assert_eq!(server.requests(), 4);
    assert!(service.oneshot(request(Method::POST, &server.url())).await.is_err());
    assert_eq!(server.requests(), 4 + 1);
}

fn to(method: Method, url: &str) -> Request {
    let mut request = Request::new(method, Url::parse(url).unwrap());
    *request.body_mut() = Some("order".into());
    request
}

#[tokio::test]
async fn reqwests_client_is_a_service() {
    let server = answers(&[LATER, None, OK]);
    let timer = VirtualTimer::new();
    let layer = RetryLayer::http(POLICY).policy(POLICY.timer(&timer)).clone_request(Request::try_clone);
    let service = ServiceBuilder::new().layer(layer).service(client());
    let response = service.clone().oneshot(to(Method::GET, &server.url())).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "page");
    assert_eq!((server.requests(), timer.sleeps().len()), (3, 1));

    let failing = answers(&[FAILED]);
    let response = service.clone().oneshot(to(Method::POST, &failing.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), failing.requests()), (500, 1));
    let response = service.oneshot(to(Method::GET, &failing.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), failing.requests()), (500, 1 + 4));
}

/// The first server has executed it, and reqwest does not tell.
#[tokio::test]
async fn a_post_that_was_redirected_to_where_nobody_is_is_not_repeated() {
    let nobody: &str = refused().leak();
    let server = Server::new(move |peer| {
        if peer.request().is_some() {
            peer.send(format!("HTTP/1.1 307 There\r\nlocation: {nobody}\r\ncontent-length: 0\r\n\r\n"));
        }
    });
    let layer = RetryLayer::http(POLICY).clone_request(Request::try_clone);
    let service = ServiceBuilder::new().layer(layer).service(client());
    assert!(service.oneshot(to(Method::POST, &server.url())).await.unwrap_err().is_connect());
    assert_eq!(server.requests(), 1);
}

/// A connection that takes a whole request, and is then told that the host can't be reached.
struct Lost {
    sent: Arc<AtomicUsize>,
    kind: io::ErrorKind,
    begun: bool,
}

impl hyper::rt::Write for Lost {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.starts_with(b"POST") {
            self.sent.fetch_add(1, Relaxed);
            self.begun = true;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Read for Lost {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begun {
            return Poll::Ready(Err(self.kind.into()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Connection for Lost {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[tokio::test]
async fn a_host_that_is_lost_after_the_request_was_sent_may_have_executed_it() {
    for kind in [
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let begun = sent.clone();
        let connect = ::tower::service_fn(move |_: http::Uri| {
            std::future::ready(Ok::<_, io::Error>(Lost { sent: begun.clone(), kind, begun: false }))
        });
        let client = Client::builder(TokioExecutor::new()).build::<_, Body>(connect);
        let service = ServiceBuilder::new().layer(RetryLayer::http(POLICY)).map_err(BoxError::from).service(client);
        assert!(service.oneshot(request(Method::POST, "http://host.example/")).await.is_err());
        assert_eq!(sent.load(Relaxed), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_transient_whatever_http2_calls_it() {
    // A server of HTTP/2 that says GOAWAY and nothing else.
    let server = Server::new(|peer: &mut Peer| {
        peer.send([&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &[0, 0, 8, 7, 0, 0, 0, 0, 0], &[0; 8]].concat());
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let made = AtomicUsize::new(0);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::http(POLICY))
        .map_err(BoxError::from)
        .map_request(|request| {
            made.fetch_add(1, Relaxed);
            request
        })
        .service(client);
    assert!(client.oneshot(request(Method::GET, &server.url())).await.is_err());
    assert_eq!(made.load(Relaxed), 4);
}
