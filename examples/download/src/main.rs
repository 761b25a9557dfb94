//! A download from a server on loopback that breaks every few hundred kilobytes, with a progress bar.
//!
//! First into a file. Half way through, the program drops the download, as a process that ends does, and a second download
//! goes on where the file ends. Then it reads a large body in chunks, once unbroken and once broken every 3 MiB, and
//! compares the time. The number of MiB is an argument.
//!
//! ```text
//! cargo run -p download
//! cargo run --release -p download -- 1024
//! ```

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use persevere::http::{Download, RetryClient};
use persevere::{Policy, Report};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Four failures in a row that bring nothing end it.
const POLICY: Policy = Policy::new().total(3);

#[tokio::main]
async fn main() -> Result<()> {
    // This package builds reqwest without a provider for TLS; most do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let size = std::env::args().nth(1).map_or(Ok(256), |size| size.parse::<u64>())?;
    // A server that goes silent is a break, too.
    let client = reqwest::Client::builder().no_proxy().read_timeout(Duration::from_secs(20)).build()?;
    let client = RetryClient::new(client, POLICY);
    into_a_file(&client).await?;
    compare(&client, size * MIB).await
}

async fn into_a_file(client: &RetryClient<reqwest::Client>) -> Result<()> {
    let server = Server::start(24 * MIB, Some(300 * KIB))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("film");
    println!("24 MiB into a file. The server breaks after 200 to 400 KiB.");

    let bar = bar(24 * MIB);
    let (half, mut reached) = tokio::sync::mpsc::unbounded_channel();
    let first = client.get(&server.url).download().on_progress(|position, total| {
        bar.update(|state| {
            state.set_pos(position);
            state.set_len(total.unwrap_or(position));
        });
        if position > 12 * MIB {
            let _ = half.send(());
        }
    });
    tokio::select! {
        length = first.to_file(&path) => drop(length?),
        _ = reached.recv() => {}
    }
    bar.abandon();
    println!("  dropped at {} KiB, after {} requests", bar.position() / KIB, server.requests());

    let mut report = Report::new();
    let mut began = None;
    let second = client.get(&server.url).policy(POLICY.report(&mut report)).download();
    let second = second.on_progress(|position, _| {
        began.get_or_insert(position);
        bar.set_position(position);
    });
    let length = second.to_file(&path).await?;
    bar.finish();
    println!("  a second download went on at about {} KiB", began.unwrap_or(0) / KIB);
    println!("  {report}");
    let right = std::fs::read(&path)?.iter().zip(content(0)).all(|(found, right)| *found == right);
    println!("  {} MiB in {} requests, right: {right}\n", length / MIB, server.requests());
    Ok(())
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn compare(client: &RetryClient<reqwest::Client>, size: u64) -> Result<()> {
    println!("{} MiB in chunks.", size / MIB);
    for cut in [None, Some(3 * MIB), None, Some(3 * MIB)] {
        let server = Server::start(size, cut)?;
        let started = Instant::now();
        let right = read(client.get(&server.url).download()).await?;
        let seconds = started.elapsed().as_secs_f64();
        let speed = size as f64 / MIB as f64 / seconds;
        let how = cut.map_or("unbroken", |_| "broken every 3 MiB");
        println!("  {how}: {seconds:.2} s, {speed:.0} MiB/s, {} requests, right: {right}", server.requests());
        if cut.is_some() {
            let server = Server::start(size, cut)?;
            let started = Instant::now();
            by_hand(client, &server.url, size).await?;
            let seconds = started.elapsed().as_secs_f64();
            println!(
                "  the same requests by hand, with nothing decided: {seconds:.2} s, {} requests",
                server.requests()
            );
        }
    }
    // Client and server share this process. Only Linux reports the figure.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!("  most memory of this process: {most}");
    Ok(())
}

/// What the connections alone cost.
async fn by_hand(client: &RetryClient<reqwest::Client>, url: &str, size: u64) -> Result<()> {
    let mut position = 0;
    while position < size {
        let mut response = client.client().get(url).header("range", format!("bytes={position}-")).send().await?;
        while let Ok(Some(chunk)) = response.chunk().await {
            position += chunk.len() as u64;
        }
    }
    Ok(())
}

/// Reads to the end, and returns whether each byte was right.
async fn read(mut download: Download<'_>) -> Result<bool> {
    let mut right = true;
    let pattern = pattern();
    while let Some(chunk) = download.chunk().await? {
        let mut at = download.position() - chunk.len() as u64;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let begin = (at % PERIOD as u64) as usize;
            let length = rest.len().min(PERIOD - begin);
            right &= rest[..length] == pattern[begin..begin + length];
            (rest, at) = (&rest[length..], at + length as u64);
        }
    }
    Ok(right)
}

/// A prime: no piece that is moved looks right.
const PERIOD: usize = 65_521;

fn pattern() -> Vec<u8> {
    content(0).take(PERIOD).collect()
}

fn content(from: u64) -> impl Iterator<Item = u8> {
    (from..).map(|at| ((at % PERIOD as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8)
}

/// A server of one file, which knows ranges.
struct Server {
    url: String,
    requests: Arc<AtomicU64>,
}

impl Server {
    /// Serves so many bytes, and closes each connection after about as many as `cut` says.
    fn start(size: u64, cut: Option<u64>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { url: format!("http://{}/film", listener.local_addr()?), requests: Arc::default() };
        let (requests, pattern) = (server.requests.clone(), Arc::new(pattern().repeat(2)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                let number = requests.fetch_add(1, Relaxed);
                // Two thirds to four thirds of it, in turn.
                let cut = cut.map(|cut| cut * (2 + number % 3) / 3);
                let pattern = pattern.clone();
                thread::spawn(move || serve(stream, size, cut, &pattern));
            }
        });
        Ok(server)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
}

fn serve(mut stream: TcpStream, size: u64, cut: Option<u64>, pattern: &[u8]) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut from = 0;
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let range = line.to_lowercase();
        let range = range.strip_prefix("range: bytes=").and_then(|range| range.strip_suffix('-')?.parse().ok());
        from = range.unwrap_or(from);
    }
    let head = match from {
        0 => "HTTP/1.1 200 OK".to_owned(),
        _ => format!("HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{}/{size}", size - 1),
    };
    let length = size - from;
    write!(stream, "{head}\r\netag: \"1\"\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    let end = cut.map_or(size, |cut| size.min(from + cut));
    while from < end {
        let begin = (from % PERIOD as u64) as usize;
        let length = (PERIOD as u64).min(end - from);
        stream.write_all(&pattern[begin..begin + length as usize])?;
        from += length;
    }
    Ok(())
}
