//! What the tests at real servers share: the ways to look at an error, one test at a time, and peers that misbehave.

use std::error::Error;
use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use persevere::{Fault, Reached, Retryable, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard, watch};

pub const PERMANENT: Verdict = Verdict::permanent();

/// A transient verdict that proves that the operation took no effect.
pub const fn unsent(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault).with_reached(Reached::No)
}

/// A transient verdict that does not prove it.
pub const fn unknown(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault)
}

#[derive(Debug, thiserror::Error)]
#[error("something went wrong")]
struct Around<E: Error + 'static>(#[source] E);

/// Asserts the verdict on the error itself, in a box, below another error in a box, and below anyhow's contexts.
#[track_caller]
pub fn assert_verdict<E>(what: &str, error: E, expected: Verdict)
where
    E: Retryable + Error + Send + Sync + 'static,
{
    let shown = format!("{what}: {error:?}");
    eprintln!("{shown}");
    assert_eq!(error.verdict(), expected, "{shown}");
    let boxed: Box<dyn Error> = Box::new(error);
    assert_eq!(boxed.verdict(), expected, "in a box, {shown}");
    let error = *boxed.downcast::<E>().unwrap();
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Around(error));
    assert_eq!(boxed.verdict(), expected, "in a box, as a source, {shown}");
    let Around(error) = *boxed.downcast::<Around<E>>().unwrap();
    let shared: Box<dyn Error + Send + Sync> = Box::new(Arc::new(error));
    assert_eq!(shared.verdict(), expected, "shared, {shown}");
    let error = Arc::into_inner(*shared.downcast::<Arc<E>>().unwrap()).unwrap();
    let report = anyhow::Error::new(error).context("while saving").context("while serving");
    assert_eq!(report.verdict(), expected, "in a report, {shown}");
    let error = report.downcast::<E>().unwrap();
    let report = anyhow::Error::from_boxed(Box::new(error)).context("while saving");
    assert_eq!(report.verdict(), expected, "in a report made of a box, {shown}");
}

/// Waits for this test's turn: they stop and start servers that others need.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// A variable that `tests/servers/start` sets.
#[track_caller]
pub fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by tests/servers/start"))
}

/// Stops or starts a server.
#[track_caller]
pub fn control(arguments: &[&str]) {
    let status = Command::new(given("SERVERS_CONTROL")).args(arguments).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

/// The same URL with another user, host and so on.
pub fn with(url: &str, from: &str, to: &str) -> String {
    let (before, after) = url.rsplit_once(from).unwrap_or_else(|| panic!("{url} has no {from}"));
    format!("{before}{to}{after}")
}

/// The address in a URL.
pub fn address(url: &str) -> SocketAddr {
    let host = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    host.rsplit('@').next().unwrap().parse().unwrap()
}

/// The same URL with another address.
pub fn at(url: &str, other: SocketAddr) -> String {
    with(url, &address(url).to_string(), &other.to_string())
}

/// An address that refuses connections.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// What a peer does with a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peer {
    /// Accepts, and never says anything.
    Silent,
    /// Reads something, and closes.
    Closes,
    /// Reads something, answers with a part of a message, and closes.
    AnswersInPart(&'static [u8]),
    /// Reads something, and resets.
    Resets,
}

/// Starts a peer that misbehaves, for as long as the test's runtime lives.
pub async fn peer(kind: Peer) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 64];
            if kind == Peer::Silent {
                kept.push(stream);
                continue;
            }
            let _ = stream.read(&mut buffer).await;
            match kind {
                Peer::AnswersInPart(text) => {
                    let _ = stream.write_all(text).await;
                    let _ = stream.shutdown().await;
                    // What is left unread would make a reset of the close.
                    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                }
                Peer::Resets => reset(stream),
                Peer::Silent | Peer::Closes => {
                    let _ = stream.shutdown().await;
                    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                }
            }
        }
    });
    address
}

fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream.into_std().unwrap());
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

/// An address whose queue of connections is full: a connect neither succeeds nor fails.
pub struct Full {
    pub address: SocketAddr,
    _sockets: Vec<socket2::Socket>,
}

impl Full {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            sockets.push(socket);
        }
        Self { address, _sockets: sockets }
    }
}

/// A proxy in front of a server, that breaks its connections when it is told to.
pub struct Proxy {
    pub address: SocketAddr,
    fault: Arc<watch::Sender<Option<Peer>>>,
}

impl Proxy {
    pub async fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(watch::Sender::new(None));
        let faults = fault.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, faults.clone()));
            }
        });
        Self { address, fault }
    }

    /// Breaks every connection that stands, and forgets it for those that come.
    pub fn break_all(&self, how: Peer) {
        self.fault.send_replace(Some(how));
        self.fault.send_replace(None);
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut faults: watch::Receiver<Option<Peer>>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let fault = async {
        let _ = faults.changed().await;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        () = fault => reset(client),
    }
}

/// What a proxy loses of a `COMMIT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lost {
    /// The server never gets it.
    Request,
    /// The server applies it, and the client never gets the answer.
    Answer,
}

/// A proxy in front of PostgreSQL that loses a part of some `COMMIT`s, and resets the client's connection then.
pub struct LosesCommit {
    pub address: SocketAddr,
    left: Arc<AtomicUsize>,
}

impl LosesCommit {
    /// Loses a part of the next `count` of them.
    pub async fn new(server: SocketAddr, lost: Lost, count: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicUsize::new(count));
        let shared = left.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry_all_but_commits(client, server, lost, shared.clone()));
            }
        });
        Self { address, left }
    }

    /// Returns how many `COMMIT`s it will still lose.
    pub fn left(&self) -> usize {
        self.left.load(Relaxed)
    }
}

async fn carry_all_but_commits(mut client: TcpStream, server: SocketAddr, lost: Lost, left: Arc<AtomicUsize>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut sent, mut answered) = ([0; 8192], [0; 8192]);
    loop {
        tokio::select! {
            count = client.read(&mut sent) => {
                let Ok(count @ 1..) = count else { return };
                let commits = sent[..count].windows(6).any(|word| word == b"COMMIT");
                if commits && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                    if lost == Lost::Answer {
                        server.write_all(&sent[..count]).await.unwrap();
                        assert_ne!(server.read(&mut answered).await.unwrap(), 0);
                    }
                    return reset(client);
                }
                if server.write_all(&sent[..count]).await.is_err() { return }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&answered[..count]).await.is_err() { return }
            }
        }
    }
}

/// Waits until `condition` holds, for at most five seconds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come true");
}

/// The error of a result that must be one.
#[track_caller]
pub fn err<T, E>(what: &str, result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("{what}: no error"),
        Err(error) => error,
    }
}

/// Shows what a value is, for assertions on errors.
pub fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

/// The examples of the guide that need the clients.
#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/transactions.md")]
pub struct Transactions;
