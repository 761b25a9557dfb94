//! The requests recipe, side by side with ours: real requests to a server on loopback that misbehaves on purpose.
//!
//! The recipe is what users of Python's requests write: a session that retries three times on connection and read faults
//! and on 500, 502 and 504, and backs off with a factor of 0.3. What it does in each case was measured with requests 2.34
//! and urllib3 2.7 (but for the six hours, which are its `retry_after_max`); what ours does is measured while this runs,
//! with status and time of every attempt.
//!
//! ```text
//! cargo run -p session
//! ```

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use persevere::http::{HttpPolicy, RetryClient, Statuses};
use persevere::{Jitter, Policy, Report, StopReason};
use reqwest::redirect;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The recipe's numbers, without jitter so that they can be compared. The recipe retries a 503 if it has a `Retry-After`,
/// and has no word for a deadline.
const RECIPE: HttpPolicy = HttpPolicy::new(
    Policy::new().total(3).backoff(Duration::from_millis(300)).jitter(Jitter::None).within(Duration::from_secs(30)),
)
.retry_only(Statuses::of(&[500, 502, 503, 504]));

#[tokio::main]
async fn main() -> Result<()> {
    // This package builds reqwest without a provider for TLS; most do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    let session = RetryClient::build(client, redirect::Policy::default(), RECIPE)?;
    println!("Our policy: {RECIPE}.\n");
    for (number, case) in (1..).zip(CASES) {
        case.run(number, &session).await?;
    }
    batch(&session).await
}

struct Case {
    name: &'static str,
    recipe: &'static str,
    /// The answer to the n-th request; an empty one stalls. Without it nobody listens.
    serve: Option<fn(usize) -> &'static str>,
    post: bool,
    /// The time that an attempt may take.
    timeout: Duration,
    /// Whether the body is read in the attempt, or after it as the recipe does.
    text: bool,
}

const CASE: Case =
    Case { name: "", recipe: "", serve: None, post: false, timeout: Duration::from_secs(10), text: false };

const CASES: [Case; 8] = [
    Case {
        name: "GET from a port that refuses",
        recipe: "ConnectionError after 1.8 s; how many attempts it made is not told",
        ..CASE
    },
    Case {
        name: "POST to a port that refuses",
        recipe: "the same: nothing was sent, so a POST is retried, too",
        post: true,
        ..CASE
    },
    Case {
        name: "500 twice, then 200",
        recipe: "200 after 0.6 s; that there were two failures is not told",
        serve: Some(|n| if n < 3 { FAILED } else { WHOLE }),
        ..CASE
    },
    Case {
        name: "a server that stalls twice, 0.2 s for each attempt",
        recipe: "200 after 1.0 s",
        serve: Some(|n| if n < 3 { "" } else { WHOLE }),
        timeout: Duration::from_millis(200),
        ..CASE
    },
    Case {
        name: "503 with Retry-After of 1 s, then 200",
        recipe: "200 after 1.0 s",
        serve: Some(|n| if n < 2 { SOON } else { WHOLE }),
        ..CASE
    },
    Case {
        name: "503 with Retry-After a week ahead",
        recipe: "sleeps for 6 hours, then asks again, up to three times",
        serve: Some(|_| LATE),
        ..CASE
    },
    Case {
        name: "POST on 500",
        recipe: "one request, the 500 comes back",
        serve: Some(|_| FAILED),
        post: true,
        ..CASE
    },
    Case {
        name: "a chunked body cut twice, then whole",
        recipe: "ChunkedEncodingError after one request: a body is read outside of the retries",
        serve: Some(|n| if n < 3 { CUT } else { WHOLE }),
        text: true,
        ..CASE
    },
];

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwhole";
const CUT: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nwh";
const FAILED: &str = "HTTP/1.1 500 Failed\r\ncontent-length: 6\r\nconnection: close\r\n\r\nfailed";
const SOON: &str = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
const LATE: &str = "HTTP/1.1 503 Busy\r\nretry-after: 604800\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";

impl Case {
    async fn run(&self, number: usize, session: &RetryClient<reqwest::Client>) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let requests = Arc::new(AtomicUsize::new(0));
        match self.serve {
            Some(answer) => {
                let requests = requests.clone();
                serve(listener, move |_| answer(requests.fetch_add(1, Ordering::Relaxed) + 1));
            }
            None => drop(listener),
        }
        let mut report = Report::new();
        let request = if self.post { session.post(&url).body("order") } else { session.get(&url) };
        let request = request.policy(RECIPE.policy().attempt_timeout(self.timeout).report(&mut report));
        let outcome = if self.text {
            request.text().await.map(|body| format!("a whole body, {body:?}"))
        } else {
            request.send().await.map(|response| response.status().to_string())
        };

