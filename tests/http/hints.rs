//! What a server asks for, in every form, end to end: by each client, for a GET and a POST, on a virtual clock.

use std::time::Duration;

use persevere::http::{HttpPolicy, RetryAgent, RetryClient};
use persevere::testing::VirtualTimer;
use persevere::{Jitter, Policy, Report, StopReason};
use reqwest::redirect;

use crate::doors::{blocking_builder, builder};
use crate::server::{Server, respond};

/// What a GET does then.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Comes back after so many milliseconds, and gets its page.
    Waits(u64),
    /// Comes back by the backoff, since the hint can't be read.
    Ignores,
    /// Ends the run.
    GivesUp,
}

use Then::{GivesUp, Ignores, Waits};

/// The backoff's wait.
const BACKOFF: Duration = Duration::from_millis(40);

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// The headers of a 503, without the `Date`, and what follows.
#[rustfmt::skip]
const FORMS: &[(&str, Then)] = &[
    ("retry-after: 7\r\n", Waits(7_000)),
    ("retry-after:    7  \t \r\n", Waits(7_000)),
    ("RETRY-AFTER: 007\r\n", Waits(7_000)),
    ("retry-after: 1.5\r\n", Waits(1_500)),
    ("retry-after: 0\r\n", Ignores),
    ("retry-after: Sun, 06 Nov 1994 08:49:46 GMT\r\n", Waits(9_000)),
    ("retry-after: Sunday, 06-Nov-94 08:49:46 GMT\r\n", Waits(9_000)),
    ("retry-after: Sun Nov  6 08:49:46 1994\r\n", Waits(9_000)),
    ("retry-after:   Sun, 06 Nov 1994 08:49:46 GMT  \r\n", Waits(9_000)),
    ("retry-after: 3\r\nretry-after: 8\r\n", Waits(8_000)),
    ("retry-after: 3, 8\r\n", Waits(8_000)),
    ("retry-after: junk\r\nretry-after: 8\r\n", Waits(8_000)),
    ("retry-after: Sun, 06 Nov 1994 08:00:00 GMT\r\n", Ignores),
    ("retry-after: -5\r\n", Ignores),
    ("retry-after: +5\r\n", Ignores),
    ("retry-after: 1e3\r\n", Ignores),
    ("retry-after: soon\r\n", Ignores),
    ("retry-after: \r\n", Ignores),
    ("retry-after: \u{663}\r\n", Ignores),
    ("retry-after: Sun, 99 Nov 1994 99:99:99 GMT\r\n", Ignores),
    ("retry-after: 121\r\n", GivesUp),
    ("retry-after: 604800\r\n", GivesUp),
    ("retry-after: 99999999999999999999999999999999999999\r\n", GivesUp),
    ("retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n", GivesUp),
    ("retry-after-ms: 1500\r\nretry-after: 9\r\n", Waits(1_500)),
    ("x-ms-retry-after-ms: 250\r\nretry-after: 9\r\n", Waits(250)),
    ("retry-after-ms: junk\r\nretry-after: 9\r\n", Waits(9_000)),
    ("retry-after-ms: 99999999999999999999\r\n", GivesUp),
    ("ratelimit: \"default\";r=0;t=30\r\n", Waits(30_000)),
    ("ratelimit: \"default\";r=9;t=30\r\n", Ignores),
    ("ratelimit: limit=10, remaining=0, reset=30\r\n", Waits(30_000)),
    ("ratelimit-reset: 20\r\nratelimit-remaining: 0\r\n", Waits(20_000)),
    ("x-ratelimit-reset: 20\r\n", Waits(20_000)),
    ("x-ratelimit-reset: 20\r\nx-ratelimit-remaining: 3\r\n", Ignores),
    ("x-ratelimit-reset: 784111787\r\n", GivesUp), // Smaller than any moment since 2001: seconds.
    ("x-rate-limit-reset: 20\r\n", Waits(20_000)),
    ("retry-after: 2\r\nx-ratelimit-reset: 20\r\n", Waits(2_000)),
    // A leap second, in each form.
    ("retry-after: Sun, 06 Nov 1994 08:49:60 GMT\r\n", Waits(23_000)),
    ("retry-after: Sunday, 06-Nov-94 08:49:60 GMT\r\n", Waits(23_000)),
    ("retry-after: Sun Nov  6 08:49:60 1994\r\n", Waits(23_000)),
    ("retry-after: Sun, 6 Nov 1994 09:49:60 +0100\r\n", Waits(23_000)),
    // Years of two digits: to come for 50 years, and past from then on.
    ("retry-after: Sunday, 06-Nov-44 08:49:37 GMT\r\n", GivesUp),
    ("retry-after: Sunday, 06-Nov-44 08:49:38 GMT\r\n", Ignores),
    ("retry-after: Monday, 06-Nov-45 08:49:46 GMT\r\n", Ignores),
    ("retry-after: Sunday, 06-Nov-93 08:49:46 GMT\r\n", Ignores),
    // Eight items are read, more are not.
    ("retry-after: 1, 2, 3, 4, 5, 6, 7, 8\r\n", Waits(8_000)),
    ("retry-after: 1, 2, 3, 4, 5, 6, 7, 8, 9\r\n", Ignores),
];

