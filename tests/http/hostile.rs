//! A server that wants to hold a run up, or to fill its memory; and connections that go stale.

use std::io::Write as _;
use std::time::{Duration, Instant};

use persevere::http::{RetryAgent, RetryExt as _, error_for_status};
use persevere::testing::VirtualTimer;
use persevere::{Fault, Policy, Report, StopReason, retry};

use crate::doors::{BUSY, OK, POLICY, answers, blocking, client};
use crate::server::{Peer, Server, respond};

/// Fails the first request with a page that never comes whole, then serves one.
fn fails_with(page: fn(&mut Peer)) -> Server {
    Server::new(move |peer| {
        if peer.request().is_some() && peer.requests() == 1 {
            page(peer);
        } else {
            peer.send(OK.unwrap());
        }
    })
}

fn stalls(peer: &mut Peer) {
    peer.send("HTTP/1.1 500 Failed\r\ncontent-length: 9\r\n\r\nsor");
    peer.stall();
}

fn trickles(peer: &mut Peer) {
    peer.send("HTTP/1.1 500 Failed\r\ncontent-length: 60000\r\n\r\n");
    while peer.stream.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn never_ends(peer: &mut Peer) {
    peer.send("HTTP/1.1 500 Failed\r\ntransfer-encoding: chunked\r\n\r\n");
    while peer.stream.write_all(b"5\r\nsorry\r\n").is_ok() {}
}

const PAGES: [fn(&mut Peer); 3] = [stalls, trickles, never_ends];

/// Far below the clients' patience of 20 s.
const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_page_that_never_comes_whole_does_not_hold_up_a_retry() {
    for page in PAGES {
        let started = Instant::now();
        let server = fails_with(page);
        assert_eq!(client().get(server.url()).retry(POLICY).text().await.unwrap(), "page");
        let server = fails_with(page);
        assert_eq!(client().get(server.url()).retry(POLICY).send().await.unwrap().status(), 200);
        assert!(started.elapsed() < SOON);
    }
}

#[test]
fn a_page_that_never_comes_whole_does_not_hold_up_a_blocking_retry() {
    for page in PAGES {
        let started = Instant::now();
        let server = fails_with(page);
        assert_eq!(blocking().get(server.url()).retry(POLICY).text().unwrap(), "page");
        let server = fails_with(page);
        assert_eq!(blocking().get(server.url()).retry(POLICY).send().unwrap().status(), 200);
        assert!(started.elapsed() < SOON);
    }
}

/// The last page is the caller's, and what goes wrong with it is the error.
#[tokio::test]
async fn the_last_page_is_read_and_its_fault_is_the_error() {
    let server = Server::new(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 500 Failed\r\ncontent-length: 9\r\n\r\nsorry");
        }
    });
    let mut report = Report::new();
    let page = client().get(server.url()).retry(POLICY.report(&mut report)).text().await;
    assert!(page.is_err());
    assert_eq!((server.requests(), report.stop_reason()), (4, Some(StopReason::Exhausted)));
    assert!(report.failures().all(|failure| failure.status() == Some(500)));
}

/// The server closes a connection after each reply, without a word of it in the head.
fn closes_after_each() -> Server {
    Server::new(|peer| {
        if peer.request().is_some() {
            peer.send(OK.unwrap());
        }
    })
}

