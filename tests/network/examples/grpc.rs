//! gRPC with retries: what is sent again, and what is not.
//!
//! `cargo run --manifest-path tests/network/Cargo.toml --example grpc`. A real tonic server listens on loopback, and a
//! proxy in front of it breaks connections.

#[path = "../proxy.rs"]
mod proxy;
#[path = "../grpc/server.rs"]
#[allow(dead_code)]
mod server;

use std::time::Duration;

use persevere::{Policy, Report, retry, retry_async};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Status};

use self::proxy::{Fate, Proxy};
use self::server::{Service, endpoint, serve, unary};

/// The function keeps its signature: tonic's own `Status` says what is worth another attempt, and becomes the error of an
/// attempt that is cut.
#[retry(total = 3, backoff = 0.05, attempt_timeout = 0.2)]
async fn greet(channel: &Channel, calls: &mut u32) -> Result<String, Status> {
    *calls += 1;
    // The server never answers the first call.
    let text = if *calls == 1 { "hang" } else { "hello" };
    unary(channel.clone(), text).await
}

#[tokio::main]
async fn main() {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-retry-pushback-ms", MetadataValue::from_static("150"));
    let told = Some((Code::Unavailable, "warming up".to_owned(), Vec::new().into(), metadata));
    let server = serve(Service { told, ..Service::default() }).await;
    let proxy = Proxy::to(server.address).await;
    let channel = endpoint(proxy.address).connect_timeout(Duration::from_secs(1)).connect_lazy();
    let policy = Policy::new().total(2).backoff(Duration::from_millis(50));

    let mut calls = 0;
    assert_eq!(greet(&channel, &mut calls).await.unwrap(), "hello");
    println!("a call that is never answered: cut, and done by call {calls}");

    let mut report = Report::new();
    let run = policy.report(&mut report);
    let status = retry_async(run, || unary(channel.clone(), "tell")).await.unwrap_err();
    assert_eq!((status.code(), report.attempts()), (Code::Unavailable, 3));
    println!("a server that asks for 150 ms: {report}");

    // tonic reports a lost connection as `Unknown`. The server may have executed the call.
    let mut report = Report::new();
    let broken = || async {
        let call = unary(channel.clone(), "hang");
        let breaks = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            proxy.now(Fate::Reset);
        };
        tokio::join!(call, breaks).0
    };
    let status = retry_async(policy.idempotent(false).report(&mut report), broken).await.unwrap_err();
    assert_eq!((status.code(), report.attempts()), (Code::Unknown, 1));
    println!("a call that must not be executed twice, and its connection breaks: {report}");

    // Nobody listens: the call provably never left, so it may be sent again.
    let mut report = Report::new();
    proxy.kill().await;
    let run = policy.idempotent(false).report(&mut report);
    let status = retry_async(run, || unary(channel.clone(), "hello")).await.unwrap_err();
    assert_eq!((status.code(), report.attempts()), (Code::Unavailable, 3));
    println!("the same, and nobody listens: {report}");
}
