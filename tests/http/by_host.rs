//! Guards for each host: one that is down or asks for a pause does not close a session for the others.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use persevere::guard::{AdaptiveThrottle, Breaker, BreakerState, Breakers, Budget, Budgets, Gate, Gates, Throttles};
use persevere::http::{RetryAgent, RetryClient};
use persevere::{Policy, Report, StopReason};

use crate::doors::{BUSY, OK, POLICY, answers, blocking, client};
use crate::server::Server;

const ONCE: Policy = Policy::new().total(0);
const WAIT: Option<&str> = Some("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\nretry-after: 30\r\n\r\n");
const SHORT: Option<&str> = Some("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n");

fn host(server: &Server) -> String {
    server.url()["http://".len()..].split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_breaker_for_each_host_refuses_that_host_alone() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    let breakers = Breakers::new(100, || Breaker::new().min_outcomes(2).open_for(Duration::from_millis(50)))
        .on_change(move |host: &String, change| seen.lock().unwrap().push((host.clone(), change.to_string())));
    let session = RetryClient::new(client(), ONCE).breakers(breakers);
    let (ill, well) = (answers(&[BUSY, BUSY, OK]), answers(&[OK]));
    for _ in 0..4 {
        let _ = session.get(ill.url()).send().await;
        assert_eq!(session.get(well.url()).text().await.unwrap(), "page");
    }
    assert_eq!((ill.requests(), well.requests()), (2, 4));
    let mut report = Report::new();
    assert_eq!(session.get(ill.url()).report(&mut report).send().await.unwrap().status(), 503);
    assert_eq!(report.stop_reason(), Some(StopReason::BreakerOpen));
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(session.get(ill.url()).text().await.unwrap(), "page");
    let told: Vec<_> = log.lock().unwrap().clone();
    let changes = ["closed to open", "open to half-open", "half-open to closed"];
    assert_eq!(told, changes.map(|change| (host(&ill), change.to_owned())));
}

#[test]
fn the_blocking_sessions_have_guards_for_each_host_too() {
    let (ill, well) = (answers(&[BUSY]), answers(&[OK]));
    let breakers = Arc::new(Breakers::new(100, || Breaker::new().min_outcomes(2)));
    let session = RetryClient::new(blocking(), ONCE).breakers(breakers.clone());
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), ONCE).breakers(breakers.clone());
    for _ in 0..3 {
        let _ = session.get(ill.url()).send();
        let _ = agent.get(ill.url()).call();
        assert_eq!(session.get(well.url()).text().unwrap(), "page");
        assert_eq!(agent.get(well.url()).text().unwrap(), "page");
    }
    assert_eq!((ill.requests(), well.requests()), (2, 6));
    assert_eq!((breakers.len(), breakers.get(&*host(&ill)).state()), (2, BreakerState::Open));
    // Whatever the letter case, and with or without the port, it is one host.
    for url in ["http://host.invalid/a", "http://HOST.invalid:80/b"] {
        let _ = session.get(url).send();
        let _ = agent.get(url).call();
    }
    assert_eq!(breakers.len(), 3);
}

#[tokio::test]
async fn budgets_and_throttles_are_kept_for_each_host() {
    let session = RetryClient::new(client(), POLICY).budgets(Budgets::new(100, || Budget::new().size(1)));
    for _ in 0..2 {
        let server = answers(&[BUSY]);
        for _ in 0..3 {
            session.get(server.url()).send().await.unwrap();
        }
        assert_eq!(server.requests(), 3 + 1, "each host has its own");
    }
    let session = RetryClient::new(client(), ONCE).throttles(Throttles::new(100, AdaptiveThrottle::new));
    let (ill, well) = (answers(&[BUSY]), answers(&[OK]));
    for _ in 0..100 {
        session.get(ill.url()).send().await.unwrap();
        assert_eq!(session.get(well.url()).text().await.unwrap(), "page");
    }
    assert!(ill.requests() < 60 && well.requests() == 100, "{}", ill.requests());
}

#[tokio::test]
async fn a_gate_refuses_at_once_what_would_wait_too_long() {
    let gates = Arc::new(Gates::new(100, || Gate::new().longest(Duration::from_secs(10))));
    let session = RetryClient::new(client(), POLICY.total(0)).gates(gates.clone());
    let (slow, well) = (answers(&[WAIT]), answers(&[OK]));
    assert_eq!(session.get(slow.url()).send().await.unwrap().status(), 429);
    let began = Instant::now();
    for _ in 0..3 {
        let mut report = Report::new();
        let answer = session.get(slow.url()).report(&mut report).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), slow.requests()), (503, 1), "nobody else asks that host");
        assert!(matches!(report.stop_reason(), Some(StopReason::HintTooLong { .. })), "{report}");
        assert_eq!(report.attempts(), 0);
        let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((25..=30).contains(&seconds), "{seconds}");
        assert!(answer.text().await.unwrap().contains("the server asked"));
        assert_eq!(session.get(well.url()).text().await.unwrap(), "page");
    }
    // One that waits no longer than its deadline says so at once, too.
    gates.get(&*host(&slow)); // The same gate as the session's.
    let patient = RetryClient::new(client(), POLICY.within(Duration::from_secs(5))).gates(Gates::new(9, Gate::new));
    assert_eq!(patient.get(slow.url()).send().await.unwrap().status(), 429);
    let mut report = Report::new();
    let answer = patient.get(slow.url()).report(&mut report).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), report.stop_reason()), (503, Some(StopReason::DeadlineExceeded)));
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(slow.requests(), 2);
}

