//! gRPC: what tonic's statuses mean.

mod server;

use std::time::{Duration, Instant};

use persevere::{Cut, Fault, Policy, Reached, Rejected, Retryable as _, TimedOut, Verdict, retry, retry_async};
use tokio::net::TcpListener;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint, Server};
use tonic::{Code, Request, Status};
use tower::ServiceBuilder;

use self::server::{Running, Service, endpoint, serve, serve_with, streaming, unary, unary_request};
use crate::http2::{
    self, CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, answering, goaway, headers, rst_stream,
};
use crate::proxy::{Fate, Proxy, reset};
use crate::support::{BROKEN, CONNECT, LATE, NO_CONNECT, PERMANENT, STATUS, THROTTLE, UNSENT, check, full, nobody};

const SOON: Duration = Duration::from_millis(50);

async fn fails(endpoint: Endpoint) -> Status {
    unary(endpoint.connect_lazy(), "hello").await.unwrap_err()
}

#[tokio::test]
async fn a_connection_that_was_not_made_is_never_reached() {
    check("refused", fails(endpoint(nobody().await)).await, CONNECT);
    check("refused, by connect", endpoint(nobody().await).connect().await.unwrap_err(), CONNECT);

    let lookup = Endpoint::from_static("http://no-such-host.invalid:1");
    check("no such host", fails(lookup).await, CONNECT);

    let (address, _kept) = full();
    let waiting = endpoint(address).connect_timeout(SOON);
    check("connect_timeout", fails(waiting.clone()).await, CONNECT);
    check("connect_timeout, by connect", waiting.connect().await.unwrap_err(), CONNECT);
}

fn endpoint_tls(address: std::net::SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("https://{address}")).unwrap()
}

#[tokio::test]
async fn a_handshake_of_tls_that_is_cut_is_transient_and_one_that_fails_is_not() {
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = Certificate::from_pem(authority.cert.pem());
    let tls = || ClientTlsConfig::new().domain_name("localhost").ca_certificate(trusted.clone());

    for resets in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // The client's hello is read, so that a close is no reset.
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
                if resets {
                    reset(stream);
                }
            }
        });
        let endpoint = endpoint_tls(address).tls_config(tls()).unwrap();
        check("cut in the handshake", fails(endpoint.clone()).await, CONNECT);
        check("cut in the handshake, by connect", endpoint.connect().await.unwrap_err(), CONNECT);
    }

    let identity = tonic::transport::Identity::from_pem(authority.cert.pem(), authority.signing_key.serialize_pem());
    let secure = Server::builder().tls_config(tonic::transport::ServerTlsConfig::new().identity(identity)).unwrap();
    let secure = serve_with(secure, Service::default()).await.address;
    let right = endpoint_tls(secure).tls_config(tls()).unwrap();
    assert_eq!(unary(right.connect_lazy(), "hello").await.unwrap(), "hello");

    let unknown = endpoint_tls(secure).tls_config(ClientTlsConfig::new().domain_name("localhost")).unwrap();
    check("unknown issuer", fails(unknown.clone()).await, NO_CONNECT);
    check("unknown issuer, by connect", unknown.connect().await.unwrap_err(), NO_CONNECT);
    let other = endpoint_tls(secure).tls_config(tls().domain_name("other.example")).unwrap();
    check("other name", fails(other).await, NO_CONNECT);
    let plain = serve(Service::default()).await.address;
    check("https to a plain server", fails(endpoint_tls(plain).tls_config(tls()).unwrap()).await, NO_CONNECT);
    let without = endpoint_tls(secure).connect().await.unwrap_err();
    check("https without TLS", without, NO_CONNECT);
    check("no URL", Endpoint::from_shared("http://[").unwrap_err(), PERMANENT);
    check("http to a TLS server", fails(endpoint(secure)).await, BROKEN);
}

#[tokio::test]
async fn a_call_whose_connection_broke_may_have_been_executed() {
    let service = Service::default();
    let running = serve(service.clone()).await;
    for fate in [Fate::Reset, Fate::Close] {
        let proxy = Proxy::to(running.address).await;
        let channel = endpoint(proxy.address).connect().await.unwrap();
        let call = tokio::spawn({
            let channel = channel.clone();
            async move { unary(channel, "hang").await }
        });
        until(|| service.seen.lock().unwrap().contains(&"hang".to_owned())).await;
        service.seen.lock().unwrap().clear();
        proxy.now(fate);
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unknown);
        check("connection broke", status, BROKEN);
        proxy.now(Fate::Pass);
        assert!(unary(channel, "again").await.is_ok(), "the channel connects again");
    }

    // The listener goes, too: the next call on the channel is refused.
    let proxy = Proxy::to(running.address).await;
    let channel = endpoint(proxy.address).connect().await.unwrap();
    let call = tokio::spawn(unary(channel.clone(), "hang"));
    until(|| service.seen.lock().unwrap().contains(&"hang".to_owned())).await;
    proxy.kill().await;
    check("server killed", call.await.unwrap().unwrap_err(), BROKEN);
    check("next call", unary(channel, "again").await.unwrap_err(), CONNECT);
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_peer_that_is_silent_may_have_executed_the_call() {
    let running = serve(Service::default()).await;
    let proxy = Proxy::to(running.address).await;
    let endpoint = endpoint(proxy.address).http2_keep_alive_interval(SOON).keep_alive_timeout(SOON);
    let channel = endpoint.connect().await.unwrap();
    proxy.now(Fate::Stall);
    check("keep-alive", unary(channel, "hello").await.unwrap_err(), BROKEN);
}

