//! Two timeouts, the client's and the policy's: which one counts is the same for every client.

use std::time::{Duration, Instant};

use persevere::http::{RetryAgent, RetryClient, RetryExt as _};
use persevere::{Cut, Fault, Report, StopReason, retry, retry_async};

use crate::doors::{OK, POLICY, blocking_builder, builder};
use crate::server::{Peer, Server};

const SHORT: Duration = Duration::from_millis(40);
const ANSWER: Duration = Duration::from_millis(120);
const LONG: Duration = Duration::from_secs(60);

/// Answers after a while.
fn slow() -> Server {
    Server::new(|peer: &mut Peer| {
        while peer.request().is_some() {
            std::thread::sleep(ANSWER);
            peer.send(OK.unwrap());
        }
    })
}

/// Never answers.
fn silent() -> Server {
    Server::new(|peer: &mut Peer| {
        peer.request();
        peer.stall();
    })
}

/// How an attempt ended that no timeout but these two cuts.
type Ask = fn(client: Duration, policy: Duration, url: &str, report: &mut Report) -> bool;

fn by_reqwest(client: Duration, policy: Duration, url: &str, report: &mut Report) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = builder().timeout(client).build().unwrap();
    let policy = POLICY.total(0).attempt_timeout(policy).report(report);
    runtime.block_on(client.get(url).retry(policy).text()).is_ok()
}

fn by_blocking(client: Duration, policy: Duration, url: &str, report: &mut Report) -> bool {
    let client = blocking_builder().timeout(client).build().unwrap();
    client.get(url).retry(POLICY.total(0).attempt_timeout(policy).report(report)).text().is_ok()
}

fn by_ureq(client: Duration, policy: Duration, url: &str, report: &mut Report) -> bool {
    let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(client)).build();
    let session = RetryAgent::new(config.into(), POLICY);
    session.get(url).policy(POLICY.total(0).attempt_timeout(policy).report(report)).text().is_ok()
}

const CLIENTS: [(&str, Ask); 3] = [("reqwest", by_reqwest), ("blocking reqwest", by_blocking), ("ureq", by_ureq)];

#[test]
fn an_attempt_timeout_takes_the_place_of_the_clients_total_timeout_even_if_it_is_longer() {
    for (name, ask) in CLIENTS {
        let (server, mut report) = (slow(), Report::new());
        assert!(ask(SHORT, LONG, &server.url(), &mut report), "{name}: {report}");

        let (server, started) = (silent(), Instant::now());
        assert!(!ask(LONG, SHORT, &server.url(), &mut report), "{name}: {report}");
        assert_eq!(report.failures().next().unwrap().fault(), Fault::Timeout, "{name}: {report}");
        assert!(started.elapsed() < Duration::from_secs(4), "{name}: {:?}", started.elapsed());
    }
}

/// The deadline is the end of an attempt that is cut, whatever else is longer.
#[test]
fn no_attempt_timeout_reaches_past_the_deadline() {
    let within = POLICY.total(0).within(SHORT).attempt_timeout(LONG);
    let started = Instant::now();
    let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(LONG)).build();
    assert!(RetryAgent::new(config.into(), POLICY).get(&silent().url()).policy(within).text().is_err());
    let client = blocking_builder().timeout(LONG).build().unwrap();
    assert!(client.get(silent().url()).retry(within).text().is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = builder().timeout(LONG).build().unwrap();
    assert!(runtime.block_on(client.get(silent().url()).retry(within).text()).is_err());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// What the caller says of one request is as near to it as the policy: the shorter of the two counts.
#[test]
fn a_shorter_timeout_of_the_request_itself_holds() {
    let policy = POLICY.total(0).attempt_timeout(LONG);
    let started = Instant::now();
    let client = blocking_builder().timeout(LONG).build().unwrap();
    assert!(client.get(silent().url()).timeout(SHORT).retry(policy).text().is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = builder().timeout(LONG).build().unwrap();
    assert!(runtime.block_on(client.get(silent().url()).timeout(SHORT).retry(policy).text()).is_err());
    // ureq has other timeouts than the total one, and they hold.
    let config = ureq::Agent::config_builder().proxy(None).timeout_recv_response(Some(SHORT)).build();
    assert!(RetryAgent::new(config.into(), POLICY).get(&silent().url()).policy(policy).text().is_err());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// reqwest's error can be made by reqwest alone, so the function returns it in a `Cut`.
#[retry(total = 9, deadline = 0.1)]
async fn page(client: &reqwest::Client, url: &str) -> Result<String, Cut<reqwest::Error>> {
    Ok(client.get(url).send().await?.text().await?)
}

/// Two attempts would take longer than the time that is allowed.
#[test]
fn a_peer_that_never_answers_is_cut_at_the_deadline_by_every_client_and_entry_point() {
    const DEADLINE: Duration = Duration::from_millis(100);
    fn check(what: &str, started: Instant, report: Option<&Report>) {
        let took = started.elapsed();
        assert!((DEADLINE..DEADLINE * 11).contains(&took), "{what}: {took:?}");
        if let Some(report) = report {
            assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{what}: {report}");
            assert_eq!(report.failures().last().unwrap().fault(), Fault::Timeout, "{what}: {report}");
        }
    }
    let server = silent();
    let url = server.url();
    let policy = POLICY.deadline(DEADLINE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = builder().build().unwrap();
        let ask = || async { Ok::<_, Cut<reqwest::Error>>(client.get(&url).send().await?.text().await?) };
        let started = Instant::now();
        assert!(matches!(page(&client, &url).await, Err(Cut::TimedOut(_))));
        check("reqwest, the attribute", started, None);

        let (started, mut report) = (Instant::now(), Report::new());
        assert!(matches!(retry_async(policy.report(&mut report), ask).await, Err(Cut::TimedOut(_))));
        check("reqwest, the function", started, Some(&report));

        let (started, mut report) = (Instant::now(), Report::new());
        assert!(matches!(retry_async!(policy.report(&mut report), ask().await), Err(Cut::TimedOut(_))));
        check("reqwest, the macro", started, Some(&report));

        let (started, mut report) = (Instant::now(), Report::new());
        let error = client.get(&url).retry(policy.report(&mut report)).text().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        check("reqwest, a request", started, Some(&report));

        let (started, mut report) = (Instant::now(), Report::new());
        let session = RetryClient::new(client, POLICY);
        let error = session.get(&url).policy(policy.report(&mut report)).text().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        check("reqwest, a session", started, Some(&report));
    });

    let client = blocking_builder().build().unwrap();
    let (started, mut report) = (Instant::now(), Report::new());
    assert!(client.get(&url).retry(policy.report(&mut report)).text().unwrap_err().is_timeout());
    check("blocking reqwest, a request", started, Some(&report));

    let (started, mut report) = (Instant::now(), Report::new());
    let session = RetryClient::new(client, POLICY);
    assert!(session.get(&url).policy(policy.report(&mut report)).text().unwrap_err().is_timeout());
    check("blocking reqwest, a session", started, Some(&report));

    let agent = ureq::Agent::config_builder().proxy(None).build();
    let (started, mut report) = (Instant::now(), Report::new());
    let session = RetryAgent::new(agent.into(), POLICY);
    assert!(session.get(&url).policy(policy.report(&mut report)).text().is_err());
    check("ureq, a session", started, Some(&report));
}