#[tokio::test]
async fn a_pooled_connection_that_went_stale_executes_no_post_twice() {
    let (server, client) = (closes_after_each(), client());
    let mut sent = 0;
    for pause in [0, 0, 20, 20] {
        let mut report = Report::new();
        let outcome = client.post(server.url()).body("order").retry(POLICY.report(&mut report)).text().await;
        assert!(outcome.is_ok() || report.stop_reason() == Some(StopReason::NotIdempotent), "{report}");
        sent += 1;
        assert!(server.posts() <= sent);
        assert_eq!(client.get(server.url()).retry(POLICY).text().await.unwrap(), "page");
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// The server serves one request on a connection, and closes it when the next one comes.
#[tokio::test]
async fn a_pooled_connection_closed_at_the_next_request_is_replaced() {
    let server = Server::new(|peer| {
        if peer.request().is_some() {
            peer.send(OK.unwrap());
            peer.request();
        }
    });
    let client = client();
    client.get(server.url()).retry(POLICY).text().await.unwrap();
    let mut report = Report::new();
    let page = client.get(server.url()).retry(POLICY.report(&mut report)).text().await;
    assert_eq!((page.unwrap().as_str(), report.attempts(), server.requests()), ("page", 2, 3));
    assert_eq!(report.failures().next().unwrap().fault(), Fault::Read);
    // The connection has served its one request.
    let page = client.post(server.url()).body("order").retry(POLICY.report(&mut report)).text().await;
    assert!(page.is_err());
    assert_eq!((server.posts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
}

#[tokio::test]
async fn an_accepted_value_can_be_refused_by_the_caller() {
    const DONE: Option<&str> = Some("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone");
    const ACCEPTED: Option<&str> = Some("HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nsoon");
    let server = answers(&[OK, BUSY, OK, DONE]);
    let timer = VirtualTimer::new();
    let policy = POLICY.when_ok(|page: &String| page != "done").timer(&timer);
    assert_eq!(client().get(server.url()).retry(policy).text().await.unwrap(), "done");
    let server = answers(&[ACCEPTED, ACCEPTED, DONE]);
    let policy = POLICY.when_ok(|response: &reqwest::Response| response.status() == 202);
    assert_eq!(client().get(server.url()).retry(policy).send().await.unwrap().status(), 200);
    // Each of the refused responses was drained.
    assert_eq!((server.requests(), server.connections()), (3, 1));
    // Retries run out: the last value comes back. And what a POST was answered is not asked for again.
    for (post, requests) in [(false, 4), (true, 1)] {
        let server = answers(&[OK]);
        let request = if post { client().post(server.url()).body("order") } else { client().get(server.url()) };
        let policy = POLICY.when_ok(|page: &String| page != "done");
        assert_eq!(request.retry(policy).text().await.unwrap(), "page");
        assert_eq!(server.requests(), requests);
    }
}

#[test]
fn an_accepted_value_can_be_refused_by_the_caller_blocking() {
    let server = answers(&[OK, OK, Some("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")]);
    let policy = POLICY.when_ok(|page: &String| page != "done");
    assert_eq!(blocking().get(server.url()).retry(policy).text().unwrap(), "done");
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_reported() {
    let mut report = Report::new();
    let policy = POLICY.when(|_: &reqwest::Error| true).report(&mut report);
    assert!(client().get("http://[").retry(policy).send().await.unwrap_err().is_builder());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)));
    assert_eq!(report.failures().count(), 1);

    let sent = tokio::task::spawn_blocking(|| {
        let mut report = Report::new();
        let sent = blocking().get("http://[").retry(POLICY.report(&mut report)).send();
        (sent.is_err(), report)
    });
    let (failed, report) = sent.await.unwrap();
    assert!(failed && report.stop_reason() == Some(StopReason::Permanent));
}

/// `#[retry]` on a function that uses the client directly, with an error that keeps the hint.
#[tokio::test]
async fn the_attribute_obeys_a_hint_by_way_of_an_error() {
    #[retry(backoff = 0, timer = timer)]
    async fn fetch(
        client: &reqwest::Client,
        url: &str,
        timer: &VirtualTimer,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Ok(error_for_status(client.get(url).send().await?)?.text().await?)
    }

    let server = Server::new(|peer| {
        while peer.request().is_some() {
            peer.send(match peer.requests() {
                1 => respond(503, "retry-after: 30\r\n", ""),
                2 => respond(502, "", ""),
                _ => respond(200, "", "page"),
            });
        }
    });
    let timer = VirtualTimer::new();
    assert_eq!(fetch(&client(), &server.url(), &timer).await.unwrap(), "page");
    assert_eq!(server.requests(), 3);
    assert!((30..=36).contains(&timer.elapsed().as_secs()), "{:?}", timer.elapsed());

    let server = answers(&[Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")]);
    assert!(fetch(&client(), &server.url(), &timer).await.unwrap_err().to_string().contains("404"));
    assert_eq!(server.requests(), 1);
}

/// reqwest's own errors alone, without a line of this crate's in the function.
#[tokio::test]
async fn the_attribute_on_the_clients_own_error() {
    #[retry(backoff = 0)]
    async fn fetch(client: &reqwest::Client, url: &str) -> Result<String, reqwest::Error> {
        client.get(url).send().await?.error_for_status()?.text().await
    }

    #[retry(backoff = 0)]
    fn fetch_by_ureq(url: &str) -> Result<String, ureq::Error> {
        ureq::get(url).call()?.body_mut().read_to_string()
    }

    let server = answers(&[None, Some("HTTP/1.1 500 Failed\r\ncontent-length: 0\r\n\r\n"), OK]);
    assert_eq!(fetch(&client(), &server.url()).await.unwrap(), "page");
    assert_eq!(server.requests(), 3);
    let server = answers(&[None, Some("HTTP/1.1 500 Failed\r\ncontent-length: 0\r\n\r\n"), OK]);
    assert_eq!(fetch_by_ureq(&server.url()).unwrap(), "page");
    assert_eq!(server.requests(), 3);
}

/// A policy for whoever must not repeat anything says so of GETs, too.
#[tokio::test]
async fn a_narrow_policy_narrows_every_method() {
    let server = answers(&[None, OK]);
    let policy = Policy::new().backoff(Duration::ZERO).idempotent(false);
    assert!(client().get(server.url()).retry(policy).send().await.is_err());
    assert_eq!(server.requests(), 1);
}

/// Whatever goes wrong, a report shows neither a URL's credentials nor its query.
#[test]
fn no_report_shows_a_secret() {
    let urls = [
        "http://me:hunter2@127.0.0.1:1/a?token=hunter2#hunter2",
        "https://me:hunter2@no-such-host.invalid/a?token=hunter2",
        "gopher://me:hunter2@127.0.0.1/a?token=hunter2",
        "http://me:hunter2@[/a?token=hunter2",
        "http://me:hunter2@127.0.0.1:99999/a?token=hunter2",
        "me:hunter2@127.0.0.1/a?token=hunter2",
        "127.0.0.1/a?token=hunter2",
        "/a?token=hunter2",
    ];
    let redirected = crate::redirects::redirects_to_nowhere(302);
    for url in urls.into_iter().chain([&*redirected.url()]) {
        let (mut by_reqwest, mut by_ureq) = (Report::new(), Report::new());
        let policy = POLICY.total(1);
        assert!(blocking().get(url).retry(policy.report(&mut by_reqwest)).send().is_err());
        let agent = RetryAgent::new(ureq::Agent::config_builder().proxy(None).https_only(true).build().into(), policy);
        assert!(agent.get(url).policy(policy.report(&mut by_ureq)).call().is_err());
        for report in [by_reqwest, by_ureq] {
            let shown = format!("{report} {report:?} {}", report.timeline());
            assert!(!shown.contains("hunter2"), "{url}: {shown}");
            assert_eq!(report.failures().count() as u32, report.attempts());
        }
    }
}

/// URLs with delimiters inside of what is secret: percent-encoded by the client or not, valid or not.
fn urls_with_secrets() -> Vec<String> {
    let signs = ["", "(", ")", "[x]", "'", "\"", " ", "\t", "\n", "\0", ",", ";", "@", "%20", "%", "é", "<", "|"];
    let urls = |sign: &str| {
        [
            format!("http://127.0.0.1:1/items?filter={sign}new{sign}&api_key={sign}hunter2{sign}"),
            format!("http://127.0.0.1:1?{sign}hunter2"),
            format!("http://127.0.0.1:1/items#{sign}hunter2"),
            format!("http://me:{sign}hunter2{sign}@127.0.0.1:1/items"),
            format!("http://hunter2{sign}@127.0.0.1:1/"),
            format!("http://127.0.0.1:1/http://me:x{sign}hunter2@host/"),
        ]
    };
    signs.into_iter().flat_map(urls).collect()
}

#[tokio::test]
async fn no_delimiter_lets_a_secret_into_a_report_of_async_reqwest() {
    let client = client();
    for url in urls_with_secrets() {
        let mut report = Report::new();
        assert!(client.get(&url).retry(POLICY.total(0).report(&mut report)).send().await.is_err());
        assert_hides(&report, &url);
    }
}

#[test]
fn no_delimiter_lets_a_secret_into_a_report_of_blocking_reqwest_or_ureq() {
    let (client, policy) = (blocking(), POLICY.total(0));
    let agent = RetryAgent::new(ureq::Agent::config_builder().proxy(None).build().into(), policy);
    for url in urls_with_secrets() {
        let (mut by_reqwest, mut by_ureq) = (Report::new(), Report::new());
        assert!(client.get(&url).retry(policy.report(&mut by_reqwest)).send().is_err());
        assert!(agent.get(&url).policy(policy.report(&mut by_ureq)).call().is_err());
        for report in [by_reqwest, by_ureq] {
            assert_hides(&report, &url);
        }
    }
}

/// `error_for_status` of reqwest, and this crate's, in plain runs.
#[test]
fn no_delimiter_lets_a_secret_into_a_report_of_an_error_status() {
    let server = Server::new(|peer| {
        if peer.request().is_some() {
            peer.send(respond(404, "connection: close\r\n", ""));
        }
    });
    let port = server.url().split(['/', ':']).nth(4).unwrap().to_owned();
    let client = blocking();
    for url in urls_with_secrets() {
        let url = url.replacen("127.0.0.1:1", &format!("127.0.0.1:{port}"), 1);
        let mut report = Report::new();
        let run = POLICY.total(0).report(&mut report);
        assert!(run.run(|| client.get(&url).send()?.error_for_status()).is_err());
        assert_hides(&report, &url);
        if let Ok(response) = client.get(&url).send() {
            let error = persevere::http::error_for_status(response).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}

#[track_caller]
fn assert_hides(report: &Report, url: &str) {
    let failure = report.failures().next().unwrap();
    let shown = format!("{report} {report:?} {} {failure} {failure:?}", report.timeline().width(200));
    assert!(!shown.contains("hunter2"), "{url}: {shown}");
    assert!(!failure.message().is_empty());
}
