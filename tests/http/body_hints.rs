//! The server's wait from the page or from a header of its own.

use std::io::Read as _;
use std::time::{Duration, Instant};

use persevere::http::{HttpPolicy, RetryAgent, RetryClient, RetryExt as _};
use persevere::testing::VirtualTimer;
use persevere::{Policy, Report, StopReason};

use crate::doors::{OK, POLICY, answers, blocking, client};
use crate::server::{Server, respond};

const SLOW_DOWN: Option<&str> =
    Some("HTTP/1.1 429 Slow\r\ncontent-length: 17\r\nretry-after: 1\r\n\r\n{\"retry_after\":7}");
const EMPTY: Option<&str> = Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 2\r\n\r\n");
const OWN: Option<&str> = Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nx-wait: 3\r\n\r\n");

fn wait(answer: &http::Response<Vec<u8>>) -> Option<Duration> {
    let header = answer.headers().get("x-wait").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = || serde_json::from_slice::<serde_json::Value>(answer.body()).ok()?["retry_after"].as_u64();
    header.or_else(body).map(Duration::from_secs)
}

/// The waits: up to a fifth is added to each.
fn check(report: &Report, seconds: &[u64]) {
    let waits: Vec<_> = report.failures().filter_map(persevere::report::Failure::wait).collect();
    assert_eq!(waits.len(), seconds.len(), "{report}");
    for (wait, &seconds) in waits.iter().zip(seconds) {
        let asked = Duration::from_secs(seconds);
        assert!(asked <= *wait && *wait <= asked.mul_f64(1.2), "{report}");
    }
}

#[tokio::test]
async fn the_wait_stands_in_the_page_and_the_statuses_are_judged_as_ever() {
    let steps: &[_] = &[SLOW_DOWN, EMPTY, OWN, OK];
    let timer = VirtualTimer::new();
    let session = RetryClient::new(client(), POLICY).hint_from(wait);
    let (server, mut report) = (answers(steps), Report::new());
    let page = session.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).text().await.unwrap();
    assert_eq!((page.as_str(), server.connections()), ("page", 1));
    check(&report, &[7, 2, 3]);

    let (server, mut report) = (answers(steps), Report::new());
    let mut download = session.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).download();
    assert_eq!(&download.chunk().await.unwrap().unwrap()[..], b"page");
    while download.chunk().await.unwrap().is_some() {}
    drop(download);
    check(&report, &[7, 2, 3]);

    // A POST is sent once, whatever its answer asks for. A 404 is not asked about.
    let server = answers(&[SLOW_DOWN]);
    assert_eq!(session.post(server.url()).send().await.unwrap().status(), 429);
    assert_eq!(server.posts(), 1);
    let server = answers(&[Some("HTTP/1.1 404 None\r\ncontent-length: 0\r\n\r\n")]);
    let never = |_: &http::Response<Vec<u8>>| -> Option<Duration> { panic!("it is not retried") };
    assert_eq!(client().get(server.url()).retry(POLICY).hint_from(never).send().await.unwrap().status(), 404);
}

#[test]
fn the_blocking_clients_find_the_wait_too() {
    let steps: &[_] = &[SLOW_DOWN, EMPTY, OWN, OK];
    let timer = VirtualTimer::new();
    let session = RetryClient::new(blocking(), POLICY).hint_from(wait);
    let (server, mut report) = (answers(steps), Report::new());
    let page = session.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).text().unwrap();
    assert_eq!((page.as_str(), server.requests()), ("page", 4));
    check(&report, &[7, 2, 3]);
    let (server, mut report, mut page) = (answers(steps), Report::new(), String::new());
    let mut download = session.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).download();
    download.read_to_string(&mut page).unwrap();
    drop(download);
    check(&report, &[7, 2, 3]);

    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).hint_from(wait);
    let (server, mut report) = (answers(steps), Report::new());
    let page = agent.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).text().unwrap();
    assert_eq!((page.as_str(), server.requests()), ("page", 4));
    check(&report, &[7, 2, 3]);
    let (server, mut report, mut page) = (answers(steps), Report::new(), String::new());
    let mut download = agent.get(server.url()).policy(POLICY.timer(&timer)).report(&mut report).download();
    download.read_to_string(&mut page).unwrap();
    drop(download);
    check(&report, &[7, 2, 3]);
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_the_run_and_the_page_is_still_there() {
    let long = answers(&[Some("HTTP/1.1 429 Slow\r\ncontent-length: 21\r\n\r\n{\"retry_after\":90000}")]);
    let mut report = Report::new();
    let answer = client().get(long.url()).retry(POLICY).report(&mut report).hint_from(wait).send().await.unwrap();
    assert!(matches!(report.stop_reason(), Some(StopReason::HintTooLong { .. })), "{report}");
    assert_eq!(answer.url().as_str(), long.url());
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.text().await.unwrap(), r#"{"retry_after":90000}"#);

    let url = long.url();
    tokio::task::spawn_blocking(move || {
        let answer = blocking().get(&url).retry(POLICY).hint_from(wait).send().unwrap();
        assert_eq!(answer.url().as_str(), url);
        assert_eq!(answer.text().unwrap().len(), 21);
        let plain: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let agent = RetryAgent::new(plain, POLICY).hint_from(wait);
        assert_eq!(agent.get(&url).text().unwrap().len(), 21);
    })
    .await
    .unwrap();
}

