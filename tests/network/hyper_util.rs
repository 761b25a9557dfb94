//! hyper-util's legacy client, and h2 alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use persevere::{Reached, Retryable as _, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::http2::{
    self, CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, answering, goaway, rst_stream,
};
use crate::proxy::{Fate, Proxy, reset};
use crate::support::{BROKEN, CONNECT, NO_CONNECT, PERMANENT, THROTTLE, UNSENT, check, full, nobody};

type Legacy = Client<HttpConnector, Full<Bytes>>;

fn builder() -> Builder {
    Client::builder(TokioExecutor::new())
}

fn http1() -> Legacy {
    builder().build_http()
}

fn http2_only() -> Legacy {
    builder().http2_only(true).build_http()
}

async fn post(client: &Legacy, to: impl std::fmt::Display, body: &str) -> Result<Response<Incoming>, Error> {
    let uri: Uri = format!("http://{to}/").parse().unwrap();
    let request = Request::post(uri).body(Full::from(body.to_owned())).unwrap();
    client.request(request).await
}

/// Reads a request, answers with these bytes, and closes.
async fn bytes(answer: &'static [u8], resets: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
            if resets {
                reset(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_was_not_made_is_never_reached() {
    check("refused", post(&http1(), nobody().await, "").await.unwrap_err(), CONNECT);
    let refused = persevere::Cut::from(post(&http1(), nobody().await, "").await.unwrap_err());
    check("refused, in a Cut", refused, CONNECT);
    check("no such host", post(&http1(), "no-such-host.invalid:1", "").await.unwrap_err(), CONNECT);
    let (address, _kept) = full();
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(50)));
    let client: Legacy = builder().build(connector);
    check("connect timeout", post(&client, address, "").await.unwrap_err(), CONNECT);

    let mut connector = HttpConnector::new();
    connector.enforce_http(true);
    let client: Legacy = builder().build(connector);
    let request = |uri: &str| Request::post(uri).body(Full::default()).unwrap();
    let https = client.request(request("https://127.0.0.1:1/")).await.unwrap_err();
    check("https without TLS", https, NO_CONNECT);
    check("no scheme", client.request(request("/path")).await.unwrap_err(), PERMANENT);
}

#[tokio::test]
async fn a_request_that_was_sent_may_have_been_executed() {
    for (fault, answer, resets) in [
        ("closed", &b""[..], false),
        ("reset", b"", true),
        ("cut head", b"HTTP/1.1 200 OK\r\ncontent-", false),
        ("garbage", b"garbage\r\n\r\n", false),
    ] {
        check(fault, post(&http1(), bytes(answer, resets).await, "x").await.unwrap_err(), BROKEN);
    }
    let cut = bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", false).await;
    let response = post(&http1(), cut, "").await.unwrap();
    check("cut body", response.into_body().collect().await.unwrap_err(), BROKEN);
    let unavailable = bytes(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false).await;
    assert_eq!(post(&http1(), unavailable, "").await.unwrap().status(), 503);
}

/// By how each of the four clients of HTTP/2 that there are shows it.
#[tokio::test]
async fn a_stream_that_is_reset_is_decided_by_the_reason() {
    let rows = [
        ("REFUSED_STREAM", rst_stream(REFUSED_STREAM), UNSENT),
        ("CANCEL", rst_stream(CANCEL), BROKEN),
        ("INTERNAL_ERROR", rst_stream(INTERNAL_ERROR), BROKEN),
        ("NO_ERROR", rst_stream(NO_ERROR), BROKEN),
        ("ENHANCE_YOUR_CALM", rst_stream(ENHANCE_YOUR_CALM), THROTTLE),
        ("GOAWAY below the stream", goaway(0, NO_ERROR), BROKEN),
        ("GOAWAY below the stream, REFUSED_STREAM", goaway(0, REFUSED_STREAM), BROKEN),
        ("GOAWAY below the stream, ENHANCE_YOUR_CALM", goaway(0, ENHANCE_YOUR_CALM), THROTTLE),
    ];
    for (fault, frames, expected) in rows {
        let address = answering(frames, false).await;
        check(fault, post(&http2_only(), address, "x").await.unwrap_err(), expected);
        check(fault, h2_alone(address).await.unwrap_err(), expected);
    }
    let closed = answering(goaway(1, NO_ERROR), true).await;
    check("GOAWAY at the stream, then closed", post(&http2_only(), closed, "x").await.unwrap_err(), BROKEN);

    let began = [http2::headers(200, &[], false), rst_stream(REFUSED_STREAM)].concat();
    let response = post(&http2_only(), answering(began, false).await, "x").await.unwrap();
    let body = response.into_body().collect().await.unwrap_err();
    check("REFUSED_STREAM after the answer began", body, BROKEN);
}

async fn h2_alone(address: SocketAddr) -> Result<(), h2::Error> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{address}/")).body(()).unwrap();
    let (response, _) = client.ready().await?.send_request(request, true)?;
    let answered = response.await.map(drop);
    connection.abort();
    answered
}