#[tokio::test]
async fn a_gate_holds_back_all_runs_to_the_host_first_attempts_included() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = asked.clone();
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            times.lock().unwrap().push(Instant::now());
            peer.send(if peer.requests() == 1 { SHORT.unwrap() } else { OK.unwrap() });
        }
    });
    // The wait comes from the closure: a header has only whole seconds.
    let pause = Duration::from_millis(100);
    let session = RetryClient::new(client(), POLICY).gates(Gates::new(100, Gate::new)).hint_from(move |_| Some(pause));
    let first = tokio::spawn(session.get(server.url()).text());
    while asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    let others: Vec<_> = (0..20).map(|_| tokio::spawn(session.get(server.url()).text())).collect();
    for run in others.into_iter().chain([first]) {
        assert_eq!(run.await.unwrap().unwrap(), "page");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 22);
    for time in &asked[1..] {
        assert!(time.duration_since(asked[0]) >= Duration::from_millis(95), "{:?}", time.duration_since(asked[0]));
    }
}

#[test]
fn a_gate_holds_back_the_blocking_clients_and_downloads_too() {
    let pause = Duration::from_millis(60);
    let gates = Arc::new(Gates::new(100, Gate::new));
    let server = answers(&[OK]);
    let gate = gates.get(&*host(&server));
    let close = || gate.close_for(persevere::time::BlockingTimer::now(&persevere::time::ThreadTimer), pause);
    let session = RetryClient::new(blocking(), POLICY).gates(gates.clone());
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).gates(gates.clone());
    let mut page = String::new();
    let mut requests: [Box<dyn FnMut() -> String>; 4] = [
        Box::new(|| session.get(server.url()).text().unwrap()),
        Box::new(|| agent.get(server.url()).text().unwrap()),
        Box::new(|| {
            page.clear();
            std::io::Read::read_to_string(&mut session.get(server.url()).download(), &mut page).unwrap();
            page.clone()
        }),
        Box::new(|| {
            let mut page = String::new();
            std::io::Read::read_to_string(&mut agent.get(server.url()).download(), &mut page).unwrap();
            page
        }),
    ];
    for request in &mut requests {
        close();
        let began = Instant::now();
        assert_eq!(request(), "page");
        assert!(began.elapsed() >= Duration::from_millis(55), "{:?}", began.elapsed());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = RetryClient::new(client(), POLICY).gates(gates.clone());
    runtime.block_on(async {
        gate.close_for(persevere::time::Timer::now(&persevere::time::TokioTimer), pause);
        let began = Instant::now();
        let mut download = session.get(server.url()).download();
        assert_eq!(&download.chunk().await.unwrap().unwrap()[..], b"page");
        assert!(began.elapsed() >= Duration::from_millis(55), "{:?}", began.elapsed());
    });
}

#[test]
fn keys_that_are_made_up_take_no_memory_and_refuse_nobody() {
    let breakers: Breakers<String> = Breakers::new(100, || Breaker::new().min_outcomes(1));
    let now = persevere::time::BlockingTimer::now(&persevere::time::ThreadTimer);
    for n in 0..1000 {
        let breaker = breakers.get(&*format!("host {n}"));
        assert_eq!(breaker.state(), BreakerState::Closed, "{n}");
        breaker.admit(now).unwrap().failed(now);
    }
    assert_eq!(breakers.len(), 100);
    assert_eq!(breakers.get("host 0").state(), BreakerState::Open, "one that is open is not forgotten");
    let gates: Gates<String> = Gates::new(10, Gate::new);
    for n in 0..100 {
        gates.get(&*format!("host {n}")).close_for(now, Duration::from_secs(60));
    }
    assert_eq!((gates.len(), gates.get("another").closed_for(now)), (10, None));
    let gates: Gates<String> = Gates::new(10, Gate::new);
    (0..100).for_each(|n| drop(gates.get(&*format!("host {n}"))));
    gates.get("kept").close_for(now, Duration::from_secs(60));
    assert!(gates.get("kept").closed_for(now).is_some());
}
