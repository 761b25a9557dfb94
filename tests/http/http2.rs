//! HTTP/2, frame by frame: what the server says it did not process is sent again, whatever the method.

use std::io::Read as _;
use std::time::Duration;

use persevere::http::RetryClient;
use persevere::{Policy, Report, Retryable as _, StopReason};

use crate::faults::install_provider;
use crate::server::{Peer, Server};

const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];

pub(crate) fn frame(peer: &mut Peer, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    peer.send(bytes);
}

/// Reads up to the request's headers, and tells their stream.
pub(crate) fn request(peer: &mut Peer) -> Option<u32> {
    peer.stream.read_exact(&mut [0; 24]).ok()?;
    frame(peer, SETTINGS, 0, 0, &[]);
    next_request(peer)
}

pub(crate) fn next_request(peer: &mut Peer) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        peer.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        peer.stream.read_exact(&mut payload).ok()?;
        if head[3] == SETTINGS && head[4] == 0 {
            frame(peer, SETTINGS, 1, 0, &[]);
        }
        if head[3] == HEADERS {
            peer.count();
            return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// How many attempts a POST makes whose every request meets this; reqwest's own retries are off.
async fn attempts(serve: fn(&mut Peer)) -> (u32, Option<persevere::Verdict>) {
    install_provider();
    let server = Server::new(serve);
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .retry(reqwest::retry::never())
        .tls_certs_only([])
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let mut report = Report::new();
    let policy = Policy::new().total(2).backoff(Duration::ZERO).idempotent(false).report(&mut report);
    let outcome =
        policy.run_async(|| async { client.post(server.url()).body("order").send().await?.text().await }).await;
    assert!(server.requests() >= 1);
    (report.attempts(), outcome.err().map(|error| error.verdict()))
}

#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    let refuse = |peer: &mut Peer| {
        let mut stream = request(peer);
        while let Some(id) = stream {
            frame(peer, RESET, 0, id, &REFUSED_STREAM);
            stream = next_request(peer);
        }
    };
    let (attempts, verdict) = attempts(refuse).await;
    assert_eq!(attempts, 3, "{verdict:?}");
}

/// It names a stream, and what is above that was not processed; but the error does not tell it.
#[tokio::test]
async fn a_goaway_proves_nothing() {
    let leave = |peer: &mut Peer| {
        if request(peer).is_some() {
            frame(peer, GOAWAY, 0, 0, &[0; 8]);
            peer.stall();
        }
    };
    let (attempts, verdict) = attempts(leave).await;
    assert_eq!(attempts, 1);
    assert!(verdict.unwrap().is_transient());
}

#[tokio::test]
async fn another_reset_may_come_after_the_request_was_executed() {
    let fail = |peer: &mut Peer| {
        if let Some(id) = request(peer) {
            frame(peer, RESET, 0, id, &INTERNAL_ERROR);
            peer.stall();
        }
    };
    let (attempts, verdict) = attempts(fail).await;
    assert_eq!(attempts, 1);
    assert!(verdict.unwrap().is_transient());
}

#[tokio::test]
async fn a_refused_stream_after_the_response_began_proves_nothing() {
    let fail = |peer: &mut Peer| {
        if let Some(id) = request(peer) {
            // `:status: 200`, in HPACK's static table.
            frame(peer, HEADERS, 4, id, &[0x88]);
            std::thread::sleep(Duration::from_millis(50));
            frame(peer, RESET, 0, id, &REFUSED_STREAM);
            peer.stall();
        }
    };
    let (attempts, verdict) = attempts(fail).await;
    assert_eq!(attempts, 1);
    assert!(verdict.unwrap().is_transient());
}

/// The stream that the GOAWAY names was processed, and may have been all others up to it.
#[tokio::test]
async fn a_goaway_that_came_after_the_request_proves_nothing() {
    let leave = |peer: &mut Peer| {
        if let Some(id) = request(peer) {
            let last = [&id.to_be_bytes()[..], &[0; 4]].concat();
            frame(peer, GOAWAY, 0, 0, &last);
        }
    };
    let (attempts, verdict) = attempts(leave).await;
    assert_eq!(attempts, 1);
    assert!(verdict.unwrap().is_transient());
}

/// What the second server did not process, the first one has executed.
#[tokio::test]
async fn a_goaway_or_a_refused_stream_after_a_redirect_proves_nothing() {
    install_provider();
    let refuse = |peer: &mut Peer| {
        let mut stream = request(peer);
        while let Some(id) = stream {
            frame(peer, RESET, 0, id, &REFUSED_STREAM);
            stream = next_request(peer);
        }
    };
    let leave = |peer: &mut Peer| {
        if request(peer).is_some() {
            frame(peer, GOAWAY, 0, 0, &[0; 8]);
            peer.stall();
        }
    };
    for unprocessed in [refuse as fn(&mut Peer), leave] {
        let second = Server::new(unprocessed);
        let location = second.url();
        let first = Server::new(move |peer| {
            let mut stream = request(peer);
            while let Some(id) = stream {
                // `:status` and `location`, literals with names of HPACK's static table.
                let mut headers = vec![0x08, 3, b'3', b'0', b'7', 0x0f, 31, u8::try_from(location.len()).unwrap()];
                headers.extend(location.as_bytes());
                frame(peer, HEADERS, 5, id, &headers);
                stream = next_request(peer);
            }
        });
        let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().tls_certs_only([]);
        let client = client.timeout(Duration::from_secs(20));
        let policy = Policy::new().backoff(Duration::ZERO);
        let session = RetryClient::build(client, reqwest::redirect::Policy::default(), policy).unwrap();
        let mut report = Report::new();
        let sent = session.post(first.url()).body("order").policy(policy.report(&mut report)).send().await;
        assert!(sent.is_err() && second.requests() > 0);
        assert_eq!((first.requests(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)), "{report}");
    }
}
