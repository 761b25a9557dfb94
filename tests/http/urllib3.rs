//! urllib3's own rules, for those who need exactly these.

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use persevere::http::{HttpPolicy, RetryAgent, RetryClient, Statuses};
use persevere::{Hints, Policy, testing::VirtualTimer};

use crate::doors::{BUSY, POLICY, answers, blocking, client};
use crate::faults::refused;

const FORCED: HttpPolicy = HttpPolicy::urllib3(POLICY).retry_only(Statuses::of(&[500, 502, 504]));
const METHODS: [(Method, bool); 9] = [
    (Method::GET, true),
    (Method::HEAD, true),
    (Method::OPTIONS, true),
    (Method::PUT, true),
    (Method::DELETE, true),
    (Method::TRACE, true),
    (Method::POST, false),
    (Method::PATCH, false),
    (Method::CONNECT, false),
];

/// `Retry.is_retry`, written out for every status, with and without `Retry-After`.
#[test]
fn the_rules_are_urllib3s_for_every_status_and_method() {
    let hinted = HeaderMap::from_iter([("retry-after".parse().unwrap(), HeaderValue::from_static("1"))]);
    let unread = HeaderMap::from_iter([("retry-after".parse().unwrap(), HeaderValue::from_static("soon"))]);
    for (rules, forced) in [(HttpPolicy::urllib3(POLICY), &[][..]), (FORCED, &[500, 502, 504])] {
        for code in 100..600 {
            let status = StatusCode::from_u16(code).unwrap();
            let by_hint = [413, 429, 503].contains(&code);
            assert_eq!(rules.verdict(status, &HeaderMap::new()).is_some(), forced.contains(&code), "{code}");
            assert_eq!(rules.verdict(status, &unread).is_some(), forced.contains(&code), "{code}");
            let verdict = rules.verdict(status, &hinted);
            assert_eq!(verdict.is_some(), forced.contains(&code) || by_hint, "{code}");
            assert!(verdict.is_none_or(|verdict| verdict.hint().is_some() && verdict.status() == Some(code)));
        }
        let keyed = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), HeaderValue::from_static("a"))]);
        for (method, repeated) in METHODS {
            assert_eq!(rules.for_request(&method, &keyed), POLICY.idempotent(repeated), "{method}");
            assert_eq!(rules.for_request(&method, &HeaderMap::new()), POLICY.idempotent(repeated), "{method}");
        }
        let own = Method::from_bytes(b"PROPFIND").unwrap();
        assert_eq!(rules.for_request(&own, &HeaderMap::new()), POLICY.idempotent(false));
    }
    // `respect_retry_after_header=False`
    let deaf = HttpPolicy::urllib3(POLICY.hints(Hints::Ignore));
    assert_eq!(deaf.verdict(StatusCode::SERVICE_UNAVAILABLE, &hinted), None);
    for (method, _) in METHODS {
        let alone = HttpPolicy::new(POLICY).allowed_methods(std::slice::from_ref(&method));
        for (other, _) in METHODS {
            assert_eq!(alone.for_request(&other, &HeaderMap::new()), POLICY.idempotent(other == method));
        }
        let nowhere = HttpPolicy::new(POLICY.idempotent(false)).allowed_methods(std::slice::from_ref(&method));
        assert_eq!(
            nowhere.for_request(&method, &HeaderMap::new()),
            POLICY.idempotent(false),
            "it can only narrow that"
        );
    }
    assert!(FORCED.to_string().contains("{413, 429, 503} with a `Retry-After`"), "{FORCED}");
}

const HINTED: Option<&str> = Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n");

#[tokio::test]
async fn the_sessions_follow_urllib3s_rules() {
    for (answer, requests) in [(BUSY, 1), (HINTED, 4)] {
        let server = answers(Box::leak(Box::new([answer])));
        let timer = VirtualTimer::new();
        let session = RetryClient::new(client(), FORCED);
        let _ = session.get(server.url()).policy(POLICY.timer(&timer)).send().await.unwrap();
        assert_eq!(server.requests(), requests);
        let _ = session.post(server.url()).header("idempotency-key", "a").send().await.unwrap();
        assert_eq!(server.posts(), 1);
    }
    tokio::task::spawn_blocking(|| {
        for (answer, requests) in [(BUSY, 1), (HINTED, 4)] {
            let server = answers(Box::leak(Box::new([answer])));
            let timer = VirtualTimer::new();
            let session = RetryClient::new(blocking(), FORCED);
            let _ = session.get(server.url()).policy(POLICY.timer(&timer)).send().unwrap();
            assert_eq!(server.requests(), requests);
            let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), FORCED);
            let _ = agent.get(server.url()).policy(POLICY.timer(&timer)).call();
            assert_eq!(server.requests(), 2 * requests);
            let _ = agent.post(server.url()).header("idempotency-key", "a").call();
            assert_eq!(server.posts(), 1);
        }
        // A connection that is refused was never used: that is repeated for any method.
        let mut report = persevere::Report::new();
        let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), HttpPolicy::urllib3(Policy::new().total(2)));
        let request = agent.post(refused()).policy(POLICY.total(2)).report(&mut report);
        assert!(request.body("order").call().is_err());
        assert_eq!(report.attempts(), 3);
    })
    .await
    .unwrap();
}
