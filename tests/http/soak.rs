//! 8 000 requests to a server of which each twentieth answer is none: all arrive, and the sums agree.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use persevere::http::{HttpPolicy, RetryClient};
use persevere::{Policy, Report, StopReason};

use crate::faults::install_provider;

const REQUESTS: usize = 8_000;
const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";
const FAILED: &[u8] = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
/// Ends in the middle of its body.
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwh";

/// Answers request after request; each twentieth one fails, by turns with a status, a body cut short, and silence.
fn serve(stream: TcpStream, requests: &AtomicUsize) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        // A head ends with an empty line; these requests have no body.
        loop {
            let Some(line) = lines.next().transpose()? else { return Ok(()) };
            if line.is_empty() {
                break;
            }
        }
        let number = requests.fetch_add(1, Relaxed);
        match (number % 20, number / 20 % 3) {
            (7, 0) => writer.write_all(FAILED)?,
            (7, 1) => return writer.write_all(CUT),
            (7, _) => return Ok(()),
            _ => writer.write_all(WHOLE)?,
        }
    }
}

#[test]
fn eight_thousand_requests_arrive_through_one_in_twenty_faults() {
    install_provider();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = requests.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = seen.clone();
            thread::spawn(move || serve(stream, &seen));
        }
    });
    let policy = HttpPolicy::new(Policy::new().total(6).backoff(Duration::from_millis(1)));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).tls_certs_only([]);
    let session = RetryClient::new(client.build().unwrap(), policy);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (attempts, failures) = runtime.block_on(async {
        let next = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..50)
            .map(|_| {
                let (session, url, next) = (session.clone(), url.clone(), next.clone());
                tokio::spawn(async move {
                    let mut sums = (0, 0);
                    while next.fetch_add(1, Relaxed) < REQUESTS {
                        let mut report = Report::new();
                        let request = session.get(&url).policy(policy.policy().report(&mut report));
                        assert_eq!(request.text().await.unwrap(), "whole", "{report}");
                        assert_eq!(report.stop_reason(), Some(StopReason::Succeeded));
                        sums = (sums.0 + report.attempts() as usize, sums.1 + report.failures().count());
                    }
                    sums
                })
            })
            .collect();
        let mut sums = (0, 0);
        for worker in workers {
            let (attempts, failures) = worker.await.unwrap();
            sums = (sums.0 + attempts, sums.1 + failures);
        }
        sums
    });
    assert_eq!(attempts - failures, REQUESTS);
    let seen = requests.load(Relaxed);
    // The client itself sends again what an idle connection lost before it was answered.
    assert!(attempts <= seen && seen <= attempts + failures, "{attempts} attempts, {seen} requests");
    assert!((REQUESTS / 25..REQUESTS / 15).contains(&(seen - REQUESTS)), "{failures} failures, {seen} requests");
}