#[tokio::test]
async fn a_timeout_is_one_whoever_counted() {
    let running = serve(Service::default()).await;
    let channel = endpoint(running.address).connect_lazy();
    let mut request = Request::new("hang".to_owned());
    request.set_timeout(SOON);
    let status = unary_request(channel.clone(), request).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    check("Request::set_timeout", status, LATE);

    let mut request = Request::new("hang".to_owned());
    request.metadata_mut().insert("grpc-timeout", MetadataValue::from_static("50m"));
    check("grpc-timeout by hand", unary_request(channel.clone(), request).await.unwrap_err(), LATE);

    let limited = endpoint(running.address).timeout(SOON).connect_lazy();
    check("Endpoint::timeout", unary(limited, "hang").await.unwrap_err(), LATE);

    let server = serve_with(Server::builder().timeout(SOON), Service::default()).await;
    let status = unary(endpoint(server.address).connect_lazy(), "hang").await.unwrap_err();
    assert!(std::error::Error::source(&status).is_none());
    check("Server::timeout", status, LATE);

    let layered = ServiceBuilder::new().timeout(SOON).service(channel);
    check("tower's timeout", unary_request(layered, Request::new("hang".to_owned())).await.unwrap_err(), LATE);
    check("any other Cancelled", Status::cancelled("Timeout expired, said somebody"), PERMANENT);
}

/// A status that the server sends, as it arrives.
async fn told(code: Code, text: &str, details: &[u8], metadata: &[(&'static str, &'static str)]) -> Status {
    let mut map = MetadataMap::new();
    for (name, value) in metadata {
        map.insert(*name, MetadataValue::from_static(value));
    }
    let told = Some((code, text.to_owned(), details.to_owned().into(), map));
    let running = serve(Service { told, ..Service::default() }).await;
    let status = unary(endpoint(running.address).connect_lazy(), "tell").await.unwrap_err();
    assert_eq!(status.code(), code);
    status
}

#[tokio::test]
async fn a_code_that_the_server_sent_is_decided_by_the_table() {
    for number in 1..=16 {
        let code = Code::from_i32(number);
        let expected = match code {
            Code::Unavailable | Code::Aborted => STATUS,
            Code::ResourceExhausted => THROTTLE,
            Code::DeadlineExceeded => LATE,
            _ => PERMANENT,
        };
        check("told", told(code, "said the server", &[], &[]).await, expected);
    }
}

