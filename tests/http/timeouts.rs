//! Two timeouts, the client's and the policy's: which one counts is the same for every client.

use std::time::{Duration, Instant};

use persevere::http::{RetryAgent, RetryExt as _};
use persevere::{Fault, Report};

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