/// Headers at the longest that is read, and above.
fn long_forms() -> Vec<(&'static str, Then)> {
    let padded = |length: usize| &*Box::leak(format!("retry-after: {:0>length$}\r\n", 7).into_boxed_str());
    let many = |count: usize| &*Box::leak("retry-after: 7\r\n".repeat(count).into_boxed_str());
    vec![
        (padded(256), Waits(7_000)),
        (padded(257), Ignores),
        (padded(4096), Ignores),
        (many(8), Waits(7_000)),
        (many(9), Ignores),
    ]
}

/// A client of each kind, as the tests ask it: the method, the URL, the policy; and what it made of it.
type Ask = fn(bool, &str, Policy, &VirtualTimer) -> (Option<u16>, Report);

fn by_reqwest(post: bool, url: &str, policy: Policy, timer: &VirtualTimer) -> (Option<u16>, Report) {
    let session = RetryClient::build(builder(), redirect::Policy::default(), HttpPolicy::new(policy)).unwrap();
    let request = if post { session.post(url).body("order") } else { session.get(url) };
    let mut report = Report::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(request.policy(policy.timer(timer).report(&mut report)).send());
    (outcome.ok().map(|response| response.status().as_u16()), report)
}

fn by_blocking(post: bool, url: &str, policy: Policy, timer: &VirtualTimer) -> (Option<u16>, Report) {
    let session = RetryClient::build(blocking_builder(), redirect::Policy::default(), HttpPolicy::new(policy)).unwrap();
    let request = if post { session.post(url).body("order") } else { session.get(url) };
    let mut report = Report::new();
    let outcome = request.policy(policy.timer(timer).report(&mut report)).send();
    (outcome.ok().map(|response| response.status().as_u16()), report)
}

fn by_ureq(post: bool, url: &str, policy: Policy, timer: &VirtualTimer) -> (Option<u16>, Report) {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
    let agent = RetryAgent::new(config.into(), policy);
    let request = if post { agent.post(url).body("order") } else { agent.get(url) };
    let mut report = Report::new();
    let outcome = request.policy(policy.timer(timer).report(&mut report)).call();
    (outcome.ok().map(|response| response.status().as_u16()), report)
}

const CLIENTS: [(&str, Ask); 3] = [("reqwest", by_reqwest), ("blocking reqwest", by_blocking), ("ureq", by_ureq)];

/// A server that answers with this status and these headers, always or only for the first time.
fn server(status: u16, headers: &'static str, always: bool) -> Server {
    Server::new(move |peer| {
        while peer.request().is_some() {
            let answer = if always || peer.requests() == 1 {
                respond(status, headers, "sorry")
            } else {
                respond(200, "", "page")
            };
            peer.send(answer);
        }
    })
}