#[tokio::test]
async fn the_server_says_how_long_to_wait() {
    let wait = |millis| STATUS.with_hint(Duration::from_millis(millis));
    let pushback = |value| [("grpc-retry-pushback-ms", value)];
    for (value, expected) in [("700", wait(700)), ("0", wait(0)), ("-1", PERMANENT), ("soon", PERMANENT)] {
        check("pushback", told(Code::Unavailable, "", &[], &pushback(value)).await, expected);
    }
    check("pushback of what is permanent", told(Code::NotFound, "", &[], &pushback("700")).await, PERMANENT);

    let retry_info = |delay: &[u8]| {
        let url = b"type.googleapis.com/google.rpc.RetryInfo";
        let value = [&[0x0a, u8::try_from(delay.len()).unwrap()], delay].concat();
        let any = [&[0x0a, 40], &url[..], &[0x12, u8::try_from(value.len()).unwrap()], &value].concat();
        [&[0x08, 14, 0x1a, u8::try_from(any.len()).unwrap()], &any[..]].concat()
    };
    let half_more = retry_info(&[0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
    check("RetryInfo", told(Code::Unavailable, "", &half_more, &[]).await, wait(1500));
    let throttled = told(Code::ResourceExhausted, "", &half_more, &[]).await;
    check("RetryInfo with a throttle", throttled, THROTTLE.with_hint(Duration::from_millis(1500)));
    let both = told(Code::Unavailable, "", &half_more, &pushback("700")).await;
    check("RetryInfo and a pushback", both, wait(700));
    check("no protobuf", told(Code::Unavailable, "", b"no protobuf", &[]).await, STATUS);
    check("retry-after", told(Code::Unavailable, "", &[], &[("retry-after", "7")]).await, wait(7000));
}

#[tokio::test]
async fn a_plain_answer_of_a_proxy_is_decided_by_its_status() {
    let of = async |status, others: &[(&str, &str)]| {
        fails(endpoint(answering(headers(status, others, true), false).await)).await
    };
    for status in [429, 502, 503, 504] {
        check("proxy", of(status, &[]).await, STATUS);
    }
    check("retry-after", of(503, &[("retry-after", "7")]).await, STATUS.with_hint(Duration::from_secs(7)));
    for status in [400, 401, 403, 404, 500] {
        check("proxy", of(status, &[]).await, PERMANENT);
    }
    let cut = of(200, &[("content-type", "application/grpc")]).await;
    assert_eq!(cut.code(), Code::Unknown);
    check("no trailers", cut, BROKEN);
}

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
        check(fault, fails(endpoint(answering(frames, false).await)).await, expected);
    }
    let closing = answering(goaway(1, NO_ERROR), true).await;
    check("GOAWAY at the stream, then closed", fails(endpoint(closing)).await, BROKEN);
    let garbage = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true).await;
    check("no HTTP/2", fails(endpoint(garbage)).await, BROKEN);
    let running = serve(Service::default()).await;
    check("a handler's panic", unary(endpoint(running.address).connect_lazy(), "panic").await.unwrap_err(), BROKEN);
    let refused = http2::headers(200, &[("content-type", "application/grpc")], false);
    let late = [refused, rst_stream(REFUSED_STREAM)].concat();
    check("REFUSED_STREAM after the answer began", fails(endpoint(answering(late, false).await)).await, BROKEN);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_decided_by_who_ended_it() {
    let told = Some((Code::Unavailable, String::new(), bytes::Bytes::new(), MetadataMap::new()));
    let running = serve(Service { told, ..Service::default() }).await;
    let mut stream = streaming(endpoint(running.address).connect_lazy(), "tell").await.unwrap();
    check("the server's status", third(&mut stream).await, STATUS);
    assert!(stream.message().await.unwrap().is_none());

    for fate in [Fate::Reset, Fate::Close] {
        let proxy = Proxy::to(running.address).await;
        let channel = endpoint(proxy.address).connect_lazy();
        let mut stream = streaming(channel, "hang").await.unwrap();
        for _ in 0..3 {
            stream.message().await.unwrap().unwrap();
        }
        proxy.now(fate);
        check("broke after three messages", stream.message().await.unwrap_err(), BROKEN);
    }
}

/// The error behind the three messages.
async fn third(stream: &mut tonic::Streaming<String>) -> Status {
    for _ in 0..3 {
        stream.message().await.unwrap().unwrap();
    }
    stream.message().await.unwrap_err()
}

#[tokio::test]
async fn a_message_that_is_too_large_is_permanent() {
    let running = serve(Service { max_size: Some(100), ..Service::default() }).await;
    let channel = endpoint(running.address).connect_lazy();
    check("the request, for the server", unary(channel.clone(), &"x".repeat(200)).await.unwrap_err(), PERMANENT);

    let path = || http::uri::PathAndQuery::from_static("/texts/Unary");
    let mut grpc = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(100);
    grpc.ready().await.unwrap();
    let answer = grpc.unary(Request::new("large 200".to_owned()), path(), server::Text).await;
    check("the answer", answer.unwrap_err(), PERMANENT);

    let mut grpc = tonic::client::Grpc::new(channel).max_encoding_message_size(100);
    grpc.ready().await.unwrap();
    let answer = grpc.unary(Request::new("x".repeat(200)), path(), server::Text).await;
    check("the request, for the client", answer.unwrap_err(), PERMANENT);
}

#[tokio::test]
async fn a_layer_that_refuses_a_call_did_not_send_it() {
    let server = Server::builder().load_shed(true).concurrency_limit_per_connection(1);
    let service = Service::default();
    let running = serve_with(server, service.clone()).await;
    let channel = endpoint(running.address).connect_lazy();
    let hanging = tokio::spawn(unary(channel.clone(), "hang"));
    until(|| !service.seen.lock().unwrap().is_empty()).await;
    let status = unary(channel.clone(), "hello").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    check("the server's load shed", status, THROTTLE);
    hanging.abort();

    let local = ServiceBuilder::new().load_shed().concurrency_limit(1).service(channel.clone());
    let hanging = tokio::spawn(unary_request(local.clone(), Request::new("hang".to_owned())));
    until(|| service.seen.lock().unwrap().len() > 1).await;
    check(
        "the client's load shed",
        unary_request(local, Request::new("hello".to_owned())).await.unwrap_err(),
        THROTTLE,
    );
    hanging.abort();

    struct Closed;
    impl tower::Service<http::Request<tonic::body::Body>> for Closed {
        type Response = http::Response<tonic::body::Body>;
        type Error = tower::BoxError;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Err("the breaker is open".into()))
        }

        fn call(&mut self, _: http::Request<tonic::body::Body>) -> Self::Future {
            unreachable!()
        }
    }
    let status = unary_request(Closed, Request::new("hello".to_owned())).await.unwrap_err();
    check("a layer that is not ready", status, Verdict::transient().with_reached(Reached::No));
    let passed_on = told(Code::Unknown, "Service was not ready: said a server", &[], &[]).await;
    check("a server that passes it on", passed_on, Verdict::transient());
}

