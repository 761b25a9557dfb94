//! The page of a status that is retried never comes whole: nobody waits for it, however the client is set.

use std::time::{Duration, Instant};

use persevere::http::{RetryAgent, RetryExt as _};
use persevere::testing::VirtualTimer;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::doors::POLICY;
use crate::faults::install_provider;
use crate::message::{CODINGS, FRAMINGS, Framing, Message};
use crate::server::{Peer, Server};

/// Longer than the server stalls, so that no timeout hides that a page was waited for.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

/// A server stalls for 5 s.
const SOON: Duration = Duration::from_secs(4);

/// What every page says: JSON, so that each entry point can read it.
const PAGE: &str = "[1,2,3,4,5,6,7,8,9]";

/// Pages in every framing and coding, each cut after its head, after a byte, in the middle and before its end.
fn pages(status: u16) -> Vec<(String, Vec<u8>)> {
    let mut pages = vec![];
    for framing in FRAMINGS {
        for coding in CODINGS {
            let message = Message::new(status, framing, coding, PAGE);
            let whole = message.body.len();
            pages.extend(
                [0, 1, whole / 2, whole - 1]
                    .map(|length| (format!("{framing:?} {coding:?}, {length} of {whole} bytes"), message.cut(length))),
            );
        }
    }
    pages
}

/// Answers every first request with this and then stalls, and every second one with a page.
fn stalls_after(sent: Vec<u8>) -> Server {
    let page = Message::new(200, Framing::Length, CODINGS[0], PAGE).whole();
    Server::new(move |peer: &mut Peer| {
        while peer.request().is_some() {
            if peer.requests() % 2 == 1 {
                peer.send(&sent);
                peer.stall();
                return;
            }
            peer.send(&page);
        }
    })
}