        println!("{number}. {}", self.name);
        println!("   the recipe: {}", self.recipe);
        println!("   ours:");
        for failure in report.failures() {
            let what =
                failure.status().map_or_else(|| format!("{} fault", failure.fault()), |status| status.to_string());
            row(failure.attempt(), failure.began(), failure.took(), &what, failure.wait());
        }
        let outcome = outcome.unwrap_or_else(|error| error.without_url().to_string());
        match report.stop_reason() {
            Some(StopReason::Succeeded) => {
                let last = report.failures().last();
                let began =
                    last.map_or(Duration::ZERO, |last| last.began() + last.took() + last.wait().unwrap_or_default());
                row(report.attempts(), began, report.elapsed().saturating_sub(began), &outcome, None);
            }
            Some(reason) => {
                println!("     {:.2} s  {reason}; what comes back: {outcome}", report.elapsed().as_secs_f64());
            }
            None => {}
        }
        let saw = requests.load(Ordering::Relaxed);
        println!("     {saw} request{} reached the server\n", if saw == 1 { "" } else { "s" });
        Ok(())
    }
}

/// One attempt.
fn row(attempt: u32, began: Duration, took: Duration, what: &str, wait: Option<Duration>) {
    let (began, took) = (began.as_secs_f64(), took.as_secs_f64());
    let wait = wait.map_or_else(String::new, |wait| format!(", then waits {:.2} s", wait.as_secs_f64()));
    println!("     {began:.2} s  attempt {attempt}: {what} in {took:.2} s{wait}");
}

/// Answers each connection's first request by its head.
fn serve(listener: TcpListener, answer: impl Fn(&str) -> &'static str + Send + Sync + 'static) {
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(io::Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || respond(stream, &*answer));
        }
    });
}

fn respond(mut stream: TcpStream, answer: &dyn Fn(&str) -> &'static str) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer)?;
    if read == 0 {
        return Ok(());
    }
    match answer(&String::from_utf8_lossy(&buffer[..read])) {
        // Until the client goes away.
        "" => stream.read(&mut buffer).map(drop),
        answer => stream.write_all(answer.as_bytes()),
    }
}

const REQUESTS: usize = 8_000;

/// How often the server fails the request of this number before it answers: each twentieth once, each 400th twice.
const fn failures(number: usize) -> usize {
    (number % 20 == 0) as usize + (number % 400 == 0) as usize
}

/// 8 000 requests to a server that fails 5 % of them, a hundred at a time.
async fn batch(session: &RetryClient<reqwest::Client>) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let sent = Arc::new(AtomicUsize::new(0));
    let (seen, count) = (Mutex::new(HashMap::new()), sent.clone());
    serve(listener, move |head| {
        count.fetch_add(1, Ordering::Relaxed);
        let number = head.split(['/', ' ']).nth(2).and_then(|number| number.parse().ok()).unwrap_or(1);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let times = seen.entry(number).or_insert(0);
        *times += 1;
        if *times > failures(number) { WHOLE } else { FAILED }
    });

    let (next, whole, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Instant::now());
    let workers: Vec<_> = (0..100)
        .map(|_| {
            let (session, url, next, whole) = (session.clone(), url.clone(), next.clone(), whole.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        break;
                    }
                    let mut report = Report::new();
                    let request = session.get(format!("{url}{number}"));
                    match request.policy(RECIPE.policy().report(&mut report)).text().await.as_deref() {
                        Ok("whole") => drop(whole.fetch_add(1, Ordering::Relaxed)),
                        _ => println!("     request {number} is lost: {report}"),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await?;
    }

    let (whole, sent) = (whole.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    let (failing, expected) =
        ((0..REQUESTS).filter(|&number| failures(number) > 0).count(), (0..REQUESTS).map(failures).sum::<usize>());
    println!("9. {REQUESTS} requests, 100 at a time, to a server that fails {failing} of them, some twice");
    println!("   the recipe: all of them whole, and no word of the {expected} failures");
    println!("   ours: {whole} whole (expected {REQUESTS}), {sent} sent (expected {})", REQUESTS + expected);
    println!("     in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
