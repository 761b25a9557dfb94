//! What the migration table says of the requests recipe's parameters, one by one.

use std::time::Duration;

use persevere::http::{HttpPolicy, RetryClient, Statuses, error_for_status};
use persevere::testing::VirtualTimer;
use persevere::{Fault, Hints, Jitter, Policy, Report, StopReason};
use reqwest::redirect;

use crate::doors::{BUSY, MISSING, OK, answers, builder};
use crate::faults::refused;
use crate::server::{Server, respond};

const FAILED: Option<&str> = Some("HTTP/1.1 500 Failed\r\ncontent-length: 0\r\n\r\n");

const RECIPE: Policy = Policy::new().total(3).backoff(Duration::from_millis(300)).jitter(Jitter::None);

/// A GET, or a POST, by this policy; what it waited, and its report.
async fn run(policy: impl Into<HttpPolicy>, url: &str, post: bool) -> (Vec<Duration>, Report) {
    let policy = policy.into();
    let session = RetryClient::build(builder(), redirect::Policy::default(), policy).unwrap();
    let (timer, mut report) = (VirtualTimer::new(), Report::new());
    let request = if post { session.post(url).body("order") } else { session.get(url) };
    let _ = request.policy(policy.policy().timer(&timer).report(&mut report)).text().await;
    (timer.sleeps(), report)
}

fn milliseconds(waits: &[Duration]) -> Vec<u128> {
    waits.iter().map(Duration::as_millis).collect()
}