type Setting = fn(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>;

/// Every timeout of ureq's alone, none, and all.
const SETTINGS: [(&str, Setting); 13] = [
    ("no timeout", |config| config),
    ("global", |config| config.timeout_global(PATIENCE)),
    ("per call", |config| config.timeout_per_call(PATIENCE)),
    ("per read", |config| config.timeout_per_read(PATIENCE)),
    ("per write", |config| config.timeout_per_write(PATIENCE)),
    ("resolve", |config| config.timeout_resolve(PATIENCE)),
    ("connect", |config| config.timeout_connect(PATIENCE)),
    ("send request", |config| config.timeout_send_request(PATIENCE)),
    ("await 100", |config| config.timeout_await_100(PATIENCE)),
    ("send body", |config| config.timeout_send_body(PATIENCE)),
    ("receive response", |config| config.timeout_recv_response(PATIENCE)),
    ("receive body", |config| config.timeout_recv_body(PATIENCE)),
    ("all", |config| {
        let config = config.timeout_global(PATIENCE).timeout_per_call(PATIENCE).timeout_per_read(PATIENCE);
        config.timeout_recv_response(PATIENCE).timeout_recv_body(PATIENCE)
    }),
];

fn agents() -> Vec<(String, ureq::Agent)> {
    let mut agents = vec![];
    for (timeout, set) in SETTINGS {
        for as_error in [true, false] {
            let config = set(ureq::Agent::config_builder().proxy(None)).http_status_as_error(as_error);
            agents.push((format!("{timeout}, statuses as errors: {as_error}"), config.build().into()));
        }
    }
    agents
}

/// A run without a limit, with a deadline, and with a time for each attempt, by each entry point; whether it got the page.
macro_rules! ask {
    ($request:expr, $policy:expr, $timer:expr, $limit:expr, $entry:expr) => {{
        let minute = Duration::from_secs(60);
        match $limit {
            Limit::None => ask!($request.policy($policy.timer($timer)), $entry),
            Limit::Deadline => ask!($request.policy($policy.within(minute).timer($timer)), $entry),
            Limit::Attempt => ask!($request.policy($policy.attempt_timeout(minute).timer($timer)), $entry),
        }
    }};
    ($request:expr, $entry:expr) => {
        match $entry {
            Entry::Call => {
                $request.call().is_ok_and(|mut response| response.body_mut().read_to_string().unwrap() == PAGE)
            }
            Entry::Text => $request.text().is_ok_and(|page| page == PAGE),
            Entry::Bytes => $request.bytes().is_ok_and(|page| page == PAGE.as_bytes()),
            Entry::Json => $request.json::<Vec<u8>>().is_ok_and(|page| page == [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        }
    };
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    None,
    Deadline,
    Attempt,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Call,
    Text,
    Bytes,
    Json,
}

const LIMITS: [Limit; 3] = [Limit::None, Limit::Deadline, Limit::Attempt];
const ENTRIES: [Entry; 4] = [Entry::Call, Entry::Text, Entry::Bytes, Entry::Json];

#[test]
fn ureq_never_waits_for_the_page_of_a_status_that_is_retried() {
    let agents = agents();
    for (number, (page, sent)) in pages(503).into_iter().enumerate() {
        let server = stalls_after(sent);
        for (step, (name, agent)) in agents.iter().enumerate() {
            // Each page, and each agent, meets each entry point under each limit.
            let (limit, entry) = (LIMITS[(number + step) % 3], ENTRIES[(number + step) % 4]);
            let started = Instant::now();
            let (session, timer) = (RetryAgent::new(agent.clone(), POLICY), VirtualTimer::new());
            let got = ask!(session.get(&server.url()), POLICY, &timer, limit, entry);
            let story = format!("{page}, agent: {name}, {limit:?}, {entry:?}");
            assert!(got, "{story}");
            assert!(started.elapsed() < SOON, "{story}: {:?}", started.elapsed());
        }
    }
}

/// What `when_ok` refuses is as unwanted as the page of a status.
#[test]
fn ureq_never_waits_for_the_body_of_a_response_that_the_caller_refused() {
    for (page, sent) in pages(202) {
        let server = stalls_after(sent);
        for (name, agent) in agents() {
            let started = Instant::now();
            let policy = POLICY.when_ok(|response: &http::Response<ureq::Body>| response.status() == 202);
            let response = RetryAgent::new(agent, POLICY).get(&server.url()).policy(policy).call();
            assert_eq!(response.unwrap().into_body().read_to_string().unwrap(), PAGE, "{page}, {name}");
            assert!(started.elapsed() < SOON, "{page}, {name}: {:?}", started.elapsed());
        }
    }
}

/// The last response is the caller's: nothing of it was read, in whatever form it comes.
#[test]
fn the_last_response_stays_readable() {
    for framing in FRAMINGS {
        for coding in CODINGS {
            let message = Message::new(503, framing, coding, PAGE).whole();
            let server = Server::new(move |peer: &mut Peer| {
                while peer.request().is_some() {
                    peer.send(&message);
                    if framing == Framing::Close {
                        return;
                    }
                }
            });
            for (step, (name, agent)) in agents().into_iter().enumerate() {
                let as_error = agent.config().http_status_as_error();
                for (number, entry) in ENTRIES.into_iter().enumerate() {
                    let limit = LIMITS[(step + number) % 3];
                    let timer = VirtualTimer::new();
                    let session = RetryAgent::new(agent.clone(), POLICY);
                    let before = server.requests();
                    let got = ask!(session.get(&server.url()), POLICY.total(1), &timer, limit, entry);
                    // An agent that makes errors of statuses gives no page, as ureq itself.
                    let story = format!("{framing:?} {coding:?}, {name}, {limit:?}, {entry:?}");
                    assert_eq!((got, server.requests() - before), (!as_error, 2), "{story}");
                }
            }
        }
    }
}

#[tokio::test]
async fn reqwest_never_waits_for_the_page_of_a_status_that_is_retried() {
    let client = client_without_timeout();
    for (page, sent) in pages(503) {
        let server = stalls_after(sent);
        let started = Instant::now();
        let minute = Duration::from_secs(60);
        let get = || client.get(server.url());
        assert_eq!(get().retry(POLICY).text().await.unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY).bytes().await.unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY).read_json::<Vec<u8>>().await.unwrap().len(), 9, "{page}");
        assert_eq!(get().retry(POLICY).send().await.unwrap().text().await.unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY.within(minute)).text().await.unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY.attempt_timeout(minute)).text().await.unwrap(), PAGE, "{page}");
        assert!(started.elapsed() < SOON, "{page}: {:?}", started.elapsed());
    }
    for (page, sent) in pages(202) {
        let server = stalls_after(sent);
        let started = Instant::now();
        let policy = POLICY.when_ok(|response: &reqwest::Response| response.status() == 202);
        let response = client.get(server.url()).retry(policy).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), PAGE, "{page}");
        assert!(started.elapsed() < SOON, "{page}: {:?}", started.elapsed());
    }
}

#[test]
fn blocking_reqwest_never_waits_for_the_page_of_a_status_that_is_retried() {
    install_provider();
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(None).tls_certs_only([]).build().unwrap();
    for (page, sent) in pages(503) {
        let server = stalls_after(sent);
        let started = Instant::now();
        let minute = Duration::from_secs(60);
        let get = || client.get(server.url());
        assert_eq!(get().retry(POLICY).text().unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY).bytes().unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY).read_json::<Vec<u8>>().unwrap().len(), 9, "{page}");
        assert_eq!(get().retry(POLICY).send().unwrap().text().unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY.within(minute)).text().unwrap(), PAGE, "{page}");
        assert_eq!(get().retry(POLICY.attempt_timeout(minute)).text().unwrap(), PAGE, "{page}");
        assert!(started.elapsed() < SOON, "{page}: {:?}", started.elapsed());
    }
    for (page, sent) in pages(202) {
        let server = stalls_after(sent);
        let started = Instant::now();
        let policy = POLICY.when_ok(|response: &reqwest::blocking::Response| response.status() == 202);
        let response = client.get(server.url()).retry(policy).send().unwrap();
        assert_eq!(response.text().unwrap(), PAGE, "{page}");
        assert!(started.elapsed() < SOON, "{page}: {:?}", started.elapsed());
    }
}

fn client_without_timeout() -> reqwest::Client {
    install_provider();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}