#[tokio::test]
async fn h2_alone_is_decided_by_its_io_error() {
    check("closed", h2_alone(bytes(b"", false).await).await.unwrap_err(), BROKEN);
    check("reset", h2_alone(bytes(b"", true).await).await.unwrap_err(), BROKEN);
    check("garbage", h2_alone(bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await).await.unwrap_err(), BROKEN);
    check("the program's own reason", h2::Error::from(h2::Reason::REFUSED_STREAM), BROKEN);
}

/// Forty requests wait for one connection, which fails.
#[tokio::test]
async fn requests_that_wait_for_a_connection_that_fails_are_never_reached() {
    let mut fatal = 0;
    for _ in 0..5 {
        let (client, address) = (http2_only(), nobody().await);
        let requests = (0..40).map(|_| post(&client, address, "x"));
        for answer in futures::future::join_all(requests).await {
            let error = answer.unwrap_err();
            fatal += usize::from(!format!("{error:?}").contains("ConnectionRefused"));
            check("waits for a connection that fails", error, CONNECT);
        }
    }
    assert!(fatal > 0);
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Keeps what it saw: whole requests.
async fn serve(seen: Seen, http2: bool) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let seen = seen.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let seen = seen.clone();
                async move {
                    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    seen.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            let stream = TokioIo::new(stream);
            connections.spawn(async move {
                if http2 {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(stream, service)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
                }
            });
        }
    });
    (address, task)
}

/// What a verdict calls never reached was seen by nobody, over HTTP/1 and HTTP/2, with and without the client's retries.
#[tokio::test]
async fn what_is_never_reached_was_seen_by_nobody() {
    let mut unsent = 0;
    for round in 0..24 {
        let (http2, retries) = (round % 2 == 0, round % 4 < 2);
        let seen = Seen::default();
        let (address, server) = serve(seen.clone(), http2).await;
        let proxy = Proxy::to(address).await;
        let client: Legacy =
            builder().http2_only(http2).retry_canceled_requests(retries).pool_max_idle_per_host(4).build_http();
        for _ in 0..4 {
            post(&client, proxy.address, "first").await.unwrap();
        }
        let address = proxy.address;
        let requests = (0..40).map(|id| {
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(id * 150)).await;
                let body = format!("{round} {id}");
                (body.clone(), post(&client, address, &body).await)
            })
        });
        let requests: Vec<_> = requests.collect();
        tokio::time::sleep(Duration::from_millis(3)).await;
        match round % 3 {
            0 => proxy.now(Fate::Reset),
            1 => proxy.now(Fate::Close),
            _ => server.abort(),
        }
        let mut failed = Vec::new();
        for request in requests {
            if let (body, Err(error)) = request.await.unwrap() {
                let verdict = error.verdict();
                assert!(verdict.is_transient(), "{error:?}");
                if verdict.reached() == Reached::No {
                    failed.push(body);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let seen = seen.lock().unwrap();
        unsent += failed.len();
        assert!(failed.iter().all(|body| !seen.contains(body)), "{failed:?} {seen:?}");
    }
    assert!(unsent > 0);
    println!("{unsent} never reached");
}

/// An upgrade that the server does not make is canceled after its answer.
#[tokio::test]
async fn an_upgrade_that_was_not_made_may_have_been_executed() {
    let address = bytes(b"HTTP/1.1 101 Switching Protocols\r\n", false).await;
    let answer = post(&http1(), address, "").await;
    check("cut in the upgrade", answer.unwrap_err(), BROKEN);
    let plain = bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let mut response = post(&http1(), plain, "").await.unwrap();
    let error = hyper::upgrade::on(&mut response).await.unwrap_err();
    assert_ne!(error.verdict(), Verdict::transient().with_reached(Reached::No), "{error:?}");
}