#[tokio::test]
async fn total_backoff_factor_and_backoff_max() {
    let server = answers(&[FAILED]);
    let (waits, report) = run(RECIPE, &server.url(), false).await;
    // No timer is asked for the wait of zero.
    assert_eq!((server.requests(), milliseconds(&waits)), (4, vec![600, 1200]));
    assert_eq!(report.stop_reason(), Some(StopReason::Exhausted));
    let (waits, _) = run(RECIPE.max_wait(Duration::from_secs(1)), &server.url(), false).await;
    assert_eq!(milliseconds(&waits), [600, 1000]);
    assert_eq!(Policy::new().total(9).jitter(Jitter::None).preview().last(), Some(Duration::from_millis(76_800)));
    assert_eq!(Policy::new().total(10).jitter(Jitter::None).preview().last(), Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn backoff_jitter() {
    let server = answers(&[FAILED]);
    let jitter = Jitter::Additive(Duration::from_millis(50));
    let (waits, _) = run(RECIPE.jitter(jitter), &server.url(), false).await;
    let in_band = |wait: &Duration, from: u64| (from..=from + 50).contains(&(wait.as_millis() as u64));
    let [.., second, third] = &waits[..] else { panic!("{waits:?}") };
    assert!(in_band(second, 600) && in_band(third, 1200), "{waits:?}");
}

#[tokio::test]
async fn connect_read_and_status() {
    let (_, report) = run(RECIPE.connect(1), &refused(), false).await;
    assert_eq!((report.attempts(), report.stop_reason()), (2, Some(StopReason::LimitReached(Fault::Connect))));
    let server = answers(&[None]);
    let (_, report) = run(RECIPE.read(1), &server.url(), false).await;
    assert_eq!((server.requests(), report.stop_reason()), (2, Some(StopReason::LimitReached(Fault::Read))));
    let server = answers(&[FAILED]);
    let (_, report) = run(RECIPE.status(1), &server.url(), false).await;
    assert_eq!((server.requests(), report.stop_reason()), (2, Some(StopReason::LimitReached(Fault::Status))));
    // The lower one wins, and one kind does not count for another.
    let (_, report) = run(RECIPE.total(1).status(3).connect(0), &server.url(), false).await;
    assert_eq!((report.attempts(), report.stop_reason()), (2, Some(StopReason::Exhausted)));
}

#[tokio::test]
async fn redirect() {
    // Following redirects costs no retry; running out of them is permanent.
    let server = Server::new(|peer| {
        while peer.request().is_some() {
            let moved = respond(302, "location: /next\r\n", "");
            peer.send(if peer.requests() < 4 { moved.as_str() } else { OK.unwrap() });
        }
    });
    let (_, report) = run(RECIPE.total(0), &server.url(), false).await;
    assert_eq!((server.requests(), report.attempts(), report.stop_reason()), (4, 1, Some(StopReason::Succeeded)));
    let server = Server::new(|peer| {
        while peer.request().is_some() {
            peer.send(respond(302, "location: /next\r\n", ""));
        }
    });
    let (_, report) = run(RECIPE, &server.url(), false).await;
    assert_eq!((server.requests(), report.stop_reason()), (11, Some(StopReason::Permanent)));
    assert_eq!(report.failures().next().unwrap().fault(), Fault::Redirect);
}

#[tokio::test]
async fn allowed_methods() {
    let server = answers(&[FAILED]);
    let (_, report) = run(RECIPE, &server.url(), true).await;
    assert_eq!((server.posts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
    let server = answers(&[FAILED]);
    run(HttpPolicy::new(RECIPE).idempotent(true), &server.url(), true).await;
    assert_eq!(server.posts(), 4);
}

#[tokio::test]
async fn status_forcelist() {
    let forced = HttpPolicy::new(RECIPE).retry_only(Statuses::of(&[404]));
    let server = answers(&[MISSING]);
    run(forced, &server.url(), false).await;
    assert_eq!(server.requests(), 4);
    let server = answers(&[FAILED]);
    run(forced, &server.url(), false).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn raise_on_status() {
    let server = answers(&[BUSY]);
    let session = RetryClient::build(builder(), redirect::Policy::default(), RECIPE).unwrap();
    let timer = VirtualTimer::new();
    let last = session.get(server.url()).policy(RECIPE.timer(&timer)).send().await.unwrap();
    assert_eq!(last.status(), 503);
    assert_eq!(error_for_status(last).unwrap_err().status(), 503);
}

#[tokio::test]
async fn respect_retry_after_header_and_retry_after_max() {
    const HINTED: Option<&str> = Some("HTTP/1.1 500 Failed\r\nretry-after: 200\r\ncontent-length: 0\r\n\r\n");
    let server = answers(&[HINTED, OK]);
    let (waits, report) = run(RECIPE, &server.url(), false).await;
    let hint = Duration::from_secs(200);
    assert_eq!((waits.len(), report.stop_reason()), (0, Some(StopReason::HintTooLong { hint })));
    for (policy, waited) in [
        (RECIPE.max_hint(Duration::from_secs(300)), vec![200_000]),
        (RECIPE.hints(Hints::Clamp), vec![120_000]),
        (RECIPE.hints(Hints::Ignore), vec![]),
    ] {
        let server = answers(&[HINTED, OK]);
        let (waits, report) = run(policy, &server.url(), false).await;
        assert_eq!((milliseconds(&waits), report.stop_reason()), (waited, Some(StopReason::Succeeded)));
    }
}

#[tokio::test]
async fn history() {
    // On success, too.
    let server = answers(&[None, FAILED, OK]);
    let (_, report) = run(RECIPE, &server.url(), false).await;
    let told: Vec<_> = report.failures().map(|failure| (failure.fault(), failure.status())).collect();
    assert_eq!(told, [(Fault::Read, None), (Fault::Status, Some(500))]);
    assert_eq!((report.attempts(), report.stop_reason()), (3, Some(StopReason::Succeeded)));
}

#[test]
fn the_migration_table_names_every_parameter() {
    let page = include_str!("../../src/http/mod.rs");
    let (_, table) = page.split_once("# Coming from the requests recipe").unwrap();
    for parameter in [
        "total",
        "connect",
        "read",
        "redirect",
        "status",
        "other",
        "allowed_methods",
        "status_forcelist",
        "backoff_factor",
        "backoff_max",
        "backoff_jitter",
        "raise_on_status",
        "respect_retry_after_header",
        "retry_after_max",
        "history",
    ] {
        let mut keys = table.lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(" |"));
        assert!(keys.any(|(key, _)| key.contains(&format!("`{parameter}`"))), "{parameter}");
    }
}