/// A page of 100 000 bytes, with and without its length; one that stalls; one that breaks.
fn hostile(kind: usize) -> Server {
    Server::new(move |peer| {
        while peer.request().is_some() {
            if peer.requests() > 1 {
                peer.send(OK.unwrap());
                continue;
            }
            let page = "x".repeat(100_000);
            match kind {
                0 => peer.send(respond(503, "", &page)),
                1 => {
                    peer.send(format!(
                        "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n186a0\r\n{page}\r\n0\r\n\r\n"
                    ));
                }
                2 => {
                    peer.send("HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nbusy");
                    return peer.stall();
                }
                _ => return peer.send("HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nbusy"),
            }
        }
    })
}

#[tokio::test]
async fn no_page_holds_a_request_up() {
    for kind in 0..4 {
        let server = hostile(kind);
        let began = Instant::now();
        let request = client().get(server.url()).retry(POLICY).hint_from(|page| {
            assert!(page.body().len() <= 64 * 1024);
            Some(Duration::from_millis(1))
        });
        assert_eq!(request.text().await.unwrap(), "page", "{kind}");
        assert!(began.elapsed() < Duration::from_secs(4), "{kind}: {:?}", began.elapsed());
    }
    // The last one comes whole, however long it is, or with the error that it had.
    for kind in [0, 1, 3] {
        let server = hostile(kind);
        let once = Policy::new().total(0);
        let page = client().get(server.url()).retry(once).hint_from(wait).text().await;
        assert_eq!(page.ok().map(|page| page.len()), (kind < 2).then_some(100_000), "{kind}");
    }
}

#[test]
fn no_page_holds_a_blocking_request_up() {
    let limit = |kind| Duration::from_millis(if kind == 2 { 150 } else { 5_000 }); // Only that one stalls.
    let limited = |kind| {
        let builder = reqwest::blocking::Client::builder().no_proxy().timeout(limit(kind));
        builder.tls_certs_only([]).build().unwrap()
    };
    crate::faults::install_provider();
    for kind in 0..4 {
        let server = hostile(kind);
        let request =
            limited(kind).get(server.url()).retry(POLICY.total(20)).hint_from(|_| Some(Duration::from_millis(1)));
        assert_eq!(request.text().unwrap(), "page", "{kind}");

        let server = hostile(kind);
        let config = ureq::Agent::config_builder().timeout_global(Some(limit(kind))).build();
        let agent = RetryAgent::new(config.into(), HttpPolicy::new(POLICY.total(20))).hint_from(wait);
        assert_eq!(agent.get(server.url()).text().unwrap(), "page", "{kind}");
    }
    for kind in [0, 1, 3] {
        let once = Policy::new().total(0);
        let server = hostile(kind);
        let page = limited(kind).get(server.url()).retry(once).hint_from(wait).text();
        // One in chunks that is longer than what is read is an error, and not a part that looks whole.
        assert_eq!(page.ok().map(|page| page.len()), (kind == 0).then_some(100_000), "{kind}");

        let server = hostile(kind);
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent = RetryAgent::new(config.into(), once).hint_from(wait);
        assert_eq!(agent.get(server.url()).text().ok().map(|page| page.len()), (kind < 2).then_some(100_000), "{kind}");
    }
}
