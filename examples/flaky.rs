//! Runs one operation through every door against a server that misbehaves on purpose.
//!
//! The server, on loopback, refuses connections, then resets one, then stalls past a timeout, then serves. The second
//! part shows the arithmetic of the requests recipe: `Retry(total=3, backoff_factor=0.3)`.
//!
//! ```text
//! cargo run --example flaky
//! ```

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use persevere::{
    Backoff, Jitter, Policy, Report, Retryable as _, retry, retry_async,
    run::{Decision, Run},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long the client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(150);

/// Up to 6 attempts; without jitter, so that what happens can be compared with what was promised.
const POLICY: Policy = Policy::new()
    .total(5)
    .backoff(Duration::from_millis(50))
    .jitter(Jitter::None)
    .within(Duration::from_secs(20))
    .valid();

fn main() -> io::Result<()> {
    println!("The policy promises: {POLICY}.");
    println!("The server refuses until it listens, then resets a connection, then stalls for longer than");
    println!("the client's {PATIENCE:?}, then serves.\n");
    println!("{:<24} {:>8}  {:<34} {:>8}  failures, then the answer", "door", "attempts", "waits (s)", "total");

    // Each door has a server of its own, so that all can run at once.
    let doors: [(&str, Door); 9] = [
        ("retry(..)", |address| reported(|report| by_function(address, report))),
        ("policy.run_with(..)", |address| reported(|report| by_builder(address, report))),
        ("policy.waits(..)", |address| reported(|report| by_waits(address, report))),
        ("retry!(..)", |address| reported(|report| by_macro(address, report))),
        ("#[retry] fn", |address| reported(|report| by_attribute(address, report))),
        ("retry_async(..)", |address| reported(|report| on_tokio(by_async_function(address, report)))),
        ("retry_async!(..)", |address| reported(|report| on_tokio(by_async_macro(address, report)))),
        ("#[retry] async fn", |address| reported(|report| on_tokio(by_async_attribute(address, report)))),
        ("Run, by hand", by_hand),
    ];
    let runs = doors.map(|(name, door)| thread::spawn(move || io::Result::Ok((name, door(flaky_server()?)?))));
    for run in runs {
        let (name, story) = run.join().expect("no door panics")?;
        let total = format!("{:.2} s", story.total.as_secs_f64());
        let Story { attempts, answer, .. } = &story;
        println!(
            "{name:<24} {attempts:>8}  {:<34} {total:>8}  {}: {answer}",
            seconds(&story.waits),
            story.faults.join(", ")
        );
    }
    println!("{:<24} {:>8}  {}\n", "promised", "up to 6", seconds(&POLICY.preview().collect::<Vec<_>>()));
    recipe()
}

/// Runs the operation against a server.
type Door = fn(SocketAddr) -> io::Result<Story>;

/// What a run did.
struct Story {
    attempts: u32,
    waits: Vec<Duration>,
    total: Duration,
    faults: Vec<String>,
    answer: String,
}

/// Runs a door that fills a report.
fn reported(door: impl FnOnce(&mut Report) -> io::Result<String>) -> io::Result<Story> {
    let mut report = Report::new();
    let answer = door(&mut report)?;
    Ok(Story {
        attempts: report.attempts(),
        waits: report.failures().filter_map(persevere::report::Failure::wait).collect(),
        total: report.elapsed(),
        faults: report.failures().map(|failure| failure.fault().to_string()).collect(),
        answer,
    })
}

fn by_function(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    retry(POLICY.report(report), || visit(address, PATIENCE))
}

fn by_builder(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    // Blocking code can't be cut, so the operation's own timeout is clipped to what the deadline leaves.
    POLICY.report(report).run_with(|attempt| visit(address, attempt.remaining().unwrap_or(PATIENCE).min(PATIENCE)))
}

fn by_waits(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    let waits = Backoff::new(Duration::from_millis(50)).take(5);
    retry(POLICY.waits(waits).report(report), || visit(address, PATIENCE))
}

fn by_macro(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    persevere::prelude::retry!(POLICY.report(report), visit(address, PATIENCE))
}

#[retry(policy = POLICY, report = report)]
fn by_attribute(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    visit(address, PATIENCE)
}

async fn by_async_function(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    retry_async(POLICY.attempt_timeout(PATIENCE).report(report), || visit_async(address)).await
}

async fn by_async_macro(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    retry_async!(POLICY.attempt_timeout(PATIENCE).report(report), visit_async(address).await)
}

#[retry(policy = POLICY, attempt_timeout = 0.15, report = report)]
async fn by_async_attribute(address: SocketAddr, report: &mut Report) -> io::Result<String> {
    visit_async(address).await
}

/// A loop of one's own over the core.
fn by_hand(address: SocketAddr) -> io::Result<Story> {
    let started = Instant::now();
    let mut run = Run::new(POLICY, Duration::ZERO);
    let (mut waits, mut faults) = (Vec::new(), Vec::new());
    loop {
        match visit(address, PATIENCE) {
            Ok(answer) => {
                return Ok(Story { attempts: run.attempt(), waits, total: started.elapsed(), faults, answer });
            }
            Err(error) => {
                let verdict = error.verdict();
                match run.failed(verdict, started.elapsed(), 0) {
                    Decision::Stop(_) => return Err(error),
                    Decision::Wait(wait) => {
                        faults.push(verdict.fault().to_string());
                        waits.push(wait);
                        thread::sleep(wait);
                    }
                }
            }
        }
    }
}

/// The operation: connects, asks, reads the answer.
fn visit(address: SocketAddr, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"how are you?\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}

async fn visit_async(address: SocketAddr) -> io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"how are you?\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}

/// Starts a server that refuses, resets, stalls, serves.
fn flaky_server() -> io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = tokio::net::TcpSocket::new_v4()?;
    // Bound but not listening: the port is ours, and connections to it are refused.
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let listener = socket.listen(8)?;
            let (stream, _) = listener.accept().await?;
            stream.peek(&mut [0; 1]).await?;
            // Closed with the question unread: the client sees a reset.
            drop(stream);
            let (stalling, _) = listener.accept().await?;
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(b"fine, thank you").await?;
            stream.shutdown().await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            drop(stalling);
            io::Result::Ok(())
        })
    });
    Ok(address)
}

