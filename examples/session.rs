//! The requests recipe, side by side with ours: real requests to a server on loopback that misbehaves on purpose.
//!
//! The recipe is a session that retries three times on connection and read faults and on 500, 502 and 504, and backs off
//! with a factor of 0.3. For every attempt this prints what happened and when.
//!
//! ```text
//! cargo run --example session --features reqwest
//! ```

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use persevere::http::{HttpPolicy, RetryClient, Statuses};
use persevere::{Jitter, Policy, Report};

/// The recipe's numbers, without jitter so that they can be compared; and what the recipe has no word for.
const RECIPE: HttpPolicy = HttpPolicy::new(
    Policy::new().total(3).backoff(Duration::from_millis(300)).jitter(Jitter::None).within(Duration::from_secs(30)),
)
.only_statuses(Statuses::of(&[500, 502, 503, 504]));

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // This package builds reqwest without a provider for TLS; most do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    let session = RetryClient::build(client, reqwest::redirect::Policy::default(), RECIPE)?;
    println!("The policy: {RECIPE}.\n");

    let cases = [
        Case { name: "a port that refuses", serve: None, ..CASE },
        Case { name: "500, then 200", serve: Some(|n| if n < 3 { STATUS_500 } else { WHOLE }), ..CASE },
        Case { name: "stalls twice, each attempt 0.2 s", serve: Some(|n| if n < 3 { "" } else { WHOLE }), ..CASE },
        Case { name: "503 with Retry-After of 1 s", serve: Some(|n| if n < 2 { SOON } else { WHOLE }), ..CASE },
        Case { name: "Retry-After a week ahead", serve: Some(|_| LATE), ..CASE },
        Case { name: "POST on 500", serve: Some(|_| STATUS_500), post: true },
        Case { name: "chunked body cut twice", serve: Some(|n| if n < 3 { CUT } else { WHOLE }), ..CASE },
    ];
    for case in cases {
        case.run(&session).await?;
    }
    batch(&session).await
}

struct Case {
    name: &'static str,
    /// The answer to the n-th request; an empty one stalls. Without it nobody listens.
    serve: Option<fn(usize) -> &'static str>,
    post: bool,
}

const CASE: Case = Case { name: "", serve: None, post: false };
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwhole";
const CUT: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nwh";
const STATUS_500: &str = "HTTP/1.1 500 Failed\r\ncontent-length: 6\r\nconnection: close\r\n\r\nfailed";
const SOON: &str = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
const LATE: &str = "HTTP/1.1 503 Busy\r\nretry-after: 604800\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";

impl Case {
    async fn run(&self, session: &RetryClient<reqwest::Client>) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let requests = Arc::new(AtomicUsize::new(0));
        match self.serve {
            Some(answer) => serve(listener, requests.clone(), answer),
            None => drop(listener),
        }
        let mut report = Report::new();
        let started = Instant::now();
        let request = if self.post { session.post(&url).body("order") } else { session.get(&url) };
        let policy = RECIPE.policy().attempt_timeout(Duration::from_millis(200));
        let outcome = request.policy(policy.report(&mut report)).text().await;
        println!("{} ({} requests at the server)", self.name, requests.load(Ordering::Relaxed));
        let mut at = Duration::ZERO;
        for failure in report.failures() {
            let wait =
                failure.wait().map_or_else(String::new, |wait| format!(", then waits {:.2} s", wait.as_secs_f64()));
            println!("  {:>5.2} s  attempt {}: {} fault{wait}", at.as_secs_f64(), failure.attempt(), failure.fault());
            at += failure.took() + failure.wait().unwrap_or_default();
        }
        let answer = outcome.unwrap_or_else(|error| error.without_url().to_string());
        let ended = report.stop_reason().map_or_else(String::new, |reason| reason.to_string());
        println!("  {:>5.2} s  {ended}: {answer:?}\n", started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Answers each connection's first request.
fn serve(listener: TcpListener, requests: Arc<AtomicUsize>, answer: fn(usize) -> &'static str) {
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let requests = requests.clone();
            thread::spawn(move || respond(stream, &requests, answer));
        }
    });
}

fn respond(mut stream: TcpStream, requests: &AtomicUsize, answer: fn(usize) -> &'static str) -> io::Result<()> {
    let mut buffer = [0; 4096];
    if stream.read(&mut buffer)? == 0 {
        return Ok(());
    }
    match answer(requests.fetch_add(1, Ordering::Relaxed) + 1) {
        // Until the client goes away.
        "" => stream.read(&mut buffer).map(drop),
        answer => stream.write_all(answer.as_bytes()),
    }
}

/// 8 000 requests to a server that fails one in twenty, a hundred at a time.
async fn batch(session: &RetryClient<reqwest::Client>) -> Result<(), Box<dyn std::error::Error>> {
    const REQUESTS: usize = 8_000;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let requests = Arc::new(AtomicUsize::new(0));
    serve(listener, requests.clone(), |n| if n % 20 == 0 { STATUS_500 } else { WHOLE });
    let (next, whole, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut workers = Vec::new();
    for _ in 0..100 {
        let (session, url, next, whole) = (session.clone(), url.clone(), next.clone(), whole.clone());
        workers.push(tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                let mut report = Report::new();
                match session.get(&url).policy(RECIPE.policy().report(&mut report)).text().await.as_deref() {
                    Ok("whole") => drop(whole.fetch_add(1, Ordering::Relaxed)),
                    outcome => println!("  lost: {outcome:?}: {report}"),
                }
            }
        }));
    }
    for worker in workers {
        worker.await?;
    }
    let (whole, sent) = (whole.load(Ordering::Relaxed), requests.load(Ordering::Relaxed));
    let took = started.elapsed().as_secs_f64();
    println!("{REQUESTS} requests to a server that fails 5 %: {whole} whole, {sent} sent, {took:.1} s");
    println!("(one in 160 000 fails four times in a row)");
    Ok(())
}