#[test]
fn every_form_of_a_hint_is_obeyed_ignored_or_refused() {
    const POLICY: Policy = Policy::new().backoff(BACKOFF).immediate_first(false).jitter(Jitter::None);
    for (client, ask) in CLIENTS {
        for (form, then) in FORMS.iter().copied().chain(long_forms()) {
            let headers: &'static str = Box::leak(format!("{DATE}{form}").into_boxed_str());
            let story = format!("{client}, {form:?}");

            let (site, timer) = (server(503, headers, false), VirtualTimer::new());
            let (status, report) = ask(false, &site.url(), POLICY, &timer);
            let hint = report.failures().next().unwrap().hint();
            // A 503's first wait is never shorter than half the backoff, even without a hint.
            let found = match report.stop_reason() {
                Some(StopReason::Succeeded) if hint.is_none_or(|hint| hint.is_zero()) => {
                    assert_eq!(timer.sleeps(), [BACKOFF], "{story}");
                    Ignores
                }
                Some(StopReason::Succeeded) => Waits(u64::try_from(timer.elapsed().as_millis()).unwrap()),
                Some(StopReason::HintTooLong { hint: too_long }) => {
                    assert_eq!(Some(too_long), hint, "{story}");
                    GivesUp
                }
                other => panic!("{story}: {other:?}"),
            };
            assert_eq!(found, then, "{story}: {report}");
            let (requests, last) = if then == GivesUp { (1, 503) } else { (2, 200) };
            assert_eq!((site.requests(), status), (requests, Some(last)), "{story}");

            let (site, timer) = (server(503, headers, false), VirtualTimer::new());
            let (status, report) = ask(true, &site.url(), POLICY, &timer);
            assert_eq!((site.requests(), status), (1, Some(503)), "{story}");
            assert_eq!((report.stop_reason(), timer.sleeps()), (Some(StopReason::NotIdempotent), vec![]), "{story}");
        }
    }
}

#[test]
fn every_status_is_retried_or_left_alone_with_and_without_a_hint() {
    const TRANSIENT: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];
    const POLICY: Policy = Policy::new().total(2).backoff(Duration::ZERO);
    let others = [400, 401, 403, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424];
    let rare = [426, 428, 431, 451, 499, 501, 505, 506, 507, 508, 510, 511, 599];
    for (client, ask) in CLIENTS {
        for status in TRANSIENT.into_iter().chain(others).chain(rare) {
            for headers in ["", "retry-after: 5\r\n"] {
                let story = format!("{client}, {status} with {headers:?}");
                let retried = TRANSIENT.contains(&status);
                let (site, timer) = (server(status, headers, true), VirtualTimer::new());
                let (last, report) = ask(false, &site.url(), POLICY, &timer);
                assert_eq!((site.requests(), last), (if retried { 3 } else { 1 }, Some(status)), "{story}");
                let stopped = if retried { StopReason::Exhausted } else { StopReason::Succeeded };
                assert_eq!(report.stop_reason(), Some(stopped), "{story}");
                assert!(report.failures().all(|failure| failure.status() == Some(status)), "{story}: {report}");
                let (from, to) = if retried && !headers.is_empty() { (10, 12) } else { (0, 0) };
                let waited = timer.elapsed();
                assert!((Duration::from_secs(from)..=Duration::from_secs(to)).contains(&waited), "{story}: {waited:?}");

                let (site, timer) = (server(status, headers, true), VirtualTimer::new());
                let (last, report) = ask(true, &site.url(), POLICY, &timer);
                assert_eq!((site.requests(), last, report.attempts()), (1, Some(status), 1), "{story}");
                assert!(timer.sleeps().is_empty(), "{story}");
            }
        }
    }
}

/// What a report says of a status, on its one line and in its drawing.
#[test]
fn a_report_tells_the_status() {
    let site = server(503, "retry-after: 1\r\n", false);
    let (_, report) = by_ureq(false, &site.url(), Policy::new().jitter(Jitter::None), &VirtualTimer::new());
    assert_eq!(report.failures().next().unwrap().status(), Some(503));
    assert!(report.to_string().ends_with("; last failure: attempt 1 (HTTP 503, 0 s)"), "{report}");
    assert!(report.timeline().to_string().contains("HTTP 503"), "{}", report.timeline());
}