/// What `Retry(total=3, backoff_factor=0.3)` promises, and what happens.
fn recipe() -> io::Result<()> {
    const RECIPE: Policy = Policy::new().total(3).backoff(Duration::from_millis(300)).jitter(Jitter::None).valid();
    println!("The recipe, jitter off: {RECIPE}.");

    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let nobody = socket.local_addr()?;
    let mut report = Report::new();
    let error = retry(RECIPE.report(&mut report), || TcpStream::connect(nobody)).expect_err("nobody listens there");
    println!(
        "  a port where nothing listens   promised 0 + 0.6 + 1.2 = 1.8 s, took {:.2} s",
        report.elapsed().as_secs_f64()
    );
    println!("    {report}");
    println!("    returned the io::Error itself: {:?}, {error}", error.kind());

    let stalls = || std::future::pending::<io::Result<()>>();
    let timed = RECIPE.attempt_timeout(Duration::from_secs(5)).report(&mut report);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let error = runtime.block_on(retry_async(timed, stalls)).expect_err("it stalls for ever");
    let took = report.elapsed().as_secs_f64();
    println!("  an answer that never comes     promised 5+0+5+0.6+5+1.2+5 = 21.8 s, took {took:.1} s of virtual time");
    println!("    returned {:?}: {error}", error.kind());

    // The same against a real server that accepts and says nothing, everything fifty times faster.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let fast = RECIPE.backoff(Duration::from_millis(6)).attempt_timeout(Duration::from_millis(100)).report(&mut report);
    let error = on_tokio(retry_async(fast, || visit_async(address))).expect_err("nobody answers");
    let took = report.elapsed().as_secs_f64();
    println!("  the same, fifty times faster   promised 21.8 / 50 = 0.436 s, took {took:.3} s of real time");
    println!("    returned {:?}: {error}", error.kind());
    Ok(())
}

fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(future)
}

fn seconds(waits: &[Duration]) -> String {
    let waits: Vec<_> = waits.iter().map(|wait| format!("{}", wait.as_secs_f64())).collect();
    waits.join(" + ")
}