#[tokio::test]
async fn a_status_made_of_ours_is_found_again() {
    let timed_out = TimedOut::new(SOON);
    assert_eq!(Status::from(timed_out).code(), Code::DeadlineExceeded);
    check("TimedOut", Status::from(timed_out), LATE);

    let breaker = persevere::guard::Breaker::new().min_outcomes(1);
    let now = Duration::from_secs(100);
    breaker.admit(now).unwrap().failed(now);
    let rejected: Rejected = breaker.admit(now + Duration::from_secs(2)).unwrap_err();
    assert_eq!(Status::from(rejected).code(), Code::Unavailable);
    let expected =
        Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No).with_hint(Duration::from_secs(3));
    check("Rejected", Status::from(rejected), expected);
}

#[retry(total = 5, deadline = 0.1, clone(channel))]
async fn hangs(channel: Channel) -> Result<String, Status> {
    unary(channel, "hang").await
}

/// tonic's own error says that the time is over.
#[tokio::test]
async fn a_deadline_cuts_a_call_that_is_never_answered() {
    let running = serve(Service::default()).await;
    let channel = || endpoint(running.address).connect_lazy();
    let policy = Policy::new().deadline(2 * SOON);
    let began = Instant::now();
    for status in [
        hangs(channel()).await.unwrap_err(),
        retry_async(policy, || unary(channel(), "hang")).await.unwrap_err(),
        retry_async!(policy, unary(channel(), "hang").await).unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        check("deadline", status, LATE);
    }
    assert!((6 * SOON..40 * SOON).contains(&began.elapsed()));

    // Nobody but tonic makes the error of its transport.
    let (address, _kept) = full();
    let connect = || async { Ok::<_, Cut<transport::Error>>(endpoint(address).connect().await?) };
    let cut = retry_async(policy, connect).await.unwrap_err();
    assert!(matches!(cut, Cut::TimedOut(_)));
    let refused = Cut::from(endpoint(nobody().await).connect().await.unwrap_err());
    check("refused, in a Cut", refused, CONNECT);
}

/// What a verdict calls never reached was seen by no handler.
#[tokio::test]
async fn what_is_never_reached_was_seen_by_nobody() {
    let (mut unsent, mut kinds) = (0, std::collections::BTreeSet::new());
    for round in 0..20 {
        let service = Service::default();
        let builder = if round % 2 == 0 { Server::builder().max_concurrent_streams(8) } else { Server::builder() };
        let mut running: Running = serve_with(builder, service.clone()).await;
        let proxy = Proxy::to(running.address).await;
        let channel = endpoint(proxy.address).connect().await.unwrap();
        let calls = (0..40).map(|id| {
            let channel = channel.clone();
            tokio::spawn(async move {
                let text = format!("slow {id}");
                tokio::time::sleep(Duration::from_micros(id * 200)).await;
                (text.clone(), unary(channel, &text).await)
            })
        });
        let calls: Vec<_> = calls.collect();
        tokio::time::sleep(Duration::from_millis(4)).await;
        match round % 4 {
            0 => proxy.now(Fate::Reset),
            1 => running.stop.take().unwrap().send(()).unwrap(),
            2 => proxy.now(Fate::Close),
            _ => running.task.abort(),
        }
        let mut failed = Vec::new();
        for call in calls {
            if let (text, Err(status)) = call.await.unwrap() {
                let verdict = status.verdict();
                kinds.insert(format!(
                    "{:?} {:?} {:?} {:?}",
                    status.code(),
                    verdict.is_transient(),
                    verdict.fault(),
                    verdict.reached()
                ));
                assert!(verdict.is_transient(), "{status:?}");
                if verdict.reached() == Reached::No {
                    failed.push(text);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let seen = service.seen.lock().unwrap();
        unsent += failed.len();
        assert!(failed.iter().all(|text| !seen.contains(text)), "{failed:?} {seen:?}");
    }
    assert!(unsent > 0, "{kinds:?}");
    println!("{unsent} never reached: {kinds:#?}");
}
